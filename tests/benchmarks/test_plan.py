"""Which workloads are measured with which server, and who takes part."""

from __future__ import annotations

import pytest

from contestants.listing import contestant
from contestants.work import Work
from ruler.plan import make_plan, suits


def test_each_workload_has_the_server_that_suits_it() -> None:
    """The stub where it knows the table; a real node for all others."""
    contests = make_plan("list-10,read-64 three-64", None, None, quick=False)
    assert [contest.name for contest in contests] == ["stub/read-64", "stub/three-64", "real/list-10"]


@pytest.mark.parametrize(
    ("name", "server", "message"),
    [
        ("list-10", "stub", "list-10 requires a real server: use --server real"),
        ("three-64", "real", "three-64 can't run on real: use --server stub"),
        ("three-64", "db1:9042", "three-64 can't run on db1:9042: use --server stub"),
        ("tls-64", "db1:9042", "tls-64 can't run on db1:9042: use --server real"),
        ("read-64", "db1", "no server 'db1': write stub, real or HOST:PORT"),
    ],
)
def test_a_server_that_does_not_suit_is_refused(name: str, server: str, message: str) -> None:
    """Before anything is started."""
    with pytest.raises(ValueError, match=message):
        make_plan(name, None, server, quick=False)


def test_the_default_is_all_workloads_that_suit() -> None:
    """Without a server, some are done with both; with one, those that suit it."""
    everything = make_plan(None, None, None, quick=False)
    names = [contest.name for contest in everything]
    assert len(set(names)) == len(names)
    assert {"stub/read-64", "real/read-64", "stub/three-64", "real/vector-1536"} <= set(names)
    servers = [contest.server for contest in everything]
    assert servers == sorted(servers, reverse=True)  # one real node, after the stub
    assert {contest.server for contest in make_plan(None, None, "stub", quick=False)} == {"stub"}
    assert "real/vector-1536" in [contest.name for contest in make_plan(None, None, "db1:9042", quick=False)]
    assert {contest.server for contest in make_plan(None, None, None, quick=True)} == {"stub"}


def test_data_frames_are_made_by_all_who_can() -> None:
    """With the variants that the targets compare."""
    (contest,) = make_plan("frame-1000000", None, None, quick=False)
    names = [one.name for one in contest.contestants]
    assert contest.name == "stub/frame-1000000"
    assert {"coodie-cassandra+accel", "cassandra-driver", "cassandra-driver+numpy", "acsylla"} <= set(names)
    assert len(names) == 11


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("coodie-scylla+arrays", {"vector-1536"}),
        ("coodie-scylla+sync", {"many-10", "stream-10"}),
        ("coodie-scylla", {"many-10", "stream-10", "vector-1536", "read-64", "sync-1", "import", "frame-10"}),
        ("coodie-scylla+accel+objects", {"frame-10"}),
        ("acsylla", {"many-10", "stream-10", "vector-1536", "read-64", "import", "frame-10"}),
        ("acsylla+uvloop", {"many-10", "stream-10", "vector-1536", "read-64"}),
        ("scylla-driver", {"many-10", "stream-10", "vector-1536", "read-64", "sync-1", "import", "frame-10"}),
        ("scylla-driver+numpy", {"frame-10"}),
        ("rsylla", {"many-10", "stream-10", "vector-1536", "read-64", "import"}),
        ("asyncio", {"import"}),
    ],
)
def test_who_takes_part(name: str, kinds: set[str]) -> None:
    """A variant only where it makes a difference, and a client only where it has the interface."""
    every = ("many-10", "stream-10", "vector-1536", "read-64", "sync-1", "import", "frame-10")
    assert {work for work in every if suits(contestant(name), Work.of(work))} == kinds
