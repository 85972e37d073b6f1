"""Another client changes the schema under prepared reads and writes."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import PATIENT, Api, open_driver
from tests.reliability.conftest import heal_async

from coodie.exceptions import (
    CoodieError,
    ExecuteManyError,
    InvalidQueryError,
    ParameterTypeError,
    RequestError,
)
from coodie.protocol.frames import Opcode
from coodie.registry import DriverRegistry, using_registry
from coodie_testing.faults import DelayRequest, ErrorCode, ServerError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from tests.conftest import Connector

    from coodie_testing.faults import FaultProxy

pytestmark = pytest.mark.server


@pytest.fixture(params=[4, 5], ids=["v4", "v5"])
def mine(connect: Connector, request: pytest.FixtureRequest) -> Any:
    """Connect with this version of the protocol."""
    return connect(protocol_version=request.param)


@pytest.fixture
def other(driver: Any) -> Any:
    """Give another client."""
    return driver


async def test_columns_come_and_go_under_readers(mine: Any, other: Any, table: Callable[[str], str]) -> None:
    """While columns are added and dropped, each result of SELECT * fits one version of the table."""
    name = table("k int PRIMARY KEY, a int, b text")
    await mine.execute_async(f"INSERT INTO {name} (k, a, b) VALUES (1, 10, 'b')", [])
    done = False

    async def read() -> int:
        answers = 0
        while not done:
            try:
                (row,) = await mine.execute_async(f"SELECT * FROM {name} WHERE k = ?", [1])
            except InvalidQueryError:
                continue  # the column was dropped between the prepare and the execution
            assert row.pop("extra", None) is None
            assert row.pop("b", "b") in ("b", None)
            assert row == {"k": 1, "a": 10}
            answers += 1
        return answers

    readers = [asyncio.ensure_future(read()) for _ in range(4)]
    for _ in range(4):
        await other.execute_async(f"ALTER TABLE {name} ADD extra map<text, int>", [])
        await asyncio.sleep(0.05)
        await other.execute_async(f"ALTER TABLE {name} DROP extra", [])
    await other.execute_async(f"ALTER TABLE {name} DROP b", [])
    done = True
    assert min(await asyncio.gather(*readers)) > 0


async def test_the_window_of_an_old_type(mine: Any, other: Any, keyspace: str) -> None:
    """After DROP and CREATE with other types, old types raise an error once the event was received."""
    name = f"{keyspace}.retyped_v{mine.session.cluster.protocol_version}"
    await other.execute_async(f"CREATE TABLE {name} (k int PRIMARY KEY, v int)", [])
    insert = f"INSERT INTO {name} (k, v) VALUES (1, ?)"
    deadline = time.monotonic() + 20
    while True:
        try:
            await mine.execute_async(insert, [5])
            break
        except CoodieError:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
    await other.execute_async(f"DROP TABLE {name}", [])
    await other.execute_async(f"CREATE TABLE {name} (k int PRIMARY KEY, v text)", [])
    # Until the event arrives, an int may still be taken, and then be read as text, or not at all.
    deadline = time.monotonic() + 20
    while True:
        try:
            await mine.execute_async(insert, [5])
        except ParameterTypeError:
            break
        except CoodieError:
            pass
        assert time.monotonic() < deadline, "the event never arrived"
        await asyncio.sleep(0.01)
    await other.execute_async(f"TRUNCATE {name}", [])
    await mine.execute_async(insert, ["five"])
    assert await mine.execute_async(f"SELECT v FROM {name}", []) == [{"v": "five"}]


#: Way of writing → what writes a value under a key.
WRITES: dict[str, Callable[[Api, str, int, Any], Awaitable[Any]]] = {
    "execute": lambda calls, name, k, v: calls.execute(f"INSERT INTO {name} (k, v) VALUES (?, ?)", [k, v]),
    "execute_one": lambda calls, name, k, v: calls.execute_one(
        f"UPDATE {name} SET v = ? WHERE k = ?", [v, k]
    ),
    "conditional": lambda calls, name, k, v: calls.execute(
        f"INSERT INTO {name} (k, v) VALUES (?, ?) IF NOT EXISTS", [k, v]
    ),
    "stream": lambda calls, name, k, v: _drained(
        calls.stream(f"INSERT INTO {name} (k, v) VALUES (?, ?) USING TTL 900", [k, v])
    ),
    "execute_many": lambda calls, name, k, v: calls.execute_many(
        f"INSERT INTO {name} (k, v) VALUES (?, ?)", [[k, v]]
    ),
    "execute_batch": lambda calls, name, k, v: calls.execute_batch(
        [(f"INSERT INTO {name} (k, v) VALUES (?, ?)", [k, v])]
    ),
    "batch as text": lambda calls, name, k, v: calls.execute(
        f"BEGIN BATCH INSERT INTO {name} (k, v) VALUES (?, ?); APPLY BATCH", [k, v]
    ),
}


async def _drained(rows: AsyncIterator[Any]) -> list[Any]:
    return [row async for row in rows]


@pytest.fixture(params=["fast", "driver's way"])
def deaf(
    request: pytest.FixtureRequest, faulty_node: FaultProxy, backend: str, protocol: int
) -> Iterator[Any]:
    """Connect through the proxy, which lets no event through; with the fast path and without."""
    with using_registry(DriverRegistry()):
        driver = open_driver(
            backend,
            hosts=[faulty_node.host],
            port=faulty_node.port,
            protocol_version=protocol,
            fast_path=request.param == "fast",
        )
    faulty_node.holding_events = True
    yield driver
    driver.close()
    faulty_node.release_events()


async def _retyped(other: Any, name: str, v: str) -> None:
    """Make a table anew, with this type of the column v."""
    await other.execute_async(f"DROP TABLE IF EXISTS {name}", [])
    await other.execute_async(f"CREATE TABLE {name} (k int PRIMARY KEY, v {v})", [])


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("way", WRITES)
async def test_no_event_and_yet_no_value_of_the_old_type(
    way: str, is_async: bool, deaf: Any, proxy: FaultProxy, other: Any, keyspace: str
) -> None:
    """The node has forgotten the statement: it is looked at again before anything is sent to it."""
    calls, write = Api(deaf, is_async=is_async), WRITES[way]
    name = f"{keyspace}.silent"
    await _retyped(other, name, "int")
    for k in range(3):
        await write(calls, name, k, 5)
    await _retyped(other, name, "text")
    for _ in range(3):
        with pytest.raises((ParameterTypeError, ExecuteManyError), match=r"'v' of type text|ParameterType"):
            await write(calls, name, 7, 5)
    assert await other.execute_async(f"SELECT * FROM {name}", []) == []
    await write(calls, name, 8, "eight")
    if way != "execute":
        return
    # Only the type of another column: what was bound before is bound in the same way again.
    await other.execute_async(f"DROP TABLE {name}", [])
    await other.execute_async(f"CREATE TABLE {name} (k int PRIMARY KEY, v text, w int)", [])
    await write(calls, name, 9, "nine")
    assert await other.execute_async(f"SELECT k, v FROM {name}", []) == [{"k": 9, "v": "nine"}]


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_what_is_on_its_way_meanwhile(
    is_async: bool, deaf: Any, proxy: FaultProxy, other: Any, keyspace: str
) -> None:
    """A value of the old type comes to the node after another request has had it look at the statement."""
    name = f"{keyspace}.overtaken"
    insert = f"INSERT INTO {name} (k, v) VALUES (?, ?)"
    await _retyped(other, name, "int")
    for k in range(4):
        await _start(deaf, insert, k, is_async=is_async)
    await _retyped(other, name, "text")
    proxy.add(DelayRequest(seconds=0.5), contains=insert, opcodes=(Opcode.EXECUTE,))
    first = _start(deaf, insert, 7, is_async=is_async)
    while not proxy.rules[0].hits:
        await asyncio.sleep(0.01)
    with pytest.raises(ParameterTypeError):
        await _start(deaf, insert, 8, is_async=is_async)
    await _start(deaf, insert, "nine", is_async=is_async)
    assert not first.done()
    with pytest.raises(ParameterTypeError):
        await first
    assert await other.execute_async(f"SELECT v FROM {name}", []) == [{"v": "nine"}]


def _start(driver: Any, insert: str, value: Any, *, is_async: bool) -> asyncio.Future[Any]:
    """Start to write a value under its own key; return the future of the outcome."""
    params = [value if isinstance(value, int) else 9, value]
    call = (
        driver.execute_async(insert, params)
        if is_async
        else asyncio.to_thread(driver.execute, insert, params)
    )
    future: asyncio.Future[Any] = asyncio.ensure_future(call)
    return future


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("fast_path", [True, False], ids=["fast", "driver's way"])
async def test_on_a_session_of_yours(
    fast_path: bool, is_async: bool, proxy: FaultProxy, backend: str, other: Any, keyspace: str
) -> None:
    """There, too, the statement is looked at again; what the session's owner sends is left to the driver."""
    from cassandra.cluster import Cluster

    name = f"{keyspace}.yours"
    insert = f"INSERT INTO {name} (k, v) VALUES (?, ?)"
    await _retyped(other, name, "int")
    with Cluster([proxy.host], port=proxy.port, **PATIENT) as cluster, using_registry(DriverRegistry()):
        session = cluster.connect()
        prepared = session.prepare(insert)
        with open_driver(backend, session=session, fast_path=fast_path) as driver:
            proxy.holding_events = True
            calls = Api(driver, is_async=is_async)
            for k in range(3):
                await calls.execute(insert, [k, 5])
            await _retyped(other, name, "text")
            with pytest.raises(ParameterTypeError):
                await calls.execute(insert, [7, 5])
            assert await other.execute_async(f"SELECT * FROM {name}", []) == []
            await asyncio.to_thread(session.execute, prepared, [8, 5])
            assert await other.execute_async(f"SELECT v FROM {name}", []) == [{"v": "\0\0\0\5"}]


async def test_pages_of_a_statement_that_is_forgotten(
    deaf: Any, proxy: FaultProxy, other: Any, keyspace: str
) -> None:
    """A node that forgets a statement between two of its pages loses and repeats no row."""
    name = f"{keyspace}.paged"
    await _retyped(other, name, "int")
    await other.execute_many_async(f"INSERT INTO {name} (k, v) VALUES (?, ?)", [[k, k] for k in range(500)])
    select = f"SELECT k FROM {name}"
    for is_async in (False, True):
        calls = Api(deaf, is_async=is_async)
        await calls.execute(select, [])
        rule = proxy.add(ServerError(code=ErrorCode.UNPREPARED), contains=select, after=1, times=2)
        rows = await _drained(calls.stream(select, [], fetch_size=100))
        assert sorted(row["k"] for row in rows) == list(range(500))
        assert rule.hits == 2


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_a_node_that_forgets_again_and_again(
    is_async: bool, deaf: Any, proxy: FaultProxy, other: Any, keyspace: str
) -> None:
    """There is an end to it, with pauses before; the error says what happened, and the next one works."""
    calls = Api(deaf, is_async=is_async)
    name = f"{keyspace}.forgotten"
    await _retyped(other, name, "int")
    insert = f"INSERT INTO {name} (k, v) VALUES (?, ?)"
    writes: list[Callable[[], Awaitable[Any]]] = [
        lambda: calls.execute(insert, [1, 1]),
        lambda: calls.execute_many(insert, [[1, 1]]),
        lambda: calls.execute_batch([(insert, [1, 1])]),
    ]
    for write in writes:
        await write()
        proxy.requests.clear()
        rule = proxy.add(
            ServerError(code=ErrorCode.UNPREPARED),
            contains=insert,
            opcodes=(Opcode.EXECUTE, Opcode.BATCH),
            times=None,
        )
        with pytest.raises((RequestError, ExecuteManyError), match="the prepared statement 10 times"):
            await write()
        assert rule.hits == 10
        assert proxy.count(insert, Opcode.PREPARE) <= 20
        proxy.rules.clear()
        await write()


async def test_nothing_is_prepared_that_nobody_looks_at(
    through: Any, proxy: FaultProxy, other: Any, keyspace: str, protocol: int
) -> None:
    """When the node is back, the driver by itself doesn't let it know the statements of before."""
    name = f"{keyspace}.back_v{protocol}"
    await _retyped(other, name, "int")
    insert = f"INSERT INTO {name} (k, v) VALUES (1, ?)"
    await through.execute_async(insert, [5])
    proxy.refusing = True
    proxy.cut()
    await _retyped(other, name, "text")
    proxy.requests.clear()
    proxy.refusing = False
    await heal_async(through)
    assert proxy.count(insert, Opcode.PREPARE) == 0
    with pytest.raises(ParameterTypeError):
        await through.execute_async(insert, [5])


async def test_the_end_of_the_source_of_events_is_noticed_at_once(
    through: Any, proxy: FaultProxy, other: Any, keyspace: str, protocol: int
) -> None:
    """Its connection alone is cut: within moments there is another, and what changed meanwhile is known."""
    name = f"{keyspace}.cut_v{protocol}"
    await _retyped(other, name, "int")
    insert = f"INSERT INTO {name} (k, v) VALUES (1, ?)"
    await through.execute_async(insert, [5])
    for v, good, bad in (("text", "five", 5), ("int", 5, "five")):
        asked = proxy.registered
        proxy.cut(only_registered=True)
        await _retyped(other, name, v)
        # So that the node knows the statement: only the schema can tell that it is another one.
        await other.execute_async(insert, [good])
        deadline = time.monotonic() + 25  # the drivers' heartbeat comes every 30 s
        while True:
            try:
                await through.execute_async(insert, [bad])
            except ParameterTypeError:
                break
            except CoodieError:
                pass
            assert time.monotonic() < deadline, "nobody noticed"
            await asyncio.sleep(0.05)
        while proxy.registered <= asked:
            assert time.monotonic() < deadline, "there is no other connection"
            await asyncio.sleep(0.05)
        await through.execute_async(insert, [good])


async def test_truncate_under_writers(mine: Any, other: Any, table: Callable[[str], str]) -> None:
    """A TRUNCATE only deletes earlier writes; prepared statements stay valid."""
    name = table("k int PRIMARY KEY")
    insert = f"INSERT INTO {name} (k) VALUES (?)"
    await mine.execute_many_async(insert, ([k] for k in range(100)))
    writing = asyncio.ensure_future(mine.execute_many_async(insert, ([k] for k in range(100, 2000))))
    await other.execute_async(f"TRUNCATE {name}", [])
    assert (await writing).succeeded == 1900
    await other.execute_async(f"TRUNCATE {name}", [])
    await mine.execute_async(insert, [7])
    assert await mine.execute_async(f"SELECT k FROM {name}", []) == [{"k": 7}]
