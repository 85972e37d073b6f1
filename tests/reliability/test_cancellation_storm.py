"""Tasks cancelled at random moments, whatever they are at: nothing of them stays."""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

import coodie
from coodie import row_shapes
from coodie.drivers.cassandra.fastpath import encoder, generated_reader
from coodie.exceptions import CoodieError
from coodie_testing.resources import ResourceSnapshot

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.conftest import Connector

    from coodie.registry import DriverRegistry

pytestmark = [pytest.mark.server, pytest.mark.timeout(1800)]

_MIB = 1 << 20
#: How many tasks there are at a time.
_WAVE = 200
#: How many of a wave connect or close; that costs threads, which the machine has few of.
_CONNECTING = 4


class Storm:
    """What the tasks do, each with a statement, a partition and a moment of its own.

    Args:
        driver: The driver that most of them share.
        name: A table with the columns ``p int, n int, v text, PRIMARY KEY (p, n)``.
        opening: Opens a driver of a task's own.
    """

    def __init__(self, driver: Any, name: str, opening: Callable[[], Awaitable[Any]]) -> None:
        self._driver = driver
        self._name = name
        self._opening = opening
        self._chance = random.Random(7)
        self._numbers = iter(range(1 << 30))
        #: Drivers that were opened and whose task was cancelled before it had closed them.
        self.left: list[Any] = []
        self.outcomes: dict[str, int] = {}

    async def prepare(self) -> None:
        """Execute a statement that nobody has prepared yet."""
        number = next(self._numbers)
        await self._driver.execute_async(f"SELECT v AS v{number} FROM {self._name} WHERE p = ?", [0])

    async def execute(self) -> None:
        """Execute one that is prepared."""
        await self._driver.execute_async(f"INSERT INTO {self._name} (p, n, v) VALUES (?, ?, 'x')", [1, 1])

    async def page(self) -> None:
        """Read page by page."""
        state = None
        while True:
            rows = await self._driver.execute_async(
                f"SELECT n FROM {self._name} WHERE p = ?", [0], fetch_size=50, paging_state=state
            )
            state = rows.paging_state
            if state is None:
                return

    async def stream(self) -> None:
        """Read ahead."""
        stmt = f"SELECT n, v FROM {self._name} WHERE p = ?"
        async for _ in self._driver.stream_async(stmt, [0], fetch_size=50):
            pass

    async def execute_many(self) -> None:
        """Keep several in flight."""
        stmt = f"INSERT INTO {self._name} (p, n, v) VALUES (?, ?, 'x')"
        await self._driver.execute_many_async(stmt, ((2, n) for n in range(50)), concurrency=8)

    async def batch(self) -> None:
        """Send a batch."""
        stmt = f"INSERT INTO {self._name} (p, n, v) VALUES (?, ?, 'x')"
        await self._driver.execute_batch_async([(stmt, [3, n]) for n in range(5)])

    async def connect(self) -> None:
        """Open, use and close a driver; what was opened is the task's own to close."""
        driver = await self._opening()
        self.left.append(driver)
        await driver.execute_async("SELECT key FROM system.local", [])
        await driver.close_async()
        self.left.remove(driver)

    async def wave(self) -> None:
        """Start tasks, and cancel each of them after a while of its own."""
        kinds = [self.prepare, self.execute, self.page, self.stream, self.execute_many, self.batch]
        work = [self._chance.choice(kinds) for _ in range(_WAVE - _CONNECTING)] + [self.connect] * _CONNECTING
        tasks = [asyncio.ensure_future(each()) for each in work]
        loop = asyncio.get_running_loop()
        for task, each in zip(tasks, work, strict=True):
            longest = 2.0 if each == self.connect else 1.0
            loop.call_later(self._chance.random() * longest, task.cancel)
        for outcome in await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 120):
            name = "finished" if outcome is None else type(outcome).__name__
            self.outcomes[name] = self.outcomes.get(name, 0) + 1
            assert outcome is None or isinstance(outcome, (asyncio.CancelledError, CoodieError)), outcome
        for driver in self.left:
            await driver.close_async()
        self.left.clear()


async def _until(clean: Callable[[], str]) -> None:
    """Wait until there is nothing to say."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 60
    while left := clean():
        assert loop.time() < deadline, left
        await asyncio.sleep(0.1)


def _held() -> int:
    """Return how many bytes are held beside what is kept by number: of statements that were executed."""
    for kept in (row_shapes._row_builder, encoder._generate, generated_reader._generate):
        kept.cache_clear()
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def _in_flight(driver: Any) -> str:
    pools = driver.session.get_pools()
    streams = sum(each.in_flight for pool in pools for each in pool.get_connections())
    waiting = driver._client.sender.in_flight
    return f"{streams} streams, {waiting} requests" if streams or waiting else ""


@pytest.mark.reliability
@pytest.mark.parametrize("count", [10_000])
async def test_a_storm(
    count: int,
    connect: Connector,
    table: Callable[[str], str],
    cassandra_node: Any,
    backend: str,
    registry: DriverRegistry,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    """Thousands of cancelled tasks leave no stream, thread, file, memory or log line behind."""
    name = table("p int, n int, v text, PRIMARY KEY (p, n)")
    # pytest keeps what is logged, and with a traceback the Cluster that failed to connect.
    monkeypatch.setattr(logging.getLogger("cassandra"), "propagate", False)
    before = ResourceSnapshot()
    driver = connect(statement_cache_size=50)
    stmt = f"INSERT INTO {name} (p, n, v) VALUES (0, ?, 'some text')"
    await driver.execute_many_async(stmt, ([n] for n in range(500)))
    options = cassandra_node.connection_options() | {"driver_type": backend, "connect_timeout": 20}

    async def opening() -> Any:
        return await coodie.init_coodie_async(name="in the storm", **options)

    storm = Storm(driver, name, opening)
    told: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    await storm.wave()
    tracemalloc.start()
    try:
        await storm.wave()
        await _until(lambda: _in_flight(driver))
        first = _held()
        for _ in range(count // _WAVE - 2):
            await storm.wave()
        await _until(lambda: _in_flight(driver))
        assert len(await driver.execute_async(f"SELECT n FROM {name} WHERE p = 0", [])) == 500
        # A connect that was cancelled goes on in its thread, and holds what it has made so far.
        await driver.close_async()
        await _until(before.excess)
        last = _held()
    finally:
        tracemalloc.stop()
    assert told == []
    assert storm.outcomes["CancelledError"] > count / 10
    assert last - first < 2 * _MIB
    for outcome, number in sorted(storm.outcomes.items()):
        record_property(outcome, number)
    record_property("memory more (KiB)", round((last - first) / 1024))
