"""A server's trace of a request, which ``driver.trace(trace_id)`` returns."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from coodie.capabilities import Capability
from coodie.contract.rows_argument import dicts_argument
from coodie.effects import Call, Sleep, Steps
from coodie.exceptions import ConfigurationError, RequestTimeoutError
from coodie.requests import check_timeout

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

__all__ = ["Trace", "TraceEvent", "fetch_trace"]

_SESSION = "SELECT * FROM system_traces.sessions WHERE session_id = ?"
_EVENTS = "SELECT * FROM system_traces.events WHERE session_id = ?"

#: The default timeout in seconds.
_TIMEOUT = 5.0

#: Seconds between checks whether the server has written the trace: the first pause, and the longest.
_FIRST_PAUSE = 0.01
_MAX_PAUSE = 0.25


@dataclass(frozen=True, kw_only=True, slots=True)
class TraceEvent:
    """One activity of a node for a request.

    Args:
        activity: The server's description.
        source: The node's address.
        thread: The name of the node's thread; None if unknown.
        elapsed: Seconds since the node started to process the request; None if unknown.
    """

    activity: str
    source: str
    thread: str | None
    elapsed: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Trace:
    """A server's trace of one request.

    Args:
        trace_id: The request's ``Rows.trace_id``.
        command: The kind of the request, such as "QUERY".
        request: The server's description of the request.
        coordinator: The address of the coordinator.
        client: The address of the client; None if unknown.
        started_at: The start of the request, by the coordinator's clock.
        duration: The duration in seconds.
        parameters: Details of the request, such as the statement and its values, which may be secret. Never
            part of the repr.
        events: The activities of the nodes, in order.
    """

    trace_id: UUID
    command: str | None
    request: str | None
    coordinator: str | None
    client: str | None
    started_at: datetime | None
    duration: float
    parameters: Mapping[str, str] = field(repr=False)
    events: tuple[TraceEvent, ...]


def fetch_trace(driver: Any, trace_id: UUID, timeout: float | None) -> Steps[Trace]:
    """Wait until the server has written a trace, and return it.

    Args:
        driver: The driver.
        trace_id: The trace's id.
        timeout: The timeout in seconds, also of the requests together; None for five.

    Raises:
        ConfigurationError: The id isn't a UUID, or the timeout is invalid.
        RequestTimeoutError: The server hasn't written the trace in time, or didn't respond.
    """
    if not isinstance(trace_id, UUID):
        message = f"trace_id: expected a UUID, got {type(trace_id).__name__}."
        raise ConfigurationError(message, hint="Give Rows.trace_id of a traced request.", option="trace_id")
    terms = dicts_argument(driver)
    if Capability.CONSISTENCY in driver.capabilities:
        # One replica has to be up, whatever the connection's default requires.
        terms["consistency"] = "LOCAL_ONE"
    seconds = check_timeout(timeout) or _TIMEOUT
    deadline = time.monotonic() + seconds

    def read(query: str) -> Steps[list[dict[str, Any]]]:
        left = deadline - time.monotonic()
        if left <= 0:
            raise _late(trace_id, seconds)
        try:
            rows: list[dict[str, Any]] = yield Call(
                driver, "execute", query, [trace_id], timeout=left, **terms
            )
        except RequestTimeoutError as exc:
            if time.monotonic() < deadline:
                raise
            raise _late(trace_id, seconds) from exc
        return rows

    pause = _FIRST_PAUSE
    while not (sessions := (yield from read(_SESSION))) or sessions[0]["duration"] is None:
        yield Sleep(pause)
        pause = min(2 * pause, _MAX_PAUSE)
    return _trace(trace_id, sessions[0], (yield from read(_EVENTS)))


def _late(trace_id: UUID, seconds: float) -> RequestTimeoutError:
    message = f"The server didn't write the trace {trace_id} within {seconds:g} s."
    hint = "Increase timeout=; servers write traces after the response, and delete them after a day."
    return RequestTimeoutError(
        message, hint=hint, statement=_SESSION, timeout=seconds, may_have_been_applied=False
    )


def _trace(trace_id: UUID, session: dict[str, Any], events: list[dict[str, Any]]) -> Trace:
    return Trace(
        trace_id=trace_id,
        command=session.get("command"),
        request=session.get("request"),
        coordinator=_text(session.get("coordinator")),
        client=_text(session.get("client")),
        started_at=session.get("started_at"),
        duration=session["duration"] / 1e6,
        parameters=dict(session.get("parameters") or {}),
        events=tuple(
            TraceEvent(
                activity=event["activity"],
                source=str(event["source"]),
                thread=event.get("thread"),
                elapsed=None if event["source_elapsed"] is None else event["source_elapsed"] / 1e6,
            )
            for event in events
        ),
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)
