"""Who in this process uses which node: the last to go stops what this process started."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from coodie_local._cancellation import Cancellation
    from coodie_local._start import RunningNode

__all__ = ["Tenancies", "Tenancy", "tenancy_of"]

_POLL = 0.05


class Tenancy:
    """The node of one directory as this process knows it; its fields are for the holder of its lock."""

    def __init__(self) -> None:
        # reentrant: a signal handler that calls stop() in the midst of start() must not wait for itself
        self._lock = threading.RLock()
        #: The node that this process started; None where it didn't.
        self.running: RunningNode | None = None
        #: How many use that node.
        self.users = 0

    def acquire(self, cancellation: Cancellation | None = None) -> None:
        """Take the lock, which a start holds all the time.

        Args:
            cancellation: Ends the wait.

        Raises:
            StartCancelledError: The wait was ended.
        """
        while not self._lock.acquire(timeout=_POLL):
            if cancellation is not None:
                cancellation.check()

    def release(self) -> None:
        """Give the lock back."""
        self._lock.release()

    def alive(self) -> RunningNode | None:
        """Return the node that this process started if it still lives."""
        running = self.running
        if running is None or running.jvm is None or running.jvm.exit_code is not None:
            return None
        return running


class Tenancies:
    """All tenancies of a process; a fork begins with none, since the JVMs are its parent's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_directory: dict[Path, Tenancy] = {}
        if hasattr(os, "register_at_fork"):  # not on Windows, where a node can't be started anyway
            os.register_at_fork(after_in_child=self._forget)

    def of(self, directory: Path) -> Tenancy:
        """Return the tenancy of a directory.

        Args:
            directory: The node's own directory.
        """
        with self._lock:
            return self._by_directory.setdefault(directory, Tenancy())

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._by_directory = {}


_tenancies = Tenancies()


def tenancy_of(directory: Path) -> Tenancy:
    """Return this process's tenancy of a directory.

    Args:
        directory: The node's own directory.
    """
    return _tenancies.of(directory)
