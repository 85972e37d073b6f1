"""Steps: commands with a name, a duration and an outcome; an interrupt stops all their processes.

A step's output goes to the terminal or, if steps run concurrently, to a file in .venvs/logs.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from outcomes import Counts, Outcome, closing_line, failures, read_report, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import FrameType

    from outcomes import Rerun
    from progress import Progress

__all__ = ["ROOT", "Failure", "Steps", "interrupt_on_signals"]

ROOT = Path(__file__).resolve().parent.parent
_LOGS = ROOT / ".venvs" / "logs"

#: Environment variables by which the caller's Python would affect the environments.
_FOREIGN = ("PYTHONPATH", "PYTHONHOME", "PIP_REQUIRE_VIRTUALENV", "PIP_TARGET", "PIP_PREFIX")
#: Signals for a step's processes, each with a timeout in seconds: tests stop their servers on the first.
_SIGNALS = ((signal.SIGINT, 30.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))
#: Seconds that child processes of a step may outlive it.
_CHILD_TIMEOUT = 10.0
#: The number of last lines of output in the message of a failed step.
_TAIL = 15


class Failure(Exception):  # noqa: N818 - a failed step isn't a bug in this program
    """A step failed.

    Args:
        message: The error and its fix, for the terminal.
    """


class Steps:
    """The steps of one run, and their outcomes."""

    def __init__(self) -> None:
        #: Finished steps.
        self.outcomes: list[Outcome] = []
        #: The duration of the run; 0: the steps ran sequentially.
        self.seconds = 0.0
        self._progress: Progress | None = None
        self._processes: set[subprocess.Popen[str]] = set()

    def show(self, progress: Progress) -> None:
        """Show further steps in a progress display, and write their output to files."""
        self._progress = progress

    def run(
        self,
        title: str,
        command: Sequence[str | Path],
        *,
        report: Path | None = None,
        rerun: Rerun | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Run a command whose output is for the user.

        Args:
            title: The step's name.
            command: The program and its arguments; it runs in the project's root.
            report: The path of its JUnit report, for a test run.
            rerun: The command that runs one of its tests.
            variables: Additional environment variables.

        Raises:
            Failure: The command failed, or left processes behind.
        """
        if report is not None:
            report.unlink(missing_ok=True)
        again = f"again with: {shlex.join(map(_relative, command))}"
        with self._outcome(title, report, rerun):
            if self._progress is None:
                code = self._call(command, variables=variables)
                if code:
                    raise Failure(f"exit status {code}\n  {again}")
            else:
                _LOGS.mkdir(parents=True, exist_ok=True)
                log = _LOGS / f"{re.sub('[^a-z0-9]+', '-', title.lower()).strip('-')}.log"
                with log.open("w", encoding="utf-8") as file:
                    self._call_logged(title, command, file.write, log, variables)

    def run_logged(
        self,
        title: str,
        commands: Iterable[Sequence[str | Path]],
        log: Path,
        explain: Callable[[str], str] = lambda _: "",
    ) -> None:
        """Run commands whose output is only needed if one fails.

        Args:
            title: The step's name.
            commands: Programs and their arguments, run sequentially in the project's root.
            log: The file for their output; its directory exists. A terminal also shows the last line.
            explain: Returns the fix for a failure, given its log.

        Raises:
            Failure: A command failed, or left processes behind; the message ends with the log's last lines.
        """
        with self._outcome(title), log.open("w", encoding="utf-8") as file:
            try:
                for command in commands:
                    self._call_logged(title, command, file.write, log)
            except Failure as exc:
                file.flush()
                raise Failure(f"{exc}{explain(log.read_text(encoding='utf-8'))}") from exc

    def skip(self, title: str, reason: str) -> None:
        """Record a skipped step.

        Args:
            title: The step's name.
            reason: What this machine lacks.

        Raises:
            Failure: COODIE_TEST_COMPLETE is set, as in CI, where no step may be skipped.
        """
        if os.environ.get("COODIE_TEST_COMPLETE"):
            raise Failure(f"{title}: {reason}")
        self.outcomes.append(Outcome(title, counts=Counts(skipped=Counter([reason]))))

    @contextmanager
    def background(
        self, title: str, command: Sequence[str | Path], ready: Callable[[str], str | None]
    ) -> Iterator[str]:
        """Run a command in the background, in a context manager that is entered when it is ready.

        Args:
            title: The step's name; its duration is the time until it was ready.
            command: The program and its arguments. It must exit on SIGINT.
            ready: Called with each line of the output; returns a value if the command is ready, else None.

        Yields:
            The value that `ready` returned.

        Raises:
            Failure: The command exited before it was ready.
        """
        with self._outcome(title):
            process = self._start(command, capture=True)
            found = self._wait_until_ready(title, process, ready)
        # later output must not fill the pipe
        drain = threading.Thread(target=_drain, args=[process], daemon=True)
        drain.start()
        try:
            yield found
        finally:
            _terminate(process)
            drain.join()
            self._processes.discard(process)

    def _wait_until_ready(
        self, title: str, process: subprocess.Popen[str], ready: Callable[[str], str | None]
    ) -> str:
        """Read a command's output until it is ready."""
        lines: list[str] = []
        try:
            for line in process.stdout or ():
                lines.append(line)
                self._show(title, line)
                if (found := ready(line)) is not None:
                    return found
        except BaseException:
            _terminate(process)
            raise
        _drain(process)
        process.wait()
        self._processes.discard(process)
        raise Failure("\n  ".join([f"exit status {process.returncode}", *_tail(lines)]))

    def end_all(self) -> None:
        """Terminate all processes; thread-safe."""
        for process in list(self._processes):
            _terminate(process)

    def summarise(self) -> None:
        """Print the outcomes of all steps."""
        seconds = self.seconds or sum(outcome.seconds for outcome in self.outcomes)
        print()
        print("\n".join(table(self.outcomes, seconds)))
        if any(outcome.counts is not None for outcome in self.outcomes):
            print(f"\n{closing_line(self.outcomes)}")
        sys.stdout.flush()
        print("\n".join(failures(self.outcomes)), file=sys.stderr)

    @contextmanager
    def _outcome(self, title: str, report: Path | None = None, rerun: Rerun | None = None) -> Iterator[None]:
        """Announce a step, run the block, and record the outcome."""
        outcome = Outcome(title, rerun=rerun)
        if self._progress is None:
            print(_line(title), flush=True)
        else:
            self._progress.begin(title)
        start = time.monotonic()
        try:
            yield
        except Failure as exc:
            outcome.failure = str(exc)
            raise Failure(f"{title}: {exc}") from exc
        except BaseException:
            outcome.failure = "interrupted"
            raise
        finally:
            outcome.seconds = time.monotonic() - start
            if report is not None and report.is_file():
                outcome.counts = read_report(report, ROOT)
            self.outcomes.append(outcome)
            if self._progress is None:
                print(
                    f"   {'failed' if outcome.failure else 'done'}: {title}, {outcome.seconds:.1f} s",
                    flush=True,
                )
            else:
                self._progress.end(outcome)

    def _show(self, title: str, line: str) -> None:
        if self._progress is not None:
            self._progress.note(title, line)
        elif sys.stdout.isatty():
            width = shutil.get_terminal_size().columns - 4
            print(f"\r\x1b[K   {line.strip()[:width]}" if line else "\r\x1b[K", end="", flush=True)

    def _call_logged(
        self,
        title: str,
        command: Sequence[str | Path],
        write: Callable[[str], object],
        log: Path,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Run a command with its output in a file; the message of a failure has the last lines."""
        lines: list[str] = []

        def take(line: str) -> None:
            lines.append(line)
            del lines[:-_TAIL]
            write(line)
            self._show(title, line)

        write(f"$ {shlex.join(map(str, command))}\n")
        code = self._call(command, take, variables)
        self._show(title, "")
        if code:
            raise Failure("\n  ".join([f"exit status {code}; the end of {_relative(log)}:", *_tail(lines)]))

    def _start(
        self, command: Sequence[str | Path], *, capture: bool, variables: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start a command in a new process group."""
        environment = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
        environment |= {"PIP_USER": "0", **(variables or {})}
        try:
            process = subprocess.Popen(
                [str(part) for part in command],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if capture else None,
                stderr=subprocess.STDOUT if capture else None,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except FileNotFoundError as exc:
            raise Failure(f"{command[0]} is missing; run `make clean` and try again") from exc
        self._processes.add(process)
        return process

    def _call(
        self,
        command: Sequence[str | Path],
        take: Callable[[str], object] | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> int:
        """Run a command in a new process group, of which no process is left when this returns.

        Args:
            command: The program and its arguments.
            take: Called with each line of output; None: the output goes to the terminal.
            variables: Additional environment variables.

        Returns:
            The exit code.

        Raises:
            Failure: The program is missing, or left processes behind, which were terminated.
        """
        process = self._start(command, capture=take is not None, variables=variables)
        try:
            if take is not None and process.stdout is not None:
                with process.stdout as output:
                    for line in output:
                        take(line)
            code = process.wait()
        except BaseException:
            _terminate(process)
            raise
        finally:
            self._processes.discard(process)
        if not _wait_for_group(process, _CHILD_TIMEOUT):
            _terminate(process)
            raise Failure("it left processes behind, which were terminated")
        return code


def interrupt_on_signals() -> None:
    """Handle SIGTERM and SIGHUP like Ctrl-C."""

    def interrupt(_signum: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, interrupt)


def _terminate(process: subprocess.Popen[str]) -> None:
    """Terminate a process group, with SIGINT first."""
    for signum, timeout in _SIGNALS:
        try:
            os.killpg(process.pid, signum)
            if _wait_for_group(process, timeout):
                return
        except ProcessLookupError:
            return
        except KeyboardInterrupt:
            print("\n   stopping immediately", flush=True)  # the second Ctrl-C


def _wait_for_group(process: subprocess.Popen[str], timeout: float) -> bool:
    """Wait until all processes of a group have exited.

    Args:
        process: The group's leader.
        timeout: The timeout in seconds.

    Returns:
        Whether all have exited.
    """
    deadline = time.monotonic() + timeout
    while True:
        process.poll()
        try:
            os.killpg(process.pid, 0)
        except (ProcessLookupError, PermissionError):  # the latter on macOS, for an exiting process
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)


def _drain(process: subprocess.Popen[str]) -> None:
    """Read the rest of a command's output, and close the pipe."""
    if process.stdout is not None:
        with process.stdout as output:
            for _ in output:
                pass


def _tail(lines: Sequence[str]) -> list[str]:
    return [line.rstrip() for line in lines[-_TAIL:]]


def _line(text: str) -> str:
    """Format a heading."""
    return f"── {text} " + "─" * max(0, 76 - len(text))


def _relative(part: str | Path) -> str:
    """Make a path in the root relative."""
    return str(part).removeprefix(f"{ROOT}{os.sep}")
