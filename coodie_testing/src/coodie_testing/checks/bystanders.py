"""Checks of what a call leaves alone: the event loop, the connection, and the parent of a forked child."""

from __future__ import annotations

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from coodie.capabilities import Capability
from coodie.exceptions import InvalidQueryError, RequestError
from coodie.protocol.frames import Opcode
from coodie.schema.definitions import ColumnDefinition
from coodie_testing.checking import check
from coodie_testing.children import in_a_child
from coodie_testing.interrupts import Interrupting
from coodie_testing.methods import until_sent
from coodie_testing.resources import assert_loop_not_blocked

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from coodie_testing.api import Api
    from coodie_testing.faults.proxy import FaultProxy
    from coodie_testing.workspace import Workspace

__all__ = ["BystandersChecks"]

#: Seconds within which a cancelled or interrupted call has to be over.
_AT_ONCE = 5.0

#: Seconds that a request has on the event loop of a forked child's parent.
_PENDING = 15.0

_COLUMNS = [ColumnDefinition("p", "text", primary_key=True)]


async def _calls(api: Api, space: Workspace) -> tuple[dict[str, Callable[[], Coroutine[Any, Any, Any]]], str]:
    """Return a call of each method but execute, which waits for a server, and a prepared statement."""
    stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c < ?"
    calls: dict[str, Callable[[], Coroutine[Any, Any, Any]]] = {
        "execute_one": partial(api.execute_one, stmt, [2], timeout=15),
        "execute_many": partial(api.execute_many, stmt, [[1], [2]], timeout=15),
        "stream": partial(api.read_stream, stmt, [2], timeout=15),
        "ping": partial(api.ping, timeout=15),
    }
    if Capability.BATCHES in api.driver.capabilities:
        write = (f"DELETE FROM {space.items} WHERE p = ?", ["bystanders"])
        calls["execute_batch"] = partial(api.execute_batch, [write], timeout=15)
    if Capability.SCHEMA_SYNC in api.driver.capabilities:
        calls["sync_table"] = partial(api.sync_table, "bystanders", space.keyspace, _COLUMNS)
    await api.execute(stmt, [1])
    for call in calls.values():
        await call()
    return calls, stmt


class BystandersChecks:
    """Calls that wait, fail or end early affect nothing but themselves."""

    @check()
    async def test_all_methods_leave_the_loop_alone(
        self, async_api: Api, space: Workspace, proxy: FaultProxy
    ) -> None:
        """No async method blocks the event loop while it waits for a response."""
        through = await async_api.open(hosts=[proxy.host], port=proxy.port)
        calls, _ = await _calls(through, space)
        proxy.delay = 0.5
        for call in calls.values():
            await assert_loop_not_blocked(call, 0.4)

    @check()
    async def test_all_cancelled_methods_end_at_once(
        self, async_api: Api, space: Workspace, proxy: FaultProxy
    ) -> None:
        """A cancelled call of each method ends at once, and the next request works."""
        through = await async_api.open(hosts=[proxy.host], port=proxy.port)
        calls, stmt = await _calls(through, space)
        for name, call in calls.items():
            proxy.hold = True
            task = asyncio.ensure_future(call())
            await asyncio.sleep(0.05)
            task.cancel()
            await asyncio.wait({task}, timeout=_AT_ONCE)
            assert task.cancelled(), name
            proxy.hold = False
            assert len(await through.execute(stmt, [3], timeout=15)) == 3

    @check()
    async def test_all_interrupted_methods_end_at_once(
        self, sync_api: Api, space: Workspace, proxy: FaultProxy
    ) -> None:
        """Ctrl-C ends a call of each method with KeyboardInterrupt, and the next request works."""
        through = await sync_api.open(hosts=[proxy.host], port=proxy.port)
        calls, stmt = await _calls(through, space)
        for name, call in calls.items():
            proxy.hold = True
            with Interrupting() as interrupting, pytest.raises(KeyboardInterrupt):
                await call()
            assert time.monotonic() - interrupting.sent_at < _AT_ONCE, name
            proxy.hold = False
            assert len(await through.execute(stmt, [3], timeout=15)) == 3

    @check()
    async def test_closing_in_a_child_is_not_noticed(
        self, sync_api: Api, space: Workspace, proxy: FaultProxy
    ) -> None:
        """close() in a forked child affects neither a request in flight of the parent nor its connections."""
        if not hasattr(os, "fork"):
            pytest.skip("this system has no fork")
        through = await sync_api.open(hosts=[proxy.host], port=proxy.port)
        driver, stmt = through.driver, f"SELECT c FROM {space.items} WHERE p = 'many' AND c < ?"
        with ThreadPoolExecutor(1) as pool:
            assert len(pool.submit(driver.execute, stmt, [2]).result(30)) == 2
            connections = proxy.open_connections
            proxy.requests.clear()
            proxy.hold = True
            pending = pool.submit(driver.execute, stmt, [3], timeout=30)
            await until_sent(through, proxy, stmt)
            assert in_a_child(driver.close) == "None"
            await through.pause(0.2)
            proxy.hold = False
            assert len(pending.result(30)) == 3
        assert connections <= proxy.open_connections
        assert len(driver.execute(stmt, [4])) == 4

    @check()
    async def test_closing_in_a_child_leaves_the_loop_alone(
        self, async_api: Api, space: Workspace, proxy: FaultProxy
    ) -> None:
        """close() and close_async() in a forked child don't affect a request on the parent's event loop."""
        if not hasattr(os, "fork"):
            pytest.skip("this system has no fork")
        through = await async_api.open(hosts=[proxy.host], port=proxy.port)
        driver, stmt = through.driver, f"SELECT c FROM {space.items} WHERE p = 'many' AND c < ?"
        for _ in range(4):  # a driver may have other connections for later requests
            assert len(await through.execute(stmt, [2])) == 2
            await through.pause(0.1)
        for close in (driver.close, lambda: asyncio.run(driver.close_async())):
            proxy.requests.clear()
            proxy.hold = True
            pending = asyncio.ensure_future(through.execute(stmt, [3], timeout=_PENDING))
            await until_sent(through, proxy, stmt)
            assert in_a_child(close) == "None"
            await through.pause(0.2)
            proxy.hold = False
            released = time.monotonic()
            assert len(await pending) == 3
            assert time.monotonic() - released < _AT_ONCE, "the loop didn't notice the response"
            assert len(await through.execute(stmt, [4])) == 4

    @check()
    async def test_broken_values_leave_the_connection_open(
        self, api: Api, space: Workspace, proxy: FaultProxy, key: str
    ) -> None:
        """After values that can't be decoded, the same connections are open, and not one more for each."""
        insert = f"INSERT INTO {space.values} (k, text_) VALUES (?, blobAsText(0x61eda080))"
        try:
            await api.execute(insert, [key])
        except InvalidQueryError as exc:
            pytest.skip(f"the server checks that text is UTF-8: {exc}")
        through = await api.open(hosts=[proxy.host], port=proxy.port)
        select = f"SELECT text_ FROM {space.values} WHERE k = ?"
        assert await through.execute(select, [f"{key}none"]) == []
        before, accepted = proxy.open_connections, 0
        for _ in range(4):
            with pytest.raises(RequestError, match="text_"):
                await through.execute(select, [key])
            assert await through.execute(select, [f"{key}none"]) == []
            accepted = accepted or proxy.accepted  # another way to read results may connect for the first one
        assert before <= proxy.open_connections
        assert proxy.accepted == accepted

    @check()
    async def test_stats_send_nothing(self, api: Api, proxy: FaultProxy) -> None:
        """stats() and is_live() return at once if the server doesn't respond, and send no request."""
        through = await api.open(hosts=[proxy.host], port=proxy.port)
        assert await through.ping()
        proxy.mute = True
        sent: set[Opcode] = set()
        for _ in range(3):  # a driver may read the server's tables at that moment
            proxy.requests.clear()
            started = time.monotonic()
            through.driver.stats()
            assert through.driver.is_live()
            assert time.monotonic() - started < _AT_ONCE
            kinds = {one.opcode for one in tuple(proxy.requests)}
            sent = {Opcode.QUERY, Opcode.PREPARE, Opcode.EXECUTE} & kinds
            if not sent:
                break
        assert sent == set()
