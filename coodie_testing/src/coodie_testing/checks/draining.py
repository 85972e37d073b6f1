"""Checks of ``close(drain=…)``: requests in flight finish, unless the wait is ended."""

from __future__ import annotations

import asyncio
import inspect
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from coodie.exceptions import CoodieError, DriverClosedError
from coodie_testing.checking import check
from coodie_testing.interrupts import Interrupting
from coodie_testing.loop import run_without_loop

if TYPE_CHECKING:
    from coodie_testing.api import Api
    from coodie_testing.faults.proxy import FaultProxy
    from coodie_testing.workspace import Workspace

__all__ = ["DrainingChecks"]

#: Seconds that requests in flight have.
_DRAIN = 15.0

#: Seconds within which a drain that was ended has to be over.
_AT_ONCE = 10.0


class _Draining:
    """A driver with requests in flight that get no response as long as the proxy holds them.

    Args:
        api: The driver, connected through the proxy.
        proxy: The proxy.
        stmt: The statement of the requests.
    """

    def __init__(self, api: Api, proxy: FaultProxy, stmt: str) -> None:
        self.api = api
        self.proxy = proxy
        self.stmt = stmt
        #: The result or error of each request.
        self.outcomes: list[Any] = []

    async def request(self) -> None:
        """Execute a request that waits."""
        try:
            self.outcomes.append(await self.api.execute(self.stmt, [3], timeout=_DRAIN))
        except CoodieError as exc:
            self.outcomes.append(exc)

    async def until_sent(self) -> None:
        """Wait until the requests are in flight."""

        async def are_sent() -> bool:
            return self.proxy.count(self.stmt) >= 2

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


async def _begin(api: Api, proxy: FaultProxy, space: Workspace) -> _Draining:
    """Open a driver that can be drained; skip the check if it can't."""
    if "drain" not in inspect.signature(api.method("close")).parameters:
        pytest.skip("the driver has no drain")
    through = await api.open(hosts=[proxy.host], port=proxy.port)
    stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c < ?"
    await through.execute(stmt, [1])
    proxy.requests.clear()
    proxy.hold = True
    return _Draining(through, proxy, stmt)


class DrainingChecks:
    """Drivers whose ``close`` has the argument ``drain``."""

    @check()
    async def test_drained_requests_finish(self, api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """With ``drain``, requests in flight get their response, and further ones are rejected at once."""
        draining = await _begin(api, proxy, space)

        async def close() -> None:
            await draining.until_sent()
            await draining.api.close(drain=_DRAIN)

        async def release() -> None:
            await draining.until_draining()
            assert draining.outcomes == []
            proxy.hold = False

        await api.together([draining.request, draining.request, close, release])
        assert draining.outcomes == [[{"c": 0}, {"c": 1}, {"c": 2}]] * 2

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
