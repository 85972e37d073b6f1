"""Events of nodes, of connections to them, and of schema changes by other clients."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.ways import Ways

from coodie.observers import (
    ConnectionKind,
    ConnectionOpened,
    NodeAdded,
    NodeConnectionClosed,
    NodeConnectionOpened,
    NodeDown,
    NodeRemoved,
    NodeUp,
    SchemaChange,
    SchemaChanged,
    observing,
)
from coodie.observers.recorder import Recorder
from coodie.schema import ColumnDefinition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from coodie.registry import DriverRegistry
    from coodie_testing.faults import FaultProxy

pytestmark = pytest.mark.server

_READ = "SELECT key FROM system.local WHERE key = ?"


@pytest.fixture
def recorder(registry: DriverRegistry) -> Iterator[Recorder]:
    """Observe what happens while the test's own registry is in use."""
    with observing(observer := Recorder()):
        yield observer


def _wait(ready: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 30
    while not ready():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def _kinds(events: list[Any]) -> Counter[ConnectionKind]:
    return Counter(event.kind for event in events)


def test_connections(
    connect: Callable[..., Any], recorder: Recorder, cassandra_node: Any, backend: str
) -> None:
    """There is one opened and one closed event for each connection, after the driver's own event."""
    driver = connect(fast_path=True)
    ways = Ways(driver)
    ways.warm(_READ, ["local"])
    opened = recorder.of(NodeConnectionOpened)
    assert set(_kinds(opened)) == set(ConnectionKind)
    assert {(event.driver_name, event.driver_type) for event in opened} == {("test-0", backend)}
    assert {(event.host.address, event.host.port) for event in opened} == {
        (cassandra_node.host, cassandra_node.port)
    }
    names = recorder.names()
    assert names.index(ConnectionOpened.__name__) < names.index(NodeConnectionOpened.__name__)
    node = driver.stats().nodes[0]
    assert _kinds(opened)[ConnectionKind.FAST_PATH] == node.connections
    driver.close()
    _wait(
        lambda: _kinds(recorder.of(NodeConnectionClosed)) == _kinds(recorder.of(NodeConnectionOpened)),
        f"{recorder.names()}",
    )


async def test_connections_of_an_event_loop(connect: Callable[..., Any], recorder: Recorder) -> None:
    """There are events for connections of an event loop, too."""
    driver = connect(fast_path=True)
    await Ways(driver).warm_async(_READ, ["local"])
    assert ConnectionKind.FAST_PATH in _kinds(recorder.of(NodeConnectionOpened))
    await driver.close_async()
    assert _kinds(recorder.of(NodeConnectionClosed))[ConnectionKind.FAST_PATH] >= 1


def test_a_node_that_goes_and_comes_back(
    connect: Callable[..., Any], recorder: Recorder, proxy: FaultProxy
) -> None:
    """There is one event when a node can't be reached, and one when it is up again."""
    from cassandra.policies import ConstantReconnectionPolicy

    driver = connect(hosts=[proxy.host], port=proxy.port, reconnection_policy=ConstantReconnectionPolicy(0.1))
    proxy.refusing = True
    proxy.cut()
    assert not driver.ping()  # else a heartbeat finds the lost connections, after 30 seconds
    _wait(lambda: recorder.of(NodeDown), "the node is down")
    proxy.heal()
    _wait(lambda: recorder.of(NodeUp), "the node is up")
    (down,) = recorder.of(NodeDown)
    assert (down.host.address, down.host.port) == (proxy.host, proxy.port)
    assert down.driver_name == "test-0"
    cluster = driver.session.cluster
    (host,) = cluster.metadata.all_hosts()
    for listener in cluster.listeners:
        if hasattr(listener, "schema_changed"):
            listener.on_add(host)
            listener.on_remove(host)
    assert [event.host.address for event in recorder.of(NodeAdded)] == [proxy.host]
    assert [event.host.address for event in recorder.of(NodeRemoved)] == [proxy.host]


def test_schema_changes_by_others(connect: Callable[..., Any], recorder: Recorder, keyspace: str) -> None:
    """A change by the driver is one event with its statement; one by another client has none."""
    here, there = connect(), connect()
    name = f"others_{time.monotonic_ns()}"
    there.execute(f"CREATE TABLE {keyspace}.{name} (k int PRIMARY KEY, v int)", [])
    there.execute(f"CREATE INDEX ON {keyspace}.{name} (v)", [])
    there.sync_table(
        f"{name}_2", keyspace, [ColumnDefinition("k", "int", primary_key=True), ColumnDefinition("v", "int")]
    )
    there.execute(f"CREATE TYPE {keyspace}.{name}_type (a int)", [])
    there.execute(f"DROP TABLE {keyspace}.{name}", [])
    here.execute(f"CREATE TABLE {keyspace}.{name}_last (k int PRIMARY KEY)", [])

    def told(driver: str, *, remote: bool) -> list[tuple[SchemaChange, str, str | None]]:
        events = [
            event
            for event in recorder.of(SchemaChanged)
            if event.driver_name == driver and event.remote is remote and event.keyspace == keyspace
        ]
        assert all(bool(event.statement) is not remote for event in events)
        return [(event.change, event.target, event.name) for event in events]

    expected = [
        (SchemaChange.CREATED, "table", name),
        (SchemaChange.UPDATED, "table", name),
        (SchemaChange.CREATED, "table", f"{name}_2"),
        (SchemaChange.CREATED, "type", f"{name}_type"),
        (SchemaChange.DROPPED, "table", name),
    ]
    _wait(lambda: len(told("test-0", remote=True)) >= len(expected), f"{recorder.of(SchemaChanged)}")
    _wait(lambda: told("test-1", remote=True), f"{recorder.of(SchemaChanged)}")
    assert told("test-0", remote=True) == expected
    assert told("test-1", remote=True) == [(SchemaChange.CREATED, "table", f"{name}_last")]
    assert told("test-0", remote=False) == told("test-1", remote=True)
    assert len(told("test-1", remote=False)) == len(expected)
