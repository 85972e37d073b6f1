"""The fast path against a real server: what it takes, what it leaves to the driver, and the same results."""

from __future__ import annotations

import asyncio
import datetime as dt
import select
import time
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import Api
from tests.integration.ways import Ways

from coodie import RequestOptions
from coodie.drivers.cassandra.fastpath import driver_internals, shards
from coodie.exceptions import CoodieError, ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.server

_TYPES = (
    "k int PRIMARY KEY, t text, d double, u uuid, at timestamp, day date, n decimal, s set<text>, "
    "m map<text, int>, l list<frozen<tuple<int, text>>>, v vector<float, 2>, b blob, i inet, x duration"
)
_NAMES = ["k", "t", "d", "u", "at", "day", "n", "s", "m", "l", "v", "b", "i"]


@pytest.fixture(params=[5, 4], ids=["v5", "v4"])
def protocol(request: pytest.FixtureRequest) -> int:
    """Name the protocol's version."""
    version: int = request.param
    return version


@pytest.fixture(params=["sync", "async"])
def fast(connect: Callable[..., Any], protocol: int, request: pytest.FixtureRequest) -> Api:
    """Connect with the fast path, once through its sync and once through its async methods."""
    driver = connect(protocol_version=protocol, fast_path=True)
    assert driver.fast_path_refusal is None
    return Api(driver, is_async=request.param == "async")


async def _warm(fast: Api, stmt: str, params: Any = ()) -> Ways:
    """Have a connection of ours open, and count from then on."""
    ways = Ways(fast.driver)
    if fast.is_async:
        await ways.warm_async(stmt, params)
    else:
        ways.warm(stmt, params)
    return ways


@pytest.mark.needs("vectors")
async def test_requests_go_our_way_with_equal_results(
    fast: Api, connect: Callable[..., Any], protocol: int, table: Callable[[str], str]
) -> None:
    """Writes and reads of all kinds of values never reach the driver's session, and rows are the same."""
    name = table(_TYPES)
    values: list[Any] = [
        1, "text", 1.5, uuid.uuid4(), dt.datetime(2024, 2, 29, 1, 2, 3), dt.date(1999, 1, 1), Decimal("1.20"),
        {"a", "b"}, {"x": 1}, [(1, "one"), (None, "none")], [1.0, 2.0], b"\0\1", "::1",
    ]  # fmt: skip
    insert = f"INSERT INTO {name} ({', '.join(_NAMES)}) VALUES ({', '.join('?' for _ in _NAMES)})"
    select = f"SELECT * FROM {name} WHERE k = ?"
    ways = await _warm(fast, select, [0])
    await fast.execute(insert, values)
    before = ways.drivers
    for k in range(2, 12):
        await fast.execute(insert, [k, *values[1:-1], None])
    got = [await fast.execute(select, [k]) for k in range(1, 12)]
    assert await fast.execute_one(f"SELECT k FROM {name} WHERE k = 5", []) == 5
    assert ways.drivers - before <= 1  # execute_one's statement, prepared before it went
    slow = connect(protocol_version=protocol, fast_path=False)
    assert slow.fast_path_refusal == "fast_path=False"
    assert got == [slow.execute(select, [k]) for k in range(1, 12)]
    assert {column: got[0][0][column] for column in _NAMES} == dict(zip(_NAMES, values, strict=True))


async def test_all_pages(fast: Api, table: Callable[[str], str]) -> None:
    """Pages follow one another, read ahead or one by one, without the driver; each row comes once."""
    name = table("p int, n int, PRIMARY KEY (p, n)")
    await fast.execute_many(f"INSERT INTO {name} (p, n) VALUES (0, ?)", ([n] for n in range(11_000)))
    select = f"SELECT n FROM {name} WHERE p = ?"
    # The page that is read ahead takes a second connection, where threads ask.
    ways = await _warm(fast, select, [0])
    before = ways.drivers
    rows = await fast.execute(select, [0])
    assert [row["n"] for row in rows] == list(range(11_000))
    assert rows.paging_state is None
    seen: list[int] = []
    state = None
    while True:
        page = await fast.execute(select, [0], fetch_size=3000, paging_state=state)
        seen += [row["n"] for row in page]
        state = page.paging_state
        if state is None:
            break
    assert seen == list(range(11_000))
    assert [row["n"] async for row in fast.stream(select, [0], fetch_size=2500)] == seen
    assert ways.drivers == before


async def test_batches(fast: Api, table: Callable[[str], str]) -> None:
    """Logged and unlogged batches and those of counters go our way; their warnings reach the rows."""
    name, counters = table("k int PRIMARY KEY, v text"), table("k int PRIMARY KEY, n counter")
    insert, add = f"INSERT INTO {name} (k, v) VALUES (?, ?)", f"UPDATE {counters} SET n = n + ? WHERE k = ?"
    ways = await _warm(fast, insert, [0, "a"])
    await fast.execute_batch([(insert, [0, "b"]), (f"DELETE FROM {name} WHERE k = 1", [])])
    await fast.execute_batch([(add, [1, 1])], "COUNTER")
    before = ways.drivers
    await fast.execute_batch([(insert, [1, "b"]), (insert, [2, "c"])])
    await fast.execute_batch([(insert, [3, "d"])], "UNLOGGED")
    await fast.execute_batch([(add, [2, 1]), (add, [5, 2])], "COUNTER")
    rows = await fast.execute_batch([(insert, [k, "x" * 1000]) for k in range(4, 16)], "UNLOGGED")
    assert any("atch" in warning for warning in rows.warnings)
    assert ways.drivers == before
    assert len(await fast.execute(f"SELECT k FROM {name}", [])) == 16
    assert {row["k"]: row["n"] for row in await fast.execute(f"SELECT k, n FROM {counters}", [])} == {
        1: 3,
        2: 5,
    }


async def test_lightweight_transactions(fast: Api, table: Callable[[str], str]) -> None:
    """Applied or not, with the row that was there: two shapes of one statement's answer, at serial levels."""
    name = table("k int PRIMARY KEY, v int")
    insert = f"INSERT INTO {name} (k, v) VALUES (?, ?) IF NOT EXISTS"
    ways = await _warm(fast, insert, [0, 0])
    before = ways.drivers
    local = RequestOptions(serial_consistency="LOCAL_SERIAL")
    for k in range(1, 4):
        first = await fast.execute(insert, [k, 1], options=local)
        again = await fast.execute(insert, [k, 2])
        assert (first.applied, again.applied) == (True, False)
        assert again == [{"[applied]": False, "k": k, "v": 1}]
    assert ways.drivers == before


async def test_unusual_requests_go_the_drivers_way(fast: Api, table: Callable[[str], str]) -> None:
    """A trace, a payload, policies of its own: the driver has all of that, and is asked."""
    select = f"SELECT k FROM {table('k int PRIMARY KEY')}"
    ways = await _warm(fast, select)
    for number, options in enumerate(
        [
            RequestOptions(trace=True),
            RequestOptions(custom_payload={"a": b"b"}),
            RequestOptions(retry_policy="never"),
        ],
        start=1,
    ):
        before = ways.drivers
        rows = await fast.execute(select, [], options=options)
        assert rows == []
        assert ways.drivers == before + 1
        assert (rows.trace_id is not None) is (number == 1)
    before = ways.drivers
    await fast.execute(select, [], options=RequestOptions(idempotent=True))
    assert ways.drivers == before


async def test_bad_parameters_and_bad_requests(fast: Api, table: Callable[[str], str]) -> None:
    """They end in the same errors as without the fast path, and nothing is worse for it afterwards."""
    name = table("k int PRIMARY KEY, v int")
    select = f"SELECT v FROM {name} WHERE k = ?"
    ways = await _warm(fast, select, [1])
    for params in ([], ["text"], [None], [2**40], {"other": 1}):
        with pytest.raises(ParameterError) as caught:
            await fast.execute(select, params)
        assert caught.value.statement == select
    with pytest.raises(CoodieError):
        await fast.execute(f"INSERT INTO {name} (k, v) VALUES (?, ?)", [1, 1], consistency="THREE")
    before = ways.drivers
    assert await fast.execute(select, {"k": 1}) == []
    assert ways.drivers == before


async def test_the_schema_changes(fast: Api, table: Callable[[str], str]) -> None:
    """SELECT * sees a column that was added; a table made anew with other types is read as it is then."""
    name = table("k int PRIMARY KEY, v int")
    insert, select = f"INSERT INTO {name} (k, v) VALUES (?, ?)", f"SELECT * FROM {name} WHERE k = ?"
    await _warm(fast, select, [1])
    await fast.execute(insert, [1, 1])
    assert await fast.execute(select, [1]) == [{"k": 1, "v": 1}]
    await fast.execute(f"ALTER TABLE {name} ADD w text", [])
    assert await fast.execute(select, [1]) == [{"k": 1, "v": 1, "w": None}]
    await fast.execute(f"DROP TABLE {name}", [])
    await fast.execute(f"CREATE TABLE {name} (k int PRIMARY KEY, v text)", [])
    await fast.execute(insert, [1, "now text"])
    assert await fast.execute(select, [1]) == [{"k": 1, "v": "now text"}]
    # The server's own event may come after our statement, and has the table looked at once more.
    ways = await _warm(fast, select, [1])
    assert await fast.execute(select, [1]) == [{"k": 1, "v": "now text"}]
    assert ways.drivers <= 1


async def test_the_schema_changes_elsewhere(fast: Api, driver: Any, table: Callable[[str], str]) -> None:
    """Another client's changes are followed, too: the server says that it doesn't know the statement."""
    name = table("k int PRIMARY KEY, v int")
    select = f"SELECT * FROM {name} WHERE k = ?"
    await _warm(fast, select, [1])
    driver.execute(f"INSERT INTO {name} (k, v) VALUES (1, 1)", [])
    driver.execute(f"ALTER TABLE {name} ADD w text", [])
    assert await fast.execute(select, [1]) == [{"k": 1, "v": 1, "w": None}]


async def test_many_at_once(fast: Api, table: Callable[[str], str]) -> None:
    """execute_many goes our way; outcomes keep their places, and a failure is told by its index."""
    name = table("k int PRIMARY KEY, v int")
    insert, select = f"INSERT INTO {name} (k, v) VALUES (?, ?)", f"SELECT v FROM {name} WHERE k = ?"
    ways = await _warm(fast, select, [0])
    await _warm(fast, insert, [0, 0])
    params: list[list[Any]] = [[k, 2 * k] for k in range(2000)]
    params[700][1] = "not a number"
    for _ in range(20):  # what is announced of the new table, and late, sends a window the driver's way
        before = ways.drivers
        await _read_and_write(fast, insert, select, params)
        if ways.drivers == before:
            return
    pytest.fail(f"execute_many goes the driver's way: {fast.driver.fast_path_refusal}")


async def _read_and_write(fast: Api, insert: str, select: str, params: list[list[Any]]) -> None:
    """Write 2000 rows, of which number 700 can't be bound, and read them."""
    written = await fast.execute_many(insert, params, concurrency=100, raise_on_error=False)
    assert (written.succeeded, list(written.errors)) == (1999, [700])
    assert isinstance(written.errors[700], ParameterError)
    read = await fast.execute_many(select, ([k] for k in range(2000)), concurrency=100)
    assert [read.rows(k) for k in range(2000)] == [[{"v": 2 * k}] if k != 700 else [] for k in range(2000)]


async def test_large_writes_at_once(fast: Api, table: Callable[[str], str]) -> None:
    """What is sent together may be more than a segment of version 5 holds: the server gets each of them."""
    name = table("k int PRIMARY KEY, v text")
    insert, select = f"INSERT INTO {name} (k, v) VALUES (?, ?)", f"SELECT v FROM {name} WHERE k = ?"
    ways = await _warm(fast, insert, [0, ""])
    await _warm(fast, select, [0])
    before = ways.drivers
    texts = ["x" * (3000 if k % 50 else 200_000) for k in range(200)]
    await fast.execute_many(insert, list(enumerate(texts)), concurrency=100)
    read = await fast.execute_many(select, [[k] for k in range(200)], concurrency=100)
    assert [read.rows(k) for k in range(200)] == [[{"v": text}] for text in texts]
    assert ways.drivers == before


async def test_compression(connect: Callable[..., Any], protocol: int, table: Callable[[str], str]) -> None:
    """LZ4 on versions 4 and 5, with bodies from one byte to several segments."""
    name = table("k int PRIMARY KEY, v text")
    driver = connect(protocol_version=protocol, compression="lz4", fast_path=True)
    insert, select = f"INSERT INTO {name} (k, v) VALUES (?, ?)", f"SELECT v FROM {name} WHERE k = ?"
    for is_async in (False, True):
        fast = Api(driver, is_async=is_async)
        ways = await _warm(fast, select, [0])
        await _warm(fast, insert, [0, ""])
        before = ways.drivers
        for k, text in enumerate(["", "a", "ab" * 5000, "".join(map(str, range(60_000)))]):
            await fast.execute(insert, [k, text])
            assert await fast.execute(select, [k]) == [{"v": text}]
        assert ways.drivers == before


class _WithoutReaders(asyncio.SelectorEventLoop):
    """A loop like the one of Windows."""

    add_reader = asyncio.AbstractEventLoop.add_reader


class _WithoutRoom(asyncio.SelectorEventLoop):
    """A loop that the system lets watch no more sockets."""

    def add_reader(self, *_: Any) -> Any:  # type: ignore[override]  # it takes whatever comes
        message = "no more watches"
        raise OSError(message)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Give the connections of the fast path that are opened."""
    found: list[Any] = []

    def opening(*arguments: Any) -> Any:
        found.append(driver_internals.establish(*arguments))
        return found[-1]

    monkeypatch.setattr(shards, "establish", opening)
    return found


def _use(driver: Any, name: str, loop: asyncio.AbstractEventLoop | None) -> None:
    """Write and read in every way, several times."""

    def call(method: str, *arguments: Any) -> Any:
        if loop is None:
            return getattr(driver, method)(*arguments)
        return loop.run_until_complete(getattr(driver, f"{method}_async")(*arguments))

    insert, read = f"INSERT INTO {name} (k) VALUES (?)", f"SELECT k FROM {name}"
    for _ in range(5):
        call("execute", insert, [1])
        call("execute_many", insert, [[k] for k in range(50)])
        call("execute_batch", [(insert, [1])] * 2)
        assert len(call("execute", read, [])) == 50
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("make", "reason", "number"),
    [
        (_WithoutReaders, "_WithoutReaders has no add_reader", 0),
        (_WithoutRoom, "_WithoutRoom can't read its connections (OSError('no more watches'))", 1),
    ],
)
def test_an_event_loop_that_cannot_read_sockets(
    make: Callable[[], Any],
    reason: str,
    number: int,
    connect: Callable[..., Any],
    table: Callable[[str], str],
    opened: list[Any],
) -> None:
    """The driver serves there; the fast path says why it's off, and tries nothing twice."""
    name = table("k int PRIMARY KEY")
    driver = connect(fast_path=True)
    loop = make()
    try:
        _use(driver, name, loop)
        assert driver.fast_path_refusal == reason
        _use(driver, name, None)
        assert [link.sock.fileno() for link in opened] == [-1] * number
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def test_a_platform_without_poll(
    connect: Callable[..., Any],
    table: Callable[[str], str],
    opened: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing of it is needed on the driver's way, execute_many included."""
    monkeypatch.delattr(select, "poll")
    driver = connect(fast_path=True)
    assert driver.fast_path_refusal == "this platform has no select.poll"
    _use(driver, table("k int PRIMARY KEY"), None)
    assert opened == []


def test_threads_that_cannot_wait_for_sockets(
    connect: Callable[..., Any],
    table: Callable[[str], str],
    opened: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What fails when a connection is to be used is the reason, once."""

    def fails() -> Any:
        message = "no more files"
        raise OSError(message)

    name = table("k int PRIMARY KEY")
    driver = connect(fast_path=True)
    monkeypatch.setattr(select, "poll", fails)
    _use(driver, name, None)
    assert "in a thread (OSError('no more files'))" in driver.fast_path_refusal
    assert [link.sock.fileno() for link in opened] == [-1]


def test_a_driver_whose_insides_have_changed(
    connect: Callable[..., Any],
    table: Callable[[str], str],
    opened: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A patch release that renamed something costs the fast path, and no request."""
    monkeypatch.setattr(driver_internals._Handshake, "_receive", lambda self: self.renamed())
    driver = connect(fast_path=True)
    _use(driver, table("k int PRIMARY KEY"), None)
    assert "handshake differs from the expected one" in driver.fast_path_refusal
    assert "'renamed'" in driver.fast_path_refusal
    assert opened == []
