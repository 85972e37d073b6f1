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

@pytest.mark.plugins
def test_installed(): pass

@pytest.mark.recipes
def test_served(): pass
"""


@pytest.mark.parametrize(
    ("expression", "ran"),
    [
        ((), ["test_quick"]),
        (("-m", "not server"), ["test_quick"]),
        (("-m", "reliability"), ["test_broken"]),
        (("-m", "plugins"), ["test_installed"]),
        (("-m", "recipes"), ["test_served"]),
        (("-m", "plugins or reliability"), ["test_broken", "test_installed"]),
    ],
)
def test_left_out(pytester: pytest.Pytester, root: Path, expression: tuple[str, ...], ran: list[str]) -> None:
    """Without -m, and with one that doesn't name their mark, they're deselected."""
    pytester.makeconftest((root / "conftest.py").read_text(encoding="utf-8"))
    pytester.makeini("[pytest]\nmarkers =\n  server\n  reliability\n  plugins\n  recipes")
    pytester.makepyfile(_TESTS)
    result = pytester.runpytest_subprocess("-v", *expression)
    passed = [line.split("::")[1].split()[0] for line in result.outlines if "PASSED" in line]
    assert passed == ran
