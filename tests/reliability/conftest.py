"""A node behind a proxy that breaks things."""

from __future__ import annotations

import asyncio
import faulthandler
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import open_driver

from coodie_testing.faults import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests here: `make reliability` runs the quick ones, too."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker("faults")


@pytest.fixture(scope="module", params=[5, pytest.param(4, marks=pytest.mark.reliability)], ids=["v5", "v4"])
def protocol(request: pytest.FixtureRequest) -> int:
    """Name the protocol's version."""
    version: int = request.param
    return version


@pytest.fixture(scope="module")
def faulty_node(cassandra_node: Any, protocol: int) -> Iterator[FaultProxy]:
    """Put a proxy in front of the node, which seems to speak this protocol version at most."""
    with FaultProxy(cassandra_node.host, cassandra_node.port, max_protocol=protocol) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def through(faulty_node: FaultProxy, backend: str, protocol: int) -> Iterator[Any]:
    """Connect through the proxy."""
    from cassandra.policies import ConstantReconnectionPolicy

    from coodie.registry import DriverRegistry, using_registry

    with using_registry(DriverRegistry()):
        driver = open_driver(
            backend,
            hosts=[faulty_node.host],
            port=faulty_node.port,
            request_timeout=10,
            protocol_version=protocol,
            reconnection_policy=ConstantReconnectionPolicy(0.05, None),
        )
    yield driver
    driver.close()


@pytest.fixture
def proxy(faulty_node: FaultProxy, through: Any) -> Iterator[FaultProxy]:
    """Give the proxy without faults, and the driver connected; afterwards both are so again."""
    faulty_node.rules.clear()
    faulty_node.requests.clear()
    yield faulty_node
    faulty_node.heal()
    heal(through)


def heal(driver: Any, seconds: float = 60) -> None:
    """Wait until the driver has its connections back."""
    deadline = time.monotonic() + seconds
    while not (driver.ping(timeout=5) and _has_sessions_back(driver)):
        assert time.monotonic() < deadline, _state(driver)
        time.sleep(0.05)


def _state(driver: Any) -> str:
    """Describe a driver that didn't come back; write the stacks of all threads."""
    faulthandler.dump_traceback()
    hosts = [(str(host), host.is_up) for host in driver.session.cluster.metadata.all_hosts()]
    return f"the driver didn't come back: {driver.stats()}, {hosts}, {driver.session.get_pool_state()}"


def _has_sessions_back(driver: Any) -> bool:
    """Tell whether the backend's own session answers, too: a ping may go past it."""
    try:
        driver.session.execute("SELECT key FROM system.local WHERE key = 'local'", timeout=5)
    except Exception:  # noqa: BLE001 - whatever a backend raises while it has no connection
        return False
    return True


async def heal_async(driver: Any, seconds: float = 60) -> None:
    """As heal, on the loop."""
    deadline = time.monotonic() + seconds
    while not (await driver.ping_async(timeout=5) and await asyncio.to_thread(_has_sessions_back, driver)):
        assert time.monotonic() < deadline, _state(driver)
        await asyncio.sleep(0.05)
