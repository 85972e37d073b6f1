"""The wheel and sdist of each distribution."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from email.parser import HeaderParser
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest

from coodie.capabilities import KNOWN

if TYPE_CHECKING:
    from pathlib import Path

    from tests.packaging.conftest import Project


pytestmark = pytest.mark.extended


@pytest.fixture(scope="session")
def built(projects: dict[str, Project], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Build all distributions; return the directories with one wheel and one sdist each."""
    directories = {}
    for name, project in projects.items():
        directories[name] = tmp_path_factory.mktemp(name)
        subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "--directory", str(directories[name])],
            cwd=project.directory,
            check=True,
            capture_output=True,
        )
    return directories


def wheel_of(directory: Path) -> zipfile.ZipFile:
    """Open the directory's wheel."""
    (path,) = directory.glob("*.whl")
    assert path.name.endswith("-py3-none-any.whl")
    return zipfile.ZipFile(path)


def sources_of(project: Project) -> set[str]:
    """Return the files of its packages, relative to its src/."""
    files = (
        path
        for package in project.packages
        for path in (project.directory / "src" / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )
    return {path.relative_to(project.directory / "src").as_posix() for path in files}


def test_wheel_holds_the_package_and_nothing_else(project: Project, built: dict[str, Path]) -> None:
    """The wheel has exactly the source tree with data files; only core's wheel has files in `coodie`."""
    with wheel_of(built[project.directory.name]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == sources_of(project)
    assert {PurePosixPath(name).parts[0] for name in names} == set(project.packages)
    assert {f"{package}/py.typed" for package in project.packages} <= names


def test_wheel_metadata(project: Project, built: dict[str, Path]) -> None:
    """The metadata has name, version, licence text, README, Python version and dependencies."""
    metadata = project.metadata
    info = f"{project.directory.name}-{metadata['version']}.dist-info"
    with wheel_of(built[project.directory.name]) as wheel:
        headers = HeaderParser().parsestr(wheel.read(f"{info}/METADATA").decode())
        licence = wheel.read(f"{info}/licenses/LICENSE")
    assert headers["Name"] == metadata["name"]
    assert headers["Version"] == metadata["version"]
    assert headers["License-Expression"] == "MIT"
    assert headers["Requires-Python"] == ">=3.10"
    assert licence == (project.directory / "LICENSE").read_bytes()
    assert f"# {metadata['name']}" in headers.get_payload()
    plain = [entry for entry in headers.get_all("Requires-Dist", []) if "extra ==" not in entry]
    assert len(plain) == len(metadata["dependencies"])


def test_sdist_builds_alone(project: Project, built: dict[str, Path], tmp_path: Path) -> None:
    """A sdist contains all files for building its wheel, without the rest of the tree."""
    (archive,) = built[project.directory.name].glob("*.tar.gz")
    with tarfile.open(archive) as sdist:
        if sys.version_info >= (3, 12):
            sdist.extractall(tmp_path, filter="data")
        else:
            sdist.extractall(tmp_path)  # noqa: S202 - we made it
    (directory,) = tmp_path.iterdir()
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel"],
        cwd=directory,
        check=True,
        capture_output=True,
    )
    with wheel_of(directory / "dist") as again, wheel_of(built[project.directory.name]) as first:
        assert sorted(again.namelist()) == sorted(first.namelist())


def test_installed_wheels_find_each_other(
    built: dict[str, Path], projects: dict[str, Project], tmp_path: Path
) -> None:
    """With only the wheels installed, `coodie.drivers` is importable and all backends are found."""
    for name in projects:
        with wheel_of(built[name]) as wheel:
            wheel.extractall(tmp_path)  # noqa: S202 - ours; a pure wheel is installed by unpacking it
    code = """
        import sys
        sys.path.insert(0, sys.argv[1])
        import coodie.drivers
        from coodie.plugins import installed_drivers
        assert coodie.__file__.startswith(sys.argv[1]), coodie.__file__
        assert "cassandra" not in sys.modules
        print(*sorted(driver.driver_type for driver in installed_drivers()))
    """
    result = subprocess.run(
        [sys.executable, "-c", "\n".join(line.strip() for line in code.splitlines()), str(tmp_path)],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    assert result.stderr == ""
    assert result.stdout.split() == sorted(KNOWN)
