"""An observer that logs requests, connections and schema changes; slow requests at a higher level."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from reprlib import Repr
from typing import TYPE_CHECKING, Any

from coodie.exceptions import ConfigurationError
from coodie.hooks import hookimpl
from coodie.observers.statements import describe_request, without_literals

if TYPE_CHECKING:
    from coodie.observers.events import (
        ConnectionClosed,
        ConnectionFailed,
        ConnectionOpened,
        DriverRegistered,
        NodeAdded,
        NodeConnectionClosed,
        NodeConnectionOpened,
        NodeDown,
        NodeEvent,
        NodeRemoved,
        NodeUp,
        RequestFinished,
        SchemaChanged,
    )

__all__ = ["RequestLog"]

_requests = logging.getLogger("coodie.requests")
_connections = logging.getLogger("coodie.connections")

#: Values that are shown of one request, and characters of a statement.
_MAX_VALUES = 20
_MAX_TEXT = 2000


class RequestLog:
    """Logs each finished request to the logger ``coodie.requests``, at DEBUG or ``level``.

    Requests that take ``slow_seconds`` or longer, that fail, or for which the server sends a warning are
    logged at WARNING; a cancelled request is logged as a successful one. Connections, names and schema
    changes are logged to ``coodie.connections`` at INFO, failures at WARNING.

    Each record has attributes for structured formatters, all beginning with ``coodie_``: ``driver``,
    ``driver_type``, ``keyspace``, ``kind``, ``operation``, ``collection``, ``statement``,
    ``parameter_count``, ``batch_size``, ``consistency``, ``duration`` (seconds), ``rows``, ``pages``,
    ``host``, ``error`` (the name of its class, or None), ``slow``, ``warning_count``, ``attempts``, and with
    ``values=True`` ``values`` and ``warnings``.

    Statements are logged with ``?`` in place of each literal, and parameters aren't logged. Errors are logged
    as the name of their class, and the server's warnings as their number, since both may quote the statement.

    Args:
        slow_seconds: The minimum duration of slow requests; None for no slow requests.
        level: The level of requests that are neither slow nor failed.
        values: Log unchanged statements, parameters (each cut to ``value_length``), error messages and
            warnings. These may contain secrets.
        value_length: The maximum number of characters of a logged value, 3 or more.

    Raises:
        ConfigurationError: An argument is invalid.
    """

    def __init__(
        self,
        *,
        slow_seconds: float | None = None,
        level: int = logging.DEBUG,
        values: bool = False,
        value_length: int = 40,
    ) -> None:
        if slow_seconds is not None and not _is_number(slow_seconds, 0):
            message = f"slow_seconds={slow_seconds!r} is not a number of seconds."
            raise ConfigurationError(message, hint="Give 0.5, for example.", option="slow_seconds")
        if not isinstance(level, int) or isinstance(level, bool):
            message = f"level={level!r} is not a level of logging."
            raise ConfigurationError(message, hint="Give logging.INFO, for example.", option="level")
        if not isinstance(values, bool):
            raise ConfigurationError(f"values={values!r}.", hint="Give True or False.", option="values")
        if not isinstance(value_length, int) or not _is_number(value_length, 3):
            message = f"value_length={value_length!r} is not a number of characters, 3 or more."
            raise ConfigurationError(message, hint="Give 40, for example.", option="value_length")
        self._slow = slow_seconds
        self._level = level
        self._values = values
        self._shown = _shortener(value_length)
        self._length = value_length

    @hookimpl
    def coodie_request_finished(self, event: RequestFinished) -> None:
        """Log the end of a request."""
        slow = self._slow is not None and event.duration >= self._slow
        failed = event.error is not None and not event.interrupted
        level = logging.WARNING if slow or failed or event.warnings else self._level
        if not _requests.isEnabledFor(level):
            return
        described = describe_request(event)
        text = event.statement if self._values else described.text
        text = text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…"
        fields: dict[str, Any] = {
            "driver": event.driver_name,
            "driver_type": event.driver_type,
            "keyspace": event.keyspace,
            "kind": event.kind.value,
            "operation": described.operation,
            "collection": described.collection,
            "statement": text,
            "parameter_count": event.parameter_count,
            "batch_size": event.batch_size,
            "consistency": event.consistency,
            "duration": event.duration,
            "rows": event.rows,
            "pages": event.pages,
            "host": None if event.host is None else event.host.address,
            "error": None if event.error is None else type(event.error).__name__,
            "slow": slow,
            "warning_count": len(event.warnings),
            "attempts": event.attempts,
        }
        shown = ""
        if self._values:
            fields["values"] = values = self._shown_values(event.parameters)
            fields["warnings"] = event.warnings
            shown = f" with {values}" + (f": {event.error}" if failed else "")
            shown += f" warned: {'; '.join(event.warnings)}" if event.warnings else ""
        outcome = fields["error"] or f"{_counted(event.rows, 'row')}, {_counted(event.pages, 'page')}"
        if event.attempts > 1:
            outcome += f", {event.attempts} attempts"
        if event.warnings:
            outcome += f", {_counted(len(event.warnings), 'warning')}"
        _requests.log(
            level,
            "%s%s in %.6f s (%s): %s%s",
            "slow " if slow else "",
            "failed" if failed else "interrupted" if event.interrupted else "done",
            event.duration,
            outcome,
            text,
            shown,
            extra={f"coodie_{name}": value for name, value in fields.items()},
        )

    def _shown_values(self, parameters: Any) -> list[str]:
        """Return the first parameters, each cut short; of a batch, its statements' own."""
        if isinstance(parameters, Mapping):
            items = [f"{name}={self._short(value)}" for name, value in _first(parameters.items())]
        elif isinstance(parameters, Sequence) and not isinstance(parameters, (str, bytes, bytearray)):
            items = [self._short(value) for value in _first(parameters)]
        else:
            items = []
        return items

    def _short(self, value: Any) -> str:
        text = self._shown.repr(value)
        return text if len(text) <= self._length else f"{text[: self._length - 1]}…"

    @hookimpl
    def coodie_schema_changed(self, event: SchemaChanged) -> None:
        """Log a schema change."""
        text = event.statement if self._values else without_literals(event.statement)
        _connections.info(
            "%s %s %s through %s",
            event.change.value,
            event.target,
            ".".join(filter(None, (event.keyspace, event.name if event.target != "keyspace" else None))),
            _called(event),
            extra={"coodie_driver": event.driver_name, "coodie_statement": text},
        )

    @hookimpl
    def coodie_node_up(self, event: NodeUp) -> None:
        """Log the node."""
        _log_node(logging.INFO, "is up", event)

    @hookimpl
    def coodie_node_down(self, event: NodeDown) -> None:
        """Log the node."""
        _log_node(logging.WARNING, "is down", event)

    @hookimpl
    def coodie_node_added(self, event: NodeAdded) -> None:
        """Log the node."""
        _log_node(logging.INFO, "was added", event)

    @hookimpl
    def coodie_node_removed(self, event: NodeRemoved) -> None:
        """Log the node."""
        _log_node(logging.INFO, "was removed", event)

    @hookimpl
    def coodie_node_connection_opened(self, event: NodeConnectionOpened) -> None:
        """Log the node."""
        _log_node(logging.DEBUG, f"has a new connection ({event.kind.value})", event)

    @hookimpl
    def coodie_node_connection_closed(self, event: NodeConnectionClosed) -> None:
        """Log the node."""
        _log_node(logging.DEBUG, f"has lost a connection ({event.kind.value})", event)

    @hookimpl
    def coodie_driver_registered(self, event: DriverRegistered) -> None:
        """Log the name."""
        _connections.info("registered %s%s", _called(event), " as the default" if event.default else "")

    @hookimpl
    def coodie_connection_opened(self, event: ConnectionOpened) -> None:
        """Log the opened driver."""
        where = ", ".join(event.hosts) or ("the caller's session" if event.borrowed else "its own hosts")
        _connections.info("%s connected to %s in %.3f s", _called(event), where, event.duration)

    @hookimpl
    def coodie_connection_failed(self, event: ConnectionFailed) -> None:
        """Log the failure."""
        where = ", ".join(event.hosts) or "its own hosts"
        _connections.warning(
            "%s could not connect to %s: %s after %.3f s",
            _called(event),
            where,
            type(event.error).__name__,
            event.duration,
        )

    @hookimpl
    def coodie_connection_closed(self, event: ConnectionClosed) -> None:
        """Log the closed driver."""
        if event.error is None:
            _connections.info("closed %s", _called(event))
        else:
            _connections.warning("closing %s raised %s", _called(event), type(event.error).__name__)


def _log_node(level: int, what: str, event: NodeEvent) -> None:
    host = event.host
    where = host.address if host.port is None else f"{host.address}:{host.port}"
    _connections.log(
        level,
        "%s %s, according to %s",
        where,
        what,
        _called(event),
        extra={"coodie_driver": event.driver_name, "coodie_host": host.address},
    )


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _called(event: Any) -> str:
    kind = event.driver_type or "driver"
    return kind if event.driver_name is None else f"{kind} {event.driver_name!r}"


def _first(values: Any) -> list[Any]:
    return [value for _, value in zip(range(_MAX_VALUES), values, strict=False)]


def _is_number(value: object, least: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= least


def _shortener(length: int) -> Repr:
    """Return what makes representations that don't grow with the value."""
    shown = Repr()
    shown.maxstring = shown.maxother = shown.maxlong = length
    shown.maxlist = shown.maxtuple = shown.maxset = shown.maxdict = 4
    return shown
