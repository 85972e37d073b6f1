"""The JVM of a node: as a child process, and its entry in /proc."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from coodie_local._settings import clean_environment
from coodie_local.errors import NodeStartError

__all__ = ["Jvm", "JvmRun", "ProcessMetrics", "is_process_of", "read_metrics"]

_LAUNCHER = Path(__file__).with_name("_launcher.py")
_KIB = 1024


@dataclass(frozen=True, slots=True)
class JvmRun:
    """How to run a JVM: the command, the directory, the log file, and the lock that it inherits.

    ``dies_with_process``: the kernel kills the JVM when this process ends in any way (only on Linux);
    otherwise the JVM keeps running.
    """

    command: tuple[str, ...]
    directory: Path
    log: Path
    lock_fd: int
    dies_with_process: bool


class Jvm:
    """A JVM that is a child of this process.

    A daemon thread starts it and waits for it: to the kernel, the parent is the *thread* that forked, so a
    JVM started by a worker thread of the caller would end with that thread.
    """

    def __init__(self, run: JvmRun) -> None:
        self._run = run
        self._process: subprocess.Popen[bytes] | None = None
        self._failure: Exception | None = None
        self._spawned = threading.Event()
        self._exited = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, name="coodie-local-jvm", daemon=True)

    def start(self) -> None:
        """Start the JVM; call this in a ``try`` block whose handler calls terminate().

        Raises:
            NodeStartError: The process couldn't be created.
        """
        self._supervisor.start()
        self._spawned.wait()
        if self._process is None:
            msg = f"Could not start a process for the node: {self._failure}."
            hint = f"Check that {sys.executable} runs, and that more processes are allowed."
            raise NodeStartError(msg, hint=hint) from self._failure

    @property
    def pid(self) -> int:
        """The process id; 0 before the start."""
        return 0 if self._process is None else self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative for a signal; None while the JVM is running."""
        return self._process.returncode if self._exited.is_set() and self._process is not None else None

    def wait(self, timeout: float) -> bool:
        """Wait for the exit, for a number of seconds at most; return whether the JVM has exited."""
        return self._exited.wait(timeout)

    def terminate(self, grace: float) -> None:
        """Send SIGTERM, and SIGKILL after a number of seconds; 0: only SIGKILL."""
        if self._supervisor.ident is None:
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

    def _supervise(self) -> None:
        try:
            self._process = process = self._spawn()
        except Exception as error:  # noqa: BLE001 - start() waits for this thread, and raises it
            self._failure = error
            self._exited.set()
            self._spawned.set()
            return
        self._spawned.set()
        process.wait()
        self._exited.set()

    def _spawn(self) -> subprocess.Popen[bytes]:
        run = self._run
        parent = os.getpid() if run.dies_with_process and sys.platform.startswith("linux") else 0
        launcher = [sys.executable, "-I", "-S", str(_LAUNCHER), str(parent), str(run.lock_fd)]
        with run.log.open("ab") as log:
            return subprocess.Popen(
                [*launcher, *run.command],
                cwd=run.directory,
                env=clean_environment(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(run.lock_fd,),
                # Ctrl-C on the terminal must only reach this process, which then stops the node
                start_new_session=True,
            )


def is_process_of(pid: int, directory: Path) -> bool:
    """Return whether a process is the JVM of the node in a directory; its id may have been reused."""
    if pid <= 0:
        return False
    if sys.platform.startswith("linux"):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False
        return os.fsencode(f"-Dcoodie.directory={directory}") in command.split(b"\0")
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class ProcessMetrics:
    """Metrics of a running process; None if the system doesn't have them."""

    #: Resident memory in bytes.
    rss: int | None = None
    #: Seconds since the start.
    uptime: float | None = None


def read_metrics(pid: int) -> ProcessMetrics:
    """Read the metrics of a process from /proc (proc(5)); None each if the process doesn't exist."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
        # the fields after the name, which may contain any character; the 20th is the start time in ticks
        fields = (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        )
        since_boot = float(Path("/proc/uptime").read_text(encoding="utf-8").split()[0])
    except OSError:
        return ProcessMetrics()
    memory = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")]
    return ProcessMetrics(
        rss=int(memory[0]) * _KIB if memory else None,
        uptime=max(0.0, since_boot - int(fields[19]) / os.sysconf("SC_CLK_TCK")),
    )
