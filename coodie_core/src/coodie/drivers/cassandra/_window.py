"""Many requests at once from one thread, in the place of threads that only wait."""

from __future__ import annotations

import time
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from coodie.many import ManyResult, ManyRun
    from coodie.requests import Params
    from coodie.rows import Rows
    from coodie.waiting import Wait

__all__ = ["Window"]

#: Seconds between two looks for waits whose time is over.
_SWEEP = 0.1


@dataclass(slots=True, eq=False)
class _Waiting:
    """A request, and what it waits for."""

    index: int
    steps: Generator[Wait, Any, Rows]
    wait: Wait
    #: When its time is over, on the monotonic clock.
    deadline: float


class Window:
    """Drive up to ``run.concurrency`` requests; whatever is answered takes its next step here.

    Args:
        run: The bookkeeping.
        start: Makes the steps of one request.
    """

    def __init__(self, run: ManyRun, start: Callable[[Params], Generator[Wait, Any, Rows]]) -> None:
        self._run = run
        self._start = start
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
            # Left by a callback that raised, or by Ctrl-C: their ends are told now, not at some time.
            for waiting in self._in_flight:
                waiting.steps.close()

    def _fill(self) -> None:
        while len(self._in_flight) < self._run.concurrency and (item := self._run.take()) is not None:
            index, params = item
            steps = self._start(params)
            self._advance(index, steps, steps.send, None)

    def _answer(self) -> None:
        """Wait a moment for an answer, and let the request that it is for take its next step."""
        try:
            ended = self._ready.get(timeout=_SWEEP)
        except Empty:
            return
        if ended in self._in_flight:  # else its time was over before
            self._in_flight.remove(ended)
            future, steps = ended.wait.future, ended.steps
            error = future.exception()
            if error is not None:
                self._advance(ended.index, steps, steps.throw, error)
            else:
                self._advance(ended.index, steps, steps.send, future.result())

    def _sweep(self) -> None:
        """Tell the requests whose wait has lasted too long: what they do then is theirs."""
        now = time.monotonic()
        if now < self._next_sweep:
            return
        self._next_sweep = now + _SWEEP
        for late in [waiting for waiting in self._in_flight if waiting.deadline < now]:
            if not late.wait.future.done():
                self._in_flight.remove(late)
                self._advance(late.index, late.steps, late.steps.throw, late.wait.late())

    def _advance(
        self, index: int, steps: Generator[Wait, Any, Rows], go_on: Callable[[Any], Wait], answer: Any
    ) -> None:
        """Let a request take one step; record what came of it when that was the last."""
        try:
            wait = go_on(answer)
        except StopIteration as stop:
            self._run.record(index, stop.value)
        except Exception as exc:  # noqa: BLE001 - each failure is recorded by its index
            self._run.record(index, exc)
        else:
            limit = float("inf") if wait.timeout is None else wait.timeout
            waiting = _Waiting(index, steps, wait, time.monotonic() + limit)
            self._in_flight.add(waiting)
            wait.future.add_done_callback(lambda _: self._ready.put(waiting))
