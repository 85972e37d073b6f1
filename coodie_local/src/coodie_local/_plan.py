"""What one start of a node is to be: addresses, directories and profile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["PROFILES", "NodePlan", "Ports", "Profile"]

#: "ephemeral": data in memory where there is room, as fast as it gets, gone afterwards.
#: "durable": data in the node's directory; a killed process loses no acknowledged write.
Profile: TypeAlias = Literal["ephemeral", "durable"]

PROFILES: tuple[Profile, ...] = ("ephemeral", "durable")


@dataclass(frozen=True, slots=True)
class Ports:
    """The TCP ports of a node: CQL, and the two for other nodes."""

    native: int
    storage: int
    ssl_storage: int


@dataclass(frozen=True, slots=True)
class NodePlan:
    """One start of a node.

    ``directory`` is the node's own (lock, state, log, settings); ``data`` holds what Cassandra
    writes: inside ``directory`` for a durable node, elsewhere for an ephemeral one.
    """

    name: str
    profile: Profile
    host: str
    ports: Ports
    directory: Path
    data: Path

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
