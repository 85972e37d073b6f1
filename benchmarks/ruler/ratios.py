"""Calculations: costs per operation, and ratios between contestants."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["MEASURES", "Measure", "Spread", "costs", "ratio"]


@dataclass(frozen=True)
class Measure:
    """A quantity that is measured in a round."""

    #: The heading of its column, and its description.
    title: str
    meaning: str
    unit: str
    #: The factor from seconds or bytes to the unit.
    scale: float
    #: Whether a round's value is a total, which is divided by the number of operations.
    divided: bool = True


_LATENCY = "latency of a request, from when it was due"

#: The measures, the most important of a workload first.
MEASURES = {
    "grown": Measure("memory", "memory growth", "MB", 1e-6, divided=False),
    "request": Measure("memory", "memory of a request in flight", "B", 1),
    "session": Measure("memory", "memory of a client", "kB", 1e-3),
    "connections": Measure("connections", "connections of a client", "", 1),
    "p50": Measure("p50", f"median {_LATENCY}", "µs", 1e6, divided=False),
    "p99": Measure("p99", f"99th percentile of the {_LATENCY}", "µs", 1e6, divided=False),
    "cpu": Measure("CPU", "CPU time of the client per operation", "µs", 1e6),
    "wall": Measure("clock", "elapsed time", "µs", 1e6),
    "held": Measure("memory", "memory growth ÷ size of the Arrow data", "×", 1, divided=False),
}


@dataclass(frozen=True)
class Spread:
    """The median, minimum and maximum of several rounds."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the spread of values, at least one."""
        return cls(statistics.median(values), min(values), max(values))


def costs(rounds: Sequence[Mapping[str, Any]], measure: str) -> list[float]:
    """Return the cost per operation of each round, in the measure's unit."""
    known = MEASURES[measure]
    return [one[measure] * known.scale / (one["count"] if known.divided else 1) for one in rounds]


def ratio(
    rounds: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]], measure: str = "cpu"
) -> Spread | None:
    """Return the ratio of two contestants' costs, paired by round.

    Returns:
        The spread of the rounds' ratios; None if there is nothing to compare.
    """
    pairs = list(zip(costs(rounds, measure), costs(others, measure), strict=False))
    if not pairs or any(other <= 0 for _, other in pairs):
        return None
    return Spread.of([own / other for own, other in pairs])
