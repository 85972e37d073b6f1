"""Sessions: one per event loop, one for threads, and how they end."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from coodie.config import build_config
from coodie.exceptions import CoodieError, DriverClosedError
from coodie.plugins import open_driver_async

if TYPE_CHECKING:
    from collections.abc import Callable

    from coodie import Driver

LOCAL = "SELECT key FROM system.local"

#: The threads of this process, those of the client included.
THREADS = Path("/proc/self/task")


async def open_on_loop(node: Any) -> Driver:
    """Connect on the running loop."""
    config = build_config(driver_type="acsylla", hosts=[node.host], port=node.port)
    return cast("Driver", await open_driver_async(config))


async def test_tasks_need_no_thread(cassandra_node: Any) -> None:
    """What Capability.NATIVE_ASYNC says: connecting and requests of tasks start no Python thread."""
    before = set(threading.enumerate())
    driver = await open_on_loop(cassandra_node)
    await asyncio.gather(*[driver.execute_async(LOCAL) for _ in range(200)])
    assert set(threading.enumerate()) == before
    await driver.close_async()


async def test_one_driver_for_all(cassandra_node: Any) -> None:
    """Tasks of several loops, and threads, use one driver at the same time."""
    driver = await open_on_loop(cassandra_node)

    async def use() -> list[Any]:
        return await asyncio.gather(*[driver.execute_one_async(LOCAL) for _ in range(20)])

    async def in_thread(call: Callable[[], Any]) -> Any:
        return await asyncio.to_thread(call)

    found = await asyncio.gather(
        use(),
        in_thread(lambda: asyncio.run(use())),
        in_thread(lambda: [driver.execute_one(LOCAL) for _ in range(20)]),
    )
    assert found == [["local"] * 20] * 3
    await driver.close_async()


def test_loops_that_ended(connect: Callable[..., Driver]) -> None:
    """Each ``asyncio.run`` works, and the sessions of loops that ended are closed."""
    driver = connect()
    asyncio.run(driver.execute_async(LOCAL))
    before = len(list(THREADS.iterdir()))
    for number in range(5):
        asyncio.run(driver.execute_async(f"{LOCAL} /* {number} */"))
    deadline = time.monotonic() + 20
    while len(list(THREADS.iterdir())) > before:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    driver.close()


def test_a_loop_that_is_blocked(cassandra_node: Any) -> None:
    """close() in a thread ends while the loop of a session is blocked."""

    async def main() -> float:
        driver = await open_on_loop(cassandra_node)
        closing = threading.Thread(target=driver.close)
        started = time.monotonic()
        closing.start()
        closing.join(30)  # blocks the loop
        return time.monotonic() - started

    assert asyncio.run(main()) < 10


def test_closing_after_the_loop(cassandra_node: Any) -> None:
    """A driver that was opened on a loop can be closed when that loop has ended, and then says so."""
    driver = asyncio.run(open_on_loop(cassandra_node))
    driver.close()
    with pytest.raises(DriverClosedError):
        driver.execute(LOCAL)


async def test_cancelled_connects(cassandra_node: Any) -> None:
    """A cancelled connect returns at once, without blocking the loop."""
    for delay in (0.0, 0.001, 0.01, 0.05):
        task = asyncio.create_task(open_on_loop(cassandra_node))
        await asyncio.sleep(delay)
        task.cancel()
        started = time.monotonic()
        try:
            driver = await task
        except (asyncio.CancelledError, CoodieError):
            assert time.monotonic() - started < 5
        else:
            await driver.close_async()
