"""Checks of TLS: connections are encrypted, and certificates are verified."""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import trustme

from coodie.capabilities import Capability
from coodie.exceptions import ConnectionFailedError
from coodie_testing.checking import check
from coodie_testing.faults.proxy import FaultProxy

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
) -> Iterator[tuple[FaultProxy, trustme.CA]]:
    """Put TLS in front of the server; give the proxy, and the authority of its certificate.

    Args:
        api: Closes what is connected through the proxy.
        server: The server.
        address: What the certificate is for.
        clients: Whether clients need a certificate, too.
    """
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(address).configure_cert(context)
    if clients:
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    with FaultProxy(server.host, server.port, ssl_context=context) as proxy:
        try:
            yield proxy, authority
        finally:
            api.openers.close_all()


def _trusting(authority: trustme.CA) -> ssl.SSLContext:
    """Return a client-side context that trusts only this authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    return context


class EncryptionChecks:
    """The server behind a proxy with TLS."""

    @check(Capability.TLS)
    async def test_tls_connects(self, api: Api, server: Server, space: Workspace) -> None:
        """Requests work with a context that trusts the server's authority."""
        with _encrypted(api, server) as (proxy, authority):
            other = await api.open(hosts=[proxy.host], port=proxy.port, ssl_context=_trusting(authority))
            stmt = f"SELECT c FROM {space.items} WHERE p = ? AND c < 3000"
            assert len(await other.execute(stmt, ["many"])) == 3000
            assert await other.execute_one(_LOCAL, []) == "local"

    @check(Capability.TLS)
    async def test_tls_is_never_plain_text(self, api: Api, proxy: FaultProxy) -> None:
        """With TLS, connecting to a port without TLS fails."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with pytest.raises(ConnectionFailedError):
            await api.open(hosts=[proxy.host], port=proxy.port, ssl_context=context)

    @check(Capability.TLS)
    async def test_plain_text_at_a_tls_port(self, api: Api, server: Server) -> None:
        """Without TLS, connecting to a port with TLS is a ConnectionFailedError."""
        with _encrypted(api, server) as (proxy, _), pytest.raises(ConnectionFailedError):
            await api.open(hosts=[proxy.host], port=proxy.port)

    @check(Capability.TLS)
    async def test_an_unknown_authority(self, api: Api, server: Server) -> None:
        """With a certificate of an unknown authority, connecting fails."""
        with _encrypted(api, server) as (proxy, _), pytest.raises(ConnectionFailedError):
            await api.open(hosts=[proxy.host], port=proxy.port, ssl_context=_trusting(trustme.CA()))

    @check(Capability.TLS)
    async def test_a_certificate_of_another_address(self, api: Api, server: Server) -> None:
        """With a certificate for another address, connecting fails if the context checks it."""
        with _encrypted(api, server, "127.0.0.9") as (proxy, authority):
            context = _trusting(authority)
            with pytest.raises(ConnectionFailedError):
                await api.open(hosts=[proxy.host], port=proxy.port, ssl_context=context)

    @check(Capability.TLS)
    async def test_client_certificates(self, api: Api, server: Server) -> None:
        """The context's client certificate is sent to a server that requires one."""
        with _encrypted(api, server, clients=True) as (proxy, authority):
            context = _trusting(authority)
            with pytest.raises(ConnectionFailedError):
                await api.open(hosts=[proxy.host], port=proxy.port, ssl_context=context)
            authority.issue_cert("127.0.0.1").configure_cert(context)
            other = await api.open(hosts=[proxy.host], port=proxy.port, ssl_context=context)
            assert await other.execute_one(_LOCAL, []) == "local"
