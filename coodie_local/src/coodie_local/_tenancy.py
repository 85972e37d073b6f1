"""Who in this process uses which cluster: the last to go stops what this process started."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from coodie_local._cancellation import Cancellation
    from coodie_local._running import RunningCluster

__all__ = ["Tenancies", "Tenancy", "tenancy_of"]

_POLL = 0.05


class Tenancy:
    """The cluster of one directory as this process knows it; its fields are for the holder of its lock."""

    def __init__(self) -> None:
        # reentrant: a signal handler that calls stop() in the midst of start() must not wait for itself
        self._lock = threading.RLock()
        #: The cluster that this process started; None where it didn't.
        self.running: RunningCluster | None = None
        #: How many use it.
        self.users = 0

    @contextmanager
    def held(self, cancellation: Cancellation | None = None) -> Iterator[None]:
        """Hold the lock, which a start holds all the time.

        Args:
            cancellation: Ends the wait.

        Raises:
            StartCancelledError: The wait was ended.
        """
        while not self._lock.acquire(timeout=_POLL):
            if cancellation is not None:
                cancellation.check()
        try:
            yield
        finally:
            self._lock.release()

    def alive(self) -> RunningCluster | None:
        """Return the cluster that this process started if a node of it still lives."""
        running = self.running
        return running if running is not None and running.living else None


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
            directory: The cluster's directory.
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
        directory: The cluster's directory.
    """
    return _tenancies.of(directory)
