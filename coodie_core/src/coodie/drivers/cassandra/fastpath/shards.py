"""The shards of ScyllaDB nodes: map requests to shards, and open connections to them.

The number of shards is read from each new connection, so that a node may come back with another number.
Nodes without shards aren't listed here.
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
from coodie.drivers.cassandra.fastpath.sockets import Handshakes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cassandra.cluster import Session
    from cassandra.pool import Host

    from coodie.drivers.cassandra.fastpath.driver_internals import EstablishedConnection, Extensions
    from coodie.drivers.cassandra.fastpath.routing import Route

__all__ = ["Shards"]

log = logging.getLogger("coodie.drivers.cassandra.fastpath")

#: Connections to open through the normal port until one reaches the wanted shard.
_TRIES = 3

#: Seconds for which the shard-aware port isn't used: after connections through it reached other shards, as
#: behind a NAT, and after a failed connection.
_PORT_MISLEADS = 600.0
_PORT_FAILED = 60.0


class Shards:
    """The known shards of all nodes.

    Args:
        session: The backend's session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._cluster = session.cluster
        self._metadata = session.cluster.metadata
        self._port_not_before: dict[Any, float] = {}
        self._handshakes = Handshakes()
        #: The extensions of nodes with shards, by endpoint.
        self.known: dict[Any, Extensions] = {}

    def of(self, host: Host, route: Route) -> int | None:
        """Return a request's shard on a node, by tablet or token, as the driver does.

        For a request without a partition key the shard is random; None if the node has no shards.
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
            # A node may have come back with fewer shards than its known tablets refer to.
            if shard is not None and shard < count:
                return shard
        found: int = node.sharding.shard_id_from_token(token.value)
        return found

    def numbers(self, host: Host) -> Sequence[int | None]:
        """Return a node's shard numbers; (None,) if the node has no shards, or isn't known yet."""
        node = self.known.get(host.endpoint)
        return (None,) if node is None or node.shard is None else range(node.sharding.shards_count)

    def learn(self, route: Route, payload: Any) -> None:
        """Learn the tablet hint of a response.

        Args:
            route: The request's routing information.
            payload: The response's custom payload.
        """
        learn_tablet(self._session, route.keyspace, route.table, payload)

    def features(self, host: Host | None) -> Any:
        """Return the driver's features object of a node with shards; None for other nodes."""
        node = None if host is None else self.known.get(host.endpoint)
        return None if node is None else node.features

    def forget(self, host: Host) -> None:
        """Allow the shard-aware port of a node again: the node is up."""
        self._port_not_before.pop(host.endpoint, None)

    def close(self) -> None:
        """Make the current and all later connection attempts fail: the driver is closed."""
        self._handshakes.close()

    # --- connecting, in a thread of its own ---------------------------------------------

    def open(self, host: Host, shard: int | None) -> list[EstablishedConnection]:
        """Connect to a node, and to a shard if possible; the last connection is the best one.

        Args:
            host: The node.
            shard: The shard to connect to; None for any.

        Raises:
            Exception: The driver's exception if the connection fails.
        """
        node = self.known.get(host.endpoint)
        if shard is None or node is None:
            return [self._noted(host, establish(self._cluster, host.endpoint, self._handshakes))]
        link = self._through_port(host, shard, node.sharding.shards_count)
        links = [] if link is None else [link]
        # The normal port leaves the shard to the server, which chooses the one with the fewest connections.
        while len(links) < _TRIES and not (links and links[-1].shard == shard):
            try:
                links.append(self._noted(host, establish(self._cluster, host.endpoint, self._handshakes)))
            except Exception:
                if not links:
                    raise
                break
        return links

    def _through_port(self, host: Host, shard: int, count: int) -> EstablishedConnection | None:
        """Connect through the shard-aware port; return None if that fails."""
        endpoint = shard_aware_endpoint(self._session, host)
        if endpoint is None or time.monotonic() < self._port_not_before.get(host.endpoint, 0.0):
            return None
        try:
            link = self._noted(host, establish(self._cluster, endpoint, self._handshakes, shard, count))
        except UnsupportedServerError:
            raise
        except Exception as exc:  # noqa: BLE001 - the normal port is next, and reports the error
            log.debug("Could not connect to the shard-aware port of %s: %r", host, exc)
            self._port_not_before[host.endpoint] = time.monotonic() + _PORT_FAILED
            return None
        said = link.extensions
        if link.shard != shard and said is not None and said.sharding.shards_count == count:
            log.debug("A connection to shard %d of %s reached shard %s.", shard, host, link.shard)
            self._port_not_before[host.endpoint] = time.monotonic() + _PORT_MISLEADS
        return link

    def _noted(self, host: Host, link: EstablishedConnection) -> EstablishedConnection:
        if link.extensions is not None:
            self.known[host.endpoint] = link.extensions
        else:
            self.known.pop(host.endpoint, None)
        return link
