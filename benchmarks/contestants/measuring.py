"""Measurements of this process: CPU time of all threads, elapsed time, memory."""

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

__all__ = ["Spent", "connections", "cpu", "forget_peak", "measure", "memory", "peak"]

_STATUS = Path("/proc/self/status")
_ESTABLISHED = "01"


@dataclass
class Spent:
    """CPU time and elapsed time, in seconds."""

    cpu: float = 0.0
    wall: float = 0.0


def cpu() -> float:
    """Return the CPU time of all threads of this process, in seconds."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


@contextmanager
def measure(spent: Spent | None = None) -> Iterator[Spent]:
    """Measure the block of a context manager.

    Args:
        spent: The result, to which the measurement is added; by default, a new one.
    """
    spent = spent or Spent()
    began, before = time.perf_counter(), cpu()
    yield spent
    spent.cpu += cpu() - before
    spent.wall += time.perf_counter() - began


def memory() -> int:
    """Return the resident memory of this process, in bytes."""
    return _status("VmRSS")


def peak() -> int:
    """Return the peak resident memory since the start or :func:`forget_peak`, in bytes."""
    return _status("VmHWM")


def forget_peak() -> None:
    """Reset the peak."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def connections(port: int) -> int:
    """Return the number of this process's TCP connections to a port, at any address."""
    inodes = {
        line.split()[9]
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/self/net/{name}").read_text(encoding="ascii").splitlines()[1:]
        if line.split()[2].endswith(f":{port:04X}") and line.split()[3] == _ESTABLISHED
    }
    opened = 0
    for number in os.listdir("/proc/self/fd"):  # noqa: PTH208 - only names are needed
        try:
            link = os.readlink(f"/proc/self/fd/{number}")  # noqa: PTH115 - as above
        except OSError:  # the descriptor of the listing itself
            continue
        opened += link.removeprefix("socket:[").rstrip("]") in inodes
    return opened


def _status(name: str) -> int:
    for line in _STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(name)
