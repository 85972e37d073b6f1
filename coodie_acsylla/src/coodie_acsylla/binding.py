"""How the client takes parameters.

The client binds 1.5 and True to an int as 1, any object to a text as its str, and truncates times silently.
A value that it can't encode exactly is rejected before anything is sent.
"""

from __future__ import annotations

from typing import Any

from coodie.drivers.client.values.binding import STANDARD_SCALARS, ClientBinding, rejected

__all__ = ["BINDING"]


def _varint(value: Any) -> bytes:
    """Return what the client takes for a varint: its bytes in two's complement."""
    number: int = STANDARD_SCALARS["varint"](value)
    return number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)


def _duration(value: Any) -> tuple[int, int, int]:
    duration = STANDARD_SCALARS["duration"](value)
    return (duration.months, duration.days, duration.nanoseconds)


BINDING = ClientBinding(
    scalars={
        **STANDARD_SCALARS,
        "decimal": rejected("this client encodes decimals wrongly"),
        "duration": _duration,
        "varint": _varint,
    },
    # The client takes a list for a set, whose elements needn't be hashable.
    make_set=list,
    has_null_parts=True,
    has_vectors=False,
)
