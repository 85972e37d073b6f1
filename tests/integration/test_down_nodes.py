"""A node that goes down gets no new requests, and those in flight may finish; on fake nodes."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import coodie
from coodie import RequestOptions
from coodie.registry import DriverRegistry, using_registry
from coodie_testing import FakeCluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Without a routing key, so that requests alternate between the nodes.
_READ = "SELECT v FROM shop.t WHERE k = 1 AND v = ?"
_SLOW = "INSERT INTO shop.t (k, v) VALUES (1, ?)"

#: Seconds that a response is held back, unless it is released before.
_DELAY = 60

#: Goes through the driver's session, which then notices that its connection has ended.
_DRIVERS_WAY = RequestOptions(retry_policy="default")

#: The node that goes down; the control connection is to the other one.
_DOWN = 1


@pytest.fixture
def cluster() -> Iterator[FakeCluster]:
    """Start two nodes, on which writes are slow."""
    with FakeCluster(nodes=2) as found:
        found.table("shop.t", {"k": "int", "v": "int"})
        found.when(_READ).rows([{"v": 1}])
        found.when(_SLOW).delay(_DELAY)
        yield found


@pytest.fixture(params=[True, False], ids=["fast path", "driver's way"])
def driver(request: pytest.FixtureRequest, cluster: FakeCluster, backend: str) -> Iterator[Any]:
    """Connect to both nodes."""
    with using_registry(DriverRegistry()):
        options = cluster.connection_options()
        with coodie.init_coodie(driver_type=backend, fast_path=request.param, **options) as opened:
            yield opened


def _wait(ready: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 30
    while not ready():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


def _release(cluster: FakeCluster) -> None:
    """Send the responses that are held back."""

    def release() -> None:
        for connection in [one for node in cluster._nodes.nodes for one in tuple(node.connections)]:
            connection._later = [(0.0, number, frame) for _, number, frame in sorted(connection._later)]
            connection.on_change()

    cluster.when(_SLOW)
    cluster._call(release)


def _nodes(cluster: FakeCluster, stmt: str) -> list[int]:
    return [request.node for request in cluster.requests if request.statement == stmt]


def _is_down(driver: Any) -> bool:
    return [node.is_up for node in driver.stats().nodes].count(False) == 1


def _has_both(cluster: FakeCluster) -> bool:
    return set(_nodes(cluster, _SLOW)) == {0, 1}


def _stop(cluster: FakeCluster, driver: Any) -> None:
    """Stop a node as an operator does: idle connections end at once, the others after their responses."""
    cluster.stop_node(_DOWN, drain=True)
    if driver.fast_path_refusal is None:
        # The driver doesn't mark a node down to which it has a connection, as with requests in flight.
        _wait(lambda: _is_down(driver) or not driver.execute(_READ, [0], options=_DRIVERS_WAY), "it is down")


def test_warming_up_includes_all_nodes(driver: Any) -> None:
    """A session connects to its other nodes in the background, which is awaited."""
    driver.warm()
    assert [node.session_connections for node in driver.stats().nodes] == [1, 1]


def test_requests_of_threads(cluster: FakeCluster, driver: Any) -> None:
    """Writes on the node end without an error, which isn't known to be retried, and later reads avoid it."""
    driver.warm([_READ, _SLOW], connections=4)
    with ThreadPoolExecutor(4) as pool:
        writes = [pool.submit(driver.execute, _SLOW, [n]) for n in range(4)]
        _wait(lambda: len(_nodes(cluster, _SLOW)) == 4, "the writes are in flight")
        assert _has_both(cluster)
        _stop(cluster, driver)
        if driver.fast_path_refusal is None:
            assert not any(write.done() for write in writes)
            assert all(driver.execute(_READ, [n]) for n in range(10))
            assert set(_nodes(cluster, _READ)[-10:]) == {0}
        _release(cluster)
        assert [write.result() for write in writes] == [[]] * 4
    _wait(lambda: _is_down(driver) or not driver.execute(_READ, [0]), "the node is down at the end")
    assert len(_nodes(cluster, _SLOW)) == 4


async def test_requests_of_an_event_loop(cluster: FakeCluster, driver: Any) -> None:
    """The same for tasks."""
    await driver.warm_async([_READ, _SLOW])
    writes = [asyncio.create_task(driver.execute_async(_SLOW, [n])) for n in range(4)]
    await asyncio.sleep(0)
    await asyncio.to_thread(_wait, lambda: len(_nodes(cluster, _SLOW)) == 4, "the writes are in flight")
    assert _has_both(cluster)
    await asyncio.to_thread(_stop, cluster, driver)
    if driver.fast_path_refusal is None:
        assert not any(write.done() for write in writes)
        assert all(await asyncio.gather(*[driver.execute_async(_READ, [n]) for n in range(10)]))
        assert set(_nodes(cluster, _READ)[-10:]) == {0}
    await asyncio.to_thread(_release, cluster)
    assert await asyncio.gather(*writes) == [[]] * 4
    assert len(_nodes(cluster, _SLOW)) == 4


def test_execute_many(cluster: FakeCluster, driver: Any) -> None:
    """Those in flight succeed, and the others are sent to the node that is left."""
    if driver.fast_path_refusal is not None:
        return  # the driver sends further requests on the connection of those in flight
    driver.warm([_READ, _SLOW])
    with ThreadPoolExecutor(1) as pool:
        many = pool.submit(driver.execute_many, _SLOW, [[n] for n in range(40)], concurrency=20)
        _wait(lambda: len(_nodes(cluster, _SLOW)) == 20, "the first writes are in flight")
        assert _has_both(cluster)
        _stop(cluster, driver)
        _release(cluster)
        assert many.result().errors == {}
    assert set(_nodes(cluster, _SLOW)[20:]) == {0}
    assert len(_nodes(cluster, _SLOW)) == 40
