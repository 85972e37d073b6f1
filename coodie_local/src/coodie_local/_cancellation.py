"""The way to end a start from another thread."""

from __future__ import annotations

import threading

from coodie_local.errors import StartCancelledError

__all__ = ["Cancellation"]


class Cancellation:
    """A flag that the long parts of a start look at between their steps."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask whoever works under this flag to end as soon as it can."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether the work is to end."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise where the work is to end.

        Raises:
            StartCancelledError: Somebody called cancel().
        """
        if self._event.is_set():
            msg = "The start of the local node was cancelled."
            raise StartCancelledError(msg)

    def sleep(self, seconds: float) -> None:
        """Wait for so many seconds, or raise as soon as the work is to end.

        Raises:
            StartCancelledError: Somebody called cancel().
        """
        self._event.wait(seconds)
        self.check()
