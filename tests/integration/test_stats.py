"""``driver.stats()`` with a real node: connections, requests, errors, latencies, statements."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import Api
from tests.integration.ways import Ways

import coodie
from coodie import RequestOptions
from coodie.exceptions import CoodieError, InvalidQueryError, RequestTimeoutError
from coodie.observers.stats import DriverStats
from coodie_testing.faults import ErrorCode, ServerError, Silence

if TYPE_CHECKING:
    from collections.abc import Callable

    from coodie.registry import DriverRegistry
    from coodie_testing.faults import FaultProxy

pytestmark = pytest.mark.server

_READ = "SELECT key FROM system.local WHERE key = ?"


@pytest.fixture(params=["sync", "async"])
def own(connect: Callable[..., Any], request: pytest.FixtureRequest) -> Api:
    """Connect for this test alone, so that what is counted is known."""
    return Api(connect(statement_cache_size=2, fast_path=True), is_async=request.param == "async")


async def test_a_node_and_the_statements(own: Api, cassandra_node: Any) -> None:
    """Connections of both kinds, latencies of both ways, and the cache's lookups are in the stats."""
    driver: Any = own.driver
    ways = Ways(driver)
    if own.is_async:
        await ways.warm_async(_READ, ["local"])
    else:
        ways.warm(_READ, ["local"])
    before: Any = driver.stats()
    (node,) = before.nodes
    for _ in range(20):
        await own.execute(_READ, ["local"])
        await own.execute(_READ, ["local"], options=RequestOptions(trace=True))  # the session's way
    after: Any = driver.stats()
    (later,) = after.nodes
    assert (later.host.address, later.host.port) == (cassandra_node.host, cassandra_node.port)
    assert later.is_up
    assert later.connections >= 1
    assert later.session_connections >= 1
    assert later.idle == later.connections + later.session_connections
    assert (later.in_flight, later.queued) == (0, 0)
    assert later.errors == 0
    assert later.latency.count >= node.latency.count + 40
    assert 0 < later.latency.percentile(50) <= later.latency.percentile(99) < 10
    assert after.statements.hits >= before.statements.hits + 40
    assert (after.statements.misses, after.statements.evictions) == (1, 0)
    assert json.loads(after.as_json())["nodes"][0]["latency"]["p99"] == later.latency.percentile(99)
    for column in ("cluster_name", "data_center"):
        await own.execute(f"SELECT {column} FROM system.local", [])
    full = driver.stats().statements
    assert (full.size, full.limit, full.misses, full.evictions) == (2, 2, 3, 1)


@pytest.mark.parametrize("fast_path", [True, False])
async def test_errors_and_requests_in_flight(
    connect: Callable[..., Any], proxy: FaultProxy, fast_path: bool
) -> None:
    """A request without an answer is in flight, then an error, as an error response is."""
    driver = connect(hosts=[proxy.host], port=proxy.port, fast_path=fast_path)
    await driver.execute_async(_READ, ["local"])
    if fast_path:
        await Ways(driver).warm_async(_READ, ["local"])
    proxy.add(Silence(), contains=_READ)
    asked = asyncio.create_task(driver.execute_async(_READ, ["local"], timeout=1.0))
    while not driver.stats().nodes[0].in_flight and not asked.done():
        await asyncio.sleep(0.01)
    assert not asked.done()
    assert driver.stats().nodes[0].errors == 0
    with pytest.raises(RequestTimeoutError):
        await asked
    assert driver.stats().nodes[0].errors == 1
    proxy.add(ServerError(code=ErrorCode.INVALID), contains=_READ)
    with pytest.raises(InvalidQueryError):
        await driver.execute_async(_READ, ["local"])
    assert driver.stats().nodes[0].errors == 2
    proxy.add(ServerError(code=ErrorCode.OVERLOADED), contains=_READ, times=1)
    await driver.execute_async(_READ, ["local"], options=RequestOptions(retry_policy="backoff"))
    assert driver.stats().nodes[0].errors == 3
    assert driver.stats().as_dict()["unconnected"] == 0


def test_a_lazy_driver(cassandra_node: Any, backend: str, registry: DriverRegistry) -> None:
    """Asking for stats doesn't connect; afterwards they are the wrapped driver's, and the registry's."""
    options = cassandra_node.connection_options()
    with coodie.init_coodie(driver_type=backend, lazy=True, name="idle", **options) as driver:
        assert driver.stats() == DriverStats(driver_name="idle", driver_type=backend)
        driver.execute(_READ, ["local"])
        assert len(driver.stats().nodes) == 1
        (known,) = registry.stats()
        assert (known.driver_name, len(known.nodes)) == ("idle", 1)


def test_a_closed_driver(connect: Callable[..., Any]) -> None:
    """The stats of a closed driver have no nodes, and asking for them raises nothing."""
    driver = connect()
    driver.close()
    stats = driver.stats()
    assert stats.nodes == ()
    with pytest.raises(CoodieError):
        driver.execute(_READ, ["local"])
