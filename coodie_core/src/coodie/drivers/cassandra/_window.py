"""Many requests at once from one thread, in the place of threads that only wait."""

from __future__ import annotations

from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from coodie.exceptions import RequestTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from concurrent.futures import Future

    from coodie.many import ManyResult, ManyRun
    from coodie.requests import Params
    from coodie.rows import Rows
    from coodie.waiting import Wait

__all__ = ["Window"]


class Window:
    """Drive up to ``run.concurrency`` requests; whatever is answered takes its next step here.

    Args:
        run: The bookkeeping.
        start: Makes the steps of one request.
        limit: Seconds without any answer after which the backend is taken for dead.
    """

    def __init__(
        self, run: ManyRun, start: Callable[[Params], Generator[Wait, Any, Rows]], limit: float
    ) -> None:
        self._run = run
        self._start = start
        self._limit = limit
        self._in_flight = 0
        self._ready: SimpleQueue[tuple[int, Generator[Wait, Any, Rows], Future[Any]]] = SimpleQueue()

    def drain(self) -> ManyResult:
        """Run all there is and return the result."""
        try:
            while True:
                self._fill()
                if not self._in_flight:
                    return self._run.finish()
                self._advance(*self._next())
        finally:
            self._run.stop()

    def _fill(self) -> None:
        while self._in_flight < self._run.concurrency and (item := self._run.take()) is not None:
            index, params = item
            self._in_flight += 1
            self._advance(index, self._start(params), None)

    def _next(self) -> tuple[int, Generator[Wait, Any, Rows], Future[Any]]:
        try:
            return self._ready.get(timeout=self._limit)
        except Empty:
            message = f"None of {self._in_flight} requests was answered within {self._limit:g} s."
            raise RequestTimeoutError(message, statement=self._run.stmt, timeout=self._limit) from None

    def _advance(self, index: int, steps: Generator[Wait, Any, Rows], done: Future[Any] | None) -> None:
        """Let a request take one step; record what came of it when that was the last."""
        try:
            if done is None:
                wait = next(steps)
            elif (error := done.exception()) is not None:
                wait = steps.throw(error)
            else:
                wait = steps.send(done.result())
        except StopIteration as stop:
            self._end(index, stop.value)
        except Exception as exc:  # noqa: BLE001 - each failure is recorded by its index
            self._end(index, exc)
        else:
            wait.future.add_done_callback(lambda future: self._ready.put((index, steps, future)))

    def _end(self, index: int, outcome: Rows | Exception) -> None:
        self._in_flight -= 1
        self._run.record(index, outcome)
