"""Detect instrumentation that wraps ``Session.execute_async``, as OpenTelemetry's does for both drivers.

Such a wrapper doesn't see requests of the fast path. So the fast path is off while one is installed. If
coodie's own OpenTelemetry observer is registered, it creates the spans, and OpenTelemetry's wrapper is
bypassed. A wrapper of ``Session.execute`` alone sees no requests at all, which is logged.
"""

from __future__ import annotations

import logging
import sys
from types import MethodType
from typing import TYPE_CHECKING, Any

from coodie.observers.hub import current_observers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cassandra.cluster import Session

__all__ = ["Instrumentation"]

_log = logging.getLogger("coodie.drivers.cassandra")

#: The module of the driver's methods.
_DRIVERS = "cassandra.cluster"

#: The method that coodie calls, and the one that it doesn't call.
_METHOD, _BLOCKING = "execute_async", "execute"


class Instrumentation:
    """The wrappers of a session's methods, which may change at any time.

    Args:
        session: The backend's session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._class, self._own = vars(_owner(session, _METHOD)), vars(session)
        #: The class's method, once it is known to be the driver's.
        self._plain: Any = None
        #: The ``execute`` whose wrappers have been looked at.
        self._known_execute: Any = None
        self._logged_reason: str | None = None

    def wants_requests(self) -> str | None:
        """Return why requests have to go through ``execute_async``; None if they don't."""
        self._look_at_execute()
        if self._class.get(_METHOD) is self._plain and _METHOD not in self._own:
            return None  # nearly always
        wrappers = _wrappers(self._session, _METHOD)
        if not wrappers:
            self._plain = self._class[_METHOD]
            return None
        if _is_traced() and all(map(_is_telemetry, wrappers)):
            return None
        reason = f"{_module(wrappers[0])} has wrapped Session.execute_async"
        if reason != self._logged_reason:
            self._logged_reason = reason
            _log.warning(
                "%s: the fast path is off, so that it sees all requests. "
                "coodie's own observers see them on the fast path, too.",
                reason,
            )
        return reason

    def sending_method(self) -> Callable[..., Any]:
        """Return the session's ``execute_async``, without a wrapper that would create a second span."""
        session = self._session
        self._look_at_execute()
        if _is_traced() and _METHOD not in self._own:
            layers = list(_layers(session, _METHOD))
            if _is_telemetry(layers[0]):
                beneath: Callable[..., Any] = next(layer for layer in layers if not _is_telemetry(layer))
                return MethodType(beneath, session)
        method: Callable[..., Any] = session.execute_async
        return method

    def _look_at_execute(self) -> None:
        """Log a wrapper of ``execute`` that doesn't wrap ``execute_async``, too: it sees no requests."""
        execute = self._own.get(_BLOCKING) or self._class.get(_BLOCKING)
        if execute is self._known_execute:
            return
        self._known_execute = execute
        others = set(map(_module, _wrappers(self._session, _METHOD)))
        for wrapper in _wrappers(self._session, _BLOCKING):
            name = _module(wrapper)
            if name not in others and not (_is_traced() and _is_telemetry(wrapper)):
                _log.warning(
                    "%s has wrapped Session.execute, which coodie doesn't call: it sees no requests. "
                    "Wrap Session.execute_async, or use coodie's own observers.",
                    name,
                )


def _owner(session: Session, method: str) -> type:
    """Return the class that defines a method, or else the session's class."""
    return next((one for one in type(session).__mro__ if method in vars(one)), type(session))


def _layers(session: Session, method: str) -> Iterator[Any]:
    """Yield a method, and each wrapped function down to the driver's."""
    layer = vars(session).get(method) or vars(_owner(session, method)).get(method)
    while layer is not None:
        yield layer
        layer = getattr(layer, "__wrapped__", None)


def _wrappers(session: Session, method: str) -> list[Any]:
    return [layer for layer in _layers(session, method) if not _is_the_drivers(layer)]


def _module(layer: Any) -> str:
    """Return the module of a function, or of the wrapper function of a wrapt object."""
    function = getattr(layer, "_self_wrapper", layer)
    name = str(getattr(function, "__module__", None))
    # functools.wraps has copied the name of the wrapped function's module.
    is_copied = name == _DRIVERS and getattr(layer, "__wrapped__", None) is not None
    return str(getattr(function, "__globals__", {}).get("__name__", name)) if is_copied else name


def _is_the_drivers(layer: Any) -> bool:
    return _module(layer) == _DRIVERS and getattr(layer, "__wrapped__", None) is None


def _is_telemetry(layer: Any) -> bool:
    return _module(layer).partition(".")[0] == "opentelemetry"


def _is_traced() -> bool:
    """Return whether coodie's own OpenTelemetry observer is registered."""
    otel = sys.modules.get("coodie.observers.otel")
    return otel is not None and any(
        isinstance(one.observer, otel.OpenTelemetryObserver) for one in current_observers().all
    )
