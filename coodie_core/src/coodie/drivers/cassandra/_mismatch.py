"""Why a value can't be bound to a column: what the binders raise among themselves."""

from __future__ import annotations

from typing import Any

from coodie.types import UNSET

__all__ = ["Mismatch", "wrong_type"]


class Mismatch(Exception):  # noqa: N818 - it never leaves the package
    """A value doesn't fit its type; the value itself is no part of this.

    Args:
        problem: What is wrong, as a verb: "got a value of type float", "is out of range".
        hint: What to give instead.
        value_type: The value's type, where that is what is wrong.
    """

    def __init__(self, problem: str, hint: str, *, value_type: type | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint
        self.value_type = value_type
        #: Where in the parameter the value stands, from the outside in: "an element", "field 'street'".
        self.path: tuple[str, ...] = ()

    def inside(self, place: str) -> Mismatch:
        """Note the place of the value in the one around it, and return self."""
        self.path = (place, *self.path)
        return self


def wrong_type(value: Any, hint: str) -> Mismatch:
    """Return the mismatch of a value whose type is wrong.

    Args:
        value: The value.
        hint: What to give instead.
    """
    kind = type(value)
    if value is None:
        return Mismatch("got None", "Collections in CQL hold no nulls: leave it out.", value_type=kind)
    if value is UNSET:
        return Mismatch("got UNSET", "It stands for a whole column, never inside a value.", value_type=kind)
    return Mismatch(f"got a value of type {kind.__name__}", hint, value_type=kind)
