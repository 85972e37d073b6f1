"""Nodes killed under load: what was acknowledged is there afterwards."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import open_driver

from coodie import RequestOptions
from coodie.exceptions import CoodieError
from coodie.registry import DriverRegistry, using_registry
from coodie_local import LocalCluster, LocalNode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.server, pytest.mark.reliability, pytest.mark.timeout(600)]

_AT_LEAST = 1000
_ROUNDS = 5


class Writer:
    """Write rows of ascending keys from several threads, and remember which were acknowledged."""

    def __init__(self, driver: Any, first: int = 0) -> None:
        self._driver = driver
        self._next = iter(range(first, 1 << 30))
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._write) for _ in range(8)]
        self.acknowledged: set[int] = set()
        self.failures: list[CoodieError] = []

    def __enter__(self) -> Writer:  # noqa: PYI034 - nothing derives from it
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, more: int, seconds: float = 60) -> None:
        """Wait until so many more rows were acknowledged."""
        wanted = len(self.acknowledged) + more
        deadline = time.monotonic() + seconds
        while len(self.acknowledged) < wanted:
            assert time.monotonic() < deadline, (
                f"no {more} more rows; the last failures: {self.failures[-3:]}"
            )
            time.sleep(0.002)

    def _write(self) -> None:
        while not self._ended.is_set():
            with self._lock:
                key = next(self._next)
            try:
                self._driver.execute(
                    "INSERT INTO ks.t (a, b) VALUES (?, ?)",
                    [key, str(key)],
                    options=RequestOptions(idempotent=True),
                )
            except CoodieError as error:
                self.failures.append(error)
                time.sleep(0.01)
            else:
                self.acknowledged.add(key)


@pytest.fixture
def opened(backend: str) -> Iterator[Callable[..., Any]]:
    """Connect to local nodes."""
    drivers: list[Any] = []
    with using_registry(DriverRegistry()):

        def connect(cluster: LocalCluster, **options: Any) -> Any:
            arguments = cluster.connection_options() | {"request_timeout": 10} | options
            drivers.append(open_driver(backend, name=f"n{len(drivers)}", **arguments))
            return drivers[-1]

        yield connect
        for driver in drivers:
            driver.close()


def found(driver: Any) -> set[int]:
    """Read all keys."""
    return {row["a"] for row in driver.execute("SELECT a FROM ks.t", [], timeout=60)}


def test_a_durable_node_loses_no_acknowledged_write(tmp_path: Path, opened: Callable[..., Any]) -> None:
    """A durable node loses no acknowledged row by SIGKILL during writes, in five repetitions."""
    acknowledged: set[int] = set()
    with LocalNode("durable", directory=tmp_path / "node", profile="durable") as node:
        node.create_keyspace("ks")
        driver = opened(node)
        driver.execute("CREATE TABLE ks.t (a int PRIMARY KEY, b text)", [])
        for round_ in range(_ROUNDS):
            with Writer(driver, first=round_ * 1_000_000) as writer:
                writer.wait_for(_AT_LEAST)
                node.nodes[0].kill()
            acknowledged |= writer.acknowledged
            assert writer.failures
            driver.close()
            node.nodes[0].restart()
            driver = opened(node)
            assert acknowledged - found(driver) == set()
    assert len(acknowledged) >= _ROUNDS * _AT_LEAST


def test_three_nodes_go_on_while_each_is_killed_and_started(
    tmp_path: Path, opened: Callable[..., Any]
) -> None:
    """At QUORUM, writes continue with any one node killed, and no node lacks an acknowledged row."""
    with LocalCluster("rolling", nodes=3, directory=tmp_path / "cluster") as cluster:
        cluster.create_keyspace("ks")
        driver = opened(cluster, consistency="QUORUM")
        driver.execute("CREATE TABLE ks.t (a int PRIMARY KEY, b text)", [])
        with Writer(driver) as writer:
            for node in cluster.nodes:
                writer.wait_for(200)
                node.kill()
                writer.wait_for(_AT_LEAST)
                node.restart()
            writer.wait_for(200)
        for host in cluster.hosts:
            alone = opened(cluster, hosts=[host], consistency="QUORUM")
            assert writer.acknowledged - found(alone) == set()
        assert len(writer.failures) < len(writer.acknowledged) / 100
