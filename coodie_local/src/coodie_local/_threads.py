"""Running blocking work beside an event loop, in a thread of its own."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

__all__ = ["in_thread"]

_T = TypeVar("_T")


async def in_thread(work: Callable[[], _T], on_cancel: Callable[[], None] | None = None) -> _T:
    """Run blocking work without blocking the loop.

    The loop's default executor isn't used: it may be full, and the loop's end waits for it.

    Args:
        work: A function without arguments.
        on_cancel: Called when the awaiting task is cancelled; it shall make the work end soon.
            The task waits for that end, whatever happens, before it is cancelled.

    Returns:
        What the work returns.

    Raises:
        BaseException: What the work raises.
    """
    import asyncio

    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[_T] = loop.create_future()

    def settle(result: _T | None, error: BaseException | None) -> None:
        if error is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(result)  # type: ignore[arg-type]  # None only beside an error

    def run() -> None:
        result: _T | None = None
        error: BaseException | None = None
        try:
            result = work()
        except BaseException as exc:  # noqa: BLE001 - raised again in the awaiting task
            error = exc
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="coodie-local-work", daemon=True).start()
    try:
        return await asyncio.shield(outcome)
    except asyncio.CancelledError:
        if on_cancel is not None:
            on_cancel()
        while not outcome.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([outcome])
        outcome.exception()  # looked at, so that the loop doesn't report it
        raise
