"""Checks of ``close(drain=…)``: requests in flight finish, unless the wait is ended."""

from __future__ import annotations

import asyncio
import inspect
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from coodie.exceptions import CoodieError, DriverClosedError
from coodie_testing.checking import check
from coodie_testing.interrupts import Interrupting
from coodie_testing.loop import run_without_loop
from coodie_testing.methods import calls_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from coodie_testing.api import Api
    from coodie_testing.faults.proxy import FaultProxy
    from coodie_testing.workspace import Workspace

__all__ = ["DrainingChecks"]

#: Seconds that requests in flight have.
_DRAIN = 15.0

#: Seconds within which a drain that was ended has to be over.
_AT_ONCE = 10.0


#: Seconds in which a close that doesn't wait would be over, or would end the requests in flight.
_WHILE = 1.0


class _Draining:
    """A driver with requests in flight that get no response as long as the proxy holds them.

    Args:
        api: The driver, connected through the proxy.
        proxy: The proxy.
        stmt: A statement that reads.
        marker: A part of the statements of all requests.
    """

    def __init__(self, api: Api, proxy: FaultProxy, stmt: str, marker: str) -> None:
        self.api = api
        self.proxy = proxy
        self.stmt = stmt
        self.marker = marker
        #: Whether the driver is closed: the call of ``close`` has returned.
        self.is_closed = False
        #: The result or error of each request.
        self.outcomes: list[Any] = []

    async def request(self, call: Any = None) -> None:
        """Execute a request that waits: a read, or another call."""
        try:
            call = call or partial(self.api.execute, self.stmt, [3])
            self.outcomes.append(await call(timeout=_DRAIN))
        except CoodieError as exc:
            self.outcomes.append(exc)

    async def until_sent(self, count: int = 2) -> None:
        """Wait until so many requests are in flight."""

        async def are_sent() -> bool:
            # A batch may be a text, which is prepared each time: that is in flight, too.
            sent = [one.statement for one in tuple(self.proxy.requests)]
            return sum(one is None or self.marker in one for one in sent) >= count

        await self.api.until(are_sent, "the requests are sent")

    async def until_draining(self) -> None:
        """Wait until new requests are rejected."""

        async def is_draining() -> bool:
            try:
                await self.api.execute("SELECT key FROM system.local", [], timeout=0.1)
            except DriverClosedError:
                return True
            except CoodieError:
                pass
            return False

        await self.api.until(is_draining, "the driver doesn't accept requests")


async def _begin(api: Api, proxy: FaultProxy, space: Workspace, key: str = "drained") -> _Draining:
    """Open a driver that can be drained; skip the check if it can't."""
    if "drain" not in inspect.signature(api.method("close")).parameters:
        pytest.skip("the driver has no drain")
    through = await api.open(hosts=[proxy.host], port=proxy.port)
    stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c < ? /* {key} */"
    await through.execute(stmt, [1])
    proxy.requests.clear()
    proxy.hold = True
    return _Draining(through, proxy, stmt, key)


class DrainingChecks:
    """Drivers whose ``close`` has the argument ``drain``."""

    @check()
    async def test_drained_requests_finish(self, api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """With ``drain``, requests in flight get their response, and further ones are rejected at once."""
        draining = await _begin(api, proxy, space)
        await self._finish(draining, [draining.request] * 2)
        assert draining.outcomes == [[{"c": 0}, {"c": 1}, {"c": 2}]] * 2

    @check()
    async def test_drained_requests_of_all_methods_finish(
        self, api: Api, space: Workspace, proxy: FaultProxy, key: str
    ) -> None:
        """With ``drain``, requests in flight of each method, writes and batches too, get their response."""
        draining = await _begin(api, proxy, space, key)
        insert = f"INSERT INTO {space.items} (p, c) VALUES (?, 1) /* {key} */"
        calls = [
            *calls_of(draining.api, draining.stmt, [3]).values(),
            *calls_of(draining.api, insert, [key]).values(),
        ]
        proxy.hold = False
        for call in calls:
            await call()
        proxy.requests.clear()
        proxy.hold = True
        await self._finish(draining, [partial(draining.request, call) for call in calls])
        assert len(draining.outcomes) == len(calls)
        assert [one for one in draining.outcomes if isinstance(one, CoodieError)] == []

    @staticmethod
    async def _finish(draining: _Draining, requests: list[Callable[[], Coroutine[Any, Any, None]]]) -> None:
        """Close the driver while requests are in flight, which get their responses after a while."""

        async def close() -> None:
            await draining.until_sent(len(requests))
            await draining.api.close(drain=_DRAIN)
            draining.is_closed = True

        async def release() -> None:
            try:
                await draining.until_draining()
                started = time.monotonic()
                while time.monotonic() - started < _WHILE:
                    assert draining.outcomes == [], "requests in flight ended"
                    assert not draining.is_closed, "close() didn't wait for requests in flight"
                    await draining.api.pause(0.02)
            finally:
                draining.proxy.hold = False

        await draining.api.together([*requests, close, release])

    @check()
    async def test_a_second_close_ends_a_drain(self, api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """A second close() ends the wait of the first one, and the requests in flight."""
        draining = await _begin(api, proxy, space)

        async def close() -> None:
            await draining.until_sent()
            await draining.api.close(drain=_DRAIN)

        async def again() -> None:
            await draining.until_draining()
            await draining.api.close()

        started = time.monotonic()
        await api.together([draining.request, draining.request, close, again])
        assert time.monotonic() - started < _AT_ONCE
        assert all(isinstance(outcome, CoodieError) for outcome in draining.outcomes)

    @check()
    async def test_cancelling_a_drain(self, async_api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """The cancellation of close_async ends the drain, and the requests in flight."""
        draining = await _begin(async_api, proxy, space)
        tasks = [asyncio.ensure_future(draining.request()) for _ in range(2)]
        await draining.until_sent()
        closing = asyncio.ensure_future(draining.api.close(drain=_DRAIN))
        await draining.until_draining()
        started = time.monotonic()
        closing.cancel()
        await asyncio.wait([closing, *tasks], timeout=_AT_ONCE)
        assert closing.cancelled()
        assert time.monotonic() - started < _AT_ONCE, "the drain goes on"
        assert all(isinstance(outcome, CoodieError) for outcome in draining.outcomes)

    @check()
    async def test_an_interrupt_ends_a_drain(
        self, sync_api: Api, space: Workspace, proxy: FaultProxy
    ) -> None:
        """Ctrl-C ends the drain of close(), and the requests in flight."""
        draining = await _begin(sync_api, proxy, space)
        started = time.monotonic()

        async def close() -> None:
            await draining.until_sent()
            with Interrupting(), pytest.raises(KeyboardInterrupt):
                await draining.api.close(drain=_DRAIN)

        with ThreadPoolExecutor(2) as pool:  # the interrupt needs this thread
            for _ in range(2):
                pool.submit(lambda: run_without_loop(draining.request()))
            await close()
        assert time.monotonic() - started < _AT_ONCE, "the drain goes on"
        assert all(isinstance(outcome, CoodieError) for outcome in draining.outcomes)
