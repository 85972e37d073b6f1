"""Requests that go wrong: timeouts, lost connections, cancellation, closing."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import open_driver
from tests.integration.ways import Ways

from coodie import RequestOptions
from coodie.drivers.cassandra import CassandraDriver
from coodie.exceptions import (
    ConnectionFailedError,
    CoodieError,
    DriverClosedError,
    RequestTimeoutError,
    UnavailableError,
)
from coodie.observers import RequestFinished, observing
from coodie.observers.recorder import Recorder
from coodie.schema import ColumnDefinition

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Connector

    from coodie.registry import DriverRegistry
    from coodie_testing import FakeCluster
    from coodie_testing.faults import FaultProxy

pytestmark = pytest.mark.server


@pytest.fixture
def proxied(connect: Callable[..., Any], proxy: FaultProxy) -> Any:
    """Connect through the proxy, on a single connection to the node."""
    return connect(hosts=[proxy.host], port=proxy.port, reconnection_policy=_quick())


def _quick() -> Any:
    from cassandra.policies import ConstantReconnectionPolicy

    return ConstantReconnectionPolicy(0.2, None)


async def _until(driver: Any, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not await driver.ping_async(timeout=1):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("fast_path", [True, False])
async def test_no_answer_is_a_timeout(
    connect: Connector, proxy: FaultProxy, table: Callable[[str], str], fast_path: bool
) -> None:
    """In time, the request raises a TimeoutError that names the node; afterwards the driver works."""
    # Before the connection, so that no schema event makes it prepare again.
    stmt = f"SELECT k FROM {table('k int PRIMARY KEY')}"
    proxied = connect(hosts=[proxy.host], port=proxy.port, reconnection_policy=_quick(), fast_path=fast_path)
    assert proxied.execute(stmt, []) == []
    if fast_path:
        ways = Ways(proxied)
        ways.warm(stmt)
        await ways.warm_async(stmt)
    proxy.mute = True
    for is_async in (False, True):
        started = time.monotonic()
        with pytest.raises(RequestTimeoutError) as caught:
            if is_async:
                await proxied.execute_async(stmt, [], timeout=0.4)
            else:
                proxied.execute(stmt, [], timeout=0.4)
        assert isinstance(caught.value, TimeoutError)
        assert caught.value.timeout == 0.4
        assert caught.value.statement == stmt
        assert str(caught.value).startswith(f"No response from {proxy.host}:{proxy.port} within 0.4 s.")
        assert 0.3 < time.monotonic() - started < 5
    assert await proxied.ping_async(timeout=0.4) is False
    proxy.mute = False
    proxy.cut()
    await _until(proxied)
    assert await proxied.execute_async(stmt, []) == []


@pytest.mark.parametrize("idempotent", [False, True])
async def test_a_write_is_sent_again_only_when_idempotent(
    connect: Callable[..., Any], driver: Any, proxy: FaultProxy, table: Callable[[str], str], idempotent: bool
) -> None:
    """The connection breaks after the server applied the write: a counter shows how often it did."""
    from cassandra.policies import RetryPolicy

    class Again(RetryPolicy):  # type: ignore[misc]  # untyped driver
        asked = 0

        def on_request_error(self, *args: Any, **kwargs: Any) -> Any:
            self.asked += 1
            return (self.RETRY, None) if self.asked < 3 else (self.RETHROW, None)

    policy = Again()
    # Before the connection, so that no schema event makes it prepare again.
    name = table("k int PRIMARY KEY, n counter")
    proxied = connect(
        hosts=[proxy.host], port=proxy.port, default_retry_policy=policy, reconnection_policy=_quick()
    )
    stmt = f"UPDATE {name} SET n = n + 1 WHERE k = ?"
    proxied.execute(stmt, [0])
    proxy.mute = True
    options = RequestOptions(idempotent=True) if idempotent else None
    waiting = asyncio.create_task(proxied.execute_async(stmt, [1], timeout=5, options=options))
    deadline = time.monotonic() + 10
    while not driver.execute(f"SELECT n FROM {name} WHERE k = 1", []):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    # In this order: the write can be seen before its answer has come.
    proxy.cut()
    proxy.mute = False
    with pytest.raises(ConnectionFailedError) if not idempotent or policy.asked == 3 else _either():
        await waiting
    assert policy.asked > 0 if idempotent else policy.asked == 0
    if not idempotent:
        assert driver.execute_one(f"SELECT n FROM {name} WHERE k = 1", []) == 1


class _either:  # noqa: N801 - reads as pytest.raises does
    """Accept success or a CoodieError: the reconnect may or may not be quick enough."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        return kind is None or issubclass(kind, CoodieError)


async def test_cancelling_leaves_nothing(
    connect: Callable[..., Any], table: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    """Two thousand tasks cancelled at any point: nothing logged, nothing in flight, no state."""
    driver = connect()
    name = table("k int PRIMARY KEY, v int")
    problems: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
    caplog.clear()
    for turn in range(20):
        tasks = [
            asyncio.create_task(driver.execute_async(f"INSERT INTO {name} (k, v) VALUES (?, {turn})", [k]))
            for k in range(100)
        ]
        await asyncio.sleep(0.002 * (turn % 5))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def streams() -> int:
        pools = driver.session.get_pools()
        return sum(connection.in_flight for pool in pools for connection in pool.get_connections())

    deadline = time.monotonic() + 10
    while (driver._client.sender.in_flight or streams()) and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    assert (driver._client.sender.in_flight, streams()) == (0, 0)
    assert problems == []
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []
    assert await driver.ping_async()


async def test_wait_for_is_clean(proxied: Any, proxy: FaultProxy, table: Callable[[str], str]) -> None:
    """A timeout from outside cancels the request, and the answer that comes later harms nobody."""
    stmt = f"SELECT k FROM {table('k int PRIMARY KEY')}"
    proxied.execute(stmt, [])
    problems: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
    proxy.mute = True
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(proxied.execute_async(stmt, [], timeout=1), 0.2)
    await asyncio.sleep(1.2)
    assert problems == []


def test_a_loop_closed_with_requests_in_flight(
    connect: Callable[..., Any], table: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    """Their answers find no loop; nothing is logged, and the next loop works."""
    driver = connect()
    name = table("k int PRIMARY KEY")
    stmt = f"SELECT k FROM {name}"
    driver.execute(stmt, [])
    caplog.clear()
    for _ in range(5):
        loop = asyncio.new_event_loop()
        tasks = [loop.create_task(driver.execute_async(stmt, [])) for _ in range(50)]
        loop.call_soon(loop.stop)
        loop.run_forever()
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.close()
    time.sleep(0.5)
    assert asyncio.run(driver.execute_async(stmt, [])) == []
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


async def test_several_loops_at_once(driver: Any, table: Callable[[str], str]) -> None:
    """One driver serves four event loops in four threads and this one."""
    name = table("p int, n int, PRIMARY KEY (p, n)")

    async def work(p: int) -> int:
        await driver.execute_many_async(
            f"INSERT INTO {name} (p, n) VALUES (?, ?)", ((p, n) for n in range(200)), concurrency=20
        )
        return len(await driver.execute_async(f"SELECT n FROM {name} WHERE p = ?", [p]))

    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(asyncio.run, work(p)) for p in range(4)]
        assert await work(9) == 200
        loop = asyncio.get_running_loop()
        assert [await loop.run_in_executor(None, future.result) for future in futures] == [200] * 4


@pytest.mark.parametrize("is_async", [False, True])
async def test_closing(connect: Callable[..., Any], is_async: bool) -> None:
    """Twice is fine, from several tasks or threads at once; afterwards every method says so."""
    driver = connect()
    if is_async:
        await asyncio.gather(*(driver.close_async() for _ in range(5)))
        await driver.close_async()
    else:
        with ThreadPoolExecutor(5) as pool:
            list(pool.map(lambda _: driver.close(), range(5)))
    driver.close()
    for call in (driver.execute, driver.execute_one):
        with pytest.raises(DriverClosedError):
            call("SELECT key FROM system.local", [])
    for coroutine in (driver.execute_async, driver.execute_one_async):
        with pytest.raises(DriverClosedError):
            await coroutine("SELECT key FROM system.local", [])
    for call in (driver.ping, lambda: driver.execute_batch(["INSERT INTO a.b (c) VALUES (1)"])):
        with pytest.raises(DriverClosedError):
            call()
    with pytest.raises(DriverClosedError):
        list(driver.stream("SELECT key FROM system.local"))
    with pytest.raises(DriverClosedError):
        driver.sync_table("t", "k", [ColumnDefinition("k", "int", primary_key=True)])
    assert driver.session.is_shutdown


async def test_closing_ends_what_is_in_flight(
    connect: Callable[..., Any], proxy: FaultProxy, table: Callable[[str], str]
) -> None:
    """Each of a thousand requests without an answer ends with an error, long before its timeout."""
    driver = connect(hosts=[proxy.host], port=proxy.port)
    stmt = f"SELECT k FROM {table('k int PRIMARY KEY')}"
    await driver.execute_async(stmt, [])
    proxy.mute = True
    tasks = [asyncio.create_task(driver.execute_async(stmt, [], timeout=100)) for _ in range(1000)]
    await asyncio.sleep(0.5)
    started = time.monotonic()
    await driver.close_async()
    outcomes = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 20)
    assert time.monotonic() - started < 20
    assert all(isinstance(outcome, CoodieError) for outcome in outcomes)


async def test_context_managers_close(connect: Callable[..., Any]) -> None:
    """Both kinds close at the end of the block."""
    with connect() as driver:
        assert driver.ping()
    assert driver.session.is_shutdown
    async with connect() as driver:
        assert await driver.ping_async()
    assert driver.session.is_shutdown


def test_a_fork_is_told_so(connect: Callable[..., Any]) -> None:
    """In a forked child the driver raises instead of hanging; the parent's goes on."""
    driver = connect()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            driver.execute("SELECT key FROM system.local", [])
            said = b"no error"
        except DriverClosedError as exc:
            said = str(exc).encode()
        except BaseException as exc:  # noqa: BLE001 - told to the parent
            said = repr(exc).encode()
        os.write(writer, said)
        os._exit(0)
    os.waitpid(child, 0)
    assert b"fork" in os.read(reader, 1000)
    os.close(reader)
    os.close(writer)
    assert driver.ping()


@pytest.mark.parametrize("closing", ["", "d.close()", "atexit.register(d.close)"])
def test_interpreter_exit(cassandra_node: Any, backend: str, closing: str) -> None:
    """A program that forgets close(), or leaves it to an exit handler, ends promptly and in peace."""
    import subprocess
    import sys

    options = f"['{cassandra_node.host}'], port={cassandra_node.port}, driver_type='{backend}'"
    program = (
        "import atexit, coodie, time\n"
        f"d = coodie.init_coodie({options})\n"
        "print(d.execute_one('SELECT key FROM system.local', []))\n"
        f"{closing}\n"
        "print(time.monotonic(), flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    answer, ended = done.stdout.split()
    assert (done.returncode, answer) == (0, "local")
    assert "Traceback" not in done.stderr
    assert time.monotonic() - float(ended) < 4  # scylla-driver's exit handler would wait for five seconds


def test_threads_share_a_driver(driver: Any, table: Callable[[str], str]) -> None:
    """Thirty-two threads write and read their own partitions through one driver."""
    name = table("p int, n int, PRIMARY KEY (p, n)")
    failures: list[BaseException] = []

    def work(p: int) -> None:
        try:
            for n in range(40):
                driver.execute(f"INSERT INTO {name} (p, n) VALUES (?, ?)", [p, n])
            rows = driver.execute(f"SELECT n FROM {name} WHERE p = ?", [p])
            assert [row["n"] for row in rows] == list(range(40))
        except BaseException as exc:  # noqa: BLE001 - told to the test's thread
            failures.append(exc)

    threads = [threading.Thread(target=work, args=(p,)) for p in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


async def test_tracing_and_payloads(driver: Any, connect: Callable[..., Any]) -> None:
    """A traced request's id is in system_traces; a custom payload is let through."""
    rows = await driver.execute_async(
        "SELECT key FROM system.local", [], options=RequestOptions(trace=True, custom_payload={"a": b"b"})
    )
    assert rows.trace_id is not None
    deadline = time.monotonic() + 10
    while not driver.execute(
        "SELECT session_id FROM system_traces.sessions WHERE session_id = ?", [rows.trace_id]
    ):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    assert driver.execute("SELECT key FROM system.local", []).trace_id is None


async def test_speculation_fires_for_idempotent_requests_alone(connect: Callable[..., Any]) -> None:
    """The policy is asked for a plan only with idempotent=True."""
    from cassandra.policies import ConstantSpeculativeExecutionPolicy

    class Counting(ConstantSpeculativeExecutionPolicy):  # type: ignore[misc]  # untyped driver
        plans = 0

        def new_plan(self, keyspace: str, statement: Any) -> Any:
            self.plans += 1
            return super().new_plan(keyspace, statement)

    policy = Counting(0.001, 2)
    driver = connect(speculative_execution_policy=policy)
    await driver.execute_async("SELECT key FROM system.local", [])
    assert policy.plans == 0
    for _ in range(50):
        rows = await driver.execute_async(
            "SELECT key FROM system.local", [], options=RequestOptions(idempotent=True)
        )
        assert rows == [{"key": "local"}]
    assert policy.plans == 50


@pytest.mark.parametrize("fast_path", [True, False])
async def test_warnings_of_all_ways_reach_observers(
    connect: Connector, table: Callable[[str], str], fast_path: bool
) -> None:
    """Those of each page of a stream, of execute_one and of execute_many, which return no place for them."""
    driver = connect(fast_path=fast_path)
    name = table("k int PRIMARY KEY, v int")
    driver.execute_many(f"INSERT INTO {name} (k, v) VALUES (?, 1)", [[k] for k in range(9)])
    count = f"SELECT count(*) FROM {name}"
    for _ in range(2):  # cold and warm
        for request in (
            lambda: driver.execute_one(count, []),
            lambda: driver.execute_many(count, [[]]),
            lambda: list(driver.stream(count)),
        ):
            told = Recorder()
            with observing(told):
                assert request()
            assert [len(end.warnings) for end in told.of(RequestFinished)] == [1]
        told = Recorder()
        with observing(told):
            assert await driver.execute_one_async(count, []) == 9
            assert [row async for row in driver.stream_async(count, fetch_size=4)] == [{"count": 9}]
        assert ["partition key" in end.warnings[0] for end in told.of(RequestFinished)] == [True, True]


async def test_warnings_reach_the_caller(driver: Any, table: Callable[[str], str]) -> None:
    """The server warns of a batch over several partitions that is too large."""
    name = table("k int PRIMARY KEY, v text")
    rows = await driver.execute_batch_async(
        [(f"INSERT INTO {name} (k, v) VALUES (?, ?)", [k, "x" * 1000]) for k in range(12)], "UNLOGGED"
    )
    assert rows.warnings
    assert "atch" in rows.warnings[0]


def test_the_last_node_s_answer_is_the_error(
    fake_cluster: FakeCluster, backend: str, registry: DriverRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The drivers look for the next node in another thread, which may be done before they note the answer."""
    statement = "SELECT id FROM shop.orders"
    fake_cluster.when(statement).error(UnavailableError, alive=0)
    with open_driver(backend, **fake_cluster.connection_options()) as driver:
        monkeypatch.setattr(driver.session, "submit", lambda work, *args: work(*args))
        if backend == "scylla":
            scheduler = driver.session.cluster.scheduler
            monkeypatch.setattr(scheduler, "schedule_with_shutdown", lambda _0, _1, work, *args: work(*args))
        with CassandraDriver(driver.session, fast_path=False) as through, pytest.raises(UnavailableError):
            through.execute(statement, [])
