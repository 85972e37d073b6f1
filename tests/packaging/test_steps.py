"""The steps of `make`: failures are reported, and no process is left running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import steps as module
from steps import Failure, Steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Starts a process that sleeps, and writes both process ids to a file.
PARENT = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
with open(sys.argv[1] + ".part", "w") as file:
    file.write(f"{os.getpid()} {child.pid}")
os.rename(sys.argv[1] + ".part", sys.argv[1])
"""


def alive(pid: int) -> bool:
    """Return whether a process is running."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    return True


def wait_until(condition: Callable[[], object]) -> bool:
    """Wait for a condition, for some seconds at most."""
    deadline = time.monotonic() + 20
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def pids(tmp_path: Path) -> Iterator[Path]:
    """Return the file for process ids; kill these processes after the test."""
    file = tmp_path / "pids"
    yield file
    for pid in file.read_text().split() if file.exists() else ():
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)


def test_a_failure_names_the_step_and_the_command() -> None:
    """The last lines have the failed step and the command that repeats it."""
    steps = Steps()
    with pytest.raises(Failure, match=r"(?s)my step: exit status 3.*again with: .*sys\.exit\(3\)"):
        steps.run("my step", [sys.executable, "-c", "import sys; sys.exit(3)"])
    assert [outcome.title for outcome in steps.outcomes] == ["my step"]


def test_a_logged_failure_shows_the_log(tmp_path: Path) -> None:
    """The message has the last lines of the command's output."""
    command = [sys.executable, "-c", "print('the reason'); raise SystemExit(1)"]
    with pytest.raises(Failure, match="the reason"):
        Steps().run_logged("quiet", [command], tmp_path / "log")


def test_logged_commands_stop_at_the_first_failure(tmp_path: Path) -> None:
    """Commands after a failed one aren't run."""
    commands = [[sys.executable, "-c", code] for code in ("raise SystemExit(1)", "print('later')")]
    with pytest.raises(Failure):
        Steps().run_logged("quiet", commands, tmp_path / "log")
    assert "later\n" not in (tmp_path / "log").read_text().splitlines(keepends=True)


def test_a_missing_program_is_a_failure() -> None:
    """A missing program is reported as a damaged environment."""
    with pytest.raises(Failure, match="make clean"):
        Steps().run("gone", ["no-such-program-here"])


def test_the_callers_python_path_stays_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """PYTHONPATH doesn't affect the environments."""
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    Steps().run("clean", [sys.executable, "-c", "import os; raise SystemExit('PYTHONPATH' in os.environ)"])


def test_a_command_runs_in_the_background_while_the_block_runs() -> None:
    """The block gets the value of `ready`, and the command is stopped at its end."""
    code = "import time; print('at 7', flush=True); time.sleep(60)"
    steps = Steps()
    with steps.background(
        "server", [sys.executable, "-c", code], lambda line: line.partition("at ")[2] or None
    ) as port:
        assert port.strip() == "7"
        (process,) = steps._processes
    assert process.returncode is not None
    assert [(outcome.title, outcome.failure) for outcome in steps.outcomes] == [("server", "")]


def test_a_background_command_that_ends_early_is_a_failure() -> None:
    """Its last output is the reason."""
    command = [sys.executable, "-c", "print('no room'); raise SystemExit(1)"]
    with pytest.raises(Failure, match="no room"), Steps().background("server", command, lambda _: None):
        pytest.fail("it isn't ready")


def test_what_a_step_leaves_running_is_ended(pids: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that exits before its child processes has failed, and the children are terminated."""
    monkeypatch.setattr(module, "_CHILD_TIMEOUT", 0.2)
    with pytest.raises(Failure, match="left processes behind"):
        Steps().run("careless", [sys.executable, "-c", PARENT, str(pids)])
    assert not any(alive(int(pid)) for pid in pids.read_text().split())


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("deaf", [False, True], ids=["ends on SIGINT", "ignores SIGINT"])
def test_an_interrupt_leaves_nothing(pids: Path, root: Path, signum: signal.Signals, *, deaf: bool) -> None:
    """Ctrl-C and closing the terminal or the CI job terminate the step and its child processes."""
    ignore = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); " if deaf else ""
    runner = f"""
import signal, sys
sys.path.insert(0, {str(root / "scripts")!r})
import steps
steps._SIGNALS = ((signal.SIGINT, 1.0), (signal.SIGKILL, 5.0))
steps.interrupt_on_signals()
try:
    steps.Steps().run("long", [sys.executable, "-c", {ignore + PARENT + "time.sleep(60)"!r}, {str(pids)!r}])
except KeyboardInterrupt:
    sys.exit(130)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", runner], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        assert wait_until(pids.exists)
        process.send_signal(signum)
        assert process.wait(timeout=20) == 130
    finally:
        process.kill()
        process.wait()
    assert wait_until(lambda: not any(alive(int(pid)) for pid in pids.read_text().split()))
