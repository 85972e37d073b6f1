"""What the client is doing, as an effect: awaited by tasks, waited for by threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from scylla.future import DriverFuture

__all__ = ["Outcome"]


class Outcome:
    """The outcome of one of the client's futures.

    The client's own threads carry it out. A task awaits it on its own loop, whichever that is, and a thread
    blocks on it, so that a loop thread isn't needed. Nobody who stops waiting leaves it running.

    Args:
        future: The client's.
        timeout: Seconds; None where the client keeps the time.

    Raises:
        TimeoutError: The time is over, from ``run`` and from what ``run_async`` returns.
    """

    __slots__ = ("future", "timeout")

    def __init__(self, future: DriverFuture[Any], timeout: float | None = None) -> None:
        self.future = future
        self.timeout = timeout

    def run(self) -> Any:
        """Block the calling thread."""
        try:
            return self.future.result(self.timeout)
        except BaseException:
            self.future.cancel()
            raise

    def run_async(self) -> Awaitable[Any]:
        """Await on the running loop; cancelling the task cancels the request."""
        return self.future if self.timeout is None else self._in_time(self.timeout)

    async def _in_time(self, timeout: float) -> Any:
        import asyncio

        async def outcome() -> Any:
            return await self.future

        try:
            return await asyncio.wait_for(outcome(), timeout)
        except asyncio.TimeoutError as exc:  # the builtin only since Python 3.11
            raise TimeoutError from exc
