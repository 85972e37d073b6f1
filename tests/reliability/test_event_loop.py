"""The event loop goes on while connections are lost and full, and while nodes die, on every way of asking."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import open_driver

from coodie.exceptions import (
    ConnectionFailedError,
    CoodieError,
    ExecuteManyError,
    OverloadedError,
    RequestTimeoutError,
)
from coodie.registry import DriverRegistry, using_registry
from coodie.schema import ColumnDefinition
from coodie_local import LocalCluster
from coodie_testing.faults import Delay

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from coodie_testing.faults import FaultProxy

pytestmark = pytest.mark.server

_SELECT = "SELECT key FROM system.local WHERE key = ?"

#: Seconds that the loop may stand still. The drivers wait two for a connection, at each host.
_LONGEST = 1.8


class LoopWatch:
    """Measure how long the running loop stands still at most, while it is entered."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def __aenter__(self) -> LoopWatch:  # noqa: PYI034 - nothing derives from it
        self._ticker = asyncio.ensure_future(self._tick())
        await asyncio.sleep(0.02)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.sleep(0.02)
        self._ticker.cancel()

    async def _tick(self) -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(0.005)
            now = time.monotonic()
            self.longest, last = max(self.longest, now - last), now


async def _stream(driver: Any) -> list[Any]:
    return [row async for row in driver.stream_async(_SELECT, ["local"])]


#: Ways of asking.
_WAYS: dict[str, Callable[[Any], Coroutine[Any, Any, Any]]] = {
    "execute": lambda driver: driver.execute_async(_SELECT, ["local"]),
    "one": lambda driver: driver.execute_one_async(_SELECT, ["local"]),
    "stream": _stream,
    "many": lambda driver: driver.execute_many_async(_SELECT, [["local"]] * 20),
    "batch": lambda driver: driver.execute_batch_async(
        [("INSERT INTO loops.t (id, x) VALUES (?, ?)", [n, 0]) for n in range(3)]
    ),
    "sync_table": lambda driver: driver.sync_table_async(
        "t", "loops", [ColumnDefinition("id", "int", primary_key=True), ColumnDefinition("x", "int")]
    ),
    "ping": lambda driver: driver.ping_async(),
}


@pytest.fixture(scope="module")
def reconnecting(faulty_node: FaultProxy, backend: str, protocol: int) -> Iterator[Any]:
    """Connect through the proxy, without the fast path; every statement of the ways has been prepared."""
    from cassandra.policies import ConstantReconnectionPolicy

    with using_registry(DriverRegistry()):
        driver = open_driver(
            backend,
            hosts=[faulty_node.host],
            port=faulty_node.port,
            protocol_version=protocol,
            reconnection_policy=ConstantReconnectionPolicy(0.05, None),
            fast_path=False,
        )
    replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}"
    driver.execute(f"CREATE KEYSPACE IF NOT EXISTS loops WITH replication = {replication}", [])
    asyncio.run(_WAYS["sync_table"](driver))
    for way in _WAYS.values():
        asyncio.run(way(driver))
    yield driver
    driver.close()


def _pooled(driver: Any) -> list[Any]:
    """Return the open connections of the session's pools: not the control connection."""
    return [
        connection
        for pool in tuple(driver.session.get_pools())
        for connection in pool.get_connections()
        if not connection.is_closed
    ]


async def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.001)


async def _cut(driver: Any, proxy: FaultProxy) -> None:
    """Let the server close the session's idle connections, which its pools don't notice by themselves."""
    await _until(lambda: bool(_pooled(driver)), "the session has no connection")
    ports = {connection._socket.getsockname()[1] for connection in _pooled(driver)}
    proxy.cut(ports)
    await _until(lambda: not _pooled(driver), "the session's connections are still open")


@pytest.mark.parametrize("way", _WAYS)
@pytest.mark.parametrize("refusing", [False, True], ids=["connects again", "refuses"])
async def test_idle_connections_are_lost(
    refusing: bool, way: str, reconnecting: Any, faulty_node: FaultProxy
) -> None:
    """The first requests after it end soon, in whatever way, and the loop goes on; then all is well again."""
    await _cut(reconnecting, faulty_node)
    faulty_node.refusing = refusing
    async with LoopWatch() as watch:
        tasks = [asyncio.ensure_future(_WAYS[way](reconnecting)) for _ in range(5)]
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    faulty_node.refusing = False
    assert watch.longest < _LONGEST
    assert {type(outcome) for outcome in outcomes if isinstance(outcome, BaseException)} <= {
        ConnectionFailedError,
        RequestTimeoutError,
        ExecuteManyError,
    }
    await _healed(reconnecting, way)


async def _healed(driver: Any, way: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            await _WAYS[way](driver)
        except CoodieError:
            assert time.monotonic() < deadline, "the driver didn't come back"
            await asyncio.sleep(0.05)
        else:
            return


def test_a_timeout_includes_the_wait_for_a_connection(reconnecting: Any, faulty_node: FaultProxy) -> None:
    """In a thread, too, a request whose connection was lost ends within its own time."""
    asyncio.run(_cut(reconnecting, faulty_node))
    faulty_node.refusing = True
    started = time.monotonic()
    try:
        # The latter where the statement has to be prepared again.
        with pytest.raises((ConnectionFailedError, RequestTimeoutError)):
            reconnecting.execute(_SELECT, ["local"], timeout=0.3)
    finally:
        faulty_node.refusing = False
    assert time.monotonic() - started < 0.3 + _LONGEST
    asyncio.run(_healed(reconnecting, "execute"))


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_all_streams_are_in_use(
    is_async: bool, backend: str, faulty_node: FaultProxy, registry: DriverRegistry
) -> None:
    """What a session's connection can't take waits for its turn, is sent then, and never stops the loop."""
    driver = open_driver(backend, hosts=[faulty_node.host], port=faulty_node.port, fast_path=False)
    try:
        await driver.execute_async(_SELECT, ["local"])
        for pool in driver.session.get_pools():
            for connection in pool.get_connections():
                connection.max_request_id = connection.in_flight + 2
        faulty_node.add(Delay(seconds=0.3), contains=_SELECT, times=6)
        async with LoopWatch() as watch:
            if is_async:
                answers = await asyncio.gather(
                    *(driver.execute_async(_SELECT, ["local"]) for _ in range(6)),
                )
            else:
                many = await asyncio.to_thread(driver.execute_many, _SELECT, [["local"]] * 6)
                answers = [[{"key": "local"}]] * many.succeeded
        assert answers == [[{"key": "local"}]] * 6
        assert watch.longest < _LONGEST
        # One that would wait for longer than it has is told so in time.
        faulty_node.add(Delay(seconds=1.5), contains=_SELECT, times=2)
        slow = [asyncio.ensure_future(driver.execute_async(_SELECT, ["local"])) for _ in range(2)]
        await asyncio.sleep(0)
        started = time.monotonic()
        with pytest.raises(OverloadedError):
            if is_async:
                await driver.execute_async(_SELECT, ["local"], timeout=0.2)
            else:
                await asyncio.to_thread(driver.execute, _SELECT, ["local"], timeout=0.2)
        assert time.monotonic() - started < 0.2 + _LONGEST
        assert await asyncio.gather(*slow) == [[{"key": "local"}]] * 2
    finally:
        await driver.close_async()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LocalCluster]:
    """Start three nodes."""
    with LocalCluster("loops", nodes=3, directory=tmp_path, timeout=300) as running:
        running.create_keyspace("loops")
        yield running


@pytest.mark.reliability
@pytest.mark.timeout(600)
@pytest.mark.parametrize("fast_path", [False, True])
async def test_nodes_die(
    fast_path: bool, cluster: LocalCluster, backend: str, registry: DriverRegistry
) -> None:
    """The loop goes on while all three nodes are killed, one after another, and requests end in time."""
    driver = open_driver(backend, fast_path=fast_path, **cluster.connection_options())
    taken: list[float] = []
    errors: set[type] = set()
    ends = False

    async def ask(worker: int) -> None:
        while not ends:
            started = time.monotonic()
            try:
                await driver.execute_async("SELECT x FROM loops.t WHERE id = ?", [worker], timeout=0.3)
            except CoodieError as error:
                errors.add(type(error))
                await asyncio.sleep(0.01)
            taken.append(time.monotonic() - started)

    try:
        await _WAYS["sync_table"](driver)
        async with LoopWatch() as watch:
            tasks = [asyncio.ensure_future(ask(worker)) for worker in range(20)]
            await asyncio.sleep(1)
            for node in cluster.nodes:
                await asyncio.to_thread(node.kill)
                await asyncio.sleep(3)
            ends = True
            await asyncio.gather(*tasks)
    finally:
        await driver.close_async()
    assert watch.longest < _LONGEST
    assert max(taken) < 0.3 + _LONGEST
    assert errors >= {ConnectionFailedError}
