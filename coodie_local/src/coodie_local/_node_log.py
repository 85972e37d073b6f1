"""The end of a node's log, as errors and commands show it."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["last_lines", "quote_lines"]

#: The trace that Cassandra's GCInspector logs without MBeans, which are off because they slow the start down.
_NOISE = re.compile(
    r"^java\.lang\.NullPointerException.*\n\tat org\.apache\.cassandra\.service\.GCInspector\..*\n"
    r"(?:\tat .*\n?)*",
    re.MULTILINE,
)
#: Bytes.
_READ_SIZE = 65_536


def last_lines(log: Path, count: int = 20) -> tuple[str, ...]:
    """Read the last lines of a log, oldest first, without the trace that each garbage collection leaves.

    Args:
        log: The file; if it doesn't exist, there are no lines.
        count: How many lines at most.
    """
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _READ_SIZE))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ()
    return tuple(line for line in _NOISE.sub("", text).splitlines() if line.strip())[-count:]


def quote_lines(lines: Sequence[str]) -> str:
    """Format the last lines of a log as the end of an error's message."""
    return "\n    ".join(["The log's last lines:", *(lines or ("(nothing)",)), ""]).rstrip(" ")
