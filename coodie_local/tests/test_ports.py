"""Choosing ports."""

from __future__ import annotations

import socket

import pytest

from coodie_local import PortInUseError
from coodie_local._ports import choose_ports, port_is_free

HOST = "127.0.0.1"


def test_three_different_free_ports() -> None:
    """They differ, nobody listens on them, and outgoing connections don't come from there."""
    ports = choose_ports(HOST)
    chosen = (ports.native, ports.storage, ports.ssl_storage)
    assert len(set(chosen)) == 3
    assert all(20_000 <= port < 32_000 and port_is_free(HOST, port) for port in chosen)


def test_a_settled_port_is_taken_or_named() -> None:
    """A free one is used; one with a listener is an error that names it."""
    free = choose_ports(HOST).native
    assert choose_ports(HOST, free).native == free
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(PortInUseError, match=rf"The port {port} on 127\.0\.0\.1 is in use"):
            choose_ports(HOST, port)


def test_a_listener_on_all_addresses_counts() -> None:
    """A server on 0.0.0.0 holds the port on loopback, too."""
    with socket.create_server(("0.0.0.0", 0)) as server:  # noqa: S104 - that's the case
        assert not port_is_free(HOST, server.getsockname()[1])


def test_closed_connections_dont_hold_a_port() -> None:
    """A port in TIME_WAIT can be listened on again, as Cassandra will."""
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection((HOST, port))
        accepted, _ = server.accept()
        accepted.close()
        client.close()
    assert port_is_free(HOST, port)


def test_wished_ports_are_used_if_all_are_free() -> None:
    """A durable node keeps its address; where somebody has one of the ports, all are chosen anew."""
    ports = choose_ports(HOST)
    wished = (ports.native, ports.storage, ports.ssl_storage)
    assert choose_ports(HOST, wished=wished) == ports
    with socket.create_server((HOST, ports.storage)):
        assert choose_ports(HOST, wished=wished) != ports
