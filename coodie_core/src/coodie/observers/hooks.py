"""The hooks that an observer implements; importing this module imports pluggy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

from coodie.hooks import DRIVER_HOOKS, PROJECT, hookspec

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
        NodeRemoved,
        NodeUp,
        RequestFinished,
        RequestRetried,
        RequestStarted,
        SchemaChanged,
    )

__all__ = ["OBSERVER_HOOKS", "ObserverHooks", "ObserverManager"]


class ObserverHooks:
    """The hook specifications, version 1; an observer implements those that it needs.

    A hook is called in the thread, or on the event loop, that waits for the request, so it must be quick and
    must not block. Its return value is ignored. An exception is logged and not propagated; a
    ``BaseException`` such as KeyboardInterrupt is propagated. Requests that are made inside a hook emit no
    events.
    """

    @hookspec
    def coodie_driver_registered(self, event: DriverRegistered) -> None:
        """Handle the registration of a driver under a name."""

    @hookspec
    def coodie_connection_opened(self, event: ConnectionOpened) -> None:
        """Handle a driver that a backend has opened."""

    @hookspec
    def coodie_connection_failed(self, event: ConnectionFailed) -> None:
        """Handle a failed attempt to connect."""

    @hookspec
    def coodie_connection_closed(self, event: ConnectionClosed) -> None:
        """Handle a driver that was closed."""

    @hookspec
    def coodie_node_up(self, event: NodeUp) -> None:
        """Handle a node that is up again; this and the next five are called in threads of the backend."""

    @hookspec
    def coodie_node_down(self, event: NodeDown) -> None:
        """Handle a node that is down."""

    @hookspec
    def coodie_node_added(self, event: NodeAdded) -> None:
        """Handle a node that has joined the cluster."""

    @hookspec
    def coodie_node_removed(self, event: NodeRemoved) -> None:
        """Handle a node that has left the cluster."""

    @hookspec
    def coodie_node_connection_opened(self, event: NodeConnectionOpened) -> None:
        """Handle a new connection to a node."""

    @hookspec
    def coodie_node_connection_closed(self, event: NodeConnectionClosed) -> None:
        """Handle the end of a connection to a node."""

    @hookspec
    def coodie_request_started(self, event: RequestStarted) -> None:
        """Handle the start of a request; called in the context of its caller."""

    @hookspec
    def coodie_request_retried(self, event: RequestRetried) -> None:
        """Handle a retry of a request; called between its start and its end."""

    @hookspec
    def coodie_request_finished(self, event: RequestFinished) -> None:
        """Handle the end of a request: called once for each start."""

    @hookspec
    def coodie_schema_changed(self, event: SchemaChanged) -> None:
        """Handle a schema change: of this process before its request's end, others in a backend's thread."""


#: Their names.
OBSERVER_HOOKS = frozenset(name for name in vars(ObserverHooks) if name.startswith("coodie_"))


class ObserverManager(pluggy.PluginManager):
    """The hooks of one observer, checked against the specifications.

    A backend may be an observer, too. Its other hooks are left alone here, and checked where it is loaded.
    """

    def __init__(self) -> None:
        super().__init__(PROJECT)
        self.add_hookspecs(ObserverHooks)

    def parse_hookimpl_opts(self, plugin: Any, name: str) -> pluggy.HookimplOpts | None:
        """Return how a hook is marked; nothing for a backend's hooks."""
        return None if name in DRIVER_HOOKS else super().parse_hookimpl_opts(plugin, name)
