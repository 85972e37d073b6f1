"""Long tests only run when selected; combinations of backend and form."""

from __future__ import annotations

import importlib.util
from collections import Counter
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

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
    """Without -m, or if it contains none of their marks, they are deselected."""
    pytester.makeconftest((root / "conftest.py").read_text(encoding="utf-8"))
    pytester.makeini("[pytest]\nmarkers =\n  server\n  reliability\n  extended\n  faults\n  recipes")
    pytester.makepyfile(_TESTS)
    result = pytester.runpytest_subprocess("-v", *expression)
    passed = [line.split("::")[1].split()[0] for line in result.outlines if "PASSED" in line]
    assert passed == ran


@pytest.fixture
def conftest(root: Path) -> ModuleType:
    """Load the root conftest.py again."""
    spec = importlib.util.spec_from_file_location("conftest_of_all", root / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_combinations(conftest: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Number 0 has each test once, others have the rest; 2 is the other backend and form."""
    alone = {f"test_a.py::test_alone[{case}]" for case in range(40)}
    both = {f"test_a.py::test_both[{form}-{case}]" for form in ("sync", "async") for case in range(40)}
    forms = Counter(conftest._without_form(name) for name in (*alone, *both))
    found: dict[int, set[tuple[bool, str]]] = {number: set() for number in range(4)}
    for is_cassandra in (False, True):
        monkeypatch.setattr(conftest, "_IS_CASSANDRA", is_cassandra)
        for name in (*alone, *both):
            found[conftest._combination(name, forms)].add((is_cassandra, name))
    for number, count in enumerate((80, 80, 40, 40)):
        assert len(found[number]) == count
        assert len({conftest._without_form(name) for _, name in found[number]}) == count
    for is_cassandra in (False, True):
        for form in ("[sync", "[async"):
            assert 3 < len([each for each in found[0] if each[0] is is_cassandra and form in each[1]]) < 17
    swapped = {"[sync": "[async", "[async": "[sync"}
    opposite = {
        (not is_cassandra, name.replace(form, swapped[form]))
        for is_cassandra, name in found[0]
        for form in swapped
        if form in name
    }
    assert opposite == found[2]


_COMBINATIONS = """
import pytest

@pytest.mark.parametrize("form", ["sync", "async"])
@pytest.mark.parametrize("case", range(8))
def test_both(form, case): pass
"""


@pytest.mark.parametrize(
    ("arguments", "passed"),
    [
        (["--combinations=1,0,2,3"], 16),
        (["--combinations=0,3"], 8),  # as sync or as async with one backend
        (["--combinations=0", "test_combinations.py::test_both"], 16),
    ],
)
def test_chosen_combinations(
    pytester: pytest.Pytester, root: Path, arguments: list[str], passed: int
) -> None:
    """Combinations with the given numbers run; a test selected by name always runs."""
    pytester.makeini("[pytest]\nmarkers =\n  server\n  reliability\n  extended\n  faults\n  recipes")
    pytester.makepyfile(test_combinations=_COMBINATIONS)
    conftest = (root / "conftest.py").read_text(encoding="utf-8")
    pytester.makeconftest(f"{conftest}\n_IS_CASSANDRA = False\n")
    pytester.runpytest_subprocess(*arguments).assert_outcomes(passed=passed)


@pytest.mark.parametrize(("wrong", "said"), [("first", "first"), ("4", "4"), ("", "literal")])
def test_no_numbers(conftest: ModuleType, wrong: str, said: str) -> None:
    """Other values are a usage error."""
    with pytest.raises(ValueError, match=said):
        conftest._numbers(wrong)
