"""TLS that isn't as it should be, on both sides: refused in time, and nothing is ever said in plain text."""

from __future__ import annotations

import datetime as dt
import socketserver
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from tests.conftest import open_driver

import coodie
from coodie.exceptions import CoodieError
from coodie_testing.faults import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coodie.registry import DriverRegistry

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

LOCAL = "SELECT key FROM system.local"
PASSWORD = "hunter2-0b57"
#: Seconds within which whatever doesn't hang is over.
HANG = 20
#: The first byte of a TLS handshake (RFC 8446, section 5.1), which no version of the native protocol has.
HANDSHAKE = 0x16


class Listener(socketserver.ThreadingTCPServer):
    """A port that keeps the first bytes of each connection; answers what it is told to, and closes.

    Args:
        answer: What every client gets.
    """

    daemon_threads = True

    def __init__(self, answer: bytes) -> None:
        self.heard: list[bytes] = []
        heard = self.heard

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                self.request.settimeout(2)
                try:
                    heard.append(self.request.recv(65536))
                    if answer:
                        self.request.sendall(answer)
                        heard.append(self.request.recv(65536))
                except OSError:  # the client has gone
                    return

        super().__init__(("127.0.0.1", 0), Handler)
        self.port: int = self.server_address[1]


@pytest.fixture(
    params=[b"", b"\x84\x00\x00\x00\x02\x00\x00\x00\x00", b"HTTP/1.1 400 Bad Request\r\n\r\n"],
    ids=["closes", "READY in plain text", "another protocol"],
)
def plain(request: pytest.FixtureRequest) -> Iterator[Listener]:
    """Listen without TLS."""
    with Listener(request.param) as listener:
        thread = threading.Thread(target=listener.serve_forever, args=(0.05,))
        thread.start()
        yield listener
        listener.shutdown()
        thread.join()


async def _refused(is_async: bool, backend: str, **options: Any) -> CoodieError:
    """See that no driver comes of it; return the error."""
    arguments: dict[str, Any] = {"connect_timeout": 1.5, "username": "u", "password": PASSWORD} | options
    with pytest.raises(CoodieError) as caught:
        if is_async:
            await coodie.init_coodie_async(driver_type=backend, **arguments)
        else:
            open_driver(backend, **arguments)
    return caught.value


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("verify", [0, 1, 3])
async def test_no_fallback_to_plain_text(
    verify: int, is_async: bool, plain: Listener, backend: str, registry: DriverRegistry
) -> None:
    """Only TLS handshakes are sent to a port without TLS: no frame, user name or password."""
    error = await _refused(
        is_async, backend, hosts=["127.0.0.1"], port=plain.port, ssl_enabled=True, ssl_verify_flags=verify
    )
    heard = [data for data in plain.heard if data]
    assert heard
    assert {data[0] for data in heard if data[0] != 0x15} == {HANDSHAKE}  # 0x15: an alert that ends it
    assert not any(PASSWORD.encode() in data or b"CQL_VERSION" in data for data in heard)
    assert PASSWORD not in f"{error}{error!r}"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Make an authority that the clients trust."""
    return trustme.CA()


def _node(
    cassandra_node: Any, certificate: trustme.LeafCert, clients: trustme.CA | None = None
) -> FaultProxy:
    """Put TLS in front of the node.

    Args:
        cassandra_node: The node.
        certificate: The server's.
        clients: The authority of the certificates that clients need; None where they need none.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    if clients is not None:
        clients.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return FaultProxy(cassandra_node.host, cassandra_node.port, ssl_context=context)


def _expired(authority: trustme.CA) -> trustme.LeafCert:
    """Issue a certificate that was valid until five minutes ago."""
    return authority.issue_cert(
        "127.0.0.1", not_after=dt.datetime.now(dt.timezone.utc) - dt.timedelta(minutes=5)
    )


def _trusting(authority: trustme.CA, proxy: FaultProxy) -> dict[str, Any]:
    """Return the options that connect to the proxy and trust this authority."""
    pem = authority.cert_pem.bytes().decode()
    return {"hosts": [proxy.host], "port": proxy.port, "ssl_trusted_cert": pem}


def _shown(certificate: trustme.LeafCert) -> dict[str, str]:
    """Return the options that show the server a client's certificate."""
    chain, key = certificate.cert_chain_pems[0], certificate.private_key_pem
    return {"ssl_cert": chain.bytes().decode(), "ssl_private_key": key.bytes().decode()}


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_an_expired_certificate(
    is_async: bool, authority: trustme.CA, cassandra_node: Any, backend: str, registry: DriverRegistry
) -> None:
    """An expired server certificate raises an error with the reason, unless it isn't verified."""
    with _node(cassandra_node, _expired(authority)) as proxy:
        where = _trusting(authority, proxy)
        for flags in (1, 3):
            error = await _refused(is_async, backend, **where, ssl_verify_flags=flags)
            assert "certificate has expired" in str(error)
        options: dict[str, Any] = {"hosts": [proxy.host], "port": proxy.port, "ssl_verify_flags": 0}
        with open_driver(backend, **options) as driver:
            assert driver.execute_one(LOCAL, []) == "local"


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_plain_text_on_a_tls_port(
    is_async: bool, authority: trustme.CA, cassandra_node: Any, backend: str, registry: DriverRegistry
) -> None:
    """A client without TLS gets an error in time when it connects to a port with TLS."""
    with _node(cassandra_node, authority.issue_cert("127.0.0.1")) as proxy:
        await _refused(is_async, backend, hosts=[proxy.host], port=proxy.port)
        with open_driver(backend, **_trusting(authority, proxy)) as driver:
            assert driver.execute_one(LOCAL, []) == "local"


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_a_missing_client_certificate(
    is_async: bool, authority: trustme.CA, cassandra_node: Any, backend: str, registry: DriverRegistry
) -> None:
    """If required, a missing, expired or foreign client certificate is rejected; a valid one connects."""
    mine, stranger = (each.issue_cert("127.0.0.1") for each in (authority, trustme.CA()))
    with _node(cassandra_node, authority.issue_cert("127.0.0.1"), authority) as proxy:
        where = _trusting(authority, proxy)
        started = time.monotonic()
        await _refused(is_async, backend, **where, connect_timeout=2 * HANG)
        # The server's end is noticed: nobody waits for the timeout.
        assert time.monotonic() - started < HANG
        for certificate in (stranger, _expired(authority)):
            error = await _refused(is_async, backend, **where, **_shown(certificate))
            assert "PRIVATE KEY" not in f"{error}{error!r}"
        with open_driver(backend, **where, **_shown(mine)) as driver:
            assert driver.execute_one(LOCAL, []) == "local"
