"""What a process has used: CPU of all its threads, wall time, memory."""

from __future__ import annotations

import resource
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Spent", "cpu", "forget_peak", "measured", "memory", "peak"]

_STATUS = Path("/proc/self/status")


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
def measured() -> Iterator[Spent]:
    """Fill in what the block has used, when it ends."""
    spent = Spent()
    began, before = time.perf_counter(), cpu()
    yield spent
    spent.cpu, spent.wall = cpu() - before, time.perf_counter() - began


def memory() -> int:
    """Return the resident bytes of this process."""
    return _status("VmRSS")


def peak() -> int:
    """Return the most resident bytes since the start, or since :func:`forget_peak`."""
    return _status("VmHWM")


def forget_peak() -> None:
    """Let the peak begin anew."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _status(name: str) -> int:
    for line in _STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(name)
