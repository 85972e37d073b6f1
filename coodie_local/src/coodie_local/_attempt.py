"""One attempt to start something: what is wanted, until when, and who watches."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from coodie_local._flock import try_acquire
from coodie_local._places import START_LOCK_NAME
from coodie_local.errors import NodeStartError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from coodie_local._cancellation import Cancellation
    from coodie_local._progress import Progress
    from coodie_local._request import StartRequest

__all__ = ["Attempt"]

_POLL = 0.05


@dataclass(frozen=True, slots=True)
class Attempt:
    """What the steps of a start share.

    Args:
        request: What is wanted.
        progress: Where the steps are shown.
        cancellation: Ends the start; then nothing of it is left.
        deadline: When it must be done, in seconds of ``time.monotonic()``.
    """

    request: StartRequest
    progress: Progress
    cancellation: Cancellation
    deadline: float

    @property
    def directory(self) -> Path:
        """The cluster's directory."""
        return self.request.directory

    def renewed(self) -> Attempt:
        """Return it with all of its time, for after a download."""
        return replace(self, deadline=time.monotonic() + self.request.timeout)

    def pause(self, what: str) -> None:
        """Wait for a moment.

        Args:
            what: What isn't as it should be, for the error.

        Raises:
            StartCancelledError: The start was ended.
            NodeStartError: The time is over.
        """
        if time.monotonic() > self.deadline:
            msg = f"{what} after {self.request.timeout:g} s."
            hint = f"Give it longer with timeout=, or see what holds {self.directory}."
            raise NodeStartError(msg, hint=hint)
        self.cancellation.sleep(_POLL)

    @contextmanager
    def sole(self) -> Iterator[None]:
        """Be the only one, of all processes, who starts or stops nodes of this cluster.

        Raises:
            StartCancelledError: The start was ended meanwhile.
            NodeStartError: The time is over.
        """
        lock_file = self.directory / START_LOCK_NAME
        waiting = False
        while (lock := try_acquire(lock_file)) is None:
            if not waiting:
                text = f"Waiting for the node {self.request.name}, which another process starts or stops"
                self.progress.begin(text, None)
                waiting = True
            self.pause(f"Another process still starts or stops the node {self.request.name!r}")
        with lock:
            yield
