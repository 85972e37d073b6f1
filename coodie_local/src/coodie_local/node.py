"""`ClusterNode`: one node of a local cluster, for tests that kill, pause and restart nodes."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from coodie_local._cancellation import Cancellation, in_thread
from coodie_local._node_log import last_lines, quote_lines
from coodie_local._start import restart_nodes
from coodie_local.errors import NodeStartError

if TYPE_CHECKING:
    from pathlib import Path

    from coodie_local._leases import Lease

__all__ = ["ClusterNode", "error_of_death"]


def error_of_death(node: ClusterNode) -> NodeStartError:
    """Return the error that says that a node died, and why."""
    lines = last_lines(node.log)
    died = " ".join(filter(None, (f"The node at {node.host} died.", node.cause_of_death)))
    return NodeStartError(f"{died} {quote_lines(lines)}", hint=f"The whole log: {node.log}", log_lines=lines)


class ClusterNode:
    """One node of a running cluster; made by ``LocalCluster.nodes``.

    Args:
        lease: The cluster's lease.
        index: Which node, from 0.
    """

    def __init__(self, lease: Lease, index: int) -> None:
        self._lease = lease
        self._index = index

    def __repr__(self) -> str:
        """Show the address, and whether it lives."""
        return f"<ClusterNode {self.host}:{self.port} {'alive' if self.alive else 'dead'}>"

    @property
    def host(self) -> str:
        """The address that it listens on."""
        return self._lease.cluster.state.hosts[self._index]

    @property
    def port(self) -> int:
        """The port for CQL."""
        return self._lease.cluster.state.ports.native

    @property
    def pid(self) -> int:
        """The process id of its JVM, or of the last one that it had."""
        return self._lease.cluster.pid(self._index)

    @property
    def directory(self) -> Path:
        """Where its lock, log and settings are."""
        return self._lease.cluster.directory_of(self._index)

    @property
    def log(self) -> Path:
        """The log file of its last start."""
        return self._lease.cluster.log_of(self._index)

    @property
    def alive(self) -> bool:
        """Whether its process lives, paused or not."""
        return self._lease.cluster.alive(self._index)

    @property
    def cause_of_death(self) -> str | None:
        """Why it died, as a sentence; None if it lives, or if neither its exit status nor its log tells."""
        return None if self.alive else self._lease.cluster.cause_of_death(self._index)

    def kill(self) -> None:
        """End it as ``kill -9`` does; its data stays, unless it is the only node of an ephemeral cluster."""
        self._lease.change(lambda running, _: running.end([self._index], grace=0.0))

    def pause(self) -> None:
        """Stop its process without ending it: connections stay open, and nothing answers."""
        self._lease.change(lambda running, _: running.signal(self._index, signal.SIGSTOP))

    def resume(self) -> None:
        """Let a paused process continue."""
        self._lease.change(lambda running, _: running.signal(self._index, signal.SIGCONT))

    def restart(self) -> None:
        """Start it with its data, after killing it if it lives; return when it answers CQL.

        Raises:
            LocalNodeError: As for ``LocalCluster.start``.
        """
        self._restart(Cancellation())

    async def restart_async(self) -> None:
        """Do as restart() does, without blocking the event loop.

        Raises:
            LocalNodeError: As for ``LocalCluster.start``.
        """
        cancellation = Cancellation()
        await in_thread(lambda: self._restart(cancellation), cancellation.cancel)

    def _restart(self, cancellation: Cancellation) -> None:
        self._lease.change(
            lambda running, attempt: restart_nodes(running, [self._index], attempt), cancellation
        )
