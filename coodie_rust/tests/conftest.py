"""A driver and a keyspace for the tests beside the kit's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from coodie.config import build_config
from coodie.plugins import open_driver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from coodie.drivers import AbstractDriver

KEYSPACE = "coodie_rust"

#: The table "things" beside its key.
COLUMNS = {
    "n": "int",
    "b": "boolean",
    "d": "date",
    "t": "time",
    "ts": "timestamp",
    "du": "duration",
    "i": "inet",
    "l": "list<int>",
    "s": "set<frozen<list<int>>>",
    "m": "map<text, inet>",
    "tu": "tuple<int, timestamp>",
    "p": "frozen<point>",
    "v": "vector<float, 2>",
}


@pytest.fixture(scope="session")
def connect(cassandra_node: Any) -> Iterator[Callable[..., AbstractDriver]]:
    """Open drivers, and close them at the end."""
    opened: list[AbstractDriver] = []

    def open_(**options: Any) -> AbstractDriver:
        given = {"driver_type": "rust", "hosts": [cassandra_node.host], "port": cassandra_node.port}
        opened.append(open_driver(build_config(**(given | options))))
        return opened[-1]

    yield open_
    for driver in opened:
        driver.close()


@pytest.fixture(scope="session")
def driver(connect: Callable[..., AbstractDriver]) -> AbstractDriver:
    """A driver with a keyspace of these tests' own."""
    replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}"
    connect().execute(f"CREATE KEYSPACE IF NOT EXISTS {KEYSPACE} WITH replication = {replication}", [])
    driver = connect(keyspace=KEYSPACE)
    driver.execute("CREATE TYPE IF NOT EXISTS point (x int, label text)", [])
    columns = ", ".join(f"{name} {cql_type}" for name, cql_type in COLUMNS.items())
    driver.execute(f"CREATE TABLE IF NOT EXISTS things (k text PRIMARY KEY, {columns})", [])
    return driver
