"""The node that a sync goes through: which one, and what happens when it can't be asked."""

from __future__ import annotations

import re
from itertools import groupby
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from cassandra.policies import HostDistance

from coodie.drivers.cassandra import _coordinator
from coodie.drivers.cassandra._coordinator import Coordinator
from coodie.effects import Sleep, run_sync
from coodie.exceptions import ConnectionFailedError, InvalidQueryError, RequestTimeoutError, UnauthorizedError
from coodie.schema import AwaitAgreement, Execute, Query, Read, ReadNodes, SyncOptions

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

QUERY = Query("SELECT a FROM b")


class Host(SimpleNamespace):
    """A node as the driver knows it."""

    __hash__ = object.__hash__  # type: ignore[assignment]  # its base is mutable, and has none


def host(name: str, host_id: str, **attributes: Any) -> Host:
    """Make a node that is up."""
    values = {"is_up": True, "distance": HostDistance.LOCAL, "version": "v", "peers": []} | attributes
    return Host(endpoint=name, host_id=host_id, **values)


class Session:
    """A session that knows some nodes, and has connections to those that are reachable."""

    def __init__(self, *hosts: Host) -> None:
        metadata = SimpleNamespace(all_hosts=lambda: list(hosts))
        self.cluster = SimpleNamespace(max_schema_agreement_wait=0.05, metadata=metadata)
        self.reachable = list(hosts)

    def get_execution_profile(self, _name: object) -> Any:
        """Return a profile whose policy keeps the distance that a node has."""
        return SimpleNamespace(load_balancing_policy=SimpleNamespace(distance=lambda node: node.distance))

    def get_pool_state(self) -> dict[Host, dict[str, Any]]:
        """Return the nodes with connections."""
        return {node: {} for node in self.reachable}


class Requests:
    """Note which node is asked; fail for those that are broken."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.broken: dict[str, Exception] = {}
        #: How many of their requests fail.
        self.broken_for = 1000
        #: The seconds that each read was given.
        self.seconds: list[float] = []
        #: How often the other nodes' versions were looked at, and how often they are what they are.
        self.looks = 0
        self.agree_after = 1000

    def _ask(self, node: Host | None) -> None:
        self.asked.append(node and node.endpoint)
        if node is not None and (failure := self.broken.get(node.endpoint)) is not None and self.broken_for:
            self.broken_for -= 1
            raise failure

    def read(self, query: Query, timeout: float, node: Host | None) -> Generator[Any, Any, list[Any]]:
        """Answer with the node's schema version where that is asked, else with its name."""
        self.seconds.append(timeout)
        self._ask(node)
        yield Sleep(0)
        if "system.local" in query.cql:
            return [{"host_id": node and node.host_id, "schema_version": node and node.version}]
        if "system.peers" in query.cql:
            self.looks += 1
            return list(node.peers) if node is not None and self.looks <= self.agree_after else []
        return [node and node.endpoint]

    def change_schema(
        self, _stmt: str, _timeout: float | None, node: Host | None
    ) -> Generator[Any, Any, None]:
        """Do nothing."""
        self._ask(node)
        yield Sleep(0)


def coordinator(session: Any, requests: Any, **options: Any) -> Coordinator:
    """Make one for a sync."""
    asked = SyncOptions(**options)
    return Coordinator(session, requests, asked.timeout or 10, asked)


def in_turn(asked: list[Any]) -> list[Any]:
    """Return the nodes that were asked, each once for what it was asked together."""
    return [node for node, _ in groupby(asked)]


def ask(one: Coordinator, request: Any) -> Any:
    """Have a request carried out."""
    return run_sync(one.answer(request))


def test_the_smallest_host_id_of_the_usable_nodes() -> None:
    """Whatever the order in which a driver knows them; not one that is down or for others to use."""
    hosts = [
        host("down", "0", is_up=False),
        host("c", "3"),
        host("far", "1", distance=HostDistance.IGNORED),
        host("b", "2", is_up=None),
    ]
    for order in (hosts, hosts[::-1]):
        requests = Requests()
        one = coordinator(Session(*order), requests)
        assert ask(one, Read((QUERY,))) == [["b"]]
        ask(one, Execute("ALTER …"))
        assert set(requests.asked) == {"b"}


def test_a_session_that_has_just_connected() -> None:
    """The node is given some time to be reached; then another one does."""
    session = Session(host("a", "1"), host("b", "2"))
    session.reachable.pop(0)
    requests = Requests()
    assert ask(coordinator(session, requests), Read((QUERY,))) == [["b"]]
    assert set(requests.asked) == {"b"}


def test_no_node_is_known() -> None:
    """The session's own policy chooses then."""
    requests = Requests()
    assert ask(coordinator(Session(), requests), Read((QUERY,))) == [[None]]


@pytest.mark.parametrize("failure", [ConnectionFailedError("gone"), RequestTimeoutError("no answer")])
def test_a_read_that_fails_goes_to_the_next_node(failure: Exception) -> None:
    """Nothing is changed by it; what comes afterwards stays there."""
    requests = Requests()
    requests.broken["a"] = failure
    one = coordinator(Session(host("a", "1"), host("b", "2")), requests)
    assert ask(one, Read((QUERY,))) == [["b"]]
    ask(one, Execute("ALTER …"))
    assert in_turn(requests.asked) == ["a", "b"]
    requests.broken["b"] = failure
    with pytest.raises(type(failure)):
        ask(one, Read((QUERY,)))


def test_a_change_that_fails_stays_where_it_is() -> None:
    """It may have been made: another node isn't asked for the same."""
    requests = Requests()
    requests.broken["a"] = ConnectionFailedError("gone")
    one = coordinator(Session(host("a", "1"), host("b", "2")), requests)
    with pytest.raises(ConnectionFailedError):
        ask(one, Execute("ALTER …"))
    assert requests.asked == ["a"]


def test_a_read_that_is_refused_is_refused() -> None:
    """Another node would say the same."""
    requests = Requests()
    requests.broken["a"] = InvalidQueryError("no")
    with pytest.raises(InvalidQueryError):
        ask(coordinator(Session(host("a", "1"), host("b", "2")), requests), Read((QUERY,)))
    assert in_turn(requests.asked) == ["a"]


def test_nodes_that_agree_later() -> None:
    """They are looked at until they do, and the table is read once more after that."""
    node = host("a", "1", peers=[{"host_id": "2", "schema_version": "other"}])
    requests = Requests()
    requests.agree_after = 2
    one = coordinator(Session(node, host("b", "2")), requests, agreement_timeout=60)
    assert ask(one, Read((QUERY,))) == [["a"]]
    assert len(requests.asked) == 3 + 2 + 2 + 1
    assert one.warnings == []


def test_nodes_that_do_not_agree() -> None:
    """The backend's own time is what holds; then it is told, once, and isn't waited for again."""
    node = host("a", "1", peers=[{"host_id": "2", "schema_version": "other"}])
    requests = Requests()
    one = coordinator(Session(node, host("b", "2")), requests)
    for _ in range(2):
        assert ask(one, Read((QUERY,))) == [["a"]]
    assert len(requests.asked) == 3 + 4 + 1 + 3
    disagreement = "no schema agreement after 0.05 s: version other on 2, version v on 1"
    assert one.warnings == [disagreement]


def test_a_silent_node_takes_a_part_of_the_time() -> None:
    """The caller's seconds are for all nodes together; who gave no answer is named."""
    requests = Requests()
    requests.broken["a"] = RequestTimeoutError("no answer")
    one = coordinator(Session(host("a", "1"), host("b", "2")), requests, timeout=8)
    assert ask(one, Read((QUERY,))) == [["b"]]
    assert requests.seconds[0] == pytest.approx(4, abs=0.5)
    assert requests.seconds[-1] == pytest.approx(8, abs=0.5)
    (warning,) = one.warnings
    assert re.fullmatch(r"a didn't respond within [34][\d.]* s; using another node", warning)


def test_nodes_are_looked_at_within_the_time_to_agree() -> None:
    """A look that gets no answer takes two seconds at most, not the time of a request."""
    node = host("a", "1", peers=[{"host_id": "2", "schema_version": "other"}])
    requests = Requests()
    ask(coordinator(Session(node), requests, agreement_timeout=0.2, timeout=60), Read((QUERY,)))
    assert max(requests.seconds[3:-1]) <= 2


@pytest.mark.parametrize("options", [{"agreement_timeout": 0}, {}])
def test_who_need_not_agree(options: dict[str, Any]) -> None:
    """Nobody where the caller doesn't want to wait; nodes that are down in no case."""
    node = host("a", "1", peers=[{"host_id": "2", "schema_version": "other"}])
    other = host("b", "2", is_up=bool(options))
    requests = Requests()
    one = coordinator(Session(node, other), requests, **options)
    assert ask(one, Read((QUERY,))) == [["a"]]
    assert (len(requests.asked), one.warnings) == (3, [])


def test_a_table_that_a_node_shows_before_it_can_use_it() -> None:
    """Each node is asked until it can; the answer is None then."""
    requests = Requests()
    requests.broken["b"] = InvalidQueryError("unconfigured table")
    requests.broken_for = 3
    one = coordinator(Session(host("a", "1"), host("b", "2")), requests, agreement_timeout=60)
    assert ask(one, AwaitAgreement(QUERY)) is None
    assert requests.asked.count("b") == 4
    assert requests.asked.count("a") == 1


def test_nodes_on_which_a_table_cannot_be_used() -> None:
    """They are named; those that are down where the schema is being changed. Rights don't matter."""
    nodes = [host("a", "1"), host("b", "2"), host("c", "3"), host("d", "4"), host("e", "5", is_up=False)]
    requests = Requests()
    requests.broken = {
        "b": InvalidQueryError("unconfigured table"),
        "c": RequestTimeoutError("no answer"),
        "d": UnauthorizedError("no SELECT"),
    }
    one = coordinator(Session(*nodes), requests, agreement_timeout=0.05)
    assert ask(one, AwaitAgreement(QUERY)) == (
        "the table isn't usable on all nodes: b (don't know it); c (didn't respond); e (down)"
    )
    assert set(requests.seconds) == {2.0}
    requests.broken.clear()
    assert ask(coordinator(Session(*nodes), requests), AwaitAgreement(QUERY)) is None
    changing = coordinator(Session(*nodes), requests)
    ask(changing, Execute("ALTER …"))
    assert ask(changing, AwaitAgreement(QUERY)) == "the table isn't usable on all nodes: e (down)"


def test_a_node_that_the_session_has_not_reached_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given some time, as where one is chosen; then it's named."""
    session = Session(host("a", "1"), host("b", "2"))
    late = session.reachable.pop()
    monkeypatch.setattr(_coordinator, "_POOL_TIMEOUT", 0.1)
    requests = Requests()
    one = coordinator(session, requests, agreement_timeout=60)
    assert ask(one, AwaitAgreement(QUERY)) == "the table isn't usable on all nodes: b (didn't respond)"
    monkeypatch.setattr(_coordinator, "_POOL_TIMEOUT", 60)
    states: Iterator[Any] = iter(
        [*[{session.reachable[0]: {}}] * 6, *[{session.reachable[0]: {}, late: {}}] * 100]
    )
    monkeypatch.setattr(session, "get_pool_state", lambda: next(states))
    assert ask(coordinator(session, requests, agreement_timeout=60), AwaitAgreement(QUERY)) is None
    assert requests.asked[-1] == "b"


def test_nobody_waits_for_a_table_where_that_is_not_wanted() -> None:
    """No node is asked then."""
    requests = Requests()
    one = coordinator(Session(host("a", "1")), requests, agreement_timeout=0)
    assert ask(one, AwaitAgreement(QUERY)) is None
    assert requests.asked == []


def test_every_node_is_asked_for_its_own() -> None:
    """Those that there is a connection to."""
    session = Session(host("a", "1"), host("b", "2"), host("c", "3"))
    session.reachable.pop()
    requests = Requests()
    assert ask(coordinator(session, requests), ReadNodes(QUERY)) == [["a"], ["b"]]
