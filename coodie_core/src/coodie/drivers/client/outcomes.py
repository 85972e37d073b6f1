"""Effects for clients: what blocks, and what another driver does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coodie.effects import Call
from coodie.observers import untold
from coodie.waiting import on_loop, start_thread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from concurrent.futures import Executor

__all__ = ["Blocking", "DriverCall"]


class Blocking:
    """An effect: what a call returns that blocks its thread.

    Args:
        call: Takes no arguments; has to end by itself.
        executor: Where async callers have it run; a thread for each call where None. Sync callers run
            it in their own.
    """

    __slots__ = ("call", "executor")

    def __init__(self, call: Callable[[], Any], executor: Executor | None = None) -> None:
        self.call = call
        self.executor = executor

    def run(self) -> Any:
        """Call, in the calling thread."""
        return self.call()

    def run_async(self) -> Awaitable[Any]:
        """Call in another thread; a cancelled wait leaves the call to itself."""
        if self.executor is None:
            return on_loop(start_thread(self.call, "coodie-client"))
        return on_loop(self.executor.submit(self.call))


class DriverCall(Call):
    """An effect: a call of another driver of coodie's that this one stands on.

    Observers hear of the request from this one, and not from the other, too.
    """

    __slots__ = ()

    def run(self) -> Any:
        """Call the sync method."""
        with untold():
            return super().run()

    async def run_async(self) -> Any:
        """Call the async twin."""
        with untold():
            return await super().run_async()
