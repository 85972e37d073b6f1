"""Cancelling a start, from another thread or by cancelling the task that awaits it."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from coodie.waiting import wrap_future
from coodie_local.errors import StartCancelledError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Cancellation", "in_thread"]

_T = TypeVar("_T")


class Cancellation:
    """A cancellation flag that a start checks between its steps."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Set the flag."""
        self._event.set()

    def check(self) -> None:
        """Raise StartCancelledError if cancel() was called."""
        if self._event.is_set():
            msg = "The start of the local node was cancelled."
            raise StartCancelledError(msg)

    def sleep(self, seconds: float) -> None:
        """Sleep for a number of seconds; raise StartCancelledError as soon as cancel() is called."""
        self._event.wait(seconds)
        self.check()


async def in_thread(work: Callable[[], _T], on_cancel: Callable[[], None] | None = None) -> _T:
    """Run blocking work without blocking the event loop.

    It runs in a new daemon thread: the loop's default executor may be full, and neither closing the loop nor
    exiting the interpreter should wait for the work.

    Args:
        work: A function without arguments.
        on_cancel: Called when the awaiting task is cancelled, to stop the work. The task waits until the
            work has stopped.
    """
    import asyncio

    future: Future[_T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as exc:  # noqa: BLE001 - the awaiting task raises it
            future.set_exception(exc)

    waiter = wrap_future(future)
    threading.Thread(target=run, name="coodie-local-work", daemon=True).start()
    try:
        return await waiter
    except asyncio.CancelledError:
        if on_cancel is not None:
            on_cancel()
        while not future.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([wrap_future(future)])
        raise
