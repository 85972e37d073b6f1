"""Checks of later pages: a request's arguments apply to each of them, and a closed driver ends a stream."""

from __future__ import annotations

from contextlib import aclosing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from coodie.capabilities import Capability
from coodie.exceptions import DriverClosedError, RequestTimeoutError
from coodie.observers.events import RequestFinished, RequestStarted
from coodie.observers.hub import observing
from coodie.observers.recorder import Recorder
from coodie.options.request_options import RequestOptions
from coodie_testing.checking import check
from coodie_testing.faults.fault import Delay, Silence
from coodie_testing.messages import RequestParameters, request_parameters
from coodie_testing.methods import executions_of
from coodie_testing.workspace import MANY

if TYPE_CHECKING:
    from coodie_testing.api import Api
    from coodie_testing.faults.proxy import FaultProxy
    from coodie_testing.workspace import Workspace

__all__ = ["LaterPagesChecks"]

#: Rows of a page of the streams: three pages of the partition ``many``.
_PAGE = 4000

#: Seconds in which a further request would reach the proxy.
_WHILE = 0.05


def _sent(proxy: FaultProxy, stmt: str) -> list[RequestParameters]:
    """Return the parameters of the requests of a statement, and forget them."""
    sent = [request_parameters(one) for one in executions_of(proxy, stmt)]
    proxy.requests.clear()
    return sent


async def _read(api: Api, stmt: str, **arguments: Any) -> int:
    """Read all rows with a stream."""
    return len([row async for row in api.stream(stmt, [], fetch_size=_PAGE, **arguments)])


async def _close_after(api: Api, stmt: str, count: int, rows: list[int]) -> None:
    """Read a stream to its end, and close the driver after some rows."""
    async with aclosing(api.stream(stmt, fetch_size=10)) as stream:
        async for row in stream:
            rows.append(row["c"])
            if len(rows) == count:
                await api.close()


class LaterPagesChecks:
    """All pages but the first one."""

    @check(Capability.PAGING, Capability.CONSISTENCY)
    async def test_levels_of_later_pages(self, api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """Each page has the request's level or the connection's, with all rows, a stream or a state."""
        through = await api.open(hosts=[proxy.host], port=proxy.port, consistency="LOCAL_QUORUM")
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many'"
        state = (await through.execute(stmt, [], fetch_size=1)).paging_state
        _sent(proxy, stmt)
        calls = [
            partial(through.execute, stmt, []),
            partial(through.execute, stmt, [], paging_state=state),
            partial(through.execute_many, stmt, [[]]),
            partial(_read, through, stmt),
        ]
        for call in calls:
            for arguments, level in (({"consistency": "ALL"}, "ALL"), ({}, "LOCAL_QUORUM")):
                await call(**arguments)
                pages = _sent(proxy, stmt)
                assert len(pages) > 1
                assert {page.consistency for page in pages} == {level}

    @check(Capability.PAGING, Capability.LIGHTWEIGHT_TRANSACTIONS)
    async def test_serial_levels_of_later_pages(self, api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """Each page has the request's ``serial_consistency``, and that of a stream its ``fetch_size``."""
        through = await api.open(hosts=[proxy.host], port=proxy.port)
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many'"
        options = RequestOptions(serial_consistency="SERIAL")
        assert len(await through.execute(stmt, [], options=options)) == MANY
        pages = _sent(proxy, stmt)
        assert len(pages) > 1
        assert {page.serial_consistency for page in pages} == {"SERIAL"}
        first = await through.execute(stmt, [], fetch_size=_PAGE)
        _sent(proxy, stmt)
        await through.execute(stmt, [], fetch_size=_PAGE, paging_state=first.paging_state, options=options)
        assert await _read(through, stmt, options=options) == MANY
        pages = _sent(proxy, stmt)
        assert {(page.serial_consistency, page.page_size) for page in pages} == {("SERIAL", _PAGE)}

    @check(Capability.PAGING, Capability.TOTAL_TIMEOUT)
    async def test_total_timeouts_of_all_pages(self, api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """``total_timeout`` is the limit of all pages together, each of which is fast enough."""
        through = await api.open(hosts=[proxy.host], port=proxy.port)
        stmt = f"SELECT c, n FROM {space.items} WHERE p = 'many'"
        await through.execute(stmt, [], fetch_size=1)
        options = RequestOptions(total_timeout=1.7)
        proxy.add(Delay(seconds=0.9), contains="SELECT c, n", times=None)

        async def ends(call: Any) -> None:
            with pytest.raises(RequestTimeoutError):
                await call(timeout=30, options=options)

        async def ends_in_many(**arguments: Any) -> None:
            await through.execute_many(stmt, [[]], on_result=lambda _, outcome: _raise(outcome), **arguments)

        calls = [partial(through.execute, stmt, []), partial(_read, through, stmt), ends_in_many]
        await through.together([partial(ends, call) for call in calls])

    @check(Capability.PAGING)
    async def test_streams_request_pages_as_needed(
        self, api: Api, space: Workspace, proxy: FaultProxy, key: str
    ) -> None:
        """A stream requests a page when it is reached, an async one while the page before is consumed."""
        through = await api.open(hosts=[proxy.host], port=proxy.port)
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many' /* {key} */"
        await through.execute(stmt, [], fetch_size=1)
        proxy.requests.clear()
        ahead = 1 if through.is_async else 0
        count = 0
        async with aclosing(through.stream(stmt, fetch_size=10)) as rows:
            async for _ in rows:
                count += 1
                if count in (1, 10, 11):
                    await through.pause(_WHILE)
                    assert proxy.count(stmt) <= (count + 9) // 10 + ahead
                if count == 11:
                    break

    @check(Capability.PAGING)
    async def test_closing_a_stream_cancels_its_page(
        self, async_api: Api, space: Workspace, proxy: FaultProxy, key: str
    ) -> None:
        """Closing stream_async before its end cancels the request for the next page."""
        through = await async_api.open(hosts=[proxy.host], port=proxy.port)
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many' /* {key} */"
        await through.execute(stmt, [], fetch_size=1)
        proxy.requests.clear()
        proxy.add(Silence(), contains=key, after=1)
        with observing(recorder := Recorder()):
            rows = through.driver.stream_async(stmt, fetch_size=10, timeout=30)
            await anext(rows)

            async def is_requested() -> bool:
                return proxy.count(stmt) > 1

            with suppress(AssertionError):  # a driver may request no page ahead
                await through.until(is_requested, "the next page is requested", 1)
            await rows.aclose()

            async def has_ended() -> bool:
                return len(recorder.of(RequestFinished)) == len(recorder.of(RequestStarted))

            await through.until(has_ended, "the request for the next page has ended", 2)
        first, *later = recorder.of(RequestFinished)
        assert first.error is None
        assert all(event.interrupted for event in later)

    @check(Capability.PAGING)
    async def test_closing_ends_streams(self, api: Api, space: Workspace) -> None:
        """If the driver is closed during a stream, its next page is a DriverClosedError, not its end."""
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many'"
        for count in (1, 10, 15):  # within the first page, at its end, and within the second one
            other = await api.open()
            rows: list[int] = []
            with pytest.raises(DriverClosedError):
                await _close_after(other, stmt, count, rows)
            assert rows == list(range(len(rows)))
            assert len(rows) < 50

    @check(Capability.PAGING)
    async def test_the_last_state_after_other_requests(self, api: Api, space: Workspace, key: str) -> None:
        """_last_paging_state, if it exists, is None after a write, an execute_one or a batch."""
        if not hasattr(type(api.driver), "_last_paging_state"):
            return
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many'"
        insert = f"INSERT INTO {space.items} (p, c) VALUES (?, 1)"
        calls = [
            partial(api.execute, insert, [key]),
            partial(api.execute_one, stmt + " LIMIT 1", []),
            partial(api.execute_one, insert, [key]),
            partial(api.execute, f"{stmt} AND c < 3", [], fetch_size=10),
        ]
        if Capability.BATCHES in api.driver.capabilities:
            calls += [partial(api.execute_batch, [(insert, [key])])] * 2
        for call in calls:
            page = await api.execute(stmt, [], fetch_size=2)
            assert api.driver._last_paging_state == page.paging_state is not None
            await call()
            assert api.driver._last_paging_state is None


def _raise(outcome: Any) -> None:
    if isinstance(outcome, BaseException):
        raise outcome
