"""The fast path's own connections: loops and threads that come and go, cancelling, closing, TLS."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import open_driver
from tests.integration.ways import Ways

import coodie
from coodie.exceptions import DriverClosedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from coodie.registry import DriverRegistry
    from coodie_local import CassandraServer
    from coodie_testing import FakeCluster

pytestmark = pytest.mark.server

_THREADS = 8


@pytest.fixture(params=[5, 4], ids=["v5", "v4"])
def fast(connect: Callable[..., Any], request: pytest.FixtureRequest) -> Any:
    """Connect with the fast path."""
    return connect(protocol_version=request.param, fast_path=True)


@pytest.fixture
def select(table: Callable[[str], str], driver: Any) -> str:
    """Read a row that is there."""
    name = table("k int PRIMARY KEY, v int")
    driver.execute(f"INSERT INTO {name} (k, v) VALUES (1, 10)", [])
    return f"SELECT v FROM {name} WHERE k = ?"


def _sockets() -> int:
    """Count this process's sockets."""
    gc.collect()
    found = 0
    for file in Path("/proc/self/fd").iterdir():
        try:
            found += str(file.readlink()).startswith("socket:")
        except OSError:
            continue
    return found


def _files() -> int:
    """Count this process's open files."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def _until(holds: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_loops_one_after_another(fast: Any, select: str) -> None:
    """Each has connections of its own, which go with it: no socket is left, and each works."""
    ways = Ways(fast)

    async def work() -> int:
        await ways.warm_async(select, [1])
        answers = await asyncio.gather(*(fast.execute_async(select, [1]) for _ in range(50)))
        return sum(rows[0]["v"] for rows in answers)

    assert asyncio.run(work()) == 500
    before = _sockets()
    for _ in range(5):
        assert asyncio.run(work()) == 500
    assert _sockets() <= before
    fast.close()
    assert _sockets() < before


@pytest.mark.filterwarnings("ignore:unclosed event loop:ResourceWarning")
@pytest.mark.parametrize("fast_path", [True, False])
@pytest.mark.parametrize("stopped", ["at rest", "amid a turn", "before its connection comes"])
def test_loops_that_are_dropped(
    stopped: str, fast_path: bool, connect: Callable[..., Any], select: str
) -> None:
    """A loop that nobody closes goes when nobody has it any more, with all that was opened for it."""
    driver = connect(fast_path=fast_path)
    ways = Ways(driver)
    asyncio.run(driver.execute_async(select, [1]))  # what is opened once

    async def use() -> None:
        if fast_path and stopped != "before its connection comes":
            await ways.warm_async(select, [1])
        tasks = [asyncio.ensure_future(driver.execute_async(select, [1])) for _ in range(9)]
        await tasks[0]
        if stopped == "amid a turn":
            asyncio.get_running_loop().call_soon(lambda: tasks.extend(map(asyncio.ensure_future, late())))
            await asyncio.sleep(0)
        else:
            await asyncio.gather(*tasks)

    def late() -> list[Any]:
        return [driver.execute_async(select, [1]) for _ in range(3)]

    def drop() -> None:
        loop = asyncio.new_event_loop()
        loops.add(loop)
        loop.run_until_complete(use())
        for task in asyncio.all_tasks(loop):
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # what asyncio says is asyncio's

    loops: weakref.WeakSet[Any] = weakref.WeakSet()
    before = _files()
    for _ in range(10):
        drop()

    def left(most: int) -> bool:
        gc.collect()
        return len(loops) <= most and _files() <= before + 4 * most

    _until(lambda: left(1 if stopped == "amid a turn" else 0))
    driver.close()
    _until(lambda: left(0))
    assert _files() < before


def test_loops_that_stay(connect: Callable[..., Any], select: str) -> None:
    """Loops that are neither closed nor dropped keep what is theirs; close() closes what is the driver's."""
    driver = connect(fast_path=True)
    ways = Ways(driver)
    # To the end of its connect: a file that is open for a moment would be counted below.
    asyncio.run(ways.warm_async(select, [1]))
    gc.collect()
    before = _files()
    loops = [asyncio.new_event_loop() for _ in range(5)]
    bare = _files()
    for loop in loops:
        loop.run_until_complete(ways.warm_async(select, [1]))
    assert _files() >= bare + len(loops)
    driver.close()
    _until(lambda: _files() < bare)
    for loop in loops:
        loop.close()
    assert _files() < before


def test_loops_at_once(fast: Any, select: str) -> None:
    """Four loops in four threads share a driver, and nothing of one reaches another."""
    ways = Ways(fast)

    async def work(number: int) -> list[Any]:
        await ways.warm_async(select, [1])
        wanted = [1 if (n + number) % 2 else 2 for n in range(100)]
        answers = await asyncio.gather(*(fast.execute_async(select, [k]) for k in wanted))
        return [rows == ([{"v": 10}] if k == 1 else []) for k, rows in zip(wanted, answers, strict=True)]

    with ThreadPoolExecutor(4) as pool:
        for right in pool.map(lambda number: asyncio.run(work(number)), range(4)):
            assert all(right)


def test_a_loop_closed_with_requests_in_flight(
    fast: Any, select: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Their answers find no loop: nothing is logged, no socket is left, and the next loop works."""
    ways = Ways(fast)
    asyncio.run(ways.warm_async(select, [1]))
    before = _sockets()
    caplog.clear()
    for _ in range(3):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(ways.warm_async(select, [1]))
        tasks = [loop.create_task(fast.execute_async(select, [1])) for _ in range(50)]
        loop.call_soon(loop.stop)
        loop.run_forever()
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.close()
    assert asyncio.run(fast.execute_async(select, [1])) == [{"v": 10}]
    _until(lambda: _sockets() <= before)
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


async def test_closing_from_another_thread(fast: Any, select: str) -> None:
    """With hundreds in flight on a loop and in threads, each ends with its result or as closed, soon."""
    ways = Ways(fast)
    await ways.warm_async(select, [1])
    outcomes: list[Any] = []
    stop = threading.Event()

    def read() -> None:
        try:
            while not stop.is_set():
                outcomes.append(fast.execute(select, [1]))
        except Exception as exc:  # noqa: BLE001 - looked at below
            outcomes.append(exc)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()

    async def reads() -> Any:
        while True:
            try:
                assert await fast.execute_async(select, [1]) == [{"v": 10}]
            except Exception as exc:  # noqa: BLE001 - looked at below
                return exc

    tasks = [asyncio.create_task(reads()) for _ in range(200)]
    await asyncio.sleep(0.3)
    await asyncio.get_running_loop().run_in_executor(None, fast.close)
    ends = await asyncio.wait_for(asyncio.gather(*tasks), 20)
    stop.set()
    for reader in readers:
        await asyncio.get_running_loop().run_in_executor(None, reader.join, 20)
        assert not reader.is_alive()
    assert {type(end) for end in ends} == {DriverClosedError}
    assert {type(outcome) for outcome in outcomes if outcome != [{"v": 10}]} <= {DriverClosedError}


async def test_cancelling_leaves_nothing(fast: Any, select: str, caplog: pytest.LogCaptureFixture) -> None:
    """A thousand tasks cancelled at any point: their streams come back, and the loop is told of nothing."""
    ways = Ways(fast)
    await ways.warm_async(select, [1])
    problems: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
    caplog.clear()
    for turn in range(10):
        tasks = [asyncio.create_task(fast.execute_async(select, [1])) for _ in range(100)]
        await asyncio.sleep(0.001 * (turn % 4))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    deadline = time.monotonic() + 10
    while fast._client.fast.in_flight and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    assert fast._client.fast.in_flight == 0
    assert problems == []
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []
    before = ways.drivers
    assert await fast.execute_async(select, [1]) == [{"v": 10}]
    assert ways.drivers == before


def test_threads_have_their_own_connections(fast: Any, select: str) -> None:
    """Eight threads at once get their own answers, none of them through the driver in the end."""
    ways = Ways(fast)
    together = threading.Barrier(_THREADS)

    def work(number: int) -> int:
        together.wait(20)
        for turn in range(100):
            k = (number + turn) % 2
            assert fast.execute(select, [k]) == ([{"v": 10}] if k else [])
        return ways.drivers

    def settled() -> bool:
        before = ways.drivers
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(work, range(_THREADS)))
        return ways.drivers == before

    _until(settled, 60)
    (pool,) = fast._client.fast._threads.values()
    assert 1 <= len(pool._all) <= 2 * _THREADS
    assert sum(map(len, pool._idle.values())) == len(pool._all)


class _Interrupted(BaseException):
    """As Ctrl-C is."""


def test_an_interrupted_wait(fast: Any, select: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer that was waited for never reaches the next request: that has another connection."""
    from coodie.drivers.cassandra.fastpath.sync_connection import SyncConnection

    ways = Ways(fast)
    ways.warm(select, [1])
    original = SyncConnection.read

    def interrupted(self: Any) -> Any:
        raise _Interrupted

    for _ in range(3):
        monkeypatch.setattr(SyncConnection, "read", interrupted)
        with pytest.raises(_Interrupted):
            fast.execute(select, [2])
        monkeypatch.setattr(SyncConnection, "read", original)
        for _ in range(20):
            assert fast.execute(select, [1]) == [{"v": 10}]
        ways.warm(select, [1])
    (pool,) = fast._client.fast._threads.values()
    assert sum(map(len, pool._idle.values())) == len(pool._all)


def test_a_fork_is_told_so(fast: Any, select: str) -> None:
    """A child's request raises at once, and the parent's connections work on after it has gone."""
    ways = Ways(fast)
    ways.warm(select, [1])
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            said = repr(fast.execute(select, [1])).encode()
        except BaseException as exc:  # noqa: BLE001 - told to the parent
            said = f"{type(exc).__name__}: {exc}".encode()
        os.write(writer, said)
        os._exit(0)
    os.waitpid(child, 0)
    told = os.read(reader, 1000)
    os.close(reader)
    os.close(writer)
    assert b"DriverClosedError" in told
    assert b"fork" in told
    before = ways.drivers
    assert fast.execute(select, [1]) == [{"v": 10}]
    assert ways.drivers == before


async def test_idle_connections_get_heartbeats(
    connect: Callable[..., Any], select: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection on which nothing happens is kept alive, and is the same one afterwards."""
    fast = connect(fast_path=True, idle_heartbeat_interval=0.2, idle_heartbeat_timeout=20)
    ways = Ways(fast)
    await ways.warm_async(select, [1])
    (pool,) = fast._client.fast._loops.values()
    (connection,) = pool._all()
    answers = 0
    original = connection.protocol.receive

    def received(data: bytes, now: float) -> Any:
        nonlocal answers
        answers += 1
        return original(data, now)

    monkeypatch.setattr(connection.protocol, "receive", received)
    deadline = time.monotonic() + 20
    while answers < 3:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    before = ways.drivers
    assert await fast.execute_async(select, [1]) == [{"v": 10}]
    assert ways.drivers == before
    assert pool._all() == [connection]
    assert not connection.is_closed


@pytest.mark.cassandra(tls=True, auth=True)
async def test_tls_and_a_password(
    cassandra_node: CassandraServer, backend: str, registry: DriverRegistry, fast_table: str
) -> None:
    """Our connections are encrypted and logged in as the driver's are; large bodies come whole."""
    options = cassandra_node.connection_options()
    assert {"username", "password", "ssl_trusted_cert"} <= set(options)
    insert, select = (
        f"INSERT INTO {fast_table} (k, v) VALUES (?, ?)",
        f"SELECT v FROM {fast_table} WHERE k = ?",
    )
    for version in (5, 4):
        name = f"v{version}"
        with coodie.init_coodie(
            driver_type=backend, name=name, protocol_version=version, fast_path=True, **options
        ) as opened:
            fast: Any = opened
            ways = Ways(fast)
            ways.warm(select, [1])
            ways.warm(insert, [1, ""])
            await ways.warm_async(select, [1])
            before = ways.drivers
            for k, size in enumerate([0, 1, 20_000, 500_000]):
                fast.execute(insert, [k, "x" * size])
                assert fast.execute(select, [k]) == [{"v": "x" * size}]
                await fast.execute_async(insert, [k, "y" * size])
                answers = await asyncio.gather(*(fast.execute_async(select, [k]) for _ in range(8)))
                assert answers == [[{"v": "y" * size}]] * 8
            assert fast.execute_many(insert, ([k, "z" * 3000] for k in range(300))).succeeded == 300
            assert ways.drivers == before


@pytest.fixture
def fast_table(cassandra_driver: Any, cassandra_keyspace: str) -> str:
    """Make a table on the module's node of whatever kind."""
    name = f"{cassandra_keyspace}.secured"
    cassandra_driver.execute(f"CREATE TABLE IF NOT EXISTS {name} (k int PRIMARY KEY, v text)", [])
    return name


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_the_first_request_opens_no_connection(
    is_async: bool, backend: str, registry: DriverRegistry, fake_cluster: FakeCluster
) -> None:
    """A program with one request only has the connections of the session; the second request opens ours."""
    statement = "SELECT id FROM shop.orders"
    fake_cluster.when(statement).rows([{"id": 1}])
    with open_driver(backend, fast_path=True, **fake_cluster.connection_options()) as driver:

        async def opened() -> int:
            rows = await driver.execute_async(statement) if is_async else driver.execute(statement)
            assert list(rows) == [{"id": 1}]
            await asyncio.sleep(0.1)
            return int(driver.stats().nodes[0].connections)

        assert await opened() == 0
        end = time.monotonic() + 30
        while not await opened():
            assert time.monotonic() < end
