"""An observer that stores all events: for tests of drivers, and of programs that use them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from coodie.hooks import hookimpl
from coodie.observers.events import RequestFinished, RequestStarted

if TYPE_CHECKING:
    from collections.abc import Callable

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
        RequestRetried,
        SchemaChanged,
    )

__all__ = ["Recorder"]

E = TypeVar("E")


def _nothing(event: object) -> None:
    """Keep an event, and do no more."""


class Recorder:
    """Stores all events in order, as long as it is registered.

    Args:
        act: Called with each event, after it was stored.
    """

    def __init__(self, act: Callable[[Any], object] = _nothing) -> None:
        #: The events, in order.
        self.events: list[Any] = []
        self._act = act

    def _keep(self, event: object) -> None:
        self.events.append(event)
        self._act(event)

    @hookimpl
    def coodie_driver_registered(self, event: DriverRegistered) -> None:
        """Store the event."""
        self._keep(event)

    @hookimpl
    def coodie_connection_opened(self, event: ConnectionOpened) -> None:
        """Store the event."""
        self._keep(event)

    @hookimpl
    def coodie_connection_failed(self, event: ConnectionFailed) -> None:
        """Store the event."""
        self._keep(event)

    @hookimpl
    def coodie_connection_closed(self, event: ConnectionClosed) -> None:
        """Store the event."""
        self._keep(event)

    @hookimpl
    def coodie_node_up(self, event: NodeUp) -> None:
        """Store the event."""
        self._keep(event)

    @hookimpl
    def coodie_node_down(self, event: NodeDown) -> None:
        """Store the event."""
        self._keep(event)

    @hookimpl
    def coodie_node_added(self, event: NodeAdded) -> None:
        """Store the event."""
        self._keep(event)

    @hookimpl
    def coodie_node_removed(self, event: NodeRemoved) -> None:
        """Store the event."""
        self._keep(event)

    @hookimpl
    def coodie_node_connection_opened(self, event: NodeConnectionOpened) -> None:
        """Store the event."""
        self._keep(event)

    @hookimpl
    def coodie_node_connection_closed(self, event: NodeConnectionClosed) -> None:
        """Store the event."""
        self._keep(event)

    @hookimpl
    def coodie_request_started(self, event: RequestStarted) -> None:
        """Store the event."""
        self._keep(event)

    @hookimpl
    def coodie_request_retried(self, event: RequestRetried) -> None:
        """Store the event."""
        self._keep(event)

    @hookimpl
    def coodie_request_finished(self, event: RequestFinished) -> None:
        """Store the event."""
        self._keep(event)

    @hookimpl
    def coodie_schema_changed(self, event: SchemaChanged) -> None:
        """Store the event."""
        self._keep(event)

    def of(self, kind: type[E]) -> list[E]:
        """Return the events of one class."""
        return [event for event in self.events if type(event) is kind]

    def names(self) -> list[str]:
        """Return the names of the classes of all events."""
        return [type(event).__name__ for event in self.events]

    def pairs(self) -> list[tuple[RequestStarted, RequestFinished]]:
        """Return each request's start and end, in the order of the ends.

        Raises:
            AssertionError: A start has no end or several, or an end has no start: the driver doesn't
                put ``observe_request`` around each request.
        """
        starts, ends = self.of(RequestStarted), self.of(RequestFinished)
        started = {event.request_id: event for event in starts}
        if sorted(event.request_id for event in ends) != sorted(event.request_id for event in starts):
            message = f"{len(starts)} starts and {len(ends)} ends of requests don't pair: {self.names()}"
            raise AssertionError(message)
        return [(started[event.request_id], event) for event in ends]

    def request(self) -> RequestFinished:
        """Return the end of the only request.

        Raises:
            AssertionError: There are no requests, or several.
        """
        pairs = self.pairs()
        if len(pairs) != 1:
            raise AssertionError(f"{len(pairs)} requests were made, not one")
        return pairs[0][1]
