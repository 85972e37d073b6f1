"""Many requests of one thread at once: on connections that it has to itself, written and read together."""

from __future__ import annotations

import select
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from coodie.drivers.cassandra.fastpath.dispatcher import FastPath
    from coodie.drivers.cassandra.fastpath.pool import SyncPool
    from coodie.drivers.cassandra.fastpath.request import Exchange
    from coodie.drivers.cassandra.fastpath.sync_connection import SyncConnection
    from coodie.protocol.connection import Response

__all__ = ["Pipeline", "PipelinedConnection"]

T = TypeVar("T")


class PipelinedConnection(NamedTuple):
    """A connection that the thread has to itself.

    Attributes:
        connection: The connection.
        pool: Where it goes back to.
    """

    connection: SyncConnection
    pool: SyncPool

    @property
    def takes_requests(self) -> bool:
        """Whether requests may be sent; for one, it isn't one on which nothing has come for too long."""
        return not self.connection.is_stale and not self.connection.protocol.needs_replacement


class Pipeline(Generic[T]):
    """Send, and take the responses as they come; used in one thread.

    Args:
        path: The driver's fast path.
    """

    def __init__(self, path: FastPath) -> None:
        self._path = path
        # Made when it is first waited on: a platform without poll has no connection to wait for.
        self._poll: select.poll | None = None
        # By file number; and those that end where requests belong, by node and shard.
        self._by_fd: dict[int, PipelinedConnection] = {}
        self._by_shard: dict[tuple[SyncPool, int | None], PipelinedConnection] = {}

    @property
    def in_flight(self) -> int:
        """How many requests have no response yet, but for those that timed out."""
        return sum([one.connection.protocol.waiting for one in self._by_fd.values()])

    def send(self, exchange: Exchange, token: T) -> bool:
        """Take a request; return whether there is a connection for it.

        Args:
            exchange: The request.
            token: What its response is to be handed out with.
        """
        pool = self._path.find_pool(exchange)
        if pool is None:
            return False
        shard = self._path.shard(exchange)
        one = self._by_shard.get((pool, shard))
        if one is None or not one.takes_requests:
            # Another shard's serves until there is a connection to this one.
            others = (other for other in self._by_fd.values() if other.pool is pool and other.takes_requests)
            one = next(others, None)
            connection = pool.acquire(shard, borrow=one is None)
            if connection is not None:
                one = PipelinedConnection(connection, pool)
                self._by_fd[connection.sock.fileno()] = self._by_shard[pool, connection.shard] = one
        if one is None:
            return False
        protocol = one.connection.protocol
        return protocol.send(exchange.opcode, exchange.body, token, exchange.timeout, monotonic()) > 0

    def responses(self, timeout: float) -> list[tuple[T, Response]]:
        """Send what was taken, and return what has ended: by a response, by its deadline, by an error.

        Args:
            timeout: Seconds to wait for the first, at most.
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
                # It ends as soon as nobody waits there any more.
                found += protocol.retire()
            if protocol.is_closed:
                self._release(number)
        return found

    def close(self) -> None:
        """Give the connections back; those with answers outstanding are closed."""
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
