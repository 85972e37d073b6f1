"""What finding a backend costs with many distributions installed: ratios in one run.

Distributions are written into a directory of their own, a third with entry points, one with a backend. Each
measurement is the best of several, each with an index of its own, as in a fresh process:

- ``scan``: all metadata is read, once per process;
- ``resolve``: the name is resolved with the scan done;
- ``known``, ``pinned``: the name is resolved without a scan;
- ``entry_points``: what importlib-metadata itself takes to list one group, for comparison.

Absolute times say little. What matters: resolving costs next to nothing beside the scan, and nothing
grows faster than the number of distributions.

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

#: How often each is measured.
_TIMES = 7


def install(directory: Path, name: str, entry_points: str = "") -> None:
    """Write a distribution's metadata, of a usual size."""
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
    """Write so many distributions, and those of the backends that are looked for."""
    for number in range(count):
        script = f"[console_scripts]\nrun{number} = package{number}:main\n"
        install(directory, f"package-{number}", script if number % 3 == 0 else "")
    install(directory, "coodie-core")
    for name, driver_type in (("acme-db", "acme"), ("coodie-scylla", "scylla")):
        point = f"{driver_type} = nowhere.plugin\n"
        install(directory, name, f"[coodie.drivers]\n{point}\n[coodie.driver_api.1]\n{point}")


def measure(directory: Path) -> dict[str, float]:
    """Return milliseconds by what was done."""
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
    """Return the least of several durations, in milliseconds."""
    durations = []
    for _ in range(_TIMES):
        index = make()
        started = time.perf_counter()
        act(index)
        durations.append(time.perf_counter() - started)
    return min(durations) * 1000


def main() -> None:
    """Measure with so many distributions, and with half of them, and print."""
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
