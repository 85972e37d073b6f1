"""Clean environments, into which pip installs wheels, and programs that run in them."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.plugins.packages import PACKAGES
from tests.plugins.wheels import build, repack, write_wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ROOT = Path(__file__).resolve().parents[2]

#: What coodie-core[cli] needs.
_NEEDED = ("importlib-metadata", "zipp", "packaging", "pluggy", "click", "rich")
_NEEDED_BY_THEM = ("markdown-it-py", "mdurl", "pygments")
#: What pip needs to install a distribution of ours from this clone.
_BUILDING = (
    *("hatchling", "pathspec", "tomlkit", "trove-classifiers"),
    *(("tomli",) if sys.version_info < (3, 11) else ()),
)

#: What keeps the settings of whoever runs the tests out.
_FOREIGN = ("PYTHONPATH", "PYTHONHOME", "COODIE_BLOCK", "COODIE_ALLOW", "PIP_TARGET", "PIP_PREFIX")


@dataclass(frozen=True)
class Environment:
    """A virtual environment of a test's own, and the wheels that pip finds for it."""

    path: Path
    wheels: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.path / "bin" / "python"

    def run(self, *command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a program with the environment first on PATH, and pip without an index."""
        base = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
        base |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels), "PIP_NO_COMPILE": "1"}
        base |= {"PATH": f"{self.path / 'bin'}{os.pathsep}{os.environ['PATH']}", **variables}
        return subprocess.run(
            [str(part) for part in command],
            env=base,
            cwd=self.path,
            check=False,
            capture_output=True,
            text=True,
            timeout=250,  # pip on a busy machine; less than a test has
        )

    def shell(self, line: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a line as somebody who copies it into a shell, in the root of a clone."""
        return self.run("sh", "-c", f"cd {shlex.quote(str(ROOT))} && {line}", **variables)

    def pip(self, *arguments: str) -> None:
        """Install or uninstall."""
        done = self.run("pip", *arguments)
        assert done.returncode == 0, done.stderr

    def code(self, code: str, **variables: str) -> Any:
        """Run code, and return the JSON that is the last line that it prints."""
        done = self.run(self.python, "-W", "error", "-c", code, **variables)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def failures(self, driver_types: Iterable[str], **variables: str) -> dict[str, dict[str, Any]]:
        """Open backends that can't be used, each with a registry of its own.

        Returns:
            Each error's type, text and attributes, and which packages were imported for it.
        """
        return dict(self.code(_FAILURES.format(driver_types=list(driver_types)), **variables))

    def failure(self, driver_type: str, **variables: str) -> dict[str, Any]:
        """Open one backend that can't be used; return what ``failures`` does."""
        return self.failures([driver_type], **variables)[driver_type]


_FAILURES = """
import json, os, tempfile, coodie
from coodie.exceptions import DriverLoadError
from coodie.registry import DriverRegistry, using_registry

def failure(driver_type):
    with tempfile.NamedTemporaryFile("r") as notes, using_registry(DriverRegistry()):
        os.environ["NOTES"] = notes.name
        try:
            coodie.init_coodie(driver_type=driver_type)
        except DriverLoadError as exc:
            return {{
                "type": type(exc).__name__,
                "text": str(exc),
                "last": str(exc).splitlines()[-1],
                "cause": exc.__cause__ and type(exc.__cause__).__name__,
                "imported": notes.read().split(),
                **{{name: value for name, value in vars(exc).items() if name != "hint"}},
            }}

print(json.dumps({{name: failure(name) for name in {driver_types!r}}}))
"""


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheels of coodie-core and of all packages; repack what they need from what is here."""
    directory = tmp_path_factory.mktemp("wheels")
    sources = tmp_path_factory.mktemp("sources")
    for package in PACKAGES.values():
        package.write(sources / package.name)
    projects = [sources / name for name in PACKAGES]
    projects += [ROOT / name for name in ("coodie_core", "coodie_scylla", "coodie_cassandra")]
    for project in projects:
        build(project, directory)
    for name in (*_NEEDED, *_NEEDED_BY_THEM, *_BUILDING):
        repack(name, directory)
    theirs = {"coodie/__init__.py": "THEIRS = True\n", "coodie/drivers/__init__.py": "THEIRS = True\n"}
    write_wheel("coodie", "1.9.0", theirs, directory)
    for name in ("scylla-driver", "cassandra-driver"):
        files = {"cassandra/__init__.py": f"NAME = {name!r}\n", f"cassandra/{name.partition('-')[0]}.py": ""}
        write_wheel(name, {"scylla-driver": "3.29.3", "cassandra-driver": "3.30.0"}[name], files, directory)
    return directory


@pytest.fixture(scope="session")
def make_environment(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Environment]:
    """Make an environment of its own with coodie-core and these packages in it."""

    def make(*packages: str) -> Environment:
        path = tmp_path_factory.mktemp("environment")
        venv.create(path, symlinks=True)
        environment = Environment(path, wheels)
        # This environment's pip, working on that one: to install pip there, too, takes longer than all else.
        pip = path / "bin" / "pip"
        pip.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pip --python "{path}/bin/python" "$@"\n')
        pip.chmod(0o755)
        environment.pip("install", "coodie-core[cli]")
        if packages:
            # Without what they need: a few lack it on purpose.
            environment.pip("install", "--no-deps", *packages)
        return environment

    return make


@pytest.fixture(scope="session")
def zoo(make_environment: Callable[..., Environment]) -> Environment:
    """One environment with a good backend and all that are broken; for tests that change nothing."""
    return make_environment(*(name for name in PACKAGES if name != "acme-rival"))
