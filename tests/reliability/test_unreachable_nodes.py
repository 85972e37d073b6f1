"""Nodes that no connection can be opened to: every request says which node, and what is wrong there."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import Api, open_driver
from tests.reliability.test_refused_logins import METHODS, _error

from coodie.exceptions import AuthenticationError, ConnectionFailedError, CoodieError
from coodie.registry import DriverRegistry, using_registry
from coodie_testing.faults import ErrorCode, FaultProxy, Opcode, ServerError

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.server

#: Seconds until the driver has tried to connect again, at most.
_RECONNECTED = 20


@pytest.fixture
def proxy(cassandra_node: Any) -> Iterator[FaultProxy]:
    """Put a proxy in front of the node."""
    with FaultProxy(cassandra_node.host, cassandra_node.port) as running:
        yield running


@pytest.fixture(params=[True, False], ids=["fast", "driver's way"])
def mine(request: pytest.FixtureRequest, proxy: FaultProxy, backend: str) -> Iterator[Any]:
    """Connect through the proxy, with the fast path and without."""
    with using_registry(DriverRegistry()):
        driver = open_driver(
            backend, hosts=[proxy.host], port=proxy.port, fast_path=request.param, request_timeout=10
        )
    yield driver
    driver.close()


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_all_nodes_are_down(is_async: bool, mine: Any, proxy: FaultProxy) -> None:
    """By every method; the drivers say then that a host is marked down, or nothing."""
    calls = Api(mine, is_async=is_async)
    for _ in range(3):
        await METHODS["execute"](calls, 0)
    proxy.refusing = True
    accepted = proxy.accepted
    proxy.cut()
    end = time.monotonic() + _RECONNECTED
    while proxy.accepted < accepted + 3 or not await _names_the_reason(calls, proxy, "execute", 0):
        assert time.monotonic() < end
        await asyncio.sleep(0.05)
    for n, method in enumerate(METHODS):
        assert await _names_the_reason(calls, proxy, method, n), method


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_a_login_is_refused_before_it_is_asked_for(
    is_async: bool, mine: Any, proxy: FaultProxy, backend: str
) -> None:
    """As of a client certificate, in response to STARTUP: by every method, and where one connects."""
    calls = Api(mine, is_async=is_async)
    await METHODS["execute"](calls, 0)
    proxy.add(ServerError(code=ErrorCode.BAD_CREDENTIALS), opcodes=(Opcode.STARTUP,), times=None)
    proxy.cut()
    end = time.monotonic() + _RECONNECTED
    while not isinstance(await _error(METHODS["execute"](calls, 0)), AuthenticationError):
        assert time.monotonic() < end
        await asyncio.sleep(0.05)
    for n, method in enumerate(METHODS):
        assert isinstance(await _error(METHODS[method](calls, n)), AuthenticationError), method
    with using_registry(DriverRegistry()), pytest.raises(AuthenticationError):
        open_driver(backend, hosts=[proxy.host], port=proxy.port)
    proxy.rules.clear()
    while await _error(METHODS["execute"](calls, 0)):
        assert time.monotonic() < end + _RECONNECTED
        await asyncio.sleep(0.05)


async def _names_the_reason(calls: Api, proxy: FaultProxy, method: str, n: int) -> bool:
    """Ask, and tell whether the error says why no connection could be opened, and to which node."""
    with pytest.raises(CoodieError) as caught:
        await METHODS[method](calls, n)
    error = caught.value
    assert isinstance(error, ConnectionFailedError)
    assert not isinstance(error, AuthenticationError)
    assert list(error.hosts) == [f"{proxy.host}:{proxy.port}"]
    (reason,) = error.hosts.values()
    assert reason in str(error)
    return "reset by peer" in reason or "closed by server" in reason
