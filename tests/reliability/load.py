"""Writes at QUORUM without a pause, sync or async, and a record of what came of each."""

from __future__ import annotations

import asyncio
import threading
import time
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from coodie.exceptions import CoodieError

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Load", "Record"]


@dataclass
class Record:
    """What came of the writes."""

    #: Worker → the numbers whose writes were acknowledged.
    acknowledged: dict[int, list[int]] = field(default_factory=dict)
    #: When each of them was, on the monotonic clock, in order.
    times: list[float] = field(default_factory=list)
    #: The class of each error → how many there were.
    errors: Counter[type[BaseException]] = field(default_factory=Counter)
    #: The longest that a write took, in seconds.
    longest: float = 0.0

    def rate(self, start: float, end: float) -> float:
        """Return acknowledged writes per second between two moments."""
        return (bisect_left(self.times, end) - bisect_left(self.times, start)) / (end - start)


class Load:
    """Workers that write until the block ends, each in a partition of its own.

    Args:
        driver: Through which.
        table: With the columns ``worker int, n int, PRIMARY KEY (worker, n)``.
        is_async: Tasks on a loop in a thread of its own, in the place of threads.
        workers: How many.
        timeout: Seconds for each write.
    """

    def __init__(self, driver: Any, table: str, *, is_async: bool, workers: int, timeout: float) -> None:
        self.record = Record()
        self._driver = driver
        self._stmt = f"INSERT INTO {table} (worker, n) VALUES (?, ?)"
        self._terms = {"consistency": "QUORUM", "timeout": timeout}
        self._workers = workers
        self._stopping = False
        self._lock = threading.Lock()
        work = [self._run_tasks] if is_async else [self._thread_of(number) for number in range(workers)]
        self._threads = [threading.Thread(target=target, name="load") for target in work]

    def __enter__(self) -> Load:  # noqa: PYI034 - nothing derives from it
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping = True
        for thread in self._threads:
            thread.join(120)
        assert not any(thread.is_alive() for thread in self._threads), "a write hangs"

    def _note(self, worker: int, n: int, started: float, error: BaseException | None) -> None:
        now = time.monotonic()
        with self._lock:
            self.record.longest = max(self.record.longest, now - started)
            if error is None:
                self.record.acknowledged.setdefault(worker, []).append(n)
                self.record.times.append(now)
            else:
                self.record.errors[type(error)] += 1

    def _thread_of(self, worker: int) -> Any:
        def write() -> None:
            n = 0
            while not self._stopping:
                started = time.monotonic()
                try:
                    self._driver.execute(self._stmt, [worker, n], **self._terms)
                except CoodieError as exc:
                    self._note(worker, n, started, exc)
                    time.sleep(0.01)
                else:
                    self._note(worker, n, started, None)
                n += 1

        return write

    def _run_tasks(self) -> None:
        asyncio.run(self._tasks())

    async def _tasks(self) -> None:
        await asyncio.gather(*(self._write(worker) for worker in range(self._workers)))

    async def _write(self, worker: int) -> None:
        n = 0
        while not self._stopping:
            started = time.monotonic()
            try:
                await self._driver.execute_async(self._stmt, [worker, n], **self._terms)
            except CoodieError as exc:
                self._note(worker, n, started, exc)
                await asyncio.sleep(0.01)
            else:
                self._note(worker, n, started, None)
            n += 1
