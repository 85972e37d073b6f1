"""How a driver is doing, as values: what ``driver.stats()`` returns."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from coodie.observers.latency import Latency, LatencyRecorder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from coodie.observers.events import Host

__all__ = ["DriverStats", "NodeStats", "StatementStats", "latency_of"]

#: The percentiles in the JSON form.
_PERCENTILES = (50, 95, 99)


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeStats:
    """One node, as a driver sees it.

    Args:
        host: The node.
        is_up: Whether the driver takes it to be up; None where it doesn't know yet.
        connections: Open connections of the fast path.
        session_connections: Open connections of the backend's session.
        idle: How many of both have no request in flight.
        in_flight: Requests without a response on all of them, timed-out ones included.
        queued: Requests that wait for a free stream.
        errors: Error responses, timeouts and lost connections since the driver was opened, those that were
            retried included.
        latency: The times from sending to response of the last requests: the last 512 through the session,
            and up to 128 of each open connection of the fast path, one for each read from its socket.
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
        """Return what ``json`` can write; times are in seconds."""
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
    """A driver's cache of prepared statements.

    Args:
        size: The statements in it, those being prepared included.
        limit: The most that it keeps: ``statement_cache_size``.
        hits: Requests that found their statement. On an event loop, requests for one statement in one tick
            look once.
        misses: Statements that were prepared, again or for the first time.
        evictions: Statements that were dropped because the cache was full.
    """

    size: int
    limit: int
    hits: int
    misses: int
    evictions: int

    def as_dict(self) -> dict[str, Any]:
        """Return what ``json`` can write."""
        return {name: getattr(self, name) for name in ("size", "limit", "hits", "misses", "evictions")}


@dataclass(frozen=True, kw_only=True, slots=True)
class DriverStats:
    """How a driver is doing at one moment; what other threads change meanwhile may be counted or not.

    Args:
        driver_name: The name under which it is registered, or None.
        driver_type: The backend's, or None.
        nodes: The nodes that it knows; none where its client doesn't tell, and before a lazy driver connects.
        statements: Its cache of prepared statements; None where it has none.
    """

    driver_name: str | None
    driver_type: str | None
    nodes: tuple[NodeStats, ...] = ()
    statements: StatementStats | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return what ``json`` can write."""
        return {
            "driver_name": self.driver_name,
            "driver_type": self.driver_type,
            "nodes": [node.as_dict() for node in self.nodes],
            "statements": None if self.statements is None else self.statements.as_dict(),
        }

    def as_json(self) -> str:
        """Return the JSON text of ``as_dict``."""
        return json.dumps(self.as_dict())


def latency_of(samples: Iterable[float]) -> Latency:
    """Return durations as one ``Latency``."""
    recorder = LatencyRecorder()
    for seconds in samples:
        recorder.record(seconds)
    return recorder.read()
