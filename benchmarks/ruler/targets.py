"""The targets of coodie's performance, as ratios within one run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ruler.ratios import MEASURES, Spread, costs, ratio
from ruler.tables import amount, multiple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["evaluate_targets"]

_OURS, _ACCEL, _UVLOOP = "coodie-scylla", "+accel", "+uvloop"
_BEST = f"{_OURS}{_ACCEL}{_UVLOOP}"
_SYNC = f"{_OURS}{_ACCEL}+sync"

_ACSYLLA = ("acsylla+uvloop",)
#: The best peer is the one with the lower costs in a run.
_PEERS = (*_ACSYLLA, "scylladb-rs-driver+uvloop")
_OLD, _RAW = ("coodie-1.9",), ("scylla-driver",)


@dataclass(frozen=True)
class _Target:
    """The maximum cost of a workload, as a multiple of the cheapest other contestant's."""

    workload: str
    contestant: str
    others: tuple[str, ...]
    at_most: float
    measure: str = "cpu"
    #: The others' workload; "" for the same one.
    beside: str = ""


def _cpu_and_wall(
    workload: str, contestant: str, others: tuple[str, ...], cpu: float, wall: float
) -> tuple[_Target, _Target]:
    return (
        _Target(workload, contestant, others, cpu),
        _Target(workload, contestant, others, wall, "wall"),
    )


_TARGETS = (
    *_cpu_and_wall("stub/read-64", _BEST, _PEERS, 0.35, 0.5),
    *_cpu_and_wall("stub/read-512", _BEST, _PEERS, 0.35, 0.5),
    *_cpu_and_wall("stub/insert-64", _BEST, _PEERS, 0.45, 0.7),
    *_cpu_and_wall("stub/read-1", _BEST, _PEERS, 0.45, 0.65),
    *_cpu_and_wall("stub/rows-100", _BEST, _PEERS, 0.2, 0.35),
    *_cpu_and_wall("stub/rows-5000", _BEST, _PEERS, 0.35, 0.4),
    *_cpu_and_wall("stub/rows-50000", _BEST, _PEERS, 0.35, 0.4),
    *_cpu_and_wall("stub/read-64", f"{_OURS}{_UVLOOP}", _PEERS, 0.65, 1),
    *_cpu_and_wall("stub/many-100000", _SYNC, _ACSYLLA, 0.3, 0.5),
    *_cpu_and_wall("stub/many-100000", _BEST, _ACSYLLA, 0.3, 0.5),
    *_cpu_and_wall("stub/stream-1000000", _BEST, _ACSYLLA, 0.5, 0.6),
    _Target("stub/sync-1", f"{_OURS}{_ACCEL}", _RAW, 0.12),
    _Target("stub/sync-1", _OURS, _RAW, 0.15),
    _Target("stub/sync-8", f"{_OURS}{_ACCEL}", _RAW, 0.12),
    _Target("stub/sync-8", _OURS, _RAW, 0.3),
    _Target("stub/three-64", _BEST, (_BEST,), 1.15, beside="stub/read-64"),
    *(
        _Target(f"real/{name}", _BEST, _PEERS, 1)
        for name in ("list-10", "map-10", "decimal-10", "timestamp-10", "columns-50")
    ),
    _Target("real/vector-1536", f"{_BEST}+arrays", _PEERS, 0.1),
    *(_Target("stub/connect", name, _RAW, 1.2) for name in (_SYNC, _BEST)),
    *(_Target("stub/cold", name, _RAW, 1.15) for name in (_SYNC, _BEST)),
    # Older targets.
    *(_Target("stub/read-64", f"{_OURS}{accel}", _OLD, 1 / 18) for accel in ("", _ACCEL)),
    *(_Target("stub/insert-64", f"{_OURS}{accel}", _OLD, 1 / 18) for accel in ("", _ACCEL)),
    *(_Target("stub/read-1", f"{_OURS}{accel}", _OLD, 1 / 2.5) for accel in ("", _ACCEL)),
    _Target("stub/rows-100", f"{_OURS}{_ACCEL}", _OLD, 1 / 5.5),
    _Target("stub/rows-5000", f"{_OURS}{_ACCEL}", _OLD, 1 / 3),
    _Target("stub/rows-50000", f"{_OURS}{_ACCEL}", _OLD, 1 / 3),
    _Target("stub/rows-50000", _OURS, _OLD, 1 / 2.2),
    _Target("stub/rows-50000", _OURS, _RAW, 1 / 1.2),
    _Target("stub/import", _OURS, ("asyncio",), 1),
    _Target("stub/frame-1000000", f"coodie-cassandra{_ACCEL}", ("cassandra-driver",), 1 / 5),
    _Target("stub/frame-1000000", f"coodie-cassandra{_ACCEL}", ("cassandra-driver+numpy",), 1 / 2),
    _Target("real/read-64", _OURS, _OLD, 1 / 8),
)

#: The maximum cost of any workload with the accelerator, as a multiple of the cost without it.
_WITH_ACCELERATOR = 1.03

#: The limits of memory growth: workload, contestant, measure, limit in the measure's unit.
_MEMORY = (
    ("stub/memory-200000", _OURS, "grown", 5.0),
    ("real/memory-200000", _OURS, "grown", 5.0),
    ("stub/frame-1000000", f"coodie-cassandra{_ACCEL}", "held", 1.5),
)


def evaluate_targets(results: Mapping[str, Any]) -> Iterator[list[str]]:
    """Yield a row for each target with results: workload, ratio, target, measured value, verdict."""
    for target in _TARGETS:
        own = _contestants(results, target.workload).get(target.contestant)
        beside = _contestants(results, target.beside or target.workload)
        others = [beside[name] for name in target.others if name in beside]
        if own is None or not others:
            continue
        best = min(others, key=lambda known: Spread.of(costs(known["rounds"], target.measure)).median)
        found = ratio(own["rounds"], best["rounds"], target.measure)
        if found is not None:
            compared = f"{target.beside}, " if target.beside else ""
            what = f"{target.contestant}, {target.measure} ÷ {compared}{' or '.join(target.others)}"
            verdict = _verdict(found, target.at_most)
            yield [target.workload, what, f"≤ {target.at_most:.3f}", multiple(found), verdict]
    yield from _with_and_without(results)
    for workload, name, measure, at_most in _MEMORY:
        own = _contestants(results, workload).get(name)
        if own is not None:
            used = Spread.of(costs(own["rounds"], measure))
            what = f"{name}, {MEASURES[measure].meaning}"
            limit, median = amount(at_most, measure), amount(used.median, measure)
            yield [workload, what, f"≤ {limit}", median, _verdict(used, at_most)]


def _with_and_without(results: Mapping[str, Any]) -> Iterator[list[str]]:
    """Yield a row for each workload and measure, with the contestant that the accelerator speeds up least."""
    for workload in results:
        contestants = _contestants(results, workload)
        for measure in ("cpu", "wall"):
            found = {
                name: multiples
                for name, known in contestants.items()
                if _ACCEL in name
                and name.replace(_ACCEL, "") in contestants
                and measure in known["rounds"][0]
                if (multiples := _to_itself(contestants, name, measure)) is not None
            }
            if found:
                name, most = max(found.items(), key=lambda pair: pair[1].median)
                what = f"{name}, {measure} ÷ {name.replace(_ACCEL, '')}"
                verdict = _verdict(most, _WITH_ACCELERATOR)
                yield [workload, what, f"≤ {_WITH_ACCELERATOR:.3f}", multiple(most), verdict]


def _to_itself(contestants: Mapping[str, Any], name: str, measure: str) -> Spread | None:
    """Return the ratio of a cost with the accelerator to the cost without it."""
    without = contestants[name.replace(_ACCEL, "")]
    return ratio(contestants[name]["rounds"], without["rounds"], measure)


def _contestants(results: Mapping[str, Any], workload: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = results.get(workload, {}).get("contestants", {})
    return found


def _verdict(found: Spread, at_most: float) -> str:
    return "reached" if found.median <= at_most else "missed"
