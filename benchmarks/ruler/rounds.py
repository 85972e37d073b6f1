"""Rounds: all contestants of a workload take turns, so that disturbances affect all."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ruler.processes import LeftOut, Running, import_cost

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from contestants.listing import Contestant
    from contestants.work import Work
    from ruler.processes import Place

__all__ = ["Outcome", "compete"]


@dataclass
class Outcome:
    """The results of a workload."""

    #: Contestant → its facts, the checksum of its values, its rounds.
    contestants: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: Contestant → the reason why it was left out.
    left_out: dict[str, str] = field(default_factory=dict)


def compete(
    work: Work,
    entered: Mapping[Contestant, Path],
    place: Place,
    rounds: int,
    tell: Callable[[str], None],
) -> Outcome:
    """Run a workload with all contestants.

    Args:
        work: The workload.
        entered: The contestants, each with its environment's interpreter.
        place: The server.
        rounds: The number of rounds of each.
        tell: Called with a description of the current step.
    """
    outcome = Outcome()
    contest = _fresh if work.fresh else _lasting
    contest(work, entered, place, rounds, tell, outcome)
    _compare(outcome)
    return outcome


def _lasting(
    work: Work,
    entered: Mapping[Contestant, Path],
    place: Place,
    rounds: int,
    tell: Callable[[str], None],
    outcome: Outcome,
) -> None:
    """Start a process for each contestant, which run rounds in turn."""
    with ExitStack() as processes:
        running: list[Running] = []
        for one, python in entered.items():
            tell(f"{one.name}: connecting, checking values, warm-up")
            process = Running(one, python, work.name, place)
            processes.callback(process.kill)
            try:
                outcome.contestants[one.name] = {**process.answer(), "rounds": []}
            except LeftOut as exc:
                outcome.left_out[one.name] = str(exc)
            else:
                running.append(process)
        for number in range(rounds):
            for process in _rotate(running, number):
                tell(f"round {number + 1} of {rounds}: {process.name}")
                try:
                    outcome.contestants[process.name]["rounds"].append(process.round())
                except LeftOut as exc:
                    outcome.left_out[process.name] = str(exc)
                    del outcome.contestants[process.name]
                    running = [one for one in running if one is not process]
        for process in running:
            process.end()


def _fresh(
    work: Work,
    entered: Mapping[Contestant, Path],
    place: Place,
    rounds: int,
    tell: Callable[[str], None],
    outcome: Outcome,
) -> None:
    """Run the contestants' rounds in turn, each in a new process."""
    for number in range(rounds):
        for one, python in _rotate(list(entered.items()), number):
            if one.name in outcome.left_out:
                continue
            tell(f"round {number + 1} of {rounds}: {one.name}")
            try:
                answer = _once(work, one, python, place)
            except LeftOut as exc:
                outcome.left_out[one.name] = str(exc)
                outcome.contestants.pop(one.name, None)
                continue
            known = outcome.contestants.setdefault(one.name, {"count": 1, "rounds": []})
            known["facts"], known["checked"] = answer.pop("facts", {}), answer.pop("checked", "")
            known["rounds"].append(answer)


def _once(work: Work, one: Contestant, python: Path, place: Place) -> dict[str, Any]:
    if work.kind == "import":
        return import_cost(python, one.imports)
    process = Running(one, python, work.name, place)
    try:
        answer = process.answer()
        process.end()
    finally:
        process.kill()
    return answer


def _rotate(items: Sequence[Any], by: int) -> list[Any]:
    """Rotate a list, so that each round begins with another contestant."""
    start = by % len(items) if items else 0
    return [*items[start:], *items[:start]]


def _compare(outcome: Outcome) -> None:
    """Leave out contestants whose checksum differs from most; each has already verified its values."""
    sums = [known["checked"] for known in outcome.contestants.values()]
    for name, known in list(outcome.contestants.items()):
        if known["checked"] != max(set(sums), key=sums.count):
            outcome.left_out[name] = "its values differ from the others'"
            del outcome.contestants[name]
