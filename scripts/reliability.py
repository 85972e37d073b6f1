"""The table of the reliability tests: on the terminal, as JSON, and in the documentation."""

from __future__ import annotations

import ast
import json
import xml.etree.ElementTree as ET
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from steps import ROOT

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["publish"]

_PAGE = ROOT / "docs" / "reliability.md"
_JSON = ROOT / "docs" / "reliability.json"
#: Properties in the report that pytest adds.
_FOREIGN = "hypothesis-"
_BEGIN, _END = "<!-- made by `make reliability`: from here -->", "<!-- to here -->"


@dataclass
class _Promise:
    """A test function: its guarantee, and the outcomes of its cases with one backend."""

    promise: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    #: Case → name → value, if the test measures something.
    figures: dict[str, dict[str, str]] = field(default_factory=dict)


def publish(reports: dict[str, Path]) -> None:
    """Print the results of all backends, and write them to the documentation.

    Args:
        reports: The name and version of each backend's driver → the report of ``--junit-xml``.
    """
    found = {title: _read(path) for title, path in reports.items()}
    plain = {
        title: {name: asdict(promise) for name, promise in sorted(rows.items())}
        for title, rows in found.items()
    }
    _JSON.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
    table = _table(found)
    print("\n".join(table))
    text = _PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    made = "\n".join([*table, "", "## Measurements", "", *_figures(found)])
    _PAGE.write_text(f"{before}{_BEGIN}\n\n{made}\n\n{_END}{after}", encoding="utf-8")
    print(f"\nwritten: {_PAGE.relative_to(ROOT)}, {_JSON.relative_to(ROOT)}")


def _read(report: Path) -> dict[str, _Promise]:
    """Parse one backend's report: "area: test" → its guarantee."""
    promises: dict[str, _Promise] = {}
    for case in ET.parse(report).getroot().iter("testcase"):  # noqa: S314 - our own pytest wrote it
        module, (function, _, label) = case.get("classname", ""), case.get("name", "").partition("[")
        if not module and case.find("skipped") is not None:
            continue  # a module without guarantees with this backend
        area = module.rpartition(".")[2].removeprefix("test_").replace("_", " ")
        promise = promises.setdefault(f"{area}: {function}", _Promise(_docstring(module, function)))
        if case.find("failure") is not None or case.find("error") is not None:
            promise.failed += 1
        elif case.find("skipped") is not None:
            promise.skipped += 1
        else:
            promise.passed += 1
        properties = {entry.get("name", ""): entry.get("value", "") for entry in case.iter("property")}
        figures = {name: value for name, value in properties.items() if not name.startswith(_FOREIGN)}
        if figures:
            promise.figures[label.rstrip("]")] = figures
    return promises


def _docstring(module: str, function: str) -> str:
    """Return the first line of a test's docstring, its guarantee."""
    return _docstrings(module).get(function, function)


@cache
def _docstrings(module: str) -> dict[str, str]:
    file = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    if not file.is_file():  # a test in a class
        return {}
    functions = [
        node
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    return {node.name: (ast.get_docstring(node) or node.name).splitlines()[0] for node in functions}


def _table(found: dict[str, dict[str, _Promise]]) -> list[str]:
    lines = ["| area | guarantee | " + " | ".join(found) + " |", "|---|---|" + "---|" * len(found)]
    for name in sorted({name for rows in found.values() for name in rows}):
        promises = [rows.get(name) for rows in found.values()]
        text = next(promise.promise for promise in promises if promise is not None)
        cells = " | ".join(map(_outcome, promises))
        lines.append(f"| {name.partition(':')[0]} | {text} | {cells} |")
    return lines


def _outcome(promise: _Promise | None) -> str:
    if promise is None:
        return "–"
    counts = {kind: getattr(promise, kind) for kind in ("passed", "failed", "skipped")}
    return ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)


def _figures(found: dict[str, dict[str, _Promise]]) -> list[str]:
    """Return the table of measurements, with a row for each case and backend."""
    lines = ["| guarantee | case | backend | figures |", "|---|---|---|---|"]
    for title, rows in found.items():
        for _, promise in sorted(rows.items()):
            for case, figures in promise.figures.items():
                values = ", ".join(f"{name}: {value}" for name, value in figures.items())
                lines.append(f"| {promise.promise} | {case} | {title} | {values} |")
    return lines
