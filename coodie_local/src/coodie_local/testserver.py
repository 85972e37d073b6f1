"""`CassandraServer`, the server of the pytest plug-in's fixtures, and the settings of its mark."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from coodie_local._state import Profile
    from coodie_local.cluster import LocalCluster

__all__ = ["CassandraServer", "ServerSettings", "merge_settings"]


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """The arguments of ``@pytest.mark.cassandra(…)``; the values are those of LocalCluster."""

    nodes: int = 1
    profile: Profile = "ephemeral"
    version: str | None = None
    tls: bool = False
    mtls: bool = False
    auth: bool = False
    heap: int | None = None

    def __str__(self) -> str:
        """Return the settings that aren't defaults, for test ids."""
        default = ServerSettings()
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        parts = [
            name if value is True else f"{name}={value}"
            for name, value in values.items()
            if value != getattr(default, name)
        ]
        return ",".join(parts) or "plain"


def merge_settings(marks: Iterable[tuple[tuple[Any, ...], Mapping[str, Any]]]) -> ServerSettings:
    """Merge the marks of a test, its class and its module.

    Args:
        marks: The arguments of each mark, the nearest first; the nearest takes precedence.

    Raises:
        ValueError: An argument is unknown.
    """
    known = [entry.name for entry in fields(ServerSettings)]
    merged: dict[str, Any] = {}
    for args, kwargs in marks:
        unknown = [*map(repr, args), *(f"{name}=" for name in kwargs if name not in known)]
        if unknown:
            msg = f"@pytest.mark.cassandra takes {', '.join(f'{name}=' for name in known)}, not {unknown[0]}"
            raise ValueError(msg)
        merged = dict(kwargs) | merged
    if merged.get("mtls"):
        merged["tls"] = True
    return ServerSettings(**merged)


@dataclass(frozen=True, slots=True)
class CassandraServer:
    """A Cassandra that tests share; each uses its own keyspaces and keys.

    Args:
        hosts: The nodes' addresses.
        port: The CQL port.
        cluster: The local cluster, whose nodes can be killed and restarted; None for the server of
            COODIE_HOSTS.
    """

    hosts: tuple[str, ...]
    port: int
    cluster: LocalCluster | None

    @property
    def host(self) -> str:
        """The first address."""
        return self.hosts[0]

    def connection_options(self) -> dict[str, Any]:
        """Return the arguments of ``init_coodie`` for connecting, with any backend."""
        if self.cluster is None:
            return {"hosts": list(self.hosts), "port": self.port}
        return self.cluster.connection_options()

    def create_keyspace(self, keyspace: str) -> None:
        """Create a keyspace if it doesn't exist, with a replica on each node, three at most.

        Without ``durable_writes``, except in a cluster of several nodes: tables are dropped faster.

        Args:
            keyspace: The plain name.
        """
        if self.cluster is not None:
            self.cluster.create_keyspace(keyspace)
            return
        options = (
            "replication = {'class': 'SimpleStrategy', 'replication_factor': 1} AND durable_writes = false"
        )
        self._run(f'CREATE KEYSPACE IF NOT EXISTS "{keyspace}" WITH {options}')

    def drop_keyspace(self, keyspace: str) -> None:
        """Drop a keyspace if it exists.

        Args:
            keyspace: The plain name.
        """
        self._run(f'DROP KEYSPACE IF EXISTS "{keyspace}"')

    def _run(self, statement: str) -> None:
        from coodie_local._native import SCHEMA_TIMEOUT, run_statement
        from coodie_local._security import OPEN, Access

        cluster = self.cluster
        access = OPEN if cluster is None else Access(cluster.ssl_context(), cluster.credentials)
        run_statement(self.host, self.port, statement, access, timeout=SCHEMA_TIMEOUT)
