"""One attempt to start something: what is wanted, until when, and where its progress is shown."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from coodie_local._node_locks import lock_start
from coodie_local.errors import NodeStartError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from coodie_local._cancellation import Cancellation
    from coodie_local._progress import Progress
    from coodie_local._request import StartRequest

__all__ = ["StartAttempt"]

_POLL_INTERVAL = 0.05


@dataclass(frozen=True, slots=True)
class StartAttempt:
    """What the steps of a start share.

    Args:
        request: What is wanted.
        progress: Where the steps are shown.
        cancellation: Ends the start, which then leaves nothing behind.
        deadline: In seconds of ``time.monotonic()``.
    """

    request: StartRequest
    progress: Progress
    cancellation: Cancellation
    deadline: float

    @property
    def directory(self) -> Path:
        """The cluster's directory."""
        return self.request.directory

    def renewed(self) -> StartAttempt:
        """Return a copy with the whole time left, for after a download."""
        return replace(self, deadline=time.monotonic() + self.request.timeout)

    def pause(self, problem: str) -> None:
        """Wait for a moment.

        Args:
            problem: What is waited for, for the error.

        Raises:
            StartCancelledError: The start was cancelled.
            NodeStartError: The time is over.
        """
        if time.monotonic() > self.deadline:
            msg = f"{problem} after {self.request.timeout:g} s."
            hint = f"Give a longer timeout=, or check which process uses {self.directory}."
            raise NodeStartError(msg, hint=hint)
        self.cancellation.sleep(_POLL_INTERVAL)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Be the only process that starts or stops nodes of this cluster.

        Raises:
            StartCancelledError: The start was cancelled.
            NodeStartError: The time is over.
        """
        name = self.request.name
        waiting = False
        while (lock := lock_start(self.directory)) is None:
            if not waiting:
                text = f"Waiting for another process that starts or stops the node {name}"
                self.progress.begin(text, None)
                waiting = True
            self.pause(f"Another process still starts or stops the node {name!r}")
        with lock:
            yield
