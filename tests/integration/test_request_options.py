"""Options of one request on a real node: node, timestamp, keyspace, total_timeout; and traces."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import Api
from tests.integration.ways import Ways

from coodie import RequestOptions
from coodie.exceptions import (
    ConfigurationError,
    InvalidQueryError,
    PagingStateError,
    ParameterError,
    RequestTimeoutError,
)
from coodie.observers import RequestFinished, observing
from coodie.observers.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable

    from coodie_testing.faults import FaultProxy

pytestmark = pytest.mark.server

_LONG_AGO = 1_000_000_000_000_000


@pytest.mark.parametrize("traced", [False, True])
async def test_timestamps_before_1970(api: Api, table: Callable[[str], str], *, traced: bool) -> None:
    """The fast path and the session send a negative number, alone and in batches."""
    name = table("k int PRIMARY KEY, v int")
    options = RequestOptions(timestamp=-(2**63) + 1, trace=traced)
    await api.execute(f"INSERT INTO {name} (k, v) VALUES (?, 1)", [1], options=options)
    await api.execute_batch([(f"INSERT INTO {name} (k, v) VALUES (?, 1)", [2])], options=options)
    rows = await api.execute(f"SELECT writetime(v) AS at FROM {name}", [])
    assert [row["at"] for row in rows] == [-(2**63) + 1] * 2


async def test_timestamps(api: Api, table: Callable[[str], str]) -> None:
    """The fast path, the session, many and batches write with it; reads and conditional writes refuse it."""
    name = table("k int PRIMARY KEY, v int")
    insert = f"INSERT INTO {name} (k, v) VALUES (?, 1)"
    fast, slow = RequestOptions(timestamp=_LONG_AGO), RequestOptions(timestamp=_LONG_AGO, trace=True)
    for key, options in enumerate((fast, slow, fast)):
        await api.execute(insert, [key], options=options)
    await api.execute_many(insert, [[10], [11]], options=fast)
    for key, options in ((20, fast), (21, slow)):
        await api.execute_batch([(insert, [key])], options=options)
    await api.execute(f"INSERT INTO {name} (k, v) VALUES (30, 1) USING TIMESTAMP 7", [], options=fast)
    rows = await api.execute(f"SELECT k, writetime(v) AS at FROM {name}", [])
    assert {row["k"]: row["at"] for row in rows} == {
        **dict.fromkeys((0, 1, 2, 10, 11, 20, 21), _LONG_AGO),
        30: 7,
    }
    for stmt in (f"SELECT v FROM {name}", f"{insert} IF NOT EXISTS", f"TRUNCATE {name}"):
        with pytest.raises(ConfigurationError) as caught:
            await api.execute(stmt, [1] if "?" in stmt else [], options=fast)
        assert caught.value.option == "timestamp"
    counters = table("k int PRIMARY KEY, n counter")
    count, condition = f"UPDATE {counters} SET n = n + 1 WHERE k = 1", f"{insert} IF NOT EXISTS"
    refused: list[Callable[[], Any]] = [
        lambda: api.execute(count, [], options=fast),
        lambda: api.execute(count.replace("+ 1", "+ ?"), [1], options=slow),
        lambda: api.execute_batch([(count, [])], "COUNTER", options=fast),
        lambda: api.execute_batch([(count, [])], "UNLOGGED", options=fast),
        lambda: api.execute(f"BEGIN COUNTER BATCH {count}; APPLY BATCH", [], options=fast),
        lambda: api.execute_batch([(insert, [40]), (condition, [40])], options=slow),
        lambda: api.execute(f"BEGIN BATCH {condition}; APPLY BATCH", [40], options=fast),
    ]
    for ask in refused:
        with pytest.raises(ConfigurationError) as caught:
            await ask()
        assert caught.value.option == "timestamp"
    assert await api.execute(f"SELECT n FROM {counters}", []) == []
    outcome = await api.execute_many(count, [[]], options=fast, raise_on_error=False)
    assert isinstance(outcome.errors[0], ConfigurationError)


async def test_nodes(api: Api, cassandra_node: Any) -> None:
    """A node is named by its address, with its port, or by its host id; a virtual table is that node's."""
    host_id = await api.execute_one("SELECT host_id FROM system.local", [])
    address = cassandra_node.host
    for node in (address, f"{address}:{cassandra_node.port}", str(host_id), str(host_id).upper()):
        options = RequestOptions(node=node)
        assert await api.execute_one("SELECT host_id FROM system.local", [], options=options) == host_id
        rows = await api.execute("SELECT name FROM system_views.settings", [], options=options)
        assert len(rows) > 10
    for node in ("203.0.113.7", f"{cassandra_node.host}:1", str(uuid.uuid4())):
        with pytest.raises(ConfigurationError) as caught:
            await api.execute("SELECT key FROM system.local", [], options=RequestOptions(node=node))
        assert caught.value.option == "node"


async def test_keyspaces(api: Api, driver: Any, keyspace: str) -> None:
    """One text serves tables in several keyspaces, quoted names included; each is prepared once."""
    spaces = [keyspace, f"{keyspace}_B", f"{keyspace}_c"]
    for number, space in enumerate(spaces):
        if number:
            driver.execute(
                f'CREATE KEYSPACE IF NOT EXISTS "{space}" WITH replication = '
                "{'class': 'SimpleStrategy', 'replication_factor': 1}",
                [],
            )
        driver.execute(f'CREATE TABLE IF NOT EXISTS "{space}".tenant (k int PRIMARY KEY, v int)', [])
    insert, select = "INSERT INTO tenant (k, v) VALUES (?, ?)", "SELECT v FROM tenant WHERE k = ?"
    for _ in range(2):
        for number, space in enumerate(spaces):
            options = RequestOptions(keyspace=space)
            await api.execute(insert, [1, number], options=options)
            await api.execute_batch([("UPDATE tenant SET v = ? WHERE k = 2", [number])], options=options)
            await api.execute(
                "BEGIN BATCH UPDATE tenant SET v = ? WHERE k = 3; DELETE FROM tenant WHERE k = 4 APPLY BATCH",
                [number],
                options=options,
            )
        for number, space in enumerate(spaces):
            options = RequestOptions(keyspace=space)
            misses = driver.stats().statements.misses
            for key in (1, 2, 3):
                assert await api.execute_one(select, [key], options=options) == number
            assert driver.stats().statements.misses <= misses + 1
    options = RequestOptions(keyspace=spaces[-1])
    with observing(recorder := Recorder()):
        await api.execute(select, [1], options=options)
        await api.execute_batch([("UPDATE tenant SET v = ? WHERE k = 2", [7])], options=options)
    assert [event.keyspace for event in recorder.of(RequestFinished)] == [spaces[-1]] * 2
    state = (await api.execute("SELECT v FROM tenant", [], fetch_size=1, options=options)).paging_state
    other = RequestOptions(keyspace=spaces[0])
    with pytest.raises(PagingStateError):  # a page of another keyspace's table
        await api.execute("SELECT v FROM tenant", [], fetch_size=1, paging_state=state, options=other)
    for stmt in ("CREATE TABLE tenants (k int PRIMARY KEY)", "TRUNCATE tenant"):
        with pytest.raises(ConfigurationError) as caught:
            await api.execute(stmt, [], options=options)
        assert caught.value.option == "keyspace"
    for space in spaces[1:]:
        driver.execute(f'DROP KEYSPACE "{space}"', [])


_WRONG = [
    "SELECT k FROM tenants WHERE k === 1",
    "SELECT k\nFROM tenants\nWHERE k === 1",
    "SELECT nothing FROM tenants",
    "INSERT INTO tenants (k) VALUES ('text')",
    "BEGIN BATCH DELETE FROM tenants WHERE k = 1; DELETE FROM tenants WHERE k === 1; APPLY BATCH",
]


@pytest.mark.parametrize("fast_path", [True, False])
async def test_errors_with_a_keyspace(
    api: Api, connect: Callable[..., Any], driver: Any, keyspace: str, fast_path: bool
) -> None:
    """Errors have the caller's statement and positions in it, and so have the events of observers."""
    driver.execute(f"CREATE TABLE IF NOT EXISTS {keyspace}.tenants (k int PRIMARY KEY, v int)", [])
    options = RequestOptions(keyspace=keyspace)
    own = Api(connect(fast_path=fast_path), is_async=api.is_async)
    there = Api(connect(keyspace=keyspace, fast_path=fast_path), is_async=api.is_async)
    for wrong in _WRONG:
        with pytest.raises(InvalidQueryError) as expected:
            await there.execute(wrong, [])
        position = re.findall(r"line \d+:\d+", str(expected.value))
        for method in (own.execute, own.execute_one):
            with observing(recorder := Recorder()), pytest.raises(InvalidQueryError) as caught:
                await method(wrong, [], options=options)
            assert caught.value.statement == wrong
            assert re.findall(r"line \d+:\d+", str(caught.value)) == position
            (event,) = recorder.of(RequestFinished)
            assert event.error is caught.value
    insert = "INSERT INTO tenants (k, v) VALUES (?, ?)"
    for params in ([1], [1, "one"]):
        for _ in range(2):
            with pytest.raises(ParameterError) as unfit:
                await own.execute(insert, params, options=options)
            assert unfit.value.statement == insert
            with pytest.raises(ParameterError) as unfit:
                await own.execute_batch([(insert, [1, 1]), (insert, params)], options=options)
            assert unfit.value.statement == insert


async def test_total_timeouts(
    connect: Callable[..., Any], proxy: FaultProxy, driver: Any, table: Callable[[str], str]
) -> None:
    """Pages that are quick enough each are too many together; the time is for a stream as a whole, too."""
    name = table("p int, c int, PRIMARY KEY (p, c)")
    driver.execute_many(f"INSERT INTO {name} (p, c) VALUES (1, ?)", ([n] for n in range(200)))
    through = connect(hosts=[proxy.host], port=proxy.port)
    stmt = f"SELECT c FROM {name} WHERE p = 1"
    for is_async in (False, True):
        calls = Api(through, is_async=is_async)
        rows = [row async for row in calls.stream(stmt, options=RequestOptions(total_timeout=60))]
        assert len(rows) == 200
        proxy.delay = 0.1
        with pytest.raises(RequestTimeoutError, match=r"total_timeout=0.5 s") as caught:
            async for _ in calls.stream(
                stmt, fetch_size=5, timeout=30, options=RequestOptions(total_timeout=0.5)
            ):
                pass
        assert (caught.value.may_have_been_applied, caught.value.timeout) == (False, 0.5)
        assert caught.value.is_total
        proxy.delay = 0.5  # long enough for a busy machine: a response that is there is taken, however late
        for other in (stmt, f"{stmt} LIMIT {7 + is_async}"):  # which is prepared first
            with pytest.raises(RequestTimeoutError, match=r"total_timeout=0.05 s") as caught:
                await calls.execute(other, [], timeout=30, options=RequestOptions(total_timeout=0.05))
            assert "Increase RequestOptions.total_timeout" in (caught.value.hint or "")
            assert str(caught.value).count(" within ") == 1  # the rest of it isn't the caller's number
            assert (caught.value.timeout, caught.value.is_total) == (0.05, True)
        with pytest.raises(RequestTimeoutError, match=r"within 0.05 s. Increase timeout=") as caught:
            await calls.execute(stmt, [], timeout=0.05, options=RequestOptions(total_timeout=60))
        assert (caught.value.timeout, caught.value.is_total) == (0.05, False)
        proxy.delay = 0.0
        assert len(await calls.execute(stmt, [], options=RequestOptions(total_timeout=60))) == 200


async def test_traces(api: Api) -> None:
    """A traced request's events come with their times; an id without a trace is a timeout."""
    options = RequestOptions(trace=True)
    rows = await api.execute("SELECT key FROM system.local WHERE key = ?", ["local"], options=options)
    trace = await api.trace(rows.trace_id, timeout=30)
    assert trace.trace_id == rows.trace_id
    assert trace.duration > 0
    assert trace.events
    assert all(event.activity and event.source for event in trace.events)
    assert trace.coordinator is not None
    assert "parameters" not in repr(trace)
    with pytest.raises(RequestTimeoutError):
        await api.trace(uuid.uuid1(), timeout=0.1)
    with pytest.raises(ConfigurationError):
        await api.trace("no id")


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_options_leave_the_fast_path_on(
    is_async: bool, connect: Callable[..., Any], table: Callable[[str], str]
) -> None:
    """A timestamp and a keyspace don't need the session."""
    driver = connect(fast_path=True)
    api = Api(driver, is_async=is_async)
    name = table("k int PRIMARY KEY, v int")
    space, _, plain = name.partition(".")
    insert = f"INSERT INTO {plain} (k, v) VALUES (?, 1)"
    options = RequestOptions(keyspace=space, timestamp=_LONG_AGO)
    await api.warm([f'INSERT INTO "{space}".{plain} (k, v) VALUES (?, 1)'])
    ways = Ways(driver)
    await api.execute(insert, [1], options=options)
    assert ways.drivers == 0
