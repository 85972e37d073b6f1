"""Long tests run where they are asked for, and only there; combinations of backend and form."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["pytester"]

pytestmark = pytest.mark.extended

_TESTS = """
import pytest

def test_quick(): pass

@pytest.mark.reliability
def test_broken(): pass

@pytest.mark.extended
def test_installed(): pass

@pytest.mark.faults
def test_unplugged(): pass

@pytest.mark.faults
@pytest.mark.reliability
def test_unplugged_for_long(): pass

@pytest.mark.recipes
def test_served(): pass
"""


@pytest.mark.parametrize(
    ("expression", "ran"),
    [
        ((), ["test_quick"]),
        (("-m", "not server"), ["test_quick"]),
        (("-m", "reliability"), ["test_broken", "test_unplugged_for_long"]),
        (("-m", "recipes"), ["test_served"]),
        (("test_left_out.py::test_broken",), ["test_broken"]),
        (("-m", "reliability or faults"), ["test_broken", "test_unplugged", "test_unplugged_for_long"]),
        (("-m", "(extended or faults) and not reliability"), ["test_installed", "test_unplugged"]),
    ],
)
def test_left_out(pytester: pytest.Pytester, root: Path, expression: tuple[str, ...], ran: list[str]) -> None:
    """Without -m, and with one that names none of their marks, they're deselected."""
    pytester.makeconftest((root / "conftest.py").read_text(encoding="utf-8"))
    pytester.makeini("[pytest]\nmarkers =\n  server\n  reliability\n  extended\n  faults\n  recipes")
    pytester.makepyfile(_TESTS)
    result = pytester.runpytest_subprocess("-v", *expression)
    passed = [line.split("::")[1].split()[0] for line in result.outlines if "PASSED" in line]
    assert passed == ran


_COMBINATIONS = """
import pytest

@pytest.mark.parametrize("case", range(8))
def test_alone(case): pass

@pytest.mark.parametrize("form", ["sync", "async"])
@pytest.mark.parametrize("case", range(8))
def test_both(form, case): pass
"""


def test_combinations(pytester: pytest.Pytester, root: Path) -> None:
    """Each has one number: 0 has all tests once, and 2 is with the other backend and in the other form."""
    pytester.makeini("[pytest]\nmarkers =\n  server\n  reliability\n  extended\n  faults\n  recipes")
    pytester.makepyfile(_COMBINATIONS)
    ran: dict[int, set[tuple[bool, str]]] = {number: set() for number in range(4)}
    for is_cassandra in (False, True):
        conftest = (root / "conftest.py").read_text(encoding="utf-8")
        pytester.makeconftest(f"{conftest}\n_IS_CASSANDRA = {is_cassandra}\n")
        for number, found in ran.items():
            result = pytester.runpytest_subprocess("-v", f"--combinations={number}")
            lines = [line for line in result.outlines if "PASSED" in line]
            found |= {(is_cassandra, line.split("::")[1].split()[0]) for line in lines}
    everything = [test for found in ran.values() for test in found]
    assert len(everything) == len(set(everything)) == 2 * 24
    for number, count in enumerate((16, 16, 8, 8)):
        assert len({re.sub(r"a?sync", "", name) for _, name in ran[number]}) == len(ran[number]) == count
    assert {is_cassandra for is_cassandra, _ in ran[0]} == {False, True}
    swapped = str.maketrans({"~": "sync", "^": "async"})
    opposite = {
        (not is_cassandra, name.replace("async", "~").replace("sync", "^").translate(swapped))
        for is_cassandra, name in ran[0]
        if name.startswith("test_both")
    }
    assert opposite == ran[2]
    named = pytester.runpytest_subprocess("-v", "--combinations=0", "test_combinations.py::test_both")
    named.assert_outcomes(passed=16)


def test_several_combinations(pytester: pytest.Pytester, root: Path) -> None:
    """Numbers with commas are run together; what is no number of a combination is an error."""
    pytester.makeini("[pytest]\nmarkers =\n  server\n  reliability\n  extended\n  faults\n  recipes")
    pytester.makepyfile(_COMBINATIONS)
    pytester.makeconftest((root / "conftest.py").read_text(encoding="utf-8"))
    counts = []
    for numbers in ("0", "1,2,3", "0,1,2,3"):
        result = pytester.runpytest_subprocess("-v", f"--combinations={numbers}")
        counts.append(len([line for line in result.outlines if "PASSED" in line]))
    assert counts[0] + counts[1] == counts[2] == 24
    for wrong in ("first", "4", ""):
        result = pytester.runpytest_subprocess(f"--combinations={wrong}")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["*--combinations*"])
