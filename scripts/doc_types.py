"""Check the types of the Python blocks in the READMEs and docs/, with mypy --strict and pyright.

Each page becomes a module in .venvs/pages with the page's line numbers. The blocks are the body of a
coroutine function, so that they may await; its parameter is the name that the page presupposes. A block with
the file of a package becomes that file.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pages import LOCAL, PAGES, blocks_of, name_of
from steps import ROOT, Failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pages import Block

__all__ = ["TypeFault", "main", "modules_of"]

_MODULES = ROOT / ".venvs" / "pages"
#: The configuration of pyright: the project's, except for the paths and missing imports, which mypy reports.
_CONFIGURATION = {
    "extends": "../../pyproject.toml",
    "include": ["."],
    "exclude": [],
    "reportMissingImports": False,
}

_FUTURE = "from __future__ import annotations"
_INDENT = "    "
_PRESUPPOSED = "driver: Driver"


@dataclass(frozen=True, order=True)
class TypeFault:
    """An error that a type checker found on a page."""

    page: str
    line: int
    checker: str
    message: str

    def __str__(self) -> str:
        """Return a line of output."""
        return f"{self.page}:{self.line}: {self.checker}: {self.message}"


def modules_of(page: Path) -> dict[str, str]:
    """Return a page's modules.

    Args:
        page: A Markdown file.

    Returns:
        The modules' code, by relative path.
    """
    blocks = [block for block in blocks_of(page) if block.python]
    files = [block for block in blocks if block.file]
    modules = {_path_of(block.file): "\n" * block.line + block.code for block in files}
    body = [block for block in blocks if not block.file]
    if body:
        name = name_of(page).removesuffix(".md").replace("/", "_").replace("-", "_").replace(".", "_")
        modules[f"{name}_page.py"] = _module(body, "" if name_of(page) in LOCAL else _PRESUPPOSED)
    return modules


def _path_of(file: str) -> str:
    """Return a file's path relative to src/, or to the project's directory."""
    parts = PurePosixPath(file).parts
    return "/".join(parts[parts.index("src") + 1 :] if "src" in parts else parts[1:] or parts)


def _module(blocks: list[Block], parameters: str) -> str:
    """Return a module with a coroutine function that contains blocks.

    Args:
        blocks: A page's blocks, in order. A block that isn't run gets its own scope.
        parameters: The function's parameters.

    Returns:
        The module's code.
    """
    lines = [f"{_FUTURE}; from coodie import Driver", f"async def page({parameters}) -> None:"]
    for block in blocks:
        lines += [""] * (block.line - 1 - len(lines))
        lines.append(f"{_INDENT}async def block_{block.line}() -> None:" if block.mark else f"{_INDENT}...")
        indent = _INDENT * 2 if block.mark else _INDENT
        lines += textwrap.indent(block.python.replace(_FUTURE, ""), indent).splitlines()
    return "\n".join([*lines, ""])


def check(python: Path, pyright: Path) -> list[TypeFault]:
    """Check all pages with both checkers.

    Args:
        python: The interpreter of an environment with mypy and the packages that the pages import.
        pyright: The path of pyright.

    Returns:
        The errors, in the pages' order.

    Raises:
        Failure: A checker failed, for example because a block isn't valid Python.
    """
    places = _write_modules()
    paths = [str(_MODULES / path) for path in places]
    faults = []
    command: list[str | Path] = [python, "-m", "mypy", "--output=json", "--no-error-summary", *paths]
    for item in map(json.loads, _run(command, MYPYPATH=str(_MODULES)).splitlines()):
        if item["severity"] == "error":
            message = f"{item['message']} [{item['code']}]"
            faults.append(TypeFault(places[_path_below(item["file"])], item["line"], "mypy", message))
    command = [pyright, "--outputjson", "--level=error", f"--pythonpath={python}", f"--project={_MODULES}"]
    told = json.loads(_run(command))
    looked_at = told["summary"]["filesAnalyzed"]
    if looked_at != len(places):
        raise Failure(f"pyright checked {looked_at} modules instead of {len(places)}")
    for item in told["generalDiagnostics"]:
        line = item["range"]["start"]["line"] + 1
        sentence, _, _ = item["message"].partition("\n")
        message = f"{sentence} [{item.get('rule', 'syntax')}]"
        faults.append(TypeFault(places[_path_below(item["file"])], line, "pyright", message))
    return sorted(faults)


def _write_modules() -> dict[str, str]:
    """Write the modules of all pages.

    Returns:
        The modules' relative paths → their pages' names.
    """
    shutil.rmtree(_MODULES, ignore_errors=True)
    _MODULES.mkdir(parents=True)
    (_MODULES / "pyrightconfig.json").write_text(json.dumps(_CONFIGURATION), encoding="utf-8")
    places: dict[str, str] = {}
    for page in PAGES:
        for path, code in modules_of(page).items():
            if path in places:
                raise Failure(f"{places[path]} and {name_of(page)} both have {path}; rename one")
            file = _MODULES / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(code, encoding="utf-8")
            places[path] = name_of(page)
    return places


def _path_below(file: str) -> str:
    """Return a module's relative path from a checker's output."""
    return (ROOT / file).relative_to(_MODULES).as_posix()


def _run(command: Sequence[str | Path], **variables: str) -> str:
    """Run a checker and return its output."""
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **variables}, check=False, capture_output=True, text=True
    )
    if done.returncode not in {0, 1}:
        raise Failure(f"exit status {done.returncode} of {command[0]}:\n{done.stdout}{done.stderr}")
    return done.stdout


def main(arguments: list[str]) -> int:
    """Check all pages and print the errors.

    Args:
        arguments: The command's arguments.

    Returns:
        The exit code: 0 if there is no error.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--mypy", type=Path, required=True, metavar="PYTHON", help="a Python with mypy")
    parser.add_argument("--pyright", type=Path, required=True, metavar="PROGRAM", help="the path of pyright")
    parsed = parser.parse_args(arguments)
    try:
        faults = check(parsed.mypy.absolute(), parsed.pyright.absolute())
    except Failure as exc:
        print(exc, file=sys.stderr)
        return 1
    for fault in faults:
        print(fault)
    print(f"{len(PAGES)} pages, {len(faults)} errors")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
