"""Drivers and a keyspace for the tests beside the kit's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from coodie.config import build_config
from coodie.plugins import open_driver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from coodie import Driver
    from coodie_testing import FakeCluster

KEYSPACE = "coodie_acsylla"

#: The columns of the table "things", except for its key.
COLUMNS = {
    "n": "int",
    "b": "boolean",
    "x": "text",
    "a": "ascii",
    "vi": "varint",
    "de": "decimal",
    "f": "double",
    "u": "uuid",
    "d": "date",
    "t": "time",
    "ts": "timestamp",
    "du": "duration",
    "i": "inet",
    "l": "list<int>",
    "s": "set<frozen<list<int>>>",
    "m": "map<text, uuid>",
    "tu": "tuple<int, timestamp>",
    "p": "frozen<point>",
    "v": "vector<float, 2>",
}


@pytest.fixture(scope="session")
def connect(cassandra_node: Any) -> Iterator[Callable[..., Driver]]:
    """Open drivers, and close them at the end."""
    opened: list[Driver] = []

    def open_(**options: Any) -> Driver:
        given = {"driver_type": "acsylla", "hosts": [cassandra_node.host], "port": cassandra_node.port}
        opened.append(cast("Driver", open_driver(build_config(**(given | options)))))
        return opened[-1]

    yield open_
    for driver in opened:
        driver.close()


@pytest.fixture(scope="session")
def driver(connect: Callable[..., Driver]) -> Driver:
    """A driver with the tests' keyspace."""
    replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}"
    first = connect()
    first.execute(f"CREATE KEYSPACE IF NOT EXISTS {KEYSPACE} WITH replication = {replication}", [])
    driver = connect(keyspace=KEYSPACE)
    driver.execute("CREATE TYPE IF NOT EXISTS point (x int, id uuid)", [])
    columns = ", ".join(f"{name} {cql_type}" for name, cql_type in COLUMNS.items())
    driver.execute(f"CREATE TABLE IF NOT EXISTS things (k text PRIMARY KEY, {columns})", [])
    return driver


@pytest.fixture
def fake_driver(fake_cluster: FakeCluster) -> Iterator[Driver]:
    """A driver that is connected to a fake server with a table."""
    fake_cluster.table("shop.orders", {"id": "int", "ref": "uuid"})
    driver = open_driver(build_config(driver_type="acsylla", **fake_cluster.connection_options()))
    yield cast("Driver", driver)
    driver.close()
