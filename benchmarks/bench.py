"""The benchmarks: clients in separate processes take turns with a stub CQL server or a real one.

    python benchmarks/bench.py --quick
    python benchmarks/bench.py --contestants coodie-scylla,coodie-1.9 --workloads read-64,sync-1 --rounds 7

The benchmarks measure the client: the CPU time of all its threads, and the elapsed time. The stub server
responds immediately, and has one table; other workloads, and those with --server real, use a Cassandra of
coodie-local. The values that contestants read are verified, and the stub rejects wrong inserts. Ratios are
paired: each round is compared with the same round of the other contestant.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from rich.console import Console
from rich.table import Table

from contestants.listing import CONTESTANTS, VARIANTS
from contestants.work import KINDS
from coodie.exceptions import CoodieError
from environments import ENVIRONMENTS
from ruler import stub
from ruler.conditions import conditions
from ruler.page import BASELINES, publish
from ruler.plan import make_plan, names
from ruler.processes import Place
from ruler.real import Address, real_server
from ruler.rounds import compete
from ruler.tables import header, lines
from ruler.targets import evaluate_targets
from steps import Failure, Steps, interrupt_on_signals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contestants.listing import Contestant
    from contestants.work import Setting, Work
    from ruler.plan import Contest


def main(arguments: list[str]) -> int:
    """Run the benchmarks, print tables, write results.

    Returns:
        The exit code: 0, 1 if nothing was measured, 2 for invalid arguments, 130 after an interrupt.
    """
    given = _parser().parse_args(arguments)
    given.seconds = given.seconds or (0.3 if given.quick else 0.5)
    console = Console(width=None if sys.stdout.isatty() else 160)
    try:
        contests = make_plan(given.workloads, given.contestants, given.server, quick=given.quick)
    except ValueError as exc:
        console.print(f"bench: {exc}", markup=False)
        return 2
    interrupt_on_signals()
    results: dict[str, Any] = {}
    try:
        _run(given, console, contests, results)
    except KeyboardInterrupt:
        console.print("\ninterrupted; all processes were stopped")
        return 130
    except (stub.NoCompilerError, Failure, CoodieError) as exc:
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
    given: argparse.Namespace, console: Console, contests: list[Contest], results: dict[str, Any]
) -> None:
    pythons, missing = _environments(
        list(dict.fromkeys(one for each in contests for one in each.contestants))
    )
    for name, why in missing.items():
        console.print(f"left out: {name}: {why}", markup=False, style="yellow")
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "errors.txt"
        for (server, setting), group in groupby(contests, lambda each: (each.server, each.work.setting)):
            alike = list(group)
            with _server(server, setting, [each.work for each in alike]) as address:
                place = Place(address.host, address.port, given.seconds, log, address.ca)
                for each in alike:
                    rounds = given.rounds or each.work.rounds
                    result = _run_contest(console, each, pythons, place, rounds)
                    result["left_out"] |= {
                        one.name: missing[one.name] for one in each.contestants if one.name in missing
                    }
                    results[each.name] = result
                    _print(console, each.title, result, names(given.baselines))
    targets = list(evaluate_targets(results))
    if targets:
        _table(console, "targets", ["workload", "contestant", "target", "median (spread)", ""], targets)
    console.print(f"{len(contests)} workloads in {time.monotonic() - begun:.0f} s")


def _run_contest(
    console: Console, contest: Contest, pythons: dict[Contestant, Path], place: Place, rounds: int
) -> dict[str, Any]:
    """Run a contest; return its results."""
    current_conditions = conditions(contest.server, rounds)
    entered = {one: pythons[one] for one in contest.contestants if one in pythons}
    with console.status(contest.title) as status:
        outcome = compete(
            contest.work, entered, place, rounds, lambda what: status.update(f"{contest.title}: {what}")
        )
    return {
        "conditions": current_conditions,
        "contestants": outcome.contestants,
        "left_out": outcome.left_out,
    }


def _environments(entered: list[Contestant]) -> tuple[dict[Contestant, Path], dict[str, str]]:
    """Create the environments; return interpreters, and contestants that can't run with the reasons."""
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
def _server(which: str, setting: Setting, works: list[Work]) -> Iterator[Address]:
    if which == "stub":
        with stub.running(stub.build(), nodes=setting.nodes, work=setting.delay) as port:
            yield Address("127.0.0.1", port)
    else:
        with real_server(which, works) as address:
            yield address


def _print(console: Console, title: str, result: dict[str, Any], baselines: list[str]) -> None:
    contestants = result["contestants"]
    if contestants:
        _table(console, title, header(contestants, baselines), lines(contestants, baselines))
    for name, why in result["left_out"].items():
        console.print(f"left out: {name}: {why}", markup=False, style="yellow")


def _table(console: Console, title: str, columns: list[str], rows: list[list[str]]) -> None:
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _parser() -> argparse.ArgumentParser:
    kinds = "\n".join(f"  {kind:8} {what}" for kind, what in KINDS.items())
    variants = "\n".join(f"  +{name:8} {what}" for name, what in VARIANTS.items())
    contestants = ", ".join(CONTESTANTS)
    ending = f"contestants: {contestants}\n{variants}\n\nworkloads, most with a number N (read-64):\n{kinds}"
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=ending, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer contestants and workloads: a few minutes")
    parser.add_argument("--contestants", metavar="NAMES", help="the contestants, separated by commas")
    parser.add_argument("--workloads", metavar="NAMES", help="the workloads, separated by commas")
    parser.add_argument("--rounds", type=int, help="rounds of each contestant (5; 3 for long workloads)")
    parser.add_argument("--seconds", type=float, help="CPU time of a round (0.5; with --quick 0.3)")
    parser.add_argument(
        "--baselines", metavar="NAMES", default=",".join(BASELINES), help="the clients to compare with"
    )
    parser.add_argument(
        "--server",
        help="stub, real (starts a Cassandra), or HOST:PORT; by default, the best one for each workload",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all rounds to a file")
    parser.add_argument(
        "--publish", action="store_true", help="write docs/benchmarks.md, its charts and its JSON"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
