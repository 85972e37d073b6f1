"""Socket reads, for blocking and non-blocking connections."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

__all__ = ["LARGE_READ_SIZE", "READ_SIZE", "WOULD_BLOCK", "receive"]

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
