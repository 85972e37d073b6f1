"""Routing: choose a request's node by the load-balancing policy, and its partition key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cassandra.policies import HostDistance

from coodie.drivers.cassandra.fastpath.replicas import ReplicaTable
from coodie.protocol.codec import INT, SHORT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cassandra.cluster import Session
    from cassandra.pool import Host

__all__ = ["Route", "Router", "routing_key"]

#: SERIAL and LOCAL_SERIAL.
_SERIAL = (8, 9)

#: The indexes of a partition key that is the request's first value.
_FIRST_ALONE = [0]


def routing_key(values: bytes, indexes: Sequence[int]) -> bytes:
    """Return the serialized partition key from a request's encoded values.

    Args:
        values: The encoded values, each with its length.
        indexes: The indexes of the key's columns among the values, in the key's order.
    """
    if indexes == _FIRST_ALONE:
        (length,) = INT.unpack_from(values)
        return values[4 : 4 + length]
    parts: list[bytes] = []
    at = 0
    for _ in range(max(indexes) + 1):
        (length,) = INT.unpack_from(values, at)
        at += 4
        parts.append(values[at : at + max(length, 0)])
        at += max(length, 0)
    if len(indexes) == 1:
        return parts[indexes[0]]
    # CompositeType: each part has its length before it and a zero byte after it.
    return b"".join([SHORT.pack(len(parts[n])) + parts[n] + b"\x00" for n in indexes])


class Route:
    """The attributes of a statement that the drivers' policies use.

    Args:
        keyspace: The statement's keyspace; None for the session's.
        table: The statement's table.
        key: The partition key, or None.
        level: The consistency level's code.
        conditional: The statement is a lightweight transaction.
    """

    __slots__ = ("_conditional", "consistency_level", "keyspace", "routing_key", "table")

    def __init__(
        self, keyspace: str | None, table: str | None, key: bytes | None, level: int, *, conditional: bool
    ) -> None:
        self.keyspace = keyspace
        self.table = table
        self.routing_key = key
        self.consistency_level = level
        self._conditional = conditional

    def is_lwt(self) -> bool:
        """Return whether the statement is a lightweight transaction; called by scylla-driver's policies."""
        return self._conditional


class Router:
    """Choose nodes.

    Args:
        session: The backend's session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._metadata = session.cluster.metadata
        self._only: tuple[Any, Host | None] | None = None
        self._tables: dict[str, ReplicaTable] = {}

    def forget(self) -> None:
        """Drop the cached node: the cluster has changed."""
        self._only = None
        # A new one: what is being made of what was there goes into the old one.
        self._tables = {}

    def only_host(self, policy: Any) -> Host | None:
        """Return the only node of a single-node cluster, which needs no routing."""
        known = self._only
        if known is None or known[0] is not policy:
            hosts = self._metadata.all_hosts()
            used = len(hosts) == 1 and policy.distance(hosts[0]) != HostDistance.IGNORED
            known = self._only = (policy, hosts[0] if used else None)
        host = known[1]
        return host if host is not None and host.is_up else None

    def first_host(self, policy: Any, route: Route) -> Host | None:
        """Return the node that the policy's order begins with, of those that are up; None where none is."""
        keyspace, key = route.keyspace or self._session.keyspace, route.routing_key
        # For a conditional write or a serial read, scylla-driver doesn't shuffle the replicas.
        if key is not None and keyspace and not route.is_lwt() and route.consistency_level not in _SERIAL:
            tables = self._tables
            table = tables.get(keyspace)
            if table is None or not table.is_for(policy):
                table = tables[keyspace] = ReplicaTable(self._metadata, policy, keyspace)
            host = table.first_host(route.table, key)
            if host is not None:
                return host
        return next((host for host in self.hosts(policy, route) if host.is_up), None)

    def hosts(self, policy: Any, route: Route) -> Iterable[Host]:
        """Return the policy's query plan."""
        plan: Iterable[Host] = policy.make_query_plan(self._session.keyspace, route)
        return plan
