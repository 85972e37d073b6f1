"""The connections of one driver: those of event loops, and those that threads take in turn."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from contextlib import suppress
from math import inf
from random import choice
from types import MethodType
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

from cassandra.connection import ConnectionShutdown

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

__all__ = ["AsyncPool", "SyncPool"]

#: Connections that threads have to one node, at most, and one more to each of its shards; more threads than
#: these share with the driver's.
_MOST_THREADS = 64


class AsyncPool:
    """One event loop's connections, one to each node or shard; used in its thread, but for ``end``.

    The loop has the connections, as what it reads from; here they and the loop are referred to weakly. So a
    loop that is dropped without being closed is collected, and its connections are closed then.

    Args:
        loop: The loop.
        cluster: The driver's cluster.
        shards: What is known of nodes' shards.
        refuse: Called with the reason where the fast path can't serve a server.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        cluster: Cluster,
        shards: Shards,
        refuse: Callable[[str], None],
    ) -> None:
        self._loop = ref(loop, self._dropped)
        self._cluster = cluster
        self._shards = shards
        self._refuse = refuse
        self._thread = threading.get_ident()
        # By endpoint: of nodes without shards; and of the others, by shard.
        self._connections: dict[Any, ref[AsyncConnection]] = {}
        self._sharded: dict[Any, dict[int, ref[AsyncConnection]]] = {}
        self._openers: dict[Any, Connector] = {}
        # Replaced, and closed when nobody waits for answers there any more; each with its endpoint.
        self._retired: WeakKeyDictionary[AsyncConnection, Any] = WeakKeyDictionary()
        # Of the connections, and of those that were handed to the loop, which may never take them.
        self._sockets: set[socket.socket] = set()
        # Those that wait for the loop's next turn to be installed, each with its endpoint.
        self._delivered: set[tuple[Any, socket.socket]] = set()
        self._is_closed = not _has_readers(loop)
        if self._is_closed:
            refuse(f"{type(loop).__name__} has no add_reader")
        #: The ``BoundTemplate`` of requests like others of this tick, by what they have in common.
        self.templates: dict[Any, Any] = {}

    @property
    def in_flight(self) -> int:
        """How many requests have no answer yet."""
        return sum([connection.in_flight for connection in self._all()])

    @property
    def is_over(self) -> bool:
        """Whether its loop has been closed, or dropped."""
        loop = self._loop()
        return loop is None or loop.is_closed()

    def rest(self) -> None:
        """Hold nothing of the loop's, unless that runs: bound templates hold connections."""
        loop = self._loop()
        if loop is None or not loop.is_running():
            self.templates.clear()

    def _dropped(self, _: object) -> None:
        """Close what a loop had that was collected; its connections go with it."""
        self._is_closed = True
        for sock in tuple(self._sockets):
            sock.close()

    def _all(self) -> list[AsyncConnection]:
        sharded = [found for shards in tuple(self._sharded.values()) for found in tuple(shards.values())]
        return [*_living([*tuple(self._connections.values()), *sharded]), *self._retired]

    def connection(self, host: Host, shard: int | None = None) -> AsyncConnection | None:
        """Return the connection to a node; None where none answers, and then one is being opened.

        Args:
            host: The node.
            shard: The shard that the request belongs to; None where the node has none.
        """
        if shard is not None:
            return self._connection_to_shard(host, shard)
        found = self._connections.get(host.endpoint)
        connection = None if found is None else found()
        if connection is not None and not connection.needs_replacement:
            return connection
        self._open(host, None)
        # One that isn't unresponsive serves until the other is there.
        return None if connection is None or connection.is_unresponsive else connection

    def _connection_to_shard(self, host: Host, shard: int) -> AsyncConnection | None:
        """Return the connection to a shard; while there is none, one to another shard of the node."""
        shards = self._sharded.get(host.endpoint) or {}
        found = shards.get(shard)
        connection = None if found is None else found()
        if connection is not None and not connection.needs_replacement:
            return connection
        self._open(host, shard)
        if connection is not None:
            return None if connection.is_unresponsive else connection
        others = [other for other in _living(shards.values()) if not other.is_unresponsive]
        return choice(others) if others else None  # noqa: S311 - nothing secret about it

    def _open(self, host: Host, shard: int | None) -> None:
        # A busy turn of the loop asks often, and mustn't open a connection each time until it installs one.
        if not self._is_closed and all(endpoint != host.endpoint for endpoint, _ in tuple(self._delivered)):
            opener = self._openers.get(host.endpoint)
            if opener is None:
                opener = self._openers[host.endpoint] = Connector(self._shards, host, self._refuse)
            opener.open(lambda link: self._deliver(host, link), shard)

    def _deliver(self, host: Host, link: EstablishedConnection) -> None:
        """Take a connection over to the loop; called in another thread."""
        loop = self._loop()
        if self._is_closed or loop is None:
            link.sock.close()
            return
        self._sockets.add(link.sock)
        self._delivered.add((host.endpoint, link.sock))
        try:
            loop.call_soon_threadsafe(self._install, host, link)
        except RuntimeError:
            self._sockets.discard(link.sock)
            self._delivered.discard((host.endpoint, link.sock))
            link.sock.close()  # the loop has been closed meanwhile

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
        if self._is_closed or loop is None or (before is not None and not before.needs_replacement):
            self._sockets.discard(link.sock)
            link.sock.close()
            return

        def closed(connection: AsyncConnection) -> None:
            self.templates.clear()
            self._sockets.discard(link.sock)
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
        except Exception as exc:  # noqa: BLE001 - what a loop raises that can't read sockets
            self._sockets.discard(link.sock)
            link.sock.close()
            self._refuse(f"{type(loop).__name__} can't read its connections ({exc!r})")
            return
        places[place] = ref(connection)
        if before is not None:
            self.templates.clear()
            self._retired[before] = host.endpoint
            before.retire()

    def host_changed(self, host: Host, *, is_up: bool) -> None:
        """Note that a node has come up or gone down; from any thread."""
        loop = self._loop()
        if loop is not None:
            with suppress(RuntimeError):  # the loop has been closed
                loop.call_soon_threadsafe(self._host_changed, host, is_up)

    def _host_changed(self, host: Host, is_up: bool) -> None:  # noqa: FBT001 - a callback's argument
        opener = self._openers.get(host.endpoint)
        if is_up and opener is not None:
            opener.reset()
        if not is_up:
            only = self._connections.get(host.endpoint)
            sharded = (self._sharded.get(host.endpoint) or {}).values()
            retired = [one for one, endpoint in self._retired.items() if endpoint == host.endpoint]
            for connection in [*retired, *_living([*sharded] if only is None else [only, *sharded])]:
                connection.close(ConnectionShutdown(f"{host} went down"))

    def close(self) -> None:
        """Close all connections, from any thread; what is in flight there ends with ``ConnectionLost``.

        It is done in the loop's thread, and waited for a moment; here, where the loop doesn't run.
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
                run()  # closed meanwhile
            else:
                if threading.get_ident() != self._thread:
                    done.wait(_PATIENCE)
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
    """Tell whether a loop can be asked to watch a socket: that of Windows can't, by default."""
    from asyncio import AbstractEventLoop

    method = getattr(loop, "add_reader", None)
    return method is not None and method != MethodType(AbstractEventLoop.add_reader, loop)


def _living(found: Iterable[ref[AsyncConnection]]) -> list[AsyncConnection]:
    """Return the connections whose loops are there."""
    return [connection for one in found if (connection := one()) is not None]


#: Seconds to wait for a loop to close its connections; it may be busy, or be waiting for this thread.
_PATIENCE = 0.2


class SyncPool:
    """The connections to one node that threads take for a request, and put back.

    Args:
        cluster: The driver's cluster.
        shards: What is known of nodes' shards.
        host: The node.
        refuse: Called with the reason where the fast path can't serve this server.
    """

    def __init__(self, cluster: Cluster, shards: Shards, host: Host, refuse: Callable[[str], None]) -> None:
        self._opener = Connector(shards, host, refuse)
        self._refuse = refuse
        # By shard; under None where there are none.
        self._idle: defaultdict[int | None, deque[SyncConnection]] = defaultdict(deque)
        self._all: set[SyncConnection] = set()
        self._max_idle: float = cluster.idle_heartbeat_interval or inf
        self._is_closed = False

    def acquire(self, shard: int | None = None, *, borrow: bool = True) -> SyncConnection | None:
        """Return a connection that nobody uses; None where there is none, and then one is being opened.

        Args:
            shard: The shard that the request belongs to; None where the node has none.
            borrow: Take one to another shard while there is none to this one.
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
        if not self._is_closed and len(self._all) < _MOST_THREADS + len(self._idle):
            self._opener.open(self._deliver, shard)
        if shard is None or not borrow:
            return None
        taken = (self.acquire(other, borrow=False) for other, idle in list(self._idle.items()) if idle)
        return next((other for other in taken if other is not None), None)

    def _deliver(self, link: EstablishedConnection) -> None:
        try:
            connection = SyncConnection(link, self._max_idle)
        except Exception as exc:  # noqa: BLE001 - what a platform raises where sockets can't be waited for
            link.sock.close()
            self._refuse(f"its connections can't be waited for in a thread ({exc!r})")
            return
        self._all.add(connection)
        self.release(connection)

    def release(self, connection: SyncConnection) -> None:
        """Put a connection back, with no answer outstanding."""
        if connection.is_closed or self._is_closed:
            self.discard(connection)
            return
        idle = self._idle[connection.shard]
        idle.append(connection)
        oldest = idle[0] if len(idle) > 1 else None
        if oldest is not None and oldest.is_stale:
            try:
                idle.remove(oldest)
            except ValueError:
                return  # another thread has just taken it
            self.discard(oldest)

    def discard(self, connection: SyncConnection) -> None:
        """Close a connection that was taken."""
        connection.close()
        self._all.discard(connection)

    def host_changed(self, *, is_up: bool) -> None:
        """Note that the node has come up or gone down."""
        if is_up:
            self._opener.reset()
        else:
            self._abort()

    def close(self) -> None:
        """Close all; what waits on one of them is told that it has ended."""
        self._is_closed = True
        self._abort()

    def _abort(self) -> None:
        for idle in list(self._idle.values()):
            with suppress(IndexError):
                while True:
                    self.discard(idle.pop())
        for connection in list(self._all):
            connection.abort()
