"""One attempt to start nodes: the request, its deadline and its progress."""

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
    """The context of a start, which its steps share.

    Args:
        request: The requested cluster.
        progress: Shows the steps.
        cancellation: Cancels the start, which then cleans up.
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
        """Return a copy with a new deadline, for use after a download."""
        return replace(self, deadline=time.monotonic() + self.request.timeout)

    def pause(self, problem: str) -> None:
        """Sleep before the next try.

        Args:
            problem: The reason for the wait, for the error message.

        Raises:
            StartCancelledError: The start was cancelled.
            NodeStartError: The timeout expired.
        """
        if time.monotonic() > self.deadline:
            msg = f"{problem} after {self.request.timeout:g} s."
            hint = f"Increase timeout=, or check which process uses {self.directory}."
            raise NodeStartError(msg, hint=hint)
        self.cancellation.sleep(_POLL_INTERVAL)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Exclude other processes that start or stop nodes of this cluster.

        Raises:
            StartCancelledError: The start was cancelled.
            NodeStartError: The timeout expired.
        """
        name = self.request.name
        waiting = False
        while (lock := lock_start(self.directory)) is None:
            if not waiting:
                text = f"Waiting for another process to start or stop the node {name}"
                self.progress.begin(text, None)
                waiting = True
            self.pause(f"Another process is still starting or stopping the node {name!r}")
        with lock:
            yield
