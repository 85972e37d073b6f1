"""The fast path, the driver's path, both with the accelerator and without, and the raw driver do the same.

Each seed is a table, of which each way has one. Each way writes the same to its table; then each way reads
its own and the raw driver's, by pages of many sizes: all see the same values of the same types, and the same
borders of pages. COODIE_SEEDS says which seeds: 17, or 0-999.
"""

from __future__ import annotations

import asyncio
import os
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import open_driver
from tests.differential.clients import Client, RawClient, has_accelerator
from tests.differential.tables import Plan, Request
from tests.integration.ways import Ways

from coodie.registry import DriverRegistry, using_registry
from coodie_testing.api import SCHEMA_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.differential.cqlvalues import ValueType

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]

_FIRST, _, _LAST = os.environ.get("COODIE_SEEDS", "0-24").partition("-")
_SEEDS = range(int(_FIRST), int(_LAST or _FIRST) + 1)
#: Beyond so many seeds, tables are dropped at once, which takes seconds: a node's heap holds thousands.
_MANY = 100


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Make the loop of all async requests."""
    made = asyncio.new_event_loop()
    yield made
    made.close()


@pytest.fixture(scope="module")
def clients(
    cassandra_node: Any, backend: str, loop: asyncio.AbstractEventLoop
) -> Iterator[dict[str, Client]]:
    """Connect each way; see that requests went that way."""
    made: dict[str, Client] = {}
    ways: dict[str, Ways] = {}
    for fast_path in (True, False):
        for accelerated in (True, False) if has_accelerator() else (False,):
            name = f"{'fast' if fast_path else 'driver'}{'_accelerated' if accelerated else ''}"
            with using_registry(DriverRegistry()):
                options = cassandra_node.connection_options() | {
                    "fast_path": fast_path,
                    "request_timeout": 60,
                }
                opened = open_driver(backend, **options)
            made[name] = Client(opened, loop, accelerated=accelerated)
            ways[name] = Ways(opened)
            if fast_path:
                ways[name].warm("SELECT key FROM system.local WHERE key = ?", ["local"])
                loop.run_until_complete(
                    ways[name].warm_async("SELECT key FROM system.local WHERE key = ?", ["local"])
                )
    before = {name: each.drivers for name, each in ways.items()}
    yield made
    sent = {name: each.drivers - before[name] for name, each in ways.items()}
    for client in made.values():
        client.driver.close()
    for name, count in sent.items():
        other = name.replace("fast", "driver")
        assert name == other or count <= sent[other] / 2, sent


@pytest.fixture(scope="module")
def raw(cassandra_node: Any, clients: dict[str, Client]) -> Iterator[RawClient]:
    """Connect with the raw driver, and its own connections."""
    from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
    from cassandra.policies import RoundRobinPolicy
    from cassandra.query import dict_factory

    theirs = next(iter(clients.values())).driver.session.cluster.connection_class
    own = next(each for each in theirs.__mro__ if each.__module__.startswith("cassandra."))
    profile = ExecutionProfile(RoundRobinPolicy(), row_factory=dict_factory, request_timeout=60)
    options = {
        "port": cassandra_node.port,
        "connection_class": own,
        "execution_profiles": {EXEC_PROFILE_DEFAULT: profile},
    }
    with Cluster([cassandra_node.host], **options) as cluster:
        yield RawClient(cluster.connect())


@dataclass
class Run:
    """What a seed does."""

    seed: int
    clients: dict[str, Client]
    raw: RawClient
    #: Makes the tables.
    driver: Any
    keyspace: str

    def __post_init__(self) -> None:
        self.plan = Plan(self.seed)
        self.rng = random.Random(self.seed)

    def table(self, way: str) -> str:
        """Return the table of a way."""
        return f"{self.keyspace}.t{self.seed}_{way}"

    def make_tables(self) -> None:
        """Make a table for each way."""
        for user_type in self.plan.user_types:
            create = f"CREATE TYPE {self.keyspace}.{user_type.name} ({user_type.cql})"
            self.driver.execute(create, [], timeout=SCHEMA_TIMEOUT)
        for way in ("raw", *self.clients):
            create = f"CREATE TABLE {self.table(way)} {self.plan.definition()}"
            self.driver.execute(create, [], timeout=SCHEMA_TIMEOUT)

    def drop_tables(self) -> None:
        """Make room for others."""
        for way in ("raw", *self.clients):
            self.driver.execute(f"DROP TABLE {self.table(way)}", [], timeout=SCHEMA_TIMEOUT)

    def write(self, count: int) -> None:
        """Write the same each way."""
        for request in self.plan.writes(count):
            wanted = self.raw.write(request, self.table("raw"), self.plan.types())
            for way, client in self.clients.items():
                got = client.write(request, self.table(way), is_async=self.rng.random() < 0.5)
                assert got == wanted, (way, request)

    def read(self) -> None:
        """Read each way."""
        for request in self.plan.reads():
            types: Mapping[str, ValueType] = self.plan.types() | request.outside
            fetch_size = self.rng.choice([1, 2, 3, 5, 100])
            wanted = self.raw.pages(request, self.table("raw"), fetch_size, types)
            rows = [row for page in wanted for row in page]
            for way, client in self.clients.items():
                theirs = self.raw.pages(request, self.table(way), fetch_size, types)
                assert theirs == wanted, (way, "wrote something else", request)
                for table in ("raw", way):
                    self._compare(client, request, (table, fetch_size), (wanted, rows))

    def scan(self) -> None:
        """Scan each way's table: each row comes once, as a SELECT returns it."""
        everything = Request("SELECT * FROM {table}")
        for way, client in self.clients.items():
            table = self.table(way)
            wanted = client.all_rows(everything, table, is_async=False)
            names = [column.name for column in self.driver.execute(f"SELECT * FROM {table}", []).columns]
            for is_async in (False, True):
                found = client.scan(table, names, self.rng, is_async=is_async)
                assert sorted(found, key=repr) == sorted(wanted, key=repr), (way, is_async)

    def _compare(
        self, client: Client, request: Request, where: tuple[str, int], wanted: tuple[Any, Any]
    ) -> None:
        table, fetch_size = self.table(where[0]), where[1]
        pages, rows = wanted
        is_async = self.rng.random() < 0.5
        assert client.pages(request, table, fetch_size, is_async=is_async) == pages, (
            where,
            is_async,
            request,
        )
        assert client.all_rows(request, table, is_async=not is_async) == rows, (where, is_async, request)
        assert client.stream(request, table, fetch_size, is_async=is_async) == rows, (
            where,
            is_async,
            request,
        )


@pytest.mark.parametrize("seed", _SEEDS)
def test_all_ways_are_the_same(
    seed: int, clients: dict[str, Client], raw: RawClient, driver: Any, keyspace: str
) -> None:
    """All ways return the same for any table, statements and page size."""
    run = Run(seed, clients, raw, driver, keyspace)
    run.make_tables()
    try:
        run.write(12)
        run.read()
        run.scan()
        change = run.plan.add_column()
        for way in ("raw", *clients):
            driver.execute(f"ALTER TABLE {run.table(way)} {change}", [])
        run.write(8)
        run.read()
        run.scan()
    except Exception as exc:
        raise AssertionError(f"again: COODIE_SEEDS={seed} make differential") from exc
    if len(_SEEDS) > _MANY:
        run.drop_tables()
