"""The executions of an ``execute_many`` that the accelerator sends by a template, and counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from coodie.drivers.cassandra.fastpath.accelerated import window

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from coodie.contract.many import ManyRun
    from coodie.drivers.cassandra.fastpath.template import FirstResponse
    from coodie.requests import Params

__all__ = ["ManyWindow", "window_of"]


class Start(Protocol):
    """Starts an execution another way, or continues one."""

    def __call__(self, index: int, params: Params, first: FirstResponse | None = None) -> None:
        """Start an execution.

        Args:
            index: Its index.
            params: Its parameters.
            first: Its request, and an unusual response; None if nothing was sent.
        """


class ManyWindow:
    """The part of a run that the accelerator executes, in one thread.

    Args:
        run: The state of the run, whose parameters are in an iterator.
        native: The accelerator's window.
        bind: Returns the statement's current template, bound to a connection; None if there is none.
        start: Starts executions that can't be sent by it, and continues those with an unusual response.
    """

    def __init__(self, run: ManyRun, native: Any, bind: Callable[[], Any], start: Start) -> None:
        self._run = run
        self._native = native
        self._start = start
        #: Returns the bound template, or None.
        self.bind = bind
        #: Ends the executions among requests with their responses, and returns the other requests.
        self.end: Callable[[list[Any]], list[Any]] = native.end
        #: Makes the awaitable end.
        self.wake: Callable[[], None] = native.wake

    @property
    def in_flight(self) -> int:
        """The number of executions without a response."""
        in_flight: int = self._native.in_flight
        return in_flight

    def fill(self, others: Callable[[], int]) -> bool:
        """Send executions up to the run's concurrency; return False if there is no template for them.

        Args:
            others: Returns the number of executions in flight that were started another way.
        """
        run, native = self._run, self._native
        sender = None if run.is_stopped else self.bind()
        if sender is None:
            return False
        native.index = run.next_index
        try:
            while (item := native.fill(sender, others())) is not None:
                run.next_index = native.index
                self._start(*item)
                if run.is_stopped:  # it has failed already
                    break
        except BaseException:
            run.stop()
            raise
        run.next_index = native.index
        if native.is_exhausted:
            run.stop()
        return True

    def record(self) -> None:
        """Record the outcomes since the last call."""
        run = self._run
        number, ended, unusual = self._native.take()
        if number:
            run.count(number)
        for index, rows in ended:
            run.record(index, rows)
        for index, params, response in unusual:
            rows, first = response[0].unusual(response)
            if rows is None:
                self._start(index, params, first)
            else:
                run.record(index, rows)

    def ended(self, loop: Any) -> Awaitable[None]:
        """Return an awaitable that ends when there are outcomes to record, or at ``wake``.

        Args:
            loop: The running event loop.
        """
        awaitable: Awaitable[None] = self._native.wait(loop)
        return awaitable

    def close(self) -> None:
        """Send no more executions, and drop the responses of those in flight."""
        self._native.close()


def window_of(run: ManyRun, most: int, bind: Callable[[], Any], start: Start) -> ManyWindow | None:
    """Return a window for a run; None without the accelerator, or if the parameters are in an async iterable.

    Args:
        run: The state of the run.
        most: The maximum number of executions in flight.
        bind: As for ``ManyWindow``.
        start: As for ``ManyWindow``.
    """
    source = run.iterator
    native = None if source is None else window(source, most, lists_all=run.has_callbacks)
    return None if native is None else ManyWindow(run, native, bind, start)
