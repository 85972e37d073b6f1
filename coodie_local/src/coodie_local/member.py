"""`ClusterNode`: one node of a local cluster, for tests that take nodes away."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from coodie_local._cancellation import Cancellation
from coodie_local._threads import in_thread

if TYPE_CHECKING:
    from pathlib import Path

    from coodie_local.cluster import LocalCluster

__all__ = ["ClusterNode"]


class ClusterNode:
    """One node of a cluster that runs; made by ``LocalCluster.nodes``.

    Args:
        cluster: The cluster.
        index: Which node, from 0.
    """

    def __init__(self, cluster: LocalCluster, index: int) -> None:
        self._cluster = cluster
        self._index = index

    def __repr__(self) -> str:
        """Tell the address, and whether it lives."""
        return f"<ClusterNode {self.host}:{self.port} {'alive' if self.alive else 'dead'}>"

    @property
    def host(self) -> str:
        """The address that it listens on."""
        return self._cluster.hosts[self._index]

    @property
    def port(self) -> int:
        """The port that answers CQL."""
        return self._cluster.port

    @property
    def pid(self) -> int:
        """The process id of its JVM, or of the last one that it had."""
        return self._cluster._found.pid(self._index)  # noqa: SLF001 - the cluster's own part

    @property
    def directory(self) -> Path:
        """Where it keeps its lock, log and settings."""
        return self._cluster._found.member(self._index)  # noqa: SLF001 - as above

    @property
    def log(self) -> Path:
        """The log file of its last start."""
        return self._cluster._found.state.log_of(self._cluster.directory, self._index)  # noqa: SLF001 - as above

    @property
    def alive(self) -> bool:
        """Whether its process lives, paused or not."""
        return self._cluster._found.alive(self._index)  # noqa: SLF001 - as above

    def kill(self) -> None:
        """End it as ``kill -9`` does; its data stays, but for an ephemeral cluster of one node."""
        self._cluster._change(lambda running, _: running.end([self._index], grace=0.0))  # noqa: SLF001 - as above

    def pause(self) -> None:
        """Stop its process without ending it: connections stay open, and nothing answers."""
        self._cluster._change(lambda running, _: running.signal(self._index, signal.SIGSTOP))  # noqa: SLF001 - as above

    def resume(self) -> None:
        """Let a paused process go on."""
        self._cluster._change(lambda running, _: running.signal(self._index, signal.SIGCONT))  # noqa: SLF001 - as above

    def restart(self) -> None:
        """Start it with its data, killing it first where it lives; return when it answers CQL.

        Raises:
            LocalNodeError: As for ``LocalCluster.start``.
        """
        self._cluster._restart(self._index)  # noqa: SLF001 - as above

    async def restart_async(self) -> None:
        """Do as restart() does, without blocking the event loop.

        Raises:
            LocalNodeError: As for ``LocalCluster.start``.
        """
        cancellation = Cancellation()
        restart = self._cluster._restart  # noqa: SLF001 - as above
        await in_thread(lambda: restart(self._index, cancellation), cancellation.cancel)
