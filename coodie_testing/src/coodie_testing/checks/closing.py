"""Checks of closed drivers, forks and context managers."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from coodie.capabilities import Capability
from coodie.contract.driver import AbstractDriver
from coodie.exceptions import CoodieError, DriverClosedError
from coodie.schema.definitions import ColumnDefinition
from coodie_testing.checking import check
from coodie_testing.children import in_a_child
from coodie_testing.resources import assert_loop_not_blocked

if TYPE_CHECKING:
    from collections.abc import Callable

    from coodie_testing.api import Api
    from coodie_testing.faults.proxy import FaultProxy
    from coodie_testing.workspace import Workspace

__all__ = ["ClosingChecks"]

_LOCAL = "SELECT key FROM system.local"

#: Seconds within which close() has to be over, whatever the server does.
_AT_MOST = 20.0


async def _closed(api: Api, proxy: FaultProxy) -> None:
    """Check that no connection through the proxy is open."""

    async def none_left() -> bool:
        return not proxy.open_connections

    await api.until(none_left, "the closed driver's connections are gone", 15)


class ClosingChecks:
    """Each check opens its own driver."""

    @check()
    async def test_close_twice(self, api: Api) -> None:
        """Closing a closed driver, sync or async, has no effect."""
        other = await api.open()
        assert await other.execute_one(_LOCAL, []) == "local"
        await other.close()
        await other.close()
        other.driver.close()

    @check()
    async def test_close_before_the_first_use(self, api: Api) -> None:
        """A driver that was never used can be closed."""
        other = await api.open()
        await other.close()

    @check()
    async def test_many_close_at_once(self, api: Api) -> None:
        """Several threads or tasks may close a driver at the same time."""
        other = await api.open()
        await other.together([other.close for _ in range(6)])
        with pytest.raises(DriverClosedError):
            await other.execute(_LOCAL, [])

    @check()
    async def test_use_after_close(self, api: Api, space: Workspace) -> None:
        """All methods of a closed driver raise a DriverClosedError, which is a RuntimeError."""
        other = await api.open()
        assert await other.execute_one(_LOCAL, []) == "local"
        await other.close()
        insert = f"INSERT INTO {space.items} (p, c) VALUES ('closed', 1)"
        cols = [ColumnDefinition("k", "int", primary_key=True)]
        calls: list[Callable[[], Any]] = [
            partial(other.execute, _LOCAL, []),
            partial(other.execute_one, _LOCAL, []),
            partial(other.execute, "SELECT release_version FROM system.local", []),
            partial(other.execute_batch, [insert]),
            other.ping,
            partial(other.sync_table, space.new_name(), space.keyspace, cols),
            partial(_first, other),
        ]
        for call in calls:
            with pytest.raises(DriverClosedError) as caught:
                await call()
            assert isinstance(caught.value, RuntimeError)
        result = await _many(other)
        assert isinstance(result, DriverClosedError)

    @check()
    async def test_closing_one_leaves_the_other(self, api: Api, space: Workspace) -> None:
        """Closing a driver doesn't affect another driver of the same server."""
        one, two = await api.open(), await api.open()
        assert await one.execute_one(_LOCAL, []) == await two.execute_one(_LOCAL, []) == "local"
        await one.close()
        assert await two.execute_one(_LOCAL, []) == "local"
        assert await two.execute(f"SELECT c FROM {space.items} WHERE p = 'none'", []) == []
        assert await api.ping()

    @check()
    async def test_close_ends_the_connections(self, api: Api, proxy: FaultProxy) -> None:
        """After close, no connection is open, whether it was used or not."""
        for used in (True, False):
            other = await api.open(hosts=[proxy.host], port=proxy.port)
            assert proxy.open_connections
            if used:
                assert await other.execute_one(_LOCAL, []) == "local"
            await other.close()
            await _closed(api, proxy)

    @check()
    async def test_close_ends_what_is_under_way(self, api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """Pending requests fail with a CoodieError long before their timeout."""
        other = await api.open(hosts=[proxy.host], port=proxy.port)
        stmt = f"SELECT c FROM {space.items} WHERE p = 'none'"
        assert await other.execute(stmt, []) == []
        proxy.mute = True

        async def waiting() -> Any:
            try:
                return await other.execute(stmt, [], timeout=60)
            except CoodieError as exc:
                return exc

        async def closing() -> None:
            await api.pause(0.4)
            await other.close()

        started = time.monotonic()
        outcomes = await other.together([*[waiting] * 8, closing])
        assert time.monotonic() - started < _AT_MOST
        assert all(isinstance(outcome, CoodieError) for outcome in outcomes[:-1])

    @check()
    async def test_close_of_a_silent_server(self, api: Api, proxy: FaultProxy) -> None:
        """close() ends although the server doesn't respond."""
        other = await api.open(hosts=[proxy.host], port=proxy.port)
        proxy.mute = True
        started = time.monotonic()
        await other.close()
        assert time.monotonic() - started < _AT_MOST
        await _closed(api, proxy)

    @check()
    async def test_closing_leaves_the_loop_alone(self, async_api: Api, proxy: FaultProxy) -> None:
        """Closing a driver doesn't block the event loop."""

        async def open_and_close() -> None:
            other = await async_api.open(hosts=[proxy.host], port=proxy.port)
            await other.ping()
            proxy.mute = True
            await other.close()
            proxy.mute = False

        await assert_loop_not_blocked(open_and_close, 0.4)

    @check()
    async def test_context_managers(self, api: Api) -> None:
        """Leaving a with block closes the driver, and passes the block's exception on."""
        for fails in (False, True):
            other = await api.open()
            with pytest.raises(LookupError, match="of the block") if fails else nullcontext():
                if api.is_async:
                    async with other.driver as entered:
                        assert entered is other.driver
                        _fail_if(fails)
                else:
                    with other.driver as entered:
                        assert entered is other.driver
                        _fail_if(fails)
            with pytest.raises(DriverClosedError):
                await other.execute(_LOCAL, [])

    @check()
    async def test_closing_the_other_way(self, api: Api) -> None:
        """After the sync close, the async methods are closed, too, and vice versa."""
        other = await api.open()
        if api.is_async:
            other.driver.close()
        else:
            await other.close()
        with pytest.raises(DriverClosedError):
            await other.execute(_LOCAL, [])

    @check()
    async def test_a_repr_of_a_closed_driver(self, api: Api) -> None:
        """A closed driver has a repr."""
        other = await api.open()
        await other.close()
        assert repr(other.driver)

    @check()
    async def test_a_fork_is_told_so(self, sync_api: Api) -> None:
        """In a forked child, the driver raises a DriverClosedError; in the parent, it works."""
        if not hasattr(os, "fork"):
            pytest.skip("this system has no fork")
        other = await sync_api.open()
        assert await other.execute_one(_LOCAL, []) == "local"
        said = in_a_child(lambda: other.driver.execute(_LOCAL, []))
        assert said.startswith("DriverClosedError:"), f"in the child: {said}"
        assert await other.execute_one(_LOCAL, []) == "local"

    @check()
    async def test_a_fork_is_not_live(self, sync_api: Api) -> None:
        """In a forked child, is_live() is False if the driver has its own, and is_ready() is False."""
        if not hasattr(os, "fork"):
            pytest.skip("this system has no fork")
        driver = (await sync_api.open()).driver
        assert driver.is_live()
        if type(driver).is_live is not AbstractDriver.is_live:  # its default can't detect a fork
            assert in_a_child(driver.is_live) == "False"
        assert in_a_child(driver.is_ready) == "False"
        assert in_a_child(lambda: asyncio.run(driver.is_ready_async())) == "False"
        assert driver.is_live()
        assert driver.is_ready(timeout=20)

    @check(Capability.SCHEMA_SYNC)
    async def test_a_fork_is_told_so_by_every_method(self, sync_api: Api, space: Workspace) -> None:
        """In a forked child, so do execute_one, ping and sync_table; close() returns."""
        if not hasattr(os, "fork"):
            pytest.skip("this system has no fork")
        driver = (await sync_api.open()).driver
        cols = [ColumnDefinition("k", "int", primary_key=True)]
        for call in (
            lambda: driver.execute_one(_LOCAL, []),
            driver.ping,
            lambda: driver.sync_table("forked", space.keyspace, cols),
        ):
            said = in_a_child(call)
            assert said.startswith("DriverClosedError:"), f"in the child: {said}"
        assert in_a_child(driver.close) == "None"
        assert driver.ping()

    @check()
    async def test_a_fork_is_told_so_in_every_way(self, sync_api: Api, space: Workspace) -> None:
        """In a forked child, so do streams, batches, execute_many, and async methods on the child's loop."""
        if not hasattr(os, "fork"):
            pytest.skip("this system has no fork")
        other = await sync_api.open()
        driver = other.driver
        insert = f"INSERT INTO {space.items} (p, c) VALUES ('forked', 1)"
        for method in (driver.execute, driver.execute_one):  # what is prepared and connected by then
            method(_LOCAL, [])
        asyncio.run(driver.execute_async(_LOCAL, []))

        def many() -> object:
            return driver.execute_many(_LOCAL, [[]], raise_on_error=False).rows(0)

        calls: list[Callable[[], Any]] = [
            lambda: list(driver.stream(_LOCAL)),
            many,
            lambda: asyncio.run(driver.execute_async(_LOCAL, [])),
            lambda: asyncio.run(driver.execute_one_async(_LOCAL, [])),
            lambda: asyncio.run(driver.ping_async()),
        ]
        if Capability.BATCHES in driver.capabilities:
            calls.append(lambda: driver.execute_batch([insert]))
            calls.append(lambda: asyncio.run(driver.execute_batch_async([insert])))
        for call in calls:
            said = in_a_child(call)
            assert said.startswith("DriverClosedError:"), f"in the child: {said}"
        assert in_a_child(lambda: asyncio.run(driver.close_async())) == "None"
        assert asyncio.run(driver.execute_one_async(_LOCAL, [])) == driver.execute_one(_LOCAL, []) == "local"


def _fail_if(fails: bool) -> None:  # noqa: FBT001 - the check's one flag
    if fails:
        raise LookupError("of the block")


async def _first(api: Api) -> Any:
    return [row async for row in api.stream(_LOCAL)]


async def _many(api: Api) -> Any:
    """Return the exception of execute_many on a closed driver, raised before or during its execution."""
    try:
        return (await api.execute_many(_LOCAL, [[]], raise_on_error=False)).errors[0]
    except CoodieError as exc:
        return exc
