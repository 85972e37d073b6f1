"""The shards of ScyllaDB's nodes: which one a request belongs to, and connections that end there.

What a node says of its shards is read off each connection to it, so that a node that comes back with
another number of them is known as it is. A node that said nothing of shards isn't in here.
"""

from __future__ import annotations

import logging
import time
from random import randrange
from typing import TYPE_CHECKING, Any

from coodie.drivers.cassandra.fastpath.driver_internals import (
    UnsupportedServerError,
    establish,
    learn_tablet,
    shard_aware_endpoint,
    tablet_shard,
)

if TYPE_CHECKING:
    from cassandra.cluster import Session
    from cassandra.pool import Host

    from coodie.drivers.cassandra.fastpath.driver_internals import EstablishedConnection, Extensions
    from coodie.drivers.cassandra.fastpath.routing import Route

__all__ = ["Shards"]

log = logging.getLogger("coodie.drivers.cassandra.fastpath")

#: Connections that are opened in the hope that one of them ends at the shard that is wanted.
_TRIES = 3

#: Seconds for which the port that lets a client choose isn't used: where connections through it ended at
#: other shards, as behind a NAT, and where it couldn't be connected to.
_PORT_MISLEADS = 600.0
_PORT_FAILED = 60.0


class Shards:
    """What is known of nodes' shards.

    Args:
        session: The backend's session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._cluster = session.cluster
        self._metadata = session.cluster.metadata
        self._port_not_before: dict[Any, float] = {}
        #: What nodes with shards said, by endpoint.
        self.known: dict[Any, Extensions] = {}

    def of(self, host: Host, route: Route) -> int | None:
        """Return the shard of a node that a request belongs to, by tablet or token, as the driver does.

        Any shard will do for a request without a partition key; None where the node has none.
        """
        node = self.known.get(host.endpoint)
        if node is None or node.shard is None:
            return None
        count: int = node.sharding.shards_count
        key, tokens = route.routing_key, self._metadata.token_map
        if key is None or tokens is None or not self._metadata.can_support_partitioner():
            return randrange(count)  # noqa: S311 - nothing secret about it
        token = tokens.token_class.from_key(key)
        if node.tablets and route.table is not None:
            keyspace = route.keyspace or self._session.keyspace
            shard = tablet_shard(self._metadata, keyspace, route.table, token, host)
            # A node may have come back with fewer shards than its tablets were told of with.
            if shard is not None and shard < count:
                return shard
        found: int = node.sharding.shard_id_from_token(token.value)
        return found

    def learn(self, route: Route, payload: Any) -> None:
        """Note what an answer told beside its rows: the tablet that the request should have gone to.

        Args:
            route: The request's.
            payload: The answer's custom payload.
        """
        learn_tablet(self._session, route.keyspace, route.table, payload)

    def features(self, host: Host | None) -> Any:
        """Return what the driver's decoder asks for, of a node with shards."""
        node = None if host is None else self.known.get(host.endpoint)
        return None if node is None else node.features

    def forget(self, host: Host) -> None:
        """Try all ways to a node again: it has come up."""
        self._port_not_before.pop(host.endpoint, None)

    # --- opening, in a thread of its own ------------------------------------------------

    def open(self, host: Host, shard: int | None) -> list[EstablishedConnection]:
        """Connect to a node, and if it can be to a shard; the last connection is what was got.

        Args:
            host: The node.
            shard: The shard that is wanted; None for any.

        Raises:
            Exception: What the driver raises where it can't connect.
        """
        node = self.known.get(host.endpoint)
        if shard is None or node is None:
            return [self._noted(host, establish(self._cluster, host.endpoint))]
        link = self._through_port(host, shard, node.sharding.shards_count)
        links = [] if link is None else [link]
        # ExcludeHostPolicy it is up to the server: it takes the shard that has the fewest connections.
        while len(links) < _TRIES and not (links and links[-1].shard == shard):
            try:
                links.append(self._noted(host, establish(self._cluster, host.endpoint)))
            except Exception:
                if not links:
                    raise
                break
        return links

    def _through_port(self, host: Host, shard: int, count: int) -> EstablishedConnection | None:
        """Connect through the port where a client's own port chooses; None where that doesn't go."""
        endpoint = shard_aware_endpoint(self._session, host)
        if endpoint is None or time.monotonic() < self._port_not_before.get(host.endpoint, 0.0):
            return None
        try:
            link = self._noted(host, establish(self._cluster, endpoint, shard, count))
        except UnsupportedServerError:
            raise
        except Exception as exc:  # noqa: BLE001 - the other port may do, and tells what is wrong
            log.debug("No connection through the shard-aware port of %s: %r", host, exc)
            self._port_not_before[host.endpoint] = time.monotonic() + _PORT_FAILED
            return None
        said = link.extensions
        if link.shard != shard and said is not None and said.sharding.shards_count == count:
            log.debug("A connection to shard %d of %s ended at shard %s.", shard, host, link.shard)
            self._port_not_before[host.endpoint] = time.monotonic() + _PORT_MISLEADS
        return link

    def _noted(self, host: Host, link: EstablishedConnection) -> EstablishedConnection:
        if link.extensions is not None:
            self.known[host.endpoint] = link.extensions
        else:
            self.known.pop(host.endpoint, None)
        return link
