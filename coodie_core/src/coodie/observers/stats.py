"""A driver's statistics, which ``driver.stats()`` returns."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from coodie.observers.metrics import Latency, LatencyRecorder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from coodie.observers.events import Host

__all__ = ["DriverStats", "LimitStats", "NodeStats", "StatementStats", "latency_of"]

#: The percentiles in ``as_dict``.
_PERCENTILES = (50, 95, 99)


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeStats:
    """The statistics of one node.

    Args:
        host: The node.
        is_up: Whether the driver has marked the node up; None if unknown.
        connections: The number of the fast path's open connections.
        session_connections: The number of the session's open connections.
        idle: The number of connections of both kinds without requests in flight.
        in_flight: The number of requests without a response, including those that have timed out.
        queued: The number of requests that wait for a free stream.
        errors: The number of error responses, timeouts and lost connections since the driver was opened,
            including those of retried requests, without those of preparing statements.
        latency: The response times of the last requests: the last 512 through the session, and up to 128 of
            each open connection of the fast path, one for each read from its socket.
    """

    host: Host
    is_up: bool | None
    connections: int
    session_connections: int
    idle: int
    in_flight: int
    queued: int
    errors: int
    latency: Latency

    def as_dict(self) -> dict[str, Any]:
        """Return the statistics as JSON values; times are in seconds."""
        host = self.host
        return {
            "address": host.address,
            "port": host.port,
            "datacenter": host.datacenter,
            "rack": host.rack,
            "host_id": None if host.host_id is None else str(host.host_id),
            "is_up": self.is_up,
            "connections": self.connections,
            "session_connections": self.session_connections,
            "idle": self.idle,
            "in_flight": self.in_flight,
            "queued": self.queued,
            "errors": self.errors,
            "latency": {
                "samples": self.latency.count,
                "mean": self.latency.mean,
                **{f"p{percent}": self.latency.percentile(percent) for percent in _PERCENTILES},
                "max": self.latency.most if self.latency.count else None,
            },
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class StatementStats:
    """The statistics of a driver's statement cache.

    Args:
        size: The number of statements, including those being prepared.
        limit: The maximum size, ``statement_cache_size``.
        hits: The number of lookups that found a statement. On an event loop, requests for the same statement
            within one tick share a lookup.
        misses: The number of statements that were prepared, including those prepared again.
        evictions: The number of statements that were evicted because the cache was full.
    """

    size: int
    limit: int
    hits: int
    misses: int
    evictions: int

    def as_dict(self) -> dict[str, Any]:
        """Return the statistics as JSON values."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitStats:
    """The limits of a driver's requests, and their current numbers.

    Args:
        max_in_flight: The maximum number of requests in flight.
        max_queued: The maximum number of queued requests, except those of ``execute_many`` and scans.
        in_flight: The number of requests in flight.
        queued: The number of queued requests, including those of ``execute_many`` and scans.
        rejected: The number of requests that raised OverloadedError since the driver was opened.
    """

    max_in_flight: int
    max_queued: int
    in_flight: int
    queued: int
    rejected: int

    def as_dict(self) -> dict[str, Any]:
        """Return the statistics as JSON values."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class DriverStats:
    """A driver's statistics; not an atomic snapshot, since other threads may be using the driver.

    Args:
        driver_name: The driver's name in the registry; None if it isn't registered.
        driver_type: The name of the backend, or None.
        nodes: The known nodes; empty if the client has no statistics, and before a lazy driver connects.
        statements: The statistics of the statement cache; None if the driver has none.
        limit: The limits of requests; None if the driver has none.
        unconnected: The number of requests that failed since the driver was opened because no node had a free
            connection; such a failure is no node's error. None if unknown.
    """

    driver_name: str | None
    driver_type: str | None
    nodes: tuple[NodeStats, ...] = ()
    statements: StatementStats | None = None
    limit: LimitStats | None = None
    unconnected: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the statistics as JSON values."""
        return {
            "driver_name": self.driver_name,
            "driver_type": self.driver_type,
            "nodes": [node.as_dict() for node in self.nodes],
            "statements": None if self.statements is None else self.statements.as_dict(),
            "limit": None if self.limit is None else self.limit.as_dict(),
            "unconnected": self.unconnected,
        }

    def as_json(self) -> str:
        """Return the JSON text of ``as_dict``."""
        return json.dumps(self.as_dict())


def latency_of(samples: Iterable[float]) -> Latency:
    """Return the ``Latency`` of durations in seconds."""
    recorder = LatencyRecorder()
    for seconds in samples:
        recorder.record(seconds)
    return recorder.read()
