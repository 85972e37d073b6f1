"""The first node of the query plan of the drivers' default policies: a live local replica of the token.

Making a plan takes longer than the rest of a request. So for exactly these policies, the first node is looked
up in a table instead. A table is valid as long as the driver has the same ring and the same replicas of the
keyspace, and until ``Router.forget`` is called because a node was added, removed or changed. If the policy
prefers a rack, the table contains the rack's replicas only, or all local ones if the rack has none. In all
other cases, the policy makes the plan.
"""

from __future__ import annotations

from bisect import bisect_left
from random import random
from typing import TYPE_CHECKING, Any

from cassandra import policies
from cassandra.metadata import Murmur3Token, murmur3
from cassandra.policies import DCAwareRoundRobinPolicy, HostDistance

from coodie.drivers.cassandra._policies import RackAwarePolicy
from coodie.drivers.cassandra.fastpath.driver_internals import child_of_token_aware, tablets_of

if TYPE_CHECKING:
    from cassandra.pool import Host

__all__ = ["ReplicaTable"]

#: The minimum token, which isn't valid for a key; the partitioner replaces it by the maximum.
_NO_TOKEN = -(2**63)
_LAST_TOKEN = 2**63 - 1

#: The maximum number of cached tablets.
_MAX_TABLETS = 10_000


#: The policies that a token-aware one may contain; cassandra-driver has only the first.
_CHILDREN = (DCAwareRoundRobinPolicy, getattr(policies, "RackAwareRoundRobinPolicy", None))

#: The distances of nodes in the local data centre; cassandra-driver has only the first.
_NEAR = (HostDistance.LOCAL, getattr(HostDistance, "LOCAL_RACK", HostDistance.LOCAL))


class ReplicaTable:
    """The replicas of one keyspace, for one policy.

    Args:
        metadata: The cluster's metadata.
        policy: The load-balancing policy.
        keyspace: The keyspace.
    """

    __slots__ = (
        "_by_tablet",
        "_child",
        "_hosts",
        "_keyspace",
        "_map",
        "_metadata",
        "_policy",
        "_rack",
        "_ring",
        "_shuffled",
        "_tablets",
        "_tokens",
    )

    def __init__(self, metadata: Any, policy: Any, keyspace: str) -> None:
        self._metadata = metadata
        self._policy = policy
        self._keyspace = keyspace
        self._ring = metadata.token_map
        self._child = _local_policy(policy)
        self._rack = getattr(self._child, "local_rack", None) or getattr(policy, "local_rack", None)
        #: The ring's tokens, and the live local replicas of each, filled on demand; empty if the policy
        #: decides.
        self._tokens: list[int] = []
        self._hosts: list[tuple[Host, ...] | None] = []
        self._tablets = tablets_of(metadata)
        #: Cached tablets by the id of the driver's list of replicas: the list, and its live local replicas.
        self._by_tablet: dict[int, tuple[Any, tuple[Host, ...]]] = {}
        self._map: Any = None
        self._shuffled = False
        if self._child is None or self._ring is None or murmur3 is None:
            return
        if self._ring.token_class is Murmur3Token and self._ring.ring:
            # The driver computes a keyspace's replicas on the first call.
            self._ring.get_replicas(keyspace, self._ring.ring[0])
            self._map = self._ring.tokens_to_hosts_by_ks.get(keyspace)
        if self._map:
            self._shuffled = policy.shuffle_replicas
            self._tokens = [token.value for token in self._ring.ring]
            self._hosts = [None] * len(self._tokens)

    def is_for(self, policy: Any) -> bool:
        """Return whether the table is valid for a policy, and for the driver's current ring and replicas."""
        ring = self._ring
        return (
            policy is self._policy
            and ring is self._metadata.token_map
            and (ring is None or self._map is ring.tokens_to_hosts_by_ks.get(self._keyspace))
        )

    def first_host(self, table: str | None, key: bytes) -> Host | None:
        """Return the first node of a plan; None if the policy has to make the plan.

        Args:
            table: The request's table.
            key: The partition key.
        """
        if not self._tokens:
            return None
        token = murmur3(key)
        if token == _NO_TOKEN:
            token = _LAST_TOKEN
        tablets, hosts = self._tablets, None
        if tablets is not None and tablets.table_has_tablets(self._keyspace, table):
            hosts = self._of_tablet(table, token)
        if hosts is None:
            # Each token of the ring is the inclusive end of its range.
            place = bisect_left(self._tokens, token)
            if place == len(self._tokens):
                place = 0
            hosts = self._hosts[place]
            if hosts is None:
                hosts = self._hosts[place] = self._local(self._map[self._ring.ring[place]])
        if not hosts:
            return None
        host = hosts[int(random() * len(hosts))] if self._shuffled else hosts[0]  # noqa: S311 - no secret
        return host if host.is_up else None

    def _of_tablet(self, table: str | None, token: int) -> tuple[Host, ...] | None:
        """Return the replicas of a token's tablet; empty if the policy decides, None without a tablet."""
        tablet = self._tablets.get_tablet_for_key(self._keyspace, table, Murmur3Token(token))
        if tablet is None:
            return None
        # The policy makes the plan for round-robin, and for a tablet with a version, which may have a leader.
        if not self._shuffled or getattr(tablet, "tablet_version", None) is not None:
            return ()
        replicas = tablet.replicas
        known = self._by_tablet.get(id(replicas))
        if known is not None and known[0] is replicas:
            return known[1]
        ids = [replica[0] for replica in replicas]
        hosts = self._local([host for host in self._child.make_query_plan() if host.host_id in ids])
        if len(self._by_tablet) >= _MAX_TABLETS:
            self._by_tablet.clear()
        self._by_tablet[id(replicas)] = replicas, hosts
        return hosts

    def _local(self, hosts: Any) -> tuple[Host, ...]:
        distance, rack = self._child.distance, self._rack
        local = tuple([host for host in hosts if host.is_up and distance(host) in _NEAR])
        return (rack and tuple([host for host in local if (host.rack or rack) == rack])) or local


def _local_policy(policy: Any) -> Any:
    """Return the child of a token-aware policy; None unless both are exactly known policies."""
    child = policy.child if policy.__class__ is RackAwarePolicy else child_of_token_aware(policy)
    changed = any("make_query_plan" in vars(one) or "distance" in vars(one) for one in (policy, child) if one)
    return child if child.__class__ in _CHILDREN and not changed else None
