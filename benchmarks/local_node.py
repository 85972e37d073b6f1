"""The costs of a local node: start, memory, stop.

Each row is the median of several runs, in a temporary directory. Elapsed times depend on the machine's load,
so each row also has the JVM's CPU time and the load. "Cold" starts with an empty cache, so it includes the
download; the class archive is created afterwards, and later runs map it.

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
_ARCHIVE_TIMEOUT = 600.0


@dataclass(frozen=True, slots=True)
class Run:
    """A start and stop: seconds, CPU seconds of all JVMs until ready, memory of the largest one in bytes."""

    start: float
    cpu: float
    memory: int
    stop: float


def cpu_of(pid: int) -> float:
    """Return the CPU time of a process, in seconds."""
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / _TICKS


def memory_of(pid: int) -> int:
    """Return the resident memory of a process, in bytes."""
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
    """Measure and print the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=3, help="the number of runs, except for the cold one")
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as cache:
        os.environ["COODIE_LOCAL_CACHE"] = cache
        report("nothing cached, with download", [measure("cold")])
        deadline = time.monotonic() + _ARCHIVE_TIMEOUT
        while not [*Path(cache, "archives").glob("*.jsa")]:
            if time.monotonic() > deadline:
                raise SystemExit("No class archive was created.")
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
