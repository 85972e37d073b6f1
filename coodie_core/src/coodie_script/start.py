"""The start of the script ``coodie``: Ctrl-C ends it with status 130 from here on.

While modules are imported and while the interpreter exits, the process ends at once: nothing is under way
then, and a KeyboardInterrupt could be raised where nobody can catch it. In between, ``coodie.cli`` has
KeyboardInterrupt raised, so that a command tidies up. This module imports little, since
that takes time, too.
"""

from __future__ import annotations

import atexit
import os
import signal

__all__ = ["main"]

_INTERRUPTED = 130
_STDERR = 2


def main() -> int:
    """Run the command line with the arguments of the process, and return its exit status."""
    # Something else stands there if the signal is ignored, as for a shell's background jobs.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)
        # The last thing at exit. After it, the interpreter restores the default: death by the signal.
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)
    from coodie.cli._main import main as run

    return run()


def _end(_number: int, _frame: object) -> None:
    try:
        os.write(_STDERR, b"\nInterrupted.\n")
    finally:
        os._exit(_INTERRUPTED)
