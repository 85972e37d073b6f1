"""The statistics of all registered drivers as OpenTelemetry metrics.

Connections and waiting requests have the names of the semantic conventions ("Semantic conventions for
database client metrics"); for the rest, for which there are no conventions, the names begin with ``coodie.``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coodie._in_use import in_use

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.metrics import Meter

    from coodie.observers.stats import DriverStats, NodeStats

__all__ = ["observe_stats"]

#: A value and its attributes.
_Measured = tuple[int, dict[str, Any]]


def observe_stats(meter: Meter, observation: Callable[[int, dict[str, Any]], Any]) -> None:
    """Create the instruments, which read the registered drivers when metrics are collected.

    Args:
        meter: Creates the instruments.
        observation: OpenTelemetry's class of a value with attributes.
    """

    def reading(measure: Callable[[DriverStats], Iterator[_Measured]]) -> list[Callable[[Any], list[Any]]]:
        def read(_: object) -> list[Any]:
            return [observation(*one) for stats in in_use.registry.stats() for one in measure(stats)]

        return [read]

    for name, unit, description, measure in _LEVELS:
        meter.create_observable_up_down_counter(name, reading(measure), unit, description)
    for name, unit, description, measure in _COUNTS:
        meter.create_observable_counter(name, reading(measure), unit, description)


def _place(stats: DriverStats, node: NodeStats) -> dict[str, Any]:
    host = node.host
    where = host.address if host.port is None else f"{host.address}:{host.port}"
    place = {
        "db.client.connection.pool.name": f"{stats.driver_name or stats.driver_type}/{where}",
        "server.address": host.address,
        "server.port": host.port,
    }
    return {name: value for name, value in place.items() if value is not None}


def _connections(stats: DriverStats) -> Iterator[_Measured]:
    for node in stats.nodes:
        place = _place(stats, node)
        used = node.connections + node.session_connections - node.idle
        yield node.idle, {**place, "db.client.connection.state": "idle"}
        yield used, {**place, "db.client.connection.state": "used"}


def _of_nodes(name: str) -> Callable[[DriverStats], Iterator[_Measured]]:
    def measure(stats: DriverStats) -> Iterator[_Measured]:
        for node in stats.nodes:
            yield getattr(node, name), _place(stats, node)

    return measure


def _of_statements(name: str, **more: str) -> Callable[[DriverStats], Iterator[_Measured]]:
    def measure(stats: DriverStats) -> Iterator[_Measured]:
        if stats.statements is not None:
            driver = stats.driver_name or stats.driver_type or ""
            yield getattr(stats.statements, name), {"coodie.driver.name": driver, **more}

    return measure


def _unconnected(stats: DriverStats) -> Iterator[_Measured]:
    if stats.unconnected is not None:
        yield stats.unconnected, {"coodie.driver.name": stats.driver_name or stats.driver_type or ""}


def _lookups(stats: DriverStats) -> Iterator[_Measured]:
    yield from _of_statements("hits", **{"coodie.lookup.result": "hit"})(stats)
    yield from _of_statements("misses", **{"coodie.lookup.result": "miss"})(stats)


#: Current values: name, unit, description, and the function that reads them.
_LEVELS = (
    (
        "db.client.connection.count",
        "{connection}",
        "The number of connections that are currently in the state described by the state attribute.",
        _connections,
    ),
    (
        "db.client.connection.pending_requests",
        "{request}",
        "The number of current pending requests for an open connection.",
        _of_nodes("queued"),
    ),
    ("coodie.requests.in_flight", "{request}", "Requests without a response.", _of_nodes("in_flight")),
    ("coodie.statements.count", "{statement}", "Cached prepared statements.", _of_statements("size")),
)

#: Counters, as above.
_COUNTS = (
    (
        "coodie.requests.errors",
        "{error}",
        "Error responses, timeouts and lost connections.",
        _of_nodes("errors"),
    ),
    (
        "coodie.requests.unconnected",
        "{request}",
        "Requests that failed because no node had a free connection.",
        _unconnected,
    ),
    ("coodie.statements.lookups", "{lookup}", "Lookups in the statement cache, by result.", _lookups),
    (
        "coodie.statements.evictions",
        "{statement}",
        "Prepared statements evicted because the cache was full.",
        _of_statements("evictions"),
    ),
)
