"""Checks of leaks: threads, open files, tasks and connections."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from coodie.exceptions import CoodieError
from coodie_testing.checking import check
from coodie_testing.resources import ResourceSnapshot, assert_released

if TYPE_CHECKING:
    from coodie_testing.api import Api
    from coodie_testing.faults.proxy import FaultProxy
    from coodie_testing.workspace import Workspace

__all__ = ["LeaksChecks"]


async def _use(api: Api, space: Workspace, key: str) -> None:
    """Use a driver in the usual ways, with and without errors."""
    insert = f"INSERT INTO {space.items} (p, c) VALUES (?, ?)"
    await api.execute_many(insert, ([key, c] for c in range(20)), concurrency=8)
    assert len(await api.execute(f"SELECT c FROM {space.items} WHERE p = ?", [key])) == 20
    with suppress(CoodieError):
        await api.execute("SELEC", [])
    with suppress(CoodieError):
        await api.execute(insert, [key])
    await api.execute_batch([(insert, [key, 1]), (insert, [key, 2])])


async def _fill_pools(api: Api, space: Workspace, key: str) -> None:
    """Let the pools of threads and connections reach their size."""
    for _ in range(20):
        await _use(api, space, key)


async def _use_often(api: Api, space: Workspace, key: str) -> ResourceSnapshot:
    """Use a driver, and return the snapshot from before."""
    before = ResourceSnapshot()
    for _ in range(5):
        await _use(api, space, key)
    return before


async def _use_of(api: Api, options: dict[str, Any]) -> None:
    """Open and use a driver: one may notice a missing keyspace by its first request."""
    other = await api.open(**options)
    try:
        await other.execute("SELECT v FROM nothing", [])
    finally:
        await other.close()


class LeaksChecks:
    """Resources are counted before and after."""

    @check()
    async def test_closing_releases_all(self, api: Api, space: Workspace, key: str) -> None:
        """After opening, using and closing a driver, the process has the same threads and files as before."""

        async def once() -> None:
            other = await api.open()
            await _use(other, space, key)
            await other.close()
            api.openers.opened.clear()

        await once()  # what a client starts once for a process is there from now on
        before = ResourceSnapshot()
        await once()
        await assert_released(api, before)

    @check()
    async def test_requests_hold_nothing(self, api: Api, space: Workspace, key: str) -> None:
        """The threads and files of an open driver don't increase with its requests."""
        await _fill_pools(api, space, key)
        # On a busy machine more requests may overlap, and a pool grows once more. A leak always does.
        for _ in range(2):
            before = await _use_often(api, space, key)
            with suppress(AssertionError):
                await assert_released(api, before, 5)
                return
        await assert_released(api, await _use_often(api, space, key))

    @check()
    async def test_a_failed_connect_releases_all(self, api: Api, closed_port: int) -> None:
        """A failed connect leaves no thread and no open file, if nobody listens or a keyspace is missing."""
        causes: tuple[dict[str, Any], ...] = (
            {"hosts": ["127.0.0.1"], "port": closed_port},
            {"keyspace": "kit_nowhere"},
        )
        for cause in causes:
            with pytest.raises(CoodieError):
                await _use_of(api, cause)
            before = ResourceSnapshot()
            with pytest.raises(CoodieError):
                await _use_of(api, cause)
            await assert_released(api, before)

    @check()
    async def test_tasks_end(self, async_api: Api, space: Workspace, key: str) -> None:
        """After a driver is closed, no task of it is left on the event loop."""
        before = asyncio.all_tasks()
        other = await async_api.open()
        await _use(other, space, key)
        await other.close()

        async def none_left() -> bool:
            return asyncio.all_tasks() <= before

        await async_api.until(none_left, "the closed driver's tasks have ended", 15)

    @check()
    async def test_connections_are_few(self, api: Api, space: Workspace, proxy: FaultProxy, key: str) -> None:
        """The number of connections doesn't increase with the requests."""
        other = await api.open(hosts=[proxy.host], port=proxy.port)
        await _fill_pools(other, space, key)
        before = proxy.accepted
        for _ in range(4):
            await _use(other, space, key)
        assert proxy.accepted <= before + 2
