"""Which of three real nodes a request goes to, while they come, go, and share rows in another way."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from cassandra.cluster import EXEC_PROFILE_DEFAULT
from tests.conftest import open_driver

from coodie.drivers.cassandra.fastpath.routing import Route
from coodie.registry import DriverRegistry, using_registry
from coodie_local import LocalCluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [
    pytest.mark.server,
    pytest.mark.reliability,
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(os.environ.get("COODIE_HOSTS")), reason="it kills a node of its own"),
]

_PATIENCE = 120.0

#: Each key is asked for so often: one of three replicas is missing once in 10**7.
_ASKED = 40
_KEYS = [number.to_bytes(4, "big") for number in range(25)]


@pytest.fixture
def cluster(tmp_path: Any) -> Iterator[LocalCluster]:
    """Start three nodes."""
    with LocalCluster("choosing", nodes=3, directory=tmp_path, timeout=300) as running:
        running.create_keyspace("ks")
        yield running


@pytest.fixture
def driver(cluster: LocalCluster, backend: str) -> Iterator[Any]:
    """Connect."""
    with using_registry(DriverRegistry()):
        opened = open_driver(backend, **cluster.connection_options() | {"request_timeout": 60})
    with opened:
        yield opened


def _firsts(driver: Any) -> tuple[list[set[Any]], list[set[Any]]]:
    """Return for each key the nodes that requests go to first, and those that the policy names first."""
    path, session = driver._client.fast, driver.session
    policy = session.get_execution_profile(EXEC_PROFILE_DEFAULT).load_balancing_policy
    ours, theirs = [], []
    for key in _KEYS:
        route = Route("ks", "t", key, 1, conditional=False)
        ours.append({path._router.first_host(policy, route) for _ in range(_ASKED)})
        plans = [path._router.hosts(policy, route) for _ in range(_ASKED)]
        theirs.append({next(host for host in plan if host.is_up) for plan in plans})
    return ours, theirs


def _are_of(size: int, found: list[set[Any]]) -> bool:
    return all(len(one) == size for one in found)


def _agree_when(driver: Any, condition: Callable[[list[set[Any]]], bool]) -> None:
    """Wait until the policy names nodes as a change would have it; at each moment both choose the same."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        before, (ours, theirs), after = _up(driver), _firsts(driver), _up(driver)
        if before == after and condition(theirs):
            assert ours == theirs
            return
        assert time.monotonic() < deadline
        time.sleep(0.2)


def _up(driver: Any) -> list[Any]:
    return [host for host in driver.session.cluster.metadata.all_hosts() if host.is_up]


def _replicate(driver: Any, count: int) -> None:
    driver.execute(
        f"ALTER KEYSPACE ks WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': {count}}}",
        [],
    )


def test_as_the_policy_chooses(cluster: LocalCluster, driver: Any) -> None:
    """With three replicas, two and one; with a node that dies, and is back."""
    driver.execute("CREATE TABLE ks.t (k int PRIMARY KEY, v int)", [])
    shuffled = driver.session.cluster.profile_manager.default.load_balancing_policy.shuffle_replicas
    for replicas in (3, 2, 1):
        _replicate(driver, replicas)
        several = replicas if shuffled else 1
        _agree_when(driver, partial(_are_of, several))
    _replicate(driver, 3)
    cluster.nodes[2].kill()
    _agree_when(driver, lambda found: len(set().union(*found)) == 2)
    rows = [driver.execute("SELECT v FROM ks.t WHERE k = ?", [number]) for number in range(30)]
    assert rows == [[]] * 30
    cluster.nodes[2].restart()
    _agree_when(driver, lambda found: len(set().union(*found)) == 3)
