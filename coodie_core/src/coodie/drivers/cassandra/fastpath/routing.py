"""Which node a request goes to: what the load-balancing policy says, asked as seldom as can be."""

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

#: The places of a key that is one value, the request's first.
_FIRST_ALONE = [0]


def routing_key(values: bytes, indexes: Sequence[int]) -> bytes:
    """Return the partition key, as it is hashed, out of a request's encoded values.

    Args:
        values: Each behind its length.
        indexes: The key's places among them, in the key's order.
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
    # CompositeType: each part behind its length and before a zero.
    return b"".join([SHORT.pack(len(parts[n])) + parts[n] + b"\x00" for n in indexes])


class Route:
    """What the drivers' policies ask of a statement.

    Args:
        keyspace: The statement's, or the session's.
        table: Its table.
        key: The partition key, or None.
        level: The consistency level's code.
        conditional: It is a lightweight transaction.
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
        """Tell whether it is a lightweight transaction; called by scylla-driver's policies."""
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
        """Look at the cluster anew: a node has come, gone, or changed."""
        self._only = None
        # A new one: what is being made of what was there goes into the old one.
        self._tables = {}

    def only_host(self, policy: Any) -> Host | None:
        """Return the cluster's only node: there is nothing to choose then, and no key to be hashed."""
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
        """Return the nodes in the policy's order."""
        plan: Iterable[Host] = policy.make_query_plan(self._session.keyspace, route)
        return plan
