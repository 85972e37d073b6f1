"""A running cluster: which nodes are alive, signals to nodes, stopping the cluster."""

from __future__ import annotations

import logging
import os
import signal
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from coodie_local._ephemeral_storage import remove_storage
from coodie_local._node_locks import is_alive, last_process_of, lock_all_nodes, lock_start, process_of
from coodie_local._node_log import cause_of_death
from coodie_local._paths import remove_tree
from coodie_local._state import write_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from typing import TypeVar

    from coodie_local._jvm import Jvm
    from coodie_local._state import ClusterState

    _T = TypeVar("_T")

__all__ = ["RunningCluster"]

_POLL_INTERVAL = 0.02
#: Seconds between SIGTERM and SIGKILL. SIGKILL loses no acknowledged write of a durable node.
_GRACE = 2.0
#: Seconds to wait for another process that starts this cluster, and for the locks of exiting processes.
_LOCK_TIMEOUT = 1.0
#: Seconds to wait for the exit status of a child that has released its lock.
_REAP_TIMEOUT = 1.0

_log = logging.getLogger("coodie_local")


class RunningCluster:
    """The state of a cluster, and its JVMs that are children of this process.

    Only the holder of the lease lock may change it.

    Args:
        directory: The cluster's directory.
        state: The cluster's state.
        started_here: Whether this process started the cluster.
    """

    def __init__(self, directory: Path, state: ClusterState, *, started_here: bool) -> None:
        self.directory = directory
        self.state = state
        self.started_here = started_here
        #: By node index; without JVMs that another process started.
        self.jvms: dict[int, Jvm] = {}

    @property
    def count(self) -> int:
        """The number of nodes, including dead ones."""
        return len(self.state.hosts)

    def directory_of(self, index: int) -> Path:
        """Return the directory of a node."""
        return self.state.directory_of(self.directory, index)

    def log_of(self, index: int) -> Path:
        """Return the log file of a node."""
        return self.state.log_of(self.directory, index)

    def pid(self, index: int) -> int:
        """Return the process id of a node, or its last one, even if another process restarted it."""
        jvm = self.jvms.get(index)
        if jvm is not None and jvm.exit_code is None:
            return jvm.pid
        return last_process_of(self.directory_of(index))

    def alive(self, index: int) -> bool:
        """Return whether a node is alive."""
        # by the lock, even for a child: all processes then see its end at the same time
        return is_alive(self.directory_of(index))

    def cause_of_death(self, index: int) -> str | None:
        """Return why a dead node died, as a sentence; None if the reason is unknown."""
        jvm = self.jvms.get(index)
        if jvm is not None:
            jvm.wait(_REAP_TIMEOUT)
        return cause_of_death(self.log_of(index), None if jvm is None else jvm.exit_code)

    def warn_of_deaths(self) -> None:
        """Log why nodes died, before they are restarted."""
        for index in range(self.count):
            if not self.alive(index) and (cause := self.cause_of_death(index)):
                host = self.state.hosts[index]
                _log.warning("The local node %r at %s died. %s", self.state.name, host, cause)

    @property
    def living(self) -> tuple[int, ...]:
        """The indices of living nodes."""
        return tuple(index for index in range(self.count) if self.alive(index))

    def signal(self, index: int, number: signal.Signals) -> None:
        """Send a signal to the JVM of a node, unless it has exited."""
        if pid := process_of(self.directory_of(index)):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def end(self, indices: Iterable[int], grace: float) -> None:
        """Terminate nodes concurrently.

        Args:
            indices: The nodes' indices.
            grace: Seconds between SIGTERM and SIGKILL; 0 for SIGKILL at once.
        """
        deadline = time.monotonic() + grace
        indices = tuple(indices)
        if grace > 0:
            for index in indices:
                self.signal(index, signal.SIGTERM)
        for index in indices:
            jvm = self.jvms.get(index)
            if jvm is not None:
                jvm.terminate(max(0.0, deadline - time.monotonic()))
            # not a child of this process: it has exited when its lock is free
            while process_of(self.directory_of(index)):
                if time.monotonic() >= deadline:
                    self.signal(index, signal.SIGKILL)
                time.sleep(_POLL_INTERVAL)

    def stop(self) -> None:
        """Stop all nodes, and remove the data of an ephemeral cluster."""
        if not self.directory.is_dir():
            return
        # or another process could restart nodes in the meantime
        start_lock = _retry(lambda: lock_start(self.directory))
        try:
            # an ephemeral node has no data to flush
            self.end(range(self.count), grace=0.0 if self.state.profile == "ephemeral" else _GRACE)
            # an exiting process releases its lock shortly after it has disappeared
            locks = _retry(lambda: lock_all_nodes(self.directory))
            if locks is None:
                # another process has restarted the cluster
                return
            with locks:
                # this distinguishes a stopped cluster from a crashed one
                write_state(self.directory, replace(self.state, ready=False))
                remove_storage(self.directory)
                for index in range(self.count):
                    remove_tree(self.state.plan(self.directory, index).temporary)
        finally:
            if start_lock is not None:
                start_lock.close()


def _retry(attempt: Callable[[], _T | None]) -> _T | None:
    """Retry acquiring a lock; return None if it is still held after _LOCK_TIMEOUT."""
    deadline = time.monotonic() + _LOCK_TIMEOUT
    while (result := attempt()) is None and time.monotonic() < deadline:
        time.sleep(_POLL_INTERVAL)
    return result
