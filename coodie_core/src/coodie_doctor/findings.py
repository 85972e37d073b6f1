"""What an examination finds, and how it's told: as text, or as JSON."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Finding"]


@dataclass(frozen=True)
class Finding:
    """One thing that isn't as it should be.

    Args:
        subject: What it is about: a package, a distribution, a backend.
        message: What was found.
        command: What to run about it, or None.
        is_problem: Whether something can't work because of it; else it is a remark.
    """

    subject: str
    message: str
    command: str | None = None
    is_problem: bool = True
