"""The layers of the distributions: which modules may import which others.

All imports count: at module level, in functions, and for types. ``tests/packaging/layers.txt`` lists the
imports that break a rule, and ``tests/packaging/test_layers.py`` compares the list with the code. The list
may only shrink: after a move, run ``python3 scripts/layers.py``, which rewrites it, and check that no line
was added.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = [
    "EXCEPTIONS",
    "FACES",
    "LAYERS",
    "Import",
    "Layer",
    "Layers",
    "imports_of",
    "in_circles",
    "read_house",
    "render",
]

ROOT = Path(__file__).resolve().parent.parent
#: The list of imports that break a rule.
EXCEPTIONS = ROOT / "tests" / "packaging" / "layers.txt"


@dataclass(frozen=True)
class Layer:
    """A layer: its modules may import each other, without cycles, and modules of lower layers.

    Args:
        name: The layer's name.
        modules: Its modules and packages, separated by spaces. The longest matching name determines a
            module's layer.
        reach: The highest layer that it may import from; by default, the next lower one.
        is_outside: Whether it uses the packages like a user, and may import faces.
    """

    name: str
    modules: str
    reach: str | None = None
    is_outside: bool = False


#: From the lowest to the highest. A face has no layer: it re-exports names of any layer for users, and no
#: other module imports it. Each package's ``__init__`` is a face.
LAYERS = (
    Layer(
        "ground",
        "coodie._points coodie._version coodie_accel coodie_doctor.findings coodie_doctor.ownership "
        "coodie_doctor.pip_commands coodie_doctor.words",
    ),
    Layer(
        "words",
        "coodie._arrow coodie._bulk coodie._event_loop coodie._forks coodie._in_use coodie._lazy_imports "
        "coodie._module_attribute coodie._tracebacks coodie._unset coodie._wakeups "
        "coodie.capabilities coodie.codec_registry coodie.codecs coodie.columnar "
        "coodie.consistency coodie.cql coodie.effects coodie.exceptions coodie.many_result coodie.paging "
        "coodie.parameters coodie.row_shapes coodie.rows coodie.types coodie.waiting",
    ),
    Layer("protocol", "coodie.protocol", reach="ground"),
    Layer("options", "coodie.options"),
    Layer("requests", "coodie.batch coodie.observers.requestkind coodie.requests"),
    Layer("hooks", "coodie.hooks"),
    Layer("schema", "coodie.schema"),
    Layer("observers", "coodie.observers"),
    Layer("scan", "coodie.scan"),
    Layer("contract", "coodie.contract"),
    Layer("plugins", "coodie.plugins"),
    Layer("registry", "coodie.registry"),
    Layer("config", "coodie.config"),
    Layer("diagnostics", "coodie.diagnostics"),
    Layer("drivers", "coodie.drivers", reach="contract"),
    Layer("doctor", "coodie_doctor"),
    Layer("scaffold", "coodie.scaffold"),
    Layer("cli", "coodie.__main__ coodie.cli coodie.explanations coodie_script"),
    Layer("kit", "coodie_testing", reach="drivers"),
    Layer(
        "backends",
        "coodie_acsylla coodie_cassandra coodie_local coodie_rust coodie_scylla",
        reach="drivers",
    ),
    Layer("arrow", "coodie_arrow", reach="contract"),
    Layer("examples", "coodie_replay", is_outside=True),
)


#: Other faces: public modules that re-export names of other modules.
FACES = ("coodie.drivers.base", "coodie.many")


class Import(NamedTuple):
    """An import of one module by another."""

    importer: str
    imported: str


class Layers:
    """The modules of the distributions, by layer.

    Args:
        layers: From the lowest to the highest.
        faces: Modules that are faces, other than packages.
    """

    def __init__(self, layers: Iterable[Layer] = LAYERS, faces: Iterable[str] = FACES) -> None:
        self._layers = tuple(layers)
        self._faces = frozenset(faces)
        self._ranks = {layer.name: rank for rank, layer in enumerate(self._layers)}
        self._homes = {name: layer for layer in self._layers for name in layer.modules.split()}

    def layer_of(self, module: str) -> Layer:
        """Return a module's layer.

        Raises:
            LookupError: The module has no layer.
        """
        name = module
        while name not in self._homes:
            name, dot, _ = name.rpartition(".")
            if not dot:
                raise LookupError(f"{module} has no layer. Add it, or its package, to scripts/layers.py.")
        return self._homes[name]

    def faces(self, modules: Mapping[str, Path]) -> set[str]:
        """Return the faces among these modules."""
        return {name for name, file in modules.items() if file.name == "__init__.py"} | self._faces

    def missing(self, modules: Iterable[str]) -> list[str]:
        """Return the names in the table without a module."""
        there = tuple(f"{name}." for name in modules)
        named = self._homes.keys() | self._faces
        return sorted(home for home in named if not any(one.startswith(f"{home}.") for one in there))

    def broken(self, modules: Mapping[str, Path]) -> dict[str, list[Import]]:
        """Find the imports that break a rule.

        Args:
            modules: Each module's file, by the module's name.

        Returns:
            ``face``: internal imports of a face. ``up``: imports from a higher layer. ``circle``: imports in
            a cycle within one layer. A cycle across layers contains an import of the other two kinds, so
            there is no cycle if all three are empty.
        """
        faces = self.faces(modules)
        found: dict[str, list[Import]] = {"face": [], "up": [], "circle": []}
        within: list[Import] = []
        for one in imports_of(modules):
            if one.importer in faces:
                if one.imported in faces and not one.imported.startswith(f"{one.importer}."):
                    found["face"].append(one)
                continue
            layer = self.layer_of(one.importer)
            if one.imported in faces:
                if not layer.is_outside:
                    found["face"].append(one)
            elif self._runs_up(layer, self.layer_of(one.imported)):
                found["up"].append(one)
            elif layer is self.layer_of(one.imported):
                within.append(one)
        circles = in_circles(within)
        found["circle"] = [
            one
            for one in within
            if one.importer in circles and circles[one.importer] == circles.get(one.imported)
        ]
        return found

    def _runs_up(self, importer: Layer, imported: Layer) -> bool:
        if importer is imported:
            return False
        rank = self._ranks[importer.name]
        highest = rank - 1 if importer.reach is None else self._ranks[importer.reach]
        return self._ranks[imported.name] > highest


def read_house(root: Path = ROOT) -> dict[str, Path]:
    """Return the files of all distributions, including the examples, by module name."""
    found: dict[str, Path] = {}
    for source in sorted([*root.glob("*/src"), *root.glob("examples/*/src")]):
        for file in sorted(source.rglob("*.py")):
            parts = file.relative_to(source).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imports_of(modules: Mapping[str, Path]) -> list[Import]:
    """Return the imports between these modules, sorted and without duplicates."""
    found = set()
    for name, file in modules.items():
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), file)):
            for imported in _named(node, package, modules):
                if imported in modules and imported != name:
                    found.add(Import(name, imported))
    return sorted(found)


def _named(node: ast.AST, package: str, modules: Mapping[str, Path]) -> Iterator[str]:
    """Yield the modules of an import statement; for ``from a import b``, ``a.b`` if it is a module."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
        source = ".".join([*above, *([node.module] if node.module else [])])
        for alias in node.names:
            whole = f"{source}.{alias.name}"
            yield whole if whole in modules else source


def in_circles(imports: Iterable[Import]) -> dict[str, int]:
    """Return the modules that are part of a cycle, each with the number of its cycle.

    Modules that import each other have the same number (Tarjan's strongly connected components).
    """
    reached: dict[str, list[str]] = {}
    for importer, imported in imports:
        reached.setdefault(importer, []).append(imported)
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []
    circles: dict[str, int] = {}
    closed: set[str] = set()

    def visit(module: str) -> None:
        order[module] = lowest[module] = len(order)
        path.append(module)
        for other in reached.get(module, ()):
            if other not in order:
                visit(other)
            if other not in closed:
                lowest[module] = min(lowest[module], lowest[other])
        if lowest[module] == order[module]:
            circle = path[path.index(module) :]
            del path[-len(circle) :]
            closed.update(circle)
            if len(circle) > 1:
                circles.update(dict.fromkeys(circle, order[module]))

    for module in reached:
        if module not in order:
            visit(module)
    return circles


def render(broken: Mapping[str, Iterable[Import]]) -> str:
    """Return the content of the list's file."""
    lines = [f"{rule} {one.importer} -> {one.imported}" for rule, found in broken.items() for one in found]
    return "".join(f"{line}\n" for line in lines)


def main() -> None:
    """Write the list and print its length."""
    modules = read_house()
    broken = Layers().broken(modules)
    EXCEPTIONS.write_text(render(broken), encoding="utf-8")
    counts = ", ".join(f"{len(found)} {rule}" for rule, found in broken.items())
    circles = len(in_circles(imports_of(modules)))
    print(f"wrote {EXCEPTIONS.relative_to(ROOT)}: {counts}; modules in circles: {circles}")


if __name__ == "__main__":
    main()
