"""Rows of simple columns, read by code that is written for them.

That is faster than the drivers' compiled parser, which makes a tuple of each row first: for one row, as for
many.
"""

from __future__ import annotations

import datetime as dt
import struct
from functools import lru_cache
from struct import Struct
from typing import TYPE_CHECKING, Any
from uuid import UUID, SafeUUID

from coodie.drivers.cassandra.values.rows import AWARE_EPOCH, EPOCH
from coodie.drivers.cassandra.values.types import family, unwrapped
from coodie.protocol.codec import FIXED_SIZE, INT, VARIABLE_SIZE
from coodie.rows import new_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from coodie.rows import Rows

    #: Takes a result's body, where its first row begins, and how many there are; returns the rows. It raises
    #: anything for what isn't as simple: an empty value that isn't text, text that isn't, broken bytes.
    SimpleReader = Callable[[bytes, int, int], Rows]

__all__ = ["generated_reader"]

#: Written readers that are kept.
_WRITTEN = 1024

#: What is made of a value on the wire, where that isn't the value.
_MADE = {
    "ascii": "{}.decode('ascii')",
    "text": "{}.decode()",
    "timestamp": "EPOCH + MILLISECOND * {}",
}

#: As UUID's constructor does it, without what that checks; a call for each would be a fifth of the work.
_UUID = "u{0} = new(UUID); set_int(u{0}, from_bytes(v{0}, 'big')); set_is_safe(u{0}, unknown)"

_UUIDS = ("timeuuid", "uuid")

_NULL = -1

#: What the written code calls by name.
_SCOPE: dict[str, Any] = {
    "MILLISECOND": dt.timedelta(milliseconds=1),
    "UUID": UUID,
    "error": struct.error,
    "from_bytes": int.from_bytes,
    "length": INT.unpack_from,
    "new": object.__new__,
    "new_rows": new_rows,
    "set_int": vars(UUID)["int"].__set__,
    "set_is_safe": vars(UUID)["is_safe"].__set__,
    "unknown": SafeUUID.unknown,
}


def generated_reader(
    names: tuple[str, ...], types: Sequence[Any], *, aware_timestamps: bool
) -> SimpleReader | None:
    """Return what reads rows of these columns; None where one of them isn't simple.

    Args:
        names: The columns' names, each another.
        types: The driver's types of them.
        aware_timestamps: Give timestamps as aware datetimes in UTC.
    """
    kinds = tuple([family(unwrapped(typ)) for typ in types])
    if not kinds or not all(kind in FIXED_SIZE or kind in VARIABLE_SIZE for kind in kinds):
        return None
    return _written(names, kinds, aware_timestamps)


def _one_by_one(layouts: Sequence[Struct]) -> Callable[[bytes, int], tuple[Any, ...]]:
    """Return what reads neighbours of fixed size of which some are null; and, last, where it ended."""

    def read(body: bytes, at: int) -> tuple[Any, ...]:
        values: list[Any] = []
        for layout in layouts:
            (size,) = INT.unpack_from(body, at)
            at += INT.size
            if size == layout.size:
                values += layout.unpack_from(body, at)
                at += size
            elif size == _NULL:
                values.append(None)
            else:
                raise ValueError(size)
        return *values, at

    return read


@lru_cache(_WRITTEN)
def _written(names: tuple[str, ...], kinds: tuple[str, ...], aware: bool) -> SimpleReader:  # noqa: FBT001 - a cache's key
    """Write the function; nothing of a name becomes code but its repr.

    Neighbours of fixed size are unpacked at once, together with the length of what follows them.
    """
    scope: dict[str, Any] = {**_SCOPE, "EPOCH": AWARE_EPOCH if aware else EPOCH}
    steps: list[str] = []
    run: list[int] = []

    def unpack(sized: int | None) -> None:
        """Unpack the run of fixed columns before a sized one, and that one's length."""
        fields = "".join([f"i{FIXED_SIZE[kinds[index]][0]}" for index in run])
        fields += "" if sized is None else "i"
        targets = [f"n{index}, v{index}" for index in run] + ([] if sized is None else [f"n{sized}"])
        name = f"unpack{len(steps)}"
        scope[name] = (layout := Struct(f">{fields}")).unpack_from
        taken = f"{', '.join(targets)}, = {name}(body, at)"
        if run:
            # Nulls are shorter: at the end of a body there may be less than there usually is.
            steps.extend((f"try: {taken}", f"except error: n{run[0]} = {_NULL}"))
            usual = " and ".join([f"n{index} == {FIXED_SIZE[kinds[index]][1]}" for index in run])
            slow = f"single{len(steps)}"
            scope[slow] = _one_by_one([Struct(f">{FIXED_SIZE[kinds[index]][0]}") for index in run])
            values = "".join([f"v{index}, " for index in run])
            rest = "" if sized is None else f"; (n{sized},) = length(body, at); at += {INT.size}"
            steps.append(f"if {usual}: at += {layout.size}")
            steps.append(f"else: {values}at = {slow}(body, at){rest}")
        else:
            steps.extend((taken, f"at += {layout.size}"))
        if sized is not None:
            steps.append(f"if n{sized} >= 0: v{sized} = body[at : at + n{sized}]; at += n{sized}")
            steps.append(f"elif n{sized} == {_NULL}: v{sized} = None")
            steps.append(f"else: raise ValueError(n{sized})")
        run.clear()

    for index, kind in enumerate(kinds):
        if kind in FIXED_SIZE:
            run.append(index)
        else:
            unpack(index)
    if run:
        unpack(None)
    items = []
    for index, kind in enumerate(kinds):
        if kind in _UUIDS:
            steps.append(f"if v{index} is None: u{index} = None")
            steps.append(f"else: {_UUID.format(index)}")
            items.append(f"u{index}")
            continue
        made = _MADE.get(kind)
        items.append(f"None if v{index} is None else {made.format(f'v{index}')}" if made else f"v{index}")
    display = ", ".join([f"{name!r}: {item}" for name, item in zip(names, items, strict=True)])
    loop = "\n        ".join([*steps, f"rows.append({{{display}}})"])
    code = f"""
def read(body, at, count):
    rows = new_rows()
    for _ in range(count):
        {loop}
    if at != len(body):
        raise ValueError(at)
    return rows
"""
    exec(code, scope)  # noqa: S102 - nothing in it is from outside but names, as literals
    made_reader: SimpleReader = scope["read"]
    return made_reader
