"""Socket reads, the connections being opened, and TLS sessions."""

from __future__ import annotations

import ssl
from functools import partial
from typing import TYPE_CHECKING

from cassandra.connection import Connection, ConnectionShutdown

from coodie._points import point

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import Any, Protocol

    class Handshake(Protocol):
        """A connection whose handshake is in progress in another thread."""

        def stop(self) -> None:
            """Make the handshake fail at once."""


__all__ = ["LARGE_READ_SIZE", "READ_SIZE", "WOULD_BLOCK", "Handshakes", "TlsSessions", "reader"]

#: Bytes per read, and the larger size after a full read. The latter is what glibc takes from its heap: for
#: larger objects it maps memory each time, which costs more than a further read.
READ_SIZE = 65_536
LARGE_READ_SIZE = 131_008

#: The maximum number of TLS sessions of a driver.
_MAX_SESSIONS = 1024

#: Exceptions of a non-blocking socket that isn't ready.
WOULD_BLOCK = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


def reader(sock: socket.socket) -> Callable[[int], bytes]:
    """Return the function that reads from a socket, as ``socket.recv`` does; empty bytes mean the end.

    It raises OSError if the read failed, or would block (``WOULD_BLOCK``).
    """
    return partial(_receive_tls, sock) if isinstance(sock, ssl.SSLSocket) else sock.recv


def _receive_tls(sock: ssl.SSLSocket, size: int) -> bytes:
    """Read all that TLS has decrypted: it doesn't make the socket readable."""
    data = sock.recv(size)
    while sock.pending():
        data += sock.recv(size)
    return data


class TlsSessions:
    """The TLS sessions of nodes, so that a new connection needs no full handshake.

    scylla-driver has such a cache itself, which its connections to a node and those of the fast path share.
    """

    def __init__(self) -> None:
        #: By TLS context, endpoint and the name that was verified: these aren't verified again.
        self._sessions: dict[tuple[Any, ...], Any] = {}
        self._is_needed = not hasattr(Connection, "supports_tls_session_resumption")

    def offer(self, sock: Any, endpoint: Any) -> Any:
        """Offer a session to a node, once; return the socket, whose handshake hasn't begun.

        After a failed handshake, there is no session left that could have caused it.
        """
        session = self._sessions.pop((sock.context, endpoint, sock.server_hostname), None)
        if session is not None:
            sock.session = session
        return sock

    def keep(self, sock: Any, endpoint: Any) -> None:
        """Keep the session of an established connection; ignore connections without TLS."""
        session = getattr(sock, "session", None) if self._is_needed else None
        if session is not None and (session.has_ticket or session.id):
            if len(self._sessions) >= _MAX_SESSIONS:
                self._sessions.clear()  # of contexts that have been replaced
            self._sessions[sock.context, endpoint, sock.server_hostname] = session


class Handshakes:
    """The handshakes in progress of a driver, which its ``close`` ends."""

    def __init__(self) -> None:
        #: The sessions of earlier handshakes.
        self.tls_sessions = TlsSessions()
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
