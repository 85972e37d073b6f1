"""TLS: the ``ssl_…`` options in both functions, and never a fallback to plain text."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import coodie
from coodie.exceptions import ConnectionFailedError
from coodie.testing import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from coodie.registry import DriverRegistry

pytestmark = pytest.mark.server


class _Pair(NamedTuple):
    certificate: str
    key: str


class _Authority:
    """Sign certificates that are good for an hour."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of a test")])
        self.pem = self._sign(self._name, self._key.public_key(), authority=True)

    def issue(self, address: str) -> _Pair:
        """Return a certificate for an address, and its key, as PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "of a test")])
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return _Pair(self._sign(name, key.public_key(), address=address), pem.decode())

    def _sign(self, name: x509.Name, key: Any, *, authority: bool = False, address: str = "127.0.0.1") -> str:
        now = dt.datetime.now(dt.timezone.utc)
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        usage = x509.KeyUsage(
            digital_signature=not authority,
            key_cert_sign=authority,
            crl_sign=authority,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(names, critical=False)
            .add_extension(issuer, critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture(scope="module")
def authority() -> _Authority:
    """Make an authority."""
    return _Authority()


def _server_context(pair: _Pair, folder: Path, client_authority: str | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (folder / "server.pem").write_text(pair.certificate + pair.key)
    context.load_cert_chain(folder / "server.pem")
    if client_authority is not None:
        context.load_verify_locations(cadata=client_authority)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.fixture(params=["right address", "wrong address", "client certificate wanted"])
def endpoint(
    cassandra_node: Any, authority: _Authority, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[str, Proxy]]:
    """Put TLS in front of the node."""
    address = "127.0.0.9" if request.param == "wrong address" else "127.0.0.1"
    clients = authority.pem if request.param == "client certificate wanted" else None
    context = _server_context(authority.issue(address), tmp_path, clients)
    with Proxy(cassandra_node.host, cassandra_node.port, context) as proxy:
        yield request.param, proxy


async def _connects(backend: str, proxy: Proxy, **options: Any) -> bool:
    """Try the async and the sync function; they agree."""
    outcomes = []
    for is_async in (True, False):
        arguments: dict[str, Any] = {
            "hosts": [proxy.host],
            "port": proxy.port,
            "driver_type": backend,
            # A TLS handshake that fails is waited out by cassandra-driver.
            "connect_timeout": 1.5,
        } | options
        try:
            driver = (
                await coodie.init_coodie_async(**arguments) if is_async else coodie.init_coodie(**arguments)
            )
        except ConnectionFailedError:
            outcomes.append(False)
        else:
            outcomes.append(driver.execute_one("SELECT key FROM system.local", []) == "local")
            await driver.close_async()
    assert outcomes[0] is outcomes[1]
    return outcomes[0]


async def test_what_is_verified(
    endpoint: tuple[str, Proxy], authority: _Authority, backend: str, registry: DriverRegistry, tmp_path: Path
) -> None:
    """The default verifies certificate and address, 1 the certificate, 0 nothing; paths and PEM both work."""
    kind, proxy = endpoint
    client = authority.issue("127.0.0.1")
    trusted = tmp_path / "ca.pem"
    trusted.write_text(authority.pem)
    own = {"ssl_cert": client.certificate, "ssl_private_key": client.key} if "client" in kind else {}
    assert await _connects(backend, proxy, ssl_trusted_cert=authority.pem, **own) is (kind != "wrong address")
    assert await _connects(backend, proxy, ssl_trusted_cert=str(trusted), ssl_verify_flags=1, **own)
    assert await _connects(backend, proxy, ssl_verify_flags=0, **own)
    assert not await _connects(backend, proxy, ssl_trusted_cert=_Authority().pem, **own)
    assert not await _connects(backend, proxy, ssl_enabled=True, **own)
    assert not await _connects(backend, proxy)
    if own:
        assert not await _connects(backend, proxy, ssl_trusted_cert=authority.pem)


async def test_a_context_of_ones_own(
    endpoint: tuple[str, Proxy], authority: _Authority, backend: str, registry: DriverRegistry
) -> None:
    """ssl_context= is used as it is."""
    kind, proxy = endpoint
    context = ssl.create_default_context(cadata=authority.pem)
    assert await _connects(backend, proxy, ssl_context=context) is (kind == "right address")


async def test_tls_is_never_plain_text(
    cassandra_node: Any, authority: _Authority, backend: str, registry: DriverRegistry
) -> None:
    """Asked for TLS at a plain-text port, the connect fails instead of doing without."""
    with Proxy(cassandra_node.host, cassandra_node.port) as plain:
        assert not await _connects(backend, plain, ssl_verify_flags=0)
        assert not await _connects(backend, plain, ssl_enabled=True)
        assert await _connects(backend, plain, ssl_enabled=False)
