"""`make release-check`: what it checks, and that it detects errors."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import environments
import release
from checks import NATIVE
from environments import Environment
from release import BACKENDS, DISTRIBUTIONS
from steps import Failure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class NoSteps:
    """Steps that run nothing."""

    def run(self, title: str, command: Sequence[str | Path]) -> None:
        """Succeed."""

    def run_logged(self, title: str, commands: Sequence[Sequence[str | Path]], log: Path) -> None:
        """Succeed."""


def test_all_distributions_are_checked(projects: dict[str, object]) -> None:
    """All distributions are released, and each backend is installed in an environment."""
    assert set(DISTRIBUTIONS) == set(projects)
    assert {f"coodie_{backend}" for backend in (*BACKENDS, *NATIVE)} == set(projects) - {
        "coodie_core",
        "coodie_testing",
        "coodie_local",
        "coodie_arrow",
    }


def test_an_environment_takes_wheels_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Distributions are installed as wheels with their extras, not in editable mode."""
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    for name in DISTRIBUTIONS:
        (tmp_path / f"{name}-1.0-py3-none-any.whl").touch()
    made = Environment("x", ("scylla",), ("coodie_core[cli]", "coodie_local"), ".")
    command = made._commands()[-1]
    assert "-e" not in command
    assert command[-2:] == ["./coodie_core-1.0-py3-none-any.whl[cli]", "./coodie_local-1.0-py3-none-any.whl"]


def test_a_missing_sdist_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A successful build without a file is a failure."""
    monkeypatch.setattr(release, "ROOT", tmp_path)
    monkeypatch.setattr(release, "VENVS", tmp_path / ".venvs")
    with pytest.raises(Failure, match=f"expected {len(DISTRIBUTIONS)} sdists, got: none"):
        release.check(NoSteps(), tmp_path / "python")  # type: ignore[arg-type]  # a fake in its place


@pytest.mark.extended
def test_the_tree_is_no_installation(root: Path) -> None:
    """If modules are imported from the source tree, as in this environment, the check fails."""
    result = subprocess.run(
        [sys.executable, "-I", "scripts/installed.py", "scylla"],
        cwd=root,
        check=False,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1, result.stderr
    assert "coodie.drivers was imported from" in result.stdout
    assert "coodie drivers" not in result.stdout, "the backends are ready here"
