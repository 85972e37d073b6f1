"""Wait for the work of another thread, in a thread or on an event loop."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar

from coodie._points import point
from coodie._wakeups import calls_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

__all__ = ["Wait", "call_in_thread", "start_thread", "wrap_future"]

T = TypeVar("T")


class Wait:
    """An effect: the outcome of a future that another thread completes.

    Args:
        future: The future, which may be shared, and so is never cancelled.
        timeout: The timeout in seconds; None if the other thread handles the timeout.
        timeout_error: Returns the error to raise after the timeout.
    """

    __slots__ = ("future", "timeout", "timeout_error")

    def __init__(
        self,
        future: Future[Any],
        timeout: float | None = None,
        timeout_error: Callable[[], Exception] = FutureTimeoutError,
    ) -> None:
        self.future = future
        self.timeout = timeout
        self.timeout_error = timeout_error

    def run(self) -> Any:
        """Block the calling thread."""
        try:
            return self.future.result(self.timeout)
        except FutureTimeoutError:
            if self.future.done():
                # The future completed during the timeout, or its outcome is a TimeoutError.
                return self.future.result()
            raise self.timeout_error() from None

    async def run_async(self) -> Any:
        """Wait on the running loop."""
        import asyncio  # keeps it out of the import of coodie.drivers

        waiter = wrap_future(self.future)
        if self.timeout is None:
            return await waiter
        # A timer of the loop takes a tenth of the time of asyncio.wait.
        timer = asyncio.get_running_loop().call_later(self.timeout, self._expire, waiter)
        try:
            return await waiter
        finally:
            timer.cancel()

    def _expire(self, waiter: asyncio.Future[Any]) -> None:
        if not waiter.done():
            waiter.set_exception(self.timeout_error())


def wrap_future(future: Future[T]) -> asyncio.Future[T]:
    """Return a future of the running loop with the same outcome.

    Cancelling it doesn't cancel the given future. A loop that is closed before isn't an error, since nobody
    is waiting.
    """
    import asyncio  # keeps it out of the import of coodie.drivers

    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[T] = loop.create_future()
    calls = calls_of(loop)

    # These functions mustn't refer to the future, which refers to them: such a cycle would keep the result in
    # memory until a garbage collection.
    def deliver(ended: Future[T]) -> None:
        if waiter.done():
            return
        error = ended.exception()
        if error is None:
            waiter.set_result(ended.result())
        else:
            waiter.set_exception(error)
            # A cancelled waiter doesn't retrieve the exception; prevent the loop from logging that.
            waiter.exception()

    future.add_done_callback(lambda ended: calls.leave(loop, deliver, ended))
    return waiter


def start_thread(work: Callable[[], T], name: str) -> Future[T]:
    """Run a function in a new thread.

    The interpreter waits for the thread at exit, as for those of concurrent.futures, so the function has to
    end by itself.
    """
    executor = ThreadPoolExecutor(1, thread_name_prefix=name)
    try:
        # Run in the caller's context, which contains the registry and the observers.
        return executor.submit(copy_context().run, work)
    except RuntimeError as exc:
        if "interpreter shutdown" not in str(exc):
            raise
        # In an exit handler that closes a driver, no thread can be started; run the function here.
        return _done_here(work)
    finally:
        executor.shutdown(wait=False)


def _done_here(work: Callable[[], T]) -> Future[T]:
    future: Future[T] = Future()
    try:
        future.set_result(work())
    except BaseException as exc:  # noqa: BLE001 - as an executor does
        future.set_exception(exc)
    return future


async def call_in_thread(work: Callable[[], T], name: str, *, discard: Callable[[T], Any]) -> T:
    """Run a blocking function in a new thread, and wait for it without blocking the loop.

    Args:
        work: The function, which can't be interrupted.
        name: The thread's name.
        discard: Called with the result, in a thread, if the calling task was cancelled or its loop was
            closed.
    """
    future = start_thread(work, name)
    waiter: Awaitable[T] = wrap_future(future)
    here = threading.get_ident()
    try:
        return await waiter
    except BaseException:
        point("result of a thread discarded: its waiter was cancelled")

        def abandoned(ended: Future[T]) -> None:
            if ended.exception() is not None:
                return
            if threading.get_ident() == here:
                # The function has already returned, and this is the loop's thread.
                start_thread(lambda: discard(ended.result()), name)
            else:
                discard(ended.result())

        future.add_done_callback(abandoned)
        raise
