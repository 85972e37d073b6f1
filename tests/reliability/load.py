"""Requests without a pause, from threads or from tasks, and when each of them succeeded."""

from __future__ import annotations

import asyncio
import threading
import time
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.conftest import Api

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from types import TracebackType

__all__ = ["Load", "Record", "Worker", "run_blocking"]


def run_blocking(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that only awaits an `Api` of the sync methods, without an event loop."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    coroutine.close()
    raise AssertionError("it waits for an event loop")


@dataclass
class Record:
    """When requests ended, and with which errors."""

    #: When each acknowledged request ended, on the monotonic clock, in order.
    times: list[float] = field(default_factory=list)
    #: The class of each error → how many there were.
    errors: Counter[type[BaseException]] = field(default_factory=Counter)
    #: The longest that a request took, in seconds.
    longest: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, started: float, error: BaseException | None) -> None:
        """Note one that ended now."""
        now = time.monotonic()
        with self.lock:
            self.longest = max(self.longest, now - started)
            if error is None:
                self.times.append(now)
            else:
                self.errors[type(error)] += 1

    def rate(self, start: float, end: float) -> float:
        """Return acknowledged requests per second between two moments."""
        return (bisect_left(self.times, end) - bisect_left(self.times, start)) / (end - start)


class Worker(ABC):
    """One thread's or one task's work."""

    #: Where its requests are noted.
    record: Record

    @abstractmethod
    async def step(self, calls: Api) -> bool:
        """Send one request, and note what came of it; return whether it succeeded."""


class Load:
    """Workers that go on until the block ends.

    Args:
        driver: Through which.
        workers: What to do, each in a thread, or all in tasks of one loop.
        is_async: Tasks on a loop in a thread of its own, in the place of threads.
    """

    def __init__(self, driver: Any, workers: Sequence[Worker], *, is_async: bool) -> None:
        self.record = Record()
        self._calls = Api(driver, is_async=is_async)
        self._workers = workers
        self._stopping = threading.Event()
        self._failures: list[BaseException] = []
        for worker in workers:
            worker.record = self.record
        targets = [self._run_tasks] if is_async else [self._thread_of(worker) for worker in workers]
        self._threads = [threading.Thread(target=target, name="load") for target in targets]

    def __enter__(self) -> Load:  # noqa: PYI034 - nothing derives from it
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(120)
        assert not any(thread.is_alive() for thread in self._threads), "a request hangs"
        if self._failures and error is None:
            raise self._failures[0]

    def _thread_of(self, worker: Worker) -> Any:
        def work() -> None:
            try:
                while not self._stopping.is_set():
                    if not run_blocking(worker.step(self._calls)):
                        time.sleep(0.01)
            except BaseException as exc:  # noqa: BLE001 - it is raised where the load ends
                self._failures.append(exc)

        return work

    def _run_tasks(self) -> None:
        try:
            asyncio.run(self._tasks())
        except BaseException as exc:  # noqa: BLE001 - it is raised where the load ends
            self._failures.append(exc)

    async def _tasks(self) -> None:
        await asyncio.gather(*map(self._work, self._workers))

    async def _work(self, worker: Worker) -> None:
        while not self._stopping.is_set():
            if not await worker.step(self._calls):
                await asyncio.sleep(0.01)
