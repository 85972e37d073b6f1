"""Effects for clients: what blocks, and what another driver does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coodie.effects import Call
from coodie.observers.observation import untold
from coodie.waiting import call_in_thread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Blocking", "DriverCall"]


def _forget(result: Any) -> None:
    """Let a late result go."""


class Blocking:
    """An effect: what a call returns that blocks its thread.

    Sync callers run it in their own thread; for async ones each call has a thread, and
    ``coodie.waiting.Wait(executor.submit(call))`` is what waits for a pool's.

    Args:
        call: Takes no arguments; has to end by itself.
        discard: Called, in a thread, with what came back when nobody waits for it any more, since the
            calling task was cancelled: what connects needs it, lest it leave a connection open.
    """

    __slots__ = ("call", "discard")

    def __init__(self, call: Callable[[], Any], *, discard: Callable[[Any], object] = _forget) -> None:
        self.call = call
        self.discard = discard

    def run(self) -> Any:
        """Call, in the calling thread."""
        return self.call()

    def run_async(self) -> Awaitable[Any]:
        """Call in another thread."""
        return call_in_thread(self.call, "coodie-client", discard=self.discard)


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
