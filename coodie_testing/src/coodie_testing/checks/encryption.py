"""TLS: asked for, it is had; what can't be verified isn't talked to."""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from coodie.capabilities import Capability
from coodie.exceptions import ConnectionFailedError
from coodie_testing.checking import check
from coodie_testing.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coodie_testing.api import Api
    from coodie_testing.suite import Server
    from coodie_testing.workspace import Workspace

__all__ = ["EncryptionChecks"]

_LOCAL = "SELECT key FROM system.local"


@contextmanager
def _encrypted(
    api: Api, server: Server, address: str = "127.0.0.1", *, clients: bool = False
) -> Iterator[tuple[Proxy, Any, Any]]:
    """Put TLS in front of the server; give the proxy, the authority and a client's certificate."""
    certificates = pytest.importorskip(
        "coodie_testing.certificates", reason="cryptography makes the certificates", exc_type=ImportError
    )
    authority = certificates.Authority()
    context = certificates.server_context(authority.issue(address), authority.pem if clients else None)
    with Proxy(server.host, server.port, context) as proxy:
        try:
            yield proxy, authority, authority.issue("127.0.0.1")
        finally:
            api.openers.close_all()


class EncryptionChecks:
    """The server behind a proxy that speaks TLS."""

    @check(Capability.TLS)
    async def test_tls_connects(self, api: Api, server: Server, space: Workspace) -> None:
        """Through a context that trusts the server's authority everything works."""
        with _encrypted(api, server) as (proxy, authority, _):
            context = ssl.create_default_context(cadata=authority.pem)
            other = await api.open(hosts=[proxy.host], port=proxy.port, ssl_context=context)
            stmt = f"SELECT c FROM {space.items} WHERE p = ? AND c < 3000"
            assert len(await other.execute(stmt, ["many"])) == 3000
            assert await other.execute_one(_LOCAL, []) == "local"

    @check(Capability.TLS)
    async def test_tls_is_never_plain_text(self, api: Api, proxy: Proxy) -> None:
        """Asked for TLS at a port without it, the connect fails instead of doing without."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with pytest.raises(ConnectionFailedError):
            await api.open(hosts=[proxy.host], port=proxy.port, ssl_context=context)

    @check(Capability.TLS)
    async def test_plain_text_at_a_tls_port(self, api: Api, server: Server) -> None:
        """Without TLS, a port that wants it is a ConnectionFailedError."""
        with _encrypted(api, server) as (proxy, _, _), pytest.raises(ConnectionFailedError):
            await api.open(hosts=[proxy.host], port=proxy.port)

    @check(Capability.TLS)
    async def test_an_unknown_authority(self, api: Api, server: Server) -> None:
        """A certificate that nobody trusted has signed ends the connect."""
        with _encrypted(api, server) as (proxy, _, _), _encrypted(api, server) as (_, foreign, _):
            context = ssl.create_default_context(cadata=foreign.pem)
            with pytest.raises(ConnectionFailedError):
                await api.open(hosts=[proxy.host], port=proxy.port, ssl_context=context)

    @check(Capability.TLS)
    async def test_a_certificate_of_another_address(self, api: Api, server: Server) -> None:
        """So does one for another address, where the context checks that."""
        with _encrypted(api, server, "127.0.0.9") as (proxy, authority, _):
            context = ssl.create_default_context(cadata=authority.pem)
            with pytest.raises(ConnectionFailedError):
                await api.open(hosts=[proxy.host], port=proxy.port, ssl_context=context)

    @check(Capability.TLS)
    async def test_client_certificates(self, api: Api, server: Server, tmp_path: Any) -> None:
        """The context's own certificate is shown to the server that asks for it."""
        with _encrypted(api, server, clients=True) as (proxy, authority, pair):
            context = ssl.create_default_context(cadata=authority.pem)
            with pytest.raises(ConnectionFailedError):
                await api.open(hosts=[proxy.host], port=proxy.port, ssl_context=context)
            file = tmp_path / "client.pem"
            file.write_text(pair.certificate + pair.key)
            context.load_cert_chain(file)
            other = await api.open(hosts=[proxy.host], port=proxy.port, ssl_context=context)
            assert await other.execute_one(_LOCAL, []) == "local"
