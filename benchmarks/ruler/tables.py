"""Tables of contestants' costs, and of ratios to the baselines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ruler.ratios import MEASURES, Spread, costs, ratio

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["amount", "header", "lines", "measures_of", "multiple"]

#: The maximum number of measures in a table with ratios.
_MAX_MEASURES = 3
_HUNDRED = 100
_TEN_MILLISECONDS, _SECOND = 1e4, 1e6


def measures_of(contestants: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the measures of a workload that fit in a table, the most important first."""
    measured: set[str] = set()
    for known in contestants.values():
        measured.update(*known["rounds"])
    return [name for name in MEASURES if name in measured][:_MAX_MEASURES]


def header(contestants: Mapping[str, Mapping[str, Any]], baselines: Sequence[str]) -> list[str]:
    """Return the table's heading."""
    measures = measures_of(contestants)
    titles = [MEASURES[name].title for name in measures]
    return ["client", *titles, *(f"{titles[0]} ÷ {name}" for name in baselines if name in contestants)]


def lines(contestants: Mapping[str, Mapping[str, Any]], baselines: Sequence[str]) -> list[list[str]]:
    """Return the table's rows, the cheapest contestant first."""
    measures = measures_of(contestants)
    made = []
    for name, known in contestants.items():
        spreads = [Spread.of(costs(known["rounds"], measure)) for measure in measures]
        cells = [amount(spread.median, measure) for spread, measure in zip(spreads, measures, strict=True)]
        compared = [contestants[other]["rounds"] for other in baselines if other in contestants]
        cells += [multiple(ratio(known["rounds"], others, measures[0])) for others in compared]
        made.append((spreads[0].median, [name, *cells]))
    return [line for _, line in sorted(made)]


def amount(value: float, measure: str) -> str:
    """Format a cost with its unit."""
    unit = MEASURES[measure].unit
    if unit == "µs" and value >= _SECOND:
        return f"{value / 1e6:.2f} s"
    if unit == "µs" and value >= _TEN_MILLISECONDS:
        return f"{value / 1e3:.1f} ms"
    if unit == "×":
        return f"{value:.2f} {unit}"
    return (f"{value:.0f} {unit}" if value >= _HUNDRED else f"{value:.1f} {unit}").rstrip()


def multiple(spread: Spread | None) -> str:
    """Format a ratio: median and spread; small ratios also as a fraction."""
    if spread is None:
        return "–"
    fraction = f" = 1/{1 / spread.median:.1f}" if 0 < spread.median < 0.7 else ""  # noqa: PLR2004 - more readable
    return f"{spread.median:.3f}{fraction} ({spread.least:.3f}–{spread.most:.3f})"
