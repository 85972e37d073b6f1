"""Endpoints of nodes, from rows of the system tables."""

from __future__ import annotations

from types import MappingProxyType, SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from cassandra.connection import DefaultEndPoint, UnixSocketEndPoint

from coodie.drivers.cassandra._endpoints import NodeEndPoints
from coodie.drivers.cassandra._hosts import node_named
from coodie.drivers.cassandra.backend import _connect_error, _Known
from coodie.exceptions import ConfigurationError, ConnectionFailedError, RequestError
from coodie.options.connection import build_config
from coodie.options.hosts import parse_host

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The columns that a driver reads of the peers.
PEERS = ("peer", "host_id", "rpc_address")


def factory_of(
    *points: tuple[str, int], port: int | None = None, address_map: Mapping[str, str] = MappingProxyType({})
) -> NodeEndPoints:
    """Make the factory of a cluster with these contact points, whose nodes it knows."""
    resolved = [DefaultEndPoint(*point) for point in points]
    same = SimpleNamespace(translate=lambda address: address)
    made = NodeEndPoints(port, {parse_host(one): parse_host(other) for one, other in address_map.items()})
    hosts = [SimpleNamespace(endpoint=endpoint) for endpoint in resolved]
    metadata = SimpleNamespace(all_hosts=lambda: hosts)
    made.configure(SimpleNamespace(endpoints_resolved=resolved, address_translator=same, metadata=metadata))
    return made


def answered(made: NodeEndPoints, address: str, port: int, *, peers: int) -> None:
    """Note responses of a node with this many peers."""
    response = SimpleNamespace(column_names=PEERS, parsed_rows=[()] * peers)
    made.note(SimpleNamespace(endpoint=DefaultEndPoint(address, port)), [response])


def local(address: str, host_id: int = 1, **more: Any) -> dict[str, Any]:
    """Return a row of system.local."""
    return {"host_id": host_id, "rpc_address": address, **more}


def peer(address: str, host_id: int = 2, **more: Any) -> dict[str, Any]:
    """Return a row of system.peers."""
    return {"peer": address, "host_id": host_id, "rpc_address": address, **more}


def text(made: NodeEndPoints, row: dict[str, Any]) -> str:
    """Return the endpoint of a row as text."""
    return str(made.create(row))


def test_the_port_of_a_contact_point() -> None:
    """A node without a port in its row has its contact point's port, any other the connection's."""
    made = factory_of(("10.0.0.1", 1), ("10.0.0.2", 2), ("10.0.0.4", 4), ("10.0.0.4", 5), port=9142)
    answered(made, "10.0.0.1", 1, peers=3)
    assert text(made, local("10.0.0.1")) == "10.0.0.1:1"
    assert text(made, peer("10.0.0.2")) == "10.0.0.2:2"
    assert text(made, peer("10.0.0.3", 3)) == "10.0.0.3:9142"
    assert text(made, peer("10.0.0.4", 4)) == "10.0.0.4:9142"  # two ports: unknown


def test_an_address_map() -> None:
    """An announced address, or one with its port, stands for a host; others stay."""
    announced = {"10.0.0.1": "localhost:9043", "10.0.0.2:9999": "db2", "10.0.0.2": "127.0.0.3:9044"}
    made = factory_of(("127.0.0.1", 9043), address_map=announced)
    answered(made, "127.0.0.1", 9043, peers=2)
    assert text(made, local("10.0.0.1")) == "127.0.0.1:9043"  # known by the contact point
    assert text(made, peer("10.0.0.2")) == "127.0.0.3:9044"
    assert text(made, peer("10.0.0.2", rpc_port=9999)) == "db2:9999"
    assert text(made, peer("10.0.0.3", 3)) == "10.0.0.3:9042"
    assert text(factory_of(address_map=announced), local("10.0.0.1")) == "localhost:9043"


def test_a_port_in_the_row() -> None:
    """The port that a peer announces takes precedence."""
    made = factory_of(("10.0.0.1", 1), ("10.0.0.2", 2))
    answered(made, "10.0.0.1", 1, peers=1)
    assert text(made, peer("10.0.0.2", native_port=7)) == "10.0.0.2:7"


def test_the_only_node() -> None:
    """It has the endpoint through which it was reached, also when other nodes join."""
    made = factory_of(("192.0.2.1", 1))
    answered(made, "192.0.2.1", 1, peers=0)
    assert text(made, local("10.0.0.1")) == "192.0.2.1:1"
    answered(made, "192.0.2.1", 1, peers=1)
    assert text(made, local("10.0.0.1")) == "192.0.2.1:1"
    answered(made, "10.0.0.2", 9042, peers=1)
    assert text(made, peer("10.0.0.1", 1, native_port=9042)) == "192.0.2.1:1"
    assert text(made, local("10.0.0.2", 2)) == "10.0.0.2:9042"


def test_a_node_at_a_new_address() -> None:
    """The endpoint through which a node was reached isn't that of the node at another address."""
    made = factory_of(("192.0.2.1", 1))
    answered(made, "192.0.2.1", 1, peers=0)
    assert text(made, local("10.0.0.1")) == "192.0.2.1:1"
    answered(made, "10.0.0.2", 9042, peers=1)
    assert text(made, peer("10.0.0.9", 1, native_port=9042)) == "10.0.0.9:9042"


def test_one_of_several_nodes() -> None:
    """A node with peers is where it announces: a load balancer may have been between."""
    made = factory_of(("192.0.2.1", 1))
    answered(made, "192.0.2.1", 1, peers=2)
    assert text(made, local("10.0.0.1")) == "10.0.0.1:9042"


def test_a_unix_socket() -> None:
    """A node that was reached through one stays there, whatever it and its peers announce."""
    made = factory_of()
    made.note(
        SimpleNamespace(endpoint=UnixSocketEndPoint("/run/cql")),
        [SimpleNamespace(column_names=PEERS, parsed_rows=[()])],
    )
    assert text(made, local("10.0.0.1")) == "/run/cql"
    assert text(made, peer("10.0.0.2")) == "10.0.0.2:9042"
    mapped = factory_of(address_map={"10.0.0.2": "/run/cql2"})
    assert text(mapped, peer("10.0.0.2", rpc_port=9999)) == "/run/cql2"


def test_a_contact_point_of_the_driver() -> None:
    """An error of connecting names the endpoints of cloud= and client_routes_config=, without hosts=."""
    known = _Known(frozenset(), {}, elsewhere=False, given=("proxy:1:a", "proxy:1:b"))
    error = _connect_error(RequestError("No"), build_config(driver_type="scylla"), known)
    assert str(error).startswith("Connecting to proxy:1:a, proxy:1:b failed: No")


def test_nodes_that_announce_unreachable_addresses() -> None:
    """The error of a failed connect names their addresses, and what to do."""
    known = _Known(frozenset(), {"10.0.0.1:9042": "dc1"}, elsewhere=True, given=("192.0.2.1:9042",))
    failed = ConnectionFailedError("No host is available.", hosts={"10.0.0.1:9042": "Connection refused"})
    error = _connect_error(failed, build_config(hosts=["192.0.2.1"]), known)
    assert "advertise other addresses than hosts=" in str(error)
    assert "10.0.0.1:9042 (Connection refused)" in str(error)
    assert isinstance(error, ConnectionFailedError)
    assert error.hosts == failed.hosts


def test_names_of_a_node() -> None:
    """A request's node is named by an address, with brackets if it is of IPv6, a port, or a host id."""
    hosts = [
        SimpleNamespace(endpoint=DefaultEndPoint("fe80::1", 9042), host_id=UUID(int=0xA)),
        SimpleNamespace(endpoint=DefaultEndPoint("10.0.0.1", 9042), host_id=UUID(int=0xB)),
        SimpleNamespace(endpoint=DefaultEndPoint("10.0.0.1", 9043), host_id=UUID(int=0xC)),
    ]
    cluster: Any = SimpleNamespace(metadata=SimpleNamespace(all_hosts=lambda: hosts))
    for name in ("fe80::1", "FE80::1", "[fe80::1]", "[FE80::1]:9042", str(UUID(int=0xA)).upper()):
        assert node_named(name, cluster) is hosts[0]
    assert node_named("10.0.0.1:9043", cluster) is hosts[2]
    for name in ("10.0.0.1", "10.0.0.2", "[fe80::1]:9043"):
        with pytest.raises(ConfigurationError):
            node_named(name, cluster)
