"""The backends on uvloop's event loop: results, pages, cancelling and closing are the same there."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest
import uvloop

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Connector

ROWS = 12_000


@pytest.mark.parametrize("fast_path", [True, pytest.param(False, marks=pytest.mark.reliability)])
def test_on_uvloop(fast_path: bool, connect: Connector, table: Callable[[str], str]) -> None:
    """On uvloop, writes, reads, pages, streams, batches and cancellations work, on both paths."""
    driver: Any = connect(fast_path=fast_path)
    name = table("p int, n int, v text, PRIMARY KEY (p, n)")
    insert = f"INSERT INTO {name} (p, n, v) VALUES (?, ?, ?)"
    select = f"SELECT n, v FROM {name} WHERE p = ?"
    expected = [{"n": n, "v": f"v{n}"} for n in range(ROWS)]

    async def use() -> int:
        await driver.execute_many_async(insert, ((1, n, f"v{n}") for n in range(ROWS)), concurrency=200)
        assert await driver.execute_async(select, [1]) == expected
        assert [row async for row in driver.stream_async(select, [1])] == expected
        page = await driver.execute_async(select, [1], fetch_size=10)
        assert (
            await driver.execute_async(select, [1], fetch_size=5, paging_state=page.paging_state)
            == (expected[10:15])
        )
        await driver.execute_batch_async([(insert, [2, n, "b"]) for n in range(3)])
        assert await driver.execute_one_async(f"SELECT count(*) FROM {name} WHERE p = ?", [2]) == 3
        given_up = asyncio.ensure_future(driver.execute_async(select, [1]))
        await asyncio.sleep(0)
        given_up.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await given_up
        assert await driver.execute_async(f"{select} AND n = ?", [1, 7]) == [expected[7]]
        path = driver._client.fast
        return 0 if path is None else len(path._loops)

    for _ in range(2):  # each run has a loop of its own
        loop = uvloop.new_event_loop()
        try:
            assert loop.run_until_complete(use()) == int(fast_path)
        finally:
            loop.close()
