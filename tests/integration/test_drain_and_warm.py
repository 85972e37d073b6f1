"""Closing while requests are in flight, warming up before the first, and probes; on a real node."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from tests.conftest import Api
from tests.integration.ways import Ways

import coodie
from coodie import RequestOptions
from coodie.exceptions import ConfigurationError, CoodieError, DriverClosedError, QuerySyntaxError
from coodie_testing.faults import Delay, Silence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from coodie_testing.faults import FaultProxy

pytestmark = pytest.mark.server

_READ = "SELECT key FROM system.local WHERE key = ?"
_SLOW = "SELECT cluster_name FROM system.local WHERE key = ?"

#: Seconds that a slow answer takes.
_DELAY = 0.5

#: Ways of asking: on the fast path, and through the session.
_WAYS = [None, RequestOptions(trace=True)]


@pytest.fixture
def slow(connect: Callable[..., Any], proxy: FaultProxy) -> Any:
    """Connect through the proxy, which answers one statement late; the fast path is warm."""
    driver = connect(hosts=[proxy.host], port=proxy.port, fast_path=True)
    driver.execute(_SLOW, ["local"])
    proxy.add(Delay(seconds=_DELAY), contains=_SLOW, times=None)
    return driver


@dataclass
class _Unfit:
    """Rows of other columns."""

    other: int


def _without_pipeline(patch: pytest.MonkeyPatch, driver: Any) -> None:
    for method in ("rows", "first_value"):
        patch.setattr(driver._pipeline, method, None)


def _wait_until_asked(proxy: FaultProxy, before: int) -> None:
    deadline = time.monotonic() + 30
    while proxy.count(_SLOW) == before:
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("options", _WAYS)
def test_draining_in_threads(slow: Any, proxy: FaultProxy, options: RequestOptions | None) -> None:
    """Requests in flight end with their rows, new ones are refused meanwhile, and it ends with the last."""
    Ways(slow).warm(_READ, ["local"])
    before = proxy.count(_SLOW)
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(slow.execute, _SLOW, ["local"], options=options)
        _wait_until_asked(proxy, before)
        started = time.monotonic()
        closing = pool.submit(slow.close, drain=30)
        while slow.is_ready():
            assert not closing.done()
        assert slow.is_live() or closing.done()
        with pytest.raises(DriverClosedError):
            slow.execute(_READ, ["local"])
        with pytest.raises(DriverClosedError):
            slow.execute_one(_READ, ["local"])
        with pytest.raises(DriverClosedError):
            slow.execute_batch([("INSERT INTO ks.t (k) VALUES (?)", [1])])
        assert len(asked.result()) == 1
        closing.result()
        assert time.monotonic() - started < 15
    assert not slow.is_live()
    slow.close()


@pytest.mark.parametrize("options", _WAYS)
async def test_draining_on_an_event_loop(
    slow: Any, proxy: FaultProxy, options: RequestOptions | None
) -> None:
    """The same, awaited."""
    await Ways(slow).warm_async(_READ, ["local"])
    asked = [asyncio.create_task(slow.execute_async(_SLOW, ["local"], options=options)) for _ in range(3)]
    before = proxy.count(_SLOW)
    while proxy.count(_SLOW) < before + 3 and not all(task.done() for task in asked):
        await asyncio.sleep(0.005)
    closing = asyncio.create_task(slow.close_async(drain=30))
    while await slow.is_ready_async():
        assert not closing.done()
    with pytest.raises(DriverClosedError):
        await slow.execute_async(_READ, ["local"])
    assert [len(rows) for rows in await asyncio.gather(*asked)] == [1, 1, 1]
    await closing
    assert not slow.is_live()


def test_the_time_to_drain_ends(slow: Any, proxy: FaultProxy) -> None:
    """A request without an answer is cut off when the time is over, or at once by a second close."""
    proxy.rules.clear()
    proxy.add(Silence(), contains=_SLOW, times=None)
    before = proxy.count(_SLOW)
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(slow.execute, _SLOW, ["local"], timeout=60)
        while not slow.stats().nodes[0].in_flight:
            time.sleep(0.005)
        assert proxy.count(_SLOW) >= before
        started = time.monotonic()
        closing = pool.submit(slow.close, drain=60)
        slow.close()
        closing.result()
        assert time.monotonic() - started < 30
        with pytest.raises(CoodieError):
            asked.result()


# Python ignores an interrupt in the callback of a weak reference: the next one ends the wait.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("is_async", [False, True])
async def test_a_wait_that_is_interrupted(slow: Any, proxy: FaultProxy, is_async: bool) -> None:
    """Ctrl-C and a cancellation end the time, too: nobody waits for the requests any more."""
    proxy.rules.clear()
    proxy.add(Silence(), contains=_SLOW, times=None)
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(slow.execute, _SLOW, ["local"], timeout=60)
        while not slow.stats().nodes[0].in_flight:
            await asyncio.sleep(0.005)
        started = time.monotonic()
        if is_async:
            closing = asyncio.create_task(slow.close_async(drain=60))
            await asyncio.sleep(0.1)
            closing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await closing
        else:
            before = signal.signal(signal.SIGUSR1, signal.default_int_handler)
            ended = threading.Event()
            pool.submit(_interrupt, threading.get_ident(), ended)
            with pytest.raises(KeyboardInterrupt):
                slow.close(drain=60)
            ended.set()
            signal.signal(signal.SIGUSR1, before)
        with pytest.raises(CoodieError):
            asked.result(30)
        assert time.monotonic() - started < 30


def _interrupt(thread: int, ended: threading.Event) -> None:
    seconds = 0.1
    while not ended.wait(seconds):
        signal.pthread_kill(thread, signal.SIGUSR1)
        seconds = 5.0


@pytest.mark.parametrize("fast_path", [True, False])
async def test_draining_while_the_event_loop_is_busy(connect: Callable[..., Any], fast_path: bool) -> None:
    """A request between two round trips, PREPARE and EXECUTE or two pages, is one in progress."""
    driver = connect(fast_path=fast_path)
    statements = ["SELECT data_center FROM system.local", "SELECT cql_version FROM system.local", _SLOW]
    asked = [asyncio.ensure_future(driver.execute_async(text, [])) for text in statements[:2]]
    asked.append(asyncio.ensure_future(driver.execute_async(_SLOW, ["local"])))
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(driver.close_async(drain=30))
    for _ in range(10):
        await asyncio.sleep(0)
        time.sleep(0.06)  # noqa: ASYNC251 - another task's computation
    assert [len(await each) for each in asked] == [1, 1, 1]
    await closing


def test_a_time_that_is_none(connect: Callable[..., Any]) -> None:
    """A drain that isn't a positive number is refused, and the driver stays open."""
    driver = connect()
    with pytest.raises(ConfigurationError):
        driver.close(drain=-1)
    driver.execute(_READ, ["local"])


async def test_warming_up(connect: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The first request after it is sent and read like any later one: by the statement's template."""
    for is_async in (False, True):
        driver = connect(fast_path=True)
        calls = Api(driver, is_async=is_async)
        await calls.warm([_READ, _SLOW, "TRUNCATE nothing.at_all"])
        assert driver.stats().statements.misses == 3  # and the statement of is_ready
        _without_pipeline(monkeypatch, driver)
        assert await calls.execute(_READ, ["local"]) == [{"key": "local"}]
        assert await calls.execute_one(_SLOW, ["local"])
        monkeypatch.undo()


async def test_warming_up_in_a_keyspace(connect: Callable[..., Any]) -> None:
    """A statement without a keyspace is warmed up as RequestOptions.keyspace will name it."""
    for is_async in (False, True):
        driver = connect(fast_path=True)
        calls, stmt = Api(driver, is_async=is_async), "SELECT key FROM local WHERE key = ?"
        await calls.warm([stmt, "LIST ROLES"], keyspace="system")
        misses = driver.stats().statements.misses
        options = RequestOptions(keyspace="system")
        assert await calls.execute(stmt, ["local"], options=options) == [{"key": "local"}]
        assert driver.stats().statements.misses == misses


@contextmanager
def _noting(called: set[Any]) -> Iterator[None]:
    """Note the functions of coodie that are called meanwhile in this thread."""

    def note(frame: Any, event: str, _: Any) -> None:
        if event == "call" and "/coodie/" in frame.f_code.co_filename:
            called.add((frame.f_code.co_filename.rpartition("/")[2], frame.f_code.co_name))

    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(None)


async def test_the_first_request_after_warming_up(connect: Callable[..., Any]) -> None:
    """It calls no function that later requests don't call, but for checksums of lengths that are new."""
    for is_async in (False, True):
        calls = Api(connect(fast_path=True), is_async=is_async)
        await calls.warm([_READ])
        first, *later = called = [set[Any]() for _ in range(4)]
        for functions in called:
            with _noting(functions):
                await calls.execute(_READ, ["local"])
        assert len(first) > 5
        assert {one for one in first - set().union(*later) if one[0] != "segments.py"} == set()


async def test_warming_up_with_rows(connect: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for the shape of rows that is the driver's default; one that doesn't fit is no error yet."""
    driver = connect(rows=tuple, fast_path=True)
    await driver.warm_async([_READ])
    with monkeypatch.context() as patch:
        _without_pipeline(patch, driver)
        assert await driver.execute_async(_READ, ["local"]) == [("local",)]
    unfit = connect(rows=_Unfit)
    await unfit.warm_async([_READ])
    assert await unfit.execute_one_async(_READ, ["local"]) == "local"


async def test_results_after_warming_up(connect: Callable[..., Any], table: Callable[[str], str]) -> None:
    """They are the same as without it, with columns of any type, and after the table was altered."""
    name = table("k int PRIMARY KEY, a text, b timestamp, c uuid, d decimal, e list<int>, f boolean, g blob")
    driver = connect()
    values = [1, "a", datetime(2026, 1, 2), UUID(int=3), Decimal("1.5"), [1, 2], True, b"x"]
    driver.execute(f"INSERT INTO {name} (k, a, b, c, d, e, f, g) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
    for columns in ("*", "k, a, b, c, d, f, g", "k AS x, count(*), token(k)"):
        stmt = f"SELECT {columns} FROM {name} WHERE k = ?"
        cold = connect().execute(stmt, [1])
        await driver.warm_async([stmt])
        driver.warm([stmt])
        for _ in range(2):
            assert driver.execute(stmt, [1]) == await driver.execute_async(stmt, [1]) == cold
            assert driver.execute(stmt, [1]).columns == cold.columns
    stmt = f"SELECT * FROM {name} WHERE k = ? ALLOW FILTERING"
    driver.warm([stmt])
    connect().execute(f"ALTER TABLE {name} ADD z int", [])
    assert set(driver.execute(stmt, [1])[0]) >= set("kabcdefg")
    driver.execute(f"ALTER TABLE {name} ADD y int", [])
    assert set(driver.execute(stmt, [1])[0]) == set("kabcdefgyz")


def test_warming_up_threads(connect: Callable[..., Any]) -> None:
    """As many threads as were named have a connection each."""
    driver = connect(fast_path=True)
    driver.warm([_READ], connections=4, timeout=30)
    assert driver.stats().nodes[0].connections == 4
    ways, barrier = Ways(driver), threading.Barrier(4)

    def ask() -> int:
        barrier.wait()
        return len(driver.execute(_READ, ["local"]))

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask) for _ in range(4)]
        assert [one.result() for one in asked] == [1] * 4
    assert ways.drivers == 0


def test_what_cannot_be_warmed_up(connect: Callable[..., Any]) -> None:
    """Wrong statements and arguments are errors; without the fast path only statements are prepared."""
    driver = connect(fast_path=False)
    with pytest.raises(QuerySyntaxError):
        driver.warm(["SELEC nothing"])
    for wrong in (_READ, None, 7, [None]):
        with pytest.raises(ConfigurationError) as caught:
            driver.warm(wrong)
        assert caught.value.option == "statements"
    with pytest.raises(ConfigurationError):
        driver.warm([_READ], keyspace="")
    with pytest.raises(ConfigurationError):
        driver.warm([_READ], connections=0)
    with pytest.raises(ConfigurationError, match="at most 64"):
        connect(fast_path=True).warm([_READ], connections=65)
    driver.warm([_READ])
    driver.close()
    with pytest.raises(DriverClosedError):
        driver.warm([_READ])


@pytest.mark.usefixtures("registry")
async def test_probes(
    connect: Callable[..., Any],
    proxy: FaultProxy,
    cassandra_node: Any,
    backend: str,
) -> None:
    """A driver is live until it is closed, and ready while its server answers; a lazy one connects first."""
    driver = connect(hosts=[proxy.host], port=proxy.port)
    assert driver.is_live()
    assert driver.is_ready(timeout=10)
    assert await driver.is_ready_async(timeout=10)
    with pytest.raises(ConfigurationError, match="timeout=0"):
        driver.is_ready(timeout=0)
    with pytest.raises(ConfigurationError, match="timeout='1'"):
        await driver.is_ready_async(timeout="1")
    proxy.hold = True
    assert not driver.is_ready(timeout=0.2)
    assert not await driver.is_ready_async(timeout=0.2)
    assert driver.is_live()
    proxy.heal()
    driver.close()
    assert not driver.is_live()
    assert not driver.is_ready()
    lazy: Any = coodie.init_coodie(
        driver_type=backend, lazy=True, name="idle", **cassandra_node.connection_options()
    )
    assert lazy.is_live()
    assert not lazy.is_ready()
    lazy.warm([_READ], timeout=30)  # connects
    assert lazy.is_ready(timeout=10)
    lazy.close(drain=10)
    assert not lazy.is_live()
