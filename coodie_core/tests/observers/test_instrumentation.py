"""Each request has one start and one end, whatever asks for it and however it ends."""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
import gc
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from coodie_core.tests.fakes import Api, DuckDriver, ListDriver, MemoryDriver

import coodie
from coodie.drivers import LazyDriver
from coodie.exceptions import CoodieError, ExecuteManyError, InvalidQueryError
from coodie.observers import (
    ConnectionOpened,
    Host,
    RequestFinished,
    RequestKind,
    RequestStarted,
    SchemaChange,
    SchemaChanged,
    active_request,
    hub,
    instrumentation,
    observe_request,
    observing,
)
from coodie.observers import request as request_module
from coodie.observers.recorder import Recorder
from coodie.plugins import hookimpl

if TYPE_CHECKING:
    from coodie.registry import DriverRegistry

STMT = "SELECT n FROM t WHERE k = ?"


async def test_what_an_execute_tells(api: Api, recorder: Recorder) -> None:
    """Each field of both events is what the call was and what came of it."""
    coodie.register_driver("main", api.driver)
    recorder.events.clear()
    options = coodie.RequestOptions(idempotent=True)
    await api.execute(STMT, [7], "quorum", 2.5, options=options)
    started, finished = recorder.events
    known = {
        "request_id": started.request_id,
        "driver_name": "main",
        "driver_type": None,
        "keyspace": None,
        "kind": RequestKind.SINGLE,
        "statement": STMT,
        "statements": (STMT,),
        "parameter_count": 1,
        "batch_size": 0,
        "consistency": "QUORUM",
        "fetch_size": None,
        "timeout": 2.5,
        "idempotent": True,
        "parameters": [7],
    }
    assert dataclasses.asdict(started) == known
    assert type(started) is RequestStarted
    assert type(finished) is RequestFinished
    ended = {name: getattr(finished, name) for name in ("rows", "pages", "host", "error", "interrupted")}
    assert ended == {
        "rows": 3,
        "pages": 1,
        "host": Host(address="memory"),
        "error": None,
        "interrupted": False,
    }
    assert {name: getattr(finished, name) for name in known} == known
    assert 0 < finished.duration < 10


async def test_events_are_frozen_and_hide_values(api: Api, recorder: Recorder) -> None:
    """Nobody changes an event for those who come after, and none shows a value by accident."""
    await api.execute(STMT, ["hunter2"])
    for event in recorder.events:
        with pytest.raises(dataclasses.FrozenInstanceError):
            event.statement = ""
        assert not hasattr(event, "__dict__")
        assert "hunter2" not in repr(event)


@pytest.mark.parametrize(
    ("params", "count"), [([], 0), ((1, 2), 2), ({"a": 1}, 1), (None, 0), ("abc", 0), (iter([1]), 0), (5, 0)]
)
async def test_parameters_are_counted(api: Api, recorder: Recorder, params: Any, count: int) -> None:
    """Values by position or by name are counted; what can't be parameters counts for none."""
    await api.execute(STMT, params)
    assert recorder.request().parameter_count == count


async def test_errors_and_interrupts(api: Api, recorder: Recorder) -> None:
    """The event has the very exception that the caller gets, and tells an interrupt from a failure."""
    for error, interrupted in ((InvalidQueryError("no"), False), (KeyboardInterrupt(), True)):
        recorder.events.clear()
        api.driver.fault = lambda _, error=error: error
        with pytest.raises(type(error)) as caught:
            await api.execute(STMT, [1])
        finished = recorder.request()
        assert finished.error is caught.value is error
        assert (finished.interrupted, finished.pages, finished.host) == (interrupted, 0, None)


async def test_a_cancelled_request_has_an_end(recorder: Recorder) -> None:
    """Cancelled where it waits, a request's end says so."""
    driver = MemoryDriver()
    driver.delay = 30
    task = asyncio.ensure_future(driver.execute_async(STMT, [1]))
    await asyncio.sleep(0.01)
    assert recorder.names() == ["RequestStarted"]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    finished = recorder.request()
    assert isinstance(finished.error, asyncio.CancelledError)
    assert finished.interrupted


async def test_a_thousand_tasks(recorder: Recorder) -> None:
    """However many run at once, and end, fail or are cancelled, each start has its one end."""
    driver = MemoryDriver(2)
    driver.fault = lambda params: InvalidQueryError("no") if params[0] % 3 == 0 else None
    tasks = [asyncio.ensure_future(driver.execute_async(STMT, [n])) for n in range(1000)]
    await asyncio.sleep(0)
    for task in tasks[::7]:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    pairs = {started.parameters[0]: finished for started, finished in recorder.pairs()}
    assert len(pairs) == 1000
    for number, outcome in enumerate(outcomes):
        error = pairs[number].error
        assert type(error) is (type(outcome) if isinstance(outcome, BaseException) else type(None))


# --- the other methods ------------------------------------------------------------------


async def test_execute_one_is_one_request(api: Api, recorder: Recorder) -> None:
    """Made of execute, it tells once."""
    assert await api.execute_one(STMT, [1]) == 0
    assert recorder.request().kind is RequestKind.SINGLE


@pytest.mark.parametrize(("driver", "pages"), [(MemoryDriver(5), [2, 2, 1]), (ListDriver(5), [2, 5])])
async def test_each_page_of_a_stream_is_a_request(
    is_async: bool, recorder: Recorder, driver: MemoryDriver, pages: list[int]
) -> None:
    """A stream is as many requests as it sends, each with its own page."""
    rows = [row async for row in Api(driver, is_async=is_async).stream(STMT, [1], fetch_size=2)]
    assert len(rows) == 5
    ended = [finished for _, finished in recorder.pairs()]
    assert [event.rows for event in ended] == pages
    assert {event.pages for event in ended} == {1}


async def test_a_stream_left_early(is_async: bool, recorder: Recorder) -> None:
    """A stream that is closed midway leaves no request without an end."""
    api = Api(MemoryDriver(50), is_async=is_async)
    stream: Any = api.stream(STMT, [1], fetch_size=2)
    async for _ in stream:
        break
    await stream.aclose()
    for _ in range(3):
        await asyncio.sleep(0)
    gc.collect()
    assert len(recorder.pairs()) in (1, 2)


async def test_each_execution_of_many_is_a_request(api: Api, recorder: Recorder) -> None:
    """execute_many tells of each execution as one of many, with its own parameters and error."""
    api.driver.fault = lambda params: InvalidQueryError("no") if params[0] == 3 else None
    result = await api.execute_many(STMT, ([n] for n in range(20)), raise_on_error=False, concurrency=4)
    pairs = recorder.pairs()
    assert sorted(started.parameters[0] for started, _ in pairs) == list(range(20))
    assert {finished.kind for _, finished in pairs} == {RequestKind.MANY}
    assert [finished.error for _, finished in pairs if finished.error] == [result.errors[3]]


async def test_what_a_callback_asks_for_is_no_part_of_many(api: Api, recorder: Recorder) -> None:
    """A request made in on_result is one of its own."""
    inner = MemoryDriver()
    await api.execute_many(STMT, [[1]], on_result=lambda *_: inner.execute("SELECT inner", []) and None)
    kinds = {finished.statement: finished.kind for _, finished in recorder.pairs()}
    assert kinds == {STMT: RequestKind.MANY, "SELECT inner": RequestKind.SINGLE}


async def test_a_batch_is_one_request(api: Api, recorder: Recorder) -> None:
    """execute_batch tells of one batch: its texts once each, and all of its values."""
    insert, delete = "INSERT INTO t (k) VALUES (?)", "DELETE FROM t WHERE k = 1;"
    await api.execute_batch([(insert, [1]), (insert, (2,)), delete])
    finished = recorder.request()
    assert finished.kind is RequestKind.BATCH
    assert finished.statements == (insert, "DELETE FROM t WHERE k = 1")
    assert finished.statement == "; ".join(finished.statements)
    assert (finished.batch_size, finished.parameter_count) == (3, 2)


async def test_what_a_driver_asks_for_beside_it_is_no_part(api: Api, recorder: Recorder) -> None:
    """Of the requests that a driver makes for one execution of many, the first is that execution."""
    api.driver.fault = lambda params: params and api.driver.execute("SELECT beside", [])
    with pytest.raises(ExecuteManyError):  # rows are no exception
        await api.execute_many(STMT, [[1]])
    kinds = {started.statement: started.kind for started in recorder.of(RequestStarted)}
    assert kinds == {STMT: RequestKind.MANY, "SELECT beside": RequestKind.SINGLE}


async def test_a_batch_as_text_is_a_batch(api: Api, recorder: Recorder) -> None:
    """BEGIN … APPLY BATCH through execute is a batch, of a size that isn't counted."""
    text = "begin unlogged batch INSERT INTO t (k) VALUES (?); APPLY BATCH"
    await api.execute(text, [1])
    finished = recorder.request()
    assert (finished.kind, finished.batch_size, finished.statement) == (RequestKind.BATCH, 0, text)


async def test_through_a_lazy_driver(is_async: bool, registry: DriverRegistry, recorder: Recorder) -> None:
    """A LazyDriver adds nothing: each request is told once, under the lazy driver's name."""
    lazy = LazyDriver(None, "ks", None, {"driver_type": "memory"})
    coodie.register_driver("lazy", lazy)
    api = Api(lazy, is_async=is_async)
    await api.execute(STMT, [1])
    await api.execute_one(STMT, [1])
    await api.execute_batch([("INSERT INTO t (k) VALUES (?)", [1])])
    await api.execute_many(STMT, [[1], [2]])
    assert [row async for row in api.stream(STMT, [1])] == []
    finished = [event for _, event in recorder.pairs()]
    assert [event.kind.value for event in finished] == ["single", "single", "batch", "many", "many", "single"]
    assert {(event.driver_name, event.driver_type) for event in finished} == {("lazy", "memory")}
    coodie.register_driver("renamed", lazy)
    await api.execute(STMT, [1])
    assert recorder.events[-1].driver_name == "renamed"
    (opened,) = recorder.of(ConnectionOpened)
    assert (opened.driver_name, opened.driver_type, opened.keyspace) == ("lazy", "memory", "ks")


def test_a_driver_that_tells_nothing_is_not_wrapped(recorder: Recorder) -> None:
    """An object without the context manager works as ever, and nothing is told of its requests."""
    duck: Any = DuckDriver()
    coodie.register_driver("duck", duck)
    assert coodie.get_driver("duck") is duck
    assert duck.execute(STMT, [])
    assert recorder.names() == ["DriverRegistered"]
    assert vars(duck) == {"closings": 0}


def test_in_a_generator(recorder: Recorder) -> None:
    """The same context manager goes around steps that a shell drives, also when they are closed."""

    def steps() -> Any:
        with observe_request(MemoryDriver(), STMT, [1]) as request:
            yield "effect"
            request.add_page(1)
            yield "another"

    one, other = steps(), steps()
    next(one)
    next(other)
    next(other)
    one.close()
    other.close()
    (_, first), (_, second) = recorder.pairs()
    assert isinstance(first.error, GeneratorExit)
    assert (first.pages, second.pages) == (0, 1)


async def test_the_start_is_told_in_the_callers_context(is_async: bool, registry: DriverRegistry) -> None:
    """A context variable of the caller's can be read in the hook, also in execute_many's threads."""
    mine: contextvars.ContextVar[str] = contextvars.ContextVar("mine")
    seen = []
    mine.set("here")
    api = Api(MemoryDriver(1), is_async=is_async)
    with observing(Recorder(lambda event: seen.append((type(event), mine.get())))):
        await api.execute(STMT, [1])
        await api.execute_many(STMT, [[1], [2]])
        _ = [row async for row in api.stream(STMT, [1])]
    assert [where for kind, where in seen if kind is RequestStarted] == ["here"] * 4


# --- schema -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stmt", "change", "target", "keyspace", "name"),
    [
        ("CREATE TABLE IF NOT EXISTS a.b (k int PRIMARY KEY)", "created", "table", "a", "b"),
        ('create table "A"."B.c" (k int PRIMARY KEY)', "created", "table", "A", "B.c"),
        ("ALTER TABLE b ADD c int", "updated", "table", None, "b"),
        ("/* x */ DROP TABLE IF EXISTS a.b", "dropped", "table", "a", "b"),
        ("CREATE KEYSPACE a WITH replication = {}", "created", "keyspace", "a", "a"),
        ("DROP SCHEMA a", "dropped", "keyspace", "a", "a"),
        ("CREATE INDEX ON a.b (c)", "created", "index", "a", None),
        ("CREATE CUSTOM INDEX IF NOT EXISTS i ON a.b (c) USING 'sai'", "created", "index", "a", "i"),
        ("DROP INDEX a.i", "dropped", "index", "a", "i"),
        ("CREATE MATERIALIZED VIEW a.v AS SELECT x", "created", "materialized view", "a", "v"),
        ("CREATE OR REPLACE FUNCTION a.f(x int) RETURNS int", "created", "function", "a", "f"),
        ("CREATE AGGREGATE f(int)", "created", "aggregate", None, "f"),
        ("ALTER TYPE a.t ADD x int", "updated", "type", "a", "t"),
        ("CREATE TRIGGER g ON a.b USING 'c'", "created", "trigger", "a", "g"),
    ],
)
def test_schema_statements_are_told(
    recorder: Recorder, stmt: str, change: str, target: str, keyspace: str | None, name: str | None
) -> None:
    """A schema statement that succeeds is told before its request's end, with what it changed."""
    driver = MemoryDriver()
    driver.execute(stmt, [])
    assert recorder.names() == ["RequestStarted", "SchemaChanged", "RequestFinished"]
    assert recorder.of(SchemaChanged) == [
        SchemaChanged(
            driver_name=None,
            driver_type=None,
            change=SchemaChange(change),
            target=target,
            keyspace=keyspace,
            name=name,
            statement=stmt,
        )
    ]


@pytest.mark.parametrize(
    "stmt",
    [
        "SELECT 1",
        "CREATE ROLE r WITH PASSWORD = 'x'",
        "DROP USER u",
        "CREATE",
        "",
        "TRUNCATE t",
        "ADD IDENTITY 'x'",
    ],
)
def test_other_statements_change_no_schema(recorder: Recorder, stmt: str) -> None:
    """Rows, roles and users aren't schema."""
    MemoryDriver().execute(stmt, [])
    assert recorder.of(SchemaChanged) == []


async def test_a_schema_statement_that_fails_is_not_told(api: Api, recorder: Recorder) -> None:
    """What wasn't done isn't told."""
    api.driver.fault = lambda _: InvalidQueryError("no")
    with pytest.raises(CoodieError):
        await api.execute("DROP TABLE t", [])
    assert recorder.of(SchemaChanged) == []


# --- when nobody observes ---------------------------------------------------------------


class OfConnections:
    """Cares for connections alone."""

    @hookimpl
    def coodie_connection_closed(self) -> None:
        """Never called here."""


@pytest.mark.parametrize("others", [(), (OfConnections(),)])
async def test_without_observers_nothing_is_made(
    api: Api, registry: DriverRegistry, monkeypatch: pytest.MonkeyPatch, others: tuple[object, ...]
) -> None:
    """Where nobody observes requests, no event, no list and no object is made for one."""

    def never(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError(args)

    for name in (
        "RequestStarted",
        "RequestFinished",
        "ActiveRequest",
        "request_fields",
        "notify",
        "inspect_statement",
    ):
        monkeypatch.setattr(active_request, name, never)
    with observing(*others):
        one = observe_request(api.driver, STMT, [1])
        assert one is observe_request(api.driver, "other", [2])
        await api.execute(STMT, [1])
        await api.execute_batch([("INSERT INTO t (k) VALUES (1)", [])])
        await api.execute_many(STMT, [[1]])


def test_without_observers_nothing_is_allocated(registry: DriverRegistry) -> None:
    """The context manager around a request takes no memory, not even for a moment."""
    driver, params = MemoryDriver(), [1]

    def request() -> None:
        with observe_request(driver, STMT, params, consistency="ONE", timeout=None) as told:
            told.add_page(1)

    request()
    files = [
        tracemalloc.Filter(True, module.__file__ or "")
        for module in (instrumentation, active_request, request_module, hub)
    ]
    tracemalloc.start()
    try:
        before = tracemalloc.take_snapshot().filter_traces(files)
        for _ in range(1000):
            request()
        after = tracemalloc.take_snapshot().filter_traces(files)
    finally:
        tracemalloc.stop()
    assert [stat for stat in after.compare_to(before, "lineno") if stat.size_diff > 0] == []
