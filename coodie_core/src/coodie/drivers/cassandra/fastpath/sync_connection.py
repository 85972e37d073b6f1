"""Connections of threads: used by one thread at a time, for one request or by a pipeline for many."""

from __future__ import annotations

import select
import socket
import ssl
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any

from cassandra.connection import ConnectionShutdown

from coodie.drivers.cassandra.fastpath.sockets import LARGE_READ_SIZE, READ_SIZE, WOULD_BLOCK, reader
from coodie.protocol.connection import Connection, ConnectionLost, TimedOut

if TYPE_CHECKING:
    from coodie.drivers.cassandra.fastpath.driver_internals import EstablishedConnection
    from coodie.protocol.connection import Response

    #: Finished requests, each as its token, and the response.
    _Ended = list[tuple[Any, Response]]

__all__ = ["SyncConnection"]

#: Seconds after the last received data in which a connection isn't checked for its end before use.
_FRESH = 0.01


class SyncConnection:
    """Send a request in the calling thread, and block until the response arrives.

    A request that times out, or is interrupted by Ctrl-C, closes the connection, since the response may
    still arrive.

    Args:
        link: The established connection, owned by this object.
        max_idle: Idle seconds after which the connection isn't used any more; there are no heartbeats.
    """

    def __init__(self, link: EstablishedConnection, max_idle: float = inf) -> None:
        #: As of ``AsyncConnection``.
        self.loop = None
        self.sock = link.sock
        # A socket with a timeout needs twice as many system calls, each of which releases the GIL.
        self.sock.settimeout(0)
        self._recv = reader(link.sock)
        #: The connection's shard; None if the node has no shards.
        self.shard = link.shard
        #: The protocol's state machine; a pipeline sends requests to it directly.
        self.protocol: Connection[Any] = Connection(link.frames, monotonic(), error=ConnectionShutdown)
        #: Whether the accelerator's templates can be used: its streams are, and bodies aren't compressed.
        self.takes_templates = hasattr(self.protocol, "execute") and not link.frames.compresses
        #: Whether the connection is closed after its requests in flight; set from any thread.
        self.is_retired = False
        self._max_idle = max_idle
        self._read_size = READ_SIZE
        self._to_read = select.poll()
        self._to_read.register(self.sock, select.POLLIN)
        self._wants_to_read = False

    @property
    def is_closed(self) -> bool:
        """Whether the connection is closed."""
        return self.protocol.is_closed

    @property
    def is_stale(self) -> bool:
        """Whether the connection was idle for so long that a firewall may have dropped it."""
        return self.protocol.received_at + self._max_idle < monotonic()

    def is_usable(self) -> bool:
        """Return whether a request can be sent: the server may have closed the connection."""
        idle = monotonic() - self.protocol.received_at
        if idle > self._max_idle or self.is_retired:
            return False
        if idle > _FRESH and self._to_read.poll(0):
            self.read()
        return not self.protocol.is_closed

    # --- one request --------------------------------------------------------------------

    def send(self, opcode: int, body: bytes, timeout: float) -> Response | None:
        """Send a request; return its outcome if it failed already."""
        try:
            self.protocol.send(opcode, body, None, timeout, monotonic())
            ended = self.write()
            while not ended and self.protocol.has_data_to_send:
                ended = self._wait(self._to_write()) or self.write()
        except BaseException:
            self.close()
            raise
        return self._response(ended) if ended else None

    def receive(self) -> Response:
        """Block until the response arrives."""
        try:
            while not (ended := self._wait(self._to_read) or self.read()):
                pass
        except BaseException:
            self.close()
            raise
        return self._response(ended)

    def _response(self, ended: _Ended) -> Response:
        """Return the response; close the connection after a timeout or a loss."""
        response: Response = ended[0][1]
        if isinstance(response, (TimedOut, ConnectionLost)):
            self.close()
        return response

    def _wait(self, ready: select.poll) -> _Ended | None:
        """Wait until the socket is ready; return the request if it has timed out."""
        left = self.protocol.next_deadline - monotonic()
        return None if left > 0 and ready.poll(left * 1000) else self.protocol.expire(monotonic())

    def _to_write(self) -> select.poll:
        """Return a poll object for writing, after a partial write."""
        ready = select.poll()
        ready.register(self.sock, select.POLLIN if self._wants_to_read else select.POLLOUT)
        return ready

    # --- any number of requests ---------------------------------------------------------

    def write(self) -> _Ended:
        """Write once, without blocking; return the requests that a socket error ends."""
        data = self.protocol.data_to_send()
        size = 0
        try:
            if data:
                size = self.sock.send(data)
        except WOULD_BLOCK as exc:
            self._wants_to_read = isinstance(exc, ssl.SSLWantReadError)
        except OSError as exc:
            return self.protocol.close(exc)
        if size < len(data):
            self.protocol.put_back(data, size)
        return []

    def read(self) -> _Ended:
        """Read once, without blocking; return the finished requests."""
        try:
            data = self._recv(self._read_size)
        except WOULD_BLOCK:
            return []
        except OSError as exc:
            return self.protocol.close(exc)
        self._read_size = LARGE_READ_SIZE if len(data) >= READ_SIZE else READ_SIZE
        return self.protocol.receive(data, monotonic())

    # --- closing ------------------------------------------------------------------------

    def close(self) -> None:
        """Close the connection; in the thread that uses it."""
        self.protocol.close(ConnectionShutdown("The connection has been closed"))
        self.sock.close()

    def abort(self) -> None:
        """Wake a thread that waits on the connection; that thread closes it."""
        try:
            # Not the TLS socket's shutdown, which removes state that the other thread is using.
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)
        except OSError:
            return  # closed already
