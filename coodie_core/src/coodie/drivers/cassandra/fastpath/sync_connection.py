"""A connection that one thread at a time uses: for one request, or by a pipeline for many."""

from __future__ import annotations

import select
import socket
import ssl
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any

from cassandra.connection import ConnectionShutdown

from coodie.drivers.cassandra.fastpath.sockets import LARGE_READ_SIZE, READ_SIZE, WOULD_BLOCK, receive
from coodie.protocol.connection import Connection, ConnectionLost, TimedOut

if TYPE_CHECKING:
    from coodie.drivers.cassandra.fastpath.driver_internals import EstablishedConnection
    from coodie.protocol.connection import Response

    #: Requests that have ended, each as its token, and the response.
    _Ended = list[tuple[Any, Response]]

__all__ = ["SyncConnection"]

#: Seconds after something arrived in which a connection isn't asked whether it has ended meanwhile.
_FRESH = 0.01


class SyncConnection:
    """Send a request in the calling thread, and wait there for its response.

    A request that times out, or is interrupted by Ctrl-C, costs the connection: its response may
    still come.

    Args:
        link: The connection, which belongs to this object from now on.
        max_idle: Seconds without a sign after which it isn't used any more; there are no heartbeats here.
    """

    def __init__(self, link: EstablishedConnection, max_idle: float = inf) -> None:
        self.sock = link.sock
        # What a socket with a timeout does is as many system calls again, and each lets go of the GIL.
        self.sock.settimeout(0)
        #: Where it ends; None where there are no shards.
        self.shard = link.shard
        #: What is said on it; a pipeline gives it requests of its own.
        self.protocol: Connection[Any] = Connection(link.frames, monotonic(), error=ConnectionShutdown)
        self._max_idle = max_idle
        self._read_size = READ_SIZE
        self._to_read = select.poll()
        self._to_read.register(self.sock, select.POLLIN)
        self._wants_to_read = False

    @property
    def is_closed(self) -> bool:
        """Whether it is closed, or broken."""
        return self.protocol.is_closed

    @property
    def is_stale(self) -> bool:
        """Whether it was idle for so long that what lies between may have forgotten it."""
        return self.protocol.received_at + self._max_idle < monotonic()

    def is_usable(self) -> bool:
        """Tell whether a request can be sent; the server may have closed the connection meanwhile."""
        idle = monotonic() - self.protocol.received_at
        if idle > self._max_idle:
            return False
        if idle > _FRESH and self._to_read.poll(0):
            self.read()
        return not self.protocol.is_closed

    # --- one request --------------------------------------------------------------------

    def send(self, opcode: int, body: bytes, timeout: float) -> Response | None:
        """Send a request; return what ended it already, if something did."""
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
        """Wait for the response."""
        try:
            while not (ended := self._wait(self._to_read) or self.read()):
                pass
        except BaseException:
            self.close()
            raise
        return self._response(ended)

    def _response(self, ended: _Ended) -> Response:
        """Return the response, and close the connection where it can't be used for another request."""
        response: Response = ended[0][1]
        if isinstance(response, (TimedOut, ConnectionLost)):
            self.close()
        return response

    def _wait(self, ready: select.poll) -> _Ended | None:
        """Wait until it can be read, or written; return the request if that has timed out."""
        left = self.protocol.next_deadline - monotonic()
        return None if left > 0 and ready.poll(left * 1000) else self.protocol.expire(monotonic())

    def _to_write(self) -> select.poll:
        """Return what says that writing can go on, where the socket took less than there is."""
        ready = select.poll()
        ready.register(self.sock, select.POLLIN if self._wants_to_read else select.POLLOUT)
        return ready

    # --- any number of requests ---------------------------------------------------------

    def write(self) -> _Ended:
        """Write once, as much as the socket takes; return the requests that an error ends."""
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
        """Read once; return the requests that have ended."""
        try:
            data = receive(self.sock, self._read_size)
        except WOULD_BLOCK:
            return []
        except OSError as exc:
            return self.protocol.close(exc)
        self._read_size = LARGE_READ_SIZE if len(data) >= READ_SIZE else READ_SIZE
        return self.protocol.receive(data, monotonic())

    # --- the end ------------------------------------------------------------------------

    def close(self) -> None:
        """Close it; in the thread that has it."""
        self.protocol.close(ConnectionShutdown("The connection has been closed"))
        self.sock.close()

    def abort(self) -> None:
        """End what another thread is waiting for here; that thread closes it."""
        try:
            # The socket's own: that of TLS sockets takes away what the other thread is using.
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)
        except OSError:
            return  # it has ended already
