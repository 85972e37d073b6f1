"""Tasks cancelled at random points: nothing in the loop's handler, no stream in flight, nothing left."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import coodie

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.conftest import Connector

pytestmark = pytest.mark.server

#: How many tasks are cancelled; the long form is the one whose figures count.
STORMS = [pytest.param(1_000, id="1k"), pytest.param(10_000, id="10k", marks=pytest.mark.reliability)]


@pytest.fixture
def stored(driver: Any, table: Callable[[str], str]) -> str:
    """Make a table with a partition of several pages."""
    name = table("p int, n int, PRIMARY KEY (p, n)")
    driver.execute_many(f"INSERT INTO {name} (p, n) VALUES (0, ?)", ([n] for n in range(300)))
    return name


def _streams(driver: Any) -> int:
    """Count the streams of the driver's connections that wait for an answer."""
    pools = driver.session.get_pools()
    return sum(connection.in_flight for pool in pools for connection in pool.get_connections())


async def _drain(driver: Any, stmt: str) -> None:
    async for _ in driver.stream_async(stmt, [0], fetch_size=20):
        pass


def _operations(driver: Any, name: str) -> list[Callable[[], Awaitable[Any]]]:
    read = f"SELECT n FROM {name} WHERE p = ?"
    write = f"INSERT INTO {name} (p, n) VALUES (1, ?)"
    texts = iter(range(10**9))
    return [
        lambda: driver.execute_async(read, [0]),
        lambda: driver.execute_async(read, [0], fetch_size=20),
        # A text of its own each time, so that it has to be prepared.
        lambda: driver.execute_async(f"SELECT n FROM {name} WHERE p = ? LIMIT {next(texts) % 500 + 1}", [0]),
        lambda: driver.execute_one_async(read, [0]),
        lambda: driver.execute_async(write, [next(texts)]),
        lambda: driver.execute_batch_async([(write, [n]) for n in range(5)]),
        lambda: driver.execute_many_async(write, ([n] for n in range(20)), concurrency=5),
        lambda: _drain(driver, read),
    ]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("count", STORMS)
async def test_a_storm_of_cancelled_requests(
    count: int, connect: Connector, stored: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Requests of every kind, each cancelled somewhere between its first step and its end."""
    driver = connect()
    problems: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
    operations = _operations(driver, stored)
    for operation in operations:
        await operation()
    threads = threading.active_count()
    gc.collect()
    objects = len(gc.get_objects())
    caplog.clear()
    chance = random.Random(7)
    outcomes: list[Any] = []
    for start in range(0, count, 100):
        tasks = [asyncio.ensure_future(chance.choice(operations)()) for _ in range(min(100, count - start))]
        while tasks:
            await asyncio.sleep(chance.choice((0, 0, 0.001, 0.004)))
            picked = chance.sample(tasks, min(len(tasks), 12))
            for task in picked:
                task.cancel()
                tasks.remove(task)
            outcomes += await asyncio.gather(*picked, return_exceptions=True)
    assert len(outcomes) == count
    wrong = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert wrong == []
    assert sum(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes) > count / 4

    deadline = time.monotonic() + 20
    while (driver._requests.sender.in_flight or _streams(driver)) and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    assert (driver._requests.sender.in_flight, _streams(driver)) == (0, 0)
    del outcomes, wrong
    gc.collect()
    assert problems == []
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []
    # Threads that prepare are started as they are needed, sixteen at most.
    assert threading.active_count() <= threads + 16
    assert len(gc.get_objects()) < objects + 20_000 + 40 * 500  # five hundred statements in the cache
    assert len(await driver.execute_async(f"SELECT n FROM {stored} WHERE p = ?", [0])) == 300


@pytest.mark.timeout(600)
@pytest.mark.parametrize("count", [pytest.param(20), pytest.param(200, marks=pytest.mark.reliability)])
async def test_cancelled_connects_and_closes(
    count: int, cassandra_node: Any, backend: str, registry: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A connect that is cancelled leaves no connection; a close that is cancelled goes on to its end."""
    problems: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
    options = {"hosts": [cassandra_node.host], "port": cassandra_node.port, "driver_type": backend}
    warm = await coodie.init_coodie_async(name="warm", **options)
    await warm.close_async()
    before = _threads_without_coodies()
    chance = random.Random(11)
    cancelled = 0
    for number in range(count):
        connecting = asyncio.ensure_future(coodie.init_coodie_async(name=f"n{number}", **options))
        await asyncio.sleep(chance.random() * 0.12)
        connecting.cancel()
        try:
            driver = await connecting
        except asyncio.CancelledError:
            cancelled += 1
            continue
        closing = asyncio.ensure_future(driver.close_async())
        await asyncio.sleep(chance.random() * 0.01)
        closing.cancel()
        await asyncio.gather(closing, return_exceptions=True)
    assert cancelled
    # What was cancelled closes itself, within the time that a connect may take.
    deadline = time.monotonic() + 60
    while _threads_without_coodies() > before and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    assert _threads_without_coodies() <= before
    assert problems == []


def _threads_without_coodies() -> int:
    """Count the threads that a driver's life has, without those that only close or open one."""
    return sum(not thread.name.startswith("coodie-") for thread in threading.enumerate())
