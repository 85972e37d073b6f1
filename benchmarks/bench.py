"""The benchmarks: contestants as separate processes, in turn, against a stub CQL server or a real one.

    python benchmarks/bench.py --quick
    python benchmarks/bench.py --contestants coodie-scylla,coodie-1.9 --workloads read-64,sync-1 --rounds 7

What is measured is the client: CPU of all its threads, and the clock. The stub server answers at once and
knows one table; with --server real it is a Cassandra of coodie-local's. Values that contestants read are
compared with what they must be, and the stub refuses rows that are inserted wrong. Ratios are paired: each
round with the same round of the other contestant.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from rich.console import Console
from rich.table import Table

from contestants.listing import CONTESTANTS, VARIANTS, Contestant, contestant
from contestants.work import KINDS, Work
from environments import ENVIRONMENTS
from ruler import stub
from ruler.conditions import conditions
from ruler.page import BASELINES, publish
from ruler.processes import Place
from ruler.real import address_of, real_server
from ruler.rounds import Outcome, compete
from ruler.tables import header, lines
from ruler.targets import reached
from steps import Failure, Steps, interrupt_on_signals

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What `make bench` runs, and what `make bench-quick` does.
_ALL = (
    "coodie-scylla coodie-scylla+uvloop coodie-scylla+accel coodie-scylla+accel+uvloop coodie-scylla+nofast "
    "coodie-cassandra coodie-cassandra+accel+uvloop coodie-cassandra+nofast scylla-driver cassandra-driver "
    "cassandra-asyncio-driver coodie-1.9 acsylla acsylla+uvloop scyllapy scylladb-rs-driver "
    "scylladb-rs-driver+uvloop rsylla asyncio"
)
_WORKLOADS = (
    "read-64 read-1 read-512 read-4096 insert-64 rows-100 rows-5000 rows-50000 stream-1000000 many-100000 "
    "sync-1 sync-8 three-64 import cold connect memory-200000"
)
_MEMORY_ROUNDS = 3
_QUICK = (
    "coodie-scylla coodie-scylla+uvloop coodie-scylla+accel coodie-scylla+accel+uvloop coodie-scylla+nofast "
    "scylla-driver coodie-1.9 acsylla+uvloop scylladb-rs-driver+uvloop asyncio"
)
_QUICK_WORKLOADS = "read-64 read-1 insert-64 rows-100 rows-5000 rows-50000 sync-1 sync-8 import memory-200000"


def main(arguments: list[str]) -> int:
    """Run, print tables, write results.

    Returns:
        The exit status: 0, 1 where nothing could be measured, 130 after an interrupt.
    """
    given = _parser().parse_args(arguments)
    given.seconds = given.seconds or (0.3 if given.quick else 0.5)
    console = Console(width=None if sys.stdout.isatty() else 160)
    try:
        entered = [
            contestant(name) for name in _names(given.contestants or (_QUICK if given.quick else _ALL))
        ]
        works = [
            Work.of(name)
            for name in _names(given.workloads or (_QUICK_WORKLOADS if given.quick else _WORKLOADS))
        ]
        address_of(given.server)
    except ValueError as exc:
        console.print(f"bench: {exc}", markup=False)
        return 2
    interrupt_on_signals()
    results: dict[str, Any] = {}
    try:
        _run(given, console, entered, works, results)
    except KeyboardInterrupt:
        console.print("\ninterrupted; nothing was left running")
        return 130
    except (stub.NoCompilerError, Failure) as exc:
        console.print(str(exc), markup=False)
        return 1
    finally:
        if given.json and results:
            given.json.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")
            console.print(f"written: {given.json}", markup=False)
        if given.publish and results:
            for path in publish(results):
                console.print(f"written: {path}", markup=False)
    return 0 if results else 1


def _run(
    given: argparse.Namespace,
    console: Console,
    entered: list[Contestant],
    works: list[Work],
    results: dict[str, Any],
) -> None:
    pythons, missing = _environments(entered)
    for name, why in missing.items():
        console.print(f"left out: {name}: {why}", markup=False, style="yellow")
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as directory, ExitStack() as servers:
        places: dict[int, Place] = {}
        for work in works:
            # Memory hardly varies, and each round takes a process.
            if work.nodes not in places:
                host, port = servers.enter_context(_server(given.server, works, work.nodes))
                places[work.nodes] = Place(host, port, given.seconds, Path(directory) / "errors.txt")
            rounds = min(given.rounds, _MEMORY_ROUNDS) if work.kind == "memory" else given.rounds
            under_way = conditions(given.server, rounds)
            title = f"{work.name}: {work.meaning}"
            with console.status(title) as status:

                def tell(what: str) -> None:
                    status.update(f"{title}: {what}")  # noqa: B023 - used while this work is under way

                taking_part = {one: python for one, python in pythons.items() if _suits(one, work)}
                outcome = compete(work, taking_part, places[work.nodes], rounds, tell)
            _print(console, title, outcome, _names(given.baselines))
            results[f"{'stub' if given.server == 'stub' else 'real'}/{work.name}"] = {
                "conditions": under_way,
                "contestants": outcome.contestants,
                "left_out": {**missing, **outcome.left_out},
            }
    targets = list(reached(results))
    if targets:
        _table(console, "targets", ["workload", "contestant", "target", "median (spread)", ""], targets)
    console.print(f"{len(works)} workloads in {time.monotonic() - begun:.0f} s")


def _suits(one: Contestant, work: Work) -> bool:
    """Tell whether a contestant is meant to do a workload."""
    if work.kind == "import":
        return not one.variants
    if work.blocking:
        return bool(one.blocking) and "uvloop" not in one.variants
    return bool(one.asynchronous or one.blocking)


def _environments(entered: list[Contestant]) -> tuple[dict[Contestant, Path], dict[str, str]]:
    """Make the environments; return interpreters, and who can't take part, with the reason."""
    pythons, missing = {}, {}
    steps = Steps()
    failed: dict[str, str] = {}
    for one in entered:
        environment = ENVIRONMENTS[one.environment]
        if one.environment not in failed:
            try:
                environment.ensure(steps)
            except Failure as exc:
                failed[one.environment] = str(exc)
        if one.environment in failed:
            missing[one.name] = f"it can't be installed here: {failed[one.environment]}"
        else:
            pythons[one] = environment.python
    return pythons, missing


@contextmanager
def _server(which: str, works: list[Work], nodes: int) -> Iterator[tuple[str, int]]:
    if which == "stub":
        with stub.running(stub.build(), nodes=nodes) as port:
            yield "127.0.0.1", port
    else:
        with real_server(which, works) as address:
            yield address


def _print(console: Console, title: str, outcome: Outcome, baselines: list[str]) -> None:
    if outcome.contestants:
        made = lines(outcome.contestants, baselines)
        _table(console, title, header(outcome.contestants, baselines), made)
    for name, why in outcome.left_out.items():
        console.print(f"left out: {name}: {why}", markup=False, style="yellow")


def _table(console: Console, title: str, columns: list[str], rows: list[list[str]]) -> None:
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _names(written: str) -> list[str]:
    return list(dict.fromkeys(written.replace(",", " ").split()))


def _parser() -> argparse.ArgumentParser:
    kinds = "\n".join(f"  {kind:8} {what}" for kind, what in KINDS.items())
    variants = "\n".join(f"  +{name:8} {what}" for name, what in VARIANTS.items())
    names = ", ".join(CONTESTANTS)
    ending = f"contestants: {names}\n{variants}\n\nworkloads, most with a number (read-64):\n{kinds}"
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=ending, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer contestants and workloads: some minutes")
    parser.add_argument(
        "--contestants", metavar="NAMES", help="instead of the default ones, with commas between"
    )
    parser.add_argument(
        "--workloads", metavar="NAMES", help="instead of the default ones, with commas between"
    )
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each contestant (5)")
    parser.add_argument("--seconds", type=float, help="CPU of a round (0.5; with --quick 0.3)")
    parser.add_argument(
        "--baselines", metavar="NAMES", default=",".join(BASELINES), help="whom others are compared with"
    )
    parser.add_argument(
        "--server", default="stub", help="stub, real (a Cassandra is started), or HOST:PORT of one"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all rounds there")
    parser.add_argument(
        "--publish", action="store_true", help="write docs/benchmarks.md, its charts and its JSON"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
