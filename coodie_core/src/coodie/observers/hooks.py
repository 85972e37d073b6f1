"""The hooks that an observer implements; importing this brings pluggy in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

from coodie.plugins.hooks import PROJECT

if TYPE_CHECKING:
    from coodie.observers.events import (
        ConnectionClosed,
        ConnectionFailed,
        ConnectionOpened,
        DriverRegistered,
        RequestFinished,
        RequestStarted,
        SchemaChanged,
    )

__all__ = ["OBSERVER_HOOKS", "ObserverHooks"]

_hookspec = pluggy.HookspecMarker(PROJECT)


class ObserverHooks:
    """The hook specifications, version 1; an observer implements those that it cares for.

    Each is called where the thing happens: in the thread or on the event loop that waits for it. So it
    must be quick and must not block. What it returns is ignored. An exception of its is logged and goes
    no further; a ``BaseException`` such as KeyboardInterrupt goes through. Requests that it makes
    itself, inside a hook, are not told.
    """

    @_hookspec
    def coodie_driver_registered(self, event: DriverRegistered) -> None:
        """Take note that a driver has got a name."""

    @_hookspec
    def coodie_connection_opened(self, event: ConnectionOpened) -> None:
        """Take note that a backend has opened a driver."""

    @_hookspec
    def coodie_connection_failed(self, event: ConnectionFailed) -> None:
        """Take note that a backend was asked to connect and couldn't."""

    @_hookspec
    def coodie_connection_closed(self, event: ConnectionClosed) -> None:
        """Take note that a driver has been closed."""

    @_hookspec
    def coodie_request_started(self, event: RequestStarted) -> None:
        """Take note that a request begins; called in the context of whoever makes it."""

    @_hookspec
    def coodie_request_finished(self, event: RequestFinished) -> None:
        """Take note of a request's end: once for each that was told to have started."""

    @_hookspec
    def coodie_schema_changed(self, event: SchemaChanged) -> None:
        """Take note of a schema statement that succeeded; called before its request's end is told."""


#: Their names.
OBSERVER_HOOKS = frozenset(name for name in vars(ObserverHooks) if name.startswith("coodie_"))
