"""Run seeds; print those that fail with the command that replays each, and shrink them."""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path

from tests.simulation.plants import PLANTS
from tests.simulation.run import Report, simulate


def _simulate(backend: str, only: tuple[int, ...] | None, seed: int) -> Report:
    return simulate(seed, backend, only)


def _alone(backend: str, only: tuple[int, ...] | None, seed: int) -> Report:
    """Run a seed in a process of its own, which has the state of one that has done nothing yet."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(_simulate, (backend, only, seed))


def shrunk(report: Report, backend: str) -> Report:
    """Return the report of the same seed with as few faults as fail in the same way.

    Args:
        report: A report with violations.
        backend: The ``driver_type``.
    """
    kept = [fault.number for fault in report.faults]
    step = max(1, len(kept) // 2)
    while step:
        at = 0
        while at < len(kept):
            fewer = kept[:at] + kept[at + step :]
            found = _alone(backend, tuple(fewer), report.seed)
            if found.violations:
                kept, report = fewer, found
            else:
                at += step
        step //= 2
    return report


def command(report: Report) -> str:
    """Return the command that replays a run."""
    numbers = ",".join(str(fault.number) for fault in report.faults)
    return f'make simulate SEEDS={report.seed} ARGS="--faults={numbers}"'


def seeds_of(text: str) -> range:
    """Read ``1000`` (that seed), ``0-999`` or ``0+1000``."""
    first, dash, last = text.partition("-")
    if dash:
        return range(int(first), int(last) + 1)
    first, plus, count = text.partition("+")
    return range(int(first), int(first) + (int(count) if plus else 1))


def main() -> int:
    """Run."""
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("seeds", type=seeds_of, help="one seed, FIRST-LAST, or FIRST+COUNT")
    parser.add_argument("--backend", default="scylla")
    parser.add_argument("--faults", help="the numbers of the faults that happen; all unless given")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--plant", choices=sorted(PLANTS), help="plant a bug, and stop where it is found")
    parser.add_argument("--no-shrink", action="store_true")
    options = parser.parse_args()
    only = None if options.faults is None else tuple(int(one) for one in options.faults.split(",") if one)
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets is a part of a run
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]])
    if options.plant is not None:
        PLANTS[options.plant]()
    began, failed, requests, faults = time.monotonic(), [], 0, 0
    outcomes: Counter[str] = Counter()
    points: Counter[str] = Counter()
    digests: list[tuple[int, int, float]] = []
    work = partial(_simulate, options.backend, only)
    jobs = min(options.jobs, len(options.seeds))
    with multiprocessing.get_context("fork").Pool(jobs, maxtasksperchild=1) as pool:
        for report in pool.imap_unordered(work, options.seeds):
            requests, faults = requests + report.requests, faults + len(report.faults)
            outcomes.update(report.outcomes)
            points.update(report.points)
            digests.append((report.seed, report.steps, report.ended_at))
            if report.violations:
                failed.append(report)
                print(f"seed {report.seed}: {report.violations[0][:2000]}", flush=True)
                if options.plant is not None:
                    break
    for report in failed[:3]:
        small = report if options.no_shrink else shrunk(report, options.backend)
        print(f"\nseed {small.seed}, with {len(small.faults)} of {len(report.faults)} faults:")
        print("\n".join(f"  {fault}" for fault in small.faults))
        print("\n".join(f"  {what[:2000]}" for what in small.violations[:5]))
        print(f"  again with: {command(small)}")
    directory = os.environ.get("COODIE_TEST_POINTS")
    if directory:
        Path(directory, f"simulation-{os.getpid()}.json").write_text(json.dumps(points), encoding="utf-8")
    seconds = time.monotonic() - began
    digest = hashlib.sha256(repr(sorted(digests)).encode()).hexdigest()[:12]
    print(
        f"{len(options.seeds)} seeds, {requests} requests, {faults} faults in {seconds:.0f} s; "
        f"{len(failed)} seeds failed; digest {digest}"
    )
    if len(options.seeds) == 1:
        print("\n".join(f"  {name}: {count}" for name, count in sorted(outcomes.items())))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
