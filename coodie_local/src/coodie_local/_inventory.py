"""The nodes and clusters of this user, by name, and their states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from coodie.exceptions import CoodieError
from coodie_local._jvm import ProcessMetrics, read_metrics
from coodie_local._native import is_ready
from coodie_local._node_locks import is_being_changed, living_in, process_of
from coodie_local._node_log import cause_of_death
from coodie_local._paths import cluster_directory, home_directory
from coodie_local._running import RunningCluster
from coodie_local._security import load_access
from coodie_local._state import read_state

if TYPE_CHECKING:
    from pathlib import Path

    from coodie_local._state import ClusterState

__all__ = ["ClusterEntry", "Condition", "NodeEntry", "entries", "entry_of"]

#: "running": all nodes respond to CQL. "partly running": some nodes have died. "silent": a process exists,
#: but doesn't respond. "crashed": it was ready, it wasn't stopped, and no process exists.
Condition: TypeAlias = Literal["running", "partly running", "silent", "starting", "crashed", "stopped"]

_DATA = "data"


@dataclass(frozen=True, slots=True)
class NodeEntry:
    """A node and its state."""

    host: str
    pid: int | None
    answers: bool
    metrics: ProcessMetrics
    log: Path
    #: The reason why it died, as a sentence; None if it is alive, was stopped, or the reason is unknown.
    cause_of_death: str | None


@dataclass(frozen=True, slots=True)
class ClusterEntry:
    """A node or cluster, and its state."""

    name: str
    directory: Path
    condition: Condition
    #: The last start; None before the first one.
    state: ClusterState | None
    nodes: tuple[NodeEntry, ...]

    @property
    def running(self) -> RunningCluster | None:
        """The cluster, for stopping it; None before its first start."""
        if self.state is None:
            return None
        return RunningCluster(self.directory, self.state, started_here=False)

    @property
    def has_durable_data(self) -> bool:
        """Whether it has durable data."""
        return (self.directory / _DATA).is_dir()

    @property
    def dead(self) -> tuple[NodeEntry, ...]:
        """The dead nodes."""
        return tuple(node for node in self.nodes if node.pid is None)


def entries() -> list[ClusterEntry]:
    """Return all nodes and clusters, sorted by name."""
    root = home_directory() / "nodes"
    if not root.is_dir():
        return []
    return [entry_of(path.name) for path in sorted(root.iterdir()) if path.is_dir()]


def entry_of(name: str) -> ClusterEntry:
    """Return the node or cluster of a name, even if it doesn't exist.

    Raises:
        ConfigurationError: The name is invalid.
    """
    directory = cluster_directory(name)
    state = read_state(directory)
    if state is None:
        return ClusterEntry(name, directory, _idle(directory), None, ())
    nodes = tuple(_node(directory, state, index) for index in range(len(state.hosts)))
    return ClusterEntry(name, directory, _condition(directory, state, nodes), state, nodes)


def _node(directory: Path, state: ClusterState, index: int) -> NodeEntry:
    log = state.log_of(directory, index)
    host, pid = state.hosts[index], process_of(state.directory_of(directory, index))
    return NodeEntry(
        host=host,
        pid=pid or None,
        answers=bool(pid) and _answers(directory, state, host),
        metrics=read_metrics(pid) if pid else ProcessMetrics(),
        log=log,
        cause_of_death=cause_of_death(log) if state.ready and not pid else None,
    )


def _answers(directory: Path, state: ClusterState, host: str) -> bool:
    try:
        access = load_access(directory, state.security)
    except CoodieError:
        # the certificates are missing, or can't be read without cryptography
        return False
    return is_ready(host, state.ports.native, access)


def _condition(directory: Path, state: ClusterState, nodes: tuple[NodeEntry, ...]) -> Condition:
    living = [node for node in nodes if node.pid is not None]
    if not living:
        return "crashed" if state.ready and _idle(directory) == "stopped" else _idle(directory)
    if not state.ready:
        return "starting"
    if not all(node.answers for node in living):
        return "silent"
    return "running" if len(living) == len(nodes) else "partly running"


def _idle(directory: Path) -> Condition:
    """Return the state of a cluster without known processes."""
    return "starting" if is_being_changed(directory) or living_in(directory) else "stopped"
