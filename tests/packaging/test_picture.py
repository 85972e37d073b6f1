"""The picture of the architecture is true to the tree, and stands alone."""

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
    """Give the picture's root element."""
    return ET.parse(root / "docs" / "architecture.svg").getroot()  # noqa: S314 - ours


def rooms_of(group: ET.Element) -> list[str]:
    """List the rooms that a distribution's part of the picture names."""
    return [text.text or "" for text in group.iter(f"{SVG}text") if "room" in text.get("class", "").split()]


def test_every_room_exists(picture: ET.Element, root: Path) -> None:
    """Each room is a module or package of the distribution in whose box it stands."""
    boxes = {group.get("data-source", ""): rooms_of(group) for group in picture.iter(f"{SVG}g")}
    assert all(boxes.values())
    missing = []
    for source, rooms in boxes.items():
        for room in rooms:
            path = root / source / room.replace(".", "/")
            if not (path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()):
                missing.append(f"{source}: {room}")
    assert missing == []


def test_no_room_is_outside_of_a_box(picture: ET.Element) -> None:
    """What isn't in a distribution's box wouldn't be looked for."""
    inside = [room for group in picture.iter(f"{SVG}g") for room in rooms_of(group)]
    assert rooms_of(picture) == inside


def test_every_distribution_is_shown(picture: ET.Element, projects: dict[str, object]) -> None:
    """Those that are released have a box each."""
    shown = {group.get("data-source", "").partition("/")[0] for group in picture.iter(f"{SVG}g")}
    assert set(projects) - shown == set()


def test_it_loads_nothing_and_knows_the_dark(root: Path) -> None:
    """No font, picture or script comes from elsewhere; both colour schemes have their colours."""
    text = (root / "docs" / "architecture.svg").read_text(encoding="utf-8")
    assert re.findall(r"href|@import|@font-face|<script|<image|url\((?!#)", text) == []
    assert "prefers-color-scheme: dark" in text


@pytest.mark.parametrize(
    ("page", "path"), [("README.md", "docs/architecture.svg"), ("docs/architecture.md", "architecture.svg")]
)
def test_it_is_shown(root: Path, page: str, path: str) -> None:
    """Readers of both pages see it, and those who can't are told what it shows."""
    assert re.search(rf"!\[.{{20,}}\]\({re.escape(path)}\)", (root / page).read_text(encoding="utf-8"))
