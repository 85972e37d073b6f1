"""Errors tell the truth, and conditional writes are linearizable, while requests and connections break."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from tests.kit.defects.planting import Faulty
from tests.reliability.ledger import Claim, Ledger, Writer, create_tables
from tests.reliability.load import Load
from tests.reliability.registers import Client, Registers
from tests.reliability.stage import WAYS, open_ways
from tests.reliability.weather import storm

from coodie.exceptions import CoodieError, RequestTimeoutError
from coodie.rows import Rows
from coodie_testing.faults import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.kit.defects.planting import Request, Steps
    from tests.reliability.load import Worker

pytestmark = [pytest.mark.server, pytest.mark.timeout(900)]

#: Seconds of faults; `make reliability` is told of more by COODIE_RELIABILITY_SECONDS.
_SECONDS = float(os.environ.get("COODIE_RELIABILITY_SECONDS", "10"))
_SEED = int(os.environ.get("COODIE_SEED", "1"))
_TIMEOUT = 1.0
#: How many there have to be of whatever is counted.
_FEW = 20


@pytest.fixture
def drivers(proxied: FaultProxy, backend: str) -> Iterator[dict[str, Any]]:
    """Connect through the proxy, once for each way."""
    from cassandra.policies import ConstantReconnectionPolicy

    policy = ConstantReconnectionPolicy(0.1, None)
    with ExitStack() as stack:
        yield open_ways(stack, backend, hosts=[proxied.host], port=proxied.port, reconnection_policy=policy)


@pytest.fixture
def proxied(cassandra_node: Any) -> Iterator[FaultProxy]:
    """Put a proxy in front of the node."""
    with FaultProxy(cassandra_node.host, cassandra_node.port) as proxy:
        yield proxy


def _under_a_storm(
    proxied: FaultProxy,
    drivers: dict[str, Any],
    keyspace: str,
    workers: Callable[[], list[Worker]],
    enough: Callable[[], bool],
) -> int:
    """Let workers work each way while requests break; return how many were broken."""
    with ExitStack() as stack:
        loads = {
            way: stack.enter_context(Load(drivers[way], workers(), is_async=is_async))
            for way, (_, is_async) in WAYS.items()
        }
        return storm(
            proxied,
            keyspace,
            _SEED,
            lambda: enough() and all(load.record.times and load.record.errors for load in loads.values()),
        )


def _over(seconds: float) -> Callable[[], bool]:
    """Return what tells whether so many seconds have passed from now on."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def test_errors_tell_the_truth(
    proxied: FaultProxy,
    drivers: dict[str, Any],
    driver: Any,
    keyspace: str,
    record_property: Callable[[str, object], None],
) -> None:
    """What was acknowledged is there, what an error says wasn't done isn't, and nothing is there twice."""
    create_tables(driver, keyspace)
    ledger = Ledger(keyspace)
    over = _over(_SECONDS)
    broken = _under_a_storm(
        proxied,
        drivers,
        keyspace,
        lambda: [Writer(ledger, _TIMEOUT, cancels=50) for _ in range(4)],
        lambda: over() and all(ledger.count(claim) > _FEW for claim in Claim),
    )
    assert ledger.lies(driver) == [], f"COODIE_SEED={_SEED}"
    assert broken
    for claim in Claim:
        record_property(f"writes, {claim.value}", ledger.count(claim))
    record_property("told wrong", 0)


def test_conditional_writes_are_linearizable(
    proxied: FaultProxy,
    drivers: dict[str, Any],
    driver: Any,
    keyspace: str,
    record_property: Callable[[str, object], None],
) -> None:
    """Conditional writes return what one copy of each row would have, at some moment of each request."""
    driver.execute(f"CREATE TABLE {keyspace}.registers (k int PRIMARY KEY, v int)", [])
    registers = Registers(f"{keyspace}.registers")
    over = _over(_SECONDS)
    broken = _under_a_storm(
        proxied,
        drivers,
        keyspace,
        lambda: [Client(registers, _TIMEOUT) for _ in range(2)],
        lambda: over() and registers.count(unknown=True) > _FEW,
    )
    assert registers.contradictions() == [], f"COODIE_SEED={_SEED}"
    assert broken
    record_property("requests, outcome known", registers.count(unknown=False))
    record_property("requests, outcome unknown", registers.count(unknown=True))
    record_property("rows", len(registers.histories))
    record_property("not linearizable", 0)


# --- what is planted is found ------------------------------------------------------------


class Liar(Faulty):
    """A driver that counts how often it did what it does wrong."""

    lies: ClassVar[int] = 0
    #: After how many some have left a trace.
    enough: ClassVar[int] = 15

    @classmethod
    def lie(cls) -> None:
        """Count one."""
        cls.lies += 1

    @classmethod
    def has_lied(cls) -> bool:
        """Tell whether it has done enough."""
        return cls.lies >= cls.enough


class Resends(Liar):
    """A write that may have been applied is sent again, and nobody is told."""

    enough = 40  # most of what is written may be written twice

    def on_execute(self, request: Request) -> Steps:
        """Send once or twice."""
        try:
            return (yield self.send(request))
        except CoodieError as exc:
            if not exc.may_have_been_applied:
                raise
        self.lie()
        return (yield self.send(request))


class Denies(Liar):
    """Errors say that nothing was done, whatever happened."""

    def on_execute(self, request: Request) -> Steps:
        """Send, and deny."""
        try:
            return (yield self.send(request))
        except CoodieError as exc:
            if exc.may_have_been_applied:
                self.lie()
            exc.may_have_been_applied = False
            raise


class Swallows(Liar):
    """A write that may have been applied is taken for applied, a condition for met."""

    enough = 60

    def on_execute(self, request: Request) -> Steps:
        """Send, and go on."""
        try:
            return (yield self.send(request))
        except CoodieError as exc:
            if not exc.may_have_been_applied:
                raise
        self.lie()
        return Rows([{"[applied]": True}]) if " IF " in request.stmt else Rows()


class Refuses(Liar):
    """A conditional write that timed out seems to have been refused, by the value that it was to write."""

    enough = 3

    def on_execute(self, request: Request) -> Steps:
        """Send, and guess."""
        try:
            return (yield self.send(request))
        except RequestTimeoutError as exc:
            if not exc.may_have_been_applied or "INSERT" not in request.stmt:
                raise
        self.lie()
        return Rows([{"[applied]": False, "k": request.params[0], "v": request.params[1]}])


def _plant(defect: type[Liar], drivers: dict[str, Any]) -> None:
    defect.lies = 0
    for opened in drivers.values():
        defect.plant(opened, {})


@pytest.mark.parametrize("defect", [Resends, Denies, Swallows])
def test_untrue_answers_are_found(
    defect: type[Liar], proxied: FaultProxy, drivers: dict[str, Any], driver: Any, keyspace: str
) -> None:
    """A driver that resends a write, denies that it was done, or says that it was, is found out."""
    create_tables(driver, keyspace)
    _plant(defect, drivers)
    ledger = Ledger(keyspace)
    _under_a_storm(
        proxied, drivers, keyspace, lambda: [Writer(ledger, 0.3) for _ in range(4)], defect.has_lied
    )
    assert ledger.lies(driver)


@pytest.mark.parametrize("defect", [Resends, Swallows, Refuses])
def test_untrue_results_of_conditions_are_found(
    defect: type[Liar], proxied: FaultProxy, drivers: dict[str, Any], driver: Any, keyspace: str
) -> None:
    """So it is by the histories of conditional writes."""
    table = f"{keyspace}.{defect.__name__}"
    driver.execute(f"CREATE TABLE {table} (k int PRIMARY KEY, v int)", [])
    _plant(defect, drivers)
    registers = Registers(table)
    _under_a_storm(
        proxied, drivers, keyspace, lambda: [Client(registers, 0.3) for _ in range(2)], defect.has_lied
    )
    assert registers.contradictions()
