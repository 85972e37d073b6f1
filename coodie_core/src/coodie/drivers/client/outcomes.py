"""Effects for clients: blocking calls, and calls of another driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coodie.effects import Call
from coodie.observers.instrumentation import untold
from coodie.waiting import call_in_thread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Blocking", "DriverCall"]


def _forget(result: Any) -> None:
    """Drop a late result."""


class Blocking:
    """An effect: the result of a blocking call.

    Sync callers run it in their own thread. For async callers each call gets a new thread; to use a pool,
    yield ``coodie.waiting.Wait(executor.submit(call))``.

    Args:
        call: A function without arguments; must return eventually.
        discard: Called, in a thread, with the result if the calling task was cancelled; a call that
            connects needs it, to close the connection.
    """

    __slots__ = ("call", "discard")

    def __init__(self, call: Callable[[], Any], *, discard: Callable[[Any], object] = _forget) -> None:
        self.call = call
        self.discard = discard

    def run(self) -> Any:
        """Call in the calling thread."""
        return self.call()

    def run_async(self) -> Awaitable[Any]:
        """Call in another thread."""
        return call_in_thread(self.call, "coodie-client", discard=self.discard)


class DriverCall(Call):
    """An effect: a call of another driver of coodie's, which this driver is built on.

    Observers see the request of this driver only.
    """

    __slots__ = ()

    def run(self) -> Any:
        """Call the sync method."""
        with untold():
            return super().run()

    async def run_async(self) -> Any:
        """Call the async method."""
        with untold():
            return await super().run_async()
