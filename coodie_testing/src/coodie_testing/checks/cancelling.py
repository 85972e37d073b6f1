"""Checks of cancellation: a cancelled or interrupted call ends at once, and no other call is affected."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from coodie.capabilities import Capability
from coodie.protocol.frames import Opcode
from coodie.schema.definitions import ColumnDefinition
from coodie_testing.checking import check
from coodie_testing.interrupts import Interrupting

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from coodie_testing.api import Api
    from coodie_testing.faults.proxy import FaultProxy
    from coodie_testing.workspace import Workspace

__all__ = ["CancellingChecks"]

#: Seconds within which a cancelled call has to be over.
_AT_ONCE = 5.0


async def _cancelled(call: Coroutine[Any, Any, Any], after: float = 0.1) -> None:
    """Cancel a pending call; check that it ends at once with CancelledError."""
    task = asyncio.ensure_future(call)
    await asyncio.sleep(after)
    assert not task.done(), "the call ended before it could be cancelled"
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=_AT_ONCE)
    assert done, f"the call continues {_AT_ONCE:g} s after it was cancelled"
    assert task.cancelled(), "the cancelled call ended in another way"


async def _through(api: Api, proxy: FaultProxy, space: Workspace) -> tuple[Api, str]:
    """Connect through the proxy, and prepare a statement."""
    through = await api.open(hosts=[proxy.host], port=proxy.port)
    stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c < ?"
    assert len(await through.execute(stmt, [9])) == 9
    return through, stmt


class CancellingChecks:
    """Cancelled tasks; each check fails if the event loop's exception handler is called."""

    @check()
    async def test_cancelled_requests_end_at_once(
        self, async_api: Api, space: Workspace, proxy: FaultProxy
    ) -> None:
        """A cancelled request raises CancelledError at once, and its late response is ignored."""
        through, stmt = await _through(async_api, proxy, space)
        proxy.hold = True
        await _cancelled(through.execute(stmt, [9]))
        await _cancelled(through.execute_one(stmt, [8]))
        proxy.hold = False
        found = await through.together([partial(through.execute, stmt, [n]) for n in range(20)])
        assert [len(rows) for rows in found] == list(range(20))

    @check()
    async def test_nothing_is_logged_of_cancelled_requests(
        self, async_api: Api, space: Workspace, proxy: FaultProxy, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A cancelled request of any method, and its late response, cause no warning in the log."""
        through, stmt = await _through(async_api, proxy, space)
        insert = f"INSERT INTO {space.items} (p, c) VALUES ('cancelled', ?)"
        calls: list[Any] = [
            partial(through.execute, stmt, [9]),
            partial(through.execute, insert, [9]),
            partial(through.execute_one, stmt, [8]),
            partial(through.execute_many, stmt, [[7], [6]]),
            partial(through.read_stream, stmt, [5]),
        ]
        if Capability.BATCHES in async_api.driver.capabilities:
            calls.append(partial(through.execute_batch, [(insert, [1])]))
        for call in calls:
            await call()
        proxy.requests.clear()
        caplog.clear()
        proxy.hold = True
        tasks = [asyncio.ensure_future(call()) for call in calls]

        async def all_sent() -> bool:
            # execute_many has two executions. A driver that prepares a statement again does so first.
            return len(proxy.requests) > len(calls) or proxy.count(space.items, Opcode.PREPARE) > 0

        await through.until(all_sent, "the requests are sent")
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=_AT_ONCE)
        assert all(task.cancelled() for task in tasks)
        proxy.hold = False
        await through.together([partial(through.execute, stmt, [n]) for n in range(20)])
        await asyncio.sleep(0.1)
        logged = [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
        assert logged == []

    @check()
    async def test_interrupted_requests_end_at_once(
        self, sync_api: Api, space: Workspace, proxy: FaultProxy
    ) -> None:
        """Ctrl-C ends a request that waits with KeyboardInterrupt, and the driver can be used afterwards."""
        through, stmt = await _through(sync_api, proxy, space)
        calls: list[Any] = [partial(through.execute, stmt, [9])]
        if Capability.BATCHES in sync_api.driver.capabilities:
            batch = [(f"DELETE FROM {space.items} WHERE p = ?", ["interrupted"])]
            calls.append(partial(through.execute_batch, batch))
        for call in calls:
            proxy.hold = True
            with Interrupting() as interrupting, pytest.raises(KeyboardInterrupt):
                await call(timeout=15)
            assert time.monotonic() - interrupting.sent_at < _AT_ONCE
            proxy.hold = False
            for n in range(3):
                assert len(await through.execute(stmt, [n], timeout=15)) == n

    @check()
    async def test_cancelling_at_any_point(self, async_api: Api, space: Workspace, key: str) -> None:
        """After hundreds of tasks are cancelled at any point, nothing is left, and the driver works."""
        insert = f"INSERT INTO {space.items} (p, c) VALUES (?, ?)"
        for turn in range(8):
            stmt = f"{insert} USING TTL {600 + turn}"
            tasks = [asyncio.ensure_future(async_api.execute(stmt, [key, c])) for c in range(60)]
            await asyncio.sleep(0.003 * (turn % 4))
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(outcome == [] or isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
        await async_api.execute(insert, [key, 1000])
        assert await async_api.execute(f"SELECT c FROM {space.items} WHERE p = ? AND c = 1000", [key])

    @check()
    async def test_a_timeout_from_outside(self, async_api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """asyncio.wait_for cancels a request cleanly, also if the request's timeout is longer."""
        through, stmt = await _through(async_api, proxy, space)
        proxy.mute = True
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(through.execute(stmt, [9], timeout=0.6), 0.2)
        await asyncio.sleep(0.8)

    @check()
    async def test_cancelling_one_of_those_who_prepare(
        self, async_api: Api, space: Workspace, proxy: FaultProxy
    ) -> None:
        """If one of several callers that wait for a PREPARE is cancelled, the others get the statement."""
        through, _ = await _through(async_api, proxy, space)
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c < ? /* {uuid.uuid4()} */"
        proxy.delay = 0.4
        tasks = [asyncio.ensure_future(through.execute(stmt, [n])) for n in range(6)]
        await asyncio.sleep(0.1)
        tasks[0].cancel()
        tasks[3].cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for n, outcome in enumerate(outcomes):
            if n in (0, 3):
                assert isinstance(outcome, asyncio.CancelledError)
            else:
                assert not isinstance(outcome, BaseException)
                assert len(outcome) == n

    @check(Capability.PAGING)
    async def test_cancelling_a_page(self, async_api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """After a cancelled request, the same page can be requested again."""
        through, _ = await _through(async_api, proxy, space)
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c < 100"
        page = await through.execute(stmt, [], fetch_size=10)
        proxy.hold = True
        await _cancelled(through.execute(stmt, [], fetch_size=10, paging_state=page.paging_state))
        proxy.hold = False
        again = await through.execute(stmt, [], fetch_size=10, paging_state=page.paging_state)
        assert [row["c"] for row in again] == list(range(10, 20))

    @check()
    async def test_cancelling_a_stream(self, async_api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """A task that iterates over a stream can be cancelled between pages."""
        through, _ = await _through(async_api, proxy, space)
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many'"
        reached = asyncio.Event()

        async def read() -> None:
            async with aclosing(through.stream(stmt, fetch_size=100)) as rows:
                async for _ in rows:
                    if not reached.is_set():
                        proxy.hold = True
                        reached.set()
                await asyncio.sleep(60)  # a driver that can't page has read all by now

        task = asyncio.ensure_future(read())
        await reached.wait()
        await _cancelled(_shielded(task), 0.2)
        proxy.hold = False
        assert await through.ping()

    @check()
    async def test_cancelling_many(
        self, async_api: Api, space: Workspace, proxy: FaultProxy, key: str
    ) -> None:
        """A cancelled execute_many starts no further executions."""
        through, _ = await _through(async_api, proxy, space)
        insert = f"INSERT INTO {space.items} (p, c) VALUES (?, ?)"
        await through.execute(insert, [key, 0])
        proxy.delay = 0.05
        await _cancelled(
            through.execute_many(insert, ([key, c] for c in range(5000)), concurrency=2), after=0.4
        )
        proxy.delay = 0
        await asyncio.sleep(0.3)
        count = f"SELECT count(*) FROM {space.items} WHERE p = ?"
        written = await async_api.execute_one(count, [key])
        await asyncio.sleep(0.3)
        assert await async_api.execute_one(count, [key]) == written < 1000

    @check(Capability.SCHEMA_SYNC)
    async def test_cancelling_sync_table(self, async_api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """After a cancelled sync_table, calling it again completes the table."""
        through, _ = await _through(async_api, proxy, space)
        name = space.new_name()
        cols = [ColumnDefinition("id", "int", primary_key=True), ColumnDefinition("v", "text")]
        proxy.hold = True
        await _cancelled(through.sync_table(name, space.keyspace, cols))
        proxy.hold = False
        await through.sync_table(name, space.keyspace, cols)
        assert await through.sync_table(name, space.keyspace, cols) == []

    @check()
    async def test_cancelling_a_connect(self, async_api: Api, proxy: FaultProxy) -> None:
        """A cancelled connect returns at once, and leaves no connection open."""
        if async_api.openers.open_driver_async is None:
            pytest.skip("the suite gives no open_driver_async")
        proxy.delay = 0.5
        await _cancelled(async_api.open(hosts=[proxy.host], port=proxy.port), 0.2)
        proxy.delay = 0

        async def none_left() -> bool:
            return not proxy.open_connections

        await async_api.until(none_left, "the cancelled connect has closed its connections", 30)

    @check()
    async def test_cancelling_close(self, async_api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """A cancelled close_async still closes the driver."""
        through, _ = await _through(async_api, proxy, space)
        task = asyncio.ensure_future(through.close())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task}, timeout=_AT_ONCE)
        await through.close()

        async def none_left() -> bool:
            return not proxy.open_connections

        await async_api.until(none_left, "the closed driver's connections are gone", 15)


async def _shielded(task: asyncio.Future[None]) -> None:
    """Wait for a task, and cancel it when cancelled."""
    await task
