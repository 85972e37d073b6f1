"""A listening socket of an event loop that forgets no connection when it is closed."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from ssl import SSLContext

__all__ = ["Listener"]

#: Seconds to wait, when it is closed, for TLS handshakes of accepted connections.
_HANDSHAKE_TIMEOUT = 2.0


class Listener:
    """Accept connections, and give each a protocol.

    ``loop.create_server`` isn't used: a connection that it accepts just before it is closed is never closed.

    Args:
        loop: The event loop; the caller is in its thread, or it doesn't run yet.
        address: The host and the port; 0 for a free one. Or the path of a Unix socket, and 0.
        make_protocol: Returns a connection's protocol.
        ssl_context: For TLS.

    Raises:
        OSError: The address can't be used.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        address: tuple[str, int],
        make_protocol: Callable[[], asyncio.Protocol],
        ssl_context: SSLContext | None = None,
    ) -> None:
        self._loop = loop
        self._make_protocol = make_protocol
        self._ssl_context = ssl_context
        self._accepted: set[asyncio.Task[Any]] = set()
        self._path = Path(address[0]) if address[0].startswith("/") else None
        if self._path is not None:
            self._sock = _unix_server(self._path)
        else:
            family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
            self._sock = socket.create_server(address, family=family)
        self._sock.settimeout(0)
        self.port: int = 0 if self._path is not None else self._sock.getsockname()[1]
        loop.add_reader(self._sock, self._accept)

    def _accept(self) -> None:
        try:
            accepted, _ = self._sock.accept()
        except OSError:
            return  # the client has disconnected
        accepted.settimeout(0)
        made = self._loop.connect_accepted_socket(self._make_protocol, accepted, ssl=self._ssl_context)
        task = self._loop.create_task(made)
        self._accepted.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[Any]) -> None:
        self._accepted.discard(task)
        if not task.cancelled():
            task.exception()  # the client's TLS handshake failed

    async def close(self) -> None:
        """Stop listening; afterwards, each accepted connection has its protocol, or is closed."""
        self._loop.remove_reader(self._sock)
        self._sock.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)
        if self._accepted:
            _, late = await asyncio.wait(list(self._accepted), timeout=_HANDSHAKE_TIMEOUT)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


def _unix_server(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.bind(str(path))
        sock.listen()
    except BaseException:
        sock.close()
        raise
    return sock
