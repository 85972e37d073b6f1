"""Long tests run where they are asked for, and only there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["pytester"]

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
