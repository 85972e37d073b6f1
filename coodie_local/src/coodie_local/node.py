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
    """Return the error for a dead node, with the reason."""
    lines = last_lines(node.log)
    died = " ".join(filter(None, (f"The node at {node.host} died.", node.cause_of_death)))
    return NodeStartError(f"{died} {quote_lines(lines)}", hint=f"The whole log: {node.log}", log_lines=lines)


class ClusterNode:
    """A node of a running cluster, from ``LocalCluster.nodes``.

    Args:
        lease: The cluster's lease.
        index: The node's number, from 0.
    """

    def __init__(self, lease: Lease, index: int) -> None:
        self._lease = lease
        self._index = index

    def __repr__(self) -> str:
        """Show the address, and whether the node is alive."""
        return f"<ClusterNode {self.host}:{self.port} {'alive' if self.alive else 'dead'}>"

    @property
    def host(self) -> str:
        """The node's address."""
        return self._lease.cluster.state.hosts[self._index]

    @property
    def port(self) -> int:
        """The CQL port."""
        return self._lease.cluster.state.ports.native

    @property
    def pid(self) -> int:
        """The process id of the JVM, or of the last one."""
        return self._lease.cluster.pid(self._index)

    @property
    def directory(self) -> Path:
        """The directory of the lock, log and settings."""
        return self._lease.cluster.directory_of(self._index)

    @property
    def log(self) -> Path:
        """The log file of the last start."""
        return self._lease.cluster.log_of(self._index)

    @property
    def alive(self) -> bool:
        """Whether the process exists, paused or not."""
        return self._lease.cluster.alive(self._index)

    @property
    def cause_of_death(self) -> str | None:
        """The reason why the node died, as a sentence; None if it is alive, or the reason is unknown."""
        return None if self.alive else self._lease.cluster.cause_of_death(self._index)

    def kill(self) -> None:
        """Kill the node with SIGKILL; only a single node of an ephemeral cluster loses its data."""
        self._lease.change(lambda running, _: running.end([self._index], grace=0.0))

    def pause(self) -> None:
        """Suspend the process (SIGSTOP): connections stay open, and requests get no response."""
        self._lease.change(lambda running, _: running.signal(self._index, signal.SIGSTOP))

    def resume(self) -> None:
        """Resume a paused process."""
        self._lease.change(lambda running, _: running.signal(self._index, signal.SIGCONT))

    def restart(self) -> None:
        """Kill the node if it is alive, and start it with its data; return when it accepts CQL requests.

        Raises:
            LocalNodeError: As in ``LocalCluster.start``.
        """
        self._restart(Cancellation())

    async def restart_async(self) -> None:
        """Async version of :meth:`restart`; never blocks the event loop.

        Raises:
            LocalNodeError: As in ``LocalCluster.start``.
        """
        cancellation = Cancellation()
        await in_thread(lambda: self._restart(cancellation), cancellation.cancel)

    def _restart(self, cancellation: Cancellation) -> None:
        self._lease.change(
            lambda running, attempt: restart_nodes(running, [self._index], attempt), cancellation
        )
