"""Become another program that dies with the process that started it. Run as a script, never imported.

Linux kills a child when the thread that forked it ends, once the child has asked for that
(prctl(2), PR_SET_PDEATHSIG); the wish survives execve(2). Asking here, in a process of our
own, needs no Python code between fork and exec in the caller, which may have threads.

Usage: python -I -S _launcher.py PARENT_PID PROGRAM ARGUMENT…
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask for the signal and become the program."""
    parent, program = int(sys.argv[1]), sys.argv[2]
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    if os.getppid() != parent:
        # it ended before we asked
        sys.exit(1)
    os.execv(program, sys.argv[2:])  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
