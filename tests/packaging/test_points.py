"""Points: the page lists those in the source, and a run fails if one wasn't reached."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import points
from coodie._points import hooks, point
from steps import Failure

if TYPE_CHECKING:
    from pathlib import Path


def test_the_page_lists_each_point(root: Path) -> None:
    """The table has all points with their modules; python3 scripts/points.py writes it."""
    page = (root / "docs" / "reliability.md").read_text(encoding="utf-8")
    _, _, rest = page.partition("| point | module | reached |\n|---|---|---|\n")
    rows = rest.partition("\n\n")[0].splitlines()
    assert [row.rpartition(" | ")[0] for row in rows] == [
        f"| {name} | `{module}`" for name, module in points.find_points(root).items()
    ]


def test_a_point_that_was_never_reached_fails_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The counts of all processes are added; the failure has the point and its module."""
    monkeypatch.setattr(points, "COUNTS", tmp_path)
    first, *others = points.find_points()
    (tmp_path / "1.json").write_text(json.dumps(dict.fromkeys(others, 1)), encoding="utf-8")
    with pytest.raises(Failure) as caught:
        points.check()
    assert str(caught.value).splitlines()[1:] == [f"  {first} ({points.find_points()[first]})"]
    (tmp_path / "2.json").write_text(json.dumps({first: 3}), encoding="utf-8")
    points.check()


def test_two_points_have_two_names(tmp_path: Path) -> None:
    """Otherwise, one would hide that the other wasn't reached."""
    (tmp_path / "dist" / "src").mkdir(parents=True)
    (tmp_path / "dist" / "src" / "one.py").write_text('point("a")\npoint("a")\n', encoding="utf-8")
    with pytest.raises(ValueError, match="'a'"):
        points.find_points(tmp_path)


def test_a_point_calls_the_hooks() -> None:
    """A point calls all hooks, and does nothing without hooks."""
    reached: list[str] = []
    point("before")
    hooks.append(reached.append)
    try:
        point("now")
    finally:
        hooks.remove(reached.append)
    assert reached == ["now"]
