"""What comes of a request that was sent on a connection of ours."""

from __future__ import annotations

from typing import NamedTuple

from coodie.drivers.cassandra.fast.frames import RESULT, Frame

__all__ = ["LATE", "Answer", "Late", "Lost", "plain_result"]


class Lost(NamedTuple):
    """The connection ended before the answer came.

    Attributes:
        error: Why.
    """

    error: Exception


class Late:
    """No answer came in time."""


LATE = Late()

Answer = Frame | Lost | Late


def plain_result(answer: Answer | None) -> bytes | None:
    """Return the body of a RESULT that nothing else comes with; None for every other answer."""
    if answer.__class__ is Frame and not answer.flags and answer.opcode == RESULT:
        return answer.body
    return None
