"""Events of one cluster: its nodes, its connections, and schema changes by other clients."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from cassandra.policies import HostStateListener

from coodie.drivers.cassandra._connection import attend
from coodie.drivers.cassandra._hosts import observed_host

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cassandra.cluster import Session
    from cassandra.pool import Host

    from coodie.observers.events import ConnectionKind
    from coodie.observers.nodes import NodeEvents

__all__ = ["ClusterEvents"]

#: Seconds after the timeout of a schema change by this driver until which the server may report the change.
_ANNOUNCEMENT = 10.0

#: The number of schema changes by this driver that are remembered.
_MAX_CHANGES = 1000


class _OwnChange(NamedTuple):
    """A schema change by this driver, which the server also reports."""

    target: str
    keyspace: str | None
    name: str | None
    until: float

    def is_announced_by(self, change: str, target: str, keyspace: str, name: str | None) -> bool:
        """Return whether a reported change is this one."""
        if self.keyspace != keyspace:
            return False
        # If a keyspace is dropped, the server reports everything in it.
        if self.target == "keyspace":
            return True
        if self.target in ("index", "trigger"):
            return (change, target) == ("updated", "table")
        mine = "table" if self.target == "materialized view" else self.target
        return (mine, self.name) == (target, name)


class ClusterEvents(HostStateListener):  # type: ignore[misc]  # the drivers have no types
    """Notify observers of a cluster's nodes, connections and schema changes; from any thread.

    Args:
        session: The backend's session.
        events: Notifies the observers.
    """

    def __init__(self, session: Session, events: NodeEvents) -> None:
        self._session = session
        self._cluster = session.cluster
        self._events = events
        self._lock = threading.Lock()
        self._own_changes: list[_OwnChange] = []
        self._cluster.register_listener(self)
        for connection in attend(self._cluster, self):
            self.connection_opened(connection)

    def close(self) -> None:
        """Stop notifying observers, except of closed connections."""
        self._cluster.unregister_listener(self)

    # --- nodes ----------------------------------------------------------------------------

    def on_up(self, host: Host) -> None:
        """Notify observers."""
        self._events.notify_node("coodie_node_up", "NodeUp", lambda: observed_host(host))

    def on_down(self, host: Host) -> None:
        """Notify observers."""
        self._events.notify_node("coodie_node_down", "NodeDown", lambda: observed_host(host))

    def on_add(self, host: Host) -> None:
        """Notify observers."""
        self._events.notify_node("coodie_node_added", "NodeAdded", lambda: observed_host(host))

    def on_remove(self, host: Host) -> None:
        """Notify observers."""
        self._events.notify_node("coodie_node_removed", "NodeRemoved", lambda: observed_host(host))

    # --- connections ----------------------------------------------------------------------

    def opened(self, host: Host) -> None:
        """Notify observers of a new connection of the fast path."""
        self._notify_connection("opened", host, "FAST_PATH")

    def closed(self, host: Host) -> None:
        """Notify observers that a connection of the fast path was closed."""
        self._notify_connection("closed", host, "FAST_PATH")

    def connection_opened(self, connection: Any) -> None:
        """Notify observers of a new connection of the session or the cluster."""
        self._notify_drivers_connection("opened", connection)

    def connection_closed(self, connection: Any) -> None:
        """Notify observers that a connection of the session or the cluster was closed."""
        self._notify_drivers_connection("closed", connection)

    def _notify_drivers_connection(self, what: str, connection: Any) -> None:
        if not self._events.are_wanted:
            return
        host = self._cluster.metadata.get_host(connection.endpoint)
        if host is not None:
            kind = "CONTROL" if connection.is_control_connection else "SESSION"
            self._notify_connection(what, host, kind)

    def _notify_connection(self, what: str, host: Host, kind: str) -> None:
        if not self._events.are_wanted:
            return
        from coodie.observers.events import ConnectionKind  # a slow import, needed by observers only

        known: ConnectionKind = ConnectionKind[kind]
        self._events.notify_node(
            f"coodie_node_connection_{what}",
            f"NodeConnection{what.capitalize()}",
            lambda: observed_host(host),
            kind=known,
        )

    # --- the schema -----------------------------------------------------------------------

    def schema_change_sent(self, stmt: str, timeout: float) -> None:
        """Remember a schema change by this driver, to distinguish it from those of other clients."""
        if not self._events.are_wanted:
            return
        from coodie.observers.statements import schema_target  # as above

        change = schema_target(stmt)
        if change is None:
            return
        now = time.monotonic()
        keyspace = change.keyspace or self._session.keyspace
        own = _OwnChange(change.target, keyspace, change.name, now + timeout + _ANNOUNCEMENT)
        with self._lock:
            self._own_changes = [one for one in self._own_changes if one.until > now][-_MAX_CHANGES:]
            self._own_changes.append(own)

    def schema_changed(self, announced: Mapping[str, Any]) -> None:
        """Notify observers of a schema change that the server reports, unless this driver made the change.

        Args:
            announced: The arguments of the driver's event (native_protocol_v5.spec, section 4.2.5.5).
        """
        if not self._events.are_wanted:
            return
        from coodie.observers.events import SchemaChange  # as above

        target, keyspace = str(announced["target_type"]).lower(), str(announced["keyspace"])
        thing = announced.get(target)
        name = keyspace if target == "keyspace" else str(getattr(thing, "name", thing))
        change = SchemaChange(str(announced["change_type"]).lower())
        now = time.monotonic()
        with self._lock:
            for own in self._own_changes:
                if own.until > now and own.is_announced_by(change.value, target, keyspace, name):
                    return
        self._events.notify_schema_change(
            change=change,
            target=target,
            keyspace=keyspace,
            name=name,
        )
