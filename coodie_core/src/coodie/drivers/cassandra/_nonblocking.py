"""Hand requests to the driver without blocking on its connection pools.

``_session`` uses this for each request through ``Session.execute_async``. That call can block the calling
thread: ``borrow_connection`` waits up to two seconds for each host whose connection has been closed or has no
free stream, and ``return_connection`` waits for a lock that scylla-driver holds while it opens another
connection. This would block an event loop, and exceed the request's timeout in a thread. So the request uses
an ``Attempt`` in place of its session while it is sent: its ``borrow_connection`` never waits, and a closed
connection is returned in the driver's executor. If no host has a free connection, the request is sent once a
``PoolWatcher`` finds one.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from cassandra.pool import NoConnectionsAvailable
from cassandra.query import tuple_factory

from coodie.drivers.cassandra._forgotten import telling_future
from coodie.waiting import start_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cassandra.cluster import ResponseFuture, Session
    from cassandra.pool import Host

    from coodie.drivers._lifecycle import Lifecycle

__all__ = ["Attempt", "PoolWatcher", "SendListener"]

#: Seconds between two polls of the pools.
_POLL_INTERVAL = 0.01

#: Seconds after which the waiting requests are woken in any case, and the watcher's thread ends.
_MAX_WATCH = 2.0

#: The mask of 64 bits.
_UINT64 = 2**64 - 1


class Attempt:
    """A proxy of the session for one request, in the thread that sends it.

    It replaces the session in the driver's ``ResponseFuture``; all other attributes, and all accesses in
    another thread, are those of the session.

    Args:
        session: The backend's session.
        count_error: Counts an error response of a node, or a lost connection.
    """

    def __init__(self, session: Session, count_error: Callable[[Host], None]) -> None:
        self._session = session
        self._count_error = count_error
        self._thread = threading.get_ident()
        self._hosts: Iterator[Host] = iter(())
        #: Whether the request is being sent.
        self.is_running = True
        #: A host's connections were closed, or are being replaced.
        self.found_closed = False
        #: The write timestamp of the request; None for the session's.
        self.timestamp: int | None = None
        #: All streams of a connection were in use.
        self.found_full = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    @property
    def _pools(self) -> Any:
        pools = self._session._pools  # noqa: SLF001 - there is no public way to a host's pool
        return _Pools(pools, self) if self.is_sending_here() else pools

    def stand_in(self, response: ResponseFuture) -> None:
        """Replace the session of a request until its hosts have been tried; return rows as tuples."""
        hosts = self._hosts = response.query_plan

        def plan() -> Iterator[Host]:
            for host in hosts:  # noqa: UP028 - `yield from` would close the policy's generator when this one is dropped
                yield host
            # A request that the driver sends without a pool uses the session itself.
            self.stand_down(response)

        response.query_plan = plan()
        response.session = self
        response.count_error = self._count_error
        response.row_factory = tuple_factory
        if self.timestamp is not None:
            # The drivers encode an unsigned number; a timestamp before 1970 is the same bytes.
            response.message.timestamp = self.timestamp & _UINT64

    def stand_down(self, response: ResponseFuture) -> None:
        """Restore the request's session and hosts; the plan refers to the request, which would be a cycle."""
        response.session, response.query_plan = self._session, self._hosts

    def is_sending_here(self) -> bool:
        """Return whether the calling thread is sending the request."""
        return self.is_running and threading.get_ident() == self._thread

    def return_later(self, pool: Any, connection: Any, *args: Any) -> None:
        """Return a connection in the driver's executor."""
        self.found_closed = True
        with suppress(RuntimeError):  # the cluster is being shut down
            self._session.submit(pool.return_connection, connection, *args)


class _Pools:
    """A proxy of the session's pools by host."""

    __slots__ = ("_attempt", "_pools")

    def __init__(self, pools: dict[Host, Any], attempt: Attempt) -> None:
        self._pools = pools
        self._attempt = attempt

    def get(self, host: Host) -> Any:
        """Return a host's pool; None if there is none."""
        pool = self._pools.get(host)
        return None if pool is None else _Pool(pool, self._attempt)

    def values(self) -> Iterable[Any]:
        """Return the session's pools."""
        return self._pools.values()


class _Pool:
    """A proxy of a host's pool that doesn't block the sending thread."""

    __slots__ = ("_attempt", "_pool")

    def __init__(self, pool: Any, attempt: Attempt) -> None:
        self._pool = pool
        self._attempt = attempt

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def borrow_connection(self, timeout: float, **routing: Any) -> Any:
        """Return a connection and a stream id, without waiting.

        The connection may have been closed: then sending fails, and the connection is returned to the pool.
        """
        if not self._attempt.is_sending_here():
            return self._pool.borrow_connection(timeout=timeout, **routing)
        try:
            # With a negative timeout, the drivers try twice without waiting.
            borrowed = self._pool.borrow_connection(timeout=-1.0, **routing)
        except NoConnectionsAvailable:
            if self._pool.open_count:
                self._attempt.found_full = True
            else:
                self._attempt.found_closed = True
            raise
        return borrowed

    def return_connection(self, connection: Any, *args: Any, **kwargs: Any) -> None:
        """Return a connection; from the sending thread, it is one on which sending failed."""
        if self._attempt.is_sending_here():
            self._attempt.return_later(self._pool, connection, *args, *kwargs.values())
        else:
            self._pool.return_connection(connection, *args, **kwargs)


class SendListener:
    """The session's request listener, called with each request before it is sent, the owner's included."""

    def __init__(self) -> None:
        self._local = threading.local()

    @property
    def attempt(self) -> Attempt | None:
        """The current attempt of the calling thread."""
        found: Attempt | None = getattr(self._local, "attempt", None)
        return found

    @attempt.setter
    def attempt(self, attempt: Attempt | None) -> None:
        self._local.attempt = attempt

    def __call__(self, response: ResponseFuture) -> None:
        attempt = self.attempt
        if attempt is not None:
            attempt.stand_in(response)
            response.__class__ = telling_future()


class _Awaited(NamedTuple):
    """What requests wait for.

    Attributes:
        host: The node that has to have a free connection; None for any.
        reconnected: The request waits until the driver has connected again, and not only until it has given
            up.
    """

    host: Host | None
    reconnected: bool


class PoolWatcher:
    """Wake requests that wait for a free connection; uses one thread for all of them.

    Args:
        session: The backend's session.
        lifecycle: The driver's.
    """

    def __init__(self, session: Session, lifecycle: Lifecycle) -> None:
        self._session = session
        self._lifecycle = lifecycle
        self._lock = threading.Lock()
        self._changes: dict[_Awaited, Future[None]] = {}

    def change(self, host: Host | None, *, reconnected: bool) -> Future[None]:
        """Return a future that is completed when another attempt may succeed.

        Args:
            host: The only node to use; None for any.
            reconnected: Also wait while there are no pools, because all nodes have been marked down.
        """
        awaited = _Awaited(host, reconnected)
        with self._lock:
            is_watched = bool(self._changes)
            change = self._changes.setdefault(awaited, Future())
        if not is_watched:
            try:
                start_thread(self._watch, "coodie-pools")
            except RuntimeError:  # no thread can be started now
                self._wake()
        return change

    def has_room(self, host: Host | None, *, reconnected: bool) -> bool:
        """Return whether a connection has a free stream; unless *reconnected*, or there are no pools left."""
        pools = [pool for pool in tuple(self._session.get_pools()) if not pool.is_shutdown]
        if host is not None:
            pools = [pool for pool in pools if pool.host == host]
        if not pools:
            return not reconnected
        return any(
            not connection.is_closed and connection.in_flight < connection.max_request_id
            for pool in pools
            for connection in pool.get_connections()
        )

    def _watch(self) -> None:
        end = time.monotonic() + _MAX_WATCH
        try:
            while self._changes and time.monotonic() < end and not self._lifecycle.closed:
                time.sleep(_POLL_INTERVAL)
                self._wake([one for one in list(self._changes) if self._may_succeed(one)])
        finally:
            self._wake()

    def _may_succeed(self, awaited: _Awaited) -> bool:
        return self.has_room(awaited.host, reconnected=awaited.reconnected)

    def _wake(self, those: list[_Awaited] | None = None) -> None:
        """Complete some futures, or all."""
        with self._lock:
            woken = list(self._changes) if those is None else those
            changes = [self._changes.pop(one) for one in woken if one in self._changes]
        for change in changes:
            change.set_result(None)
