"""Spans and measurements, as OpenTelemetry's conventions for databases have them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from coodie_core.tests.fakes import Api, MemoryDriver
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import cassandra_attributes, db_attributes
from opentelemetry.semconv._incubating.metrics.db_metrics import (
    DB_CLIENT_CONNECTION_COUNT,
    DB_CLIENT_CONNECTION_PENDING_REQUESTS,
)
from opentelemetry.semconv.attributes import (
    db_attributes as stable,
)
from opentelemetry.semconv.attributes import (
    error_attributes,
    network_attributes,
    server_attributes,
)
from opentelemetry.semconv.metrics.db_metrics import DB_CLIENT_OPERATION_DURATION
from opentelemetry.trace import SpanKind, StatusCode

import coodie
from coodie.exceptions import InvalidQueryError, QuerySyntaxError
from coodie.observers import Host, observe_request, observing
from coodie.observers.metrics import Latency
from coodie.observers.otel import OpenTelemetryObserver
from coodie.observers.stats import DriverStats, NodeStats, StatementStats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace import ReadableSpan

pytestmark = pytest.mark.usefixtures("registry")

STMT = "SELECT n FROM ks.t WHERE k = ?"


class Telemetry:
    """An application's SDK, which keeps in memory what it's given."""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.traces = TracerProvider(shutdown_on_exit=False)
        self.traces.add_span_processor(SimpleSpanProcessor(self._spans))
        self.meters = MeterProvider([self._reader], shutdown_on_exit=False)

    def spans(self) -> list[ReadableSpan]:
        """Return the spans that have ended."""
        return list(self._spans.get_finished_spans())

    def metrics(self) -> dict[str, Any]:
        """Return the metrics that have points, by name."""
        data: Any = self._reader.get_metrics_data()
        resources = () if data is None else data.resource_metrics
        scopes = [scope for resource in resources for scope in resource.scope_metrics]
        return {
            metric.name: metric for scope in scopes for metric in scope.metrics if metric.data.data_points
        }

    def points(self) -> list[Any]:
        """Return the points of the one histogram."""
        metric = self.metrics()[DB_CLIENT_OPERATION_DURATION]
        assert metric.unit == "s"
        return list(metric.data.data_points)


@pytest.fixture
def telemetry(registry: Any) -> Iterator[Telemetry]:
    """Observe with an SDK of the test's own."""
    made = Telemetry()
    with observing(OpenTelemetryObserver(made.traces, made.meters)):
        yield made
    made.traces.shutdown()
    made.meters.shutdown()


async def test_a_span(api: Api, telemetry: Telemetry) -> None:
    """Name, kind, status and each attribute are those of the conventions."""
    host = Host(address="10.0.0.1", port=9042, datacenter="dc1", rack="r", host_id=uuid.UUID(int=7))
    api.driver._default_keyspace = "mine"
    with observe_request(api.driver, STMT, [1], consistency="local_quorum", fetch_size=100) as request:
        request.add_page(3, host)
        request.add_page(2, host)
    (span,) = telemetry.spans()
    assert (span.name, span.kind, span.status.status_code) == (
        "SELECT ks.t",
        SpanKind.CLIENT,
        StatusCode.UNSET,
    )
    assert dict(span.attributes or {}) == {
        stable.DB_SYSTEM_NAME: "cassandra",
        stable.DB_OPERATION_NAME: "SELECT",
        stable.DB_COLLECTION_NAME: "ks.t",
        stable.DB_NAMESPACE: "mine",
        stable.DB_QUERY_TEXT: STMT,
        stable.DB_QUERY_SUMMARY: "SELECT ks.t",
        db_attributes.DB_RESPONSE_RETURNED_ROWS: 5,
        server_attributes.SERVER_ADDRESS: "10.0.0.1",
        server_attributes.SERVER_PORT: 9042,
        network_attributes.NETWORK_PEER_ADDRESS: "10.0.0.1",
        network_attributes.NETWORK_PEER_PORT: 9042,
        cassandra_attributes.CASSANDRA_CONSISTENCY_LEVEL: "local_quorum",
        cassandra_attributes.CASSANDRA_PAGE_SIZE: 100,
        cassandra_attributes.CASSANDRA_QUERY_IDEMPOTENT: False,
        cassandra_attributes.CASSANDRA_COORDINATOR_DC: "dc1",
        cassandra_attributes.CASSANDRA_COORDINATOR_ID: str(uuid.UUID(int=7)),
    }
    scope = span.instrumentation_scope
    assert scope is not None
    assert (scope.name, scope.version) == ("coodie", coodie.__version__)


async def test_a_failure(api: Api, telemetry: Telemetry) -> None:
    """The class of the error and the protocol's code, where the server gave one; no message."""
    refused = QuerySyntaxError("near 'hunter2'")
    refused.__cause__ = ValueError("the driver's own")
    for error in (refused, InvalidQueryError("ours")):
        api.driver.fault = lambda _, error=error: error
        with pytest.raises(type(error)):
            await api.execute(STMT, [1])
    theirs, ours = telemetry.spans()
    assert (theirs.status.status_code, theirs.status.description) == (StatusCode.ERROR, "QuerySyntaxError")
    attributes = theirs.attributes or {}
    assert attributes[error_attributes.ERROR_TYPE] == "coodie.exceptions.QuerySyntaxError"
    assert attributes[stable.DB_RESPONSE_STATUS_CODE] == str(0x2000)
    assert stable.DB_RESPONSE_STATUS_CODE not in (ours.attributes or {})
    assert db_attributes.DB_RESPONSE_RETURNED_ROWS not in attributes
    assert theirs.events == ()
    errors = {point.attributes.get(error_attributes.ERROR_TYPE) for point in telemetry.points()}
    assert errors == {"coodie.exceptions.QuerySyntaxError", "coodie.exceptions.InvalidQueryError"}


async def test_a_cancelled_request_ends_its_span(telemetry: Telemetry) -> None:
    """A cancellation is the error of its span."""
    driver = MemoryDriver()
    driver.delay = 30
    task = asyncio.ensure_future(driver.execute_async(STMT, [1]))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (span,) = telemetry.spans()
    assert (span.attributes or {})[error_attributes.ERROR_TYPE] == "asyncio.exceptions.CancelledError"


async def test_the_current_span_is_the_parent(api: Api, telemetry: Telemetry) -> None:
    """Whatever asks for it, in a thread, a task or a stream, a request belongs to where it was made."""
    tracer = telemetry.traces.get_tracer("app")
    with tracer.start_as_current_span("parent") as parent:
        await api.execute(STMT, [1])
        await api.execute_many(STMT, [[n] for n in range(10)])
        await api.execute_batch(["DELETE FROM t WHERE k = 1"])
        _ = [row async for row in api.stream(STMT, [1], fetch_size=1)]
    await api.execute(STMT, [1])
    *children, outer, orphan = telemetry.spans()
    assert outer.name == "parent"
    assert len(children) == 1 + 10 + 1 + 3
    assert {child.parent.span_id for child in children if child.parent} == {parent.get_span_context().span_id}
    assert all(child.parent for child in children)
    assert orphan.parent is None


async def test_each_task_has_its_own_parent(telemetry: Telemetry) -> None:
    """Requests at once, each under its own span, aren't mixed up."""
    driver, tracer = MemoryDriver(1), telemetry.traces.get_tracer("app")

    async def work(number: int) -> None:
        with tracer.start_as_current_span(f"parent {number}"):
            await driver.execute_async(f"SELECT n FROM t{number}", [])

    await asyncio.gather(*map(work, range(100)))
    spans = {span.context.span_id: span for span in telemetry.spans() if span.context}
    requests = [span for span in spans.values() if span.kind is SpanKind.CLIENT]
    pairs = {
        (span.name[len("SELECT t") :], spans[span.parent.span_id].name[7:])
        for span in requests
        if span.parent
    }
    assert pairs == {(str(number), str(number)) for number in range(100)}


async def test_batches(api: Api, telemetry: Telemetry) -> None:
    """A batch is named after what its statements have in common; one statement has no size."""
    insert = "INSERT INTO t (k) VALUES (1)"
    await api.execute_batch([insert, ("INSERT INTO t (k) VALUES (?)", [2])])
    await api.execute_batch([insert, "DELETE FROM u WHERE k = 1"])
    await api.execute_batch([insert])
    told = [
        (span.name, (span.attributes or {}).get(stable.DB_OPERATION_BATCH_SIZE)) for span in telemetry.spans()
    ]
    assert told == [("BATCH INSERT t", 2), ("BATCH", 2), ("BATCH INSERT t", None)]
    text = (telemetry.spans()[0].attributes or {})[stable.DB_QUERY_TEXT]
    assert text == "INSERT INTO t (k) VALUES (?); INSERT INTO t (k) VALUES (?)"


async def test_names_without_a_table(api: Api, telemetry: Telemetry) -> None:
    """Without a table the keyspace is the target, without either the operation stands alone."""
    await api.execute("LIST ROLES", [])
    await api.execute("", [])
    api.driver._default_keyspace = "mine"
    await api.execute("DROP INDEX i", [])
    assert [span.name for span in telemetry.spans()] == ["LIST", "cassandra", "DROP INDEX mine"]


async def test_no_value_leaves(api: Api, telemetry: Telemetry) -> None:
    """Literals of statements without parameters are replaced; parameters and messages are nowhere."""
    error = InvalidQueryError("near 'hunter2'")
    api.driver.fault = lambda params: error if params == ["hunter2", 1] else None
    await api.execute(STMT, ["hunter2"])
    await api.execute(STMT, {"k": "hunter2"})
    await api.execute("SELECT n FROM t WHERE k = 'hunter2'", [])
    await api.execute("ALTER ROLE r WITH PASSWORD = 'hunter2'", [])
    await api.execute_many(STMT, [["hunter2"]])
    await api.execute_batch(
        [("INSERT INTO t (k) VALUES (?)", ["hunter2"]), "DELETE FROM t WHERE k = 'hunter2'"]
    )
    with pytest.raises(InvalidQueryError):
        await api.execute(STMT, ["hunter2", 1])
    assert len(telemetry.spans()) == 7
    exported = "".join(span.to_json() for span in telemetry.spans()) + repr(telemetry.points())
    assert "hunter2" not in exported
    assert "PASSWORD = ?" in exported


async def test_the_histogram(api: Api, telemetry: Telemetry) -> None:
    """Durations in seconds, in the buckets of the conventions, by operation, table and outcome."""
    for _ in range(4):
        await api.execute(STMT, [1])
    (point,) = telemetry.points()
    assert point.count == 4
    assert 0 < point.sum < 10
    assert point.explicit_bounds == (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)
    assert dict(point.attributes) == {
        stable.DB_SYSTEM_NAME: "cassandra",
        stable.DB_OPERATION_NAME: "SELECT",
        stable.DB_COLLECTION_NAME: "ks.t",
        server_attributes.SERVER_ADDRESS: "memory",
        network_attributes.NETWORK_PEER_ADDRESS: "memory",
    }


async def test_long_statements_are_cut(api: Api, telemetry: Telemetry) -> None:
    """A statement without end doesn't make a span without end."""
    await api.execute(f"SELECT {'a, ' * 5000} b FROM t", [])
    text = (telemetry.spans()[0].attributes or {})[stable.DB_QUERY_TEXT]
    assert len(str(text)) == 4097


def test_without_the_api() -> None:
    """Where opentelemetry-api isn't installed, the error ends in the command that installs it."""
    code = """
import sys
sys.modules["opentelemetry"] = None
import json
from coodie.exceptions import ObserverLoadError
from coodie.observers import activate_observer
try:
    activate_observer("otel")
except ObserverLoadError as exc:
    print(json.dumps([str(exc).splitlines()[-1], exc.observer, isinstance(exc, ImportError)]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(done.stdout) == ['pip install --upgrade "opentelemetry-api>=1.30"', "otel", True]


def test_stats(telemetry: Telemetry, monkeypatch: Any) -> None:
    """The stats of each registered driver are metrics, with the conventions' names where there are some."""
    node = NodeStats(
        host=Host(address="10.0.0.1", port=9042),
        is_up=True,
        connections=3,
        session_connections=1,
        idle=1,
        in_flight=5,
        queued=2,
        errors=7,
        latency=Latency(),
    )
    statements = StatementStats(size=4, limit=10, hits=100, misses=6, evictions=2)
    driver = MemoryDriver()
    stats = DriverStats(
        driver_name="shop", driver_type="memory", nodes=(node,), statements=statements, unconnected=3
    )
    monkeypatch.setattr(driver, "stats", lambda: stats)
    coodie.register_driver("shop", driver)
    metrics = telemetry.metrics()
    place = {
        "db.client.connection.pool.name": "shop/10.0.0.1:9042",
        server_attributes.SERVER_ADDRESS: "10.0.0.1",
        server_attributes.SERVER_PORT: 9042,
    }
    found = {
        name: [(point.value, dict(point.attributes)) for point in metric.data.data_points]
        for name, metric in metrics.items()
    }
    of_driver = {"coodie.driver.name": "shop"}
    assert found == {
        DB_CLIENT_CONNECTION_COUNT: [
            (1, {**place, "db.client.connection.state": "idle"}),
            (3, {**place, "db.client.connection.state": "used"}),
        ],
        DB_CLIENT_CONNECTION_PENDING_REQUESTS: [(2, place)],
        "coodie.requests.in_flight": [(5, place)],
        "coodie.requests.errors": [(7, place)],
        "coodie.requests.unconnected": [(3, of_driver)],
        "coodie.statements.count": [(4, of_driver)],
        "coodie.statements.lookups": [
            (100, {**of_driver, "coodie.lookup.result": "hit"}),
            (6, {**of_driver, "coodie.lookup.result": "miss"}),
        ],
        "coodie.statements.evictions": [(2, of_driver)],
    }
    monkeypatch.setattr(driver, "is_live", lambda: False)  # closed
    assert telemetry.metrics() == {}
