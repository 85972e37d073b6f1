"""Row readers: code generated for the types of simple columns.

This is faster than the drivers' compiled parser, which creates a tuple per row first, for one row as for
many.
"""

from __future__ import annotations

import datetime as dt
import struct
from functools import lru_cache, partial
from struct import Struct
from typing import TYPE_CHECKING, Any
from uuid import UUID, SafeUUID

from coodie.drivers.cassandra.values.codecs import column_codec, result_converter
from coodie.drivers.cassandra.values.rows import AWARE_EPOCH, EPOCH
from coodie.drivers.cassandra.values.types import family, unwrapped
from coodie.protocol.codec import FIXED_SIZE, INT, VARIABLE_SIZE
from coodie.row_shapes import row_code
from coodie.rows import new_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from coodie.codec_registry import ColumnCodecs
    from coodie.row_shapes import RowShape
    from coodie.rows import Rows

    #: Takes a result's body, the position of the first row and the number of rows; returns the rows. Raises
    #: anything for unusual data: an empty value that isn't text, invalid UTF-8, an invalid body.
    SimpleReader = Callable[[bytes, int, int], Rows[Any]]

__all__ = ["generated_reader"]

#: Cached readers.
_CACHE_SIZE = 1024

#: Expressions that convert an unpacked value, if necessary.
_MADE = {
    "ascii": "{}.decode('ascii')",
    "text": "{}.decode()",
    "timestamp": "EPOCH + MILLISECOND * {}",
}

#: UUID's constructor without its checks, inlined: a call per value would take a fifth of the time.
_UUID = (
    "if v{0} is None: u{0} = None",
    "else: u{0} = new(UUID); set_int(u{0}, from_bytes(v{0}, 'big')); set_is_safe(u{0}, unknown)",
)

_UUIDS = ("timeuuid", "uuid")

_NULL = -1

#: Names that the generated code uses.
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
    names: tuple[str, ...],
    types: Sequence[Any],
    shape: RowShape | None = None,
    codecs: Sequence[ColumnCodecs] | None = None,
    *,
    aware_timestamps: bool,
) -> SimpleReader | None:
    """Return a reader for rows of these columns; None if one of them isn't simple.

    Args:
        names: The columns' names, without duplicates unless the shape takes them.
        types: The columns' types of the driver.
        shape: What the rows are to be; None for dicts.
        codecs: The columns' codecs.
        aware_timestamps: Return timestamps as aware datetimes in UTC.
    """
    kinds = tuple([family(unwrapped(typ)) for typ in types])
    if not kinds or not all(kind in FIXED_SIZE or kind in VARIABLE_SIZE for kind in kinds):
        return None
    converters = {}
    for index, (typ, column) in enumerate(zip(types, codecs or (), strict=codecs is not None)):
        codec = column_codec(typ, column, column.hint, hashable=False)
        if codec is not None:
            converters[index] = result_converter(codec, typ, column.column)
    read = _generate(names, kinds, shape, aware_timestamps, tuple(converters))
    if not converters:
        return read
    return partial(read, **{f"c{index}": convert for index, convert in converters.items()})


def _one_by_one(layouts: Sequence[Struct]) -> Callable[[bytes, int], tuple[Any, ...]]:
    """Return a reader for adjacent columns of fixed size with nulls; its last item is the end position."""

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


def _item(index: int, kind: str, converted: bool) -> str:  # noqa: FBT001 - called by position alone
    """Return the expression of a column's value."""
    value = f"{'u' if kind in _UUIDS else 'v'}{index}"
    made = _MADE.get(kind, "{}").format(value)
    if converted:
        made = f"c{index}({made})"
    return value if made == value else f"None if {value} is None else {made}"


@lru_cache(_CACHE_SIZE)
def _generate(
    names: tuple[str, ...],
    kinds: tuple[str, ...],
    shape: RowShape | None,
    aware: bool,  # noqa: FBT001 - a cache's key
    converted: tuple[int, ...],
) -> Callable[..., Rows[Any]]:
    """Generate the reader; names are part of the code only as their repr.

    Adjacent columns of fixed size are unpacked at once, together with the length of the next column.
    """
    scope: dict[str, Any] = {**_SCOPE, "EPOCH": AWARE_EPOCH if aware else EPOCH}
    steps: list[str] = []
    run: list[int] = []

    def unpack(sized: int | None) -> None:
        """Unpack a run of columns of fixed size, and the length of the column after it."""
        fields = "".join([f"i{FIXED_SIZE[kinds[index]][0]}" for index in run])
        fields += "" if sized is None else "i"
        targets = [f"n{index}, v{index}" for index in run] + ([] if sized is None else [f"n{sized}"])
        name = f"unpack{len(steps)}"
        scope[name] = (layout := Struct(f">{fields}")).unpack_from
        taken = f"{', '.join(targets)}, = {name}(body, at)"
        if run:
            # Nulls are shorter: the end of the body may come before the end of the struct.
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
    steps += [line.format(index) for index, kind in enumerate(kinds) if kind in _UUIDS for line in _UUID]
    items = [_item(index, kind, index in converted) for index, kind in enumerate(kinds)]
    parameters = "".join([f", c{index}" for index in converted])
    if shape is not None:
        scope["new_rows"] = shape.new_rows
    begin, row = row_code(names, items, shape, scope)
    loop = "\n        ".join([*steps, *begin, f"rows.append({row})"])
    code = f"""
def read(body, at, count{parameters}):
    rows = new_rows()
    for _ in range(count):
        {loop}
    if at != len(body):
        raise ValueError(at)
    return rows
"""
    exec(code, scope)  # noqa: S102 - the only input in the code are names, as literals
    made_reader: Callable[..., Rows[Any]] = scope["read"]
    return made_reader
