"""Retries of a scan's requests after transient errors, with growing delays."""

from __future__ import annotations

import logging
import time
from copy import copy
from random import random
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from coodie.exceptions import (
    AuthenticationError,
    ConnectionFailedError,
    DriverClosedError,
    OverloadedError,
    RequestTimeoutError,
    ServerError,
    UnavailableError,
)

if TYPE_CHECKING:
    import threading
    from collections.abc import Awaitable, Callable

    from coodie.effects import Steps
    from coodie.exceptions import CoodieError

__all__ = ["START_TIMEOUT", "Retries"]

T = TypeVar("T")

logger = logging.getLogger("coodie.scan")

#: Transient errors. A coordinator may report any server error while it is being stopped.
_TRANSIENT = (ConnectionFailedError, RequestTimeoutError, UnavailableError, OverloadedError, ServerError)

#: Seconds before the first retry, doubled for each further one, and the maximum, which it has after these
#: doublings; without a limit of them, the number would overflow after a thousand retries.
_PAUSE, _MAX_PAUSE, _DOUBLINGS = 0.1, 5.0, 6

#: Seconds after which the reads before the first page aren't retried any more. Any node can execute them, so
#: if they fail for longer, the whole cluster can't be reached, and the caller should know.
START_TIMEOUT = 10.0


class _Pause(NamedTuple):
    """An effect: wait, or until the scan is closed.

    Attributes:
        ended: Set when the scan is closed.
        seconds: The time in seconds.
    """

    ended: threading.Event
    seconds: float

    def run(self) -> bool:
        """Block the calling thread."""
        return self.ended.wait(self.seconds)

    def run_async(self) -> Awaitable[None]:
        """Wait in the running event loop, where closing the scan cancels the task."""
        import asyncio  # keeps it out of the import of coodie.drivers

        return asyncio.sleep(self.seconds)


class Retries(NamedTuple):
    """How often a request of a scan is retried.

    Attributes:
        most: The maximum number of retries.
        ended: Set when the scan is closed, which ends the retries.
    """

    most: int
    ended: threading.Event

    def run(self, make: Callable[[], Steps[T]], what: str, timeout: float | None = None) -> Steps[T]:
        """Run steps, again after transient errors.

        Args:
            make: Returns the steps of one attempt.
            what: The subject of messages.
            timeout: Seconds after which no retry is started; None for no limit.

        Raises:
            CoodieError: The error of the last attempt; its message has the number of attempts.
        """
        attempts, started = 0, time.monotonic()
        while True:
            attempts += 1
            try:
                return (yield from make())
            except (AuthenticationError, DriverClosedError):
                raise
            except _TRANSIENT as exc:
                pause = min(_PAUSE * 2.0 ** min(attempts - 1, _DOUBLINGS), _MAX_PAUSE) * (0.5 + random())  # noqa: S311 - no secret
                seconds = time.monotonic() - started
                is_late = timeout is not None and seconds + pause > timeout
                if attempts > self.most or is_late or self.ended.is_set():
                    if attempts == 1:
                        raise
                    raise _counted(exc, what, attempts, seconds) from exc.__cause__
                logger.info("%s failed and is retried: %s", what, exc)
                yield _Pause(self.ended, pause)
                if self.ended.is_set():
                    raise


def _counted(error: CoodieError, what: str, attempts: int, seconds: float) -> CoodieError:
    """Return a copy of an error with the number of attempts in its message; drivers may keep the original."""
    counted = copy(error)
    counted.args = (f"{what} failed {attempts} times in {seconds:.1f} s. The last error: {error}",)
    return counted
