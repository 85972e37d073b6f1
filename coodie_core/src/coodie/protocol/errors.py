"""What was received isn't the protocol."""

from __future__ import annotations

__all__ = ["BrokenFrameError"]


class BrokenFrameError(Exception):
    """The peer sent what isn't the protocol; never leaves the package."""
