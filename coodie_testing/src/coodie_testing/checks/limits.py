"""Checks of limits of the requests in flight, as the server sees them."""

from __future__ import annotations

import asyncio
import inspect
import time
from contextlib import aclosing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from coodie.capabilities import Capability
from coodie.exceptions import ConfigurationError, CoodieError, OverloadedError, RequestTimeoutError
from coodie.protocol.frames import Opcode
from coodie_testing.checking import check
from coodie_testing.interrupts import Interrupting
from coodie_testing.methods import requests_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from coodie_testing.api import Api
    from coodie_testing.faults.proxy import FaultProxy
    from coodie_testing.workspace import Workspace

__all__ = ["LimitsChecks"]

#: Seconds in which further requests would reach the proxy.
_WHILE = 0.15

#: Seconds of a drain, and those that a request which isn't rejected at once would wait.
_LATE = 10.0


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
        is_sent = proxy.count(first, Opcode.QUERY, Opcode.EXECUTE, Opcode.PREPARE) > 0
        return count == 0 or (is_sent and (limit is None or limit.queued >= count - 1))

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


def _numbers(api: Api) -> tuple[int, ...]:
    """Return the numbers of a driver's limit."""
    limit = api.driver.stats().limit
    return limit.max_in_flight, limit.max_queued, limit.in_flight, limit.queued, limit.rejected


async def _over(through: Api, proxy: FaultProxy, stmt: str, queued: int, calls: list[Any]) -> list[Any]:
    """Check that calls are rejected while a request is in flight, and so many are queued; then free these."""
    try:
        await _until_queued(through, proxy, 1 + queued, stmt)
        for call in calls:
            started = time.monotonic()
            with pytest.raises(OverloadedError) as caught:
                await call(timeout=_LATE)
            assert time.monotonic() - started < _LATE / 2, "it was queued"
            assert not caught.value.may_have_been_applied
            assert isinstance(caught.value, ConnectionError)
    finally:
        proxy.hold = False
    return []


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
    async def test_requests_over_the_queue_are_rejected(
        self, api: Api, space: Workspace, proxy: FaultProxy, key: str
    ) -> None:
        """If the queue is full, or ``max_queued`` is 0, a request is rejected at once, with any method."""
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c < ?"
        insert = f"INSERT INTO {space.items} (p, c) VALUES (?, 1) /* {key} */"
        for queued, limits in ((0, {"max_queued": 0}), (2, {"max_queued": 2}), (1, {})):
            through = await _limited(api, proxy, max_in_flight=1, **limits)
            calls: list[Any] = [
                partial(through.execute, insert, [key]),
                partial(through.execute_one, insert, [key]),
                partial(through.read_stream, f"SELECT c FROM {space.items} WHERE p = ? /* {key} */", [key]),
            ]
            if Capability.BATCHES in api.driver.capabilities:
                calls.append(partial(through.execute_batch, [(insert, [key])]))
            for call in (partial(through.execute, stmt, [1]), *calls):
                await call()
            proxy.requests.clear()
            proxy.hold = True
            over = partial(_over, through, proxy, stmt, queued, calls)
            held: list[Any] = [partial(through.execute, stmt, [3], timeout=30)] * (1 + queued)
            *found, _ = await through.together([*held, over])
            assert [len(rows) for rows in found] == [3] * (1 + queued)
            assert not [one for one in proxy.requests if one.statement is None or key in one.statement]
            await through.close()

    @check()
    async def test_stats_of_limits(self, api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """stats() has the limits, and how many requests are in flight, are queued and were rejected."""
        through = await _limited(api, proxy, max_in_flight=2, max_queued=3)
        if through.driver.stats().limit is None:
            pytest.skip("the driver's statistics have no limits")
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c < ?"
        await through.execute(stmt, [0])
        for count in (1, 2, 5):
            rejected = through.driver.stats().limit.rejected
            expected = (2, 3, min(count, 2), max(count - 2, 0), rejected)
            proxy.requests.clear()
            proxy.hold = True

            async def look(expected: tuple[int, ...] = expected) -> list[Any]:
                async def is_seen() -> bool:
                    return _numbers(through) == expected

                try:
                    await through.until(is_seen, f"stats() has the numbers {expected}", 10)
                    if sum(expected[2:4]) < sum(expected[:2]):
                        return []
                    with pytest.raises(OverloadedError):
                        await through.execute(stmt, [1], timeout=5)
                    assert _numbers(through) == (*expected[:-1], expected[-1] + 1)
                finally:
                    proxy.hold = False
                return []

            calls: list[Any] = [partial(through.execute, stmt, [1], timeout=30)] * count
            await through.together([*calls, look])
            assert _numbers(through)[2:4] == (0, 0)

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
        assert [one.statement for one in requests_of(proxy, space.items) if one.statement in stmts] == stmts

    @check()
    async def test_queued_requests_are_drained(self, api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """With ``drain``, requests that ``max_in_flight`` has queued are sent, and get their responses."""
        through = await _limited(api, proxy, max_in_flight=1, max_queued=20)
        if "drain" not in inspect.signature(through.method("close")).parameters:
            pytest.skip("the driver has no drain")
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c < ?"
        await through.execute(stmt, [0])
        proxy.requests.clear()
        proxy.hold = True

        async def close() -> list[Any]:
            await _until_queued(through, proxy, 4, stmt)
            await through.close(drain=_LATE)
            return []

        async def release() -> list[Any]:
            await _until_queued(through, proxy, 4, stmt)
            await through.pause(0.5)
            proxy.hold = False
            return []

        calls: list[Any] = [partial(through.execute, stmt, [3], timeout=30)] * 4
        found = await through.together([*calls, close, release])
        assert [len(rows) for rows in found[:4]] == [3] * 4

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
