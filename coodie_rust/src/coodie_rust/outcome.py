"""``Outcome``: a future of the client as an effect, which tasks await and threads block on."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from scylla.future import DriverFuture

__all__ = ["Outcome"]

#: Seconds after which Python can handle signals: a wait of the client doesn't end for them.
_MOMENT = 0.1


class Outcome:
    """The result of a future of the client.

    It works on any event loop and in any thread, without a loop in a thread of its own. A caller that stops
    waiting cancels the future.

    Args:
        future: The future.
        timeout: The timeout in seconds; None if the client enforces it.

    Raises:
        TimeoutError: The timeout expired, from ``run`` and from the awaitable of ``run_async``.
    """

    __slots__ = ("future", "timeout")

    def __init__(self, future: DriverFuture[Any], timeout: float | None = None) -> None:
        self.future = future
        self.timeout = timeout

    def run(self) -> Any:
        """Block the calling thread; Ctrl-C cancels the request."""
        deadline = math.inf if self.timeout is None else time.monotonic() + self.timeout
        try:
            while True:
                left = deadline - time.monotonic()
                try:
                    return self.future.result(max(min(left, _MOMENT), 0.0))
                except TimeoutError:
                    if self.future.done():  # meanwhile, or the error is its own
                        return self.future.result()
                    if left <= _MOMENT:
                        raise
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
