"""Whole tables on three local nodes: scans, SELECT * through one coordinator, and cqlsh's COPY TO.

    python benchmarks/scan.py --rows 500000 --rounds 3
    python benchmarks/scan.py --memory 10000,100000,2000000
    python benchmarks/scan.py --memory 10000,10000000 --stub

Contestants run in separate processes and take turns. CPU time is that of the process and its children,
without the servers and without connecting. Each node has a third of the table, like a node of a larger
cluster has a part. Run it with the environment `scylla` of .venvs/, which `make test-scylla` creates.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import ctypes
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from contestants.measuring import cpu, forget_peak, memory, peak
from contestants.rows import INSERT, KEYSPACE, TABLE, row
from environments import ENVIRONMENTS
from ruler import stub
from steps import Steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

#: Rows per partition, inserted in one batch.
_PART = 100

#: Contestant → description.
CONTESTANTS = {
    "scan": "`driver.scan(table)`",
    "scan, tuples": "`driver.scan(table, rows=tuple)`",
    "scan_async": "`driver.scan_async(table)`",
    "scan, CSV": "`driver.scan(table, rows=tuple)`, rows written with `csv`",
    "stream": '`driver.stream("SELECT * …")`: one coordinator',
    "execute": '`driver.execute("SELECT * …")`: one coordinator, all rows in memory',
    "scylla-driver": '`session.execute("SELECT * …")` of the raw driver, rows as dicts: one coordinator',
    "COPY TO": "cqlsh's `COPY table TO '/dev/null'`",
}
_IN_MEMORY = ("scan", "scan_async", "execute")

#: Seconds after which a contestant is stopped.
_TIMEOUT = 3600

#: prctl(2): orphaned processes become children of this process, which counts their CPU time.
_SUBREAPER = 36


class Place(NamedTuple):
    """The table, and the condition of a scan."""

    hosts: list[str]
    port: int
    table: str
    where: str | None = None


# --- a contestant's process ---------------------------------------------------------------


class Begun:
    """The costs of a process up to the start of the measurement."""

    def __init__(self) -> None:
        forget_peak()
        self.cpu, self.wall, self.memory = cpu(), time.perf_counter(), memory()

    def costs(self, rows: int) -> dict[str, float]:
        """Return the costs since the start."""
        wall = time.perf_counter() - self.wall
        return {"rows": rows, "cpu": cpu() - self.cpu, "wall": wall, "grown": peak() - self.memory}


def _read(name: str, place: Place) -> dict[str, float]:
    """Read the table; return the costs."""
    if name == "COPY TO":
        return _copy(place)
    if name == "scylla-driver":
        return _read_raw(place)
    import coodie

    table, where = place.table, place.where
    everything = f"SELECT * FROM {table}"
    with coodie.init_coodie(place.hosts, port=place.port, request_timeout=120) as driver:
        driver.execute("SELECT key FROM system.local")
        begun = Begun()
        if name == "scan_async":
            return begun.costs(asyncio.run(_read_async(driver, table, where)))
        if name == "scan, CSV":
            with Path(os.devnull).open("w", encoding="utf-8") as file:
                return begun.costs(
                    _count(map(csv.writer(file).writerow, driver.scan(table, where=where, rows=tuple)))
                )
        reads: dict[str, Callable[[], Iterable[Any]]] = {
            "scan": lambda: driver.scan(table, where=where),
            "scan, tuples": lambda: driver.scan(table, rows=tuple),
            "stream": lambda: driver.stream(everything, fetch_size=5000),
            "execute": lambda: driver.execute(everything, timeout=120),
        }
        return begun.costs(_count(reads[name]()))


def _read_raw(place: Place) -> dict[str, float]:
    from cassandra.cluster import Cluster
    from cassandra.query import dict_factory

    with Cluster(place.hosts, port=place.port) as cluster:
        session = cluster.connect()
        session.row_factory = dict_factory
        begun = Begun()
        return begun.costs(_count(session.execute(f"SELECT * FROM {place.table}", timeout=120)))


def _count(rows: Iterable[Any]) -> int:
    count = 0
    for _row in rows:
        count += 1
    return count


async def _read_async(driver: Any, table: str, where: str | None) -> int:
    count = 0
    async for _row in driver.scan_async(table, where=where):
        count += 1
    return count


def _copy(place: Place) -> dict[str, float]:
    """Run COPY TO; subtract the costs of a cqlsh that only connects."""
    cqlsh = ENVIRONMENTS["bench-cqlsh"].path / "bin" / "cqlsh"
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    costs, output = [], ""
    for statement in ("SELECT key FROM system.local", f"COPY {place.table} TO '/dev/null'"):
        before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = [str(cqlsh), "--request-timeout=120", "-e", statement, place.hosts[0], str(place.port)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=_TIMEOUT)
        wall, output = time.perf_counter() - begun, done.stdout
        with suppress(ChildProcessError):
            while True:  # waits for cqlsh's workers, which outlive it
                os.waitpid(-1, 0)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        costs.append((used, wall))
    rows = int(output.rpartition(" rows exported")[0].split()[-1])
    return {"rows": rows, "cpu": costs[1][0] - costs[0][0], "wall": costs[1][1] - costs[0][1]}


# --- processes ----------------------------------------------------------------------------


def _measure(name: str, place: Place) -> dict[str, float]:
    """Run a contestant once, in a separate process."""
    command = [sys.executable, __file__, "--contestant", name, "--place", json.dumps(place)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=_TIMEOUT)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


# --- servers ------------------------------------------------------------------------------


@contextmanager
def _nodes(counts: Iterable[int]) -> Iterator[dict[int, Place]]:
    """Start three nodes and fill a table for each number of rows."""
    import coodie
    from coodie_local import LocalCluster

    replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}"
    with (
        tempfile.TemporaryDirectory() as directory,
        LocalCluster("bench-scan", nodes=3, directory=directory, timeout=600) as cluster,
    ):
        options = cluster.connection_options()
        with coodie.init_coodie(**options, request_timeout=120) as driver:
            driver.execute(f"CREATE KEYSPACE {KEYSPACE} WITH replication = {replication}")
            places = {}
            for count in counts:
                places[count] = Place(options["hosts"], options["port"], f"{KEYSPACE}.rows_{count}")
                _fill(driver, places[count].table, count)
        yield places


def _fill(driver: Any, table: str, count: int) -> None:
    """Insert the rows, one batch per partition."""
    columns = "part int, id int, name text, score double, ref uuid, PRIMARY KEY (part, id)"
    driver.execute(f"CREATE TABLE {table} ({columns})")
    batch = f"BEGIN UNLOGGED BATCH {'; '.join([INSERT.replace(TABLE, table)] * _PART)}; APPLY BATCH"

    def values(part: int) -> list[Any]:
        return [value for number in range(_PART) for value in row(part, number).values()]

    left: Iterable[int] = range(count // _PART)
    for _ in range(10):
        parts = list(left)
        result = driver.execute_many(batch, map(values, parts), concurrency=8, raise_on_error=False)
        left = [parts[index] for index in result.errors]
        if not left:
            return
    raise SystemExit(f"Could not write {len(list(left))} batches.")


@contextmanager
def _stub(counts: Iterable[int]) -> Iterator[dict[int, Place]]:
    """Run a stub server; the condition limits the number of rows."""
    with stub.running(stub.build()) as port:
        yield {count: Place(["127.0.0.1"], port, TABLE, f"id < {count}") for count in counts}


# --- rounds -------------------------------------------------------------------------------


def _compete(names: list[str], place: Place, count: int, rounds: int) -> None:
    """Run the contestants in turns, and print the table."""
    outcomes: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            found = _measure(name, place)
            if found["rows"] != count:
                raise SystemExit(f"{name} read {found['rows']} rows of {count}.")
            outcomes[name].append(found)
            print(f"{name}: {found}", file=sys.stderr)
    print("| client | rows per CPU second | × COPY TO | clock | ÷ the best without `scan` |")
    print("| --- | ---: | ---: | ---: | ---: |")
    others = [name for name in names if not name.startswith("scan")] or names
    best = [min(outcomes[name][number]["wall"] for name in others) for number in range(rounds)]
    for name, costs in outcomes.items():
        rate = statistics.median(one["rows"] / one["cpu"] for one in costs)
        copied = outcomes.get("COPY TO", [])
        ratios = [other["cpu"] / one["cpu"] for one, other in zip(costs, copied, strict=False)]
        wall = statistics.median(one["wall"] for one in costs)
        behind = statistics.median(one["wall"] / least for one, least in zip(costs, best, strict=True))
        times = f"{statistics.median(ratios):.1f}" if ratios else ""
        print(f"| {CONTESTANTS[name]} | {rate:,.0f} | {times} | {wall:.1f} s | {behind:.2f} |")


def _compare_memory(names: list[str], places: dict[int, Place]) -> None:
    """Print the memory growth while reading tables of different sizes."""
    print("| client |", " | ".join(f"{count:,} rows" for count in places), "|")
    print("| --- |", " | ".join("---:" for _ in places), "|")
    for name in names:
        found = {count: _measure(name, place) for count, place in places.items()}
        if any(one["rows"] != count for count, one in found.items()):
            raise SystemExit(f"{name} didn't read all rows: {found}")
        grown = [one["grown"] / 1e6 for one in found.values()]
        print(f"| {CONTESTANTS[name]} |", " | ".join(f"{one:.1f} MB" for one in grown), "|", flush=True)


def _main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=500_000, help="rows, a multiple of 100 (500000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each contestant (3)")
    parser.add_argument("--memory", metavar="ROWS", help="measure memory with tables of these sizes")
    parser.add_argument("--stub", action="store_true", help="use the stub server instead of three nodes")
    parser.add_argument("--contestants", metavar="NAMES", help=f"a selection of: {'; '.join(CONTESTANTS)}")
    parser.add_argument("--contestant", help=argparse.SUPPRESS)
    parser.add_argument("--place", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.contestant:
        print(json.dumps(_read(given.contestant, Place(*json.loads(given.place)))))
        return
    names = given.contestants.split(";") if given.contestants else list(CONTESTANTS)
    counts = [int(count) for count in given.memory.split(",")] if given.memory else [given.rows]
    if given.memory and not given.contestants:
        names = [name for name in _IN_MEMORY if not given.stub or name != "execute"]
    if "COPY TO" in names:
        ENVIRONMENTS["bench-cqlsh"].ensure(Steps())
    with _stub(counts) if given.stub else _nodes(counts) as places:
        if given.memory:
            _compare_memory(names, places)
        else:
            _compete(names, places[given.rows], given.rows, given.rounds)


if __name__ == "__main__":
    _main()
