"""Long tests run where they are asked for, and only there; halves of the tests."""

from __future__ import annotations

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


_HALVES = """
import pytest

def test_alone(): pass

@pytest.mark.parametrize("form", ["sync", "async"])
@pytest.mark.parametrize("case", range(8))
def test_both(form, case): pass
"""


def test_halves(pytester: pytest.Pytester, root: Path) -> None:
    """The first has a test as sync with one backend and as async with the other, the second the rest."""
    pytester.makeini("[pytest]\nmarkers =\n  server\n  reliability\n  extended\n  faults\n  recipes")
    pytester.makepyfile(_HALVES)
    ran: dict[tuple[str, bool], set[str]] = {}
    for is_cassandra in (False, True):
        conftest = (root / "conftest.py").read_text(encoding="utf-8")
        pytester.makeconftest(f"{conftest}\n_IS_CASSANDRA = {is_cassandra}\n")
        for half in ("first", "second"):
            result = pytester.runpytest_subprocess("-v", f"--half={half}")
            lines = [line for line in result.outlines if "PASSED" in line]
            ran[half, is_cassandra] = {line.split("::")[1].split()[0] for line in lines}
    for half in ("first", "second"):
        assert not ran[half, False] & ran[half, True]
        assert len(ran[half, False] | ran[half, True]) == 17
    for is_cassandra in (False, True):
        assert not ran["first", is_cassandra] & ran["second", is_cassandra]
        both = [name for name in ran["first", is_cassandra] if name.startswith("test_both")]
        assert sorted(name.split("-")[0] for name in both) == [f"test_both[{case}" for case in range(8)]
    named = pytester.runpytest_subprocess("-v", "--half=first", "test_halves.py::test_both")
    named.assert_outcomes(passed=16)
