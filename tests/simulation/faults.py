"""The faults of a run, drawn by its seed from a random half of the kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tests.simulation.world import world

from coodie.protocol.error_codes import ErrorCode
from coodie_testing.fake.replies import status_event

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.network import Machine
    from tests.simulation.run import Run

__all__ = ["HARMLESS", "KINDS", "Fault", "draw"]

_ERRORS = (
    ErrorCode.WRITE_TIMEOUT,
    ErrorCode.READ_TIMEOUT,
    ErrorCode.UNAVAILABLE,
    ErrorCode.OVERLOADED,
    ErrorCode.SERVER_ERROR,
    ErrorCode.IS_BOOTSTRAPPING,
    ErrorCode.WRITE_FAILURE,
    ErrorCode.READ_FAILURE,
    ErrorCode.INVALID,
    ErrorCode.UNAUTHORIZED,
    ErrorCode.CAS_WRITE_UNKNOWN,
)


class Fault(NamedTuple):
    """A fault of a run.

    Attributes:
        number: Its number in the run.
        at: When it happens, in seconds from the start.
        kind: What it is.
        lasts: Seconds that it lasts, where it does.
        size: How much of it.
        place: Which node, client or connection.
    """

    number: int
    at: float
    kind: str
    lasts: float
    size: int
    place: int


def _machine(run: Run, fault: Fault) -> Machine:
    machines = list(run.network.machines.values())
    return machines[fault.place % len(machines)]


def _kill(run: Run, fault: Fault) -> None:
    machine = _machine(run, fault)
    if not machine.is_up:
        return
    machine.kill()
    _tell(run, machine, "DOWN")

    def restart() -> None:
        machine.start()
        _tell(run, machine, "UP")

    world().at(fault.lasts, restart)


def _tell(run: Run, machine: Machine, change: str) -> None:
    node = machine.node
    for other in run.nodes.nodes:
        if other is not node:
            other.tell("STATUS_CHANGE", status_event("STATUS_CHANGE", change, node.address, node.port))


def _silence_machine(run: Run, fault: Fault) -> None:
    machine = _machine(run, fault)
    machine.is_silent = True
    world().at(fault.lasts, lambda: setattr(machine, "is_silent", False))


def _slow_machine(run: Run, fault: Fault) -> None:
    machine = _machine(run, fault)
    machine.delay = fault.size / 100
    world().at(fault.lasts, lambda: setattr(machine, "delay", 0.0))


def _false_event(run: Run, fault: Fault) -> None:
    machine = _machine(run, fault)
    _tell(run, machine, "DOWN")
    world().at(fault.lasts, lambda: _tell(run, machine, "UP"))


def _forget(run: Run, fault: Fault) -> None:
    _machine(run, fault).node.prepared.clear()


def _reset(run: Run, fault: Fault) -> None:
    sockets = list(run.network.open_sockets.values())
    if sockets:
        sockets[fault.place % len(sockets)].reset()


def _errors(run: Run, fault: Fault) -> None:
    code = _ERRORS[fault.place % len(_ERRORS)]
    run.store.errors += [code] * (1 + fault.size % 3)


def _slow_answers(run: Run, fault: Fault) -> None:
    run.store.delays += [fault.lasts] * (1 + fault.size % 4)


def _no_answers(run: Run, fault: Fault) -> None:
    run.store.silences += 1 + fault.size % 3


def _closes(run: Run, fault: Fault) -> None:
    run.store.closes += 1


def _warnings(run: Run, fault: Fault) -> None:
    run.store.warnings += 1 + fault.size % 5


def _change_schema(run: Run, fault: Fault) -> None:
    run.store.change()


def _small_buffers(run: Run, fault: Fault) -> None:
    run.network.buffer = 40 + fault.size
    world().at(fault.lasts, lambda: setattr(run.network, "buffer", 65_536))


def _tears(run: Run, fault: Fault) -> None:
    run.network.tears = True
    world().at(fault.lasts * 3, lambda: setattr(run.network, "tears", False))


def _cancel(run: Run, fault: Fault) -> None:
    run.cancel_some(fault.place, 1 + fault.size % 3)


def _stall(run: Run, fault: Fault) -> None:
    run.stall(fault.place, fault.lasts)


def _new_loop(run: Run, fault: Fault) -> None:
    run.end_loop(fault.place)


def _garbage(run: Run, fault: Fault) -> None:
    sockets = list(run.network.open_sockets.values())
    if sockets:
        sockets[fault.place % len(sockets)].inject(b"\xff" * (1 + fault.size % 20))


#: The kinds of fault.
KINDS: dict[str, Callable[[Run, Fault], None]] = {
    "kill": _kill,
    "silence": _silence_machine,
    "slow": _slow_machine,
    "false event": _false_event,
    "forget": _forget,
    "reset": _reset,
    "errors": _errors,
    "slow answers": _slow_answers,
    "no answers": _no_answers,
    "closes": _closes,
    "warnings": _warnings,
    "schema": _change_schema,
    "small buffers": _small_buffers,
    "tears": _tears,
    "cancel": _cancel,
    "stall": _stall,
    "new loop": _new_loop,
    "garbage": _garbage,
}


#: Those alone make no request run out of time or lose its connection.
HARMLESS = frozenset({"tears", "small buffers", "warnings", "schema", "forget", "cancel", "new loop"})

#: The share of runs that have no others.
_GENTLE = 0.125


def draw(count: int, during: float) -> list[Fault]:
    """Draw the faults of a run.

    Args:
        count: How many.
        during: The seconds in which they happen.
    """
    random = world().random
    kinds = sorted(random.sample(sorted(KINDS), len(KINDS) // 2))
    if random.random() < _GENTLE:
        kinds = sorted(HARMLESS)
    return [
        Fault(
            number,
            random.random() * during,
            random.choice(kinds),
            random.choice((0.02, 0.1, 0.3, 1.0, 2.5)) * (0.5 + random.random()),
            random.randrange(100),
            random.randrange(1000),
        )
        for number in range(count)
    ]
