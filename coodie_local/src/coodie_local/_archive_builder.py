"""Run a command that creates a file, and publish the file. Run as a script, never imported.

A separate process, so that the archive is completed even if the parent process exits. It runs at the lowest
priority, for ten minutes at most, and leaves no file if it fails.

Usage: python -I -S _archive_builder.py DRAFT FINAL PROGRAM ARGUMENT…
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_LOWEST_PRIORITY = 19
_TIMEOUT = 600.0


def main() -> int:
    """Run the command; return the exit code."""
    draft, final, command = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    os.nice(_LOWEST_PRIORITY)
    if sys.platform.startswith("linux"):
        launcher = Path(__file__).with_name("_launcher.py")
        command = [sys.executable, "-I", "-S", str(launcher), str(os.getpid()), "-1", *command]
    try:
        # run() kills the child on timeout or interrupt
        status = subprocess.run(command, check=False, timeout=_TIMEOUT).returncode
        if status == 0:
            draft.replace(final)
    finally:
        draft.unlink(missing_ok=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
