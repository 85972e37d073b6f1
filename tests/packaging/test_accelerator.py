"""The metadata of coodie-accel, which has another build backend."""

from __future__ import annotations

import ast
import sysconfig
from typing import TYPE_CHECKING, Any

import pytest
import tomli

import accelerator
import coodie
from steps import Steps

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def directory(root: Path) -> Path:
    """Return the distribution's directory."""
    return root / "coodie_accel"


@pytest.fixture
def metadata(directory: Path) -> dict[str, Any]:
    """Read the table [project]."""
    table: dict[str, Any] = tomli.loads((directory / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


def test_version_is_that_of_all(directory: Path, metadata: dict[str, Any]) -> None:
    """The distribution and its module have coodie-core's version."""
    tree = ast.parse((directory / "src" / "coodie_accel" / "__init__.py").read_text(encoding="utf-8"))
    (version,) = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__"
    ]
    assert metadata["version"] == version == coodie.__version__


def test_it_has_what_users_see(directory: Path, metadata: dict[str, Any], root: Path) -> None:
    """Name, README, licence, Python version and type marker exist, as in other distributions."""
    assert metadata["name"] == "coodie-accel"
    assert metadata["requires-python"] == ">=3.10"
    assert metadata["license"] == "MIT"
    assert (directory / "LICENSE").read_bytes() == (root / "LICENSE").read_bytes()
    assert (directory / metadata["readme"]).read_text(encoding="utf-8").startswith("# coodie-accel\n\n")
    assert (directory / "src" / "coodie_accel" / "py.typed").is_file()


def test_it_needs_nothing(metadata: dict[str, Any]) -> None:
    """It has no dependencies, so it works with either backend."""
    assert metadata["dependencies"] == []


@pytest.mark.parametrize("lacking", ["compiler", "headers"])
def test_without_a_compiler_it_is_left_out(
    lacking: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """If a machine can't compile it, the build is skipped with the reason."""
    if lacking == "compiler":
        monkeypatch.setenv("CC", "no-such-compiler -O2")
    else:
        monkeypatch.setenv("CC", "true")
        monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    monkeypatch.delenv("COODIE_TEST_COMPLETE", raising=False)
    steps = Steps()
    assert accelerator.build(steps) is False
    (outcome,) = steps.outcomes
    assert outcome.counts is not None
    (reason,) = outcome.counts.skipped
    assert ("no-such-compiler" if lacking == "compiler" else "Python.h") in reason
