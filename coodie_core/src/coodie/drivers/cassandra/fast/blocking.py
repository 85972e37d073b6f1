"""A connection that one thread at a time uses, for one request at a time."""

from __future__ import annotations

import select
import socket
import ssl
from time import monotonic
from typing import TYPE_CHECKING

from cassandra.connection import ConnectionShutdown

from coodie.drivers.cassandra.fast.answers import LATE, Lost
from coodie.drivers.cassandra.fast.sockets import RECEIVE, RECEIVE_MUCH, RETRY, receive
from coodie.protocol.errors import BrokenFrameError

if TYPE_CHECKING:
    from coodie.drivers.cassandra.fast.answers import Answer, Late
    from coodie.drivers.cassandra.fast.internals import Link

__all__ = ["BlockingConnection"]

#: Seconds after its last use in which a connection isn't asked whether it has ended meanwhile.
_FRESH = 0.01

#: The only stream that is used.
_STREAM = 0


class BlockingConnection:
    """Send a request in the calling thread, and wait there for its answer.

    A request that is given up, by its deadline or by Ctrl-C, costs the connection: its answer may
    still come.

    Args:
        link: The connection, which belongs to this object from now on.
    """

    def __init__(self, link: Link) -> None:
        self.sock = link.sock
        # What a socket with a timeout does is as many system calls again, and each lets go of the GIL.
        self.sock.settimeout(0)
        self.frames = link.frames
        #: Where it ends; None where there are no shards.
        self.shard = link.shard
        self._readable = select.poll()
        self._readable.register(self.sock, select.POLLIN)
        self._deadline = 0.0
        #: When it was last used, on the monotonic clock.
        self.used_at = monotonic()
        #: Closed, or broken.
        self.is_closed = False

    def is_usable(self) -> bool:
        """Tell whether nothing has come that wasn't asked for: an end, most of all."""
        if self.is_closed:
            return False
        if monotonic() < self.used_at + _FRESH or not self._readable.poll(0):
            return True
        try:
            self.sock.recv(1)
        except RETRY:
            return True  # TLS alone had something to say
        except OSError:
            return False
        return False

    def send(self, opcode: int, body: bytes, timeout: float) -> Lost | Late | None:
        """Send a request; return what went wrong."""
        self._deadline = monotonic() + timeout
        try:
            self._send(self.frames.wire((self.frames.make(opcode, _STREAM, body),)))
        except TimeoutError:
            self.close()
            return LATE
        except OSError as exc:
            return self._lost(exc)
        except BaseException:
            self.close()
            raise
        return None

    def _send(self, data: bytes) -> None:
        while True:
            wanted = select.POLLOUT
            try:
                data = data[self.sock.send(data) :]
            except ssl.SSLWantReadError:
                wanted = select.POLLIN
            except RETRY:
                pass
            if not data:
                return
            ready = select.poll()
            ready.register(self.sock, wanted)
            self._wait(ready)

    def receive(self) -> Answer:
        """Wait for the answer."""
        try:
            answer = self._answer()
        except TimeoutError:
            self.close()
            return LATE
        except (OSError, ConnectionShutdown) as exc:
            return self._lost(exc)
        except BrokenFrameError as exc:
            return self._lost(ConnectionShutdown(str(exc)))
        except BaseException:
            self.close()
            raise
        self.used_at = monotonic()
        return answer

    def _answer(self) -> Answer:
        size = RECEIVE
        while True:
            self._wait(self._readable)
            try:
                data = receive(self.sock, size)
            except RETRY:
                continue
            if not data:
                message = "The server closed the connection"
                raise ConnectionShutdown(message)
            for stream, answer in self.frames.feed(data):
                if stream == _STREAM:
                    return answer
            size = RECEIVE_MUCH if len(data) >= size else size

    def _wait(self, ready: select.poll) -> None:
        """Wait until it can be read, or written.

        Raises:
            TimeoutError: The request's time is over.
        """
        left = self._deadline - monotonic()
        if left <= 0 or not ready.poll(left * 1000):
            raise TimeoutError

    def close(self) -> None:
        """Close it; in the thread that has it."""
        self.is_closed = True
        self.sock.close()

    def abort(self) -> None:
        """End what another thread is waiting for here; that thread closes it."""
        try:
            # The socket's own: that of TLS sockets takes away what the other thread is using.
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)
        except OSError:
            return  # it has ended already

    def _lost(self, error: Exception) -> Lost:
        self.close()
        return Lost(error)
