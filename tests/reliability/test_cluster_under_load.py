"""Three nodes under load while they are killed, paused, cut off and restarted."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from itertools import cycle
from typing import TYPE_CHECKING

import pytest
from tests.conftest import open_driver
from tests.reliability.load import Load

from coodie.exceptions import (
    ConnectionFailedError,
    OverloadedError,
    RequestTimeoutError,
    ServerError,
    UnavailableError,
)
from coodie_local import LocalCluster
from coodie_testing.faults import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.reliability.load import Record

pytestmark = [pytest.mark.reliability, pytest.mark.server, pytest.mark.timeout(3600)]

#: Seconds under load for each way of asking: 60 is the short form, 600 the long one.
DURATION = float(os.environ.get("COODIE_RELIABILITY_SECONDS", "60"))
#: Seconds for each write.
TIMEOUT = 3.0
#: Seconds by which a write may exceed that on a machine that is busy with three JVMs.
SLACK = 7.0

#: What a write may end with while a node or two are gone.
RIGHT = (RequestTimeoutError, UnavailableError, ConnectionFailedError, OverloadedError, ServerError)


class Stage:
    """A cluster, a proxy in front of each node, and a connection through them."""

    def __init__(self, cluster: LocalCluster, backend: str, stack: ExitStack) -> None:
        from cassandra.policies import AddressTranslator, ConstantReconnectionPolicy

        self.nodes = cluster.nodes
        self.proxies = [
            stack.enter_context(FaultProxy(node.host, node.port, listen=(f"127.0.77.{number}", node.port)))
            for number, node in enumerate(cluster.nodes, start=1)
        ]
        addresses = {node.host: proxy.host for node, proxy in zip(self.nodes, self.proxies, strict=True)}

        class Through(AddressTranslator):  # type: ignore[misc]  # untyped driver
            """Leads to the proxies."""

            def translate(self, addr: str) -> str:
                """Return the proxy of a node."""
                return addresses.get(addr, addr)

        #: What comes next, and how many haven't been played yet.
        self.scenes = cycle(SCENES)
        self.left = len(SCENES)
        cluster.create_keyspace("load")
        self.driver = stack.enter_context(
            open_driver(
                backend,
                hosts=[self.proxies[0].host],
                port=cluster.port,
                request_timeout=20,
                address_translator=Through(),
                reconnection_policy=ConstantReconnectionPolicy(0.5, None),
            )
        )

    # --- what is done to it: each leaves the cluster whole ------------------------------

    def kill(self, index: int) -> None:
        """Kill -9, and restart."""
        self.nodes[index].kill()
        time.sleep(2)
        self.nodes[index].restart()

    def kill_contact_point(self) -> None:
        """The node that was connected to first, which the control connection goes to."""
        self.kill(0)

    def kill_control(self) -> None:
        """The node that the control connection goes to now."""
        connection = self.driver.session.cluster.control_connection._connection
        hosts = [proxy.host for proxy in self.proxies]
        # Without a connection, it is being opened: then it goes to any of them.
        self.kill(1 if connection is None else hosts.index(connection.endpoint.address))

    def kill_third(self) -> None:
        """The last node."""
        self.kill(2)

    def restart_rolling(self) -> None:
        """Each in turn, as a deployment does."""
        for node in self.nodes:
            node.restart()

    def two_down(self) -> None:
        """No quorum for a while."""
        self.nodes[1].kill()
        self.nodes[2].kill()
        time.sleep(3)
        self.nodes[1].restart()
        self.nodes[2].restart()

    def pause(self) -> None:
        """A node that holds its connections and doesn't answer."""
        self.nodes[1].pause()
        time.sleep(5)
        self.nodes[1].resume()

    def partition(self) -> None:
        """The client can't reach one node, which the others can."""
        self.proxies[2].partitioned = True
        time.sleep(5)
        self.proxies[2].partitioned = False
        self.proxies[2].cut()


#: In this order; async goes on where sync has ended, until each has been played.
SCENES: tuple[Callable[[Stage], None], ...] = (
    Stage.partition,
    Stage.pause,
    Stage.kill_contact_point,
    Stage.kill_control,
    Stage.kill_third,
    Stage.two_down,
    Stage.restart_rolling,
)


@pytest.fixture(scope="module")
def stage(backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Start the cluster."""
    directory: Path = tmp_path_factory.mktemp("load")
    with (
        LocalCluster("load", nodes=3, profile="durable", directory=directory) as cluster,
        ExitStack() as stack,
    ):
        yield Stage(cluster, backend, stack)


def _recovered(record: Record, normal: float) -> float:
    """Wait until half of the normal rate is back; return how many seconds that took."""
    healed = time.monotonic()
    while True:
        time.sleep(0.5)
        now = time.monotonic()
        if record.rate(now - 0.5, now) > normal / 2:
            return now - healed
        assert now - healed < 120, "the throughput didn't come back"


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_nothing_acknowledged_is_lost(
    is_async: bool, stage: Stage, record_property: Callable[[str, object], None]
) -> None:
    """Whatever happens to the nodes, what was acknowledged is there, nothing hangs, and errors are right."""
    table = f"load.writes_{'async' if is_async else 'sync'}"
    stage.driver.execute(f"CREATE TABLE {table} (worker int, n int, PRIMARY KEY (worker, n))", [])
    end = time.monotonic() + DURATION
    back: dict[str, list[float]] = {}
    with Load(stage.driver, table, is_async=is_async, workers=8, timeout=TIMEOUT) as load:
        time.sleep(4)
        now = time.monotonic()
        normal = load.record.rate(now - 2, now)
        while time.monotonic() < end or (is_async and stage.left > 0):
            scene = next(stage.scenes)
            scene(stage)
            stage.left -= 1
            back.setdefault(scene.__name__, []).append(_recovered(load.record, normal))
    record = load.record
    assert record.longest < TIMEOUT + SLACK
    assert [kind for kind in record.errors if not issubclass(kind, RIGHT)] == []
    missing = 0
    for worker, numbers in record.acknowledged.items():
        rows = stage.driver.execute(f"SELECT n FROM {table} WHERE worker = ?", [worker], consistency="QUORUM")
        missing += len(set(numbers) - {row["n"] for row in rows})
    assert missing == 0
    acknowledged = len(record.times)
    assert acknowledged > 100
    record_property("acknowledged writes", acknowledged)
    record_property("missing", missing)
    record_property("errors", sum(record.errors.values()))
    record_property("longest write (s)", round(record.longest, 1))
    for name, seconds in back.items():
        times = f" (the longest of {len(seconds)})" if len(seconds) > 1 else ""
        record_property(f"until throughput is back after {name} (s){times}", round(max(seconds), 1))
