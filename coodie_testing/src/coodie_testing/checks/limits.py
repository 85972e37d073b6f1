"""Checks of limits of the requests in flight, as the server sees them."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from coodie.capabilities import Capability
from coodie.exceptions import ConfigurationError, CoodieError, RequestTimeoutError
from coodie_testing.checking import check
from coodie_testing.interrupts import Interrupting

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from coodie_testing.api import Api
    from coodie_testing.faults.proxy import FaultProxy
    from coodie_testing.workspace import Workspace

__all__ = ["LimitsChecks"]

#: Seconds in which further requests would reach the proxy.
_WHILE = 0.15


async def _limited(api: Api, proxy: FaultProxy, **limits: int) -> Api:
    """Open a driver with ``max_in_flight``; skip the check if it has no such option."""
    try:
        return await api.open(hosts=[proxy.host], port=proxy.port, **limits)
    except (ConfigurationError, TypeError) as exc:
        if "max_in_flight" not in str(exc) and "max_queued" not in str(exc):
            raise
        pytest.skip(f"the driver has no max_in_flight: {exc}")


async def _until_queued(api: Api, proxy: FaultProxy, count: int, first: str) -> None:
    """Wait until so many requests were made, with a limit of one: the first one is sent, others queued."""

    async def made() -> bool:
        limit = api.driver.stats().limit
        sent = proxy.count(first)
        return count == 0 or (sent == 1 and (limit is None or limit.queued >= count - 1))

    await api.until(made, f"{count} requests were made")
    if api.driver.stats().limit is None:
        await api.pause(_WHILE * count)


async def _most_in_flight(api: Api, proxy: FaultProxy, stmt: str, calls: list[Any], limit: int) -> int:
    """Run calls while no response arrives; return how many requests of the statement were sent."""
    proxy.requests.clear()
    sent = 0

    async def watch() -> None:
        nonlocal sent

        async def begun() -> bool:
            return proxy.count(stmt) >= limit

        try:
            with suppress(AssertionError):  # a driver may have fewer requests in flight
                await api.until(begun, "the requests are sent")
            await api.pause(_WHILE)
            sent = proxy.count(stmt)
        finally:
            proxy.hold = False

    proxy.hold = True
    await api.together([watch, *calls])
    return sent


class LimitsChecks:
    """``concurrency`` of execute_many, and ``max_in_flight`` of connections, if the driver has it."""

    @check()
    async def test_many_keep_their_concurrency(self, api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """No more executions are in flight than ``concurrency``, of a list and of an iterator."""
        through = await api.open(hosts=[proxy.host], port=proxy.port)
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c = ?"
        await through.execute(stmt, [0])
        params = [[n] for n in range(20)]
        for concurrency, source in ((1, params), (4, params), (4, iter(params))):
            results: list[Any] = []

            async def many(source: Any = source, count: int = concurrency, to: Any = results) -> None:
                to.append(await through.execute_many(stmt, source, concurrency=count))

            assert 0 < await _most_in_flight(through, proxy, stmt, [many], concurrency) <= concurrency
            assert results[0].succeeded == 20

    @check()
    async def test_requests_keep_their_limit(self, api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """No more requests of any methods are in flight than ``max_in_flight``; others wait."""
        through = await _limited(api, proxy, max_in_flight=3, max_queued=20)
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c < ?"
        await through.execute(stmt, [0])

        async def stream() -> int:
            return len([row async for row in through.stream(stmt, [5])])

        calls: list[Any] = [partial(through.execute, stmt, [n]) for n in range(5)]
        calls += [partial(through.execute_one, stmt, [n]) for n in range(3)]
        calls += [partial(through.execute_many, stmt, [[n] for n in range(5)]), stream]
        assert await _most_in_flight(through, proxy, stmt, calls, 3) == 3

    @check()
    async def test_failed_requests_free_their_places(
        self, api: Api, space: Workspace, proxy: FaultProxy
    ) -> None:
        """A request that failed, wasn't valid or timed out, or a stream that was left, counts no longer."""
        through = await _limited(api, proxy, max_in_flight=1, max_queued=20)
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c < ?"
        await through.execute(stmt, [0])
        for args in (["SELECT", []], [stmt, ["text"]], [stmt, [1, 2]], [f"{stmt} AND nothing = 1", [1]]):
            for method in (through.execute, through.execute_one):
                with pytest.raises(CoodieError):
                    await method(*args)
        async with aclosing(through.stream(stmt, [100], fetch_size=10)) as rows:
            async for _ in rows:
                break
        await self._the_place_is_free(through, stmt)

        async def many(**arguments: Any) -> None:
            result = await through.execute_many(stmt, [[1]] * 2, raise_on_error=False, **arguments)
            raise result.errors[0]

        calls: list[Callable[..., Coroutine[Any, Any, Any]]] = [
            partial(through.execute, stmt, [1]),
            partial(through.execute_one, stmt, [1]),
            many,
        ]
        for call in calls:
            proxy.hold = True
            with pytest.raises(RequestTimeoutError):
                await call(timeout=0.15)
            proxy.hold = False
            await self._the_place_is_free(through, stmt)

    @check()
    async def test_cancelled_requests_free_their_places(
        self, async_api: Api, space: Workspace, proxy: FaultProxy
    ) -> None:
        """A cancelled request counts no longer, also one that was queued."""
        through = await _limited(async_api, proxy, max_in_flight=1, max_queued=20)
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c < ?"
        insert = f"INSERT INTO {space.items} (p, c) VALUES ('limits', ?)"
        for text in (stmt, insert):
            await through.execute(text, [0])

        async def stream() -> list[Any]:
            return [row async for row in through.stream(stmt, [5])]

        calls: list[Any] = [
            partial(through.execute, stmt, [1]),
            partial(through.execute_one, stmt, [1]),
            partial(through.execute_many, stmt, [[1], [2]]),
            stream,
        ]
        if Capability.BATCHES in async_api.driver.capabilities:
            calls.append(partial(through.execute_batch, [(insert, [1])]))
        for call in calls:
            proxy.hold = True
            tasks = [asyncio.ensure_future(call()) for _ in range(2)]  # of which one waits
            await asyncio.sleep(0.02)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=5)
            assert all(task.cancelled() for task in tasks)
            proxy.hold = False
            await self._the_place_is_free(through, stmt)

    @check()
    async def test_interrupted_requests_free_their_places(
        self, sync_api: Api, space: Workspace, proxy: FaultProxy
    ) -> None:
        """A request that Ctrl-C ended counts no longer."""
        through = await _limited(sync_api, proxy, max_in_flight=1, max_queued=20)
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c < ?"
        await through.execute(stmt, [0])
        proxy.hold = True
        with Interrupting(), pytest.raises(KeyboardInterrupt):
            await through.execute(stmt, [1], timeout=15)
        proxy.hold = False
        await self._the_place_is_free(through, stmt)

    @check()
    async def test_queued_requests_are_sent_in_order(
        self, api: Api, space: Workspace, proxy: FaultProxy
    ) -> None:
        """Requests that ``max_in_flight`` has queued are sent first in, first out."""
        through = await _limited(api, proxy, max_in_flight=1, max_queued=20)
        stmts = [f"SELECT c FROM {space.items} WHERE p = 'many' AND c = {n}" for n in range(6)]
        for stmt in stmts:
            await through.execute(stmt, [])
        proxy.requests.clear()
        proxy.hold = True

        async def one(n: int) -> None:
            await _until_queued(through, proxy, n, stmts[0])
            await through.execute(stmts[n], [], timeout=30)

        async def release() -> None:
            await _until_queued(through, proxy, len(stmts), stmts[0])
            proxy.hold = False

        calls: list[Any] = [*(partial(one, n) for n in range(len(stmts))), release]
        await through.together(calls)
        assert [one.statement for one in proxy.requests if one.statement in stmts] == stmts

    @check()
    async def test_timeouts_in_the_queue(
        self, api: Api, space: Workspace, proxy: FaultProxy, key: str
    ) -> None:
        """A write that times out in the queue, alone or in a batch, was never sent, so wasn't applied."""
        through = await _limited(api, proxy, max_in_flight=1, max_queued=20)
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c < ?"
        insert = f"INSERT INTO {space.items} (p, c) VALUES (?, 1) /* {key} */"

        calls: list[Any] = [
            partial(through.execute, insert, [key]),
            partial(through.execute_one, insert, [key]),
        ]
        if Capability.BATCHES in api.driver.capabilities:
            calls.append(partial(through.execute_batch, [(insert, [key])]))
        for call in (partial(through.execute, stmt, [0]), *calls):
            await call()
        await api.execute(f"DELETE FROM {space.items} WHERE p = ?", [key])
        proxy.requests.clear()
        proxy.hold = True

        async def late(call: Any) -> None:
            await _until_queued(through, proxy, 1, stmt)
            with pytest.raises(RequestTimeoutError) as caught:
                await call(timeout=0.3)
            assert not caught.value.may_have_been_applied

        async def writes() -> None:
            try:
                await through.together([partial(late, call) for call in calls])
            finally:
                proxy.hold = False

        both: list[Any] = [partial(through.execute, stmt, [1], timeout=30), writes]
        await through.together(both)
        await self._the_place_is_free(through, stmt)
        assert not [one for one in proxy.requests if one.statement is None or key in one.statement]
        assert await api.execute(f"SELECT c FROM {space.items} WHERE p = ?", [key]) == []

    @staticmethod
    async def _the_place_is_free(api: Api, stmt: str) -> None:
        """Check that a request can be made, with a limit of one."""
        assert len(await api.execute(stmt, [3], timeout=5)) == 3
