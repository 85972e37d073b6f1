"""Attempts to connect a lazy driver, whose outcome all concurrent callers share."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING

from coodie.exceptions import ConfigurationError, ConnectionFailedError, CoodieError
from coodie.waiting import Wait

if TYPE_CHECKING:
    import asyncio

    from coodie.contract.driver import AbstractDriver

__all__ = ["Attempt", "StillConnecting", "interrupted", "outcome_of", "refuse_deadlock"]

#: Seconds between checks whether another event loop, which is connecting, is still running.
_POLL_INTERVAL = 0.5


class StillConnecting(Exception):  # noqa: N818 - no error: a reason to look again
    """The attempt to connect is still in progress."""


class Attempt:
    """One attempt to connect, whose outcome all concurrent callers share."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None) -> None:
        self.outcome: Future[AbstractDriver] = Future()
        #: The event loop that runs the attempt; None for a thread.
        self.loop = loop
        self.task: asyncio.Task[AbstractDriver] | None = None

    @property
    def stalled(self) -> bool:
        """Whether its event loop has been stopped or closed, so that the attempt won't continue."""
        return self.loop is not None and not self.loop.is_running()

    def wait(self, here: asyncio.AbstractEventLoop | None) -> Wait:
        """Return the wait for its outcome; with a timeout for an attempt on another loop."""
        timeout = None if self.loop is None or self.loop is here else _POLL_INTERVAL
        return Wait(self.outcome, timeout, StillConnecting)


def outcome_of(task: asyncio.Task[AbstractDriver]) -> AbstractDriver | BaseException:
    """Return the outcome of an attempt's task."""
    import asyncio  # keeps it out of the import of coodie.drivers

    if task.cancelled():
        return asyncio.CancelledError()
    return task.exception() or task.result()


def interrupted() -> CoodieError:
    """Return the error for callers that wait for an attempt that was interrupted."""
    message = "Connecting was interrupted."
    return ConnectionFailedError(message, hint="The next request tries again.")


def refuse_deadlock(loop: asyncio.AbstractEventLoop) -> None:
    """Raise if the call would block the event loop that is connecting."""
    import asyncio  # keeps it out of the import of coodie.drivers

    try:
        here = asyncio.get_running_loop()
    except RuntimeError:
        return
    if here is loop:
        message = "A blocking call on the event loop that is connecting this LazyDriver would deadlock."
        raise ConfigurationError(message, hint="Await the method's async version instead.")
