"""TLS: the ``ssl_…`` options in both functions, and never a fallback to plain text."""

from __future__ import annotations

import ssl
import time
from random import randint
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from tests.conftest import PATIENT
from tests.features import Features
from tests.integration.ways import Ways

import coodie
from coodie.drivers.cassandra.fastpath import driver_internals
from coodie.exceptions import ConfigurationError, ConnectionFailedError
from coodie_local import Certificates
from coodie_testing.faults import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from coodie.registry import DriverRegistry
    from coodie_local import CassandraServer

#: A loopback address that the certificate of the node doesn't name, another one in each test process.
_ELSEWHERE = f"127.{randint(1, 254)}.{randint(1, 254)}.9"


@pytest.fixture
def certificates(cassandra_node: CassandraServer) -> Certificates:
    """Give the files of the node's certificates."""
    assert cassandra_node.cluster is not None
    found = cassandra_node.cluster.certificates
    assert found is not None
    return found


@pytest.fixture
def stranger(tmp_path: Path) -> Certificates:
    """Make certificates of an authority that the node doesn't know."""
    from coodie_local._certificates import make_certificates

    files = Certificates(tmp_path / "stranger")
    make_certificates(files, ["127.0.0.1"])
    return files


@pytest.fixture
def elsewhere(cassandra_node: CassandraServer, certificates: Certificates) -> Iterator[tuple[str, int]]:
    """Let the node be reached at an address that its certificate doesn't name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server)
    with FaultProxy(
        cassandra_node.host,
        cassandra_node.port,
        # the port stays: the driver looks for the node's own address there, too
        listen=(_ELSEWHERE, cassandra_node.port),
        ssl_context=context,
        node_ssl_context=ssl.create_default_context(cafile=str(certificates.ca)),
    ) as proxy:
        yield proxy.host, proxy.port


async def _connects(backend: str, address: tuple[str, int], **options: Any) -> bool:
    """Try the async and the sync function; they agree."""
    outcomes = []
    for is_async in (True, False):
        arguments: dict[str, Any] = {
            "hosts": [address[0]],
            "port": address[1],
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


@pytest.mark.cassandra(tls=True)
async def test_what_is_verified(
    cassandra_node: CassandraServer,
    certificates: Certificates,
    stranger: Certificates,
    backend: str,
    registry: DriverRegistry,
) -> None:
    """The default verifies certificate and address, 1 the certificate, 0 nothing; paths and PEM both work."""
    node = (cassandra_node.host, cassandra_node.port)
    assert await _connects(backend, node, ssl_trusted_cert=certificates.ca.read_text())
    assert await _connects(backend, node, ssl_trusted_cert=str(certificates.ca))
    assert await _connects(backend, node, ssl_verify_flags=0)
    assert not await _connects(backend, node, ssl_trusted_cert=str(stranger.ca))
    assert not await _connects(backend, node, ssl_enabled=True)
    assert not await _connects(backend, node)


@pytest.mark.cassandra(tls=True)
async def test_the_address_is_verified(
    elsewhere: tuple[str, int], certificates: Certificates, backend: str, registry: DriverRegistry
) -> None:
    """A trusted certificate of another address is refused, unless the address isn't to be looked at."""
    assert not await _connects(backend, elsewhere, ssl_trusted_cert=str(certificates.ca))
    assert await _connects(backend, elsewhere, ssl_trusted_cert=str(certificates.ca), ssl_verify_flags=1)
    assert await _connects(backend, elsewhere, ssl_verify_flags=0)


@pytest.mark.cassandra(mtls=True)
async def test_a_client_certificate_is_shown(
    cassandra_node: CassandraServer,
    certificates: Certificates,
    stranger: Certificates,
    backend: str,
    registry: DriverRegistry,
) -> None:
    """Where the server wants one: from files and from PEM text; no way in without, or with a stranger's."""
    node = (cassandra_node.host, cassandra_node.port)
    trusted = {"ssl_trusted_cert": str(certificates.ca)}
    paths = {"ssl_cert": str(certificates.client), "ssl_private_key": str(certificates.client_key)}
    text = {
        "ssl_cert": certificates.client.read_text(),
        "ssl_private_key": certificates.client_key.read_text(),
    }
    others = {"ssl_cert": str(stranger.client), "ssl_private_key": str(stranger.client_key)}
    assert await _connects(backend, node, **trusted, **paths)
    assert await _connects(backend, node, **trusted, **text)
    assert not await _connects(backend, node, **trusted)
    assert not await _connects(backend, node, **trusted, **others)


@pytest.mark.cassandra(tls=True)
async def test_a_context_of_ones_own(
    cassandra_node: CassandraServer,
    elsewhere: tuple[str, int],
    certificates: Certificates,
    backend: str,
    registry: DriverRegistry,
) -> None:
    """ssl_context= is used as it is."""
    context = ssl.create_default_context(cafile=str(certificates.ca))
    assert await _connects(backend, (cassandra_node.host, cassandra_node.port), ssl_context=context)
    assert not await _connects(backend, elsewhere, ssl_context=context)


@pytest.mark.cassandra(tls=True)
@pytest.mark.parametrize("version", ["TLSv1.3", "TLSv1.2"])
async def test_sessions_are_resumed(
    cassandra_node: CassandraServer,
    certificates: Certificates,
    backend: str,
    registry: DriverRegistry,
    monkeypatch: pytest.MonkeyPatch,
    version: str,
) -> None:
    """Further connections of the fast path resume the TLS session of an earlier one, if there are tickets."""
    opened: list[Any] = []
    take = driver_internals._take_socket

    def noted(connection: Any, cluster: Any) -> Any:
        opened.append(connection._socket)
        return take(connection, cluster)

    monkeypatch.setattr(driver_internals, "_take_socket", noted)
    context = ssl.create_default_context(cafile=str(certificates.ca))
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version.replace(".", "_")]
    driver = coodie.init_coodie(
        [cassandra_node.host],
        port=cassandra_node.port,
        driver_type=backend,
        ssl_context=context,
        fast_path=True,
    )
    ways = Ways(driver)
    select = "SELECT release_version FROM system.local WHERE key = ?"
    ways.warm(select, ["local"])
    await ways.warm_async(select, ["local"])
    assert {sock.version() for sock in opened} == {version}
    assert len(opened) >= 2
    features = Features(driver.execute_one(select, ["local"]))
    resumes = version == "TLSv1.2" or "TLS 1.3 session tickets" in features
    assert {sock.session_reused for sock in opened[1:]} == {resumes}
    await driver.close_async()


async def test_tls_is_never_plain_text(
    cassandra_node: CassandraServer, backend: str, registry: DriverRegistry
) -> None:
    """Asked for TLS at a plain-text port, the connect fails instead of doing without."""
    node = (cassandra_node.host, cassandra_node.port)
    assert not await _connects(backend, node, ssl_verify_flags=0)
    assert not await _connects(backend, node, ssl_enabled=True)
    assert await _connects(backend, node, ssl_enabled=False)


def _issued(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    """Make a server's context, with a certificate that has these names only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


@pytest.mark.parametrize("fast_path", [True, False], ids=["fast", "driver's way"])
async def test_the_given_name_is_verified(
    cassandra_node: CassandraServer, backend: str, fast_path: bool, registry: DriverRegistry
) -> None:
    """A name in hosts is the one in the certificate, and ssl_hostname= is the one of all nodes."""
    authority = trustme.CA()
    trusted: dict[str, Any] = {
        "ssl_trusted_cert": authority.cert_pem.bytes().decode(),
        "fast_path": fast_path,
        **PATIENT,
    }
    node = (cassandra_node.host, cassandra_node.port)
    with FaultProxy(*node, ssl_context=_issued(authority, "localhost")) as proxy:
        assert await _connects(backend, ("localhost", proxy.port), **trusted)
        assert await _connects(backend, (proxy.host, proxy.port), **trusted, ssl_hostname="localhost")
        with pytest.raises(ConnectionFailedError, match="ssl_hostname=, or ssl_verify_flags=1"):
            coodie.init_coodie([proxy.host], port=proxy.port, driver_type=backend, **trusted)
        with pytest.raises(ConnectionFailedError, match="authority as ssl_trusted_cert="):
            coodie.init_coodie(["localhost"], port=proxy.port, driver_type=backend, ssl_enabled=True)
        trusted["ssl_hostname"] = "db.example.org"
        with pytest.raises(ConnectionFailedError, match=r"not valid for 'db\.example\.org'"):
            coodie.init_coodie(["localhost"], port=proxy.port, driver_type=backend, **trusted)


@pytest.mark.parametrize("fast_path", [True, False], ids=["fast", "driver's way"])
async def test_a_unix_socket(
    cassandra_node: CassandraServer, backend: str, fast_path: bool, registry: DriverRegistry
) -> None:
    """Behind a path, the name of ssl_hostname= is verified; without one, the options to give are named."""
    authority = trustme.CA()
    options: dict[str, Any] = {
        "ssl_trusted_cert": authority.cert_pem.bytes().decode(),
        "fast_path": fast_path,
        **PATIENT,
    }
    node = (cassandra_node.host, cassandra_node.port)
    with TemporaryDirectory(prefix="coodie-") as directory:  # short, as paths of sockets have to be
        path = f"{directory}/cql.sock"
        with pytest.raises(ConfigurationError, match="ssl_hostname=, or ssl_verify_flags=1"):
            coodie.init_coodie([path], driver_type=backend, **options)
        with FaultProxy(*node, listen=(path, 0), ssl_context=_issued(authority, "db")) as proxy:
            assert await _connects(backend, (proxy.host, 9042), **options, ssl_hostname="db")
            assert await _connects(backend, (proxy.host, 9042), **options, ssl_verify_flags=1)
            with pytest.raises(ConnectionFailedError, match="not valid for 'other'"):
                coodie.init_coodie([path], driver_type=backend, ssl_hostname="other", **options)


@pytest.mark.parametrize("fast_path", [True, False], ids=["fast", "driver's way"])
async def test_a_rotated_authority(
    cassandra_node: CassandraServer, backend: str, fast_path: bool, tmp_path: Path, registry: DriverRegistry
) -> None:
    """The authority's file is read again when it has changed, for new connections of both kinds."""
    before, after = trustme.CA(), trustme.CA()
    trusted = tmp_path / "ca.pem"
    before.cert_pem.write_to_path(trusted)
    context = _issued(before, "127.0.0.1")
    node = (cassandra_node.host, cassandra_node.port)
    options: dict[str, Any] = {
        **PATIENT,
        "driver_type": backend,
        "ssl_trusted_cert": str(trusted),
        "fast_path": fast_path,
    }
    with FaultProxy(*node, ssl_context=context) as proxy:
        driver = coodie.init_coodie([proxy.host], port=proxy.port, **options)
        with driver:
            query = "SELECT key FROM system.local WHERE key = ?"
            assert driver.execute_one(query, ["local"]) == "local"
            after.issue_cert("127.0.0.1").configure_cert(context)
            after.cert_pem.write_to_path(trusted)
            proxy.cut()
            deadline = time.monotonic() + 20
            while not (driver.ping() and await driver.ping_async()):
                assert time.monotonic() < deadline
            assert await driver.execute_one_async(query, ["local"]) == driver.execute_one(query, ["local"])
