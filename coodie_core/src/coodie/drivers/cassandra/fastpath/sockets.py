"""Socket reads, and the connections being opened."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from cassandra.connection import ConnectionShutdown

from coodie._points import point

if TYPE_CHECKING:
    import socket
    from typing import Protocol

    class Handshake(Protocol):
        """A connection whose handshake is in progress in another thread."""

        def stop(self) -> None:
            """Make the handshake fail at once."""


__all__ = ["LARGE_READ_SIZE", "READ_SIZE", "WOULD_BLOCK", "Handshakes", "receive"]

#: Bytes per read, and the larger size after a full read.
READ_SIZE = 65_536
LARGE_READ_SIZE = 1_048_576

#: Exceptions of a non-blocking socket that isn't ready.
WOULD_BLOCK = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


def receive(sock: socket.socket, size: int) -> bytes:
    """Read from a readable socket; empty bytes mean that the peer has closed the connection.

    Args:
        sock: The socket, or TLS socket.
        size: Bytes per read.

    Raises:
        OSError: The read failed, or would block (``WOULD_BLOCK``).
    """
    data = sock.recv(size)
    if isinstance(sock, ssl.SSLSocket):
        # Data that TLS has decrypted already doesn't make the socket readable.
        while sock.pending():
            data += sock.recv(size)
    return data


class Handshakes:
    """The handshakes in progress of a driver, which its ``close`` ends."""

    def __init__(self) -> None:
        self._current: set[Handshake] = set()
        self._is_closed = False

    def add(self, handshake: Handshake) -> None:
        """Add a handshake that begins.

        Raises:
            ConnectionShutdown: The driver has been closed.
        """
        self._current.add(handshake)
        if self._is_closed:
            self.remove(handshake)
            message = "The driver has been closed"
            raise ConnectionShutdown(message)

    def remove(self, handshake: Handshake) -> None:
        """Remove a handshake that has ended."""
        self._current.discard(handshake)

    def close(self) -> None:
        """Make the current and all later handshakes fail; called from any thread."""
        self._is_closed = True
        for handshake in tuple(self._current):
            point("handshake stopped because the driver is closed")
            handshake.stop()
