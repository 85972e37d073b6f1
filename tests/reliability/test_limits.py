"""What is large: results, rows, collections, batches, requests in flight, statements."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from coodie.exceptions import InvalidQueryError, ParameterError, RequestError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Api, Connector

pytestmark = [pytest.mark.server, pytest.mark.timeout(1800)]

_MIB = 1 << 20


@pytest.mark.parametrize(
    "count", [pytest.param(20_000), pytest.param(1_000_000, marks=pytest.mark.reliability)]
)
async def test_a_stream_takes_constant_memory(
    count: int, driver: Any, table: Callable[[str], str], record_property: Callable[[str, object], None]
) -> None:
    """A stream only keeps a few pages in memory, during the iteration and at its end."""
    name = table("p int, n int, t text, PRIMARY KEY (p, n)")
    await _fill(driver, name, count)
    stmt = f"SELECT p, n, t FROM {name}"
    for is_async in (False, True):
        total = seen = 0
        tracemalloc.start()
        try:
            if is_async:
                async for row in driver.stream_async(stmt, [], fetch_size=1000, timeout=60):
                    seen, total = seen + 1, total + row["n"]
            else:
                for row in driver.stream(stmt, [], fetch_size=1000, timeout=60):
                    seen, total = seen + 1, total + row["n"]
            grown, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert (seen, total) == (count, count * (count - 1) // 2)
        assert peak < 8 * _MIB
        assert grown < 2 * _MIB
        record_property(f"{'async' if is_async else 'sync'} peak (MiB)", round(peak / _MIB, 1))


BOTH_WAYS = pytest.mark.parametrize("fast", [False, True], ids=["the driver's way", "fast path"])


@BOTH_WAYS
async def test_much_at_once(
    fast: bool, protocol: int, connect: Connector, table: Callable[[str], str]
) -> None:
    """Hundreds of concurrent requests of some kilobytes each, and a few large ones, succeed."""
    driver = connect(fast_path=fast, protocol_version=protocol)
    name = table("k int PRIMARY KEY, v blob")
    insert = f"INSERT INTO {name} (k, v) VALUES (?, ?)"
    await driver.execute_async(insert, [-1, b""])
    values = {k: bytes([k % 256]) * (300_000 if k % 97 == 5 else 5000 + k) for k in range(400)}
    await asyncio.gather(*(driver.execute_async(insert, [k, v], timeout=60) for k, v in values.items()))
    assert (await driver.execute_many_async(insert, values.items(), concurrency=400)).succeeded == 400
    assert driver.execute_many(insert, list(values.items()), concurrency=400).succeeded == 400
    rows = await driver.execute_async(f"SELECT k, v FROM {name}", [], timeout=60)
    assert {row["k"]: row["v"] for row in rows} == values | {-1: b""}


@BOTH_WAYS
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_rows_go_with_their_last_user(
    is_async: bool, fast: bool, connect: Connector, table: Callable[[str], str]
) -> None:
    """Unreferenced results are freed immediately, without the garbage collector."""
    driver = connect(fast_path=fast)
    name = table("k int PRIMARY KEY, v text")
    await driver.execute_many_async(
        f"INSERT INTO {name} (k, v) VALUES (?, ?)", ([k, "x" * 5000] for k in range(200))
    )
    stmt = f"SELECT v FROM {name}"
    assert len(driver.execute(stmt, [])) == 200
    rows: list[Any] = []
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(20):
            rows = await driver.execute_async(stmt, []) if is_async else driver.execute(stmt, [])
            assert len(rows) == 200
        rows = []
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert held < 4 * _MIB  # one of them has a MiB


async def _fill(driver: Any, name: str, count: int) -> None:
    """Write so many rows to twenty partitions, a hundred to a batch."""
    insert = f"INSERT INTO {name} (p, n, t) VALUES (?, ?, 'twenty characters, no')"
    gate = asyncio.Semaphore(16)

    async def write(start: int) -> None:
        rows = [(insert, [start // 100 % 20, n]) for n in range(start, min(count, start + 100))]
        async with gate:
            await driver.execute_batch_async(rows, "UNLOGGED", timeout=60)

    await asyncio.gather(*map(write, range(0, count, 100)))


async def test_a_row_of_ten_megabytes(api: Api, table: Callable[[str], str]) -> None:
    """A rejected large write isn't applied; a row of twelve megabytes in four columns is read completely."""
    name = table("k int PRIMARY KEY, v blob, w blob, x blob, y blob")
    value = bytes(range(256)) * (10 * _MIB // 256)
    insert = f"INSERT INTO {name} (k, v) VALUES (1, ?)"
    # A mutation may have half a segment of the node's commit log, which has 8 MiB: it is refused whole.
    with pytest.raises(RequestError):
        await api.execute(insert, [value], timeout=60)
    assert await api.execute(f"SELECT k FROM {name}", []) == []
    value = value[: 3 * _MIB]
    for column in "vwxy":
        await api.execute(f"INSERT INTO {name} (k, {column}) VALUES (1, ?)", [value], timeout=60)
    (row,) = await api.execute(f"SELECT v, w, x, y FROM {name}", [], timeout=60)
    assert list(row.values()) == [value] * 4


async def test_two_thousand_columns(api: Api, table: Callable[[str], str]) -> None:
    """A row with 2,000 columns is written and read."""
    names = [f"c{number}" for number in range(2000)]
    name = table(f"k int PRIMARY KEY, {', '.join(f'{column} int' for column in names)}")
    markers = ", ".join("?" * 2001)
    stmt = f"INSERT INTO {name} (k, {', '.join(names)}) VALUES ({markers})"
    await api.execute(stmt, [1, *range(2000)], timeout=60)
    (row,) = await api.execute(f"SELECT * FROM {name}", [], timeout=60)
    assert [row[column] for column in names] == list(range(2000))


@pytest.mark.reliability
async def test_collections_of_a_hundred_thousand(api: Api, table: Callable[[str], str]) -> None:
    """Lists, sets and maps of 100,000 elements are read as they were written."""
    name = table("k int PRIMARY KEY, l frozen<list<int>>, s frozen<set<int>>, m frozen<map<int, int>>")
    numbers = list(range(100_000))
    values = [numbers, set(numbers), dict(zip(numbers, reversed(numbers), strict=True))]
    for column, value in zip("lsm", values, strict=True):
        await api.execute(f"INSERT INTO {name} (k, {column}) VALUES (1, ?)", [value], timeout=60)
        assert await api.execute_one(f"SELECT {column} FROM {name} WHERE k = 1", [], timeout=60) == value


@pytest.mark.reliability
async def test_a_batch_beyond_the_servers_limit(api: Api, table: Callable[[str], str]) -> None:
    """A batch beyond the server's limit raises its error; one beyond the protocol's limit isn't sent."""
    name = table("k int PRIMARY KEY, v blob")
    insert = f"INSERT INTO {name} (k, v) VALUES (?, ?)"
    with pytest.raises(InvalidQueryError, match=r"(?i)batch"):
        await api.execute_batch([(insert, [k, b"x" * 20_000]) for k in range(20)])
    assert await api.execute(f"SELECT k FROM {name}", []) == []
    with pytest.raises(ParameterError, match="too large for the protocol"):
        await api.execute_batch([(insert, [k, b""]) for k in range(65_536)])


@pytest.mark.parametrize("count", [pytest.param(2_000), pytest.param(10_000, marks=pytest.mark.reliability)])
async def test_thousands_in_flight(count: int, driver: Any, table: Callable[[str], str]) -> None:
    """Thousands of concurrent requests are queued, and each receives its own response."""
    name = table("k int PRIMARY KEY, v int")
    insert = f"INSERT INTO {name} (k, v) VALUES (?, ?)"
    await driver.execute_async(insert, [0, 0])
    await asyncio.gather(*(driver.execute_async(insert, [k, -k], timeout=100) for k in range(count)))
    select = f"SELECT v FROM {name} WHERE k = ?"
    answers = await asyncio.gather(
        *(driver.execute_one_async(select, [k], timeout=100) for k in range(count))
    )
    assert answers == [-k for k in range(count)]


@pytest.mark.parametrize("count", [pytest.param(1_000), pytest.param(100_000, marks=pytest.mark.reliability)])
async def test_the_statement_cache_stays_bounded(
    count: int, connect: Connector, table: Callable[[str], str]
) -> None:
    """The number of cached prepared statements is bounded for any number of texts."""
    driver = connect(statement_cache_size=100)
    name = table("k int PRIMARY KEY, v int")
    gate = asyncio.Semaphore(64)

    async def ask(number: int) -> Any:
        async with gate:
            return await driver.execute_async(f"SELECT v AS v{number} FROM {name} WHERE k = ?", [number])

    for start in range(0, count, 1000):
        await asyncio.gather(*(ask(number) for number in range(start, min(count, start + 1000))))
        assert len(driver._pipeline.statements) <= 100
