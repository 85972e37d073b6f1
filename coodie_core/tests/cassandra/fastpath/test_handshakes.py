"""The connections being opened for the fast path when the driver is closed."""

from __future__ import annotations

import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any

import pytest
from cassandra.cluster import Cluster
from cassandra.connection import ConnectionShutdown, DefaultEndPoint

from coodie.drivers.cassandra.fastpath.driver_internals import establish
from coodie.drivers.cassandra.fastpath.sockets import Handshakes

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that takes connections, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def _cluster(listener: socket.socket, context: ssl.SSLContext | None) -> Any:
    return Cluster(["127.0.0.1"], listener.getsockname()[1], ssl_context=context, connect_timeout=600)


def _tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@pytest.mark.parametrize("tls", [False, True])
def test_closing_ends_them(silent: socket.socket, tls: bool) -> None:
    """Though the server is silent and the timeout is long; the server sees the end of the connection."""
    cluster = _cluster(silent, _tls() if tls else None)
    handshakes = Handshakes()
    errors: list[BaseException] = []

    def connect() -> None:
        try:
            establish(cluster, DefaultEndPoint(*silent.getsockname()), handshakes)
        except Exception as exc:  # noqa: BLE001 - which one is the driver's choice
            errors.append(exc)

    thread = threading.Thread(target=connect)
    thread.start()
    accepted, _ = silent.accept()
    with accepted:
        accepted.settimeout(30)
        assert accepted.recv(1)  # OPTIONS, or TLS's first message
        handshakes.close()
        thread.join(30)
        assert not thread.is_alive()
        while accepted.recv(4096):
            pass
    cluster.shutdown()
    assert len(errors) == 1
    assert handshakes._current == set()


def test_after_closing_none_begins(silent: socket.socket) -> None:
    """Nothing is sent any more."""
    cluster = _cluster(silent, None)
    handshakes = Handshakes()
    handshakes.close()
    with pytest.raises(ConnectionShutdown, match="has been closed"):
        establish(cluster, DefaultEndPoint(*silent.getsockname()), handshakes)
    cluster.shutdown()
    silent.settimeout(0)
    with pytest.raises(BlockingIOError):
        silent.accept()
