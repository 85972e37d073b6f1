"""The project's distributions and their metadata, read from the source tree."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import tomli

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Project:
    """The directory of a distribution."""

    directory: Path
    #: The name of the package.
    package: str
    #: The packages in its wheel.
    packages: tuple[str, ...]
    #: Its pyproject.toml.
    config: dict[str, Any]

    @property
    def metadata(self) -> dict[str, Any]:
        """The table [project]."""
        table: dict[str, Any] = self.config["project"]
        return table

    @property
    def source(self) -> Path:
        """The package's directory."""
        return self.directory / "src" / self.package


def read_projects() -> dict[str, Project]:
    """Return the released distributions, by directory name."""
    packages = {
        directory: directory
        for directory in (
            "coodie_scylla",
            "coodie_cassandra",
            "coodie_rust",
            "coodie_acsylla",
            "coodie_testing",
            "coodie_local",
            "coodie_arrow",
        )
    }
    packages["coodie_core"] = "coodie"
    return {
        directory: Project(
            ROOT / directory,
            package,
            (package, "coodie_doctor", "coodie_script") if directory == "coodie_core" else (package,),
            tomli.loads((ROOT / directory / "pyproject.toml").read_text(encoding="utf-8")),
        )
        for directory, package in packages.items()
    }


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the project's root."""
    return ROOT


@pytest.fixture(scope="session")
def projects() -> dict[str, Project]:
    """Return the released distributions."""
    return read_projects()


@pytest.fixture(params=sorted(read_projects()))
def project(request: pytest.FixtureRequest, projects: dict[str, Project]) -> Project:
    """Return each distribution in turn."""
    return projects[request.param]


@pytest.fixture(scope="session")
def tracked() -> list[Path]:
    """Return the tracked files, and those that `git add .` would add."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("no git checkout: which files are the project's can't be told")
    listing = subprocess.run(
        [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    files = [ROOT / name for name in listing.split("\0") if name]
    return [file for file in files if file.is_file()]
