"""A new driver's package, as it is written: complete or not there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tomli

from coodie.exceptions import ConfigurationError
from coodie.scaffold import DriverNames, driver_names, write_package
from coodie.scaffold.package import _compatible, render_package

if TYPE_CHECKING:
    from collections.abc import Callable

#: The shortest and the longest name: between them, no line is broken in another way.
NAMES = ("x", "my-db", "abcdefghijklmnopqrstuvwxyz-abc")


@pytest.fixture
def names() -> DriverNames:
    """The names of a driver."""
    return driver_names("my-db", {})


def test_what_is_in_it(names: DriverNames) -> None:
    """Everything that a package of a driver has, and no placeholder."""
    files = render_package(names)
    assert set(files) == {
        ".github/workflows/test.yml",
        ".gitignore",
        "README.md",
        "pyproject.toml",
        "src/coodie_my_db/__init__.py",
        "src/coodie_my_db/client.py",
        "src/coodie_my_db/driver.py",
        "src/coodie_my_db/errors.py",
        "src/coodie_my_db/plugin.py",
        "src/coodie_my_db/py.typed",
        "tests/test_conformance.py",
        "tests/test_plugin.py",
    }
    for path, text in files.items():
        assert "@" not in text.replace("@hookimpl", "").replace("@pytest", "").replace("@v", ""), path
        if path.endswith(".py"):
            compile(text, path, "exec")


def test_it_announces_itself(names: DriverNames) -> None:
    """Both entry points name its module; it asks for the coodie that it was made with."""
    project = tomli.loads(render_package(names)["pyproject.toml"])["project"]
    announced = {"my-db": "coodie_my_db.plugin"}
    assert project["entry-points"] == {"coodie.drivers": announced, "coodie.driver_api.1": announced}
    assert project["name"] == "coodie-my-db"
    assert any(need.startswith("coodie-core>=") for need in project["dependencies"])
    assert any(need.startswith("coodie-core[testing]>=") for need in project["optional-dependencies"]["test"])


@pytest.mark.parametrize(
    ("version", "wanted"), [("0.1.0", ">=0.1,<0.2"), ("0.9.3", ">=0.9,<0.10"), ("1.4.0", ">=1.4,<2")]
)
def test_which_coodie_it_asks_for(version: str, wanted: str) -> None:
    """Versions that keep their promises: below 1.0 the minor one, then the major one."""
    assert _compatible(version) == wanted


@pytest.mark.parametrize("name", NAMES)
def test_ruff_has_nothing_to_say(name: str, tmp_path: Path) -> None:
    """As written it passes its own lint rules and its own formatter, however long the name is."""
    written = tmp_path / "package"
    write_package(driver_names(name, {}), written)
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", "."],
            cwd=written,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


@pytest.mark.extended
def test_mypy_has_nothing_to_say(names: DriverNames, tmp_path: Path) -> None:
    """As written it passes mypy --strict, which its pyproject.toml asks for."""
    written = tmp_path / "package"
    write_package(names, written)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path / "cache")],
        cwd=written,
        env={**os.environ, "MYPYPATH": str(written / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "strict = true" in (written / "pyproject.toml").read_text(encoding="utf-8")


def test_its_errors_are_those_that_its_tests_expect(names: DriverNames, tmp_path: Path) -> None:
    """The tests that need neither an installation nor a server pass as written."""
    written = tmp_path / "package"
    write_package(names, written)
    options = ("-q", "-p", "no:cacheprovider", "-k", "test_errors", "tests/test_plugin.py")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        cwd=written,
        env={**os.environ, "PYTHONPATH": str(written / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


# --- all or nothing ---------------------------------------------------------------------


def test_written_as_rendered(names: DriverNames, tmp_path: Path) -> None:
    """What it returns are the files, and there is nothing else, with the permissions that others have."""
    written = write_package(names, tmp_path / "new")
    assert {path.relative_to(tmp_path / "new").as_posix(): path.read_text("utf-8") for path in written} == (
        render_package(names)
    )
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    (tmp_path / "plain").mkdir()
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "plain").stat().st_mode


def _empty(path: Path) -> None:
    path.mkdir()


def _file(path: Path) -> None:
    path.write_text("mine", encoding="utf-8")


def _dangling(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize("make", [_empty, _file, _dangling])
def test_what_exists_is_left_alone(make: Callable[[Path], None], names: DriverNames, tmp_path: Path) -> None:
    """A directory, a file, a link: whatever has the name stays as it is."""
    target = tmp_path / "there"
    make(target)
    before = target.lstat()
    with pytest.raises(ConfigurationError, match="already exists") as caught:
        write_package(names, target)
    assert caught.value.option == "directory"
    assert target.lstat() == before
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("raised", "expected"),
    [(OSError(28, "No space left on device"), ConfigurationError), (KeyboardInterrupt(), KeyboardInterrupt)],
)
def test_a_failure_leaves_nothing(
    raised: BaseException,
    expected: type[BaseException],
    names: DriverNames,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A full disk or Ctrl-C half-way: no half a package, and no scratch directory."""
    write = Path.write_text
    calls = 0

    def failing(path: Path, *args: Any, **kwargs: Any) -> int:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise raised
        return write(path, *args, **kwargs)

    monkeypatch.setattr(Path, "write_text", failing)
    with pytest.raises(expected):
        write_package(names, tmp_path / "new")
    assert calls == 5
    assert list(tmp_path.iterdir()) == []


def test_a_race_is_lost_gracefully(
    names: DriverNames, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who makes the directory while the package is rendered keeps it."""
    target = tmp_path / "new"
    rename = Path.rename

    def late(path: Path, to: Path) -> Path:
        (to / "theirs").mkdir(parents=True)
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", late)
    with pytest.raises(ConfigurationError):
        write_package(names, target)
    assert [path.name for path in target.iterdir()] == ["theirs"]
    assert list(tmp_path.iterdir()) == [target]


def test_no_parent(names: DriverNames, tmp_path: Path) -> None:
    """A parent that isn't there isn't made: it may be a slip of the pen."""
    with pytest.raises(ConfigurationError, match="whose parent exists"):
        write_package(names, tmp_path / "no" / "new")
    assert list(tmp_path.iterdir()) == []
