"""Nodes that refuse a login for a while: what requests say meanwhile, and how soon they work again."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import Api, open_driver

from coodie.exceptions import AuthenticationError, CoodieError, SchemaError
from coodie.protocol.frames import Opcode
from coodie.registry import DriverRegistry, using_registry
from coodie.schema import ColumnDefinition
from coodie_testing.faults import ErrorCode, FaultProxy, ServerError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

pytestmark = pytest.mark.cassandra(auth=True)

_SELECT = "SELECT key FROM system.local WHERE key = ?"

#: Method → what calls it, with a number that makes a statement new.
METHODS: dict[str, Callable[[Api, int], Awaitable[Any]]] = {
    "execute": lambda calls, _: calls.execute(_SELECT, ["local"]),
    "a new statement": lambda calls, n: calls.execute(f"{_SELECT} LIMIT {n + 1}", ["local"]),
    "execute_one": lambda calls, _: calls.execute_one(_SELECT, ["local"]),
    "stream": lambda calls, _: _first(calls),
    "execute_batch": lambda calls, n: calls.execute_batch([f"INSERT INTO ks.t (k) VALUES ({n})"]),
}


async def _first(calls: Api) -> Any:
    return [row async for row in calls.stream(_SELECT, ["local"])]


@pytest.fixture(scope="module")
def proxy(cassandra_node: Any) -> Iterator[FaultProxy]:
    """Put a proxy in front of the node, which asks for passwords."""
    with FaultProxy(cassandra_node.host, cassandra_node.port) as running:
        yield running


@pytest.fixture(params=[True, False], ids=["fast", "driver's way"])
def mine(
    request: pytest.FixtureRequest, proxy: FaultProxy, cassandra_node: Any, backend: str
) -> Iterator[Any]:
    """Connect through the proxy, with the fast path and without."""
    where = {"hosts": [proxy.host], "port": proxy.port, "fast_path": request.param}
    with using_registry(DriverRegistry()):
        driver = open_driver(backend, **cassandra_node.connection_options() | where)
    yield driver
    driver.close()
    proxy.rules.clear()


async def _until(condition: Callable[[], Awaitable[bool]], seconds: float = 20) -> float:
    """Wait for a state; return how long it took."""
    started = time.monotonic()
    while not await condition():
        assert time.monotonic() - started < seconds
        await asyncio.sleep(0.05)
    return time.monotonic() - started


async def _error(call: Awaitable[Any]) -> CoodieError | None:
    try:
        await call
    except CoodieError as exc:
        return exc
    return None


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_until_the_node_takes_it_again(is_async: bool, mine: Any, proxy: FaultProxy) -> None:
    """Every request names the login as the reason; a second or two after the node is well they work."""
    calls = Api(mine, is_async=is_async)
    assert await calls.execute(_SELECT, ["local"]) == [{"key": "local"}]
    rule = proxy.add(ServerError(code=ErrorCode.BAD_CREDENTIALS), opcodes=(Opcode.AUTH_RESPONSE,), times=None)
    registered = proxy.registered
    proxy.cut()

    async def is_refused() -> bool:
        return isinstance(await _error(METHODS["execute"](calls, 0)), AuthenticationError)

    await _until(is_refused)
    # Tried again and again: the drivers' own way is never after the first time.
    first = rule.hits

    async def is_tried_again() -> bool:
        for n, (method, call) in enumerate(METHODS.items()):
            error = await _error(call(calls, n))
            assert isinstance(error, AuthenticationError), (method, error)
            assert "injected: bad credentials" in str(error)
        return rule.hits >= first + 4

    await _until(is_tried_again)
    assert await calls.ping() is False
    with pytest.raises((AuthenticationError, SchemaError)) as caught:
        await calls.sync_table("t", "ks", [ColumnDefinition("k", "int", primary_key=True)])
    assert "bad credentials" in f"{caught.value} {caught.value.__cause__}"
    rule.times = rule.hits

    async def works() -> bool:
        return await _error(METHODS["execute"](calls, 0)) is None

    assert await _until(works) < 6

    async def hears_of_events() -> bool:
        return proxy.registered > registered

    await _until(hears_of_events)


async def test_a_role_that_may_not_log_in_for_a_while(
    proxy: FaultProxy, cassandra_driver: Any, cassandra_node: Any, backend: str
) -> None:
    """The server itself refuses it, and then it doesn't."""
    cassandra_driver.execute("CREATE ROLE IF NOT EXISTS shut_out WITH PASSWORD = 'p' AND LOGIN = true", [])
    where = {"hosts": [proxy.host], "port": proxy.port, "username": "shut_out", "password": "p"}
    with using_registry(DriverRegistry()):
        driver = open_driver(backend, **cassandra_node.connection_options() | where)
    with driver:
        await driver.execute_async(_SELECT, ["local"])
        cassandra_driver.execute("ALTER ROLE shut_out WITH LOGIN = false", [])

        async def is_refused() -> bool:
            proxy.cut()  # again, until the node has forgotten what it remembers of roles for two seconds
            await asyncio.sleep(0.3)
            error = await _error(driver.execute_async(_SELECT, ["local"]))
            return isinstance(error, AuthenticationError) and "shut_out" in str(error)

        await _until(is_refused)
        cassandra_driver.execute("ALTER ROLE shut_out WITH LOGIN = true", [])

        async def works() -> bool:
            return await _error(driver.execute_async(_SELECT, ["local"])) is None

        assert await _until(works) < 10  # the node's memory, and a second or two
