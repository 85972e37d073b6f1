"""The state of a cluster, stored in its directory for other processes, and the plan of each node."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from coodie_local._paths import LOG_NAME
from coodie_local._security import Security, certificates_of

if TYPE_CHECKING:
    from coodie_local._certificates import Certificates

__all__ = ["PROFILES", "ClusterState", "NodePlan", "Ports", "Profile", "read_state", "write_state"]

_FILE = "state.json"
_TOKENS = 1 << 64

#: "ephemeral": data in memory if there is space, deleted when the cluster stops.
#: "durable": data in the node's directory; a killed process loses no acknowledged write.
Profile: TypeAlias = Literal["ephemeral", "durable"]

PROFILES: tuple[Profile, ...] = ("ephemeral", "durable")


@dataclass(frozen=True, slots=True)
class Ports:
    """The TCP ports of a node: one for CQL, two for other nodes."""

    native: int
    storage: int
    ssl_storage: int


@dataclass(frozen=True, slots=True)
class NodePlan:
    """The plan of a node's start; the node is number ``index`` of the cluster at ``hosts``.

    ``directory`` is the node's directory: lock, log, settings. ``data`` is Cassandra's data directory: inside
    the cluster's directory for the durable profile, elsewhere for the ephemeral one.
    """

    name: str
    profile: Profile
    hosts: tuple[str, ...]
    index: int
    ports: Ports
    directory: Path
    data: Path
    #: The cluster's certificates.
    certificates: Certificates
    #: The maximum heap size in MiB.
    heap: int
    security: Security = field(default_factory=Security)

    @property
    def host(self) -> str:
        """The node's address."""
        return self.hosts[self.index]

    @property
    def alone(self) -> bool:
        """Whether the cluster has only this node."""
        return len(self.hosts) == 1

    @property
    def forgetful(self) -> bool:
        """Whether acknowledged writes may be lost, because the node's data is never read again."""
        return self.profile == "ephemeral" and self.alone

    @property
    def token(self) -> int:
        """The token; the nodes' tokens are evenly spaced."""
        return -_TOKENS // 2 + self.index * _TOKENS // len(self.hosts)

    @property
    def settings_file(self) -> Path:
        """The node's cassandra.yaml."""
        return self.directory / "cassandra.yaml"

    @property
    def logging_file(self) -> Path:
        """The node's logback.xml."""
        return self.directory / "logback.xml"

    @property
    def temporary(self) -> Path:
        """The JVM's directory for native libraries (memory-backed storage is often mounted noexec)."""
        return self.directory / "tmp"


@dataclass(frozen=True, slots=True)
class ClusterState:
    """The last start of a cluster of one or more nodes.

    It doesn't contain whether a node is alive, and its process id: see the lock of the node's directory.
    """

    name: str
    hosts: tuple[str, ...]
    ports: Ports
    profile: Profile
    version: str
    #: The directory of all nodes' data.
    data: Path
    security: Security
    #: The maximum heap size of each node in MiB.
    heap: int
    #: Whether the nodes stop with the process that started them.
    stop_with_process: bool
    #: Whether all nodes have accepted CQL requests since the start.
    ready: bool

    def directory_of(self, directory: Path, index: int) -> Path:
        """Return the directory of a node of the cluster in a directory: the same one for the only node."""
        return directory if len(self.hosts) == 1 else directory / f"node{index + 1}"

    def log_of(self, directory: Path, index: int) -> Path:
        """Return the log file of a node of the cluster in a directory."""
        return self.directory_of(directory, index) / LOG_NAME

    def plan(self, directory: Path, index: int) -> NodePlan:
        """Return the plan of a node of the cluster in a directory."""
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
            heap=self.heap,
            security=self.security,
        )


def write_state(directory: Path, state: ClusterState) -> None:
    """Write a cluster's state atomically; the caller must hold the start lock."""
    draft = directory / f"{_FILE}.new"
    draft.write_text(json.dumps(asdict(state) | {"data": str(state.data)}, indent=1) + "\n", encoding="utf-8")
    draft.replace(directory / _FILE)


def read_state(directory: Path) -> ClusterState | None:
    """Read a cluster's state; None if it is missing, or this version can't read it."""
    try:
        found = json.loads((directory / _FILE).read_text(encoding="utf-8"))
        if found["profile"] not in PROFILES or not found["hosts"]:
            return None
        return ClusterState(
            name=str(found["name"]),
            hosts=tuple(map(str, found["hosts"])),
            ports=Ports(**found["ports"]),
            profile=cast("Profile", found["profile"]),
            version=str(found["version"]),
            data=Path(found["data"]),
            security=Security(**found["security"]),
            heap=int(found["heap"]),
            stop_with_process=bool(found["stop_with_process"]),
            ready=bool(found["ready"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
