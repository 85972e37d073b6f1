"""Wait for what another thread does, in a thread or on an event loop."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar

from coodie._points import point

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

__all__ = ["Wait", "call_in_thread", "on_loop", "start_thread"]

T = TypeVar("T")


class Wait:
    """An effect: the outcome of a future that other threads complete.

    Args:
        future: Shared with other waiters perhaps, so that no wait ever cancels it.
        timeout: Seconds; None where whoever completes it keeps the time.
        late: Makes the error to raise when the time is over.
    """

    __slots__ = ("future", "late", "timeout")

    def __init__(
        self,
        future: Future[Any],
        timeout: float | None = None,
        late: Callable[[], Exception] = FutureTimeoutError,
    ) -> None:
        self.future = future
        self.timeout = timeout
        self.late = late

    def run(self) -> Any:
        """Block the calling thread."""
        try:
            return self.future.result(self.timeout)
        except FutureTimeoutError:
            if self.future.done():
                # It ended as the time ran out, or a timeout is what it ended with.
                return self.future.result()
            raise self.late() from None

    async def run_async(self) -> Any:
        """Wait on the running loop."""
        import asyncio  # keeps it out of the import of coodie.drivers

        waiter = on_loop(self.future)
        if self.timeout is None:
            return await waiter
        # A timer of the loop's costs a tenth of what asyncio.wait does.
        timer = asyncio.get_running_loop().call_later(self.timeout, self._expire, waiter)
        try:
            return await waiter
        finally:
            timer.cancel()

    def _expire(self, waiter: asyncio.Future[Any]) -> None:
        if not waiter.done():
            waiter.set_exception(self.late())


def on_loop(future: Future[T]) -> asyncio.Future[T]:
    """Return a future of the running loop that follows the given one.

    Cancelling it leaves the given one alone, and a loop that has been closed meanwhile is no error:
    nobody waits there any more.
    """
    import asyncio  # keeps it out of the import of coodie.drivers

    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[T] = loop.create_future()

    # Neither of these two may refer to the future, which refers to them: the result would stay in memory
    # until a garbage collection.
    def deliver(ended: Future[T]) -> None:
        if waiter.done():
            return
        error = ended.exception()
        if error is None:
            waiter.set_result(ended.result())
        else:
            waiter.set_exception(error)
            # Whoever was cancelled meanwhile won't ask for it, and the loop needn't log that.
            waiter.exception()

    def completed(ended: Future[T]) -> None:
        try:
            loop.call_soon_threadsafe(deliver, ended)
        except RuntimeError:
            if not loop.is_closed():
                raise

    future.add_done_callback(completed)
    return waiter


def start_thread(work: Callable[[], T], name: str) -> Future[T]:
    """Run the work in a thread of its own that ends with it.

    The interpreter waits for such a thread at exit, as for any of concurrent.futures: what runs
    here has to end by itself.
    """
    executor = ThreadPoolExecutor(1, thread_name_prefix=name)
    try:
        # What the caller's context says holds for what is done for it: who opens, who observes.
        return executor.submit(copy_context().run, work)
    except RuntimeError as exc:
        if "interpreter shutdown" not in str(exc):
            raise
        # An exit handler that closes its driver: no thread starts any more, and no loop has to go on.
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
    """Run blocking work in a thread of its own and wait for it without blocking the loop.

    Args:
        work: What to run; can't be interrupted.
        name: The thread's name.
        discard: Called, in a thread, with a result that nobody waits for any more because the
            calling task was cancelled or its loop closed.
    """
    future = start_thread(work, name)
    waiter: Awaitable[T] = on_loop(future)
    here = threading.get_ident()
    try:
        return await waiter
    except BaseException:
        point("result of a thread discarded: its waiter was cancelled")

        def abandoned(ended: Future[T]) -> None:
            if ended.exception() is not None:
                return
            if threading.get_ident() == here:
                # The work had ended already, and this is the loop's thread.
                start_thread(lambda: discard(ended.result()), name)
            else:
                discard(ended.result())

        future.add_done_callback(abandoned)
        raise
