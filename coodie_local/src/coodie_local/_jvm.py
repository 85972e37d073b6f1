"""The JVM of a node: as a child of this process, and as the system sees it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from coodie_local._settings import clean_environment
from coodie_local.errors import NodeStartError

__all__ = ["Jvm", "JvmRun", "ProcessFigures", "figures_of", "is_process_of"]

_LAUNCHER = Path(__file__).with_name("_launcher.py")
_KIB = 1024


@dataclass(frozen=True, slots=True)
class JvmRun:
    """How to run a JVM: the command, its log file, the lock that it holds, and when it ends.

    ``dies_with_process``: the kernel kills it when this process ends in any way (on Linux alone);
    otherwise it keeps running.
    """

    command: tuple[str, ...]
    directory: Path
    log: Path
    lock_fd: int
    dies_with_process: bool


class Jvm:
    """A JVM that is a child of this process.

    A daemon thread starts it and waits for its end: to the kernel the *thread* that forked is the parent, so
    a JVM that a caller's worker thread started would end with that thread.
    """

    def __init__(self, run: JvmRun) -> None:
        self._run = run
        self._process: subprocess.Popen[bytes] | None = None
        self._failure: Exception | None = None
        self._spawned = threading.Event()
        self._exited = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="coodie-local-jvm", daemon=True)

    def start(self) -> None:
        """Start it; call this inside the ``try`` that ends in terminate().

        Raises:
            NodeStartError: No process can be made.
        """
        self._keeper.start()
        self._spawned.wait()
        if self._process is None:
            msg = f"Could not start a process for the node: {self._failure}."
            hint = f"Check that {sys.executable} runs, and that more processes are allowed."
            raise NodeStartError(msg, hint=hint) from self._failure

    @property
    def pid(self) -> int:
        """Its process id; 0 before it is started."""
        return 0 if self._process is None else self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._process.returncode if self._exited.is_set() and self._process is not None else None

    def wait(self, timeout: float) -> bool:
        """Wait for its end, at most for this many seconds; return whether it ended."""
        return self._exited.wait(timeout)

    def terminate(self, grace: float) -> None:
        """End it by SIGTERM, and by SIGKILL after this many seconds (0: at once)."""
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
                # Ctrl-C on the terminal is for this process alone, which then ends the node
                start_new_session=True,
            )


def is_process_of(pid: int, directory: Path) -> bool:
    """Return whether a process is the JVM of the node in a directory, and not one that got its id later."""
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
class ProcessFigures:
    """Figures of a running process; None where the system doesn't have them."""

    #: Resident memory in bytes.
    rss: int | None = None
    #: Seconds since it began.
    uptime: float | None = None


def figures_of(pid: int) -> ProcessFigures:
    """Read the figures of a process from Linux's /proc (proc(5)); a process that doesn't exist has none."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
        # after the name, which may contain anything; the 20th is the start in ticks since the system's boot
        fields = (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        )
        since_boot = float(Path("/proc/uptime").read_text(encoding="utf-8").split()[0])
    except OSError:
        return ProcessFigures()
    memory = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")]
    return ProcessFigures(
        rss=int(memory[0]) * _KIB if memory else None,
        uptime=max(0.0, since_boot - int(fields[19]) / os.sysconf("SC_CLK_TCK")),
    )
