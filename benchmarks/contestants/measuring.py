"""What a process has used: CPU of all its threads, wall time, memory."""

from __future__ import annotations

import os
import resource
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Spent", "connections", "cpu", "forget_peak", "measured", "memory", "peak"]

_STATUS = Path("/proc/self/status")
_ESTABLISHED = "01"


@dataclass
class Spent:
    """Seconds, of the CPU and of the clock."""

    cpu: float = 0.0
    wall: float = 0.0


def cpu() -> float:
    """Return the CPU seconds of all threads of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


@contextmanager
def measured(spent: Spent | None = None) -> Iterator[Spent]:
    """Add what the block has used, when it ends.

    Args:
        spent: What was used before; nothing by default.
    """
    spent = spent or Spent()
    began, before = time.perf_counter(), cpu()
    yield spent
    spent.cpu += cpu() - before
    spent.wall += time.perf_counter() - began


def memory() -> int:
    """Return the resident bytes of this process."""
    return _status("VmRSS")


def peak() -> int:
    """Return the most resident bytes since the start, or since :func:`forget_peak`."""
    return _status("VmHWM")


def forget_peak() -> None:
    """Let the peak begin anew."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def connections(port: int) -> int:
    """Return how many TCP connections to a port, of any address, this process has."""
    inodes = {
        line.split()[9]
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/self/net/{name}").read_text(encoding="ascii").splitlines()[1:]
        if line.split()[2].endswith(f":{port:04X}") and line.split()[3] == _ESTABLISHED
    }
    opened = 0
    for number in os.listdir("/proc/self/fd"):  # noqa: PTH208 - names are all that is needed
        try:
            link = os.readlink(f"/proc/self/fd/{number}")  # noqa: PTH115 - as above
        except OSError:  # listing opened it
            continue
        opened += link.removeprefix("socket:[").rstrip("]") in inodes
    return opened


def _status(name: str) -> int:
    for line in _STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(name)
