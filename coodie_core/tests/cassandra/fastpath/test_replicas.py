"""The first node of a plan, looked up in a table: what the drivers' policies would choose."""

from __future__ import annotations

import random
from collections import Counter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from cassandra.connection import DefaultEndPoint
from cassandra.metadata import KeyspaceMetadata, Metadata, Murmur3Token
from cassandra.policies import (
    DCAwareRoundRobinPolicy,
    RoundRobinPolicy,
    SimpleConvictionPolicy,
    TokenAwarePolicy,
)
from cassandra.pool import Host
from hypothesis import given, settings
from hypothesis import strategies as st

from coodie.drivers.cassandra._policies import local_policy
from coodie.drivers.cassandra.fastpath import replicas
from coodie.drivers.cassandra.fastpath.driver_internals import tablets_of
from coodie.drivers.cassandra.fastpath.routing import Route, Router

if TYPE_CHECKING:
    from collections.abc import Callable

_MURMUR = "org.apache.cassandra.dht.Murmur3Partitioner"

#: How often each is asked, so that all nodes that can come do come: one of three is missing once in 10**7.
_ASKED = 40

_STRATEGIES: dict[str, dict[str, str]] = {
    "simple": {"class": "SimpleStrategy", "replication_factor": "2"},
    "both": {"class": "NetworkTopologyStrategy", "dc1": "2", "dc2": "2"},
    "near": {"class": "NetworkTopologyStrategy", "dc1": "3"},
    "far": {"class": "NetworkTopologyStrategy", "dc2": "1"},
    "everywhere": {"class": "LocalStrategy"},
}


class Ring:
    """A cluster as the driver has it, whose nodes come and go.

    Args:
        policy: The load-balancing policy.
        centres: The data centres of its nodes.
    """

    def __init__(self, policy: Any, centres: list[str]) -> None:
        self.policy = policy
        self.metadata: Any = Metadata()
        self.hosts = [self._host(number, centre) for number, centre in enumerate(centres, 1)]
        for name, options in _STRATEGIES.items():
            self.replicate(name, options)
        self.make_ring()
        cluster: Any = SimpleNamespace(metadata=self.metadata, endpoints_resolved=[self.hosts[0].endpoint])
        policy.populate(cluster, [])
        for host in self.hosts:
            policy.on_up(host)
        self.session: Any = SimpleNamespace(cluster=cluster, keyspace=None)
        self.router = Router(self.session)

    def _host(self, number: int, centre: str) -> Any:
        host = Host(DefaultEndPoint(f"127.0.0.{number}"), SimpleConvictionPolicy, host_id=UUID(int=number))
        host.set_location_info(centre, f"rack{number % 2}")
        host.set_up()
        self.metadata.add_or_return_host(host)
        return host

    def make_ring(self, moved: int = 0) -> None:
        """Give each node four tokens; another time others."""
        chance = random.Random(moved)
        tokens = {host: [str(chance.randrange(-(2**63) + 1, 2**63)) for _ in range(4)] for host in self.hosts}
        self.metadata.rebuild_token_map(_MURMUR, tokens)

    def replicate(self, keyspace: str, options: dict[str, str]) -> None:
        """Create a keyspace, or alter how it is replicated."""
        strategy, others = options["class"], {k: v for k, v in options.items() if k != "class"}
        self.metadata.keyspaces[keyspace] = KeyspaceMetadata(keyspace, True, strategy, others)
        if self.metadata.token_map is not None:
            self.metadata.token_map.rebuild_keyspace(keyspace)

    def turn(self, number: int, *, up: bool) -> None:
        """Mark a node as up or down as the driver does, which calls its listeners last."""
        host = self.hosts[number % len(self.hosts)]
        (host.set_up if up else host.set_down)()
        (self.policy.on_up if up else self.policy.on_down)(host)
        self.router.forget()

    def firsts(self, route: Route) -> tuple[Counter[Any], Counter[Any]]:
        """Return which nodes the table begins with, and which ones the policy does, each with how often."""
        ours: Counter[Any] = Counter(self.router.first_host(self.policy, route) for _ in range(_ASKED))
        theirs: Counter[Any] = Counter(
            next((host for host in self.router.hosts(self.policy, route) if host.is_up), None)
            for _ in range(_ASKED)
        )
        return ours, theirs

    def agree(self, keyspace: str | None, key: bytes | None, *, level: int = 1, lwt: bool = False) -> None:
        """Compare them for one request."""
        ours, theirs = self.firsts(Route(keyspace, "t", key, level, conditional=lwt))
        assert set(ours) == set(theirs)


def _policies(centre: str, remote: int, *, shuffled: bool, rack: str | None = None) -> Any:
    if rack is not None:
        policy = local_policy(centre, rack)
        policy.shuffle_replicas = shuffled
        return policy
    return TokenAwarePolicy(DCAwareRoundRobinPolicy(centre, remote), shuffle_replicas=shuffled)


@st.composite
def _changes(draw: st.DrawFn) -> list[tuple[str, Any]]:
    """Draw what happens to a cluster: each a method of ``Ring`` and its argument."""
    change = st.one_of(
        st.tuples(st.just("down"), st.integers(0, 9)),
        st.tuples(st.just("up"), st.integers(0, 9)),
        st.tuples(st.just("unnoticed"), st.integers(0, 9)),
        st.tuples(st.just("ring"), st.integers(1, 9)),
        st.tuples(st.just("replicate"), st.sampled_from(sorted(_STRATEGIES))),
        st.tuples(st.just("tablet"), st.lists(st.integers(1, 7), min_size=1, max_size=3, unique=True)),
    )
    return draw(st.lists(change, max_size=4))


def _apply(ring: Ring, change: str, argument: Any) -> None:
    if change == "ring":
        ring.make_ring(argument)
    elif change == "replicate":
        ring.replicate("both", _STRATEGIES[argument])
    elif change == "unnoticed":
        ring.hosts[argument % len(ring.hosts)].set_down()  # before the listeners are called
    elif change == "tablet":
        tablets = tablets_of(ring.metadata)
        if tablets is not None:
            from cassandra.tablets import Tablet

            owners = [(UUID(int=number), 0) for number in argument]
            tablets.add_tablet("both", "t", Tablet(-(2**62), 2**62, owners))
    else:
        ring.turn(argument, up=change == "up")


@settings(max_examples=30, deadline=None)
@given(
    centres=st.lists(st.sampled_from(["dc1", "dc2"]), min_size=1, max_size=6),
    centre=st.sampled_from(["dc1", "dc1", ""]),
    remote=st.integers(0, 1),
    rack=st.sampled_from([None, "rack0", "rack1", "rack2"]),
    shuffled=st.booleans(),
    changes=_changes(),
    key=st.binary(max_size=8),
)
def test_the_first_node_is_one_of_the_policys(
    centres: list[str],
    centre: str,
    remote: int,
    rack: str | None,
    shuffled: bool,
    changes: list[tuple[str, Any]],
    key: bytes,
) -> None:
    """The same nodes come first, whatever is up, however it is replicated, and whatever changes meanwhile."""
    random.seed(7)
    ring = Ring(_policies(centre, remote, shuffled=shuffled, rack=rack), centres)
    for change, argument in [("up", 0), *changes]:
        _apply(ring, change, argument)
        for keyspace in _STRATEGIES:
            ring.agree(keyspace, key)
    ring.agree("both", None)
    ring.agree(None, key)
    ring.agree("unknown", key)
    ring.agree("both", key, level=8)
    ring.agree("both", key, lwt=True)
    ring.session.keyspace = "near"
    ring.agree(None, key)


@pytest.mark.parametrize("shuffled", [True, False])
def test_replicas_are_chosen_as_evenly(shuffled: bool) -> None:
    """Each of three replicas begins a third of the plans, or the first one all of them."""
    random.seed(8)
    ring = Ring(_policies("dc1", 0, shuffled=shuffled), ["dc1"] * 4)
    route = Route("near", "t", b"key", 1, conditional=False)
    ours, theirs = Counter[Any](), Counter[Any]()
    for _ in range(50):
        for total, counted in zip((ours, theirs), ring.firsts(route), strict=True):
            total.update(counted)
    assert set(ours) == set(theirs)
    for count in (*ours.values(), *theirs.values()):
        assert abs(count - 50 * _ASKED / (3 if shuffled else 1)) < 150


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the plans that TokenAwarePolicy is asked for."""
    asked: list[int] = []
    make = TokenAwarePolicy.make_query_plan

    def counting(self: Any, *args: Any) -> Any:
        asked.append(1)
        return make(self, *args)

    monkeypatch.setattr(TokenAwarePolicy, "make_query_plan", counting)
    return asked


_ROUTE = Route("near", "t", b"key", 1, conditional=False)


@pytest.mark.parametrize("rack", [None, "rack0", "rack1"])
def test_the_policy_is_not_asked(rack: str | None, plans: list[int]) -> None:
    """That is what it is for; a node that has come makes no difference after the table is made anew."""
    ring = Ring(_policies("dc1", 0, shuffled=True, rack=rack), ["dc1"] * 3)
    for _ in range(9):
        assert ring.router.first_host(ring.policy, _ROUTE) in ring.hosts
    ring.turn(0, up=False)
    for _ in range(9):
        assert ring.router.first_host(ring.policy, _ROUTE) in ring.hosts[1:]
    assert plans == []


@pytest.mark.parametrize(("rack", "up"), [("rack1", 3), ("rack1", 2), ("rack2", 3)])
def test_the_replicas_of_the_rack_come_first(rack: str, up: int) -> None:
    """Those that are up; if there are none, the other replicas of the data centre."""
    ring = Ring(_policies("dc1", 0, shuffled=True, rack=rack), ["dc1", "dc1", "dc1", "dc2"])
    if up == 2:
        ring.turn(0, up=False)
        ring.turn(2, up=False)
    ours, theirs = ring.firsts(Route("near", "t", b"key", 1, conditional=False))
    expected = {"rack1": {3: {0, 2}, 2: {1}}, "rack2": {3: {0, 1, 2}}}[rack][up]
    assert set(ours) == set(theirs) == {ring.hosts[number] for number in expected}


@pytest.mark.parametrize("key", [b"key", None])
def test_the_plan_of_a_rack(key: bytes | None) -> None:
    """The rack's replicas, the other ones, the rack's nodes, the other ones; no other data centre's."""
    ring = Ring(_policies("dc1", 0, shuffled=False, rack="rack1"), ["dc1"] * 8 + ["dc2"] * 2)
    route = Route("both", "t", key, 1, conditional=False)
    owners = () if key is None else ring.metadata.get_replicas("both", key)
    for _ in range(5):
        plan = list(ring.router.hosts(ring.policy, route))
        assert len(plan) == len(set(plan)) == 8
        order = [(host not in owners, host.rack != "rack1") for host in plan]
        assert order == sorted(order)
    if key is None:
        firsts = Counter(next(iter(ring.router.hosts(ring.policy, route))) for _ in range(400))
        assert len(firsts) == 4
        assert min(firsts.values()) > 50


class _Subclass(TokenAwarePolicy):  # type: ignore[misc]  # the driver has no types
    """Somebody's own."""


class _Child(DCAwareRoundRobinPolicy):  # type: ignore[misc]
    """Somebody's own."""


def _patched() -> Any:
    policy = _policies("dc1", 0, shuffled=True)
    policy.make_query_plan = policy.make_query_plan
    return policy


@pytest.mark.parametrize(
    "make",
    [
        lambda: _Subclass(DCAwareRoundRobinPolicy("dc1")),
        lambda: TokenAwarePolicy(_Child("dc1")),
        lambda: TokenAwarePolicy(RoundRobinPolicy()),
        _patched,
    ],
    ids=["subclass", "subclass inside", "another inside", "patched"],
)
def test_any_other_policy_is_asked(make: Callable[[], Any], plans: list[int]) -> None:
    """One that isn't exactly known may have reasons of its own."""
    ring = Ring(make(), ["dc1"] * 3)
    assert ring.router.first_host(ring.policy, _ROUTE) in ring.hosts
    assert plans == [1]


def test_each_policy_has_its_own_table() -> None:
    """Another policy on the same session, with another local data centre, gets other nodes."""
    ring = Ring(_policies("dc1", 0, shuffled=True), ["dc1", "dc2"])
    other = Ring(_policies("dc2", 0, shuffled=True), ["dc1", "dc2"]).policy
    route = Route("both", "t", b"key", 1, conditional=False)
    for _ in range(2):
        assert ring.router.first_host(ring.policy, route) is ring.hosts[0]
        assert ring.router.first_host(other, route) == ring.hosts[1]


def test_the_smallest_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the largest token, as for the partitioner."""
    monkeypatch.setattr(replicas, "murmur3", lambda _: -(2**63))
    ring = Ring(_policies("dc1", 0, shuffled=False), ["dc1"] * 4)
    expected = ring.metadata.token_map.get_replicas("near", Murmur3Token(2**63 - 1))[0]
    assert ring.router.first_host(ring.policy, _ROUTE) is expected


def test_another_replication_and_another_ring_are_seen() -> None:
    """Nobody tells the fast path of them: what the driver has made anew is another object."""
    ring = Ring(_policies("dc1", 0, shuffled=True), ["dc1"] * 4)
    ring.router.first_host(ring.policy, _ROUTE)
    ring.replicate("near", {**_STRATEGIES["near"], "dc1": "1"})
    for turn in range(3):
        for number in range(40):
            key = bytes([number])
            (expected,) = ring.metadata.get_replicas("near", key)
            route = Route("near", "t", key, 1, conditional=False)
            assert ring.router.first_host(ring.policy, route) is expected
        ring.make_ring(turn + 1)
