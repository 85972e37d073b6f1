"""The last lines of a node's log, and the reason why the node died."""

from __future__ import annotations

import os
import re
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["cause_of_death", "last_lines", "quote_lines"]

#: The traceback of Cassandra's GCInspector without MBeans, which are disabled for a faster start.
_NOISE = re.compile(
    r"^java\.lang\.NullPointerException.*\n\tat org\.apache\.cassandra\.service\.GCInspector\..*\n"
    r"(?:\tat .*\n?)*",
    re.MULTILINE,
)
#: The message of a JVM that exits because of -XX:+ExitOnOutOfMemoryError.
_OUT_OF_MEMORY = re.compile(r"^Terminating due to java\.lang\.(OutOfMemoryError.*)", re.MULTILINE)
#: The first line of the message of a crash, and the line with the file of the details.
_CRASH = re.compile(r"^# A fatal error has been detected by the Java Runtime Environment", re.MULTILINE)
_CRASH_FILE = re.compile(r"^# (\S*hs_err_pid\d+\.log)", re.MULTILINE)
#: Bytes.
_READ_SIZE = 65_536


def last_lines(log: Path, count: int = 20) -> tuple[str, ...]:
    """Read the last lines of a log, oldest first, without GCInspector's tracebacks.

    Args:
        log: The file; a missing file has no lines.
        count: The maximum number of lines.
    """
    return tuple(line for line in _NOISE.sub("", _tail(log)).splitlines() if line.strip())[-count:]


def cause_of_death(log: Path, exit_code: int | None = None) -> str | None:
    """Return the reason why a node died, as a sentence; None if it is unknown.

    Args:
        log: The node's log file.
        exit_code: The exit code of the JVM, negative for a signal; None if unknown.
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
    """Format the last lines of a log as the end of an error message."""
    return "\n    ".join(["The log's last lines:", *(lines or ("(nothing)",)), ""]).rstrip(" ")
