"""The picture of the architecture agrees with the source tree, and is self-contained."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def picture(root: Path) -> ET.Element:
    """Return the picture's root element."""
    return ET.parse(root / "docs" / "architecture.svg").getroot()  # noqa: S314 - ours


def modules_of(group: ET.Element) -> list[str]:
    """Return the modules in a distribution's part of the picture."""
    return [text.text or "" for text in group.iter(f"{SVG}text") if "room" in text.get("class", "").split()]


def test_every_module_exists(picture: ET.Element, root: Path) -> None:
    """Each name is a module or package of its box's distribution."""
    boxes = {group.get("data-source", ""): modules_of(group) for group in picture.iter(f"{SVG}g")}
    assert all(boxes.values())
    missing = []
    for source, modules in boxes.items():
        for module in modules:
            path = root / source / module.replace(".", "/")
            if not (path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()):
                missing.append(f"{source}: {module}")
    assert missing == []


def test_no_module_is_outside_of_a_box(picture: ET.Element) -> None:
    """All names are in boxes; others wouldn't be checked."""
    inside = [module for group in picture.iter(f"{SVG}g") for module in modules_of(group)]
    assert modules_of(picture) == inside


def test_every_distribution_is_shown(picture: ET.Element, projects: dict[str, object]) -> None:
    """Each released distribution has a box."""
    shown = {group.get("data-source", "").partition("/")[0] for group in picture.iter(f"{SVG}g")}
    assert set(projects) - shown == set()


def test_it_loads_nothing_and_knows_the_dark(root: Path) -> None:
    """It loads no external font, picture or script, and supports both colour schemes."""
    text = (root / "docs" / "architecture.svg").read_text(encoding="utf-8")
    assert re.findall(r"href|@import|@font-face|<script|<image|url\((?!#)", text) == []
    assert "prefers-color-scheme: dark" in text


@pytest.mark.parametrize(
    ("page", "path"), [("README.md", "docs/architecture.svg"), ("docs/architecture.md", "architecture.svg")]
)
def test_it_is_shown(root: Path, page: str, path: str) -> None:
    """Both pages show it, with an alternative text."""
    assert re.search(rf"!\[.{{20,}}\]\({re.escape(path)}\)", (root / page).read_text(encoding="utf-8"))
