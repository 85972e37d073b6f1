"""Connection pools of the fast path: one per event loop, and one per node for threads."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from contextlib import suppress
from math import inf
from random import choice
from types import MethodType
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary, ref

from cassandra.connection import ConnectionShutdown

from coodie._points import point
from coodie.drivers.cassandra.fastpath.async_connection import AsyncConnection
from coodie.drivers.cassandra.fastpath.connector import Connector
from coodie.drivers.cassandra.fastpath.sync_connection import SyncConnection

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Callable, Iterable

    from cassandra.cluster import Cluster
    from cassandra.pool import Host

    from coodie.drivers.cassandra.fastpath.driver_internals import EstablishedConnection
    from coodie.drivers.cassandra.fastpath.shards import Shards
    from coodie.protocol.connection import Connection

__all__ = ["MAX_CONNECTIONS", "AsyncPool", "SyncPool"]

#: Maximum size of a thread pool, plus one connection per shard; further threads use the driver's
#: connections.
MAX_CONNECTIONS = 64


class ConnectionWatch(Protocol):
    """Methods that are called for connections; from any thread."""

    def opened(self, host: Host) -> None:
        """Handle a connection that is ready."""

    def closed(self, host: Host) -> None:
        """Handle the end of a connection."""


class AsyncPool:
    """The connections of one event loop, one per node or shard; used in its thread, except ``close``.

    The event loop holds the connections as its readers; the pool refers to them and to the loop weakly. So a
    loop that is dropped without being closed can be garbage-collected, which closes its connections.

    Args:
        loop: The event loop.
        cluster: The driver's cluster.
        shards: The nodes' shards.
        disable: Turns the fast path off; called with the reason.
        watch: Is notified of connections.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        cluster: Cluster,
        shards: Shards,
        disable: Callable[[str], None],
        watch: ConnectionWatch,
    ) -> None:
        self._loop = ref(loop, self._dropped)
        self._cluster = cluster
        self._shards = shards
        self._disable = disable
        self._watch = watch
        self._thread = threading.get_ident()
        # Connections by endpoint to nodes without shards; for other nodes, by endpoint and shard.
        self._connections: dict[Any, ref[AsyncConnection]] = {}
        self._sharded: dict[Any, dict[int, ref[AsyncConnection]]] = {}
        self._connectors: dict[Any, Connector] = {}
        # Connections that are draining, with their endpoints: replaced, or to nodes that went down.
        self._retired: WeakKeyDictionary[AsyncConnection, Any] = WeakKeyDictionary()
        # Sockets of all connections, and of those that the loop hasn't installed yet, and may never install.
        self._sockets: set[socket.socket] = set()
        # Connections that the loop will install in its next tick, with their endpoints.
        self._delivered: set[tuple[Any, socket.socket]] = set()
        self._is_closed = not _has_readers(loop)
        if self._is_closed:
            disable(f"{type(loop).__name__} has no add_reader")
        #: The ``BoundTemplate`` objects of the current tick, by ``template_key``.
        self.templates: dict[Any, Any] = {}

    @property
    def in_flight(self) -> int:
        """The number of requests without a response."""
        return sum([connection.in_flight for connection in self._all()])

    def connections(self) -> list[tuple[Any, Connection[Any]]]:
        """Return the open connections with their endpoints; from any thread."""
        found = [(endpoint, one) for one, endpoint in list(self._retired.items())]
        for endpoint, only in list(self._connections.items()):
            found += [(endpoint, one) for one in _living([only])]
        for endpoint, sharded in list(self._sharded.items()):
            found += [(endpoint, one) for one in _living([*sharded.values()])]
        return [(endpoint, one.protocol) for endpoint, one in found]

    @property
    def is_over(self) -> bool:
        """Whether the event loop has been closed or garbage-collected."""
        loop = self._loop()
        return loop is None or loop.is_closed()

    def rest(self) -> None:
        """Drop the templates, which refer to connections, unless the event loop is running."""
        loop = self._loop()
        if loop is None or not loop.is_running():
            self.templates.clear()

    def _dropped(self, _: object) -> None:
        """Close the sockets of a garbage-collected event loop."""
        point("event loop dropped without being closed")
        self._is_closed = True
        for sock in tuple(self._sockets):
            sock.close()

    def _all(self) -> list[AsyncConnection]:
        sharded = [found for shards in tuple(self._sharded.values()) for found in tuple(shards.values())]
        return [*_living([*tuple(self._connections.values()), *sharded]), *self._retired]

    def connection(self, host: Host, shard: int | None = None) -> AsyncConnection | None:
        """Return the connection to a node; if there is none, start to connect, and return None.

        Args:
            host: The node.
            shard: The request's shard; None if the node has no shards.
        """
        if shard is not None:
            return self._connection_to_shard(host, shard)
        found = self._connections.get(host.endpoint)
        connection = None if found is None else found()
        if connection is not None and not connection.protocol.needs_replacement:
            return connection
        self._open(host, None)
        # A responsive connection is used until its replacement is there.
        return None if connection is None or connection.is_unresponsive else connection

    def _connection_to_shard(self, host: Host, shard: int) -> AsyncConnection | None:
        """Return the connection to a shard; until there is one, a connection to another shard of the node."""
        shards = self._sharded.get(host.endpoint) or {}
        found = shards.get(shard)
        connection = None if found is None else found()
        if connection is not None and not connection.protocol.needs_replacement:
            return connection
        self._open(host, shard)
        if connection is not None:
            return None if connection.is_unresponsive else connection
        others = [other for other in _living(shards.values()) if not other.is_unresponsive]
        return choice(others) if others else None  # noqa: S311 - nothing secret about it

    def _open(self, host: Host, shard: int | None) -> None:
        # Connect once per tick: the loop installs a new connection only in the next one.
        if not self._is_closed and all(endpoint != host.endpoint for endpoint, _ in tuple(self._delivered)):
            connector = self._connectors.get(host.endpoint)
            if connector is None:
                connector = self._connectors[host.endpoint] = Connector(self._shards, host, self._disable)
            connector.open(lambda link: self._on_connected(host, link), shard)

    def _on_connected(self, host: Host, link: EstablishedConnection) -> None:
        """Hand a connection to the event loop; called in another thread."""
        loop = self._loop()
        if self._is_closed or loop is None:
            point("connection established after its pool was closed")
            link.sock.close()
            return
        self._sockets.add(link.sock)
        if self._is_closed:  # by another thread since the check, which may have missed this socket
            self._sockets.discard(link.sock)
            link.sock.close()
            return
        self._delivered.add((host.endpoint, link.sock))
        try:
            loop.call_soon_threadsafe(self._install, host, link)
        except RuntimeError:
            self._sockets.discard(link.sock)
            self._delivered.discard((host.endpoint, link.sock))
            link.sock.close()  # the loop has been closed in the meantime

    def _install(self, host: Host, link: EstablishedConnection) -> None:
        self._delivered.discard((host.endpoint, link.sock))
        places: dict[Any, ref[AsyncConnection]]
        if link.shard is None:
            places, place = self._connections, host.endpoint
        else:
            places, place = self._sharded.setdefault(host.endpoint, {}), link.shard
        loop = self._loop()
        found = places.get(place)
        before = None if found is None else found()
        if self._is_closed or loop is None or (before is not None and not before.protocol.needs_replacement):
            self._sockets.discard(link.sock)
            link.sock.close()
            return

        def closed(connection: AsyncConnection) -> None:
            self.templates.clear()
            self._sockets.discard(link.sock)
            self._watch.closed(host)
            self._retired.pop(connection, None)
            found = places.get(place)
            if found is not None and found() is connection:
                del places[place]

        try:
            connection = AsyncConnection(
                link,
                loop,
                heartbeat=self._cluster.idle_heartbeat_interval or 0,
                heartbeat_timeout=self._cluster.idle_heartbeat_timeout,
                on_closed=closed,
                before_flush=self.templates.clear,
            )
        except Exception as exc:  # noqa: BLE001 - the loop can't read sockets
            self._sockets.discard(link.sock)
            link.sock.close()
            self._connectors[host.endpoint].turn_off(
                f"{type(loop).__name__} can't read its connections ({exc!r})"
            )
            return
        places[place] = ref(connection)
        self._watch.opened(host)
        if before is not None:
            point("connection replaced")
            self.templates.clear()
            self._retired[before] = host.endpoint
            before.retire()

    def host_changed(self, host: Host, *, is_up: bool) -> None:
        """Handle a node that went up or down; from any thread.

        A node that is down gets no new requests. Those in flight may finish: their connection may work,
        although the driver has lost its own.
        """
        loop = self._loop()
        if loop is not None:
            with suppress(RuntimeError):  # the loop has been closed
                loop.call_soon_threadsafe(self._host_changed, host, is_up)

    def _host_changed(self, host: Host, is_up: bool) -> None:  # noqa: FBT001 - a callback's argument
        connector = self._connectors.get(host.endpoint)
        if is_up and connector is not None:
            connector.reset()
        if not is_up:
            only = self._connections.pop(host.endpoint, None)
            sharded = self._sharded.pop(host.endpoint, {}).values()
            for connection in _living([*sharded] if only is None else [only, *sharded]):
                point("connection drained because its node went down")
                self._retired[connection] = host.endpoint
                connection.retire()

    def close(self) -> None:
        """Close all connections, from any thread; requests in flight end with ``ConnectionLost``.

        A running event loop closes them in its thread, and the caller waits briefly. Otherwise they are
        closed in the calling thread.
        """
        loop = self._loop()
        if loop is None:
            return
        done = threading.Event()

        def run() -> None:
            try:
                self._close()
            finally:
                done.set()

        if loop.is_running():
            try:
                loop.call_soon_threadsafe(run)
            except RuntimeError:
                run()  # closed in the meantime
            else:
                if threading.get_ident() != self._thread:
                    done.wait(_CLOSE_TIMEOUT)
        else:
            run()

    def _close(self) -> None:
        self._is_closed = True
        self.templates.clear()
        for connection in self._all():
            connection.close(ConnectionShutdown("The driver has been closed"))
        for sock in tuple(self._sockets):
            sock.close()


def _has_readers(loop: asyncio.AbstractEventLoop) -> bool:
    """Return whether an event loop implements ``add_reader``; Windows' default loop doesn't."""
    from asyncio import AbstractEventLoop

    method = getattr(loop, "add_reader", None)
    return method is not None and method != MethodType(AbstractEventLoop.add_reader, loop)


def _living(found: Iterable[ref[AsyncConnection]]) -> list[AsyncConnection]:
    """Return the connections that still exist."""
    return [connection for one in found if (connection := one()) is not None]


#: Seconds to wait for an event loop to close its connections; it may be busy or wait for this thread.
_CLOSE_TIMEOUT = 0.2


class SyncPool:
    """The connections to one node that threads acquire for a request, and release.

    Args:
        cluster: The driver's cluster.
        shards: The nodes' shards.
        host: The node.
        disable: Turns the fast path off; called with the reason.
        watch: Is notified of connections.
    """

    def __init__(
        self,
        cluster: Cluster,
        shards: Shards,
        host: Host,
        disable: Callable[[str], None],
        watch: ConnectionWatch,
    ) -> None:
        self._host = host
        self._connector = Connector(shards, host, disable)
        self._watch = watch
        # Idle connections by shard; the key is None if the node has no shards.
        self._idle: defaultdict[int | None, deque[SyncConnection]] = defaultdict(deque)
        self._all: set[SyncConnection] = set()
        self._max_idle: float = cluster.idle_heartbeat_interval or inf
        self._is_closed = False

    def connections(self) -> list[Connection[Any]]:
        """Return the open connections; from any thread."""
        return [one.protocol for one in list(self._all) if not one.is_closed]

    def acquire(self, shard: int | None = None, *, borrow: bool = True) -> SyncConnection | None:
        """Return an idle connection; if there is none, start to connect, and return None.

        Args:
            shard: The request's shard; None if the node has no shards.
            borrow: Use a connection to another shard if there is none to this shard.
        """
        idle = self._idle[shard]
        while True:
            try:
                connection = idle.pop()
            except IndexError:
                break
            if connection.is_usable():
                return connection
            self.discard(connection)
        if not self._is_closed and len(self._all) < MAX_CONNECTIONS + len(self._idle):
            self._connector.open(self._on_connected, shard)
        if shard is None or not borrow:
            return None
        taken = (self.acquire(other, borrow=False) for other, idle in list(self._idle.items()) if idle)
        return next((other for other in taken if other is not None), None)

    def _on_connected(self, link: EstablishedConnection) -> None:
        try:
            connection = SyncConnection(link, self._max_idle)
        except Exception as exc:  # noqa: BLE001 - the platform has no poll
            link.sock.close()
            self._connector.turn_off(f"its connections can't be waited for in a thread ({exc!r})")
            return
        self._all.add(connection)
        self._watch.opened(self._host)
        self.release(connection)

    def release(self, connection: SyncConnection) -> None:
        """Return a connection without outstanding responses to the pool."""
        if connection.is_closed or connection.is_retired or self._is_closed:
            self.discard(connection)
            return
        idle = self._idle[connection.shard]
        idle.append(connection)
        if self._is_closed:
            self._abort()  # closed by another thread since the check
            return
        try:
            oldest = idle[0]
            if oldest is connection or not oldest.is_stale:
                return
            idle.remove(oldest)
        except (IndexError, ValueError):
            return  # other threads have just acquired it
        self.discard(oldest)

    def discard(self, connection: SyncConnection) -> None:
        """Close a connection, and remove it from the pool."""
        connection.close()
        if connection in self._all:
            self._all.discard(connection)
            self._watch.closed(self._host)

    def host_changed(self, *, is_up: bool) -> None:
        """Handle the node going up or down; requests in flight may finish, see ``AsyncPool``."""
        if is_up:
            self._connector.reset()
            return
        for connection in list(self._all):
            connection.is_retired = True
        self._discard_idle()

    def close(self) -> None:
        """Close all connections; requests in flight end with ``ConnectionLost``."""
        self._is_closed = True
        self._abort()

    def _abort(self) -> None:
        self._discard_idle()
        for connection in list(self._all):
            connection.abort()

    def _discard_idle(self) -> None:
        for idle in list(self._idle.values()):
            with suppress(IndexError):
                while True:
                    self.discard(idle.pop())
