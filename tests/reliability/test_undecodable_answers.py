"""Answers that can't be decoded: the request fails, and nothing else that is on its connection."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import Api, open_driver
from tests.integration.ways import Ways

from coodie.exceptions import ExecuteManyError, RequestError
from coodie.protocol.frames import Opcode
from coodie.registry import DriverRegistry, using_registry
from coodie_testing.faults import Corrupt, Delay

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from coodie_testing.faults import FaultProxy

pytestmark = pytest.mark.server


async def _stream(calls: Api, stmt: str) -> list[Any]:
    return [row async for row in calls.stream(stmt, ["x"])]


#: Method → what calls it with a read and a write, which are prepared once for each.
METHODS: dict[str, Callable[[Api, str, str], Awaitable[Any]]] = {
    "execute": lambda calls, read, _: calls.execute(read, ["x"]),
    "execute_one": lambda calls, read, _: calls.execute_one(read, ["x"]),
    "stream": lambda calls, read, _: _stream(calls, read),
    "execute_many": lambda calls, _, write: calls.execute_many(write, [["x"]]),
    "execute_batch": lambda calls, _, write: calls.execute_batch([(write, ["x"])]),
}


@pytest.fixture(scope="module", params=[True, False], ids=["fast", "driver's way"])
def mine(
    request: pytest.FixtureRequest, faulty_node: FaultProxy, backend: str, protocol: int
) -> Iterator[Any]:
    """Connect through the proxy, with the fast path and without."""
    with using_registry(DriverRegistry()):
        driver = open_driver(
            backend,
            hosts=[faulty_node.host],
            port=faulty_node.port,
            protocol_version=protocol,
            fast_path=request.param,
        )
    yield driver
    driver.close()


@pytest.fixture(scope="module")
def name(driver: Any, keyspace: str, protocol: int) -> str:
    """Make a table."""
    made = f"{keyspace}.undecodable_v{protocol}"
    driver.execute(f"CREATE TABLE IF NOT EXISTS {made} (k text PRIMARY KEY, v text)", [])
    return made


@pytest.mark.parametrize("broken", ["PREPARE", "answer"])
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("method", METHODS)
async def test_only_its_own_request_fails(
    method: str, is_async: bool, broken: str, mine: Any, proxy: FaultProxy, name: str
) -> None:
    """What is under way beside it on the same connections ends well, and none of them is closed."""
    calls = Api(mine, is_async=is_async)
    call = METHODS[method]
    mark = f"{method} {is_async} {broken} {mine.fast_path_refusal}"
    read = f"SELECT k, v FROM {name} WHERE k = ? AND v = '{mark}' ALLOW FILTERING"
    write = f"INSERT INTO {name} (k, v) VALUES (?, '{mark}')"
    beside = f"SELECT v FROM {name} WHERE k = ?"
    ways = Ways(mine)
    if mine.fast_path_refusal is None:
        ways.warm(beside, ["y"])
        await ways.warm_async(beside, ["y"])
    if broken == "answer":
        await call(calls, read, write)
        await call(calls, read, write)
    ended = await _ended(proxy)
    proxy.add(Delay(seconds=0.3), contains=beside, opcodes=(Opcode.EXECUTE,), times=None)
    waiting = [asyncio.ensure_future(mine.execute_async(beside, ["y"])) for _ in range(3)]
    waiting += [asyncio.ensure_future(asyncio.to_thread(mine.execute, beside, ["y"]))]
    await asyncio.sleep(0.1)
    opcodes = (Opcode.PREPARE,) if broken == "PREPARE" else (Opcode.EXECUTE, Opcode.BATCH)
    rule = proxy.add(Corrupt(), contains=mark, opcodes=opcodes)
    with pytest.raises((RequestError, ExecuteManyError), match=r"an't decode|1 of 1"):
        await call(calls, read, write)
    assert rule.hits == 1
    assert await asyncio.gather(*waiting) == [[]] * 4
    await call(calls, read, write)
    assert await _ended(proxy) == ended


async def _ended(proxy: FaultProxy) -> int:
    """Count the connections that have ended, when none is just being opened."""
    deadline = time.monotonic() + 10
    while (ended := proxy.accepted - len(proxy.open_connections)) != await _later(proxy):
        assert time.monotonic() < deadline
    return ended


async def _later(proxy: FaultProxy) -> int:
    await asyncio.sleep(0.02)
    return proxy.accepted - len(proxy.open_connections)
