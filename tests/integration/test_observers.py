"""What observers are told of a real server's requests, with each backend, sync and async."""

from __future__ import annotations

import asyncio
import logging
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from coodie import RequestOptions
from coodie.exceptions import (
    ConfigurationError,
    ConnectionFailedError,
    CoodieError,
    DriverClosedError,
    ParameterTypeError,
    QuerySyntaxError,
    RequestTimeoutError,
)
from coodie.observers import (
    ConnectionClosed,
    ConnectionFailed,
    ConnectionOpened,
    RequestFinished,
    RequestKind,
    RequestStarted,
    SchemaChange,
    SchemaChanged,
    observing,
)
from coodie.observers.log import RequestLog
from coodie.observers.metrics import RequestCounters
from coodie.observers.otel import OpenTelemetryObserver
from coodie.observers.recorder import Recorder
from coodie.schema import ColumnDefinition, SyncOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Api

    from coodie.registry import DriverRegistry
    from coodie_testing.faults import FaultProxy

pytestmark = pytest.mark.server


@pytest.fixture
def recorder(registry: DriverRegistry) -> Iterator[Recorder]:
    """Observe what happens while the test's own registry is in use."""
    with observing(observer := Recorder()):
        yield observer


@pytest.fixture
def numbers(driver: Any, table: Callable[[str], str]) -> str:
    """A partition of 25 rows."""
    name = table("p int, n int, v text, PRIMARY KEY (p, n)")
    driver.execute_many(f"INSERT INTO {name} (p, n, v) VALUES (0, ?, ?)", ((n, f"v{n}") for n in range(25)))
    return name


async def test_a_read(api: Api, numbers: str, cassandra_node: Any, recorder: Recorder) -> None:
    """Statement, parameters, level, rows, page and the node that coordinated it."""
    stmt = f"SELECT n FROM {numbers} WHERE p = ?"
    options = RequestOptions(idempotent=True)
    rows = await api.execute(stmt, [0], "local_one", 15.0, options=options)
    finished = recorder.request()
    assert (finished.statement, finished.parameter_count, finished.parameters) == (stmt, 1, [0])
    assert (finished.consistency, finished.timeout, finished.idempotent) == ("LOCAL_ONE", 15.0, True)
    assert (finished.rows, finished.pages, finished.error) == (len(rows), 1, None)
    assert (finished.kind, finished.fetch_size, finished.batch_size) == (RequestKind.SINGLE, None, 0)
    assert 0 < finished.duration < 15
    host = finished.host
    assert host is not None
    assert (host.address, host.port, host.datacenter, host.rack) == (
        cassandra_node.host,
        cassandra_node.port,
        "datacenter1",
        "rack1",
    )
    assert isinstance(host.host_id, uuid.UUID)


async def test_a_write_and_the_level_that_holds(
    connect: Callable[..., Any], numbers: str, recorder: Recorder
) -> None:
    """An answer without rows is a page, too; the level is the connection's where the call has none."""
    driver = connect(consistency="TWO", keyspace=numbers.partition(".")[0])
    recorder.events.clear()
    with pytest.raises(CoodieError):
        driver.execute(f"SELECT n FROM {numbers} WHERE p = 0", [])
    await driver.execute_async(f"INSERT INTO {numbers} (p, n) VALUES (?, 1)", {"p": 5}, "ONE")
    (_, read), (_, write) = recorder.pairs()
    assert (read.consistency, read.pages) == ("TWO", 0)
    assert (write.consistency, write.pages, write.rows, write.parameter_count) == ("ONE", 1, 0, 1)
    assert (write.driver_name, write.keyspace) == ("test-0", numbers.partition(".")[0])
    assert write.driver_type in ("scylla", "cassandra")


async def test_all_pages_of_an_execute_are_one_request(
    api: Api, keyspace: str, table: Callable[[str], str], recorder: Recorder
) -> None:
    """More rows than a page holds come in one request of several pages."""
    name = table("p int, n int, PRIMARY KEY (p, n)")
    await api.execute_many(f"INSERT INTO {name} (p, n) VALUES (0, ?)", ([n] for n in range(10_001)))
    recorder.events.clear()
    rows = await api.execute(f"SELECT n FROM {name}", [])
    finished = recorder.request()
    assert (finished.rows, finished.pages) == (len(rows), 3) == (10_001, 3)


async def test_pages_one_by_one(api: Api, numbers: str, recorder: Recorder) -> None:
    """With a fetch_size each page is a request, asked for by execute or by stream."""
    stmt = f"SELECT n FROM {numbers} WHERE p = 0"
    page = await api.execute(stmt, [], fetch_size=10)
    await api.execute(stmt, [], fetch_size=10, paging_state=page.paging_state)
    assert [(end.rows, end.pages, end.fetch_size) for _, end in recorder.pairs()] == [(10, 1, 10)] * 2
    recorder.events.clear()
    assert len([row async for row in api.stream(stmt, [], fetch_size=10)]) == 25
    assert [end.rows for _, end in recorder.pairs()] == [10, 10, 5]


async def test_the_other_calls(api: Api, numbers: str, recorder: Recorder) -> None:
    """execute_one, execute_many, execute_batch and ping: one pair for each request, and its kind."""
    insert = f"INSERT INTO {numbers} (p, n, v) VALUES (9, ?, ?)"
    assert await api.execute_one(f"SELECT count(*) FROM {numbers} WHERE p = ?", [0]) == 25
    await api.execute_many(insert, ((n, "v") for n in range(30)), concurrency=7)
    await api.execute_batch(
        iter(
            [
                (insert, (1, "w")),
                (insert, {"n": 2, "v": "w"}),
                f"INSERT INTO {numbers} (p, n, v) VALUES (9, 0, 'x')",
            ]
        )
    )
    assert await api.ping()
    ends = [end for _, end in recorder.pairs()]
    assert [end.kind.value for end in ends] == ["single", *["many"] * 30, "batch", "single"]
    assert sorted(end.parameters[0] for end in ends[1:31]) == list(range(30))
    batch = ends[31]
    assert (batch.batch_size, batch.parameter_count, batch.pages) == (3, 4, 1)
    assert batch.statement.startswith(f"{insert}; INSERT INTO")
    assert all(end.host for end in ends)


@pytest.mark.parametrize(
    ("stmt", "params", "error", "reached"),
    [
        ("SELEKT", [], QuerySyntaxError, False),
        ("SELECT v FROM {} WHERE p = ? AND n = ?", ["x", 1], ParameterTypeError, False),
        ("CREATE TABLE {}", [], QuerySyntaxError, True),
        ("USE x", [], CoodieError, False),
        (None, [], ConfigurationError, False),
    ],
)
async def test_failures(
    api: Api, numbers: str, recorder: Recorder, stmt: Any, params: Any, error: type, reached: bool
) -> None:
    """Whatever refuses a request, before it's sent or after, its end has the very error that is raised."""
    with pytest.raises(error) as caught:
        await api.execute(stmt and stmt.format(numbers), params)
    finished = recorder.request()
    assert finished.error is caught.value
    assert (finished.pages, finished.host is not None) == (0, reached)
    assert [event for event in recorder.of(SchemaChanged) if not event.remote] == []


async def test_a_batch_that_is_none(api: Api, recorder: Recorder) -> None:
    """A batch that is refused has its start and its end, too."""
    with pytest.raises(ConfigurationError):
        await api.execute_batch([])
    with pytest.raises(ConfigurationError):
        await api.execute_batch([7, ("DELETE FROM t WHERE k = ?", [1])])
    assert [end.kind.value for _, end in recorder.pairs()] == ["batch", "batch"]


async def test_failures_among_many(api: Api, numbers: str, recorder: Recorder) -> None:
    """Each execution of many has an end of its own, with its own error."""
    result = await api.execute_many(
        f"INSERT INTO {numbers} (p, n) VALUES (3, ?)",
        ([n if n % 2 else "x"] for n in range(20)),
        raise_on_error=False,
    )
    errors = {end.parameters[0]: end.error for _, end in recorder.pairs() if end.error}
    assert list(errors) == ["x"]
    assert (len(recorder.pairs()), len(result.errors)) == (20, 10)


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_run_that_is_given_up(
    connect: Callable[..., Any], proxy: FaultProxy, numbers: str, recorder: Recorder, is_async: bool
) -> None:
    """Parameters that raise end execute_many; those in flight have their ends at once."""
    driver = connect(hosts=[proxy.host], port=proxy.port)
    stmt = f"INSERT INTO {numbers} (p, n) VALUES (4, ?)"
    driver.execute(stmt, [0])
    recorder.events.clear()
    proxy.mute = True
    parameters = ([7 // (5 - n)] for n in range(10))
    with pytest.raises(ZeroDivisionError):
        if is_async:
            await driver.execute_many_async(stmt, parameters)
        else:
            driver.execute_many(stmt, parameters)
    proxy.mute = False
    ends = [end for _, end in recorder.pairs()]
    assert [(end.interrupted, end.pages, end.kind.value) for end in ends] == [(True, 0, "many")] * len(ends)
    assert len(ends) == 5 or is_async  # a task that is cancelled before its first step asks for nothing


async def test_timeouts_and_cancellations(
    connect: Callable[..., Any], proxy: FaultProxy, numbers: str, recorder: Recorder
) -> None:
    """Without an answer, the end has no page, the error, and the node of the request."""
    driver = connect(hosts=[proxy.host], port=proxy.port)
    stmt = f"SELECT n FROM {numbers} WHERE p = 0"
    driver.execute(stmt, [])
    recorder.events.clear()
    proxy.mute = True
    with pytest.raises(RequestTimeoutError):
        driver.execute(stmt, [], timeout=0.3)
    with pytest.raises(RequestTimeoutError):
        await driver.execute_async(stmt, [], timeout=0.3)
    waiting = asyncio.ensure_future(driver.execute_async(stmt, [], timeout=30))
    await asyncio.sleep(0.1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    proxy.mute = False
    ends = [end for _, end in recorder.pairs()]
    assert [type(end.error).__name__ for end in ends] == ["RequestTimeoutError"] * 2 + ["CancelledError"]
    assert [(end.pages, end.interrupted) for end in ends] == [(0, False), (0, False), (0, True)]
    assert all(end.host is not None for end in ends)
    assert all(0.25 < end.duration < 20 for end in ends[:2])


async def test_a_thousand_tasks_and_cancellations(driver: Any, numbers: str, recorder: Recorder) -> None:
    """A thousand requests at once, some cancelled anywhere on their way: one end for each start."""
    stmt = f"SELECT n FROM {numbers} WHERE p = ? LIMIT 1"
    tasks = [asyncio.ensure_future(driver.execute_async(stmt, [n])) for n in range(1000)]
    for turn, task in enumerate(tasks):
        if turn % 100 == 0:
            await asyncio.sleep(0.003)
        if turn % 9 == 0:
            task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    ends = {end.parameters[0]: end for _, end in recorder.pairs()}
    for number, outcome in enumerate(outcomes):
        if number in ends:
            failed = outcome if isinstance(outcome, BaseException) else None
            assert type(ends[number].error) is type(failed)
        else:
            assert isinstance(outcome, asyncio.CancelledError)  # before its first step
    assert len(ends) > 800


async def test_schema_changes(api: Api, keyspace: str, recorder: Recorder) -> None:
    """sync_table's statements are requests like others, and are told as what they changed."""
    table = f"sync{uuid.uuid4().hex[:8]}"
    columns = [
        ColumnDefinition(name="k", cql_type="int", primary_key=True),
        ColumnDefinition(name="v", cql_type="int"),
    ]
    executed = await api.sync_table(table, keyspace, columns[:1])
    executed += await api.sync_table(table, keyspace, columns)
    changes = [
        (event.change, event.target, event.keyspace, event.name)
        for event in recorder.of(SchemaChanged)
        if not event.remote  # other tests change the schema, too
    ]
    assert changes == [
        (SchemaChange.CREATED, "table", keyspace, table),
        (SchemaChange.UPDATED, "table", keyspace, table),
    ]
    told = [end.statement for _, end in recorder.pairs() if not end.statement.startswith("SELECT")]
    assert told == list(executed)
    recorder.events.clear()
    await api.execute(f"DROP TABLE {keyspace}.{table}", [])
    (dropped,) = [event for event in recorder.of(SchemaChanged) if not event.remote]
    ((started, finished),) = recorder.pairs()
    events = [event for event in recorder.events if event in (started, dropped, finished)]
    assert events == [started, dropped, finished]
    assert (dropped.change, dropped.driver_type) == (SchemaChange.DROPPED, recorder.request().driver_type)


@pytest.mark.parametrize("timeout", [None, 17.5])
async def test_timeouts_of_sync_table(
    api: Api, keyspace: str, recorder: Recorder, timeout: float | None
) -> None:
    """The events of sync_table's reads and changes have the caller's timeout, not what is left of it."""
    columns = [ColumnDefinition(name="k", cql_type="int", primary_key=True)]
    options = SyncOptions(timeout=timeout)
    await api.sync_table(f"sync{uuid.uuid4().hex[:8]}", keyspace, columns, options=options)
    events = [*recorder.of(RequestStarted), *recorder.of(RequestFinished)]
    assert {event.statement.split()[0] for event in events} == {"SELECT", "CREATE"}
    assert {event.timeout for event in events} == {timeout}


async def test_connections(connect: Callable[..., Any], recorder: Recorder, cassandra_node: Any) -> None:
    """Opened, closed once however often it's asked, and what is asked afterwards fails as told."""
    driver = connect(keyspace="system")
    driver.close()
    await driver.close_async()
    opened, closed = recorder.of(ConnectionOpened), recorder.of(ConnectionClosed)
    assert [(event.hosts, event.port, event.keyspace) for event in opened] == [
        ((cassandra_node.host,), cassandra_node.port, "system")
    ]
    assert [(event.driver_name, event.keyspace, event.error) for event in closed] == [
        ("test-0", "system", None)
    ]
    with pytest.raises(DriverClosedError) as caught:
        await driver.execute_async("SELECT key FROM system.local", [])
    assert recorder.request().error is caught.value


async def test_a_connection_that_fails(
    connect: Callable[..., Any], recorder: Recorder, backend: str, registry: Any
) -> None:
    """Nobody listens, or the keyspace is missing: the event has the error that is raised."""
    with pytest.raises(ConnectionFailedError) as nobody:
        connect(port=1, connect_timeout=1)
    with pytest.raises(ConfigurationError) as missing:
        connect(keyspace="no_such_keyspace")
    failed = recorder.of(ConnectionFailed)
    assert [event.error for event in failed] == [nobody.value, missing.value]
    assert {event.driver_type for event in failed} == {backend}


async def test_a_session_of_the_callers(connect: Callable[..., Any], recorder: Recorder) -> None:
    """On a borrowed session everything is told, too, and it says that it is borrowed."""
    owner = connect()
    borrower = connect(session=owner.session)
    await borrower.execute_async("SELECT key FROM system.local", [])
    assert [event.borrowed for event in recorder.of(ConnectionOpened)] == [False, True]
    assert recorder.request().consistency == "LOCAL_ONE"
    borrower.close()
    assert len(recorder.of(ConnectionClosed)) == 1
    assert owner.ping()


@pytest.mark.usefixtures("registry")
async def test_one_that_raises(api: Api, numbers: str, caplog: pytest.LogCaptureFixture) -> None:
    """An observer that always raises costs a log line, never an answer."""

    def act(event: Any) -> None:
        raise ZeroDivisionError(type(event).__name__)

    with observing(Recorder(act)):
        assert len(await api.execute(f"SELECT n FROM {numbers} WHERE p = 0", [])) == 25
        await api.execute_many(f"INSERT INTO {numbers} (p, n) VALUES (6, ?)", ([n] for n in range(20)))
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [record.name for record in errors] == ["coodie.observers"]


async def test_without_observers_the_steps_are_the_same(api: Api, numbers: str, monkeypatch: Any) -> None:
    """Where nobody observes, nothing of the observing is in a request's way."""
    from coodie.drivers.client.pipeline import Pipeline

    def never(*args: Any) -> Any:
        raise AssertionError(args)

    monkeypatch.setattr(Pipeline, "_observed", never)
    await api.execute(f"SELECT n FROM {numbers} WHERE p = 0", [])
    await api.execute_batch([f"INSERT INTO {numbers} (p, n) VALUES (7, 1)"])
    await api.execute_many(f"INSERT INTO {numbers} (p, n) VALUES (7, ?)", [[1]])
    assert await api.execute_one(f"SELECT n FROM {numbers} WHERE p = 7", []) == 1


async def test_no_value_leaves_the_process(
    api: Api, numbers: str, caplog: pytest.LogCaptureFixture, registry: DriverRegistry
) -> None:
    """With every shipped observer at its most talkative, no parameter and no literal is in what they say."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    meters = MeterProvider([reader := InMemoryMetricReader()], shutdown_on_exit=False)
    caplog.set_level(logging.DEBUG, "coodie")
    secret = "hunter2"
    observers = (RequestLog(slow_seconds=0), RequestCounters(), OpenTelemetryObserver(provider, meters))
    with observing(*observers):
        await api.execute(f"SELECT n FROM {numbers} WHERE p = 0 AND v = ? ALLOW FILTERING", [secret])
        await api.execute(f"SELECT n FROM {numbers} WHERE p = 0 AND v = '{secret}' ALLOW FILTERING", [])
        await api.execute_batch(
            [
                (f"INSERT INTO {numbers} (p, n, v) VALUES (8, 1, ?)", [secret]),
                f"INSERT INTO {numbers} (p, n, v) VALUES (8, 2, '{secret}')",
            ]
        )
        await api.execute_many(f"INSERT INTO {numbers} (p, n, v) VALUES (8, 3, ?)", [[secret]])
        for stmt, params in (
            (f"CREATE ROLE r WITH PASSWORD = '{secret}'", []),
            (f"SELECT n FROM {numbers} WHERE p = '{secret}'", []),
            (f"SELECT '{secret} FROM {numbers}", []),
            (f"SELECT n FROM {numbers} WHERE p = ?", [secret]),
        ):
            with pytest.raises(CoodieError):
                await api.execute(stmt, params)
    spans = exporter.get_finished_spans()
    logged = caplog.text + "".join(repr(vars(record)) for record in caplog.records)
    exported = "".join(span.to_json() for span in spans) + repr(reader.get_metrics_data())
    counted = repr(observers[1].snapshot())
    assert len(spans) == 8
    assert sum(record.name == "coodie.requests" for record in caplog.records) == 8
    assert [secret in text for text in (logged, exported, counted)] == [False, False, False]
    assert {str((span.attributes or {})["cassandra.coordinator.dc"]) for span in spans[:2]} == {"datacenter1"}
    codes = [(span.attributes or {}).get("db.response.status_code") for span in spans]
    assert str(0x2200) in codes
    assert str(0x2000) in codes
    provider.shutdown()
    meters.shutdown()
