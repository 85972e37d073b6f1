"""sync_table while one of three nodes is stopped or dead: in time, and the node is named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import Api, open_driver
from tests.integration.schema_rows import new_name
from tests.integration.schema_workers import BASE

from coodie.registry import DriverRegistry, using_registry
from coodie.schema import NetworkTopologyStrategy, SyncOptions
from coodie_local import LocalCluster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from coodie_local.node import ClusterNode

pytestmark = [
    pytest.mark.server,
    pytest.mark.reliability,
    pytest.mark.timeout(400),
    pytest.mark.skipif(bool(os.environ.get("COODIE_HOSTS")), reason="it stops nodes of its own"),
]

KEYSPACE = "silenced"
#: Seconds for each request, and until the nodes agree.
TIMEOUT, AGREEMENT = 6.0, 2.0
#: What a busy machine may add to that.
GRACE = 6.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """Start three nodes."""
    with LocalCluster("silent", nodes=3, directory=tmp_path_factory.mktemp("silent"), timeout=300) as running:
        yield running


def by_host_id(driver: Any) -> list[Any]:
    """Return the nodes in the order in which syncs choose one."""
    return sorted(driver.session.cluster.metadata.all_hosts(), key=lambda host: str(host.host_id))


@pytest.fixture(params=[True, False], ids=["fast", "driver's way"])
def driver(cluster: LocalCluster, backend: str, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Connect, with the control connection to the second node in that order."""
    options = {"port": cluster.port, "fast_path": request.param, "request_timeout": 10}
    with using_registry(DriverRegistry()):
        with open_driver(backend, hosts=[cluster.hosts[0]], **options) as first:
            second = by_host_id(first)[1].address
        with open_driver(backend, hosts=[second], name="second", **options) as driver:
            replication = NetworkTopologyStrategy(replication_factor=3)
            asked = SyncOptions(create_keyspace=replication, agreement_timeout=60)
            assert driver.sync_table(new_name(), KEYSPACE, BASE, options=asked).warnings == ()
            assert driver.session.cluster.get_control_connection_host().address == second
            yield driver


@pytest.fixture(params=[0, 2], ids=["chosen", "other"])
def victim(cluster: LocalCluster, driver: Any, request: pytest.FixtureRequest) -> Iterator[ClusterNode]:
    """Name the node that a sync goes through, or another; none of them has the control connection."""
    address = by_host_id(driver)[request.param].address
    (node,) = [node for node in cluster.nodes if node.host == address]
    yield node
    node.kill()  # a node that was stopped takes a minute to learn of what it has missed
    node.restart()


async def assert_told_in_time(api: Api, node: ClusterNode) -> None:
    """A table is made within the limits, and the node is named or known to be down."""
    started = time.monotonic()
    result = await api.sync_table(
        new_name(), KEYSPACE, BASE, options=SyncOptions(timeout=TIMEOUT, agreement_timeout=AGREEMENT)
    )
    # Reading takes one request's time at most, the nodes agree or don't before and after the change.
    assert time.monotonic() - started < TIMEOUT + 2 * AGREEMENT + GRACE
    assert len(result) == 1
    assert any(node.host in warning for warning in result.warnings) or not node.alive, result.warnings


async def test_a_node_that_is_stopped(driver: Any, victim: ClusterNode) -> None:
    """Stopped, it takes connections and answers nothing: it's named, and the others have the table."""
    victim.pause()
    for is_async in (False, True):
        await assert_told_in_time(Api(driver, is_async=is_async), victim)


async def test_a_node_that_is_killed(driver: Any, victim: ClusterNode) -> None:
    """Dead, it is named until it is known to be down."""
    victim.kill()
    for is_async in (False, True):
        await assert_told_in_time(Api(driver, is_async=is_async), victim)


#: A process of its own, which syncs a new table when it is told to, and writes to it by way of each node.
_WORKER = """
import json, sys
import coodie
from cassandra.policies import WhiteListRoundRobinPolicy
from coodie.exceptions import CoodieError, InvalidQueryError
from coodie.schema import ColumnDefinition, SyncOptions

hosts, port, backend, keyspace, table = json.loads(sys.argv[1])
where = {"port": port, "driver_type": backend, "request_timeout": 10}
driver = coodie.init_coodie(hosts, **where)
nodes = {}
for host in hosts:
    policy = WhiteListRoundRobinPolicy([host])
    nodes[host] = coodie.init_coodie([host], name=host, load_balancing_policy=policy, **where)
print("ready", flush=True)
sys.stdin.readline()
unknown, warnings = [], ["it failed"]
try:
    cols = [ColumnDefinition("id", "int", primary_key=True), ColumnDefinition("x", "int")]
    warnings = driver.sync_table(table, keyspace, cols, options=SyncOptions(agreement_timeout=5)).warnings
except CoodieError:
    pass  # the node was killed that was to make the table
else:
    for host, node in nodes.items():
        try:
            node.execute(f"INSERT INTO {keyspace}.{table} (id, x) VALUES (1, 2)", [], timeout=2)
        except InvalidQueryError:
            unknown.append(host)
        except CoodieError:
            pass  # it's the one that is dead
print(json.dumps([unknown, warnings]), flush=True)
driver.close()
"""


def test_processes_while_a_node_is_killed(
    driver: Any, victim: ClusterNode, cluster: LocalCluster, backend: str
) -> None:
    """Where a sync has returned, the table can be used on all nodes that are up, or they are named."""
    where = json.dumps([list(cluster.hosts), cluster.port, backend, KEYSPACE, new_name()])
    assert driver.ping()
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    workers: list[Any] = [subprocess.Popen([sys.executable, "-c", _WORKER, where], **pipes) for _ in range(8)]
    try:
        for worker in workers:
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            worker.stdin.write("\n")
            worker.stdin.flush()
        victim.kill()
        outcomes = [json.loads(worker.communicate(timeout=120)[0]) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
    for unknown, warnings in outcomes:
        assert all(any(host in warning for warning in warnings) for host in unknown), (unknown, warnings)
    assert any(warnings != ["it failed"] for _, warnings in outcomes)


def test_the_command_names_the_node(
    driver: Any, victim: ClusterNode, cluster: LocalCluster, backend: str, tmp_path: Path
) -> None:
    """`coodie schema sync` prints the same words, to stderr."""
    others = ",".join(f"{host}:{cluster.port}" for host in cluster.hosts if host != victim.host)
    url = f"{backend}://{others}/{KEYSPACE}?request_timeout={TIMEOUT:g}"
    (tmp_path / "coodie.toml").write_text(f'[connections.main]\nurl = "{url}"\n')
    (tmp_path / "tables.py").write_text(
        "from coodie.schema import ColumnDefinition, TableDefinition\n"
        "KEY = ColumnDefinition('id', 'int', primary_key=True)\n"
        f"ALL = TableDefinition(table={new_name()!r}, columns=[KEY])\n"
    )
    victim.pause()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COODIE_")}
    command = [sys.executable, "-m", "coodie", "schema", "sync", "tables:ALL"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=90
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("CREATE TABLE")
    assert victim.host in done.stderr
