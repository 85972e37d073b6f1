"""What comes of a request that was sent on a connection of ours."""

from __future__ import annotations

from typing import NamedTuple

from coodie.protocol.frames import Frame

__all__ = ["LATE", "Answer", "Late", "Lost"]


class Lost(NamedTuple):
    """The connection ended before the answer came.

    Attributes:
        error: Why.
    """

    error: Exception


class Late:
    """No answer came in time."""


LATE = Late()

#: Bytes are the body of a RESULT.
Answer = bytes | Frame | Lost | Late
