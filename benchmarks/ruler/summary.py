"""The top of the page: a summary, and a table of all workloads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ruler.ratios import Spread, costs, ratio
from ruler.tables import amount, measures_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from contestants.work import Work

__all__ = ["summary"]

_OURS, _RAW = "coodie-scylla", "scylla-driver"

#: The table's columns, each with its contestants; the first one with results is shown.
_COLUMNS = {
    "coodie, accelerator": ("coodie-scylla+accel+uvloop", "coodie-scylla+accel"),
    "coodie": ("coodie-scylla+uvloop", _OURS),
    "acsylla": ("acsylla+uvloop", "acsylla"),
    "scylladb-rs-driver": ("scylladb-rs-driver+uvloop", "scylladb-rs-driver"),
    "scylla-driver": (_RAW,),
    "coodie 1.9": ("coodie-1.9",),
}


def summary(results: Mapping[str, Any], works: Sequence[tuple[str, Work]]) -> list[str]:
    """Return the lines of the summary.

    Args:
        results: The stored results.
        works: The workloads in the order of the page, each with its server, "stub" or "real".
    """
    head = ["workload", "server", *_COLUMNS]
    rows = [head, ["---", "---", *("---:" for _ in _COLUMNS)]]
    rows += [_row(server, work, results) for server, work in works]
    return [*_headline(results), *(f"| {' | '.join(row)} |" for row in rows)]


def _headline(results: Mapping[str, Any]) -> Iterator[str]:
    read = _times(results, "real/read-64", _OURS)
    if read is not None:
        yield (
            f"**coodie-scylla uses {1 / read:.1f} times less client CPU than scylla-driver** for 64 "
            "concurrent reads from a real Cassandra."
        )
    for workload, name, anchor, what in (
        ("stub/connect", _OURS, "connect", "Connecting"),
        ("stub/read-64", f"{_OURS}+nofast", "read-64", "A read that the fast path can't send"),
    ):
        times = _times(results, workload, name)
        if times is not None:
            yield f"{what} takes [{times:.1f} times](#{anchor}) the CPU time of scylla-driver."
    yield from ("", "![CPU time of one read for each client](benchmarks/real-read-64.svg)", "")


def _times(results: Mapping[str, Any], workload: str, name: str) -> float | None:
    """Return a contestant's CPU time as a multiple of scylla-driver's."""
    contestants = results.get(workload, {}).get("contestants", {})
    if name not in contestants or _RAW not in contestants:
        return None
    found = ratio(contestants[name]["rounds"], contestants[_RAW]["rounds"])
    return found.median if found else None


def _row(server: str, work: Work, results: Mapping[str, Any]) -> list[str]:
    contestants = results[f"{server}/{work.name}"]["contestants"]
    # The anchor of the second section with the same name has a number.
    anchor = work.name if server == "stub" or f"stub/{work.name}" not in results else f"{work.name}-1"
    measure = measures_of(contestants)[0]
    cells = []
    for names in _COLUMNS.values():
        name = next((name for name in names if name in contestants), None)
        cells.append(
            ""
            if name is None
            else amount(Spread.of(costs(contestants[name]["rounds"], measure)).median, measure)
        )
    return [f"[{work.name}](#{anchor})", server, *cells]
