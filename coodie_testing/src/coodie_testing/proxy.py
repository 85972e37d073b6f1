"""A TCP proxy in front of a node: it loses answers, cuts connections and speaks TLS when told to."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ssl import SSLContext
    from types import TracebackType

__all__ = ["Proxy"]

_CHUNK = 65536

#: Seconds between two looks at whether answers are still kept back.
_LOOK_AGAIN = 0.005


class Proxy:
    """Forward to a node, from a thread of its own, until told otherwise.

    Args:
        host: The node's address.
        port: The node's port.
        ssl_context: Speak TLS to clients.
    """

    def __init__(self, host: str, port: int, ssl_context: SSLContext | None = None) -> None:
        self._target = (host, port)
        self._ssl_context = ssl_context
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="proxy")
        #: Where it listens; until it is entered, both can be set, and a port of 0 takes a free one.
        self.host = "127.0.0.1"
        self.port = 0
        #: Whether the node's answers are thrown away.
        self.mute = False
        #: Whether the node's answers are kept back, until this is False again.
        self.held = False
        #: Seconds by which each answer is late.
        self.delay = 0.0
        #: Connections accepted so far.
        self.accepted = 0

    def __enter__(self) -> Proxy:  # noqa: PYI034 - nothing derives from it
        self._thread.start()
        self._started.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @property
    def open(self) -> int:
        """How many clients are connected."""
        return len(self._writers) // 2

    def unused_port(self) -> int:
        """Return a port at which nothing listens."""
        with socket.socket() as free:
            free.bind((self.host, 0))
            port: int = free.getsockname()[1]
        return port

    def heal(self) -> None:
        """Forward as a proxy does that nothing was ever asked of."""
        self.mute, self.held, self.delay = False, False, 0.0

    def cut(self) -> None:
        """Close all connections; when this returns, nothing is forwarded on them any more."""

        async def abort() -> None:
            for writer in tuple(self._writers):
                writer.transport.abort()

        asyncio.run_coroutine_threadsafe(abort(), self._loop).result()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, self.host, self.port, ssl=self._ssl_context)
        )
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        self._loop.run_forever()
        server.close()
        # A client may connect up to the last moment, and aborted transports close in the turns that follow.
        for _ in range(5):
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self._loop.run_until_complete(asyncio.sleep(0.01))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        mine = {writer}
        try:
            server_reader, server_writer = await asyncio.open_connection(*self._target)
            mine.add(server_writer)
            self._writers |= mine
            await asyncio.gather(
                self._pump(reader, server_writer, answers=False),
                self._pump(server_reader, writer, answers=True),
            )
        except (asyncio.CancelledError, ConnectionError):
            # The end of the proxy, or of the node; the stream's own callback can't cope with either.
            return
        finally:
            self._writers -= mine
            for each in mine:
                each.transport.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        try:
            while data := await reader.read(_CHUNK):
                if answers and self.delay:
                    await asyncio.sleep(self.delay)
                while answers and self.held:  # noqa: ASYNC110 - another thread sets it
                    await asyncio.sleep(_LOOK_AGAIN)
                if not (answers and self.mute):
                    writer.write(data)
                    await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()
