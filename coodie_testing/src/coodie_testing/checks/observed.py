"""Checks of observers: one event at the start and one at the end of each request."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from coodie.capabilities import Capability
from coodie.exceptions import CoodieError, InvalidQueryError, RequestTimeoutError
from coodie.observers.events import ConnectionClosed, RequestFinished, RequestRetried, RequestStarted
from coodie.observers.hub import observing
from coodie.observers.recorder import Recorder
from coodie.options.request_options import RequestOptions
from coodie.protocol.error_codes import ErrorCode
from coodie_testing.checking import check
from coodie_testing.faults.fault import ServerError
from coodie_testing.interrupts import Interrupting
from coodie_testing.messages import ServerWarning
from coodie_testing.methods import calls_of, take_requests
from coodie_testing.workspace import MANY

if TYPE_CHECKING:
    from coodie_testing.api import Api
    from coodie_testing.faults.proxy import FaultProxy
    from coodie_testing.workspace import Workspace

__all__ = ["ObservedChecks"]

#: Set by a caller, and read by an observer.
_CALLER: ContextVar[str | None] = ContextVar("kit_caller", default=None)


def _told(recorder: Recorder, kind: type[RequestStarted | RequestFinished], stmt: str) -> list[Any]:
    """Return the events of a statement."""
    return [event for event in recorder.events if isinstance(event, kind) and event.statement == stmt]


class ObservedChecks:
    """The use of ``coodie.observers.observe_request``."""

    @check()
    async def test_requests_are_told(self, api: Api, space: Workspace, key: str) -> None:
        """A request has one start event and one end event, with its rows and duration."""
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c < ? /* {key} */"
        recorder = Recorder()
        with observing(recorder):
            assert len(await api.execute(stmt, [3])) == 3
        assert len(_told(recorder, RequestStarted, stmt)) == 1
        (ended,) = _told(recorder, RequestFinished, stmt)
        assert (ended.rows, ended.error) == (3, None)
        assert ended.pages >= 1
        assert 0 < ended.duration < 60

    @check()
    async def test_events_have_the_arguments(self, api: Api, space: Workspace, key: str) -> None:
        """The events of a request of any method have its arguments, and not those of another one."""
        calls, _ = await _calls(api, space, key)
        given: dict[str, Any] = {"timeout": 17.5}
        expected: dict[str, Any] = {"timeout": 17.5, "idempotent": True}
        options: dict[str, Any] = {"idempotent": True}
        if Capability.KEYSPACE in api.driver.capabilities:
            options["keyspace"] = expected["keyspace"] = space.thrice
        if Capability.CONSISTENCY in api.driver.capabilities:
            given["consistency"], expected["consistency"] = "local_one", "LOCAL_ONE"
        default = {
            "timeout": None,
            "idempotent": False,
            "keyspace": getattr(api.driver, "_default_keyspace", None),
        }
        for arguments, wanted in (({**given, "options": RequestOptions(**options)}, expected), ({}, default)):
            recorder = Recorder()
            with observing(recorder):
                for call in calls:
                    await call(**arguments)
            for event in (*recorder.of(RequestStarted), *recorder.of(RequestFinished)):
                assert {name: getattr(event, name) for name in wanted} == wanted, event
            counts = [event.parameter_count for event in recorder.of(RequestStarted)]
            assert counts == [1] * len(counts)

    @check()
    async def test_a_close_is_told_once(self, api: Api) -> None:
        """Closing a driver has one event, however often it is closed, sync or async, and at the same time."""
        for count in (1, 6):
            other = await api.open()
            recorder = Recorder()
            with observing(recorder):
                await other.together([other.close for _ in range(count)])
                await other.close()
                other.driver.close()
            assert [event.error for event in recorder.of(ConnectionClosed)] == [None]

    @check()
    async def test_all_pages_are_told(self, api: Api, space: Workspace, key: str) -> None:
        """The end event of a request for all rows has the rows of all pages."""
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many' /* {key} */"
        recorder = Recorder()
        with observing(recorder):
            assert len(await api.execute(stmt, [])) == MANY
        (ended,) = _told(recorder, RequestFinished, stmt)
        assert (ended.rows, ended.error) == (MANY, None)

    @check()
    async def test_retries_are_told(self, api: Api, space: Workspace, proxy: FaultProxy, key: str) -> None:
        """Each further attempt of a request, of any method, has an event."""
        through = await api.open(hosts=[proxy.host], port=proxy.port)
        stmt = f"SELECT c FROM {space.items} WHERE p = ? /* {key} */"
        calls = calls_of(through, stmt, [key])
        for call in calls.values():
            await call()
        for code in (ErrorCode.READ_TIMEOUT, ErrorCode.UNAVAILABLE, ErrorCode.OVERLOADED):
            for method, call in calls.items():
                # Clients may connect again after some errors.
                await through.until(lambda: through.ping(timeout=5), "the driver is connected")
                take_requests(proxy, key)
                rule = proxy.add(ServerError(code=code), contains=key)
                with observing(recorder := Recorder()), suppress(CoodieError):
                    await call()
                assert rule.hits == 1
                attempts = [event.attempt for event in recorder.of(RequestRetried)]
                assert attempts == list(range(2, len(take_requests(proxy, key)) + 1)), method

    @check()
    async def test_the_callers_context_is_seen(self, api: Api, space: Workspace) -> None:
        """A start event sees the caller's context variables, also of each execution of execute_many."""
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c = ?"
        seen: list[str | None] = []

        def note(event: object) -> None:
            if isinstance(event, RequestStarted) and event.statement == stmt:
                seen.append(_CALLER.get())

        token = _CALLER.set("me")
        try:
            with observing(Recorder(note)):
                await api.execute(stmt, [1])
                await api.execute_many(stmt, [[n] for n in range(8)], concurrency=4)
        finally:
            _CALLER.reset(token)
        assert seen == ["me"] * 9

    @check()
    async def test_failures_are_told(self, api: Api, space: Workspace) -> None:
        """The end event of a failed request has the raised error."""
        stmt = f"SELECT * FROM {space.new_table()}"
        recorder = Recorder()
        with observing(recorder), pytest.raises(InvalidQueryError) as caught:
            await api.execute(stmt, [])
        (ended,) = _told(recorder, RequestFinished, stmt)
        assert ended.error is caught.value
        assert ended.rows == 0

    @check()
    async def test_observers_break_nothing(self, api: Api, space: Workspace) -> None:
        """An observer that raises doesn't affect requests."""

        def fail(_event: object) -> None:
            raise RuntimeError("an observer's own fault")

        with observing(Recorder(fail)):
            rows = await api.execute(f"SELECT c FROM {space.items} WHERE p = 'many' AND c < 2", [])
        assert rows == [{"c": 0}, {"c": 1}]

    @check()
    async def test_many_are_told_apart(self, api: Api, space: Workspace, key: str) -> None:
        """Each of several concurrent requests has its own events."""
        stmts = [f"SELECT c FROM {space.items} WHERE p = 'many' AND c < {n} /* {key} */" for n in range(8)]
        recorder = Recorder()

        async def read(stmt: str) -> None:
            await api.execute(stmt, [])

        with observing(recorder):
            await api.together([partial(read, stmt) for stmt in stmts])
        for n, stmt in enumerate(stmts):
            assert len(_told(recorder, RequestStarted, stmt)) == 1
            assert [event.rows for event in _told(recorder, RequestFinished, stmt)] == [n]

    @check()
    async def test_cancellations_are_told(self, async_api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """The end event of a cancelled request says that it was interrupted."""
        through = await async_api.open(hosts=[proxy.host], port=proxy.port)
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c < 4"
        await through.execute(stmt, [])
        proxy.hold = True
        recorder = Recorder()
        with observing(recorder):
            task = asyncio.ensure_future(through.execute(stmt, []))
            await asyncio.sleep(0.1)
            task.cancel()
            await asyncio.wait({task}, timeout=10)
        proxy.hold = False
        (ended,) = _told(recorder, RequestFinished, stmt)
        assert ended.interrupted

    @check()
    async def test_cancellations_of_all_methods_are_told(
        self, async_api: Api, space: Workspace, proxy: FaultProxy, key: str
    ) -> None:
        """Each cancelled request of each method has one end event, which says that it was interrupted."""
        through = await async_api.open(hosts=[proxy.host], port=proxy.port)
        calls, count = await _calls(through, space, key)
        proxy.hold = True
        recorder = Recorder()
        with observing(recorder):
            tasks = [asyncio.ensure_future(call()) for call in calls]
            await asyncio.sleep(0.1)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=10)
        proxy.hold = False
        ends = _ends(recorder, count)
        assert all(ended.interrupted for ended in ends)

    @check()
    async def test_interrupts_are_told(self, sync_api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """The end event of a request that Ctrl-C ended says that it was interrupted."""
        through = await sync_api.open(hosts=[proxy.host], port=proxy.port)
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c < 4"
        await through.execute(stmt, [])
        proxy.hold = True
        recorder = Recorder()
        with observing(recorder), Interrupting(), pytest.raises(KeyboardInterrupt):
            await through.execute(stmt, [], timeout=15)
        proxy.hold = False
        (ended,) = _told(recorder, RequestFinished, stmt)
        assert ended.interrupted

    @check()
    async def test_timeouts_are_told(self, api: Api, space: Workspace, proxy: FaultProxy, key: str) -> None:
        """Each request of each method that timed out has one end event, with the error."""
        through = await api.open(hosts=[proxy.host], port=proxy.port)
        calls, count = await _calls(through, space, key)

        async def times_out(call: Any) -> None:
            with suppress(RequestTimeoutError):
                await call(timeout=0.2)

        proxy.mute = True
        recorder = Recorder()
        with observing(recorder):
            await api.together([partial(times_out, call) for call in calls])
        assert all(type(ended.error) is RequestTimeoutError for ended in _ends(recorder, count))

    @check()
    async def test_warnings_are_told(self, api: Api, space: Workspace, proxy: FaultProxy, key: str) -> None:
        """The end event of a request of any method has the server's warnings."""
        through = await api.open(hosts=[proxy.host], port=proxy.port)
        calls, count = await _calls(through, space, key)
        for contains in (key, "BATCH"):
            proxy.add(ServerWarning(text="of the server"), contains=contains, times=None)
        recorder = Recorder()
        with observing(recorder):
            for call in calls:
                await call()
        assert [ended.warnings for ended in _ends(recorder, count)] == [("of the server",)] * count


async def _calls(api: Api, space: Workspace, key: str) -> tuple[list[Any], int]:
    """Return a request of each method, with a comment, and their number; all are prepared."""
    stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c < ? /* {key} */"
    insert = f"INSERT INTO {space.items} (p, c) VALUES (?, 1) /* {key} */"

    async def many(**arguments: Any) -> None:
        await api.execute_many(stmt, [[1], [2]], raise_on_error=False, **arguments)

    async def stream(**arguments: Any) -> None:
        [row async for row in api.stream(stmt, [3], **arguments)]

    calls: list[Any] = [
        partial(api.execute, stmt, [1]),
        partial(api.execute, insert, [key]),
        partial(api.execute_one, stmt, [2]),
        stream,
        many,
    ]
    if Capability.BATCHES in api.driver.capabilities:
        calls.append(partial(api.execute_batch, [(insert, [key])]))
    for call in calls:
        await call()
    return calls, len(calls) + 1


def _ends(recorder: Recorder, count: int) -> list[Any]:
    """Return the end events, one for each of so many start events."""
    starts = [event.request_id for event in recorder.events if isinstance(event, RequestStarted)]
    ends = [event for event in recorder.events if isinstance(event, RequestFinished)]
    assert len(starts) == count
    assert sorted(event.request_id for event in ends) == sorted(starts)
    return ends
