"""Scans that end early: closed, cancelled, dropped, or with an error. They leave nothing, and can resume."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from operator import itemgetter, length_hint
from typing import TYPE_CHECKING, Any

import pytest
from coodie_core.tests.fakes import PATIENCE
from coodie_core.tests.scan.test_run import RingDriver

from coodie.exceptions import ConfigurationError, DriverClosedError, InvalidQueryError
from coodie.scan import ScanOptions, ScanProgress
from coodie.scan.page import Page
from coodie_testing.children import in_a_child

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SMALL = ScanOptions(fetch_size=3)


def _scan_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("coodie-scan")]


def _assert_no_threads() -> None:
    deadline = time.monotonic() + PATIENCE
    while _scan_threads():
        assert time.monotonic() < deadline, _scan_threads()
        time.sleep(0.001)


class BlockedDriver(RingDriver):
    """Its pages wait until they are released."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = threading.Semaphore(0)
        self.released = threading.Event()

    def execute(self, stmt: str, params: Any, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
        """Wait, unless it reads a system table."""
        if "FROM system" not in stmt:
            self.waiting.release()
            assert self.released.wait(PATIENCE)
        return super().execute(stmt, params, *args, **kwargs)

    async def execute_async(self, stmt: str, params: Any, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
        """Wait for ever, unless it reads a system table."""
        if "FROM system" not in stmt:
            self.waiting.release()
            await asyncio.Event().wait()
        return super().execute(stmt, params, *args, **kwargs)


def test_left_without_closing() -> None:
    """A loop that is left, without a name for the scan, ends its threads, before cycles are collected."""
    gc.disable()
    try:
        for _row in RingDriver().scan("t", options=SMALL):
            break
        _assert_no_threads()
    finally:
        gc.enable()


async def test_left_without_closing_async() -> None:
    """A loop that is left ends its tasks."""
    async for _row in RingDriver().scan_async("t", options=SMALL):
        break
    deadline = time.monotonic() + PATIENCE
    while asyncio.all_tasks() != {asyncio.current_task()}:
        assert time.monotonic() < deadline
        await asyncio.sleep(0)


@pytest.mark.parametrize("most", [0, 1, 2, 3, 50, 100])
def test_closed_after_any_row(most: int) -> None:
    """After ``close`` no more rows come from an iterator that was in use, and none is lost or repeated."""
    driver = RingDriver()
    scan = driver.scan("t", options=SMALL)
    rows = iter(scan)
    first = [next(rows)["v"] for _ in range(most)]
    scan.close()
    scan.close()
    assert list(rows) == []
    _assert_no_threads()
    checkpoint = scan.checkpoint() if most else None
    rest = [row["v"] for row in driver.scan("t", checkpoint=checkpoint, options=SMALL)]
    assert sorted(first + rest) == list(range(100))


def test_closed_while_another_thread_waits_for_a_row() -> None:
    """The thread's iteration ends; the scan can be resumed."""
    driver = BlockedDriver()
    scan = driver.scan("t", concurrency=2)
    found: list[Any] = []
    consumer = threading.Thread(target=lambda: found.extend(scan))
    consumer.start()
    for _ in range(2):
        assert driver.waiting.acquire(timeout=PATIENCE)
    scan.close()
    driver.released.set()
    consumer.join(PATIENCE)
    assert not consumer.is_alive()
    assert found == []
    _assert_no_threads()
    assert len(list(driver.scan("t", checkpoint=scan.checkpoint()))) == 100


async def _rows_of(scan: AsyncIterator[Any]) -> list[Any]:
    return [row async for row in scan]


async def _waiting_consumer(driver: BlockedDriver, scan: AsyncIterator[Any]) -> asyncio.Task[list[Any]]:
    """Iterate over a scan in another task; return that once it waits for a row."""
    consumer = asyncio.create_task(_rows_of(scan))
    while not driver.waiting.acquire(blocking=False):
        await asyncio.sleep(0)
    return consumer


def test_closed_while_another_thread_takes_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that a thread takes from the page while another one closes the scan counts as delivered."""
    page = Page([(number, number) for number in range(9)], None, itemgetter(1))
    taken = [next(page.rows)]

    def hint(rows: Any) -> int:
        left = length_hint(rows)
        taken.extend(islice(page.rows, 1))
        return left

    monkeypatch.setattr("coodie.scan.page.length_hint", hint)
    page.stop()
    monkeypatch.undo()
    taken.extend(page.rows)
    assert page.position == len(taken)


async def test_closed_while_another_task_waits_for_a_row() -> None:
    """The task's iteration ends, and so do the requests."""
    driver = BlockedDriver()
    scan = driver.scan_async("t", concurrency=2)
    consumer = await _waiting_consumer(driver, scan)
    await scan.aclose()
    assert await asyncio.wait_for(consumer, PATIENCE) == []
    assert asyncio.all_tasks() == {asyncio.current_task()}
    driver.released.set()
    assert len(list(driver.scan("t", checkpoint=scan.checkpoint()))) == 100


@pytest.mark.parametrize("step", [next, list])
def test_two_threads(step: Any) -> None:
    """A thread that iterates while another one waits for a row gets an error; the other one gets all rows."""
    driver = BlockedDriver()
    scan = driver.scan("t", concurrency=2)
    found: list[Any] = []
    consumer = threading.Thread(target=lambda: found.extend(scan))
    consumer.start()
    assert driver.waiting.acquire(timeout=PATIENCE)
    with pytest.raises(ConfigurationError, match="another thread"):
        step(scan)
    driver.released.set()
    consumer.join(PATIENCE)
    assert sorted(row["v"] for row in found) == list(range(100))
    _assert_no_threads()


async def test_two_tasks() -> None:
    """A task that iterates while another one waits for a row gets an error, and doesn't affect the other."""
    driver = BlockedDriver()
    scan = driver.scan_async("t", concurrency=2)
    consumer = await _waiting_consumer(driver, scan)
    for step in (_rows_of(scan), anext(scan)):
        with pytest.raises(ConfigurationError, match="another thread or task"):
            await step
    assert not consumer.done()
    await scan.aclose()
    assert await asyncio.wait_for(consumer, PATIENCE) == []


def test_iterated_by_threads_in_turn() -> None:
    """Threads that hand a scan over, in the middle of a page, get each row once between them."""
    scan = RingDriver().scan("t", options=SMALL)
    with ThreadPoolExecutor(2) as pool:
        parts = [pool.submit(lambda: [row["v"] for row in islice(scan, 5)]).result() for _ in range(20)]
    assert sorted(chain.from_iterable(parts)) == list(range(100))
    assert next(scan, None) is None


@pytest.mark.parametrize("most", [1, 3])
def test_iterated_in_a_fork(most: int) -> None:
    """A child gets an error instead of waiting for its parent's pages; the scan can be resumed there."""
    scan = RingDriver().scan("t", options=SMALL)
    first = [row["v"] for row in islice(scan, most)]

    def read_on() -> str:
        rest: list[int] = []
        with pytest.raises(DriverClosedError, match="a fork of it"), scan:
            rest.extend(row["v"] for row in scan)
        rest += [row["v"] for row in RingDriver().scan("t", checkpoint=scan.checkpoint())]
        return str(sorted(first + rest) == list(range(100)))

    assert in_a_child(read_on) == "True"
    assert sorted(first + [row["v"] for row in scan]) == list(range(100))


def test_iterated_in_on_progress() -> None:
    """The callback can't take rows; the scan can be resumed."""
    driver = RingDriver()
    scans: list[Any] = []
    scans.append(driver.scan("t", options=ScanOptions(fetch_size=3, on_progress=lambda _: next(scans[0]))))
    with pytest.raises(ConfigurationError, match="or on_progress"):
        list(scans[0])
    assert len(list(driver.scan("t", checkpoint=scans[0].checkpoint()))) > 90


def test_closed_by_on_progress() -> None:
    """``close`` in the callback ends the iteration after the page."""
    driver = RingDriver()
    scans: list[Any] = []

    def stop(progress: ScanProgress) -> None:
        if progress.rows > 40:
            scans[0].close()

    scans.append(driver.scan("t", options=ScanOptions(fetch_size=3, on_progress=stop)))
    first = [row["v"] for row in scans[0]]
    assert 40 < len(first) <= 43
    _assert_no_threads()
    rest = [row["v"] for row in driver.scan("t", checkpoint=scans[0].checkpoint())]
    assert sorted(first + rest) == list(range(100))


@pytest.mark.parametrize("raised", [ValueError("no"), KeyboardInterrupt()], ids=["error", "interrupt"])
async def test_an_error_in_on_progress(is_async: bool, raised: BaseException) -> None:
    """It is raised by the iteration and ends the scan, whose checkpoint is after the last row."""
    driver = RingDriver()
    first: list[int] = []

    def fail(progress: ScanProgress) -> None:
        if progress.rows > 40:
            raise raised

    options = ScanOptions(fetch_size=3, on_progress=fail)
    scan: Any = (driver.scan_async if is_async else driver.scan)("t", options=options)
    with pytest.raises(type(raised)) as caught:
        while row := await anext(scan) if is_async else next(scan):
            first.append(row["v"])
    assert caught.value is raised
    assert (await anext(scan, None) if is_async else next(scan, None)) is None
    _assert_no_threads()
    rest = [row["v"] for row in driver.scan("t", checkpoint=scan.checkpoint())]
    assert 40 < len(first) < 100
    assert sorted(first + rest) == list(range(100))


@pytest.mark.parametrize("steps", range(0, 60, 3))
async def test_cancelled_at_any_point(steps: int) -> None:
    """Wherever the consumer is cancelled, no task is left, and the rest can be read from the checkpoint."""
    driver = RingDriver()
    first: list[int] = []
    scan = driver.scan_async("t", concurrency=3, options=SMALL)

    async def consume() -> None:
        async for row in scan:
            first.append(row["v"])
            await asyncio.sleep(0)

    consumer = asyncio.create_task(consume())
    for _ in range(steps):
        await asyncio.sleep(0)
    consumer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await consumer
    await scan.aclose()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    checkpoint = scan.checkpoint() if first else None
    rest = [row["v"] async for row in driver.scan_async("t", checkpoint=checkpoint, options=SMALL)]
    assert sorted(first + rest) == list(range(100))


@pytest.mark.parametrize("error", [DriverClosedError("closed"), InvalidQueryError("unconfigured table t")])
async def test_an_error_in_the_middle(is_async: bool, error: Exception) -> None:
    """A closed driver, or a table that was dropped: the error is raised at once, and nothing is left."""
    driver = RingDriver()
    first: list[int] = []
    scan: Any = (driver.scan_async if is_async else driver.scan)("t", options=SMALL)

    def fail() -> None:
        if len(first) == 40:
            driver.fault = lambda _: error

    with pytest.raises(type(error)):
        if is_async:
            async for row in scan:
                first.append(row["v"])
                fail()
        else:
            for row in scan:
                first.append(row["v"])
                fail()
    _assert_no_threads()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    driver.fault = lambda _: None
    rest = [row["v"] for row in driver.scan("t", checkpoint=scan.checkpoint())]
    assert sorted(first + rest) == list(range(100))


def test_estimate_of_the_rest() -> None:
    """The estimate uses ranges that were read completely: rows of ranges in progress don't distort it."""
    driver = RingDriver(10_000)
    estimates: list[tuple[int, int]] = []

    def note(progress: ScanProgress) -> None:
        if progress.rows_left is not None:
            estimates.append((progress.rows, progress.rows_left))

    list(driver.scan("t", options=ScanOptions(fetch_size=50, on_progress=note)))
    assert estimates[-1] == (10_000, 0)
    assert all(9_000 < rows + left < 11_000 for rows, left in estimates)


def test_estimate_of_a_resumed_scan() -> None:
    """A resumed scan's estimate includes the rows of the earlier scan."""
    driver = RingDriver(10_000)
    first = driver.scan("t", options=ScanOptions(fetch_size=50))
    for _ in range(6_000):
        next(first)
    first.close()
    estimates: list[tuple[int, int]] = []

    def note(progress: ScanProgress) -> None:
        assert progress.rows_left is not None
        estimates.append((progress.rows, progress.rows_left))

    list(
        driver.scan("t", checkpoint=first.checkpoint(), options=ScanOptions(fetch_size=50, on_progress=note))
    )
    assert estimates[-1] == (10_000, 0)
    assert all(9_000 < rows + left < 11_000 for rows, left in estimates)
