"""TLS: the ``ssl_…`` options in both functions, and never a fallback to plain text."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import pytest

import coodie
from coodie.exceptions import ConnectionFailedError
from coodie.testing import Proxy
from coodie.testing.certificates import Authority, server_context

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from coodie.registry import DriverRegistry

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def authority() -> Authority:
    """Make an authority."""
    return Authority()


@pytest.fixture(params=["right address", "wrong address", "client certificate wanted"])
def endpoint(
    cassandra_node: Any, authority: Authority, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[str, Proxy]]:
    """Put TLS in front of the node."""
    address = "127.0.0.9" if request.param == "wrong address" else "127.0.0.1"
    clients = authority.pem if request.param == "client certificate wanted" else None
    context = server_context(authority.issue(address), clients)
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
    endpoint: tuple[str, Proxy], authority: Authority, backend: str, registry: DriverRegistry, tmp_path: Path
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
    assert not await _connects(backend, proxy, ssl_trusted_cert=Authority().pem, **own)
    assert not await _connects(backend, proxy, ssl_enabled=True, **own)
    assert not await _connects(backend, proxy)
    if own:
        assert not await _connects(backend, proxy, ssl_trusted_cert=authority.pem)


async def test_a_context_of_ones_own(
    endpoint: tuple[str, Proxy], authority: Authority, backend: str, registry: DriverRegistry
) -> None:
    """ssl_context= is used as it is."""
    kind, proxy = endpoint
    context = ssl.create_default_context(cadata=authority.pem)
    assert await _connects(backend, proxy, ssl_context=context) is (kind == "right address")


async def test_tls_is_never_plain_text(
    cassandra_node: Any, authority: Authority, backend: str, registry: DriverRegistry
) -> None:
    """Asked for TLS at a plain-text port, the connect fails instead of doing without."""
    with Proxy(cassandra_node.host, cassandra_node.port) as plain:
        assert not await _connects(backend, plain, ssl_verify_flags=0)
        assert not await _connects(backend, plain, ssl_enabled=True)
        assert await _connects(backend, plain, ssl_enabled=False)
