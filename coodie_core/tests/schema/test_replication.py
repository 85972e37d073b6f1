"""Replication: said in a class or a dict, and compared by meaning."""

from __future__ import annotations

from typing import Any

import pytest

from coodie.exceptions import ConfigurationError
from coodie.schema import NetworkTopologyStrategy, SimpleStrategy, SyncOptions
from coodie.schema.replication import create_keyspace, parse_replication, replication_differs

NTS = "org.apache.cassandra.locator.NetworkTopologyStrategy"


@pytest.mark.parametrize(
    ("given", "written"),
    [
        (SimpleStrategy(2), "{'class': 'SimpleStrategy', 'replication_factor': '2'}"),
        (
            NetworkTopologyStrategy({"DC'1": 3, "dc2": 0}),
            "{'class': 'NetworkTopologyStrategy', 'DC''1': '3', 'dc2': '0'}",
        ),
        (
            NetworkTopologyStrategy({"dc2": 1}, replication_factor=3),
            "{'class': 'NetworkTopologyStrategy', 'dc2': '1', 'replication_factor': '3'}",
        ),
        ({"class": "LocalStrategy"}, "{'class': 'LocalStrategy'}"),
    ],
)
def test_as_cql(given: Any, written: str) -> None:
    """Names and values are literals, the keyspace is quoted where it must be."""
    statement = create_keyspace("Ks", parse_replication(given))
    assert statement == f'CREATE KEYSPACE IF NOT EXISTS "Ks" WITH replication = {written}'


@pytest.mark.parametrize(
    "make",
    [
        lambda: SimpleStrategy(0),
        lambda: SimpleStrategy("3"),  # type: ignore[arg-type]  # as a caller without a type checker may
        lambda: SimpleStrategy(True),
        NetworkTopologyStrategy,
        lambda: NetworkTopologyStrategy({}),
        lambda: NetworkTopologyStrategy({"dc1": -1}),
        lambda: NetworkTopologyStrategy({"class": 1}),
        lambda: NetworkTopologyStrategy(replication_factor=0),
        lambda: SyncOptions(create_keyspace=3),  # type: ignore[arg-type]  # as above
        lambda: SyncOptions(create_keyspace={"replication_factor": 1}),
    ],
)
def test_what_is_no_replication(make: Any) -> None:
    """It is refused where it is written, with what to write instead."""
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert caught.value.option == "create_keyspace"
    assert caught.value.hint


@pytest.mark.parametrize(
    ("wanted", "shown", "differs"),
    [
        (SimpleStrategy(1), {"class": "x.SimpleStrategy", "replication_factor": "1"}, False),
        (SimpleStrategy(2), {"class": "x.SimpleStrategy", "replication_factor": "1"}, True),
        (SimpleStrategy(1), {"class": NTS, "dc1": "1"}, True),
        (NetworkTopologyStrategy({"dc1": 3}), {"class": NTS, "dc1": "3"}, False),
        (NetworkTopologyStrategy({"dc1": 3}), {"class": NTS, "dc1": "3", "dc2": "1"}, True),
        (NetworkTopologyStrategy({"dc1": 3, "dc2": 0}), {"class": NTS, "dc1": "3"}, False),
        (NetworkTopologyStrategy(replication_factor=3), {"class": NTS, "dc1": "3", "dc2": "3"}, False),
        (NetworkTopologyStrategy(replication_factor=3), {"class": NTS, "dc1": "3", "dc2": "2"}, True),
        (
            NetworkTopologyStrategy({"dc2": 2}, replication_factor=3),
            {"class": NTS, "dc1": "3", "dc2": "2"},
            False,
        ),
    ],
)
def test_compared_by_meaning(wanted: Any, shown: dict[str, str], differs: bool) -> None:
    """A factor for all data centres is shown as one for each; a class needs no package."""
    assert replication_differs(parse_replication(wanted), shown) is differs
