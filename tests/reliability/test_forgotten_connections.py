"""A connection that something in between has forgotten meanwhile isn't used: its age is checked before."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import open_driver
from tests.integration.ways import Ways

from coodie.registry import DriverRegistry, using_registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coodie_testing.faults import FaultProxy

pytestmark = pytest.mark.server

_SELECT = "SELECT key FROM system.local WHERE key = ?"
_FOUND = [{"key": "local"}]

#: Seconds between heartbeats, and for which nothing happens: more than one and the time for its answer.
_HEARTBEAT = 0.5
_IDLE = 1.8


@pytest.fixture
def fast(faulty_node: FaultProxy, backend: str) -> Iterator[Any]:
    """Connect through the proxy."""
    with using_registry(DriverRegistry()):
        driver = open_driver(
            backend,
            hosts=[faulty_node.host],
            port=faulty_node.port,
            request_timeout=1,
            idle_heartbeat_interval=_HEARTBEAT,
        )
    if driver.fast_path_refusal is not None:
        driver.close()
        pytest.skip("the fast path is off")
    yield driver
    faulty_node.black_holes.clear()
    driver.close()


def _forget(proxy: FaultProxy) -> None:
    """Let nothing pass any more on the connection that had the last request."""
    proxy.black_holes.add(proxy.connections_of(_SELECT)[-1])


async def test_the_loop_was_blocked(fast: Any, faulty_node: FaultProxy) -> None:
    """No heartbeat could be sent: the first requests go another way, and a new connection is opened."""
    ways = Ways(fast)
    await ways.warm_async(_SELECT, ["local"])
    _forget(faulty_node)
    time.sleep(_IDLE)  # noqa: ASYNC251 - the loop is to be blocked
    outcomes = await asyncio.gather(*(fast.execute_async(_SELECT, ["local"]) for _ in range(5)))
    assert outcomes == [_FOUND] * 5
    assert faulty_node.connections_of(_SELECT)[-1] not in faulty_node.black_holes
    await asyncio.wait_for(ways.warm_async(_SELECT, ["local"]), 10)


async def test_the_loop_was_blocked_and_nothing_was_forgotten(fast: Any, faulty_node: FaultProxy) -> None:
    """A connection that answers stays in use."""
    ways = Ways(fast)
    await ways.warm_async(_SELECT, ["local"])
    for _ in range(2):
        time.sleep(_IDLE)  # noqa: ASYNC251 - as above
        assert await fast.execute_async(_SELECT, ["local"]) == _FOUND
        await asyncio.wait_for(ways.warm_async(_SELECT, ["local"]), 10)


async def test_an_idle_loop(fast: Any) -> None:
    """Where heartbeats can be sent, the connection isn't too old, however long nothing else happens."""
    ways = Ways(fast)
    for _ in range(3):  # a machine that is busy may hold the loop up for that long
        await ways.warm_async(_SELECT, ["local"])
        before = ways.drivers
        await asyncio.sleep(_IDLE)
        assert await fast.execute_async(_SELECT, ["local"]) == _FOUND
        if ways.drivers == before:
            return
    pytest.fail("the connection wasn't used again")


def test_a_source_of_parameters_blocks(fast: Any, faulty_node: FaultProxy) -> None:
    """execute_many takes another connection where its source has kept it waiting for long."""
    Ways(fast).warm(_SELECT, ["local"])

    def params() -> Iterator[list[str]]:
        yield from [["local"]] * 100
        _forget(faulty_node)
        time.sleep(_IDLE)
        yield from [["local"]] * 100

    many = fast.execute_many(_SELECT, params(), concurrency=1)
    assert many.succeeded == 200


def test_a_thread_was_busy(fast: Any, faulty_node: FaultProxy) -> None:
    """The same holds for a thread's connection."""
    Ways(fast).warm(_SELECT, ["local"])
    _forget(faulty_node)
    time.sleep(_IDLE)
    assert fast.execute(_SELECT, ["local"]) == _FOUND
