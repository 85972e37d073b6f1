"""Paging: no row is lost, repeated or mixed up, and a broken paging state harms nobody."""

from __future__ import annotations

import asyncio
import inspect
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from coodie.exceptions import ConfigurationError, PagingStateError
from coodie.paging import open_paging_state, seal_paging_state

if TYPE_CHECKING:
    from tests.conftest import Api

pytestmark = pytest.mark.server

_PARTITIONS = 8
_ROWS = 700


@pytest.fixture(scope="module")
def filled(driver: Any, keyspace: str) -> str:
    """Fill several partitions."""
    name = f"{keyspace}.filled"
    driver.execute(f"CREATE TABLE {name} (p int, n int, PRIMARY KEY (p, n))", [])
    driver.execute_many(
        f"INSERT INTO {name} (p, n) VALUES (?, ?)", ((p, n) for p in range(_PARTITIONS) for n in range(_ROWS))
    )
    return name


async def _pages(api: Api, stmt: str, params: list[Any], fetch_size: int) -> list[int]:
    seen: list[int] = []
    state = None
    while True:
        page = await api.execute(stmt, params, fetch_size=fetch_size, paging_state=state)
        assert len(page) <= fetch_size
        assert page.has_more_pages is (page.paging_state is not None)
        seen += [row["n"] for row in page]
        state = page.paging_state
        if state is None:
            return seen


@pytest.mark.parametrize("fetch_size", [1 + _ROWS, _ROWS, 100, 97])
async def test_pages_add_up(api: Api, filled: str, fetch_size: int) -> None:
    """One page at a time gives every row once, in order."""
    assert await _pages(api, f"SELECT n FROM {filled} WHERE p = ?", [3], fetch_size) == list(range(_ROWS))


async def test_many_tasks_page_at_once(driver: Any, filled: str) -> None:
    """Forty pagers through one driver never see each other's pages."""

    async def pager(p: int) -> None:
        seen: list[tuple[int, int]] = []
        state = None
        while True:
            page = await driver.execute_async(
                f"SELECT p, n FROM {filled} WHERE p = ?", [p], fetch_size=90, paging_state=state
            )
            seen += [(row["p"], row["n"]) for row in page]
            state = page.paging_state
            if state is None:
                break
        assert seen == [(p, n) for n in range(_ROWS)]

    await asyncio.gather(*(pager(number % _PARTITIONS) for number in range(40)))


def test_many_threads_page_at_once(driver: Any, filled: str) -> None:
    """As with tasks; each thread's ``_last_paging_state`` is its own."""

    def pager(p: int) -> list[tuple[int, int]]:
        seen: list[tuple[int, int]] = []
        page = driver.execute(f"SELECT p, n FROM {filled} WHERE p = ?", [p], fetch_size=90)
        while True:
            assert driver._last_paging_state == page.paging_state
            seen += [(row["p"], row["n"]) for row in page]
            if page.paging_state is None:
                return seen
            page = driver.execute(
                f"SELECT p, n FROM {filled} WHERE p = ?", [p], None, None, 90, driver._last_paging_state
            )

    with ThreadPoolExecutor(16) as pool:
        for number, seen in enumerate(pool.map(pager, [number % _PARTITIONS for number in range(32)])):
            assert seen == [(number % _PARTITIONS, n) for n in range(_ROWS)]


async def test_the_last_paging_state_is_the_tasks_own(driver: Any, filled: str) -> None:
    """It's set in the caller's task after the last await, reset by each call, and unseen elsewhere."""
    stmt = f"SELECT n FROM {filled} WHERE p = 0"
    page = await driver.execute_async(stmt, [], fetch_size=10)
    assert driver._last_paging_state == page.paging_state is not None

    async def other() -> bytes | None:
        await driver.execute_async(stmt, [], fetch_size=20)
        state: bytes | None = driver._last_paging_state
        return state

    theirs = await asyncio.create_task(other())
    assert theirs is not None
    assert theirs != driver._last_paging_state == page.paging_state
    await driver.execute_async("SELECT key FROM system.local", [])
    assert driver._last_paging_state is None
    assert inspect.iscoroutinefunction(driver.execute_async)


def test_the_last_paging_state_is_the_drivers_own(driver: Any, connect: Any, filled: str) -> None:
    """Another driver reads None."""
    driver.execute(f"SELECT n FROM {filled} WHERE p = 0", [], fetch_size=10)
    assert driver._last_paging_state is not None
    assert connect()._last_paging_state is None


async def test_a_failed_request_resets_the_last_paging_state(api: Api, filled: str) -> None:
    """What an error leaves is no state at all."""
    stmt = f"SELECT n FROM {filled} WHERE p = 0"
    await api.execute(stmt, [], fetch_size=10)
    with pytest.raises(ConfigurationError):
        await api.execute(stmt, [], timeout=-1)
    assert api.driver._last_paging_state is None


async def test_broken_paging_states_are_refused_before_sending(api: Api, filled: str) -> None:
    """Empty, cut, altered, another statement's, raw: each raises, and writes beside go on unharmed."""
    stmt = f"SELECT n FROM {filled} WHERE p = 0"
    good = (await api.execute(stmt, [], fetch_size=10)).paging_state
    raw = open_paging_state(good, stmt)
    altered = bytearray(good)
    altered[-1] ^= 1
    broken = [b"", good[:-1], good[:5], bytes(altered), raw, os.urandom(40), "text", good + b"\0"]
    writes = asyncio.gather(
        *(
            api.driver.execute_async(f"INSERT INTO {filled} (p, n) VALUES (100, ?)", [n], timeout=20)
            for n in range(200)
        )
    )
    for state in broken:
        with pytest.raises(PagingStateError):
            await api.execute(stmt, [], fetch_size=10, paging_state=state)
    with pytest.raises(PagingStateError):
        await api.execute(f"{stmt} ", [], fetch_size=10, paging_state=good)
    await writes
    assert await api.execute_one(f"SELECT count(*) FROM {filled} WHERE p = 100", []) == 200


async def test_a_raw_state_enters_through_the_seal(api: Api, filled: str) -> None:
    """A state that another client got is sealed first, and then goes on where it stopped."""
    stmt = f"SELECT n FROM {filled} WHERE p = 0"
    raw = open_paging_state((await api.execute(stmt, [], fetch_size=10)).paging_state, stmt)
    rest = await api.execute(stmt, [], paging_state=seal_paging_state(raw, stmt))
    assert [row["n"] for row in rest] == list(range(10, _ROWS))


@pytest.mark.parametrize("fetch_size", [1, 50, 10_000])
async def test_stream_yields_every_row(api: Api, filled: str, fetch_size: int) -> None:
    """Streaming gives the same rows as execute."""
    limit = 60 if fetch_size == 1 else _ROWS
    stmt = f"SELECT n FROM {filled} WHERE p = ? LIMIT {limit}"
    assert [row["n"] async for row in api.stream(stmt, [2], fetch_size=fetch_size)] == list(range(limit))


async def test_leaving_a_stream_early_is_clean(driver: Any, filled: str) -> None:
    """The page under way is let go, nothing reaches the loop's exception handler."""
    problems: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
    for _ in range(20):
        rows = driver.stream_async(f"SELECT n FROM {filled}", fetch_size=10)
        async with aclosing(rows):
            async for row in rows:
                assert row["n"] >= 0
                break
    await asyncio.sleep(0.2)
    assert problems == []
    assert await driver.ping_async()


@pytest.mark.parametrize("fetch_size", [0, -1, "many"])
def test_a_bad_fetch_size_is_refused_at_the_call(driver: Any, filled: str, fetch_size: Any) -> None:
    """Not only when the first row is asked for."""
    with pytest.raises(ConfigurationError):
        driver.stream(f"SELECT n FROM {filled}", fetch_size=fetch_size)
    with pytest.raises(ConfigurationError):
        driver.stream_async(f"SELECT n FROM {filled}", fetch_size=fetch_size)
