"""Three nodes, each behind a proxy, drivers of all ways, and what is done to the nodes."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from tests.conftest import open_driver
from tests.reliability.ledger import Ledger, Writer, create_tables
from tests.reliability.load import Load
from tests.reliability.registers import Client, Registers

from coodie.registry import DriverRegistry, using_registry
from coodie_testing.faults import ErrorCode, FaultProxy, ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.reliability.load import Record

    from coodie_local import LocalCluster

__all__ = ["SCENES", "WAYS", "Stage", "open_ways"]

#: Name → the fast path, async.
WAYS = {
    "sync, fast": (True, False),
    "async, fast": (True, True),
    "sync, driver's": (False, False),
    "async, driver's": (False, True),
}

#: Seconds for each request.
TIMEOUT = 3.0


def open_ways(stack: ExitStack, backend: str, **options: Any) -> dict[str, Any]:
    """Connect once for each way; the stack closes them."""
    opened = {}
    for way, (fast_path, _) in WAYS.items():
        with using_registry(DriverRegistry()):
            opened[way] = stack.enter_context(open_driver(backend, fast_path=fast_path, **options))
    return opened


class Stage:
    """A cluster, a proxy in front of each node, drivers that connect through them, and loads on them.

    Args:
        cluster: Runs, with three nodes.
        backend: The `driver_type`.
        stack: Closes everything but the cluster.
    """

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

        cluster.create_keyspace("load")
        self.drivers = open_ways(
            stack,
            backend,
            hosts=[self.proxies[0].host],
            port=cluster.port,
            request_timeout=20,
            address_translator=Through(),
            reconnection_policy=ConstantReconnectionPolicy(0.5, None),
        )
        #: The driver that looks at what is there.
        self.driver = self.drivers["sync, driver's"]
        create_tables(self.driver, "load")
        self.driver.execute("CREATE TABLE load.registers (k int PRIMARY KEY, v int)", [])
        self.ledger = Ledger("load")
        self.registers = Registers("load.registers")
        #: Way → what came of its requests.
        self.records: dict[str, Record] = {}

    @contextmanager
    def load(self) -> Iterator[None]:
        """Write each way, with conditions and without, while the block runs."""
        with ExitStack() as stack:
            for way, (_, is_async) in WAYS.items():
                writers = [Writer(self.ledger, TIMEOUT, cancels=100) for _ in range(2)]
                clients = [Client(self.registers, TIMEOUT)]
                for name, workers in ((way, writers), (f"{way}, conditional", clients)):
                    load = stack.enter_context(Load(self.drivers[way], workers, is_async=is_async))
                    self.records[name] = load.record
            yield

    def rates(self, seconds: float) -> dict[str, float]:
        """Return each load's successes per second of late."""
        now = time.monotonic()
        return {way: record.rate(now - seconds, now) for way, record in self.records.items()}

    def wait_for_recovery(self, normal: dict[str, float]) -> float:
        """Wait until half of each load's normal rate is back; return how many seconds that took."""
        healed = time.monotonic()
        missing = set(normal)
        while missing:
            time.sleep(0.5)
            rates = self.rates(0.5)
            missing = {way for way in missing if rates[way] <= normal[way] / 2}
            assert time.monotonic() - healed < 120, f"the throughput didn't come back: {missing}"
        return time.monotonic() - healed

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

    def overload(self) -> None:
        """More than the nodes can do, with short timeouts; and nodes that refuse some for that reason."""
        for proxy in self.proxies:
            proxy.add(ServerError(code=ErrorCode.OVERLOADED), contains="load.", times=200)
        with ExitStack() as stack:
            for way, (_, is_async) in WAYS.items():
                workers = [Writer(self.ledger, 0.2) for _ in range(150 if is_async else 15)]
                stack.enter_context(Load(self.drivers[way], workers, is_async=is_async))
            time.sleep(5)
        for proxy in self.proxies:
            proxy.rules.clear()


#: In this order.
SCENES: tuple[Callable[[Stage], None], ...] = (
    Stage.partition,
    Stage.pause,
    Stage.overload,
    Stage.kill_contact_point,
    Stage.kill_control,
    Stage.kill_third,
    Stage.two_down,
    Stage.restart_rolling,
)
