"""Which shard a request belongs to, and how a connection to it comes about; with scylla-driver alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from cassandra.cluster import Cluster
from cassandra.connection import Connection, DefaultEndPoint
from cassandra.metadata import Metadata, Murmur3Token, TokenMap
from cassandra.policies import SimpleConvictionPolicy
from cassandra.pool import Host, HostConnection
from hypothesis import given
from hypothesis import strategies as st

from coodie.drivers.cassandra.fastpath import driver_internals, shards
from coodie.drivers.cassandra.fastpath.connector import Connector
from coodie.drivers.cassandra.fastpath.driver_internals import (
    EstablishedConnection,
    Extensions,
    shard_aware_endpoint,
)
from coodie.drivers.cassandra.fastpath.routing import Route
from coodie.drivers.cassandra.fastpath.shards import Shards
from coodie.drivers.cassandra.fastpath.sockets import Handshakes
from coodie.protocol.frames import Frame, Frames

if TYPE_CHECKING:
    from collections.abc import Callable

pytest.importorskip("cassandra.tablets", reason="only scylla-driver knows shards")

COUNT = 8
KEYSPACE, TABLE = "ks", "t"


def _sharding(count: int = COUNT, port: int | None = None) -> Any:
    from cassandra.protocol_features import ProtocolFeatures

    options = {
        "SCYLLA_SHARD": ["0"],
        "SCYLLA_NR_SHARDS": [str(count)],
        "SCYLLA_PARTITIONER": ["org.apache.cassandra.dht.Murmur3Partitioner"],
        "SCYLLA_SHARDING_ALGORITHM": ["biased-token-round-robin"],
        "SCYLLA_SHARDING_IGNORE_MSB": ["12"],
        "SCYLLA_SHARD_AWARE_PORT": [] if port is None else [str(port)],
    }
    return ProtocolFeatures.parse_from_supported({name: value for name, value in options.items() if value})


def _said(shard: int | None = 0, *, count: int = COUNT, tablets: bool = True) -> Extensions:
    features = _sharding(count)
    return Extensions(features, features.sharding_info, shard, tablets)


class _Node:
    """A driver's session with one node that has shards; no server is asked."""

    def __init__(self) -> None:
        self.host = Host(DefaultEndPoint("127.0.0.1"), SimpleConvictionPolicy, host_id=UUID(int=1))
        self.host.sharding_info = _sharding(port=19042).sharding_info
        metadata = Metadata()
        metadata.partitioner = "Murmur3Partitioner"
        metadata.token_map = TokenMap(Murmur3Token, {}, [], metadata)
        options = SimpleNamespace(disable_shardaware_port=False, disable=None)
        cluster = SimpleNamespace(
            metadata=metadata,
            protocol_version=4,
            ssl_context=None,
            ssl_options=None,
            shard_aware_options=options,
        )
        self.session: Any = SimpleNamespace(cluster=cluster, keyspace=KEYSPACE)
        self.pool = HostConnection.__new__(HostConnection)
        self.pool.host, self.pool._session = self.host, self.session
        self.pool._connections = {}
        self.pool._connecting = set(range(COUNT))  # so that it opens none
        self.pool.advanced_shardaware_block_until = 0
        self.pool.supports_tablet_routing = True
        self.session.get_pools = lambda: [self.pool]
        self.shards = Shards(self.session)
        self.shards.known[self.host.endpoint] = _said()


@pytest.fixture
def node() -> _Node:
    """A node of its own for each test."""
    return _Node()


def _route(key: bytes | None, table: str | None = TABLE, keyspace: str | None = KEYSPACE) -> Route:
    return Route(keyspace, table, key, 1, conditional=False)


class _Connections(dict[int, Any]):
    """Notes which shard's the driver's pool looks for."""

    wanted: int | None = None

    def get(self, shard: Any, default: Any = None) -> Any:
        self.wanted = shard
        return SimpleNamespace(is_closed=False, orphaned_threshold_reached=False)


@given(
    keys=st.lists(st.binary(max_size=40), min_size=1, max_size=20),
    tablets=st.lists(
        st.tuples(st.integers(-(2**63), 2**63 - 2), st.integers(1, 2), st.integers(0, COUNT - 1)), max_size=6
    ),
    keyspace=st.sampled_from([KEYSPACE, None]),
)
def test_the_shard_is_the_drivers(
    keys: list[bytes], tablets: list[tuple[int, int, int]], keyspace: str | None
) -> None:
    """By token or by tablet, of this node and of others, each key has the shard that its pool looks for."""
    from cassandra.tablets import Tablet

    node = _Node()
    known = node.session.cluster.metadata._tablets
    for first, host, shard in tablets:
        last = min(first + 2**60, 2**63 - 1)
        known.add_tablet(KEYSPACE, TABLE, Tablet(first, last, [(UUID(int=host), shard)]))
    node.pool._keyspace = KEYSPACE
    node.pool._connections = connections = _Connections({0: None})
    for key in keys:
        node.pool._get_connection_for_routing_key(key, keyspace, TABLE)
        if key:
            assert node.shards.of(node.host, _route(key, keyspace=keyspace)) == connections.wanted


def test_any_shard_without_a_key(node: _Node) -> None:
    """What has no partition key, or where tokens aren't known, is spread over all shards."""
    assert {node.shards.of(node.host, _route(None)) for _ in range(500)} == set(range(COUNT))
    node.session.cluster.metadata.token_map = None
    assert {node.shards.of(node.host, _route(b"key")) for _ in range(500)} == set(range(COUNT))


def test_no_shard(node: _Node) -> None:
    """A node that said nothing of shards has none, nor one where the Cluster disregards them."""
    other = Host(DefaultEndPoint("127.0.0.2"), SimpleConvictionPolicy, host_id=UUID(int=2))
    assert node.shards.of(other, _route(b"key")) is None
    assert node.shards.features(other) is None
    assert node.shards.features(None) is None
    node.shards.known[node.host.endpoint] = _said(None)
    assert node.shards.of(node.host, _route(b"key")) is None
    assert node.shards.features(node.host) is not None


def test_a_tablet_of_no_table(node: _Node) -> None:
    """An answer that tells of a tablet where nobody knows the table, or of none, changes nothing."""
    node.shards.learn(_route(b"key", None), {"tablets-routing-v1": b"\0"})
    node.shards.learn(_route(b"key"), {"another": b"\0"})
    assert not node.session.cluster.metadata._tablets.table_has_tablets(KEYSPACE, TABLE)


@pytest.mark.parametrize("shards", [True, False])
def test_what_is_agreed_on(shards: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """STARTUP asks for the driver's extensions, but for two that change what requests look like.

    And without shards not for the code of the rate limit, of which nothing would be kept.
    """
    from cassandra.protocol_features import ProtocolFeatures

    monkeypatch.setattr(driver_internals._Handshake, "_connect_socket", lambda _: None)
    monkeypatch.setattr(driver_internals._Handshake, "_send_options_message", lambda _: None)
    monkeypatch.setattr(driver_internals._Handshake, "_receive", lambda _: None)
    cluster = Cluster(["127.0.0.1"], protocol_version=4)
    endpoint = DefaultEndPoint("127.0.0.1")
    connection = driver_internals._Handshake(
        endpoint,
        connect_timeout=1,
        handshakes=Handshakes(),
        **cluster._make_connection_kwargs(endpoint, {}),
    )
    cluster.shutdown()
    offered = {
        "SCYLLA_RATE_LIMIT_ERROR": ["ERROR_CODE=61440"],
        "SCYLLA_LWT_ADD_METADATA_MARK": ["LWT_OPTIMIZATION_META_BIT_MASK=2147483648"],
        "SCYLLA_USE_METADATA_ID": [],
        "TABLETS_ROUTING_V1": [],
        "TABLETS_ROUTING_V2_EXPERIMENTAL": [],
    }
    if shards:
        offered |= {
            "SCYLLA_SHARD": ["0"],
            "SCYLLA_NR_SHARDS": ["1"],
            "SCYLLA_PARTITIONER": ["org.apache.cassandra.dht.Murmur3Partitioner"],
            "SCYLLA_SHARDING_ALGORITHM": ["biased-token-round-robin"],
            "SCYLLA_SHARDING_IGNORE_MSB": ["12"],
        }
    connection.features = ProtocolFeatures.parse_from_supported(offered)
    asked: dict[str, str] = {}
    connection.features.add_startup_options(asked)
    limit = {"SCYLLA_RATE_LIMIT_ERROR": ""} if shards else {}
    assert asked == limit | {
        "SCYLLA_LWT_ADD_METADATA_MARK": "2147483648",
        "TABLETS_ROUTING_V1": "",
    }
    assert connection.tells_tablets
    assert hasattr(Connection, "features")


def test_an_error_of_its_own(node: _Node) -> None:
    """A node that says which code means that a rate is over its limit is understood, as by the driver."""
    from cassandra import RateLimitReached
    from cassandra.protocol import ProtocolHandler

    node.session.client_protocol_handler = ProtocolHandler
    node.session.cluster._user_types = {}
    said = _said()
    said.features.rate_limit_error = 0xF000
    node.shards.known[node.host.endpoint] = said
    frame = Frame(0, 0x00, b"\0\0\xf0\0" + b"\0\4over" + b"\1\0")
    message = driver_internals.decode(node.session, 4, frame, node.shards.features(node.host))
    assert isinstance(message.to_exception(), RateLimitReached)
    message = driver_internals.decode(node.session, 4, frame)
    assert not isinstance(message.to_exception(), RateLimitReached)


def test_the_port_is_the_drivers(node: _Node) -> None:
    """Where its pool would connect to a chosen shard, so do we; nowhere before it knows of shards."""
    assert shard_aware_endpoint(node.session, node.host).port == 19042
    node.session.cluster.ssl_context = object()
    assert shard_aware_endpoint(node.session, node.host) is None
    node.session.cluster.ssl_context = None
    node.pool.disable_advanced_shard_aware(60)
    assert shard_aware_endpoint(node.session, node.host) is None
    node.pool.advanced_shardaware_block_until = 0
    node.host.sharding_info = None
    assert shard_aware_endpoint(node.session, node.host) is None
    node.session.get_pools = list
    assert shard_aware_endpoint(node.session, node.host) is None


class _Server:
    """Stands for the network: connects to shards as it is told, and counts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.plain: list[Any] = []
        self.chosen: Callable[[int], Any] = lambda shard: shard
        self.asked: list[tuple[int, int | None]] = []
        monkeypatch.setattr(shards, "establish", self._open)

    def _open(
        self, _: Any, endpoint: Any, _handshakes: Any, shard: int | None = None, count: int = 0
    ) -> EstablishedConnection:
        self.asked.append((endpoint.port, shard))
        assert count == (0 if shard is None else COUNT)
        ends = self.plain.pop(0) if shard is None else self.chosen(shard)
        if isinstance(ends, Exception):
            raise ends
        sock: Any = SimpleNamespace(fileno=lambda: -1, close=lambda: None)
        return EstablishedConnection(sock, Frames(4), _said(ends))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> _Server:
    """Stand for the network."""
    return _Server(monkeypatch)


def _ends(links: list[EstablishedConnection]) -> list[int | None]:
    return [link.shard for link in links]


def test_the_port_that_chooses(node: _Node, server: _Server) -> None:
    """Leads to the shard at once."""
    assert _ends(node.shards.open(node.host, 5)) == [5]
    assert server.asked == [(19042, 5)]


def test_a_port_that_misleads(node: _Node, server: _Server) -> None:
    """As behind a NAT: it isn't used again until the node comes up, and the plain port has a few tries."""
    server.chosen = lambda shard: (shard + 1) % COUNT
    server.plain = [3, 5]
    assert _ends(node.shards.open(node.host, 5)) == [6, 3, 5]
    assert server.asked == [(19042, 5), (9042, None), (9042, None)]
    server.asked.clear()
    server.plain = [1, 2, 3, 4]
    assert _ends(node.shards.open(node.host, 5)) == [1, 2, 3]
    assert server.asked == [(9042, None)] * 3
    node.shards.forget(node.host)
    assert _ends(node.shards.open(node.host, 5))[0] == 6


def test_a_port_that_fails(node: _Node, server: _Server) -> None:
    """The plain port does as well; where that fails, too, it is told, unless something was got."""
    server.chosen = lambda _: TimeoutError()
    server.plain = [2, 5, ConnectionRefusedError(), 1, ConnectionRefusedError()]
    assert _ends(node.shards.open(node.host, 5)) == [2, 5]
    with pytest.raises(ConnectionRefusedError):
        node.shards.open(node.host, 5)
    assert _ends(node.shards.open(node.host, 5)) == [1]
    assert [port for port, _ in server.asked] == [19042, *[9042] * 5]


def test_the_first_connection(node: _Node, server: _Server) -> None:
    """Tells what the node has; before that, no shard is asked for."""
    node.shards.known.clear()
    server.plain = [7]
    assert _ends(node.shards.open(node.host, None)) == [7]
    assert node.shards.known[node.host.endpoint].sharding.shards_count == COUNT


def test_a_fast_path_that_was_turned_off_opens_no_connection(node: _Node, server: _Server) -> None:
    """Not for requests that were sent before, and not when the node comes up."""
    reasons: list[str] = []
    connector = Connector(node.shards, node.host, reasons.append)
    connector.turn_off("no more files")
    connector.reset()
    connected: list[EstablishedConnection] = []
    connector.open(connected.append)
    assert (reasons, server.asked, connected) == (["no more files"], [], [])


def test_a_missed_shard_is_left_alone_for_a_while(
    node: _Node, server: _Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others aren't; and when the node comes up, it is tried again."""
    import threading

    done = threading.Event()

    def start(work: Callable[[], None], _: str) -> None:
        work()
        done.set()

    monkeypatch.setattr("coodie.drivers.cassandra.fastpath.connector.start_thread", start)
    opener = Connector(node.shards, node.host, lambda _: None)
    server.chosen = lambda _: 0
    server.plain = [0] * 20
    got: list[EstablishedConnection] = []
    for shard in (5, 5, 5, 6):
        opener.open(got.append, shard)
    assert len(server.asked) == 3 + 3
    opener.reset()
    opener.open(got.append, 5)
    assert len(got) == len(server.asked) == 9
