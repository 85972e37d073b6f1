"""What one start of a node is to be: addresses, directories, profile and protection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from pathlib import Path

    from coodie_local._certificates import Certificates

__all__ = ["PROFILES", "NodePlan", "Ports", "Profile", "Security"]

#: "ephemeral": data in memory where there is room, as fast as it gets, gone afterwards.
#: "durable": data in the node's directory; a killed process loses no acknowledged write.
Profile: TypeAlias = Literal["ephemeral", "durable"]

PROFILES: tuple[Profile, ...] = ("ephemeral", "durable")

_TOKENS = 1 << 64


@dataclass(frozen=True, slots=True)
class Ports:
    """The TCP ports of a node: CQL, and the two for other nodes."""

    native: int
    storage: int
    ssl_storage: int


@dataclass(frozen=True, slots=True)
class Security:
    """What protects CQL: TLS, certificates of clients (with TLS alone), passwords."""

    tls: bool = False
    mtls: bool = False
    auth: bool = False


@dataclass(frozen=True, slots=True)
class NodePlan:
    """One start of a node, the ``index``-th of the cluster at ``hosts``.

    ``directory`` is the node's own (lock, log, settings); ``data`` holds what Cassandra writes:
    inside of the cluster's directory for the durable profile, elsewhere for the ephemeral one.
    """

    name: str
    profile: Profile
    hosts: tuple[str, ...]
    index: int
    ports: Ports
    directory: Path
    data: Path
    #: Where the cluster's certificates are.
    certificates: Certificates
    security: Security = Security()

    @property
    def host(self) -> str:
        """The node's own address."""
        return self.hosts[self.index]

    @property
    def alone(self) -> bool:
        """Whether it is the only node."""
        return len(self.hosts) == 1

    @property
    def forgetful(self) -> bool:
        """Whether nobody would miss what it has acknowledged: it never starts again with its data."""
        return self.profile == "ephemeral" and self.alone

    @property
    def token(self) -> int:
        """Its place on the ring, at the same distance from the others'."""
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
        """Where the JVM unpacks native libraries (memory-backed storage is often mounted noexec)."""
        return self.directory / "tmp"
