"""The outcomes of a run: seconds, test counts, skips by reason, and commands that rerun failed tests."""

from __future__ import annotations

import re
import shlex
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

__all__ = [
    "Counts",
    "Outcome",
    "Rerun",
    "closing_line",
    "failures",
    "percent_of",
    "read_report",
    "table",
]

#: The maximum number of a step's failed tests to list with their commands.
MAX_LISTED = 10
#: The maximum length of the reason for a skip.
MAX_REASON = 100


@dataclass
class Counts:
    """The counts of one test run, from pytest's JUnit report."""

    passed: int = 0
    failed: int = 0
    #: Reason → the number of skipped tests.
    skipped: Counter[str] = field(default_factory=Counter)
    #: The node ids of failed tests.
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Rerun:
    """The command that runs a single test of a step.

    Args:
        target: The target of `make`.
        options: Options for pytest.
        make: `make`, with the variables that select another interpreter.
    """

    target: str
    options: tuple[str, ...] = ()
    make: str = "make"

    def command(self, test: str) -> str:
        """Return the command that runs one test.

        Args:
            test: The test's node id.
        """
        argument = shlex.join([*self.options, test]).replace("$", "$$")
        plain = not set(argument) & set('"$`\\!')
        return f"{self.make} {self.target} ARGS=" + (f'"{argument}"' if plain else shlex.quote(argument))


@dataclass
class Outcome:
    """The duration and the result of a step."""

    title: str
    seconds: float = 0.0
    #: The reason for a failure, for the terminal; empty if it passed.
    failure: str = ""
    #: The reason why it was skipped; empty if it ran.
    left_out: str = ""
    counts: Counts | None = None
    #: The command that runs a single test of this step.
    rerun: Rerun | None = None


def read_report(report: Path, root: Path) -> Counts:
    """Parse the report of ``--junit-xml``, of the family xunit1.

    Args:
        report: The file.
        root: pytest's working directory.
    """
    counts = Counts()
    for case in ET.parse(report).getroot().iter("testcase"):  # noqa: S314 - our own pytest wrote it
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            counts.failed += 1
            test = _node_id(case, root)
            if test not in counts.failures:  # a test may fail, and also have an error in its teardown
                counts.failures.append(test)
        elif skipped is not None:
            counts.skipped[_reason(skipped)] += 1
        else:
            counts.passed += 1
    return counts


def _reason(skipped: ET.Element) -> str:
    """Return why a test was skipped; for a whole module, only the element's text has the reason."""
    _, mark, text = (skipped.text or "").rpartition("Skipped: ")
    message = skipped.get("message") or "no reason"
    return " ".join((text.rstrip("')\"") if mark and message == "collection skipped" else message).split())


def _node_id(case: ET.Element, root: Path) -> str:
    """Return the node id of a test case: file::class::name."""
    name, parts = case.get("name", ""), case.get("classname", "").split(".")
    # Not the attribute "file": for an inherited test, it is the file of the base class.
    for end in range(len(parts), 0, -1):
        file = f"{'/'.join(parts[:end])}.py"
        if (root / file).is_file():
            return "::".join([file, *parts[end:], name])
    return ".".join(filter(None, [*parts, name]))


def table(outcomes: Sequence[Outcome], seconds: float) -> list[str]:
    """Return the table of all steps, and the skips by reason.

    Args:
        outcomes: The steps, in order of completion.
        seconds: The duration of the run.
    """
    width = max(len(title) for title in ("together", *(outcome.title for outcome in outcomes)))
    lines = [f"{'step':<{width}}  seconds  passed  failed  skipped"]
    lines += [_row(outcome, width) for outcome in outcomes]
    total = _total(outcomes)
    lines.append(_row(Outcome("together", seconds, counts=total if total.passed else None), width))
    if total.skipped:
        lines += ["", "skipped:"]
        lines += [f"  {count:4d} × {reason[:MAX_REASON]}" for reason, count in total.skipped.most_common()]
    return lines


def failures(outcomes: Iterable[Outcome]) -> list[str]:
    """Return the failures, each with a fix or a command.

    Args:
        outcomes: The steps.
    """
    lines = []
    for outcome in outcomes:
        if outcome.failure:
            commands = _reruns(outcome)
            # for a test run, commands are more useful than the end of the log
            text = outcome.failure.splitlines()[0] if commands else outcome.failure
            lines += ["", f"FAILED  {outcome.title}: {text}", *commands]
    return lines


def closing_line(outcomes: Iterable[Outcome]) -> str:
    """Return a line with the test counts of all steps."""
    total = _total(outcomes)
    skipped = f", {total.skipped.total()} skipped" if total.skipped else ""
    return f"tests: {total.passed} passed, {total.failed} failed{skipped}"


def _total(outcomes: Iterable[Outcome]) -> Counts:
    total = Counts()
    for counts in (outcome.counts for outcome in outcomes):
        if counts is not None:
            total.passed += counts.passed
            total.failed += counts.failed
            total.skipped += counts.skipped
    return total


def _row(outcome: Outcome, width: int) -> str:
    mark = f"  not run: {outcome.left_out}" if outcome.left_out else "  FAILED" if outcome.failure else ""
    row = f"{outcome.title:<{width}}  {outcome.seconds:7.1f}"
    if outcome.counts is not None:
        counts = outcome.counts
        row += f"  {counts.passed:6d}  {counts.failed:6d}  {counts.skipped.total():7d}"
    return row + mark


def _reruns(outcome: Outcome) -> list[str]:
    failures = outcome.counts.failures if outcome.counts is not None else []
    if not failures or outcome.rerun is None:
        return []
    lines = ["  to rerun one test:"]
    lines += [f"    {outcome.rerun.command(test)}" for test in failures[:MAX_LISTED]]
    if len(failures) > MAX_LISTED:
        lines.append(f"    … and {len(failures) - MAX_LISTED} more, in the step's log")
    return lines


#: pytest's progress at the end of a line.
_PERCENT = re.compile(r"\[\s*(\d{1,3})%\]\s*$")


def percent_of(line: str) -> int | None:
    """Return the progress of a test run if a line of pytest's output contains it."""
    found = _PERCENT.search(line)
    return int(found[1]) if found else None
