"""Choosing ports."""

from __future__ import annotations

import re
import socket

import pytest

from coodie_local import PortInUseError, UnsupportedPlatformError
from coodie_local._ports import choose_hosts, choose_ports, consecutive_hosts, port_is_free

HOST = "127.0.0.1"


def test_three_different_free_ports() -> None:
    """The ports differ, are free, and aren't in the range of outgoing connections."""
    ports = choose_ports([HOST])
    chosen = (ports.native, ports.storage, ports.ssl_storage)
    assert len(set(chosen)) == 3
    assert all(20_000 <= port < 32_000 and port_is_free(HOST, port) for port in chosen)


def test_a_settled_port_is_taken_or_named() -> None:
    """A free port is used; a port in use is an error."""
    free = choose_ports([HOST]).native
    assert choose_ports([HOST], free).native == free
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(PortInUseError, match=rf"The port {port} on 127\.0\.0\.1 is in use"):
            choose_ports([HOST], port)


def test_a_listener_on_all_addresses_counts() -> None:
    """A server on 0.0.0.0 also uses the port on loopback."""
    with socket.create_server(("0.0.0.0", 0)) as server:  # noqa: S104 - that's the case
        assert not port_is_free(HOST, server.getsockname()[1])


def test_closed_connections_dont_hold_a_port() -> None:
    """A server can listen on a port in TIME_WAIT, like Cassandra does."""
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection((HOST, port))
        accepted, _ = server.accept()
        accepted.close()
        client.close()
    assert port_is_free(HOST, port)


def test_preferred_ports_are_used_where_they_are_free() -> None:
    """A durable node keeps its ports; a port in use is replaced."""
    ports = choose_ports([HOST])
    assert choose_ports([HOST], preferred=ports) == ports
    with socket.create_server((HOST, ports.storage)):
        others = choose_ports([HOST], preferred=ports)
    assert others.native == ports.native
    assert others.storage != ports.storage


def test_the_nodes_of_a_cluster_have_a_block_of_addresses() -> None:
    """Each cluster has its own block of addresses, on which the requested port is free."""
    assert choose_hosts(1) == (HOST,)
    blocks = {choose_hosts(3) for _ in range(20)}
    assert len(blocks) > 1
    assert all(re.fullmatch(r"127\.0\.\d+\.1", hosts[0]) and len(set(hosts)) == 3 for hosts in blocks)
    ports = choose_ports(choose_hosts(3))
    assert ports.native != ports.storage
    with socket.create_server((consecutive_hosts("127.0.77.1", 3)[2], 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(PortInUseError, match=rf"port {port} on 127\.0\.77\.3"):
            choose_ports(consecutive_hosts("127.0.77.1", 3), port)


def test_an_address_of_another_machine_says_so() -> None:
    """If the system doesn't have the address, the error has the address and the fix."""
    with pytest.raises(UnsupportedPlatformError, match=r"192\.0\.2\.1 can't be bound.*ifconfig"):
        port_is_free("192.0.2.1", 9042)
