"""The summary of a run: counts, skips with reasons, and commands for failed tests."""

from __future__ import annotations

import shlex
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from outcomes import Counts, Outcome, Rerun, closing_line, failures, percent_of, read_report, table

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["pytester"]

SUITE = """
import pytest

class Base:
    @pytest.mark.parametrize("text", ["a", "b c$"])
    def test_fails(self, text): assert text == "a"

class TestGroup(Base): pass

def test_passes(): pass

@pytest.mark.skip(reason="no compiler")
def test_skipped(): pass

@pytest.fixture
def broken(): raise OSError

def test_error(broken): pass
"""


@pytest.fixture
def report(pytester: pytest.Pytester) -> Path:
    """Return the report of a run with a failure, a skip and an error."""
    pytester.makeini("[pytest]\njunit_family = xunit1")
    base, suite = SUITE.split("class TestGroup", 1)
    pytester.makepyfile(
        base=base,
        test_suite=f"import pytest\nfrom base import Base\n\nclass TestGroup{suite}",
        test_module='import pytest\npytest.skip("no shards", allow_module_level=True)',
    )
    file = pytester.path / "report.xml"
    pytester.runpytest_subprocess(f"--junit-xml={file}")
    return file


def test_a_report_is_read(report: Path) -> None:
    """Counts, reasons and ids of failed tests are the same as in pytest's output."""
    counts = read_report(report, report.parent)
    assert (counts.passed, counts.failed, counts.skipped) == (
        2,
        2,
        Counter({"no compiler": 1, "no shards": 1}),
    )
    assert counts.failures == ["test_suite.py::TestGroup::test_fails[b c$]", "test_suite.py::test_error"]


def test_a_failed_test_comes_with_its_command(report: Path) -> None:
    """The test id in the command is quoted for the shell and make."""
    counts = read_report(report, report.parent)
    outcome = Outcome("scylla: core", failure="exit status 1", counts=counts, rerun=Rerun("test-scylla"))
    text = "\n".join(failures([outcome]))
    command = Rerun("test-scylla").command("test_suite.py::TestGroup::test_fails[b c$]")
    assert command in text
    _, target, argument = shlex.split(command)
    assert target == "test-scylla"
    assert shlex.split(argument.removeprefix("ARGS=").replace("$$", "$")) == [
        "test_suite.py::TestGroup::test_fails[b c$]"
    ]


def test_many_failures_are_cut() -> None:
    """The number of listed failures is limited."""
    counts = Counts(failed=50, failures=[f"test_x.py::test_{n}" for n in range(50)])
    lines = failures([Outcome("a: tests", failure="exit status 1", counts=counts, rerun=Rerun("test-a"))])
    assert len(lines) < 20
    assert "40 more" in lines[-1]


def test_the_table_has_every_step() -> None:
    """The table has steps, seconds, counts, totals, and reasons for skips."""
    outcomes = [
        Outcome("style", 1.5),
        Outcome("a: tests", 60.0, counts=Counts(10, 0, Counter({"no compiler": 2}))),
        Outcome("b: tests", left_out="a dependency failed"),
    ]
    lines = table(outcomes, 61.0)
    assert [line.split() for line in lines[1:5]] == [
        ["style", "1.5"],
        ["a:", "tests", "60.0", "10", "0", "2"],
        ["b:", "tests", "0.0", "not", "run:", "a", "dependency", "failed"],
        ["together", "61.0", "10", "0", "2"],
    ]
    assert "     2 × no compiler" in lines
    assert closing_line(outcomes) == "tests: 10 passed, 0 failed, 2 skipped"


@pytest.mark.parametrize(
    ("line", "percent"),
    [("tests/test_x.py ....    [ 43%]\n", 43), ("tests/test_x.py .. [100%]", 100), ("[notice] 5%", None)],
)
def test_progress_is_read_from_pytests_lines(line: str, percent: int | None) -> None:
    """The end of a line of pytest's output is the progress."""
    assert percent_of(line) == percent


def test_options_of_a_run_are_part_of_the_command() -> None:
    """The command for a test that failed without the fast path disables it, too."""
    command = Rerun("test-scylla", ("--fast-path=off",)).command("tests/test_x.py::test_y")
    assert command == 'make test-scylla ARGS="--fast-path=off tests/test_x.py::test_y"'
