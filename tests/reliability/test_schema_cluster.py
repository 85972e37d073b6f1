"""sync_table on three nodes: one of them puts the changes in order, and all agree in the end."""

from __future__ import annotations

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.schema_rows import new_name
from tests.integration.schema_workers import BASE, GROWN, Workers

import coodie
from coodie.registry import DriverRegistry, using_registry
from coodie.schema import NetworkTopologyStrategy, SyncOptions
from coodie_local import LocalCluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [
    pytest.mark.server,
    pytest.mark.reliability,
    pytest.mark.timeout(400),
    pytest.mark.skipif(bool(os.environ.get("COODIE_HOSTS")), reason="it kills nodes of its own"),
]

KEYSPACE = "clustered"
OPTIONS = SyncOptions(create_keyspace=NetworkTopologyStrategy(replication_factor=3), agreement_timeout=60)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """Start three nodes."""
    directory = tmp_path_factory.mktemp("cluster")
    with LocalCluster("schema", nodes=3, directory=directory, timeout=300) as running:
        yield running


@pytest.fixture
def connect(cluster: LocalCluster, backend: str) -> Iterator[Callable[..., Any]]:
    """Connect to the cluster by way of one of its nodes."""
    opened: list[Any] = []

    def connect(index: int, **options: Any) -> Any:
        hosts = [cluster.hosts[index]]
        driver = coodie.init_coodie(
            hosts,
            port=cluster.port,
            driver_type=backend,
            request_timeout=60,
            name=str(len(opened)),
            **options,
        )
        opened.append(driver)
        return driver

    with using_registry(DriverRegistry()):
        yield connect
        for driver in opened:
            driver.close()


def only(host: str) -> Any:
    """Return a policy that uses one node alone."""
    from cassandra.policies import WhiteListRoundRobinPolicy

    return WhiteListRoundRobinPolicy([host])


async def seen_by(cluster: LocalCluster, connect: Callable[..., Any], table: str) -> list[Any]:
    """Return what each node holds: the schema's version, the table's columns and indexes."""
    seen = []
    for index, host in enumerate(cluster.hosts):
        node = connect(index, load_balancing_policy=only(host))
        version = node.execute_one("SELECT schema_version FROM system.local", [])
        where = "WHERE keyspace_name = ? AND table_name = ?"
        columns = node.execute(f"SELECT column_name FROM system_schema.columns {where}", [KEYSPACE, table])
        indexes = node.execute(f"SELECT index_name FROM system_schema.indexes {where}", [KEYSPACE, table])
        names = {row["column_name"] for row in columns}, {row["index_name"] for row in indexes}
        seen.append((version, *names))
    return seen


async def assert_converged(cluster: LocalCluster, connect: Callable[..., Any], table: str) -> None:
    """All nodes have the grown table, in the same version of the schema."""
    first, *others = await seen_by(cluster, connect, table)
    assert first[1:] == ({"id", "x", "y", "z"}, {f"{table}_z_idx"})
    assert others == [first, first]


async def test_tasks_and_processes(cluster: LocalCluster, connect: Callable[..., Any], backend: str) -> None:
    """40 tasks and 8 processes sync at once through all nodes; all succeed, and each change is made once."""
    table = new_name()
    drivers = [connect(index) for index in range(3)]
    drivers[0].sync_table(table, KEYSPACE, BASE, options=OPTIONS)
    hosts = [cluster.hosts[n % 3] for n in range(8)]
    with Workers(hosts, cluster.port, backend, KEYSPACE, table) as workers:
        workers.go()
        tasks = [drivers[n % 3].sync_table_async(table, KEYSPACE, GROWN, options=OPTIONS) for n in range(40)]
        results = [*await asyncio.gather(*tasks), *workers.executed()]
    added = [statement for result in results for statement in result if "ADD" in statement]
    assert added == [f"ALTER TABLE {KEYSPACE}.{table} ADD (y text, z int)"]
    await assert_converged(cluster, connect, table)
    assert [driver.sync_table(table, KEYSPACE, GROWN) for driver in drivers] == [[], [], []]


async def test_tasks_and_processes_that_create(
    cluster: LocalCluster, connect: Callable[..., Any], backend: str
) -> None:
    """Concurrent tasks and processes also create a new table without conflicts."""
    table = new_name()
    drivers = [connect(index) for index in range(3)]
    drivers[0].sync_table("first", KEYSPACE, BASE, options=OPTIONS)
    with Workers(list(cluster.hosts), cluster.port, backend, KEYSPACE, table) as workers:
        workers.go()
        tasks = [drivers[n % 3].sync_table_async(table, KEYSPACE, GROWN, options=OPTIONS) for n in range(40)]
        await asyncio.gather(*tasks)
        workers.executed()
    await assert_converged(cluster, connect, table)


async def test_everything_of_a_sync_goes_to_one_node(
    cluster: LocalCluster, connect: Callable[..., Any]
) -> None:
    """All drivers send the reads and changes of sync_table to the same node."""
    asked: list[Any] = []
    for index in range(3):
        driver = connect(index)
        driver.session.add_request_init_listener(asked.append)
        for _ in range(2):
            driver.sync_table(new_name(), KEYSPACE, GROWN, options=OPTIONS)
    probes = [future for future in asked if "IN ()" in future.query.query_string]
    others = [future for future in asked if future not in probes]
    assert len(others) > 6 * 8
    assert len({host.address for future in others for host in future.attempted_hosts}) == 1
    assert len({host.address for future in probes for host in future.attempted_hosts}) == 3


async def test_nodes_that_accept_the_same_change(cluster: LocalCluster, connect: Callable[..., Any]) -> None:
    """Programs that can't reach the same node all succeed, and the schema converges."""
    table = new_name()
    connect(0).sync_table(table, KEYSPACE, BASE, options=OPTIONS)
    drivers = [connect(n, load_balancing_policy=only(host)) for n, host in enumerate(cluster.hosts)]
    with ThreadPoolExecutor(12) as pool:
        list(
            pool.map(lambda n: drivers[n % 3].sync_table(table, KEYSPACE, GROWN, options=OPTIONS), range(12))
        )
    await assert_converged(cluster, connect, table)


async def test_an_index_is_built_on_every_node(cluster: LocalCluster, connect: Callable[..., Any]) -> None:
    """After sync_table has created an index, a query that needs it works on each node."""
    table = new_name()
    driver = connect(0)
    driver.sync_table(table, KEYSPACE, [*BASE, *GROWN[2:3]], options=OPTIONS)
    rows = ([n, n % 10, "y"] for n in range(1000))
    driver.execute_many(f"INSERT INTO {KEYSPACE}.{table} (id, x, y) VALUES (?, ?, ?)", rows)
    waiting = SyncOptions(wait_for_indexes=120, agreement_timeout=60)
    driver.sync_table(table, KEYSPACE, GROWN, options=waiting)
    for index, host in enumerate(cluster.hosts):
        node = connect(index, load_balancing_policy=only(host))
        assert node.execute(f"SELECT id FROM {KEYSPACE}.{table} WHERE z = ?", [1]) == []


async def test_the_node_that_orders_is_gone(cluster: LocalCluster, connect: Callable[..., Any]) -> None:
    """If the node for schema changes is down, another one is used; after its return, it has all changes."""
    table = new_name()
    driver = connect(0)
    driver.sync_table(table, KEYSPACE, BASE, options=OPTIONS)
    hosts = sorted(driver.session.cluster.metadata.all_hosts(), key=lambda host: str(host.host_id))
    (victim,) = [node for node in cluster.nodes if node.host == hosts[0].address]
    victim.kill()
    try:
        started = time.monotonic()
        result = await driver.sync_table_async(table, KEYSPACE, GROWN, options=SyncOptions(timeout=20))
        assert len(result) == 2
        assert time.monotonic() - started < 120
    finally:
        victim.restart()
    deadline = time.monotonic() + 120
    while len({version for version, *_ in await seen_by(cluster, connect, table)}) > 1:
        assert time.monotonic() < deadline
        await asyncio.sleep(1)
    await assert_converged(cluster, connect, table)
