"""Instrumentation that wraps the session's execute_async sees all requests, and none is told of twice."""

from __future__ import annotations

import logging
from functools import wraps
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.conftest import Api

from coodie.observers import observing
from coodie.observers.otel import OpenTelemetryObserver

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Connector

pytestmark = pytest.mark.server

_SELECT = "SELECT key FROM system.local WHERE key = ?"
_FAST = pytest.mark.parametrize("fast_path", [True, False], ids=["fast", "driver's way"])
_ASYNC = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


def _wrapping(seen: list[Any], module: str) -> Callable[[Any], Any]:
    """Return what wraps a function as a module's instrumentation does; calls are noted."""

    def wrapping(function: Any) -> Any:
        @wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            seen.append(args)
            return function(*args, **kwargs)

        wrapper.__module__ = module
        return wrapper

    return wrapping


async def _ask(calls: Api) -> int:
    """Ask in every way; return how many requests that takes."""
    for _ in range(10):
        await calls.execute(_SELECT, ["local"])
    assert await calls.execute_one(_SELECT, ["local"]) == "local"
    assert [row async for row in calls.stream(_SELECT, ["local"])] == [{"key": "local"}]
    assert (await calls.execute_many(_SELECT, [["local"]] * 20)).succeeded == 20
    return 32


@_FAST
@_ASYNC
async def test_all_requests_are_seen(
    is_async: bool, fast_path: bool, connect: Connector, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    """A wrapper sees each request, whenever it comes; once it is gone the fast path goes on."""
    from cassandra.cluster import Session

    driver = connect(fast_path=fast_path)
    calls, seen = Api(driver, is_async=is_async), list[Any]()
    await _ask(calls)
    before = driver.fast_path_refusal
    with monkeypatch.context() as patched, caplog.at_level(logging.WARNING, "coodie.drivers.cassandra"):
        wrapper = _wrapping(seen, "acme.tracing")(Session.execute_async)
        patched.setattr(Session, "execute_async", wrapper)
        assert await _ask(calls) == len(seen)
        told = [record.getMessage() for record in caplog.records if "acme.tracing" in record.getMessage()]
        assert len(told) == fast_path  # one line
        assert (
            fast_path is False or driver.fast_path_refusal == "acme.tracing has wrapped Session.execute_async"
        )
    assert driver.fast_path_refusal == before
    seen.clear()
    await _ask(calls)
    assert seen == []


@_ASYNC
async def test_a_session_that_was_wrapped(is_async: bool, connect: Connector) -> None:
    """The same holds where the one session's method was wrapped."""
    driver = connect()
    calls, seen = Api(driver, is_async=is_async), list[Any]()
    await _ask(calls)
    driver.session.execute_async = _wrapping(seen, "acme.tracing")(driver.session.execute_async)
    assert await _ask(calls) == len(seen)


@_FAST
async def test_a_wrapper_that_sees_nothing_is_named(
    fast_path: bool, connect: Connector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrapper of Session.execute alone is logged once, by its module, although functools copies another."""
    from cassandra.cluster import Session

    driver = connect(fast_path=fast_path)
    calls = Api(driver, is_async=False)
    await _ask(calls)

    def wrapped(method: Any) -> Any:
        @wraps(method)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return method(*args, **kwargs)

        return wrapper

    with monkeypatch.context() as patched, caplog.at_level(logging.WARNING, "coodie.drivers.cassandra"):
        patched.setattr(Session, "execute", wrapped(Session.execute))
        await _ask(calls)
        (line,) = [record.getMessage() for record in caplog.records]
        assert line.startswith(f"{__name__} has wrapped Session.execute, which coodie doesn't call")
        caplog.clear()
        # It sees the requests by the other method.
        patched.setattr(Session, "execute_async", wrapped(Session.execute_async))
        await _ask(calls)
        lines = [record.getMessage() for record in caplog.records]
        assert [line.partition(":")[0] for line in lines] == [
            f"{__name__} has wrapped Session.execute_async"
        ] * fast_path


@_FAST
@_ASYNC
async def test_no_request_has_two_spans(
    is_async: bool, fast_path: bool, connect: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where coodie's observer makes the spans, OpenTelemetry's wrapper is passed over, and no other."""
    from cassandra.cluster import Session

    driver = connect(fast_path=fast_path)
    before = driver.fast_path_refusal
    calls, seen, others = Api(driver, is_async=is_async), list[Any](), list[Any]()
    provider, spans = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    await _ask(calls)
    telemetry = _wrapping(seen, "opentelemetry.instrumentation.cassandra")
    monkeypatch.setattr(Session, "execute_async", telemetry(Session.execute_async))
    with observing(OpenTelemetryObserver(tracer_provider=provider)):
        assert await _ask(calls) == len(spans.get_finished_spans())
        assert seen == []
        assert driver.fast_path_refusal == before
    assert await _ask(calls) == len(seen)
    monkeypatch.undo()
    monkeypatch.setattr(
        Session, "execute_async", telemetry(_wrapping(others, "acme.tracing")(Session.execute_async))
    )
    seen.clear()
    with observing(OpenTelemetryObserver(tracer_provider=provider)):
        assert await _ask(calls) == len(others)
    assert seen == []
