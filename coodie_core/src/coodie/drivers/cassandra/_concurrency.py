"""Concurrent requests from one thread, without a thread per request."""

from __future__ import annotations

import time
from dataclasses import dataclass
from math import inf
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from coodie.drivers.cassandra.fastpath.request import Exchange
from coodie.effects import Sleep
from coodie.waiting import Wait

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from coodie.contract.many import ManyRun
    from coodie.drivers.cassandra.fastpath.pipeline import Pipeline
    from coodie.effects import Effect
    from coodie.requests import Params
    from coodie.rows import ManyResult, Rows

__all__ = ["ConcurrentExecutor"]

#: Seconds between two checks for expired waits.
_EXPIRY_INTERVAL = 0.1

#: Seconds to poll the pipeline while responses of the session are awaited, too.
SHORT_POLL = 0.002


@dataclass(slots=True, eq=False)
class _Waiting:
    """A request in flight."""

    index: int
    steps: Generator[Effect, Any, Rows]
    #: The effect that it waits for; None for a response on the pipeline, which handles timeouts, or a sleep.
    wait: Wait | None = None
    #: When the wait expires or the sleep ends, on the monotonic clock.
    deadline: float = inf


class ConcurrentExecutor:
    """Drive up to ``run.concurrency`` requests at a time.

    Args:
        run: The state of the ``execute_many``.
        start: Returns the steps of one request.
        pipeline: The fast path's pipeline; None if the fast path is off.
    """

    def __init__(
        self,
        run: ManyRun,
        start: Callable[[Params], Generator[Effect, Any, Rows]],
        pipeline: Pipeline[_Waiting] | None = None,
    ) -> None:
        self._run = run
        self._start = start
        self._pipeline = pipeline
        self._in_flight: set[_Waiting] = set()
        self._ready: SimpleQueue[_Waiting] = SimpleQueue()
        self._next_expiry = 0.0

    def drain(self) -> ManyResult:
        """Run all requests, and return the result."""
        try:
            while True:
                self._fill()
                if not self._in_flight:
                    return self._run.finish()
                self._receive()
                self._expire_waits()
        finally:
            self._run.stop()
            if self._pipeline is not None:
                self._pipeline.close()
            # After an exception of a callback, or Ctrl-C: notify observers of their end now.
            for waiting in self._in_flight:
                waiting.steps.close()

    def _fill(self) -> None:
        while len(self._in_flight) < self._run.concurrency and (item := self._run.take()) is not None:
            index, params = item
            steps = self._start(params)
            self._advance(index, steps, steps.send, None)

    def _receive(self) -> None:
        """Wait briefly for responses, and resume their requests."""
        piped = 0 if self._pipeline is None else self._pipeline.in_flight
        if self._pipeline is not None and piped:
            # If the session has requests in flight, too, don't block on either kind.
            mixed = piped < len(self._in_flight)
            for waiting, answer in self._pipeline.responses(SHORT_POLL if mixed else _EXPIRY_INTERVAL):
                self._in_flight.remove(waiting)
                self._advance(waiting.index, waiting.steps, waiting.steps.send, answer)
            if not mixed:
                return
        try:
            ended = self._ready.get(timeout=0 if piped else _EXPIRY_INTERVAL)
        except Empty:
            return
        if ended in self._in_flight and ended.wait is not None:
            self._in_flight.remove(ended)
            future, steps = ended.wait.future, ended.steps
            error = future.exception()
            if error is not None:
                self._advance(ended.index, steps, steps.throw, error)
            else:
                self._advance(ended.index, steps, steps.send, future.result())

    def _expire_waits(self) -> None:
        """Resume requests whose sleep is over, and fail those whose wait has expired."""
        now = time.monotonic()
        if now < self._next_expiry:
            return
        self._next_expiry = now + _EXPIRY_INTERVAL
        for expired in [waiting for waiting in self._in_flight if waiting.deadline < now]:
            steps, wait = expired.steps, expired.wait
            if wait is None:
                self._in_flight.remove(expired)
                self._advance(expired.index, steps, steps.send, None)
            elif not wait.future.done():
                self._in_flight.remove(expired)
                self._advance(expired.index, steps, steps.throw, wait.timeout_error())

    def _advance(
        self, index: int, steps: Generator[Effect, Any, Rows], go_on: Callable[[Any], Effect], answer: Any
    ) -> None:
        """Resume a request; record its outcome if it has finished."""
        try:
            effect = go_on(answer)
            while not isinstance(effect, Wait):
                if isinstance(effect, Sleep):
                    until = time.monotonic() + effect.seconds
                    self._in_flight.add(_Waiting(index, steps, deadline=until))
                    return
                if isinstance(effect, Exchange) and self._pipeline is not None:
                    waiting = _Waiting(index, steps)
                    if self._pipeline.send(effect, waiting):
                        self._in_flight.add(waiting)
                        return
                # Not sent on the fast path: the session sends it.
                effect = steps.send(None)
        except StopIteration as stop:
            self._run.record(index, stop.value)
        except Exception as exc:  # noqa: BLE001 - each failure is recorded by its index
            self._run.record(index, exc)
        else:
            limit = inf if effect.timeout is None else effect.timeout
            waiting = _Waiting(index, steps, effect, time.monotonic() + limit)
            self._in_flight.add(waiting)
            effect.future.add_done_callback(lambda _: self._ready.put(waiting))
