"""Concurrent requests from one thread, without a thread or a task per request."""

from __future__ import annotations

import time
from dataclasses import dataclass
from math import inf
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from coodie.contract.many import MAX_TASKS, work_with_tasks
from coodie.drivers.cassandra.fastpath.request import Exchange
from coodie.drivers.cassandra.fastpath.window import window_of
from coodie.effects import Sleep
from coodie.observers.instrumentation import ONE_OF_MANY, part_of
from coodie.waiting import Wait

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Generator

    from coodie.contract.many import ManyRun
    from coodie.drivers.cassandra.fastpath.pipeline import Pipeline
    from coodie.drivers.cassandra.fastpath.template import FirstResponse
    from coodie.drivers.cassandra.fastpath.window import ManyWindow
    from coodie.effects import Effect
    from coodie.requests import Params
    from coodie.rows import ManyResult, Rows

__all__ = ["AsyncConcurrentExecutor", "ConcurrentExecutor"]

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
        start: Returns the steps of one request, or of one with an unusual response.
        pipeline: The fast path's pipeline; None if the fast path is off.
        bind: Returns the statement's current template, bound to a connection of the pipeline, or None.
    """

    def __init__(
        self,
        run: ManyRun,
        start: Callable[..., Generator[Effect, Any, Rows]],
        pipeline: Pipeline[_Waiting] | None = None,
        bind: Callable[[], Any] | None = None,
    ) -> None:
        self._run = run
        self._start = start
        self._pipeline = pipeline
        # Sends and counts most requests with the accelerator; None without it.
        self._window = None if bind is None else window_of(run, run.concurrency, bind, self._start_other)
        self._in_flight: set[_Waiting] = set()
        self._ready: SimpleQueue[_Waiting] = SimpleQueue()
        self._next_expiry = 0.0

    def drain(self) -> ManyResult:
        """Run all requests, and return the result."""
        try:
            while True:
                self._fill()
                if not self._in_flight and not self._windowed:
                    return self._run.finish()
                self._receive()
                self._expire_waits()
        finally:
            self._run.stop()
            if self._window is not None:
                self._window.close()
            if self._pipeline is not None:
                self._pipeline.close()
            # After an exception of a callback, or Ctrl-C: notify observers of their end now.
            for waiting in self._in_flight:
                waiting.steps.close()

    @property
    def _windowed(self) -> int:
        """The number of requests in flight of the window."""
        return 0 if self._window is None else self._window.in_flight

    def _fill(self) -> None:
        if self._window is not None and self._window.fill(self._in_flight.__len__):
            return
        room = self._run.concurrency - self._windowed
        while len(self._in_flight) < room and (item := self._run.take()) is not None:
            self._start_other(*item)

    def _start_other(self, index: int, params: Params, first: FirstResponse | None = None) -> None:
        steps = self._start(params) if first is None else self._start(params, first)
        self._advance(index, steps, steps.send, None)

    def _receive(self) -> None:
        """Wait briefly for responses, and resume their requests."""
        piped = 0 if self._pipeline is None else self._pipeline.in_flight
        if self._pipeline is not None and piped:
            # If the session has requests in flight, too, don't block on either kind.
            mixed = piped < len(self._in_flight) + self._windowed
            found: list[Any] = self._pipeline.responses(SHORT_POLL if mixed else _EXPIRY_INTERVAL)
            if self._window is not None:
                found = self._window.end(found)
                self._window.record()
            for waiting, answer in found:
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


class AsyncConcurrentExecutor:
    """Execute up to ``run.concurrency`` requests at a time on the running event loop.

    The accelerator sends and counts requests while the statement has a template that is bound to a
    connection. Before that, and where there is none, tasks execute them, as with other backends.

    Args:
        run: The state of the ``execute_many``.
        execute: Executes the statement, or continues a request with an unusual response.
        bind: Returns the statement's current template, bound to a connection of the loop, or None.
    """

    def __init__(
        self, run: ManyRun, execute: Callable[..., Awaitable[Rows[Any]]], bind: Callable[[], Any]
    ) -> None:
        self._run = run
        self._execute = execute
        self._bind = bind
        self._window = window_of(run, min(run.concurrency, MAX_TASKS), bind, self._start)
        # Executions that the window doesn't send, or whose responses are unusual.
        self._tasks: set[asyncio.Task[None]] = set()
        self._error: BaseException | None = None

    async def drain(self) -> ManyResult:
        """Run all requests, and return the result; a cancellation leaves nothing in flight."""
        from asyncio import gather  # programs without an event loop don't pay for it

        run, window = self._run, self._window
        try:
            while not run.is_stopped:
                if window is None or self._bind() is None:
                    await work_with_tasks(run, self._execute, None if window is None else self._is_bound)
                else:
                    await self._drain_window(window)
        finally:
            run.stop()
            if window is not None:
                window.close()
            for task in self._tasks:
                task.cancel()
            await gather(*self._tasks, return_exceptions=True)
        return run.finish()

    def _is_bound(self) -> bool:
        return self._bind() is not None

    async def _drain_window(self, window: ManyWindow) -> None:
        """Run requests by the window, until there are no more, or there is no template for them."""
        from asyncio import get_running_loop

        loop = get_running_loop()
        while True:
            window.fill(self._tasks.__len__)
            if not self._tasks and not window.in_flight:
                return
            await window.ended(loop)
            window.record()
            if self._error is not None:
                raise self._error

    def _start(self, index: int, params: Params, first: FirstResponse | None = None) -> None:
        from asyncio import ensure_future

        task = ensure_future(self._one(index, params, first))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def _one(self, index: int, params: Params, first: FirstResponse | None) -> None:
        try:
            with part_of(ONE_OF_MANY):
                outcome: list[dict[str, Any]] | Exception = await self._execute(params, first)
        except Exception as exc:  # noqa: BLE001 - each failure is recorded by its index
            outcome = exc
        self._run.record(index, outcome)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            self._error = self._error or task.exception()
        if self._window is not None:
            self._window.wake()
