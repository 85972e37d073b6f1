"""Which nodes and clusters of this user's there are by name, and how each of them is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from coodie.exceptions import CoodieError
from coodie_local._flock import try_acquire
from coodie_local._jvm import last_lines
from coodie_local._members import living_in
from coodie_local._native import is_ready
from coodie_local._places import START_LOCK_NAME, cache_directory, home_directory, node_directory
from coodie_local._process import ProcessFigures, figures_of
from coodie_local._protection import load_access
from coodie_local._running import RunningCluster
from coodie_local._state import is_process_of, read_state

if TYPE_CHECKING:
    from pathlib import Path

    from coodie_local._state import ClusterState

__all__ = ["ClusterEntry", "Condition", "MemberEntry", "archive_is_built", "entries", "entry_of"]

#: "running": all nodes answer CQL. "partly running": some nodes have died. "silent": a process lives
#: and doesn't answer. "crashed": it was ready, nobody stopped it, and no process lives.
Condition: TypeAlias = Literal["running", "partly running", "silent", "starting", "crashed", "stopped"]

_DATA = "data"


@dataclass(frozen=True, slots=True)
class MemberEntry:
    """One node as it is now."""

    host: str
    pid: int | None
    answers: bool
    figures: ProcessFigures
    log: Path


@dataclass(frozen=True, slots=True)
class ClusterEntry:
    """A node or cluster of a name as it is now."""

    name: str
    directory: Path
    condition: Condition
    #: Its last start; None where it never got so far.
    state: ClusterState | None
    members: tuple[MemberEntry, ...]

    @property
    def running(self) -> RunningCluster | None:
        """What stops it; None where there is nothing to be stopped."""
        if self.state is None:
            return None
        return RunningCluster(self.directory, self.state, started_here=False)

    @property
    def has_durable_data(self) -> bool:
        """Whether there is data that outlives its processes."""
        return (self.directory / _DATA).is_dir()

    def last_words(self, count: int = 10) -> dict[Path, tuple[str, ...]]:
        """Read how the logs of its nodes that don't live end.

        Args:
            count: How many lines of each.
        """
        return {member.log: last_lines(member.log, count) for member in self.members if member.pid is None}


def entries() -> list[ClusterEntry]:
    """List what there is, by name."""
    root = home_directory() / "nodes"
    if not root.is_dir():
        return []
    return [entry_of(path.name) for path in sorted(root.iterdir()) if path.is_dir()]


def entry_of(name: str) -> ClusterEntry:
    """Look at the node or cluster of a name, whether there is one or not.

    Raises:
        ConfigurationError: The name isn't usable.
    """
    directory = node_directory(name)
    state = read_state(directory)
    if state is None:
        living = bool(living_in(directory))
        return ClusterEntry(name, directory, "starting" if living else _idle(directory), None, ())
    members = tuple(_member(directory, state, index) for index in range(len(state.hosts)))
    return ClusterEntry(name, directory, _condition(directory, state, members), state, members)


def archive_is_built() -> bool:
    """Say whether a class archive is being made in the background now."""
    for file in (cache_directory() / "archives").glob("*.lock"):
        lock = try_acquire(file)
        if lock is None:
            return True
        lock.close()
    return False


def _member(directory: Path, state: ClusterState, index: int) -> MemberEntry:
    own, pid, host = state.directory_of(directory, index), state.pids[index], state.hosts[index]
    alive = is_process_of(pid, own)
    return MemberEntry(
        host=host,
        pid=pid if alive else None,
        answers=alive and _answers(directory, state, host),
        figures=figures_of(pid) if alive else ProcessFigures(),
        log=state.log_of(directory, index),
    )


def _answers(directory: Path, state: ClusterState, host: str) -> bool:
    try:
        access = load_access(directory, state.security)
    except CoodieError:
        # its certificates are gone, or can't be read without cryptography: nobody gets in
        return False
    return is_ready(host, state.ports.native, access)


def _condition(directory: Path, state: ClusterState, members: tuple[MemberEntry, ...]) -> Condition:
    living = [member for member in members if member.pid is not None]
    if not living:
        return "crashed" if state.ready and _idle(directory) == "stopped" else _idle(directory)
    if not state.ready:
        return "starting"
    if not all(member.answers for member in living):
        return "silent"
    return "running" if len(living) == len(members) else "partly running"


def _idle(directory: Path) -> Condition:
    """Tell a node without a process that somebody is about to start from one that nobody is."""
    file = directory / START_LOCK_NAME
    if not file.exists():
        return "stopped"
    lock = try_acquire(file)
    if lock is None:
        return "starting"
    lock.close()
    return "stopped"
