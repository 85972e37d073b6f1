"""The paths that mypy and pyright check, and suppressed errors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import tomli

from checks import CHECKED

if TYPE_CHECKING:
    from pathlib import Path

#: A comment for pyright: for a line with a rule, for a line without one, or for a file.
COMMENT = re.compile(r"#\s*pyright:\s*(.*?)\s*(?:#.*)?$", re.MULTILINE)

#: All suppressed errors. The list may only shrink.
ALLOWED = {
    # The benchmarks' other contestants, which have separate environments.
    "benchmarks/contestants/acsylla_client.py": ["ignore[reportMissingImports]"],
    "benchmarks/contestants/cassandra_asyncio_client.py": ["ignore[reportMissingImports]"],
    "benchmarks/contestants/rsylla_client.py": ["ignore[reportMissingImports]"],
    "benchmarks/contestants/scylladb_rs_client.py": ["ignore[reportMissingImports]"],
    "benchmarks/contestants/scyllapy_client.py": ["ignore[reportMissingImports]"],
    # A property with a setter replaces an attribute.
    "coodie_core/src/coodie/registry/lazy.py": ["ignore[reportIncompatibleVariableOverride]"],
    # Defects intentionally violate the contract's signatures.
    "tests/kit/defects/requests.py": ["reportIncompatibleMethodOverride=false"],
}


def test_no_more_is_passed_over(root: Path, tracked: list[Path]) -> None:
    """The list has exactly the suppressed errors."""
    found = {}
    for file in tracked:
        if file.suffix in {".py", ".pyi"} and file.name != "test_type_checkers.py":
            comments = COMMENT.findall(file.read_text(encoding="utf-8"))
            if comments:
                found[file.relative_to(root).as_posix()] = comments
    assert found == ALLOWED


#: Files that require another environment, run during a build, or are frozen.
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
    """Both lists contain each directory with Python files."""
    settings = tomli.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pyright"]
    for checker, paths in {"mypy": CHECKED, "pyright": settings["include"]}.items():
        for file in tracked:
            path = file.relative_to(root)
            if path.suffix == ".py" and not any(map(path.is_relative_to, UNCHECKED)):
                assert any(map(path.is_relative_to, paths)), f"{checker} doesn't check {path}"
