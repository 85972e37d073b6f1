"""The end of a node's log, as errors and commands show it, and why the node died."""

from __future__ import annotations

import os
import re
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["cause_of_death", "last_lines", "quote_lines"]

#: The trace that Cassandra's GCInspector logs without MBeans, which are off because they slow the start down.
_NOISE = re.compile(
    r"^java\.lang\.NullPointerException.*\n\tat org\.apache\.cassandra\.service\.GCInspector\..*\n"
    r"(?:\tat .*\n?)*",
    re.MULTILINE,
)
#: What the JVM prints as it ends because of -XX:+ExitOnOutOfMemoryError.
_OUT_OF_MEMORY = re.compile(r"^Terminating due to java\.lang\.(OutOfMemoryError.*)", re.MULTILINE)
#: What it prints when it crashes, with the file of the details, which begins like this.
_CRASH = re.compile(r"^# A fatal error has been detected by the Java Runtime Environment", re.MULTILINE)
_CRASH_FILE = re.compile(r"^# (\S*hs_err_pid\d+\.log)", re.MULTILINE)
#: Bytes.
_READ_SIZE = 65_536


def last_lines(log: Path, count: int = 20) -> tuple[str, ...]:
    """Read the last lines of a log, oldest first, without the trace that each garbage collection leaves.

    Args:
        log: The file; if it doesn't exist, there are no lines.
        count: How many lines at most.
    """
    return tuple(line for line in _NOISE.sub("", _tail(log)).splitlines() if line.strip())[-count:]


def cause_of_death(log: Path, exit_code: int | None = None) -> str | None:
    """Say why a node that died did, as a sentence; None if nothing tells.

    Args:
        log: Its log file.
        exit_code: The exit status of its JVM, negative for a signal, if this process knows it.
    """
    text = _tail(log)
    if found := _OUT_OF_MEMORY.search(text):
        return f"It ran out of memory ({found[1].strip()}): give it a larger heap, with heap= or --heap."
    if _CRASH.search(text):
        details = _CRASH_FILE.search(text)
        return "The Java runtime crashed." if details is None else f"The Java runtime crashed: {details[1]}."
    if exit_code is not None and exit_code < 0:
        return f"It was killed by {signal.Signals(-exit_code).name}."
    return None if exit_code is None else f"It exited with status {exit_code}."


def _tail(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _READ_SIZE))
            return file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def quote_lines(lines: Sequence[str]) -> str:
    """Format the last lines of a log as the end of an error's message."""
    return "\n    ".join(["The log's last lines:", *(lines or ("(nothing)",)), ""]).rstrip(" ")
