"""``make test-versions``: the interpreters, and the tests that run with each."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import versions
from steps import Failure

if TYPE_CHECKING:
    from outcomes import Outcome, Rerun


class RecordingSteps:
    """Record steps instead of running them.

    Args:
        broken: Part of the titles of steps that fail.
    """

    def __init__(self, broken: str = "-") -> None:
        self.broken = broken
        self.outcomes: list[Outcome] = []
        self.commands: dict[str, list[str]] = {}
        self.reruns: dict[str, Rerun] = {}

    def run(self, title: str, command: list[str], *, report: Path, rerun: Rerun) -> None:
        """Record a command."""
        assert report.name.endswith(".xml")
        self.commands[title] = command
        self.reruns[title] = rerun
        if self.broken in title:
            raise Failure(title)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the only directory on PATH, with a working interpreter and a broken one."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(versions, "VERSIONS", ("9.9", "9.8", "9.7", "{}.{}".format(*sys.version_info)))
    (tmp_path / "python9.9").symlink_to(sys.executable)
    broken = tmp_path / "python9.8"
    broken.write_text("#!/bin/sh\nexit 127\n")
    broken.chmod(0o755)
    return tmp_path


def test_each_interpreter_is_used(path: Path) -> None:
    """A missing or broken interpreter is listed as not run; the others have separate environments."""
    steps: Any = RecordingSteps()
    versions.test_versions(steps, "-k", "a b")
    assert list(steps.commands) == ["Python 9.9: scylla", "Python 9.9: cassandra"]
    env, variable, python, *rest = steps.commands["Python 9.9: scylla"]
    assert (env, variable) == ("env", "COODIE_VENVS=python9.9")
    assert os.path.realpath(python) == os.path.realpath(sys.executable)
    assert rest == ["scripts/project.py", "test-scylla", "--pytest=-k 'a b'"]
    left_out = {outcome.title: outcome.left_out for outcome in steps.outcomes}
    assert set(left_out) == {"Python 9.7", "Python 9.8", "Python {}.{}".format(*sys.version_info)}
    assert all(left_out.values())


def test_a_failed_test_is_run_again_with_its_interpreter(path: Path) -> None:
    """The command for a failed test has the interpreter and its environments."""
    steps: Any = RecordingSteps()
    versions.test_versions(steps)
    python = steps.commands["Python 9.9: cassandra"][2]
    command = steps.reruns["Python 9.9: cassandra"].command("tests/test_x.py::test_y")
    arguments = 'test-cassandra ARGS="tests/test_x.py::test_y"'
    assert command == f"COODIE_VENVS=python9.9 make PYTHON={python} {arguments}"


@pytest.mark.parametrize(
    ("variables", "make"),
    [({}, "make"), ({"COODIE_VENVS": "python9.9"}, f"COODIE_VENVS=python9.9 make PYTHON={sys.executable}")],
    ids=["alone", "with another interpreter"],
)
def test_commands_of_the_target_of_one_backend(variables: dict[str, str], make: str) -> None:
    """`make test-scylla` prints such a command, too, where `make test-versions` runs it."""
    environment = {name: value for name, value in os.environ.items() if name != "COODIE_VENVS"} | variables
    show = "import checks; print(checks._MAKE)"
    shown = subprocess.check_output(
        [sys.executable, "-c", show], cwd=Path(versions.__file__).parent, env=environment, text=True
    )
    assert shown.strip() == make


def test_a_failure_doesnt_stop_the_others(path: Path) -> None:
    """Tests with the other backend run, and the run fails."""
    steps: Any = RecordingSteps(broken="scylla")
    with pytest.raises(Failure, match="scylla"):
        versions.test_versions(steps)
    assert len(steps.commands) == 2


def test_no_other_interpreter(path: Path) -> None:
    """Without another interpreter, the run fails with the fix."""
    (path / "python9.9").unlink()
    with pytest.raises(Failure, match="to PATH"):
        versions.test_versions(RecordingSteps())  # type: ignore[arg-type]  # has what is used
