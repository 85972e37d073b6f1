"""Imports only use lower layers, without cycles, and name a module, not the face of its package."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from layers import EXCEPTIONS, LAYERS, ROOT, Import, Layer, Layers, in_circles, read_house, render

if TYPE_CHECKING:
    from pathlib import Path

_ABOVE = """
from __future__ import annotations
from typing import TYPE_CHECKING
"""

#: Modules that aren't on the page: faces, ``python -m coodie``, and commands.
_UNNAMED = {"__main__", "base", "many", "newdriver"}

#: Ways of importing ``house.top.roof``.
_WAYS = {
    "at the top": "import house.top.roof",
    "a name of it": "from house.top.roof import tile",
    "as a name of its package": "from house.top import roof",
    "inside a function": "def climb():\n    from house.top.roof import tile",
    "for types": "if TYPE_CHECKING:\n    from house.top.roof import tile",
    "relative": "from ..top.roof import tile",
    "relative, as a name": "from ..top import roof",
}

_TABLE = Layers(
    (
        Layer("low", "house.low"),
        Layer("middle", "house.middle"),
        Layer("top", "house.top"),
        Layer("wing", "house.top.wing", reach="low"),
        Layer("street", "street", is_outside=True),
    ),
    faces=("house.door",),
)


@pytest.fixture
def found(tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, list[Import]]:
    """Return the imports that break a rule in a tree with these files, by path."""
    for path in ("house/low", "house/middle", "house/top", "street"):
        (tmp_path / "one" / "src" / path).mkdir(parents=True)
        (tmp_path / "one" / "src" / path / "__init__.py").touch()
    for name in ("low/floor", "middle/room", "middle/hall", "middle/stairs", "top/roof", "top/wing"):
        (tmp_path / "one" / "src" / "house" / f"{name}.py").touch()
    for path, text in {"house/door.py": "from house.top.roof import tile", **request.param}.items():
        (tmp_path / "one" / "src" / path).write_text(f"{_ABOVE}{text}\n", encoding="utf-8")
    return _TABLE.broken(read_house(tmp_path))


def test_exceptions_only_shrink() -> None:
    """Exactly the imports in the list break a rule; an outdated line also fails."""
    now = set(render(Layers().broken(read_house())).splitlines())
    listed = set(EXCEPTIONS.read_text(encoding="utf-8").splitlines())
    assert sorted(now - listed) == [], "new: import from a layer below, and name the module, not its package"
    assert sorted(listed - now) == [], "gone: run python3 scripts/layers.py, which takes them off the list"


def test_table_and_tree_agree() -> None:
    """Each module has a layer, and each name in the table is a module or a package."""
    modules = read_house()
    table = Layers()
    rooms = modules.keys() - table.faces(modules)
    assert {table.layer_of(name).name for name in rooms} == {layer.name for layer in LAYERS}
    assert table.missing(modules) == []


def test_page_names_each_module() -> None:
    """The architecture page has each module of the package coodie."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    trees = "".join(re.findall(r"```text\n(?:coodie|drivers/cassandra)/\n.*?```", page, re.DOTALL))
    modules = {name for name, file in read_house().items() if file.name != "__init__.py"}
    names = {name.rpartition(".")[2] for name in modules if name.startswith("coodie.")} - _UNNAMED
    assert sorted(names - set(re.findall(r"\w+", trees))) == []


def test_module_without_a_layer() -> None:
    """A module without a layer is an error that says where to add it."""
    with pytest.raises(LookupError, match=r"house\.cellar has no layer.*scripts/layers\.py"):
        _TABLE.layer_of("house.cellar")


@pytest.mark.parametrize(
    "found", [{"house/low/floor.py": way} for way in _WAYS.values()], ids=_WAYS, indirect=True
)
def test_up(found: dict[str, list[Import]]) -> None:
    """An import from a higher layer is found in any place and form."""
    assert found == {"face": [], "up": [Import("house.low.floor", "house.top.roof")], "circle": []}


@pytest.mark.parametrize(
    "found",
    [
        {
            "house/top/roof.py": "from house.low.floor import carpet\nfrom house.middle import room",
            "house/middle/hall.py": "from house.middle.room import door",
            "house/top/wing.py": "from house.low import floor",
            "house/low/__init__.py": "from house.low.floor import carpet\nfrom house.top.roof import tile",
            "house/__init__.py": "from house.door import tile",
            "street/__init__.py": "from street.crossing import light",
            "street/crossing.py": "from house.low import carpet\nfrom house.door import tile",
        }
    ],
    indirect=True,
)
def test_allowed(found: dict[str, list[Import]]) -> None:
    """Allowed: lower layers, the same layer, from a face to any module, from outside to a face."""
    assert found == {"face": [], "up": [], "circle": []}


@pytest.mark.parametrize(
    "found", [{"house/top/wing.py": "from house.middle.room import door"}], indirect=True
)
def test_beyond_reach(found: dict[str, list[Import]]) -> None:
    """A layer with a reach may not import from higher layers than that."""
    assert found["up"] == [Import("house.top.wing", "house.middle.room")]


@pytest.mark.parametrize(
    "found",
    [
        {
            "house/middle/room.py": "from house.middle.hall import rug",
            "house/middle/hall.py": "def go():\n    from house.middle.stairs import step",
            "house/middle/stairs.py": "if TYPE_CHECKING:\n    from house.middle.room import door",
            "house/top/roof.py": "from house.middle.stairs import step",
        }
    ],
    indirect=True,
)
def test_circle(found: dict[str, list[Import]]) -> None:
    """A cycle of three is found even with imports in functions; a module that imports it isn't part of it."""
    assert found["circle"] == [
        Import("house.middle.hall", "house.middle.stairs"),
        Import("house.middle.room", "house.middle.hall"),
        Import("house.middle.stairs", "house.middle.room"),
    ]


@pytest.mark.parametrize(
    "found",
    [
        {
            "house/top/roof.py": "from house.low import carpet",
            "house/top/wing.py": "from house.door import tile",
            "house/top/__init__.py": "import house.low",
        }
    ],
    indirect=True,
)
def test_face(found: dict[str, list[Import]]) -> None:
    """A module may not import a face, and neither may another face."""
    assert found["face"] == [
        Import("house.top", "house.low"),
        Import("house.top.roof", "house.low"),
        Import("house.top.wing", "house.door"),
    ]


def test_two_circles() -> None:
    """Two cycles, one of which imports the other, are different cycles."""
    circles = in_circles(Import(pair[0], pair[1]) for pair in ("ab", "ba", "bc", "cd", "dc", "de"))
    assert circles["a"] == circles["b"] != circles["c"] == circles["d"]
    assert "e" not in circles
