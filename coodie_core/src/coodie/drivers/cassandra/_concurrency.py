"""Many requests at once from one thread, in the place of threads that only wait."""

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

#: Seconds between two looks for waits whose time is over.
_SWEEP = 0.1

#: Seconds to wait for one kind of answer while the other kind is wanted, too.
_GLANCE = 0.002


@dataclass(slots=True, eq=False)
class _Waiting:
    """A request, and what it waits for."""

    index: int
    steps: Generator[Effect, Any, Rows]
    #: What it waits for; None for a response on the pipeline, which keeps the time itself, and for a pause.
    wait: Wait | None = None
    #: When its time is over, or has come, on the monotonic clock.
    deadline: float = inf


class ConcurrentExecutor:
    """Drive up to ``run.concurrency`` requests; whatever is answered takes its next step here.

    Args:
        run: The bookkeeping.
        start: Makes the steps of one request.
        pipeline: The connections of ours that requests may go through; None where there are none.
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
        self._next_sweep = 0.0

    def drain(self) -> ManyResult:
        """Run all there is and return the result."""
        try:
            while True:
                self._fill()
                if not self._in_flight:
                    return self._run.finish()
                self._answer()
                self._sweep()
        finally:
            self._run.stop()
            if self._pipeline is not None:
                self._pipeline.close()
            # Left by a callback that raised, or by Ctrl-C: their ends are told now, not at some time.
            for waiting in self._in_flight:
                waiting.steps.close()

    def _fill(self) -> None:
        while len(self._in_flight) < self._run.concurrency and (item := self._run.take()) is not None:
            index, params = item
            steps = self._start(params)
            self._advance(index, steps, steps.send, None)

    def _answer(self) -> None:
        """Wait a moment for answers, and let the requests that they are for take their next steps."""
        piped = 0 if self._pipeline is None else self._pipeline.in_flight
        if self._pipeline is not None and piped:
            # Where some are out on the driver's way, neither kind is to wait for the other.
            mixed = piped < len(self._in_flight)
            for waiting, answer in self._pipeline.responses(_GLANCE if mixed else _SWEEP):
                self._in_flight.remove(waiting)
                self._advance(waiting.index, waiting.steps, waiting.steps.send, answer)
            if not mixed:
                return
        try:
            ended = self._ready.get(timeout=0 if piped else _SWEEP)
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

    def _sweep(self) -> None:
        """Wake the requests whose time has come, and tell those whose wait has lasted too long."""
        now = time.monotonic()
        if now < self._next_sweep:
            return
        self._next_sweep = now + _SWEEP
        for late in [waiting for waiting in self._in_flight if waiting.deadline < now]:
            if late.wait is None:
                self._in_flight.remove(late)
                self._advance(late.index, late.steps, late.steps.send, None)
            elif not late.wait.future.done():
                self._in_flight.remove(late)
                self._advance(late.index, late.steps, late.steps.throw, late.wait.late())

    def _advance(
        self, index: int, steps: Generator[Effect, Any, Rows], go_on: Callable[[Any], Effect], answer: Any
    ) -> None:
        """Let a request take one step; record what came of it when that was the last."""
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
                # It couldn't be sent: then the driver does it.
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
