"""One run: a cluster, a driver, clients and faults, and the invariants."""

from __future__ import annotations

import gc
import itertools
import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.simulation.clients import Client, LoopClient, Request, ThreadClient
from tests.simulation.faults import HARMLESS, KINDS, Fault, draw
from tests.simulation.network import Machine, Network
from tests.simulation.standins import Driver, simulated
from tests.simulation.store import Store
from tests.simulation.world import Deadlock, world

import coodie
from coodie._points import hooks
from coodie.exceptions import ConnectionFailedError, ConnectionLostError, CoodieError, RequestTimeoutError
from coodie.registry import DriverRegistry, using_registry
from coodie_testing.fake.node import Nodes

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["Report", "simulate"]

_NODES = 3
_PORT = 9042
#: Requests, and faults, of a run.
_REQUESTS = 320
#: Requests before the driver may be closed.
_LEAST = 200
_FAULTS = 24
#: Seconds in which faults happen.
_DURING = 2.0
#: Seconds after which nothing is under way any more.
_AFTER = 40.0


@dataclass
class Report:
    """The result of a run.

    Attributes:
        seed: Its seed.
        violations: What didn't hold.
        faults: The faults that were drawn.
        requests: How many requests were made.
        steps: How many steps the world took.
        ended_at: The world's time in the end.
        outcomes: How many requests of which kind ended how.
        points: How often each point was reached.
    """

    seed: int
    violations: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    requests: int = 0
    steps: int = 0
    ended_at: float = 0.0
    outcomes: dict[str, int] = field(default_factory=dict)
    points: Counter[str] = field(default_factory=Counter)


class Run:
    """A run.

    Args:
        network: Its network.
        backend: The ``driver_type``.
    """

    def __init__(self, network: Network, backend: str) -> None:
        self.network = network
        self._backend = backend
        self.store = Store()
        self.nodes = self.store.nodes = Nodes(self.store)
        self.violations: list[str] = []
        self.complaints: list[Any] = []
        self.history: list[Request] = []
        self.clients: list[Client] = []
        self.is_closing = False
        self.driver: Any = None
        self._is_gentle = False
        self.connections: list[Any] = []
        self._cache_size = 0
        self._ids = itertools.count(1)
        for number in range(_NODES):
            node = self.nodes.add(f"127.0.0.{number + 1}", _PORT)
            network.machines[node.address, node.port] = Machine(node)
        for table in self.store.tables():
            self.nodes.schema.put(table)

    def next_id(self) -> int:
        """Return a unique request id."""
        return next(self._ids)

    @property
    def requests(self) -> int:
        """The number of requests, including those of ``execute_many``."""
        return sum(len(one.ids) if one.kind == "many" else 1 for one in self.history)

    def check_caches(self) -> None:
        """Check the number of prepared statements in the cache, those being prepared aside."""
        entries = self.driver._pipeline.statements._entries.values()
        kept = sum(entry.statement is not None for entry in entries)
        if kept > self._cache_size:
            self.violated(f"{kept} statements are kept, and {self._cache_size} are to be")

    def violated(self, what: str) -> None:
        """Record a violated invariant."""
        self.violations.append(f"{world().now - 1000:.4f}: {what}")

    # --- faults of clients ------------------------------------------------------

    def _loop_client(self, place: int) -> LoopClient:
        loops = [client for client in self.clients if isinstance(client, LoopClient)]
        return loops[place % len(loops)]

    def cancel_some(self, place: int, count: int) -> None:
        """Cancel requests."""
        self._loop_client(place).cancel(place, count)

    def stall(self, place: int, seconds: float) -> None:
        """Block an event loop."""
        self._loop_client(place).stall(seconds)

    def end_loop(self, place: int) -> None:
        """End an event loop; its client goes on with another."""
        self._loop_client(place).stop_loop()

    # --- the run ------------------------------------------------------------------------

    def work(self, faults: list[Fault]) -> None:
        """Connect, send requests, close, and check."""
        here = world()
        random = here.random
        # With a length of garbage the backend waits for its heartbeat, which isn't simulated.
        has_garbage = any(fault.kind == "garbage" for fault in faults)
        self._is_gentle = HARMLESS.issuperset(fault.kind for fault in faults)
        self._cache_size = random.choice((2, 100))
        self.driver = coodie.init_coodie(
            ["127.0.0.1"],
            port=_PORT,
            driver_type=self._backend,
            connection_class=Driver,
            protocol_version=random.choice((4, 5)),
            statement_cache_size=self._cache_size,
            idle_heartbeat_interval=random.choice((0.5, 30)),
            idle_heartbeat_timeout=0.5,
        )
        for number, kind in enumerate((LoopClient, LoopClient, ThreadClient, ThreadClient)):
            client = kind(self, number, _REQUESTS // 4)
            self.clients.append(client)
            here.start(client.work, f"client-{number}")
        for fault in faults:
            here.at(fault.at, lambda fault=fault: KINDS[fault.kind](self, fault))  # type: ignore[misc]
        early = random.random() < 0.25
        most = _LEAST + random.randrange(_LEAST // 4) if early else _LEAST * 100
        while not all(client.is_over for client in self.clients):
            if self.requests >= most:
                break
            if here.now > 1000 + 600:
                raise Deadlock("The clients don't come to an end.")
            here.sleep(0.02)
        if self.requests < most and not has_garbage:
            self._calm()
        self.is_closing = True
        self._close()
        limit = here.now + 30
        while not all(client.is_over for client in self.clients) and here.now < limit:
            here.sleep(0.05)
        here.sleep(_AFTER)
        self._check()

    def _calm(self) -> None:
        """Check that requests succeed after the last fault: no wake-up was lost for good."""
        here, store = world(), self.store
        here.sleep(_DURING + 5)  # until the last fault is over
        store.errors, store.delays = [], []
        store.silences = store.closes = store.warnings = 0
        for machine in self.network.machines.values():
            if not machine.is_up:
                machine.start()
        here.sleep(15)
        self._read_calmly()  # the driver's heartbeats, which would notice lost connections, aren't simulated
        here.sleep(5)
        before = len(self.history)
        self._read_calmly()
        for request in self.history[before:]:
            if request.error is not None:
                self.violated(f"when nothing goes wrong any more, {request} fails")

    def _read_calmly(self) -> None:
        here = world()
        for client in (LoopClient(self, 9, 6, calm=True), ThreadClient(self, 9, 6, calm=True)):
            here.start(client.work, "calm")
            while not client.is_over:
                here.sleep(0.05)

    def _close(self) -> None:
        begin = world().now
        self.driver.close()
        if world().now - begin > 15:
            self.violated(f"close() took {world().now - begin:.1f} s")

    def _check(self) -> None:
        for request in self.history:
            self._check_request(request)
        for what, found in {
            "writes were sent twice": self.store.twice,
            "event loops complained": self.complaints,
            "event loops were blocked": world().blocked_loops,
            "sockets are open after close": list(self.network.open_sockets),
        }.items():
            if found:
                self.violated(f"{what}: {found[0]} and {len(found) - 1} more")
        for machine in self.network.machines.values():
            for stream in machine.reused:
                self.violated(f"stream {stream} was used twice at a time")
        client = self.driver.client
        if len(self.driver._pipeline.statements):
            self.violated("statements are kept after close")
        if client.sender.in_flight or (client.fast is not None and client.fast.in_flight):
            self.violated("requests are in flight after close")
        others = [name for name in world().names() if name not in {"main", "reactor"}]
        if others:
            self.violated(f"threads live on after close: {others}")

    def _check_request(self, request: Request) -> None:
        if request.ended is None:
            self.violated(f"{request} never ended")
            return
        lost = isinstance(request.error, ConnectionFailedError | ConnectionLostError | RequestTimeoutError)
        if lost and self._is_gentle and request.timeout >= 1:
            self.violated(f"nothing went wrong, and {request} failed")
        pages = 8 if request.kind in {"wide", "stream"} else 1
        # Preparing, sending and preparing again each have the whole timeout; execute_many has several rounds.
        longest = request.timeout * 3 * pages + 1.0 + request.stalled
        if request.ended - request.started > longest and request.kind != "many":
            self.violated(f"{request} took {request.ended - request.started:.2f} s")
        if request.kind in {"insert", "repeatable", "count", "batch", "conditional", "many"}:
            for one in request.ids:
                self._check_write(request, one, request.failed.get(one, request.error))

    def _check_write(self, request: Request, one: int, error: BaseException | None) -> None:
        done = self.store.done[one]
        if done > 1 and one not in self.store.idempotent:
            self.violated(f"{request}: {one} was done {done} times")
        if error is None and not done:
            self.violated(f"{request}: {one} was acknowledged, and not done")
        if isinstance(error, CoodieError) and done and not error.may_have_been_applied:
            self.violated(f"{request}: {one} was done, and the error says it wasn't: {error!r}")


def simulate(seed: int, backend: str, only: Collection[int] | None = None) -> Report:
    """Run a seed.

    Args:
        seed: The seed.
        backend: The ``driver_type``.
        only: The numbers of the faults that happen; None for all.
    """
    report = Report(seed)
    was_enabled = gc.isenabled()
    gc.disable()

    def count(name: str) -> None:
        report.points[name] += 1

    hooks.append(count)
    logging.disable()
    try:
        with simulated(seed) as (here, network), using_registry(DriverRegistry()):
            faults = draw(_FAULTS, _DURING)
            report.faults = [one for one in faults if only is None or one.number in only]
            run = Run(network, backend)
            try:
                here.run(lambda: run.work(report.faults))
            except (Exception, Deadlock) as exc:  # noqa: BLE001 - a run must not raise
                waiting = [str(one) for one in run.history if one.ended is None][:5]
                run.violated(f"{type(exc).__name__}: {exc} Waiting: {waiting}")
            here.stop()
            report.violations, report.requests = run.violations, run.requests
            report.steps, report.ended_at = here.steps, here.now
            for one in run.history:
                name = f"{one.kind}: {type(one.error).__name__ if one.error else 'ok'}"
                report.outcomes[name] = report.outcomes.get(name, 0) + 1
    finally:
        hooks.remove(count)
        logging.disable(logging.NOTSET)
        if was_enabled:
            gc.enable()
    return report
