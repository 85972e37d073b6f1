"""Detect instrumentation that wraps ``Session.execute_async``, as OpenTelemetry's does for both drivers.

Such a wrapper doesn't see requests of the fast path. So the fast path is off while one is installed. If
coodie's own OpenTelemetry observer is registered, it creates the spans, and OpenTelemetry's wrapper is
bypassed.
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

__all__ = ["Instrumentation", "sending_method"]

_log = logging.getLogger("coodie.drivers.cassandra")

_METHOD = "execute_async"


class Instrumentation:
    """The wrappers of a session's ``execute_async``, which may change at any time.

    Args:
        session: The backend's session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._class, self._own = vars(_owner(session)), vars(session)
        #: The class's method, once it is known to be the driver's.
        self._plain: Any = None
        self._logged_reason: str | None = None

    def wants_requests(self) -> str | None:
        """Return why requests have to go through ``execute_async``; None if they don't."""
        if self._class.get(_METHOD) is self._plain and _METHOD not in self._own:
            return None  # nearly always
        wrappers = [layer for layer in _layers(self._session) if not _is_the_drivers(layer)]
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


def sending_method(session: Session) -> Callable[..., Any]:
    """Return a session's ``execute_async``, without a wrapper that would create a second span."""
    if _is_traced() and _METHOD not in vars(session):
        layers = list(_layers(session))
        if _is_telemetry(layers[0]):
            beneath: Callable[..., Any] = next(layer for layer in layers if not _is_telemetry(layer))
            return MethodType(beneath, session)
    method: Callable[..., Any] = session.execute_async
    return method


def _owner(session: Session) -> type:
    """Return the class that defines the method, or else the session's class."""
    return next((one for one in type(session).__mro__ if _METHOD in vars(one)), type(session))


def _layers(session: Session) -> Iterator[Any]:
    """Yield the method, and each wrapped function down to the driver's."""
    layer = vars(session).get(_METHOD) or vars(_owner(session)).get(_METHOD)
    while layer is not None:
        yield layer
        layer = getattr(layer, "__wrapped__", None)


def _module(layer: Any) -> str:
    """Return the module of a function, or of the wrapper function of a wrapt object."""
    return str(getattr(getattr(layer, "_self_wrapper", layer), "__module__", None))


def _is_the_drivers(layer: Any) -> bool:
    return _module(layer) == "cassandra.cluster" and getattr(layer, "__wrapped__", None) is None


def _is_telemetry(layer: Any) -> bool:
    return _module(layer).partition(".")[0] == "opentelemetry"


def _is_traced() -> bool:
    """Return whether coodie's own OpenTelemetry observer is registered."""
    otel = sys.modules.get("coodie.observers.otel")
    return otel is not None and any(
        isinstance(one.observer, otel.OpenTelemetryObserver) for one in current_observers().everyone
    )
