"""Where requests go: the key as the driver would hash it, and no question where there is one node."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from cassandra.connection import DefaultEndPoint
from cassandra.metadata import Murmur3Token
from cassandra.policies import HostDistance, RoundRobinPolicy, SimpleConvictionPolicy
from cassandra.pool import Host
from coodie_core.tests.cassandra.fastpath.arbitrary import cql_types, parameters, prepared, quickly
from hypothesis import given
from hypothesis import strategies as st

from coodie.drivers.cassandra.fastpath.encoder import encoder
from coodie.drivers.cassandra.fastpath.routing import Route, Router, routing_key


@quickly
@given(types=cql_types(), data=st.data())
def test_the_key_is_the_drivers(types: list[str], data: st.DataObject) -> None:
    """Single and composite keys, whatever their types, their places and their order."""
    places = st.integers(0, len(types) - 1)
    keys = data.draw(st.lists(places, min_size=1, max_size=len(types), unique=True))
    entry = prepared(types, keys=keys)
    params = data.draw(parameters(types))
    key = routing_key(encoder(entry)(params), keys)
    bound = entry.prepared.bind([bind(value) for bind, value in zip(entry.binders, params, strict=True)])
    assert key == bound.routing_key
    assert Murmur3Token.from_key(key) == Murmur3Token.from_key(bound.routing_key)


def test_nulls_before_the_key_are_passed_over() -> None:
    """A null takes no bytes but its length's."""
    encode = encoder(prepared(["text", "int", "text"], keys=[2]))
    assert routing_key(encode([None, None, "key"]), [2]) == b"key"
    assert routing_key(encode(["", None, "key"]), [2]) == b"key"


class _Policy(RoundRobinPolicy):  # type: ignore[misc]  # the driver has no types
    """Counts how often it is asked, and ignores a node on demand."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.ignored: set[Any] = set()

    def distance(self, host: Any) -> Any:
        self.asked += 1
        return HostDistance.IGNORED if host in self.ignored else HostDistance.LOCAL


def _host(number: int) -> Host:
    host = Host(DefaultEndPoint(f"127.0.0.{number}"), SimpleConvictionPolicy, host_id=UUID(int=number))
    host.set_up()
    return host


@pytest.fixture
def hosts() -> list[Host]:
    """A cluster of one node; a test may add others."""
    return [_host(1)]


@pytest.fixture
def router(hosts: list[Host]) -> Router:
    """What chooses among them."""
    metadata = SimpleNamespace(all_hosts=lambda: list(hosts))
    session: Any = SimpleNamespace(cluster=SimpleNamespace(metadata=metadata), keyspace="ks")
    return Router(session)


def test_the_only_node_is_found_once(router: Router, hosts: list[Host]) -> None:
    """Its policy is asked about it once; down and up again, it is seen at once."""
    policy = _Policy()
    assert [router.only_host(policy) for _ in range(3)] == hosts * 3
    assert policy.asked == 1
    hosts[0].set_down()
    assert router.only_host(policy) is None
    hosts[0].set_up()
    assert router.only_host(policy) is hosts[0]


def test_several_nodes_are_chosen_from(router: Router, hosts: list[Host]) -> None:
    """As soon as a second node has come, the policy chooses; as it has gone, it needn't any more."""
    policy = _Policy()
    assert router.only_host(policy) is hosts[0]
    hosts.append(_host(2))
    router.forget()
    assert router.only_host(policy) is None
    policy.populate(SimpleNamespace(contact_points=[]), hosts)
    route = Route("ks", "t", b"key", 1, conditional=False)
    assert set(router.hosts(policy, route)) == set(hosts)
    hosts.pop()
    router.forget()
    assert router.only_host(policy) is hosts[0]


def test_a_policys_wish_is_kept(router: Router, hosts: list[Host]) -> None:
    """A node that the policy ignores isn't asked, and each policy is asked for itself."""
    strict, lenient = _Policy(), _Policy()
    strict.ignored.add(hosts[0])
    assert router.only_host(strict) is None
    assert router.only_host(lenient) is hosts[0]
    assert router.only_host(strict) is None


def test_no_node_at_all(router: Router, hosts: list[Host]) -> None:
    """It is none, and no error."""
    hosts.clear()
    assert router.only_host(_Policy()) is None
    assert list(router.hosts(_Policy(), Route("ks", "t", None, 1, conditional=True))) == []
