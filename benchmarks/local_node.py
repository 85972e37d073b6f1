"""What a local node costs: start, memory, stop.

Each row is the median of some runs, in a throw-away directory. Wall times depend on what else the
machine does, so that the JVM's own CPU seconds stand beside them, and the load while it ran. "Cold" begins
with an empty cache, so that it downloads; the class archive is made after it, and then mapped.

    python benchmarks/local_node.py --runs 3
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coodie_local import LocalCluster

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_ARCHIVE_PATIENCE = 600.0


@dataclass(frozen=True, slots=True)
class Run:
    """One start and stop: seconds, CPU seconds of all JVMs until ready, bytes of the largest one."""

    start: float
    cpu: float
    memory: int
    stop: float


def cpu_of(pid: int) -> float:
    """Return the CPU seconds that a process has used."""
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / _TICKS


def memory_of(pid: int) -> int:
    """Return the resident bytes of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1]) * _PAGE


def measure(name: str, **options: Any) -> Run:
    """Start and stop a cluster."""
    from coodie_local import LocalCluster

    with tempfile.TemporaryDirectory() as directory:
        cluster: LocalCluster = LocalCluster(name, directory=directory, **options)
        begun = time.perf_counter()
        cluster.start()
        started = time.perf_counter()
        pids = [node.pid for node in cluster.nodes]
        cpu, memory = sum(map(cpu_of, pids)), max(map(memory_of, pids))
        before_stop = time.perf_counter()
        cluster.stop()
        return Run(started - begun, cpu, memory, time.perf_counter() - before_stop)


def report(what: str, runs: list[Run]) -> None:
    """Print a row."""
    middle = {field: statistics.median(getattr(run, field) for run in runs) for field in Run.__slots__}
    print(
        f"{what:<34} {middle['start']:6.1f} s  {middle['cpu']:5.1f} s CPU  "
        f"{middle['memory'] / 1e6:4.0f} MB  stop {middle['stop']:5.2f} s  load {os.getloadavg()[0]:.1f}"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=3, help="how often each is done but the cold one")
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as cache:
        os.environ["COODIE_LOCAL_CACHE"] = cache
        report("nothing cached, with download", [measure("cold")])
        deadline = time.monotonic() + _ARCHIVE_PATIENCE
        while not [*Path(cache, "archives").glob("*.jsa")]:
            if time.monotonic() > deadline:
                raise SystemExit("No class archive was made.")
            time.sleep(0.2)
        archives = Path(cache, "archives")
        hidden = Path(cache, "hidden")
        archives.rename(hidden)
        os.environ["COODIE_LOCAL_ARCHIVE"] = "0"
        report("jars cached", [measure("warm") for _ in range(runs)])
        hidden.rename(archives)
        kinds: dict[str, dict[str, Any]] = {
            "with the class archive": {},
            "durable": {"profile": "durable"},
            "mutual TLS and a password": {"mtls": True, "auth": True},
            "three nodes": {"nodes": 3},
        }
        for what, options in kinds.items():
            report(what, [measure("again", **options) for _ in range(runs)])


if __name__ == "__main__":
    main()
