"""Scans on three nodes: each range is read from a replica, each row once while nodes are killed or added."""

from __future__ import annotations

import ipaddress
import json
import os
import random
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import open_driver

from coodie.observers import RequestFinished, observing
from coodie.observers.recorder import Recorder
from coodie.registry import DriverRegistry, using_registry
from coodie.scan import ScanOptions
from coodie_local import LocalCluster, _settings
from coodie_local._start import restart_nodes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [
    pytest.mark.server,
    pytest.mark.reliability,
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(os.environ.get("COODIE_HOSTS")), reason="it kills nodes of its own"),
]

_NODES = 3
_SEED_PROVIDER = "org.apache.cassandra.locator.SimpleSeedProvider"

_PARTITIONS = 400

#: Long enough for a restart on a busy machine, which took 150 s: the timeout of the cluster ends before.
_RETRIES = 100

#: Seconds until all nodes know of a new keyspace or table.
_AGREEMENT = 120


@pytest.fixture(scope="module", params=[1, 16], ids=["1 vnode", "16 vnodes"])
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Start three nodes, each of which has one range of the ring, or sixteen."""
    count = request.param

    def ring(plan: Any) -> dict[str, object]:
        dice = random.Random(plan.token)
        tokens = [plan.token, *(dice.randrange(-(2**63), 2**63) for _ in range(count - 1))]
        settings = one_token(plan) | {"num_tokens": count, "initial_token": ",".join(map(str, tokens))}
        if plan.index == _NODES:  # A node that joins takes its data from the others, which a seed never does.
            seeds = ", ".join(f"{host}:{plan.ports.storage}" for host in plan.hosts[:_NODES])
            provider = {"class_name": _SEED_PROVIDER, "parameters": [{"seeds": seeds}]}
            settings |= {"auto_bootstrap": True, "seed_provider": [provider]}
        return settings

    one_token = _settings._ring
    directory = tmp_path_factory.mktemp("scan") / "cluster"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_settings, "_ring", ring)
        with LocalCluster(f"scan{count}", nodes=_NODES, directory=directory, timeout=300) as running:
            yield running


@pytest.fixture(scope="module")
def driver(cluster: LocalCluster, backend: str) -> Iterator[Any]:
    """Connect."""
    with using_registry(DriverRegistry()):
        opened = open_driver(backend, **cluster.connection_options() | {"request_timeout": 20})
    with opened:
        # The next statement may be executed by another node, which has to know the keyspace.
        opened.session.cluster.max_schema_agreement_wait = _AGREEMENT
        yield opened


@pytest.fixture(scope="module")
def filled(driver: Any) -> dict[str, list[tuple[int, int]]]:
    """Fill a table with wide partitions in keyspaces with one, two and three replicas; return the keys."""
    dice = random.Random(3)
    keys = [(p, c) for p in range(_PARTITIONS) for c in range(dice.choice([1, 2, 5, 60]))]
    for replicas in (1, 2, 3):
        replication = f"{{'class': 'SimpleStrategy', 'replication_factor': {replicas}}}"
        driver.execute(
            f"CREATE KEYSPACE of{replicas} WITH replication = {replication}", [], timeout=_AGREEMENT
        )
        create = f"CREATE TABLE of{replicas}.t (p int, c int, v text, PRIMARY KEY (p, c))"
        driver.execute(create, [], timeout=_AGREEMENT)
        insert = f"INSERT INTO of{replicas}.t (p, c, v) VALUES (?, ?, ?)"
        _write(driver, insert, [[p, c, "x" * 50] for p, c in keys])
    return {f"of{replicas}.t": keys for replicas in (1, 2, 3)}


def _write(driver: Any, insert: str, rows: list[list[Any]]) -> None:
    """Write all rows to all replicas; on a busy machine, some of the writes have to be repeated."""
    for _ in range(20):
        result = driver.execute_many(insert, rows, consistency="ALL", concurrency=16, raise_on_error=False)
        rows = [rows[index] for index in result.errors]
        if not rows:
            break
    assert rows == []


def _keys(rows: list[dict[str, Any]]) -> list[tuple[int, int]]:
    return sorted((row["p"], row["c"]) for row in rows)


@pytest.mark.parametrize("fast_path", [True, False], ids=["fast", "driver's"])
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_each_range_at_its_own_replica(
    cluster: LocalCluster, filled: Any, backend: str, fast_path: bool, is_async: bool
) -> None:
    """Of a table with one replica, each page of a range comes from the node that has the range."""
    with using_registry(DriverRegistry()):
        driver = open_driver(backend, fast_path=fast_path, **cluster.connection_options())
    with driver:
        ring = driver.session.cluster.metadata.token_map
        recorder = Recorder()
        options = ScanOptions(fetch_size=200)
        with observing(recorder):
            if is_async:
                rows = [row async for row in driver.scan_async("of1.t", options=options)]
            else:
                rows = list(driver.scan("of1.t", options=options))
        assert _keys(rows) == filled["of1.t"]
        asked = [event for event in recorder.of(RequestFinished) if "token(p)" in event.statement]
        assert len(asked) >= 32
        token = ring.token_class
        for event in asked:
            (owner,) = ring.get_replicas("of1", token(event.parameters[0]))
            assert event.host is not None
            assert event.host.host_id == owner.host_id


@pytest.mark.parametrize("table", ["of2.t", "of3.t"])
def test_a_node_dies_and_comes_back(cluster: LocalCluster, driver: Any, filled: Any, table: str) -> None:
    """Every row comes once though each node in turn is killed and started again in the middle of a scan."""
    for node in cluster.nodes:
        restarting = _Restarting(node.restart)
        rows = []
        with driver.scan(table, options=ScanOptions(fetch_size=50, retries=_RETRIES)) as scan:
            for row in scan:
                rows.append(row)
                if len(rows) == 500:
                    node.kill()
                    restarting.start()
        restarting.finish()
        assert _keys(rows) == filled[table]


def test_the_only_replica_is_restarted(cluster: LocalCluster, driver: Any, filled: Any) -> None:
    """Where a range has one replica, the scan waits for it; async, and resumed from checkpoints meanwhile."""
    import asyncio

    async def scan() -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        checkpoint, restarting = None, _Restarting(cluster.nodes[1].restart)
        while True:
            count = 0
            options = ScanOptions(fetch_size=50, retries=_RETRIES, timeout=5)
            async with driver.scan_async("of1.t", checkpoint=checkpoint, options=options) as running:
                async for row in running:
                    rows.append(row)
                    count += 1
                    if len(rows) == 500:
                        cluster.nodes[1].kill()
                        restarting.start()
                    if count == 777:
                        break
                else:
                    restarting.finish()
                    return rows
                checkpoint = json.loads(json.dumps(running.checkpoint()))

    assert _keys(asyncio.run(scan())) == filled["of1.t"]


def test_a_fourth_node_joins(cluster: LocalCluster, driver: Any, filled: Any) -> None:
    """Every row comes once though the ring changes in the middle of a scan, and in the scans afterwards."""
    joining = _Restarting(lambda: _join(cluster))
    rows = []
    with driver.scan("of2.t", options=ScanOptions(fetch_size=50, retries=_RETRIES)) as scan:
        for row in scan:
            rows.append(row)
            if len(rows) == 500:
                joining.start()
            elif len(rows) == 1_000:
                joining.finish()
    assert _keys(rows) == filled["of2.t"]
    _wait_for_hosts(driver, _NODES + 1)
    for table, keys in filled.items():
        assert _keys(driver.scan(table, options=ScanOptions(fetch_size=200))) == keys


def _join(cluster: LocalCluster) -> None:
    """Start a fourth node; return when it has joined the ring with its part of the data."""

    def start(running: Any, attempt: Any) -> None:
        fourth = str(ipaddress.ip_address(running.state.hosts[-1]) + 1)
        running.state = replace(running.state, hosts=(*running.state.hosts, fourth))
        restart_nodes(running, [_NODES], attempt)

    with pytest.MonkeyPatch.context() as patch:
        # As on a real cluster, it waits for the schema, and takes each range from the node that gives it up.
        patch.setattr(_settings, "_TOGETHER", {"cassandra.ring_delay_ms": "10000"})
        cluster._lease.change(start)


def _wait_for_hosts(driver: Any, count: int) -> None:
    deadline = time.monotonic() + _AGREEMENT
    while sum(bool(host.is_up) for host in driver.session.cluster.metadata.all_hosts()) < count:
        assert time.monotonic() < deadline, "the driver doesn't know the new node"
        time.sleep(0.1)


class _Restarting(threading.Thread):
    """Starts a node in the background."""

    def __init__(self, restart: Callable[[], None]) -> None:
        super().__init__()
        self._restart = restart
        self._raised: Exception | None = None

    def run(self) -> None:
        try:
            self._restart()
        except Exception as exc:  # noqa: BLE001 - raised in the test
            self._raised = exc

    def finish(self) -> None:
        """Wait for it, and raise what it raised."""
        self.join(300)
        assert not self.is_alive()
        if self._raised is not None:
            raise self._raised
