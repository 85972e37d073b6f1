"""One driver for many threads and tasks at once, compared with a model of what has to come out."""

from __future__ import annotations

import asyncio
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]


class Partition:
    """A partition that one worker has to itself, and what it has to hold."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.number = number
        self.rows: dict[int, str | None] = {}
        self.answers = 0
        self._chance = random.Random(number)

    def steps(self, count: int) -> Any:
        """Yield (statement, parameters, paged) and check each answer that is sent back."""
        for _ in range(count):
            n, kind = self._chance.randrange(20), self._chance.randrange(6)
            if kind <= 1:
                text = f"{self.number}:{self._chance.random()}"
                yield f"INSERT INTO {self.name} (p, n, t) VALUES (?, ?, ?)", [self.number, n, text], None
                self.rows[n] = text
            elif kind == 2:
                yield f"DELETE FROM {self.name} WHERE p = ? AND n = ?", [self.number, n], None
                self.rows.pop(n, None)
            elif kind == 3:
                named = {"n": n, "p": self.number}
                rows = yield f"SELECT t FROM {self.name} WHERE p = :p AND n = :n", named, None
                assert rows == ([{"t": self.rows[n]}] if n in self.rows else [])
            else:
                stmt = f"SELECT n, t FROM {self.name} WHERE p = ?"
                rows = yield stmt, [self.number], 3 if kind == 4 else None
                assert [(row["n"], row["t"]) for row in rows] == sorted(self.rows.items())
            self.answers += 1


def _work(driver: Any, partition: Partition, count: int) -> None:
    steps = partition.steps(count)
    stmt, params, size = next(steps)
    while True:
        rows = (
            driver.execute(stmt, params)
            if size is None
            else list(driver.stream(stmt, params, fetch_size=size))
        )
        try:
            stmt, params, size = steps.send(rows)
        except StopIteration:
            return


async def _work_async(driver: Any, partition: Partition, count: int) -> None:
    steps = partition.steps(count)
    stmt, params, size = next(steps)
    while True:
        if size is None:
            rows = await driver.execute_async(stmt, params)
        else:
            rows = [row async for row in driver.stream_async(stmt, params, fetch_size=size)]
        try:
            stmt, params, size = steps.send(rows)
        except StopIteration:
            return


@pytest.mark.parametrize(
    ("tasks", "count"), [pytest.param(200, 10), pytest.param(1000, 60, marks=pytest.mark.reliability)]
)
async def test_threads_and_tasks_share_a_driver(
    tasks: int, count: int, driver: Any, table: Callable[[str], str]
) -> None:
    """32 threads and many tasks write, delete, read and page with one driver, while columns are added."""
    name = table("p int, n int, t text, PRIMARY KEY (p, n)")
    of_threads = [Partition(name, p) for p in range(32)]
    of_tasks = [Partition(name, 100 + p) for p in range(tasks)]
    stop = threading.Event()

    def change_the_schema() -> int:
        """Add columns, each after all workers could send a request or two, however slow the machine is."""
        changes = answers = 0
        while True:
            driver.execute(f"ALTER TABLE {name} ADD extra{changes} int", [])
            changes += 1
            answers += 2 * (tasks + 32)
            while not stop.wait(0.3):
                if sum(one.answers for one in (*of_threads, *of_tasks)) >= answers:
                    break
            else:
                return changes

    with ThreadPoolExecutor(33) as pool:
        changing = pool.submit(change_the_schema)
        working = [pool.submit(_work, driver, one, count) for one in of_threads]
        try:
            await asyncio.gather(*(_work_async(driver, one, count) for one in of_tasks))
            loop = asyncio.get_running_loop()
            for thread in working:
                await loop.run_in_executor(None, thread.result)
        finally:
            stop.set()
        assert changing.result() > 0
