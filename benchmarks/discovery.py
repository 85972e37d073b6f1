"""The cost of finding a backend with many installed distributions: ratios in one run.

The benchmark creates distributions in a directory, a third of them with entry points, one with a backend.
Each measurement is the minimum of several, each with a new index, as in a new process:

- ``scan``: reading all metadata, once per process;
- ``resolve``: resolving the name after the scan;
- ``known``, ``pinned``: resolving the name without a scan;
- ``entry_points``: listing one group with importlib-metadata, for comparison.

Absolute times mean little. Resolving should cost very little compared with the scan, and no time should grow
faster than the number of distributions.

    python benchmarks/discovery.py --distributions 600
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import importlib_metadata

from coodie.plugins.allowlist import DistributionAllowlist
from coodie.plugins.discovery import DriverIndex
from coodie.plugins.selection import select

if TYPE_CHECKING:
    from collections.abc import Callable

#: The number of repetitions.
_TIMES = 7


def install(directory: Path, name: str, entry_points: str = "") -> None:
    """Write the metadata of a distribution, with a typical size."""
    info = directory / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    words = "A description that goes on for a while. " * 100
    requirements = "Requires-Dist: something>=1\n" * 10
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{requirements}\n{words}\n"
    (info / "METADATA").write_text(text, encoding="utf-8")
    (info / "RECORD").write_text("a/file.py,sha256=x,1\n" * 100, encoding="utf-8")
    if entry_points:
        (info / "entry_points.txt").write_text(entry_points, encoding="utf-8")


def populate(directory: Path, count: int) -> None:
    """Write a number of distributions, and those of the backends."""
    for number in range(count):
        script = f"[console_scripts]\nrun{number} = package{number}:main\n"
        install(directory, f"package-{number}", script if number % 3 == 0 else "")
    install(directory, "coodie-core")
    for name, driver_type in (("acme-db", "acme"), ("coodie-scylla", "scylla")):
        point = f"{driver_type} = nowhere.plugin\n"
        install(directory, name, f"[coodie.drivers]\n{point}\n[coodie.driver_api.1]\n{point}")


def measure(directory: Path) -> dict[str, float]:
    """Return milliseconds by operation."""
    path = [str(directory)]

    def source(**name: str) -> Any:
        return importlib_metadata.distributions(path=path, **name)

    def index() -> DriverIndex:
        return DriverIndex(source)

    def scanned() -> DriverIndex:
        found = index()
        found.entry_points()
        return found

    def resolved(found: DriverIndex, name: str, pin: str | None = None) -> None:
        select(found, DistributionAllowlist(), name, pin)

    return {
        "scan": best(index, DriverIndex.entry_points),
        "resolve": best(scanned, lambda found: resolved(found, "acme")),
        "known": best(index, lambda found: resolved(found, "scylla")),
        "pinned": best(index, lambda found: resolved(found, "acme", "acme-db")),
        "entry_points": best(
            index, lambda _: [one.entry_points.select(group="coodie.drivers") for one in source()]
        ),
    }


def best(make: Callable[[], DriverIndex], act: Callable[[DriverIndex], Any]) -> float:
    """Return the minimum of several durations, in milliseconds."""
    durations = []
    for _ in range(_TIMES):
        index = make()
        started = time.perf_counter()
        act(index)
        durations.append(time.perf_counter() - started)
    return min(durations) * 1000


def main() -> None:
    """Measure with all distributions and with half of them, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--distributions", type=int, default=600)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    results = {}
    for count in (given.distributions // 2, given.distributions):
        with tempfile.TemporaryDirectory() as directory:
            populate(Path(directory), count)
            results[count] = measure(Path(directory))
    if given.json:
        print(json.dumps(results))
        return
    (_, half), (count, full) = results.items()
    print(f"{count} distributions")
    for name, milliseconds in full.items():
        print(
            f"  {name:13} {milliseconds:8.3f} ms   {milliseconds / full['scan']:6.2f} x scan"
            f"   {milliseconds / half[name]:5.2f} x with half as many"
        )


if __name__ == "__main__":
    main()
