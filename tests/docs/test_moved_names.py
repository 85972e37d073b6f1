"""The page of names that moved, compared with the names that there were and those that there are."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "moved-names.md"
NAMES = Path(__file__).with_name("public_names.txt")

#: A name with its module, as it stands in the page.
NAME = re.compile(r"`(coodie[\w.]*)`")


def is_there(path: str) -> bool:
    """Tell whether a name can be imported."""
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


def rows() -> list[tuple[list[str], list[str]]]:
    """Read each row's names: those that there were, and those that there are."""
    found = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("| `"):
            _, before, after, _ = line.split("|")
            found.append((NAME.findall(before), NAME.findall(after)))
    return found


def public_names() -> list[str]:
    """Read the names that there were."""
    found = []
    for line in NAMES.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            module, _, names = line.partition(": ")
            found += [f"{module}.{name}" for name in names.split()]
    return found


@pytest.mark.parametrize(("before", "after"), rows(), ids="-".join)
def test_it_moved(before: list[str], after: list[str]) -> None:
    """The old name is gone, and the new one can be imported."""
    assert [name for name in before if is_there(name)] == []
    assert [name for name in after if not is_there(name)] == []


def test_the_page_has_all() -> None:
    """Whatever was public and isn't there any more has its row, or its module has."""
    listed = {name for before, _ in rows() for name in before}
    gone = [name for name in public_names() if not is_there(name)]
    assert gone
    assert [name for name in gone if not listed & {name, name.rpartition(".")[0]}] == []


def test_a_whole_module_kept_its_names() -> None:
    """Of a public module that moved, each name is in the new one, unless it has a row of its own."""
    moved = {before[0]: after[0] for before, after in rows() if after}
    for name in public_names():
        module, _, attribute = name.rpartition(".")
        if module in moved and name not in moved:
            assert is_there(f"{moved[module]}.{attribute}"), name
