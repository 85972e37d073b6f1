"""The arithmetic: what a round costs for each time the work is done, and ratios between contestants."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["MEASURES", "Spread", "costs", "ratio"]

#: What is measured, with its unit and what one second or byte is in it.
MEASURES = {"cpu": ("µs", 1e6), "wall": ("µs", 1e6), "grown": ("MB", 1e-6)}


@dataclass(frozen=True)
class Spread:
    """The median of some rounds, and the least and the most."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Take the spread of values, of which there is at least one."""
        return cls(statistics.median(values), min(values), max(values))


def costs(rounds: Sequence[Mapping[str, Any]], measure: str) -> list[float]:
    """Return for each round what the work cost once, in the measure's unit."""
    scale = MEASURES[measure][1]
    # Memory doesn't add up: it isn't divided.
    return [one[measure] * scale / (1 if measure == "grown" else one["count"]) for one in rounds]


def ratio(
    rounds: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]], measure: str = "cpu"
) -> Spread | None:
    """Return what one costs as a multiple of the other, paired: each round with the other's same one.

    Returns:
        The spread of the rounds' ratios; None where nothing can be compared.
    """
    pairs = list(zip(costs(rounds, measure), costs(others, measure), strict=False))
    if not pairs or any(other <= 0 for _, other in pairs):
        return None
    return Spread.of([own / other for own, other in pairs])
