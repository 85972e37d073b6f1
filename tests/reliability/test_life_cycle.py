"""A driver's life: opened and closed many times, closed from elsewhere, used by one loop after the other."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import open_driver
from tests.integration.ways import Ways

import coodie
from coodie.exceptions import CoodieError, DriverClosedError
from coodie_testing.faults import Silence
from coodie_testing.resources import ResourceSnapshot

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Connector

    from coodie.registry import DriverRegistry
    from coodie_testing.faults import FaultProxy

pytestmark = [pytest.mark.server, pytest.mark.timeout(900)]

LOCAL = "SELECT key FROM system.local"
_MIB = 1 << 20

#: How often a driver is opened, used and closed.
_LIVES = 200


@pytest.fixture(
    params=[{}, pytest.param({"fast_path": False}, marks=pytest.mark.reliability)], ids=["", "driver's way"]
)
def answering(connect: Connector, proxy: FaultProxy, request: pytest.FixtureRequest) -> Any:
    """Connect to a node that answers until it is told not to."""
    driver = connect(hosts=[proxy.host], port=proxy.port, request_timeout=100, **request.param)
    driver.execute(LOCAL, [])
    return driver


async def _nothing_left(before: ResourceSnapshot, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while left := before.excess():
        assert time.monotonic() < deadline, f"left behind: {left}"
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.reliability
async def test_connecting_and_closing_leaves_nothing(
    is_async: bool,
    cassandra_node: Any,
    backend: str,
    registry: DriverRegistry,
    record_property: Callable[[str, object], None],
) -> None:
    """Repeated connecting and closing leaks no threads, files or memory."""
    options = cassandra_node.connection_options() | {"connect_timeout": 30}

    async def live() -> None:
        if is_async:
            driver = await coodie.init_coodie_async(driver_type=backend, **options)
            await driver.execute_async(LOCAL, [])
            await driver.close_async()
        else:
            driver = open_driver(backend, **options)
            driver.execute(LOCAL, [])
            driver.close()

    for _ in range(3):
        await live()
    await asyncio.sleep(0.5)
    before = ResourceSnapshot()
    tracemalloc.start()
    try:
        for _ in range(3):
            await live()
        gc.collect()
        first, _ = tracemalloc.get_traced_memory()
        for _ in range(_LIVES):
            await live()
        await _nothing_left(before)
        gc.collect()
        last, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    grown = last - first
    record_property("threads more", len(set(threading.enumerate()) - before.threads))
    record_property("open files more", (ResourceSnapshot().files or 0) - (before.files or 0))
    record_property("memory more (KiB)", round(grown / 1024))
    assert grown < _MIB


@pytest.mark.parametrize("count", [1000, pytest.param(10_000, marks=pytest.mark.reliability)])
async def test_closing_amid_requests(
    count: int,
    connect: Connector,
    table: Callable[[str], str],
    record_property: Callable[[str, object], None],
) -> None:
    """Closing a driver ends thousands of requests with a result or an error; no thread hangs."""
    driver = connect()
    name = table("k int PRIMARY KEY, v int")
    stmt = f"INSERT INTO {name} (k, v) VALUES (?, 0)"
    await driver.execute_async(stmt, [0])
    outcomes: list[object] = []

    def write() -> None:
        try:
            while True:
                driver.execute(stmt, [1])
        except CoodieError as exc:
            outcomes.append(exc)

    threads = [threading.Thread(target=write) for _ in range(16)]
    for thread in threads:
        thread.start()
    tasks = [asyncio.ensure_future(driver.execute_async(stmt, [k], timeout=60)) for k in range(count)]
    await asyncio.sleep(0.05)
    started = time.monotonic()
    await driver.close_async()
    outcomes += await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 30)
    for thread in threads:
        await asyncio.to_thread(thread.join, 30)
    record_property("seconds", round(time.monotonic() - started, 1))
    assert [thread for thread in threads if thread.is_alive()] == []
    assert len(outcomes) == count + 16
    strange = [each for each in outcomes if each != [] and not isinstance(each, CoodieError)]
    assert strange == []
    with pytest.raises(DriverClosedError):
        await driver.execute_async(stmt, [1])


async def test_closing_from_another_loop(answering: Any, proxy: FaultProxy) -> None:
    """Requests of an event loop end with an error when a loop in another thread closes the driver."""
    if answering.fast_path_refusal is None:
        await Ways(answering).warm_async(LOCAL)
    proxy.add(Silence(), contains=LOCAL, times=None)
    told: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    tasks = [asyncio.ensure_future(answering.execute_async(LOCAL, [])) for _ in range(100)]
    await asyncio.sleep(0.2)
    await asyncio.wait_for(asyncio.to_thread(asyncio.run, answering.close_async()), 30)
    outcomes = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 30)
    assert [each for each in outcomes if not isinstance(each, CoodieError)] == []
    assert told == []


@pytest.mark.parametrize("closer", ["main thread", "another thread", "loop"])
def test_closing_from_another_thread(closer: str, answering: Any, proxy: FaultProxy) -> None:
    """Waiting threads receive an error at once when the driver is closed, from any thread or loop."""
    if answering.fast_path_refusal is None:
        Ways(answering).warm(LOCAL)
    proxy.add(Silence(), contains=LOCAL, times=None)
    outcomes: list[object] = []

    def ask() -> None:
        try:
            outcomes.append(answering.execute(LOCAL, []))
        except CoodieError as exc:
            outcomes.append(exc)

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    if closer == "main thread":
        answering.close()
    elif closer == "another thread":
        other = threading.Thread(target=answering.close)
        other.start()
        other.join(30)
    else:
        asyncio.run(asyncio.wait_for(answering.close_async(), 30))
    for thread in threads:
        thread.join(30)
    assert [thread for thread in threads if thread.is_alive()] == []
    assert [each for each in outcomes if not isinstance(each, CoodieError)] == []
    assert len(outcomes) == 16


@pytest.mark.reliability
@pytest.mark.parametrize("count", [200])
def test_one_loop_after_the_other(count: int, connect: Connector, table: Callable[[str], str]) -> None:
    """One driver serves many event loops in turn, even with unfinished requests of the previous one."""
    driver = connect()
    name = table("k int PRIMARY KEY, v int")

    async def work(turn: int) -> list[Any]:
        await driver.execute_async(f"INSERT INTO {name} (k, v) VALUES (?, ?)", [turn, -turn])
        left = [
            asyncio.ensure_future(driver.execute_async(f"SELECT v FROM {name} WHERE k = ?", [k]))
            for k in range(20)
        ]
        await asyncio.sleep(0)
        del left  # asyncio.run cancels them
        rows = await driver.execute_async(f"SELECT v FROM {name} WHERE k = ?", [turn])
        return [row["v"] for row in rows]

    assert asyncio.run(work(0)) == [0]
    before = ResourceSnapshot()
    for turn in range(1, count):
        assert asyncio.run(work(turn)) == [-turn]
    # Each loop may have connections of its own, which end soon after it has.
    deadline = time.monotonic() + 20
    while before.excess() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert set(threading.enumerate()) - before.threads == set()
    assert (ResourceSnapshot().files or 0) - (before.files or 0) < 5
    assert driver.execute_one(f"SELECT count(*) FROM {name}", []) == count
