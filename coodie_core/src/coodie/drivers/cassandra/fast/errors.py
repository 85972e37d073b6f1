"""What ends a connection of the fast path."""

from __future__ import annotations

__all__ = ["BrokenFrameError"]


class BrokenFrameError(Exception):
    """The peer sent what isn't the protocol; never leaves the package."""
