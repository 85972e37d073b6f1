"""Steps: commands with a name, a duration and an outcome; an interrupt leaves nothing running.

A step's output goes to the terminal, or, where steps run side by side, to a file of its own in .venvs/logs.
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

#: What would let the caller's Python reach into an environment of ours.
_FOREIGN = ("PYTHONPATH", "PYTHONHOME", "PIP_REQUIRE_VIRTUALENV", "PIP_TARGET", "PIP_PREFIX")
#: Signals to a step's processes and how many seconds each has: tests stop their servers on the first.
_ENDINGS = ((signal.SIGINT, 30.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))
#: How long a step's helper processes may outlive it, in seconds.
_LINGER = 10.0
#: How many of its last lines stand in the message of a step that failed.
_TAIL = 15


class Failure(Exception):  # noqa: N818 - a failed step is no defect of this program
    """A step failed.

    Args:
        message: What happened and what to do, for the terminal.
    """


class Steps:
    """The steps of one run, and what came of them."""

    def __init__(self) -> None:
        #: Finished steps.
        self.outcomes: list[Outcome] = []
        #: How long the run took; 0: the steps ran one after the other.
        self.seconds = 0.0
        self._progress: Progress | None = None
        self._processes: set[subprocess.Popen[str]] = set()

    def show(self, progress: Progress) -> None:
        """Show the steps there from now on, and write their output to files."""
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
        """Run a command whose output the user reads.

        Args:
            title: The step's name.
            command: The program and its arguments; it runs in the project's root.
            report: Where it writes a JUnit report, for a test run.
            rerun: How its tests are run alone.
            variables: Additions to its environment.

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
        """Run commands whose output matters only when one fails.

        Args:
            title: The step's name.
            commands: Programs with their arguments, run one after the other in the project's root.
            log: Where their output goes; its parent exists. On a terminal the last line shows, too.
            explain: Takes the log of a failure; returns what to do about it.

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
        """Note a step that this machine lacks something for.

        Args:
            title: The step's name.
            reason: What it lacks.

        Raises:
            Failure: COODIE_TEST_COMPLETE is set, as in CI, where nothing may be lacking.
        """
        if os.environ.get("COODIE_TEST_COMPLETE"):
            raise Failure(f"{title}: {reason}")
        self.outcomes.append(Outcome(title, counts=Counts(skipped=Counter([reason]))))

    @contextmanager
    def background(
        self, title: str, command: Sequence[str | Path], ready: Callable[[str], str | None]
    ) -> Iterator[str]:
        """Run a command while the block runs, which begins once it says that it's ready.

        Args:
            title: The step's name; its seconds are those until it was ready.
            command: The program and its arguments. It ends on SIGINT.
            ready: Takes each line of its output; what it returns, unless that is None, is what it
                waits for.

        Yields:
            What `ready` returned.

        Raises:
            Failure: The command ended before.
        """
        with self._outcome(title):
            process = self._start(command, capture=True)
            found = self._wait_until_ready(title, process, ready)
        # what it prints later must not fill its pipe
        drain = threading.Thread(target=_read_to_the_end, args=[process], daemon=True)
        drain.start()
        try:
            yield found
        finally:
            _end(process)
            drain.join()
            self._processes.discard(process)

    def _wait_until_ready(
        self, title: str, process: subprocess.Popen[str], ready: Callable[[str], str | None]
    ) -> str:
        """Read a command's output until a line says that it's ready."""
        lines: list[str] = []
        try:
            for line in process.stdout or ():
                lines.append(line)
                self._show(title, line)
                if (found := ready(line)) is not None:
                    return found
        except BaseException:
            _end(process)
            raise
        _read_to_the_end(process)
        process.wait()
        self._processes.discard(process)
        raise Failure("\n  ".join([f"exit status {process.returncode}", *_tail(lines)]))

    def end_all(self) -> None:
        """End what runs, from another thread than the one that waits for it."""
        for process in list(self._processes):
            _end(process)

    def summarise(self) -> None:
        """Print what came of all steps."""
        seconds = self.seconds or sum(outcome.seconds for outcome in self.outcomes)
        print()
        print("\n".join(table(self.outcomes, seconds)))
        if any(outcome.counts is not None for outcome in self.outcomes):
            print(f"\n{closing_line(self.outcomes)}")
        sys.stdout.flush()
        print("\n".join(failures(self.outcomes)), file=sys.stderr)

    @contextmanager
    def _outcome(self, title: str, report: Path | None = None, rerun: Rerun | None = None) -> Iterator[None]:
        """Announce a step, run the block, and note what came of it."""
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
        """Run a command with its output in a file; fail with the file's last lines."""
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
        """Start a command in a process group of its own."""
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
        """Run a command in a process group of its own, of which nothing is left when this returns.

        Args:
            command: The program and its arguments.
            take: Takes the lines of its output; where None, they go to the terminal.
            variables: Additions to its environment.

        Returns:
            The exit status.

        Raises:
            Failure: The program is missing, or left processes behind; those were ended.
        """
        process = self._start(command, capture=take is not None, variables=variables)
        try:
            if take is not None and process.stdout is not None:
                with process.stdout as output:
                    for line in output:
                        take(line)
            code = process.wait()
        except BaseException:
            _end(process)
            raise
        finally:
            self._processes.discard(process)
        if not _gone(process, _LINGER):
            _end(process)
            raise Failure("it left processes behind (they were ended)")
        return code


def interrupt_on_signals() -> None:
    """Let SIGTERM and SIGHUP end a run the way Ctrl-C does."""

    def interrupt(_signum: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, interrupt)


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


def _read_to_the_end(process: subprocess.Popen[str]) -> None:
    """Read the rest of a command's output, and close it."""
    if process.stdout is not None:
        with process.stdout as output:
            for _ in output:
                pass


def _tail(lines: Sequence[str]) -> list[str]:
    return [line.rstrip() for line in lines[-_TAIL:]]


def _line(text: str) -> str:
    """Draw a heading."""
    return f"── {text} " + "─" * max(0, 76 - len(text))


def _relative(part: str | Path) -> str:
    """Shorten a path below the root."""
    return str(part).removeprefix(f"{ROOT}{os.sep}")
