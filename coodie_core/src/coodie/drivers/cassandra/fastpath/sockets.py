"""How sockets are read, whoever waits for them."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

__all__ = ["LARGE_READ_SIZE", "READ_SIZE", "WOULD_BLOCK", "receive"]

#: Bytes to read at once; and more, where it has turned out that there is more.
READ_SIZE = 65_536
LARGE_READ_SIZE = 1_048_576

#: What a socket raises that has nothing to read, or no place to write.
WOULD_BLOCK = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


def receive(sock: socket.socket, size: int) -> bytes:
    """Read from a socket that is readable; nothing is its end.

    Args:
        sock: The socket, or TLS socket.
        size: Bytes to read at once.

    Raises:
        OSError: Also one of ``WOULD_BLOCK``, where nothing is there after all.
    """
    data = sock.recv(size)
    if isinstance(sock, ssl.SSLSocket):
        # What TLS has decrypted already makes no socket readable.
        while sock.pending():
            data += sock.recv(size)
    return data
