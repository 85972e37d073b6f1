"""Checks of observers: one event at the start and one at the end of each request."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from coodie.exceptions import InvalidQueryError
from coodie.observers.events import RequestFinished, RequestStarted
from coodie.observers.hub import observing
from coodie.observers.recorder import Recorder
from coodie_testing.checking import check
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
    async def test_all_pages_are_told(self, api: Api, space: Workspace, key: str) -> None:
        """The end event of a request for all rows has the rows of all pages."""
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many' /* {key} */"
        recorder = Recorder()
        with observing(recorder):
            assert len(await api.execute(stmt, [])) == MANY
        (ended,) = _told(recorder, RequestFinished, stmt)
        assert (ended.rows, ended.error) == (MANY, None)

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
