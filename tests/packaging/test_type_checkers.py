"""What mypy and pyright check, and what they are told to pass over."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import tomli

from checks import CHECKED

if TYPE_CHECKING:
    from pathlib import Path

#: A comment for pyright: to a line with the rule, to a line without one, or to a file.
COMMENT = re.compile(r"#\s*pyright:\s*(.*?)\s*(?:#.*)?$", re.MULTILINE)

#: All that there are. The list may shrink; what would make it longer is corrected instead.
ALLOWED = {
    # The benchmarks' other contestants: each is installed in an environment of its own.
    "benchmarks/contestants/acsylla_client.py": ["ignore[reportMissingImports]"],
    "benchmarks/contestants/cassandra_asyncio_client.py": ["ignore[reportMissingImports]"],
    "benchmarks/contestants/rsylla_client.py": ["ignore[reportMissingImports]"],
    "benchmarks/contestants/scylladb_rs_client.py": ["ignore[reportMissingImports]"],
    "benchmarks/contestants/scyllapy_client.py": ["ignore[reportMissingImports]"],
    # A property that can be set stands in for an attribute.
    "coodie_core/src/coodie/registry/lazy.py": ["ignore[reportIncompatibleVariableOverride]"],
    # Defects break the contract's signatures on purpose.
    "tests/kit/defects/requests.py": ["reportIncompatibleMethodOverride=false"],
}


def test_no_more_is_passed_over(root: Path, tracked: list[Path]) -> None:
    """Each exception is in the list, and the list has no other."""
    found = {}
    for file in tracked:
        if file.suffix in {".py", ".pyi"} and file.name != "test_type_checkers.py":
            comments = COMMENT.findall(file.read_text(encoding="utf-8"))
            if comments:
                found[file.relative_to(root).as_posix()] = comments
    assert found == ALLOWED


#: What needs more than the environment of a backend, runs where pip builds a package, or is frozen.
UNCHECKED = (
    "coodie_accel/setup.py",
    "docs/conf.py",
    "examples/recipes",
    "coodie_rust",
    "coodie_acsylla",
    "examples/coodie_replay",
    "examples/coodie_sigv4",
    "tests/compatibility/version_1",
)


def test_both_check_every_file(root: Path, tracked: list[Path]) -> None:
    """A directory that is added, or falls out of a list, would never be checked."""
    settings = tomli.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pyright"]
    for checker, paths in {"mypy": CHECKED, "pyright": settings["include"]}.items():
        for file in tracked:
            path = file.relative_to(root)
            if path.suffix == ".py" and not any(map(path.is_relative_to, UNCHECKED)):
                assert any(map(path.is_relative_to, paths)), f"{checker} doesn't check {path}"
