"""Steps: commands with a name and a duration; the first failure ends the run, an interrupt leaves nothing."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType

__all__ = ["ROOT", "Failure", "Steps", "interrupt_on_signals"]

ROOT = Path(__file__).resolve().parent.parent

#: What would let the caller's Python reach into an environment of ours.
_FOREIGN = ("PYTHONPATH", "PYTHONHOME", "PIP_REQUIRE_VIRTUALENV", "PIP_TARGET", "PIP_PREFIX")
#: Signals to a step's processes and how many seconds each has: tests stop their servers on the first.
_ENDINGS = ((signal.SIGINT, 30.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))
#: How long a step's helper processes may outlive it, in seconds.
_LINGER = 10.0


class Failure(Exception):  # noqa: N818 - a failed step is no defect of this program
    """A step failed.

    Args:
        message: What happened and what to do, for the terminal.
    """


@dataclass
class Steps:
    """The steps of one run, their durations and their test counts."""

    #: Finished steps: title and seconds.
    durations: list[tuple[str, float]] = field(default_factory=list)
    #: For each test run, its title and its outcome in words.
    counts: list[tuple[str, str]] = field(default_factory=list)

    def run(self, title: str, command: Sequence[str | Path]) -> None:
        """Run a command whose output the user reads.

        Args:
            title: The step's name.
            command: The program and its arguments; it runs in the project's root.

        Raises:
            Failure: The command failed, or left processes behind.
        """
        with self._timed(title):
            code = _call(command)
            if code:
                raise Failure(f"exit status {code}\n  again with: {shlex.join(map(_relative, command))}")

    def run_logged(self, title: str, commands: Sequence[Sequence[str | Path]], log: Path) -> None:
        """Run commands whose output matters only when one fails.

        Args:
            title: The step's name.
            commands: Programs with their arguments, run one after the other in the project's root.
            log: Where their output goes; its parent exists. On a terminal the last line shows, too.

        Raises:
            Failure: A command failed, or left processes behind; the message ends with the log's last lines.
        """
        with self._timed(title), log.open("w", encoding="utf-8") as file:
            for command in commands:
                file.write(f"$ {shlex.join(map(str, command))}\n")
                code = _call(command, file.write)
                if code:
                    file.flush()
                    tail = log.read_text(encoding="utf-8").splitlines()[1:][-15:]
                    last = "\n  ".join(["", *tail])
                    raise Failure(f"exit status {code}; the end of {_relative(log)}:{last}")

    def count(self, title: str, report: Path) -> None:
        """Note a test run's outcome.

        Args:
            title: The name of the run.
            report: What pytest wrote for ``--junit-xml``.
        """
        suites = ET.parse(report).getroot().iter("testsuite")  # noqa: S314 - our own pytest wrote it
        totals = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
        for suite in suites:
            for name in totals:
                totals[name] += int(suite.get(name, "0"))
        passed = totals["tests"] - totals["failures"] - totals["errors"] - totals["skipped"]
        words = [f"{passed} passed"]
        words += [f"{totals[name]} {name}" for name in ("failures", "errors", "skipped") if totals[name]]
        self.counts.append((title, ", ".join(words)))

    def summarise(self) -> None:
        """Print durations and test counts."""
        width = max(len(title) for title, _ in [*self.durations, *self.counts, ("together", 0)])
        print(_line("durations"))
        for title, seconds in self.durations:
            print(f"  {title:<{width}}  {seconds:7.1f} s")
        print(f"  {'together':<{width}}  {sum(seconds for _, seconds in self.durations):7.1f} s")
        if self.counts:
            print(_line("tests"))
            for title, words in self.counts:
                print(f"  {title:<{width}}  {words}")
        sys.stdout.flush()

    @contextmanager
    def _timed(self, title: str) -> Iterator[None]:
        """Announce a step, run the block, and note how long it took."""
        print(_line(title), flush=True)
        start = time.monotonic()
        try:
            yield
        except Failure as exc:
            raise Failure(f"{title}: {exc}") from exc
        finally:
            seconds = time.monotonic() - start
            self.durations.append((title, seconds))
        print(f"   done: {title}, {seconds:.1f} s", flush=True)


def interrupt_on_signals() -> None:
    """Let SIGTERM and SIGHUP end a run the way Ctrl-C does."""

    def interrupt(_signum: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, interrupt)


def _call(command: Sequence[str | Path], write: Callable[[str], object] | None = None) -> int:
    """Run a command in a process group of its own, of which nothing is left when this returns.

    Args:
        command: The program and its arguments.
        write: Takes the lines of its output; where None, they go to the terminal.

    Returns:
        The exit status.

    Raises:
        Failure: The program is missing, or left processes behind; those were ended.
    """
    environment = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    environment["PIP_USER"] = "0"
    try:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=None if write is None else subprocess.PIPE,
            stderr=None if write is None else subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except FileNotFoundError as exc:
        raise Failure(f"{command[0]} is missing; run `make clean` and try again") from exc
    try:
        if write is not None and process.stdout is not None:
            with process.stdout as output:
                for line in output:
                    write(line)
                    _show(line)
            _show("")
        code = process.wait()
    except BaseException:
        _end(process)
        raise
    if not _gone(process, _LINGER):
        _end(process)
        raise Failure("it left processes behind (they were ended)")
    return code


def _end(process: subprocess.Popen[str]) -> None:
    """End a process and all of its group, politely first."""
    for signum, patience in _ENDINGS:
        try:
            os.killpg(process.pid, signum)
            if _gone(process, patience):
                return
        except ProcessLookupError:
            return
        except KeyboardInterrupt:
            print("\n   stopping at once", flush=True)  # asked twice


def _gone(process: subprocess.Popen[str], patience: float) -> bool:
    """Wait until no process of a group is left.

    Args:
        process: The group's leader.
        patience: How long to wait, in seconds.

    Returns:
        Whether all of them ended.
    """
    deadline = time.monotonic() + patience
    while True:
        process.poll()
        try:
            os.killpg(process.pid, 0)
        except (ProcessLookupError, PermissionError):  # the latter on macOS, for one that is about to end
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)


def _show(line: str) -> None:
    """Show the last line of a quiet command's output, on a terminal."""
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns - 4
        print(f"\r\x1b[K   {line.strip()[:width]}" if line else "\r\x1b[K", end="", flush=True)


def _line(text: str) -> str:
    """Draw a heading."""
    return f"── {text} " + "─" * max(0, 76 - len(text))


def _relative(part: str | Path) -> str:
    """Shorten a path below the root."""
    return str(part).removeprefix(f"{ROOT}{os.sep}")
