"""Notify observers of a driver's nodes, of connections to them, and of schema changes by other clients.

A driver that is wrapped by another one emits no events. Events that occur while a backend is opening the
driver are emitted after the event that it was opened.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any
from weakref import ref

from coodie._in_use import in_use
from coodie.observers.connections import identity_of, is_opening
from coodie.observers.hub import notify

if TYPE_CHECKING:
    from collections.abc import Callable

    from coodie.observers.connections import DriverIdentity
    from coodie.observers.events import Host

__all__ = ["NodeEvents"]

#: The number of events that are kept until the driver is open.
_MAX_EVENTS = 1000


class NodeEvents:
    """Notify observers of the nodes of one driver; from any thread.

    Args:
        driver: The driver, to which only a weak reference is kept.
    """

    def __init__(self, driver: object) -> None:
        self._driver = ref(driver)
        # The events that occurred while a backend was opening the driver; None afterwards.
        self._kept: deque[Callable[[], None]] | None = deque(maxlen=_MAX_EVENTS) if is_opening() else None

    @property
    def are_wanted(self) -> bool:
        """Whether there are observers."""
        return bool(in_use.registry.observers.all)

    def announce(self) -> None:
        """Emit the events that occurred while the driver was being opened."""
        kept, self._kept = self._kept, None
        for emit in kept or ():
            emit()

    def notify_node(self, hook: str, event: str, host: Callable[[], Host], **more: Any) -> None:
        """Notify observers of an event of a node.

        Args:
            hook: The hook's name.
            event: The name of the event's class in ``coodie.observers.events``.
            host: Returns the node; only called if there are observers.
            more: The event's other fields.
        """
        if not self.are_wanted:
            return

        def emit() -> None:
            self._notify(hook, event, host=host(), **more)

        if self._kept is None:
            emit()
        else:
            self._kept.append(emit)

    def notify_schema_change(self, **fields: Any) -> None:
        """Notify observers of a schema change by another client.

        Args:
            fields: The event's ``change``, ``target``, ``keyspace`` and ``name``.
        """
        if self.are_wanted:
            self._notify("coodie_schema_changed", "SchemaChanged", statement="", remote=True, **fields)

    def _notify(self, hook: str, event: str, **fields: Any) -> None:
        from coodie.observers import events  # a slow import, needed by observers only

        driver = self._driver()
        identity: DriverIdentity = identity_of(driver)
        if driver is None or identity.silent:
            return
        names = {"driver_name": identity.name, "driver_type": identity.driver_type}
        notify(hook, getattr(events, event)(**names, **fields))
