"""What the system knows of a process: the memory that it takes, and how long it has run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ProcessFigures", "figures_of"]

_KIB = 1024


@dataclass(frozen=True, slots=True)
class ProcessFigures:
    """Figures of a process that runs; None where the system doesn't tell."""

    #: Resident memory in bytes.
    rss: int | None = None
    #: Seconds since it began.
    uptime: float | None = None


def figures_of(pid: int) -> ProcessFigures:
    """Look at a process by Linux's /proc (proc(5)).

    Args:
        pid: The process id; one that isn't there has no figures.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
        # after the name, which may hold anything, the 20th is the begin in ticks since the system's start
        fields = (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        )
        since_boot = float(Path("/proc/uptime").read_text(encoding="utf-8").split()[0])
    except OSError:
        return ProcessFigures()
    memory = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")]
    return ProcessFigures(
        rss=int(memory[0]) * _KIB if memory else None,
        uptime=max(0.0, since_boot - int(fields[19]) / os.sysconf("SC_CLK_TCK")),
    )
