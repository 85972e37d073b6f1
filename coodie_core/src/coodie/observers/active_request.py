"""The events of an observed request.

Only imported if there is an observer of requests, because the events are slow to import.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sized
from typing import TYPE_CHECKING, Any

from coodie.cql import Kind, inspect_statement
from coodie.observers.events import (
    RequestFinished,
    RequestKind,
    RequestRetried,
    RequestStarted,
    SchemaChanged,
)
from coodie.observers.hub import notify
from coodie.observers.request import ObservedRequest
from coodie.observers.statements import schema_target

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from coodie.observers.events import Host
    from coodie.observers.hub import Observer
    from coodie.observers.request import Part
    from coodie.observers.retryreason import RetryReason

__all__ = ["ActiveRequest", "request_fields"]


def request_fields(stmt: object, params: Any, part: Part) -> dict[str, Any]:
    """Return the fields that describe a request."""
    if part.statements:
        texts = tuple(dict.fromkeys(text.strip().rstrip(";") for text, _ in part.statements))
        return {
            "kind": part.kind,
            "statement": "; ".join(texts),
            "statements": texts,
            "parameter_count": sum(_count(given) for _, given in part.statements),
            "batch_size": len(part.statements),
            "parameters": [given for _, given in part.statements],
        }
    text = stmt if isinstance(stmt, str) else f"<{type(stmt).__name__}>"
    kind = part.kind
    if kind is RequestKind.SINGLE and inspect_statement(text).kind is Kind.BATCH:
        kind = RequestKind.BATCH
    return {
        "kind": kind,
        "statement": text,
        "statements": (text,),
        "parameter_count": _count(params),
        "batch_size": 0,
        "parameters": params,
    }


def _count(params: object) -> int:
    """Return the number of values; 0 if they can't be parameters."""
    if isinstance(params, (str, bytes, bytearray)) or not isinstance(params, Sized):
        return 0
    return len(params)


class ActiveRequest(ObservedRequest):
    """An observed request; each observer that receives its start receives its end."""

    __slots__ = ("_attempts", "_fields", "_host", "_observers", "_pages", "_rows", "_started", "_warnings")

    def __init__(self, observers: tuple[Observer, ...], fields: dict[str, Any]) -> None:
        self._observers = observers
        self._fields = fields
        self._attempts = 1
        self._pages = 0
        self._rows = 0
        self._host: Host | None = None
        #: Its keys, in the order in which they came.
        self._warnings: dict[str, None] = {}
        self._started = 0.0

    def __enter__(self) -> Self:
        self._started = time.perf_counter()
        try:
            notify("coodie_request_started", RequestStarted(**self._fields), self._observers)
        except BaseException as exc:
            # Ctrl-C while an observer ran: observers that got the start must get the end.
            self.__exit__(type(exc), exc, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        finished = RequestFinished(
            **self._fields,
            duration=time.perf_counter() - self._started,
            rows=self._rows,
            pages=self._pages,
            host=self._host,
            error=error,
            warnings=tuple(self._warnings),
            attempts=self._attempts,
        )
        try:
            if error is None:
                self._notify_schema_change()
        finally:
            notify("coodie_request_finished", finished, self._observers, handled=error)

    def add_page(self, rows: int, host: Host | None = None, warnings: Iterable[str] = ()) -> None:
        """Add a received page."""
        self._pages += 1
        self._warnings.update(dict.fromkeys(warnings))
        self._rows += rows
        self.tried(host)

    def tried(self, host: Host | None) -> None:
        """Store the node of an attempt."""
        if host is not None:
            self._host = host

    def retried(self, reason: RetryReason, host: Host | None = None) -> None:
        """Notify observers that the request is retried."""
        self._attempts += 1
        event = RequestRetried(**self._fields, attempt=self._attempts, reason=reason, host=host)
        notify("coodie_request_retried", event, self._observers)

    def _notify_schema_change(self) -> None:
        fields = self._fields
        changed = schema_target(fields["statement"])
        if changed is not None:
            event = SchemaChanged(
                driver_name=fields["driver_name"],
                driver_type=fields["driver_type"],
                change=changed.change,
                target=changed.target,
                keyspace=changed.keyspace or fields["keyspace"],
                name=changed.name,
                statement=fields["statement"],
            )
            notify("coodie_schema_changed", event, self._observers)
