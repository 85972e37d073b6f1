"""What a running cluster's directory tells other processes: where it listens and who it is."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

from coodie_local._places import LOG_NAME, member_directory
from coodie_local._plan import PROFILES, NodePlan, Ports, Profile, Security
from coodie_local._protection import certificates_of

__all__ = ["ClusterState", "is_process_of", "read_state", "write_state"]

_FILE = "state.json"


@dataclass(frozen=True, slots=True)
class ClusterState:
    """The last start of a cluster, of one node or of several, as its directory remembers it.

    It says nothing about whether a node lives: the lock of the node's directory does.
    """

    name: str
    hosts: tuple[str, ...]
    #: The process ids of the nodes' JVMs; 0 for one that wasn't started yet.
    pids: tuple[int, ...]
    ports: Ports
    profile: Profile
    version: str
    #: Where all nodes' data is.
    data: Path
    security: Security
    #: Whether the nodes end with the process that started them.
    stop_with_process: bool
    #: Whether all nodes have answered CQL since they were started together.
    ready: bool

    def with_pid(self, index: int, pid: int) -> ClusterState:
        """Return it with another process as its node of that index."""
        pids = list(self.pids)
        pids[index] = pid
        return replace(self, pids=tuple(pids))

    def directory_of(self, directory: Path, index: int) -> Path:
        """Name the own directory of a node of the cluster in a directory."""
        return member_directory(directory, index, len(self.hosts))

    def log_of(self, directory: Path, index: int) -> Path:
        """Name the log file of a node of the cluster in a directory."""
        return self.directory_of(directory, index) / LOG_NAME

    def plan(self, directory: Path, index: int) -> NodePlan:
        """Plan a start of one of the nodes.

        Args:
            directory: The cluster's directory.
            index: Which node.
        """
        alone = len(self.hosts) == 1
        return NodePlan(
            name=self.name,
            profile=self.profile,
            hosts=self.hosts,
            index=index,
            ports=self.ports,
            directory=self.directory_of(directory, index),
            data=self.data if alone else self.data / f"node{index + 1}",
            certificates=certificates_of(directory),
            security=self.security,
        )


def write_state(directory: Path, state: ClusterState) -> None:
    """Write a cluster's state in one step; only who starts or stops it may."""
    draft = directory / f"{_FILE}.new"
    draft.write_text(json.dumps(asdict(state) | {"data": str(state.data)}, indent=1) + "\n", encoding="utf-8")
    draft.replace(directory / _FILE)


def read_state(directory: Path) -> ClusterState | None:
    """Read a cluster's state.

    Returns:
        The state, or None where there is none that this version can read.
    """
    try:
        found = json.loads((directory / _FILE).read_text(encoding="utf-8"))
        if found["profile"] not in PROFILES or not 0 < len(found["hosts"]) == len(found["pids"]):
            return None
        return ClusterState(
            name=str(found["name"]),
            hosts=tuple(map(str, found["hosts"])),
            pids=tuple(map(int, found["pids"])),
            ports=Ports(**found["ports"]),
            profile=cast("Profile", found["profile"]),
            version=str(found["version"]),
            data=Path(found["data"]),
            security=Security(**found["security"]),
            stop_with_process=bool(found["stop_with_process"]),
            ready=bool(found["ready"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_process_of(pid: int, directory: Path) -> bool:
    """Say whether a process is the JVM of the node in a directory, and not one that got its number later.

    Args:
        pid: The process id.
        directory: The node's own directory.
    """
    if pid <= 0:
        return False
    if sys.platform.startswith("linux"):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False
        return os.fsencode(f"-Dcoodie.directory={directory}") in command.split(b"\0")
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
