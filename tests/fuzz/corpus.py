"""Inputs that once reached something new, or were a fault: a file of lines in hexadecimal for each target."""

from __future__ import annotations

from pathlib import Path

__all__ = ["TARGETS", "inputs"]

_FILES = Path(__file__).parent / "corpus"

#: The targets' names.
TARGETS = tuple(sorted([path.stem for path in _FILES.glob("*.txt")]))


def inputs(target: str) -> list[bytes]:
    """Return the inputs of a target."""
    lines = (_FILES / f"{target}.txt").read_text(encoding="ascii").splitlines()
    return [bytes.fromhex(line) for line in lines if not line.startswith("#")]
