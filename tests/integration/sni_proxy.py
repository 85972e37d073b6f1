"""A cloud's proxy: TLS whose server name (SNI) is the id of a node, and the service that lists the nodes."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

from coodie_local._certificates import Certificates, make_certificates
from coodie_testing.listener import Listener

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

__all__ = ["SniProxy"]

_TIMEOUT = 10.0


class SniProxy:
    """Forward each connection to the node whose id is its server name; without a name, it is for the service.

    A context manager: it listens inside the ``with`` block, and requires a client's certificate.

    Args:
        nodes: The addresses and ports of nodes by id.
        directory: For the certificates and the bundle.
    """

    def __init__(self, nodes: Mapping[str, tuple[str, int]], directory: Path) -> None:
        self.nodes = dict(nodes)
        self.certificates = Certificates(directory / "cloud")
        make_certificates(self.certificates, ["127.0.0.1"])
        self.bundle = directory / "secure-connect-shop.zip"
        #: The response of the service; None for the list of the nodes.
        self.metadata: bytes | None = None
        #: The server name of each connection, in order.
        self.names: list[str] = []
        self._contexts: dict[ssl.SSLContext, str] = {}
        self._loop = asyncio.SelectorEventLoop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sni-proxy", daemon=True)
        self._transports: set[asyncio.Transport] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.port = 0

    def context(self) -> ssl.SSLContext:
        """Return a server's context, as of a certificate that has no id of a node."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(self.certificates.server)
        made.load_verify_locations(self.certificates.ca)
        made.verify_mode = ssl.CERT_REQUIRED
        return made

    def write_bundle(self, **config: Any) -> Path:
        """Write the bundle, as the cloud's console does; return its path."""
        found = self.certificates
        with ZipFile(self.bundle, "w") as archive:
            archive.writestr("config.json", json.dumps({"host": "127.0.0.1", "port": self.port, **config}))
            for name, path in {"ca.crt": found.ca, "cert": found.client, "key": found.client_key}.items():
                archive.write(path, name)
        return self.bundle

    def __enter__(self) -> SniProxy:  # noqa: PYI034 - nothing derives from it
        default = self.context()
        default.sni_callback = self._choose
        self._by_name = {name: self.context() for name in self.nodes}
        self._thread.start()
        self._listener = self._call(self._listen(default))
        self.port = self._listener.port
        self.write_bundle()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_TIMEOUT)
        self._loop.close()

    def cut(self) -> None:
        """Close all connections."""

        async def cut() -> None:
            for transport in tuple(self._transports):
                transport.abort()

        self._call(cut())

    def _call(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_TIMEOUT)

    async def _listen(self, context: ssl.SSLContext) -> Listener:
        return Listener(self._loop, ("127.0.0.1", 0), lambda: _Client(self), context)

    async def _close(self) -> None:
        await self._listener.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for transport in tuple(self._transports):
            transport.abort()
        await asyncio.sleep(0)

    def _choose(self, tls: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> int | None:
        """Select the context of a name, by which the connection is recognised."""
        if name is None:
            return None
        if name not in self._by_name:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        tls.context = self._by_name[name]
        return None

    def name_of(self, transport: asyncio.BaseTransport) -> str | None:
        """Return the server name of an accepted connection."""
        context = transport.get_extra_info("ssl_object").context
        return next((name for name, one in self._by_name.items() if one is context), None)

    def nodes_as_json(self) -> bytes:
        """Return the response of the service."""
        contact = {
            "type": "sni_proxy",
            "local_dc": "datacenter1",
            "sni_proxy_address": f"127.0.0.1:{self.port}",
            "contact_points": list(self.nodes),
        }
        text = json.dumps({"version": 1, "region": "local", "contact_info": contact}).encode()
        return text if self.metadata is None else self.metadata

    def opened(self, transport: asyncio.Transport) -> None:
        """Note a connection."""
        self._transports.add(transport)

    def closed(self, transport: asyncio.Transport) -> None:
        """Forget a connection."""
        self._transports.discard(transport)

    def start(self, work: Any) -> None:
        """Start a task, which ends with the proxy at the latest."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _End(asyncio.Protocol):
    """One side of a forwarded connection."""

    def __init__(self, proxy: SniProxy) -> None:
        self.proxy = proxy
        self.other: asyncio.Transport | None = None
        self.waiting = b""
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.proxy.opened(transport)

    def data_received(self, data: bytes) -> None:
        """Forward data; until the node is connected, keep it."""
        if self.other is None:
            self.waiting += data
        else:
            self.other.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Close the other side."""
        self.proxy.closed(self.transport)
        if self.other is not None:
            self.other.close()


class _Client(_End):
    """The side of a client."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect to the node of the server name."""
        super().connection_made(transport)
        name = self.proxy.name_of(transport)
        if name is not None:
            self.proxy.names.append(name)
            self.proxy.start(self._connect(*self.proxy.nodes[name]))

    async def _connect(self, host: str, port: int) -> None:
        try:
            loop = asyncio.get_running_loop()
            transport, node = await loop.create_connection(lambda: _End(self.proxy), host, port)
        except OSError:
            self.transport.abort()
            return
        node.other, self.other = self.transport, transport
        transport.write(self.waiting)
        if self.transport.is_closing():
            transport.close()

    def data_received(self, data: bytes) -> None:
        """Forward data, or answer a request to the service."""
        super().data_received(data)
        if self.waiting.startswith(b"GET /metadata ") and self.waiting.endswith(b"\r\n\r\n"):
            body = self.proxy.nodes_as_json()
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            self.transport.write(head.encode() + body)
            self.transport.close()
