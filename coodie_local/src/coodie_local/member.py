"""`ClusterNode`: one node of a local cluster, for tests that take nodes away."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coodie_local._cancellation import Cancellation
from coodie_local._threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from coodie_local._attempt import Attempt
    from coodie_local._running import RunningCluster

__all__ = ["ClusterAccess", "ClusterNode"]


@dataclass(frozen=True, slots=True)
class ClusterAccess:
    """What a node needs of its cluster.

    Args:
        directory: The cluster's.
        running: Returns the cluster as it runs; raises LocalNodeError if it isn't started.
        change: Calls what changes the running cluster, alone in this process.
        restart: Restarts the node with this index; the cancellation may be None.
    """

    directory: Path
    running: Callable[[], RunningCluster]
    change: Callable[[Callable[[RunningCluster, Attempt], None]], None]
    restart: Callable[[int, Cancellation | None], None]


class ClusterNode:
    """One node of a cluster that runs; made by ``LocalCluster.nodes``.

    Args:
        cluster: Access to the cluster.
        index: Which node, from 0.
    """

    def __init__(self, cluster: ClusterAccess, index: int) -> None:
        self._cluster = cluster
        self._index = index

    def __repr__(self) -> str:
        """Tell the address, and whether it lives."""
        return f"<ClusterNode {self.host}:{self.port} {'alive' if self.alive else 'dead'}>"

    @property
    def host(self) -> str:
        """The address that it listens on."""
        return self._cluster.running().state.hosts[self._index]

    @property
    def port(self) -> int:
        """The port that answers CQL."""
        return self._cluster.running().state.ports.native

    @property
    def pid(self) -> int:
        """The process id of its JVM, or of the last one that it had."""
        return self._cluster.running().pid(self._index)

    @property
    def directory(self) -> Path:
        """Where it keeps its lock, log and settings."""
        return self._cluster.running().member(self._index)

    @property
    def log(self) -> Path:
        """The log file of its last start."""
        return self._cluster.running().state.log_of(self._cluster.directory, self._index)

    @property
    def alive(self) -> bool:
        """Whether its process lives, paused or not."""
        return self._cluster.running().alive(self._index)

    def kill(self) -> None:
        """End it as ``kill -9`` does; its data stays, but for an ephemeral cluster of one node."""
        self._cluster.change(lambda running, _: running.end([self._index], grace=0.0))

    def pause(self) -> None:
        """Stop its process without ending it: connections stay open, and nothing answers."""
        self._cluster.change(lambda running, _: running.signal(self._index, signal.SIGSTOP))

    def resume(self) -> None:
        """Let a paused process go on."""
        self._cluster.change(lambda running, _: running.signal(self._index, signal.SIGCONT))

    def restart(self) -> None:
        """Start it with its data, killing it first where it lives; return when it answers CQL.

        Raises:
            LocalNodeError: As for ``LocalCluster.start``.
        """
        self._cluster.restart(self._index, None)

    async def restart_async(self) -> None:
        """Do as restart() does, without blocking the event loop.

        Raises:
            LocalNodeError: As for ``LocalCluster.start``.
        """
        cancellation = Cancellation()
        restart = self._cluster.restart
        await in_thread(lambda: restart(self._index, cancellation), cancellation.cancel)
