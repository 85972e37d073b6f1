"""Pipelines: many concurrent requests of one thread, on connections that it acquires for itself."""

from __future__ import annotations

import select
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from cassandra.pool import Host

    from coodie.drivers.cassandra.fastpath.dispatcher import FastPath
    from coodie.drivers.cassandra.fastpath.pool import SyncPool
    from coodie.drivers.cassandra.fastpath.request import Exchange
    from coodie.drivers.cassandra.fastpath.sync_connection import SyncConnection
    from coodie.drivers.cassandra.fastpath.template import RequestTemplate
    from coodie.protocol.connection import Response

__all__ = ["Pipeline", "PipelinedConnection"]

T = TypeVar("T")


class PipelinedConnection(NamedTuple):
    """A connection that a pipeline has acquired.

    Attributes:
        connection: The connection.
        pool: The pool to release the connection to.
    """

    connection: SyncConnection
    pool: SyncPool

    @property
    def takes_requests(self) -> bool:
        """Whether requests may be sent: the connection is neither stale nor retired nor to be replaced."""
        connection = self.connection
        return not (connection.is_stale or connection.is_retired or connection.protocol.needs_replacement)


class Pipeline(Generic[T]):
    """Send requests, and return the responses as they arrive; used in one thread.

    Args:
        path: The driver's fast path.
    """

    def __init__(self, path: FastPath) -> None:
        self._path = path
        # Created on first use: a platform without poll has no connections.
        self._poll: select.poll | None = None
        # Connections by file descriptor, and by pool and shard.
        self._by_fd: dict[int, PipelinedConnection] = {}
        self._by_shard: dict[tuple[SyncPool, int | None], PipelinedConnection] = {}

    @property
    def in_flight(self) -> int:
        """The number of requests without a response, without those that timed out."""
        return sum([one.connection.protocol.waiting for one in self._by_fd.values()])

    def send(self, exchange: Exchange, token: T) -> bool:
        """Queue a request; return whether there is a connection for it.

        Args:
            exchange: The request.
            token: Returned with the response.
        """
        exchange.host, shard = self._path.find_node(exchange.policy, exchange.route)
        connection = None if exchange.host is None else self._connection(exchange.host, shard)
        if connection is None:
            return False
        protocol = connection.protocol
        return protocol.send(exchange.opcode, exchange.body, token, exchange.timeout, monotonic()) > 0

    def bind(self, template: RequestTemplate, timeout: float | None) -> Any:
        """Return the accelerator's template, bound to a connection to a cluster's only node, or None.

        Args:
            template: The statement's template.
            timeout: The timeout of each request in seconds; None for the default.
        """
        seconds = None if template.compiled is None else template.seconds(timeout)
        host = None if seconds is None else template.only_node()
        connection = None if host is None else self._connection(host, None)
        if connection is None or host is None or seconds is None:
            return None
        return template.bound_to(connection, host, seconds)

    def _connection(self, host: Host, shard: int | None) -> SyncConnection | None:
        """Return a connection for requests to a node, or to a shard of it; None if there is none yet."""
        pool = self._path.sync_pool(host)
        one = self._by_shard.get((pool, shard))
        if one is None or not one.takes_requests:
            # Use a connection to another shard until there is one to this shard.
            others = (other for other in self._by_fd.values() if other.pool is pool and other.takes_requests)
            one = next(others, None)
            connection = pool.acquire(shard, borrow=one is None)
            if connection is not None:
                one = PipelinedConnection(connection, pool)
                self._by_fd[connection.sock.fileno()] = self._by_shard[pool, connection.shard] = one
        return None if one is None else one.connection

    def responses(self, timeout: float) -> list[tuple[T, Response]]:
        """Send the queued requests, and return those that have finished, timed out or failed.

        Args:
            timeout: Seconds to wait for the first one.
        """
        found: list[tuple[T, Response]] = []
        poll = self._poll = self._poll or select.poll()
        for number, one in self._by_fd.items():
            found += one.connection.write()
            is_writing = one.connection.protocol.has_data_to_send
            poll.register(number, select.POLLIN | (select.POLLOUT if is_writing else 0))
        for number, _ in poll.poll(timeout * 1000):
            found += self._by_fd[number].connection.read()
        now = monotonic()
        for number, one in list(self._by_fd.items()):
            protocol = one.connection.protocol
            found += protocol.expire(now)
            if not one.takes_requests:
                # Closed as soon as no response is awaited.
                found += protocol.retire()
            if protocol.is_closed:
                self._release(number)
        return found

    def close(self) -> None:
        """Release the connections; discard those with outstanding responses."""
        for number in list(self._by_fd):
            self._release(number)

    def _release(self, number: int) -> None:
        connection, pool = one = self._by_fd.pop(number)
        if self._by_shard.get((pool, connection.shard)) is one:
            del self._by_shard[pool, connection.shard]
        if self._poll is not None:
            with suppress(KeyError):  # never polled
                self._poll.unregister(number)
        if connection.protocol.in_flight or connection.protocol.has_data_to_send:
            pool.discard(connection)
        else:
            pool.release(connection)
