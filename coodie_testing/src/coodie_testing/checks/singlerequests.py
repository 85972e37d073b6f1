"""Checks of what applies to one request of any method: each of its pages has it, and the next request not."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from coodie.capabilities import Capability
from coodie.exceptions import RequestTimeoutError
from coodie.options.request_options import RequestOptions
from coodie_testing.checking import check
from coodie_testing.faults.fault import Delay
from coodie_testing.messages import request_parameters
from coodie_testing.methods import calls_of, take_requests

if TYPE_CHECKING:
    from collections.abc import Callable

    from coodie_testing.api import Api
    from coodie_testing.faults.proxy import FaultProxy
    from coodie_testing.faults.rules import RecordedRequest
    from coodie_testing.methods import Calls
    from coodie_testing.workspace import Workspace

__all__ = ["SingleRequestsChecks"]

#: Rows of a page, of which the streams have three.
_PAGE = 10

#: Seconds of a short timeout, of a late response, and of a long timeout.
_SHORT, _LATE, _LONG = 0.3, 0.9, 30.0

#: Microseconds since 1970, long ago.
_LONG_AGO = 1_000_000_000_000_000

_PAYLOAD = {"name": b"value", "nothing": b""}


def _written(api: Api, space: Workspace, key: str) -> list[Calls]:
    """Return calls of each method: a write, a read with and one without parameters."""
    return [
        calls_of(api, f"INSERT INTO {space.items} (p, c) VALUES (?, 1)", [key]),
        calls_of(api, f"SELECT c FROM {space.items} WHERE p = ?", [key]),
        calls_of(api, f"SELECT c FROM {space.items} WHERE p = '{key}'", []),
    ]


async def _paged(api: Api, space: Workspace) -> Calls:
    """Return calls that request later pages."""
    everything = f"SELECT c FROM {space.items} WHERE p = 'many'"
    some = f"{everything} AND c < 30"
    state = (await api.execute(some, [], fetch_size=_PAGE)).paging_state
    return {
        "execute": partial(api.execute, everything, []),
        "execute from a state": partial(api.execute, some, [], fetch_size=_PAGE, paging_state=state),
        "execute_many": partial(api.execute_many, everything, [[]]),
        "stream": partial(api.read_stream, some, [], fetch_size=_PAGE),
    }


class _Sent(NamedTuple):
    """An option, and what a recorded request shows of it."""

    options: RequestOptions
    #: Returns the option's value in a request.
    shown: Callable[[RecordedRequest], Any]
    #: The value with the option, and without it.
    value: Any
    default: Any


_PAYLOADS = _Sent(RequestOptions(custom_payload=_PAYLOAD), lambda one: one.custom_payload, _PAYLOAD, None)
_TRACES = _Sent(RequestOptions(trace=True), lambda one: one.is_traced, value=True, default=False)


async def _assert_alone(proxy: FaultProxy, space: Workspace, calls: Calls, option: _Sent) -> None:
    """Check that each request of a call with an option has it, and none of the same one without it."""
    for method, call in calls.items():
        for arguments, expected in (({"options": option.options}, option.value), ({}, option.default)):
            take_requests(proxy, space.items)
            await call(**arguments)
            sent = [option.shown(one) for one in take_requests(proxy, space.items)]
            assert sent, method
            assert all(one == expected for one in sent), f"{method} with {arguments}: {sent}"


class SingleRequestsChecks:
    """Custom payloads, traces, timeouts, page sizes and write timestamps."""

    @check(Capability.CUSTOM_PAYLOAD)
    async def test_payloads_of_all_methods(
        self, api: Api, space: Workspace, proxy: FaultProxy, key: str
    ) -> None:
        """Each method sends the payload of a request, and none with the same request without it."""
        through = await api.open(hosts=[proxy.host], port=proxy.port)
        for calls in _written(through, space, key) * 2:  # also what is prepared by then
            await _assert_alone(proxy, space, calls, _PAYLOADS)

    @check(Capability.CUSTOM_PAYLOAD, Capability.PAGING)
    async def test_payloads_of_all_pages(self, api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """Each page of a request with a payload is requested with it, with each method."""
        through = await api.open(hosts=[proxy.host], port=proxy.port)
        calls = await _paged(through, space)
        await _assert_alone(proxy, space, calls, _PAYLOADS)

    @check(Capability.TRACING)
    async def test_traces_of_all_methods(
        self, api: Api, space: Workspace, proxy: FaultProxy, key: str
    ) -> None:
        """Each method requests a trace with ``trace``, and none with the same request without it."""
        through = await api.open(hosts=[proxy.host], port=proxy.port)
        for calls in _written(through, space, key) * 2:  # also what is prepared by then
            await _assert_alone(proxy, space, calls, _TRACES)

    @check(Capability.TRACING, Capability.PAGING)
    async def test_traces_of_all_pages(self, api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """A trace of each page is requested with ``trace``, and none without, with each method."""
        through = await api.open(hosts=[proxy.host], port=proxy.port)
        calls = await _paged(through, space)
        await _assert_alone(proxy, space, calls, _TRACES)

    @check(Capability.PAGING)
    async def test_sizes_are_of_one_request(self, api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """After a request with a ``fetch_size``, the same one without has the page size of before."""
        through = await api.open(hosts=[proxy.host], port=proxy.port)
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c < ?"

        async def size(call: Any, **arguments: Any) -> int | None:
            take_requests(proxy, stmt)
            await call(**arguments)
            return request_parameters(take_requests(proxy, stmt)[0]).page_size

        for call in (partial(through.execute, stmt, [2]), partial(through.read_stream, stmt, [2])):
            before = await size(call)
            assert await size(call, fetch_size=7) == 7
            assert await size(call) == before != 7

    @check()
    async def test_timeouts_are_of_one_request(
        self, api: Api, space: Workspace, proxy: FaultProxy, key: str
    ) -> None:
        """After a request with a timeout, the same one without has the connection's, with each method."""
        short, long = [
            await api.open(hosts=[proxy.host], port=proxy.port, request_timeout=seconds)
            for seconds in (_SHORT, _LONG)
        ]
        select, insert = (
            f"SELECT c FROM {space.items} WHERE p = ? /* {key} */",
            f"INSERT INTO {space.items} (p, c) VALUES (?, 1) /* {key} */",
        )

        async def times_out(call: Any, **arguments: Any) -> None:
            with pytest.raises(RequestTimeoutError):
                await call(**arguments)

        options: list[dict[str, Any]] = [{"timeout": _SHORT}]
        if Capability.TOTAL_TIMEOUT in api.driver.capabilities:
            options.append({"options": RequestOptions(total_timeout=_SHORT)})
        of_short, of_long = (
            [*calls_of(driver, insert, [key]).values(), *calls_of(driver, select, [key]).values()]
            for driver in (short, long)
        )
        for call in (*of_short, *of_long):
            await call(timeout=_LONG)
        proxy.add(Delay(seconds=_LATE), contains=key, times=None)
        await short.together([partial(call, timeout=_LONG) for call in of_short])
        await short.together([partial(times_out, call) for call in of_short])
        for arguments in options:
            await long.together([partial(times_out, call, **arguments) for call in of_long])
            await long.together(of_long)

    @check(Capability.TIMESTAMP)
    async def test_timestamps_are_of_one_request(self, api: Api, space: Workspace, key: str) -> None:
        """After a write with a ``timestamp``, the same one without has the current time, with each method."""
        insert = f"INSERT INTO {space.items} (p, c, v) VALUES (?, 1, 'x')"
        written = f"SELECT writetime(v) FROM {space.items} WHERE p = ?"
        for method in calls_of(api, insert, []):
            params = [f"{key}{method}"]
            call = calls_of(api, insert, params)[method]
            await call(options=RequestOptions(timestamp=_LONG_AGO))
            assert await api.execute_one(written, params) == _LONG_AGO
            await call()
            assert await api.execute_one(written, params) > _LONG_AGO, method
