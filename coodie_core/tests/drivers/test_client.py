"""The pipeline of ClientDriver, with a client in memory."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from coodie_core.tests.drivers.memory import ClientError, MemoryClient, MemoryDriver
from coodie_core.tests.fakes import PATIENCE, Api, wait_until

from coodie import UNSET, RequestOptions
from coodie.drivers.client import (
    Blocking,
    ClientDriver,
    ClientRequest,
    DriverCall,
    Page,
    StaleStatementError,
    TupleRows,
    statements,
)
from coodie.exceptions import (
    ConfigurationError,
    CoodieError,
    DriverClosedError,
    InvalidQueryError,
    ParameterError,
    RequestTimeoutError,
    ServerError,
    UnsupportedError,
)
from coodie.observers import ConnectionClosed, Host, RequestFinished, RequestKind, observing
from coodie.observers.metrics import Latency
from coodie.observers.recorder import Recorder
from coodie.observers.stats import NodeStats, StatementStats
from coodie.waiting import Wait

if TYPE_CHECKING:
    from coodie.drivers.client import Steps

READ = "SELECT n FROM t WHERE k = ?"


def test_stats(client: MemoryClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """They have the cache's lookups, and the nodes if the client tells; a closed driver has none."""
    driver = MemoryDriver(client, statement_cache_size=1)
    for _ in range(3):
        driver.execute(READ, [1])
    driver.execute("SELECT m FROM t WHERE k = ?", [1])
    found = driver.stats()
    assert found.nodes == ()
    assert found.statements == StatementStats(size=1, limit=1, hits=2, misses=2, evictions=1)
    node = NodeStats(
        host=Host(address="memory"),
        is_up=None,
        connections=1,
        session_connections=0,
        idle=1,
        in_flight=0,
        queued=0,
        errors=0,
        latency=Latency(),
    )
    monkeypatch.setattr(client, "node_stats", lambda: [node])
    assert driver.stats().nodes == (node,)
    assert json.loads(driver.stats().as_json())["nodes"][0]["latency"]["p99"] is None
    driver.close()
    assert driver.stats().nodes == ()


@pytest.fixture
def client() -> MemoryClient:
    """A client of the test's own."""
    return MemoryClient()


@pytest.fixture
def api(client: MemoryClient, *, is_async: bool) -> Api:
    """A driver around it, through its sync or its async methods."""
    return Api(MemoryDriver(client, "ks", request_timeout=3, consistency="one"), is_async=is_async)


# --- what the client is asked -----------------------------------------------------------


async def test_a_request_is_complete(api: Api, client: MemoryClient) -> None:
    """Names become positions, defaults are filled in, and the client's own answer to prepare comes back."""
    await api.execute("SELECT n FROM t WHERE a = :x AND b = :y", {"y": 2, "x": 1})
    (request,) = client.sent
    assert request.cql == "SELECT n FROM t WHERE a = ? AND b = ?"
    assert (request.prepared, request.values) == ("prepared 1", (1, 2))
    assert (request.consistency, request.timeout, request.repeatable) == ("ONE", 3, True)
    assert "1" not in repr(request).replace("prepared 1", "")  # values may be secret
    await api.execute(
        "INSERT INTO t (k) VALUES (?)", [1], "quorum", 2.5, options=RequestOptions(idempotent=True)
    )
    assert (client.sent[1].consistency, client.sent[1].timeout) == ("QUORUM", 2.5)
    assert client.sent[1].repeatable
    await api.execute("INSERT INTO t (k) VALUES (?)", [1])
    assert not client.sent[2].repeatable


async def test_a_paging_state_that_stands_still(
    api: Api, client: MemoryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends a request with an error, all rows at once or page by page, and isn't asked for ever."""
    client.rows = 12_000
    send = client.send

    def stuck(request: ClientRequest) -> Steps[Page]:
        page = yield from send(request)
        return page._replace(paging_state=b"5000")

    monkeypatch.setattr(client, "send", stuck)
    with pytest.raises(ServerError, match="same paging state") as caught:
        await api.execute(READ, [1])
    assert (len(client.sent), caught.value.statement) == (2, READ)
    page = await api.execute(READ, [1], fetch_size=5000)
    with pytest.raises(ServerError, match="same paging state"):
        await api.execute(READ, [1], fetch_size=5000, paging_state=page.paging_state)


async def test_all_pages_or_one(api: Api, client: MemoryClient) -> None:
    """Without fetch_size all pages are collected; with it each is one request, and its state is sealed."""
    client.rows = 12_000
    rows = await api.execute(READ, [1])
    assert [row["n"] for row in rows] == list(range(12_000))
    assert len(client.sent) == 3
    assert rows.warnings == ("w", "row 0", "row 5000", "row 10000")  # of each page, each once
    page = await api.execute(READ, [1], fetch_size=5)
    assert (len(page), page.warnings) == (5, ("w", "row 0"))
    assert page.paging_state != b"5"
    after = await api.execute(READ, [1], fetch_size=5, paging_state=page.paging_state)
    assert [row["n"] for row in after] == [5, 6, 7, 8, 9]
    assert await api.execute_one(READ, [1]) == 0


async def test_the_trace_of_all_pages_is_that_of_the_first(
    api: Api, client: MemoryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of several pages have the first trace id, and rows of one page have that page's."""
    send, traces = client.send, iter([None, UUID(int=1), UUID(int=2), UUID(int=3)])

    def traced(request: ClientRequest) -> Steps[Page]:
        page = yield from send(request)
        return page._replace(trace_id=next(traces))

    monkeypatch.setattr(client, "send", traced)
    client.rows = 12_000
    assert (await api.execute(READ, [1])).trace_id == UUID(int=1)
    assert (await api.execute(READ, [1], fetch_size=5)).trace_id == UUID(int=3)


async def test_schema_statements_are_sent_as_text(api: Api, client: MemoryClient) -> None:
    """They aren't prepared and take no values; afterwards everything is prepared anew."""
    await api.execute(READ, [1])
    await api.execute("ALTER TABLE t ADD b int", [])
    assert client.sent[-1].prepared is None
    with pytest.raises(ParameterError):
        await api.execute("DROP TABLE t", [1])
    await api.execute(READ, [1])
    assert client.prepared == [READ, READ]


async def test_a_batch_is_one_text(api: Api, client: MemoryClient) -> None:
    """execute_batch becomes one request, whose text isn't kept."""
    await api.execute_batch([("INSERT INTO t (k) VALUES (?)", [1]), ("DELETE FROM t WHERE k = ?", [2])])
    assert client.sent[0].values == (1, 2)
    assert client.sent[0].cql.startswith("BEGIN BATCH")
    await api.execute_batch([("INSERT INTO t (k) VALUES (?)", [1]), ("DELETE FROM t WHERE k = ?", [2])])
    assert len(client.prepared) == 2


async def test_what_is_refused_before_sending(api: Api, client: MemoryClient) -> None:
    """Whatever isn't declared, and whatever is wrong, never reaches the client's send."""
    refused: list[tuple[type[CoodieError], tuple[Any, ...], dict[str, Any]]] = [
        (UnsupportedError, (READ, [UNSET]), {}),
        (UnsupportedError, (READ, [1]), {"options": RequestOptions(trace=True)}),
        (UnsupportedError, (READ, [1]), {"options": RequestOptions(serial_consistency="SERIAL")}),
        (ParameterError, (READ, []), {}),
        (ParameterError, (READ, [1, 2]), {}),
        (ConfigurationError, (READ, [1], "SOMETIMES"), {}),
        (ConfigurationError, (READ, [1], None, -1), {}),
        (ConfigurationError, (1, [1]), {}),
        (ConfigurationError, (READ, [1]), {"options": "idempotent"}),
        (InvalidQueryError, ("USE ks", []), {}),
    ]
    for kind, args, kwargs in refused:
        with pytest.raises(kind):
            await api.execute(*args, **kwargs)
    assert client.sent == []


async def test_an_empty_declaration(client: MemoryClient, *, is_async: bool) -> None:
    """A driver that declares nothing still reads and writes, and names what it lacks."""
    bare = Api(ClientDriver(client), is_async=is_async)
    assert await bare.execute(READ, [1]) == []
    for kwargs in ({"fetch_size": 1}, {"consistency": "ONE"}):
        with pytest.raises(UnsupportedError, match="doesn't support") as caught:
            await bare.execute(READ, [1], **kwargs)
        assert caught.value.feature in {"paging", "consistency"}
    with pytest.raises(UnsupportedError):
        await bare.execute_batch(["DELETE FROM t WHERE k = 1"])


# --- errors -----------------------------------------------------------------------------


async def test_errors_are_translated(api: Api, client: MemoryClient) -> None:
    """What the client raises becomes what its error() returns, with the original as cause; ours stay."""
    client.faults = [ClientError("no")]
    with pytest.raises(InvalidQueryError) as caught:
        await api.execute(READ, [1])
    assert isinstance(caught.value.__cause__, ClientError)
    assert caught.value.statement == READ
    with pytest.raises(InvalidQueryError, match="no CQL"):
        await api.execute("SELEC x", [])
    client.faults = [ServerError("as it is")]
    with pytest.raises(ServerError, match="as it is"):
        await api.execute(READ, [1])


async def test_the_server_says_what_is_no_cql(api: Api, client: MemoryClient) -> None:
    """A text that isn't recognised is sent as it is, whatever its markers: the server has the last word."""
    await api.execute("?", [])
    assert client.sent[0].cql == "?"


async def test_a_failed_prepare_is_tried_anew(api: Api, client: MemoryClient) -> None:
    """An error isn't kept."""
    for _ in range(2):
        with pytest.raises(InvalidQueryError):
            await api.execute("SELEC x", [])
    assert len(client.prepared) == 2


async def test_a_stale_statement_is_prepared_anew(api: Api, client: MemoryClient) -> None:
    """Some times, until the server knows it; if it never does, the caller is told."""
    client.faults = [StaleStatementError()]
    await api.execute(READ, [1])
    assert [request.prepared for request in client.sent] == ["prepared 1", "prepared 2"]
    client.faults = [StaleStatementError() for _ in range(9)]  # what a server does whose cache is full
    await api.execute(READ, [1])
    client.faults = [StaleStatementError() for _ in range(10)]
    with pytest.raises(ServerError, match="10 times"):
        await api.execute(READ, [1])


async def test_what_an_earlier_attempt_did_is_told_with_any_error(api: Api, client: MemoryClient) -> None:
    """A later attempt fails with an exception of the client's that says nothing of it."""
    for doubt in (False, True):
        client.faults = [ClientError("no"), StaleStatementError(may_have_been_applied=doubt)]
        with pytest.raises(InvalidQueryError) as caught:
            await api.execute(READ, [1])
        assert caught.value.may_have_been_applied == doubt


# --- prepared statements ----------------------------------------------------------------


def test_many_threads_share_one_prepare(client: MemoryClient) -> None:
    """Whoever comes while a statement is being prepared waits for that."""
    client.gate = Future()
    driver = MemoryDriver(client)
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(driver.execute, READ, [n]) for n in range(8)]
        wait_until(lambda: bool(client.prepared))
        client.gate.set_result(None)
        assert [each.result(PATIENCE) for each in waiting] == [[]] * 8
    assert client.prepared == [READ]


async def test_a_cancelled_prepare_is_taken_over(
    client: MemoryClient, quiet_loop: list[dict[str, Any]]
) -> None:
    """Who waits for another's prepare isn't harmed by its cancellation."""
    client.gate = Future()
    driver = MemoryDriver(client)
    first = asyncio.ensure_future(driver.execute_async(READ, [1]))
    await asyncio.sleep(0)
    second = asyncio.ensure_future(driver.execute_async(READ, [2]))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    client.gate.set_result(None)
    assert await asyncio.wait_for(second, PATIENCE) == []
    assert client.prepared == [READ, READ]
    assert quiet_loop == []


async def test_who_waits_for_a_prepare_has_a_timeout(client: MemoryClient, *, is_async: bool) -> None:
    """Each has its own, whatever the first one's is."""
    client.gate = Future()
    api = Api(MemoryDriver(client), is_async=is_async)
    with pytest.raises(RequestTimeoutError):
        await api.execute(READ, [1], timeout=0.01)


def test_who_waits_for_others_has_one_timeout(client: MemoryClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Preparing after others have timed out is given the rest of the caller's timeout."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(statements, "time", SimpleNamespace(monotonic=lambda: clock.now))
    cache = statements.StatementCache(client, 10, None)
    timeouts: list[float] = []

    def prepare(cql: str, timeout: float) -> Steps[str]:
        timeouts.append(timeout)
        yield Wait(client.gate, timeout)
        return cql

    callers = [cache.get(READ, 1.0, prepare) for _ in range(3)]
    effects: list[Any] = [next(caller) for caller in callers]
    clock.now = 0.75
    with pytest.raises(RequestTimeoutError):
        callers[0].throw(RequestTimeoutError("late"))
    callers[1].throw(effects[1].future.exception())
    waiting: Any = callers[2].throw(effects[2].future.exception())
    assert timeouts == [1.0, 0.25]
    assert waiting.timeout == 0.25
    clock.now = 1.0
    with pytest.raises(RequestTimeoutError, match="within 1 s"):
        callers[1].throw(RequestTimeoutError("The server didn't respond within 0.25 s."))
    with pytest.raises(RequestTimeoutError, match="within 1 s"):
        callers[2].throw(waiting.future.exception())
    assert timeouts == [1.0, 0.25]


async def test_the_cache_is_bounded(client: MemoryClient, *, is_async: bool) -> None:
    """The last used ones are kept."""
    api = Api(MemoryDriver(client, statement_cache_size=2), is_async=is_async)
    for column in "abaca":
        await api.execute(f"SELECT {column} FROM t", [])
    assert [text[7] for text in client.prepared] == ["a", "b", "c"]
    driver = MemoryDriver(client, statement_lifetime=60)
    assert driver.execute("SELECT a FROM t", []) == []
    for size in (0, True, "2"):
        with pytest.raises(ConfigurationError, match="statement_cache_size"):
            MemoryDriver(client, statement_cache_size=size)  # type: ignore[arg-type]


async def test_statements_are_prepared_anew_in_time(client: MemoryClient, *, is_async: bool) -> None:
    """With a lifetime, a schema that others changed is known after so many seconds."""
    api = Api(MemoryDriver(client, statement_lifetime=0.05), is_async=is_async)
    await api.execute(READ, [1])
    await asyncio.sleep(0.1)
    await api.execute(READ, [1])
    assert client.prepared == [READ, READ]
    with pytest.raises(ConfigurationError, match="statement_lifetime"):
        MemoryDriver(client, statement_lifetime=0)


# --- observers --------------------------------------------------------------------------


async def test_observers_are_told(api: Api, client: MemoryClient) -> None:
    """Each request is told of once, with its rows and pages, and so is the one that fails."""
    client.rows = 6000
    told = Recorder()
    with observing(told):
        await api.execute(READ, [1])
        await api.execute_one(READ, [1])
        await api.execute_batch(["DELETE FROM t WHERE k = 1"])
        with pytest.raises(ParameterError):
            await api.execute(READ, [])
        await api.close()
    ends = told.of(RequestFinished)
    assert [(end.rows, end.pages) for end in ends[:2]] == [(6000, 2), (5000, 1)]
    assert [end.warnings for end in ends[:2]] == [("w", "row 0", "row 5000"), ("w", "row 0")]
    assert [end.kind for end in ends] == [*[RequestKind.SINGLE] * 2, RequestKind.BATCH, RequestKind.SINGLE]
    assert isinstance(ends[-1].error, ParameterError)
    assert ends[0].consistency == "ONE"
    assert len(told.of(ConnectionClosed)) == 1


async def test_a_driver_on_a_driver_is_told_of_once(client: MemoryClient, *, is_async: bool) -> None:
    """What one hands on to another isn't told of twice."""
    inner = MemoryDriver(client)

    class Outer(MemoryClient):
        def send(self, request: ClientRequest) -> Steps[Page]:
            rows = yield DriverCall(inner, "execute", request.cql, list(request.values))
            return Page(rows=list(rows))

    outer = Api(MemoryDriver(Outer()), is_async=is_async)
    client.rows = 2
    told = Recorder()
    with observing(told):
        assert len(await outer.execute(READ, [1])) == 2
        await Api(inner, is_async=is_async).execute(READ, [1])
    assert len(told.of(RequestFinished)) == 2


async def test_rows_as_tuples(client: MemoryClient, *, is_async: bool) -> None:
    """They become dicts; two columns of the same name are an error, and execute_one gives the first."""

    class Tuples(MemoryClient):
        names: tuple[str, ...] = ("a", "b")

        def send(self, request: ClientRequest) -> Steps[Page]:
            start = request.paging_state or b"0"
            yield from ()
            rows = [] if start == b"0" else [(1, 2), (3, 4)]
            return Page(TupleRows(self.names, rows), {b"0": b"1", b"1": b"2"}.get(start))

    inner = Tuples()
    api = Api(MemoryDriver(inner), is_async=is_async)
    assert await api.execute(READ, [1]) == [{"a": 1, "b": 2}, {"a": 3, "b": 4}] * 2
    assert await api.execute_one(READ, [1]) == 1
    inner.names = ("a", "a")
    assert await api.execute_one(READ, [1]) == 1
    for arguments in ({}, {"fetch_size": 10}):
        with pytest.raises(InvalidQueryError, match="named 'a'") as caught:
            await api.execute(READ, [1], **arguments)
        assert (caught.value.statement, caught.value.may_have_been_applied) == (READ, False)


# --- life -------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_thread_left")
async def test_closing(api: Api, client: MemoryClient) -> None:
    """The client is closed once, however often the driver is; afterwards nothing reaches it."""
    await api.close()
    await api.close()
    assert client.closings == 1
    with pytest.raises(DriverClosedError):
        await api.execute(READ, [1])
    assert client.sent == []
    assert "closed" in repr(api.driver)


def test_a_fork_leaves_the_parents_client_alone(
    client: MemoryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a forked child requests are refused, and close() doesn't touch the parent's connections."""
    driver = MemoryDriver(client)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(DriverClosedError, match="fork"):
        driver.execute(READ, [1])
    driver.close()
    assert client.closings == 0


async def test_the_last_paging_state_is_the_callers(api: Api, client: MemoryClient) -> None:
    """Object mappers find the state of their own last request, and no other's."""
    client.rows = 3
    page = await api.execute(READ, [1], fetch_size=1)
    assert api.driver._last_paging_state == page.paging_state
    assert ClientDriver(client)._last_paging_state is None
    await api.execute(READ, [1])
    assert api.driver._last_paging_state is None


# --- a client that blocks ---------------------------------------------------------------


@pytest.mark.usefixtures("no_thread_left")
async def test_blocking_calls_leave_the_loop_alone() -> None:
    """A call that blocks runs in the caller's thread for sync callers, in another one for async ones."""
    here = threading.get_ident()
    assert Blocking(threading.get_ident).run() == here
    assert await Blocking(threading.get_ident).run_async() != here


@pytest.mark.usefixtures("no_thread_left")
async def test_a_late_result_is_discarded() -> None:
    """What a cancelled task's call returns after all is handed to discard: a connection isn't left open."""
    gate, discarded = threading.Event(), threading.Event()
    got: list[str] = []

    def discard(result: str) -> None:
        got.append(result)
        discarded.set()

    async def connect() -> Any:
        return await Blocking(lambda: gate.wait(PATIENCE) and "late", discard=discard).run_async()

    task = asyncio.ensure_future(connect())
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task])
    gate.set()
    await asyncio.to_thread(discarded.wait, PATIENCE)
    assert got == ["late"]
