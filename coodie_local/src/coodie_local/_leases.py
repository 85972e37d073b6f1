"""Leases: reference counts of this process's clusters. The last release stops a cluster started here."""

from __future__ import annotations

import atexit
import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from coodie.exceptions import CoodieError
from coodie_local._cancellation import Cancellation
from coodie_local._progress import default_progress
from coodie_local._request import check_matches
from coodie_local._start import find_cluster, start_cluster
from coodie_local._start_attempt import StartAttempt
from coodie_local.errors import LocalNodeError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from coodie_local._progress import Progress
    from coodie_local._request import StartRequest
    from coodie_local._running import RunningCluster

__all__ = ["Lease"]

_POLL_INTERVAL = 0.05


class _Shared:
    """The cluster that this process started in one directory. Hold ``locked()`` to use the fields."""

    def __init__(self) -> None:
        # reentrant: a signal handler that calls stop() during start() must not wait for itself
        self._lock = threading.RLock()
        #: None if this process didn't start it.
        self.running: RunningCluster | None = None
        self.users = 0

    @contextmanager
    def locked(self, cancellation: Cancellation | None = None) -> Iterator[None]:
        """Hold the lock, which a start holds until it ends; the cancellation interrupts the wait."""
        while not self._lock.acquire(timeout=_POLL_INTERVAL):
            if cancellation is not None:
                cancellation.check()
        try:
            yield
        finally:
            self._lock.release()


class _SharedClusters:
    """The shared clusters of this process, by directory; empty in a forked child."""

    def __init__(self) -> None:
        self._reset()
        if hasattr(os, "register_at_fork"):  # not on Windows, where nodes can't be started anyway
            os.register_at_fork(after_in_child=self._reset)

    def of(self, directory: Path) -> _Shared:
        with self._lock:
            return self._by_directory.setdefault(directory, _Shared())

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._by_directory: dict[Path, _Shared] = {}


_shared_clusters = _SharedClusters()


class Lease:
    """One object's reference to a cluster, from start() or find() until release().

    Args:
        request: The requested cluster.
    """

    def __init__(self, request: StartRequest) -> None:
        self.request = request
        #: The cluster; None without a lease.
        self.running: RunningCluster | None = None
        self._starting: Cancellation | None = None

    @property
    def cluster(self) -> RunningCluster:
        """The cluster.

        Raises:
            LocalNodeError: The cluster isn't started.
        """
        if self.running is None:
            msg = f"The local node {self.request.name!r} isn't started, so it has no address yet."
            raise LocalNodeError(msg, hint="Call start() first, or use it as a context manager.")
        return self.running

    def start(self, progress: Progress | None, cancellation: Cancellation) -> None:
        """Find the cluster, or start its missing nodes; raises the errors of start_cluster()."""
        with self._shared.locked(cancellation):
            self._starting = cancellation
            try:
                running = self.running
                if running is not None:
                    running.warn_of_deaths()
                if running is None or not running.living:
                    self._release()
                    running = self._started_here()
                if running is None or len(running.living) < running.count:
                    with self._attempt(progress, cancellation) as attempt:
                        running = start_cluster(attempt, running)
                if running is not self.running:
                    self._acquire(running)
            finally:
                self._starting = None

    def find(self) -> bool:
        """Find the cluster without starting it; return whether it is running.

        Raises:
            NodeInUseError: It is running with other options.
        """
        with self._shared.locked():
            if self.running is None or not self.running.living:
                self._release()
                running = self._started_here() or find_cluster(self.request)
                if running is not None:
                    self._acquire(running)
            return self.running is not None and bool(self.running.living)

    def release(self, *, found: bool = False) -> None:
        """Release the cluster, and cancel a start in another thread.

        Args:
            found: Also stop the cluster if another process started it.
        """
        if self._starting is not None:
            self._starting.cancel()
        elif self.running is None:
            return
        with self._shared.locked():
            self._release(found=found)

    def change(
        self, act: Callable[[RunningCluster, StartAttempt], None], cancellation: Cancellation | None = None
    ) -> None:
        """Call a function that changes the running cluster, while no other thread does."""
        cancellation = cancellation or Cancellation()
        with self._shared.locked(cancellation), self._attempt(None, cancellation) as attempt:
            act(self.cluster, attempt)

    @property
    def _shared(self) -> _Shared:
        return _shared_clusters.of(self.request.directory)

    @contextmanager
    def _attempt(self, progress: Progress | None, cancellation: Cancellation) -> Iterator[StartAttempt]:
        """Create a start attempt; convert an OSError to a StorageError."""
        progress = progress or default_progress()
        request = self.request
        try:
            yield StartAttempt(request, progress, cancellation, time.monotonic() + request.timeout)
        except CoodieError:
            # some are also OSErrors
            raise
        except OSError as exc:
            msg = f"Could not start the node {request.name!r}: {exc}."
            hint = "Free disk space, fix the permissions, or use another directory=."
            raise StorageError(msg, hint=hint, path=request.directory) from exc
        finally:
            progress.end()

    def _started_here(self) -> RunningCluster | None:
        """Return the cluster that this process started, if a node is alive."""
        running = self._shared.running
        if running is None or not running.living:
            return None
        check_matches(self.request, running.state)
        return running

    def _acquire(self, running: RunningCluster) -> None:
        self.running = running
        if running.started_here:
            shared = self._shared
            if shared.running is not running:
                shared.running, shared.users = running, 0
            shared.users += 1
            if self.request.stop_with_process:
                atexit.register(self.release)

    def _release(self, *, found: bool = False) -> None:
        running, self.running = self.running, None
        if running is None:
            return
        atexit.unregister(self.release)
        shared = self._shared
        if not running.started_here:
            if found:
                running.stop()
        elif shared.running is running:
            # false in a forked child, which has a copy of this object
            shared.users -= 1
            if shared.users == 0:
                shared.running = None
                running.stop()
