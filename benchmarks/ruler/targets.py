"""What coodie is meant to reach, as ratios within one run, and whether it did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ruler.ratios import Spread, costs, ratio
from ruler.tables import multiple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["reached"]

_PEERS = ("acsylla+uvloop", "scylladb-rs-driver+uvloop")
_OURS, _ACCEL, _UVLOOP = "coodie-scylla", "+accel", "+uvloop"


@dataclass(frozen=True)
class _Target:
    """What a workload may cost a contestant, as a multiple of what it costs the cheapest of others."""

    workload: str
    contestant: str
    others: tuple[str, ...]
    at_most: float
    measure: str = "cpu"


_OLD, _RAW = ("coodie-1.9",), ("scylla-driver",)

_TARGETS = (
    *(
        target
        for accel in ("", _ACCEL)
        for target in (
            _Target("stub/read-64", f"{_OURS}{accel}", _OLD, 1 / 18),
            _Target("stub/read-64", f"{_OURS}{accel}{_UVLOOP}", _OLD, 1 / 25),
            _Target("stub/read-64", f"{_OURS}{accel}{_UVLOOP}", _PEERS, 1 / 1.7),
            _Target("stub/read-64", f"{_OURS}{accel}{_UVLOOP}", _PEERS, 1, "wall"),
            _Target("stub/insert-64", f"{_OURS}{accel}", _OLD, 1 / 18),
            _Target("stub/insert-64", f"{_OURS}{accel}{_UVLOOP}", _PEERS, 1 / 1.2),
            _Target("stub/read-1", f"{_OURS}{accel}", _OLD, 1 / 2.5),
            _Target("stub/read-1", f"{_OURS}{accel}{_UVLOOP}", _OLD, 1 / 5),
        )
    ),
    _Target("stub/rows-100", f"{_OURS}{_ACCEL}", _OLD, 1 / 5.5),
    _Target("stub/rows-5000", f"{_OURS}{_ACCEL}", _OLD, 1 / 3),
    _Target("stub/rows-50000", f"{_OURS}{_ACCEL}", _OLD, 1 / 3),
    _Target("stub/rows-50000", f"{_OURS}{_ACCEL}{_UVLOOP}", _PEERS, 1),
    _Target("stub/rows-50000", _OURS, _OLD, 1 / 2.2),
    _Target("stub/rows-50000", _OURS, _RAW, 1 / 1.2),
    _Target("stub/sync-1", _OURS, _RAW, 0.2),
    _Target("stub/sync-8", _OURS, _RAW, 0.3),
    _Target("stub/import", _OURS, ("asyncio",), 1),
    _Target("real/read-64", _OURS, _OLD, 1 / 8),
)

#: Megabytes that streaming may take beyond what was there.
_MEMORY = 5.0


def reached(results: Mapping[str, Any]) -> Iterator[list[str]]:
    """Yield a line for each target whose contestants took part: of what, how much, what it is, whether."""
    for target in _TARGETS:
        contestants = results.get(target.workload, {}).get("contestants", {})
        own = contestants.get(target.contestant)
        others = [contestants[name] for name in target.others if name in contestants]
        if own is None or not others:
            continue
        best = min(others, key=lambda known: Spread.of(costs(known["rounds"], target.measure)).median)
        found = ratio(own["rounds"], best["rounds"], target.measure)
        if found is not None:
            what = f"{target.contestant}, {target.measure} ÷ {' or '.join(target.others)}"
            verdict = _verdict(found, target.at_most)
            yield [target.workload, what, f"≤ {target.at_most:.3f}", multiple(found), verdict]
    for workload in ("stub/memory-200000", "real/memory-200000"):
        own = results.get(workload, {}).get("contestants", {}).get(_OURS)
        if own is not None:
            grown = Spread.of(costs(own["rounds"], "grown"))
            yield [workload, f"{_OURS}, MB", f"≤ {_MEMORY}", f"{grown.median:.1f}", _verdict(grown, _MEMORY)]


def _verdict(found: Spread, at_most: float) -> str:
    return "reached" if found.median <= at_most else "missed"
