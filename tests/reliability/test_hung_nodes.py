"""Nodes that hang, all of them: the first that answers again serves soon, whatever the others do."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import Api, open_driver

from coodie.exceptions import ConnectionFailedError, CoodieError
from coodie.registry import DriverRegistry, using_registry

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.cassandra(nodes=3),
    pytest.mark.server,
    pytest.mark.reliability,
    pytest.mark.timeout(300),
    pytest.mark.skipif(bool(os.environ.get("COODIE_HOSTS")), reason="it pauses nodes of its own"),
]

_SELECT = "SELECT key FROM system.local WHERE key = ?"

#: Seconds in which a node that answers again is noticed: nodes are tried each second.
_SOON = 3.0


@pytest.fixture(params=[True, False], ids=["fast", "driver's way"])
def mine(request: pytest.FixtureRequest, cassandra_node: Any, backend: str) -> Iterator[Any]:
    """Connect with heartbeats that soon find a node that hangs, and a long time to connect to one."""
    with using_registry(DriverRegistry()):
        driver = open_driver(
            backend,
            **cassandra_node.connection_options(),
            fast_path=request.param,
            idle_heartbeat_interval=1,
            idle_heartbeat_timeout=1,
            connect_timeout=20,
            request_timeout=1,
        )
    yield driver
    driver.close()


async def _error(calls: Api) -> type[CoodieError] | None:
    """Ask; return what comes of it."""
    try:
        assert await calls.execute(_SELECT, ["local"]) == [{"key": "local"}]
    except CoodieError as exc:
        return type(exc)
    return None


async def _until(calls: Api, wanted: type[CoodieError] | None, seconds: float, times: int = 1) -> None:
    """Ask until that comes of it so many times in a row."""
    deadline = time.monotonic() + seconds
    found = 0
    while found < times:
        found = found + 1 if await _error(calls) is wanted else 0
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_the_first_node_that_is_back_serves(is_async: bool, mine: Any, cassandra_node: Any) -> None:
    """A node that answers again is used within a second or two, while the others go on to hang."""
    calls = Api(mine, is_async=is_async)
    nodes = cassandra_node.cluster.nodes
    for back in nodes:
        await _until(calls, None, 60, times=20)
        for node in nodes:
            node.pause()
        try:
            # No connection is left, and those that are being opened hang.
            await _until(calls, ConnectionFailedError, 60, times=100)
            back.resume()
            await _until(calls, None, _SOON)
        finally:
            for node in nodes:
                node.resume()
