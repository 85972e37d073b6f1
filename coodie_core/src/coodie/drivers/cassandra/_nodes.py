"""Statistics of a driver's nodes: errors, response times and connections."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from coodie._forks import forget_in_children
from coodie.drivers.cassandra._hosts import observed_host

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cassandra.cluster import Session
    from cassandra.pool import Host

    from coodie.drivers.cassandra._events import ClusterEvents
    from coodie.observers.stats import NodeStats
    from coodie.protocol.connection import Connection

__all__ = ["NodeWatch"]

#: The number of response times through the session that are kept per node.
_LATENCIES = 512


class _Counters:
    """The counters of one node."""

    __slots__ = ("errors", "latencies")

    def __init__(self) -> None:
        self.errors = 0
        #: The last response times through the session, in seconds.
        self.latencies: deque[float] = deque(maxlen=_LATENCIES)


class NodeWatch:
    """Count errors and response times by node; thread-safe.

    Args:
        session: The backend's session.
        events: Notifies observers of connections.
    """

    def __init__(self, session: Session, events: ClusterEvents) -> None:
        self._session = session
        #: Notifies observers of connections.
        self.events = events
        self._lock = threading.Lock()
        # By endpoint: a node that was removed and added again keeps its counters.
        self._counters: dict[Any, _Counters] = {}
        #: Requests that failed because no node had a free connection.
        self.unconnected = 0
        forget_in_children(self, NodeWatch._forget)

    def _forget(self) -> None:
        self._lock = threading.Lock()

    def answered(self, host: Host | None, seconds: float) -> None:
        """Count a response through the session."""
        if host is not None:
            self._of(host).latencies.append(seconds)

    def failed(self, host: Host | None) -> None:
        """Count an error of a node, or a request that failed because no node had a free connection.

        Args:
            host: The node of an error response, a lost connection or a timeout; None for the latter.
        """
        counters = None if host is None else self._of(host)
        with self._lock:
            if counters is None:
                self.unconnected += 1
            else:
                counters.errors += 1

    def _of(self, host: Host) -> _Counters:
        counters = self._counters.get(host.endpoint)
        return self._counters.setdefault(host.endpoint, _Counters()) if counters is None else counters

    def stats(self, connections: Mapping[Any, Sequence[Connection[Any]]]) -> list[NodeStats]:
        """Return the statistics of the cluster's nodes.

        Args:
            connections: The fast path's connections, by endpoint.
        """
        from coodie.observers.stats import NodeStats, latency_of  # used by few programs

        pools = {host.endpoint: state for host, state in self._session.get_pool_state().items()}
        found = []
        for host in self._session.cluster.metadata.all_hosts():
            ours = connections.get(host.endpoint, ())
            pool: dict[str, Any] = pools.get(host.endpoint) or {}
            counters = self._counters.get(host.endpoint) or _Counters()
            queued = sum(one.queued for one in ours)
            in_flight = [*(one.in_flight for one in ours), *pool.get("in_flights", ())]
            samples = [seconds for one in ours for seconds in one.latencies]
            found.append(
                NodeStats(
                    host=observed_host(host),
                    is_up=host.is_up,
                    connections=len(ours),
                    session_connections=pool.get("open_count", 0),
                    idle=in_flight.count(0),
                    in_flight=sum(in_flight) - queued,
                    queued=queued,
                    errors=counters.errors,
                    latency=latency_of([*samples, *tuple(counters.latencies)]),
                )
            )
        return found
