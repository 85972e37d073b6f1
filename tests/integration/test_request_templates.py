"""Request templates: what later requests of a statement share with the first, in one tick or later."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.ways import Ways

from coodie.exceptions import (
    ConfigurationError,
    DriverClosedError,
    ParameterError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.server


class _Fast:
    """A driver whose loop has a connection, and how many requests were looked at one by one."""

    def __init__(self, driver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.driver = driver
        self.ways = Ways(driver)
        self.looked_at = 0
        path = driver._client.fast
        original = path.build_request

        def ask(request: Any, terms: Any) -> Any:
            self.looked_at += request.paging_state is None
            return original(request, terms)

        monkeypatch.setattr(path, "build_request", ask)

    async def together(self, stmt: str, several: list[Any], **arguments: Any) -> list[Any]:
        """Execute once for each of several parameters, all in one turn; return rows and errors."""
        self.looked_at = 0
        calls = [self.driver.execute_async(stmt, params, **arguments) for params in several]
        return await asyncio.gather(*calls, return_exceptions=True)


@pytest.fixture(params=[5, 4], ids=["v5", "v4"])
def fast(
    connect: Callable[..., Any], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> _Fast:
    """Connect with the fast path."""
    return _Fast(connect(protocol_version=request.param, fast_path=True), monkeypatch)


@pytest.fixture
def rows(table: Callable[[str], str], driver: Any) -> str:
    """Return the name of a table with the rows 0 to 9."""
    name = table("k int PRIMARY KEY, v int, t text")
    driver.execute_many(
        f"INSERT INTO {name} (k, v, t) VALUES (?, ?, 'text')", [[k, 10 * k] for k in range(10)]
    )
    return name


async def test_rows_of_their_own(fast: _Fast, rows: str) -> None:
    """Each request gets its own rows; only the first ones of a turn are looked at."""
    select = f"SELECT v, t FROM {rows} WHERE k = ?"
    await fast.ways.warm_async(select, [0])
    before = fast.ways.drivers
    for _ in range(3):
        got = await fast.together(select, [[k] for k in range(50)])
        assert got == [[{"v": 10 * k, "t": "text"}] if k < 10 else [] for k in range(50)]
        assert fast.looked_at <= 3
    assert fast.ways.drivers == before


async def test_levels_of_their_own(fast: _Fast, rows: str) -> None:
    """Requests at another level aren't alike, and a level that is none is refused in the midst of others."""
    select = f"SELECT v FROM {rows} WHERE k = ?"
    await fast.ways.warm_async(select, [0])
    execute = fast.driver.execute_async
    calls = [
        call
        for level in ("ONE", "QUORUM", None, "local_one")
        for call in (execute(select, [1]), execute(select, [1], level), execute(select, [1], level))
    ]
    wrong = [execute(select, [1], "MANY"), execute(select, [1], ["ONE"]), execute([select], [1])]
    *good, many, unhashable, no_text = await asyncio.gather(*calls, *wrong, return_exceptions=True)
    assert good == [[{"v": 10}]] * 12
    assert all(isinstance(one, ConfigurationError) for one in (many, unhashable, no_text))


async def test_wrong_parameters(fast: _Fast, rows: str) -> None:
    """They are refused as they are alone, and those beside them are served."""
    select = f"SELECT v FROM {rows} WHERE k = ?"
    await fast.ways.warm_async(select, [0])
    got = await fast.together(select, [[1], [2], ["no number"], [3], [], [1, 2], [None], [2**31], {"k": 4}])
    assert [got[n] for n in (0, 1, 3, 8)] == [[{"v": 10 * k}] for k in (1, 2, 3, 4)]
    for n in (2, 4, 5, 6, 7):
        with pytest.raises(ParameterError) as alone:
            await fast.driver.execute_async(
                select, [["no number"], [], [1, 2], [None], [2**31]][(2, 4, 5, 6, 7).index(n)]
            )
        assert isinstance(got[n], ParameterError)
        assert str(got[n]) == str(alone.value)


def test_execute_many(fast: _Fast, rows: str) -> None:
    """Only the first executions are looked at; each has its own rows or error."""
    select = f"SELECT v FROM {rows} WHERE k = ?"
    fast.ways.warm(select, [0])
    fast.looked_at = 0
    several: list[Any] = [*([k] for k in range(50)), ["no number"], {"k": 4}]
    result = fast.driver.execute_many(select, several, concurrency=8, raise_on_error=False)
    assert [result.rows(k) for k in range(10)] == [[{"v": 10 * k}] for k in range(10)]
    assert result.rows(51) == [{"v": 40}]
    assert result.succeeded == 51
    assert list(result.errors) == [50]
    assert isinstance(result.errors[50], ParameterError)
    assert fast.looked_at <= 3


async def test_many_pages(fast: _Fast, table: Callable[[str], str]) -> None:
    """A result of several pages comes whole to each of several who ask at once; none asks twice for one."""
    name = table("p int, n int, PRIMARY KEY (p, n)")
    await fast.driver.execute_many_async(
        f"INSERT INTO {name} (p, n) VALUES (0, ?)", ([n] for n in range(11_000))
    )
    select = f"SELECT n FROM {name} WHERE p = ?"
    await fast.ways.warm_async(select, [0])
    for got in await fast.together(select, [[0]] * 6):
        assert [row["n"] for row in got] == list(range(11_000))
    assert fast.looked_at <= 3
    fast.looked_at = 0
    assert await asyncio.gather(*[fast.driver.execute_one_async(select, [0]) for _ in range(6)]) == [0] * 6
    assert fast.looked_at <= 3


async def test_the_first_value(fast: _Fast, rows: str) -> None:
    """execute_one_async is served alike: the first column, or None."""
    select = f"SELECT v, t FROM {rows} WHERE k = ?"
    await fast.ways.warm_async(select, [0])
    fast.looked_at = 0
    got = await asyncio.gather(*[fast.driver.execute_one_async(select, [k]) for k in range(20)])
    assert got == [10 * k if k < 10 else None for k in range(20)]
    assert fast.looked_at <= 3


async def test_the_last_write_wins(fast: _Fast, rows: str) -> None:
    """Writes of one turn have times in the order in which they were asked for."""
    insert = f"INSERT INTO {rows} (k, v) VALUES (?, ?)"
    await fast.ways.warm_async(insert, [0, 0])
    for last in range(100, 110):
        await fast.together(insert, [[7, v] for v in range(last + 1)])
        assert await fast.driver.execute_one_async(f"SELECT v FROM {rows} WHERE k = 7", []) == last


async def test_our_own_schema_change_in_the_midst(
    fast: _Fast, driver: Any, table: Callable[[str], str]
) -> None:
    """What was looked at before this driver changed the schema counts no more, in the same turn, too."""
    name = table("k int PRIMARY KEY, v int")
    insert = f"INSERT INTO {name} (k, v) VALUES (?, ?)"
    await fast.ways.warm_async(insert, [0, 1])

    async def change() -> None:
        # These block the loop: for once, that is the point.
        fast.driver.execute(f"DROP TABLE {name}", [])
        fast.driver.execute(f"CREATE TABLE {name} (k int PRIMARY KEY, v bigint)", [])
        # The statement is known to the server again, under its old id.
        driver.execute(insert, [9, 1])

    execute = fast.driver.execute_async
    early, late = [[execute(insert, [k, 5]) for k in range(4)] for _ in range(2)]
    outcomes = await asyncio.gather(*early, change(), *late, return_exceptions=True)
    assert outcomes[5:] == [[]] * 4


async def test_closing_in_the_midst(fast: _Fast, rows: str) -> None:
    """After close nothing is sent any more, be it in the same turn; what was is answered or told so."""
    select = f"SELECT v FROM {rows} WHERE k = ?"
    await fast.ways.warm_async(select, [0])

    async def close() -> None:
        fast.driver.close()

    early, late = [[fast.driver.execute_async(select, [k]) for k in range(4)] for _ in range(2)]
    outcomes = await asyncio.gather(*early, close(), *late, return_exceptions=True)
    for outcome in outcomes[:4]:
        assert isinstance(outcome, (list, DriverClosedError))
    for outcome in outcomes[5:]:
        assert isinstance(outcome, DriverClosedError)
        assert "in flight" not in str(outcome)


async def test_cancelled_ones(fast: _Fast, rows: str) -> None:
    """Those beside them get their rows, and their streams come back."""
    select = f"SELECT v FROM {rows} WHERE k = ?"
    await fast.ways.warm_async(select, [0])
    for _ in range(20):
        tasks = [asyncio.ensure_future(fast.driver.execute_async(select, [k])) for k in range(10)]
        await asyncio.sleep(0)
        for task in tasks[1::2]:
            task.cancel()
        got = await asyncio.gather(*tasks, return_exceptions=True)
        assert got[::2] == [[{"v": 10 * k}] for k in range(0, 10, 2)]
        assert all(isinstance(one, asyncio.CancelledError) for one in got[1::2])
    await fast.driver.execute_async(select, [0])
    while fast.driver._client.fast.in_flight:
        await asyncio.sleep(0.01)
