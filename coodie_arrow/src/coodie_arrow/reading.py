"""Read Arrow arrays as values of parameters: those of any library with Arrow's PyCapsule interface.

Numbers, times and the like are read from the buffers, so that nothing is rounded. Each type is read as what
the binding of parameters takes: a timestamp as ``coodie.types.Timestamp``, a struct as a dict.
"""

from __future__ import annotations

from decimal import Context, Decimal
from struct import Struct
from typing import TYPE_CHECKING, Any
from uuid import UUID

import nanoarrow as na
from nanoarrow import TimeUnit, Type

from coodie.types import Date, Duration, Time, Timestamp
from coodie_arrow.data import DAY_MILLISECONDS, INTERVAL, UnfitError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["read_values"]

_NANOSECONDS = {
    TimeUnit.SECOND: 10**9,
    TimeUnit.MILLI: 10**6,
    TimeUnit.MICRO: 10**3,
    TimeUnit.NANO: 1,
}

#: A view: the length, four bytes, the number of the buffer and the position there; or up to twelve bytes.
_VIEW = Struct("=i4xii")
_INLINE = 12

#: Enough digits for decimal256.
_CONTEXT = Context(prec=100)

#: Types whose values are those of the buffer.
_PLAIN = frozenset(
    {
        Type.INT8,
        Type.INT16,
        Type.INT32,
        Type.INT64,
        Type.UINT8,
        Type.UINT16,
        Type.UINT32,
        Type.UINT64,
        Type.HALF_FLOAT,
        Type.FLOAT,
        Type.DOUBLE,
    }
)
_SIZED = {
    Type.STRING: (False, True),
    Type.LARGE_STRING: (True, True),
    Type.BINARY: (False, False),
    Type.LARGE_BINARY: (True, False),
}
_VIEWS = frozenset({Type.STRING_VIEW, Type.BINARY_VIEW})
_DECIMALS = frozenset({Type.DECIMAL128, Type.DECIMAL256})


def read_values(array: Any, start: int, stop: int) -> list[Any]:
    """Return the values of a range, None for nulls.

    Args:
        array: A ``nanoarrow.c_array.CArray``.
        start: The first value's index.
        stop: The index after the last one.

    Raises:
        UnfitError: The type has no counterpart, or a value would be rounded.
    """
    if start >= stop:
        return []
    schema = na.Schema(array.schema)
    extension = schema.extension
    if extension is not None:
        schema = extension.storage
    typ = schema.type
    if typ is Type.NULL:
        return [None] * (stop - start)
    if array.dictionary is not None:
        return _of_dictionary(array, start, stop)
    view = array.view()
    first = array.offset + start
    if typ in _PLAIN:
        values: Sequence[Any] = view.buffer(1).elements(first, stop - start)
    elif typ in _SIZED:
        values = _of_sized(view, first, stop - start, *_SIZED[typ])
    elif typ in _VIEWS:
        values = _of_views(view, first, stop - start, is_text=typ is Type.STRING_VIEW)
    else:
        read = _READERS.get(typ)
        if read is None:
            raise UnfitError(f"its Arrow type {typ.name.lower()} has no counterpart in CQL")
        values = read(array, schema, start, stop)
    values = _without_nulls(view, first, stop - start, values)
    if extension is not None and extension.name == "arrow.uuid":
        return [None if value is None else UUID(bytes=value) for value in values]
    return list(values)


def _without_nulls(view: Any, first: int, count: int, values: Sequence[Any]) -> Sequence[Any]:
    validity = view.buffer(0)
    if not validity.size_bytes:
        return values
    valid = validity.elements(first, count)
    return [value if is_valid else None for value, is_valid in zip(values, valid, strict=True)]


def _of_dictionary(array: Any, start: int, stop: int) -> list[Any]:
    dictionary = read_values(array.dictionary, 0, array.dictionary.length)
    view = array.view()
    first, count = array.offset + start, stop - start
    codes = _without_nulls(view, first, count, view.buffer(1).elements(first, count))
    return [None if code is None else dictionary[code] for code in codes]


def _of_sized(view: Any, first: int, count: int, is_large: bool, is_text: bool) -> list[Any]:  # noqa: FBT001 - called by position alone
    offsets = _offsets(view.buffer(1), first, count, is_large=is_large)
    data = _bytes(view.buffer(2))
    parts = [data[offsets[index] : offsets[index + 1]] for index in range(count)]
    return [str(part, "utf-8") for part in parts] if is_text else list(map(bytes, parts))


def _of_views(view: Any, first: int, count: int, *, is_text: bool) -> list[Any]:
    """Read views: a length, then up to 12 bytes, or the place of more in one of the last buffers."""
    heads = _bytes(view.buffer(1))[first * _VIEW.size : (first + count) * _VIEW.size]
    # The very last buffer has the sizes of those with data.
    data = [_bytes(view.buffer(index)) for index in range(2, view.n_buffers - 1)]
    flags = _without_nulls(view, first, count, [True] * count)
    parts = []
    for number, (length, index, at) in enumerate(_VIEW.iter_unpack(heads)):
        if not flags[number]:
            parts.append(b"")
        elif length <= _INLINE:
            parts.append(bytes(heads[number * _VIEW.size + 4 :][:length]))
        else:
            parts.append(bytes(data[index][at : at + length]))
    return [str(part, "utf-8") for part in parts] if is_text else parts


def _bytes(buffer: Any) -> memoryview[int]:
    return memoryview(buffer).cast("B") if buffer.size_bytes else memoryview(b"")


def _offsets(buffer: Any, first: int, count: int, *, is_large: bool) -> memoryview[int]:
    data = memoryview(buffer).cast("B")
    return (data.cast("q") if is_large else data.cast("i"))[first : first + count + 1]


def _elements(array: Any, start: int, stop: int) -> Sequence[int]:
    """Return numbers, 0 for nulls, whose bytes may be anything, such as pandas' NaT."""
    view, first, count = array.view(), array.offset + start, stop - start
    numbers: Sequence[int] = view.buffer(1).elements(first, count)
    return [number or 0 for number in _without_nulls(view, first, count, numbers)]


def _fixed(array: Any, schema: Any, start: int, stop: int) -> list[bytes]:
    data = memoryview(array.view().buffer(1)).cast("B")
    size = (
        schema.byte_width
        if schema.type is Type.FIXED_SIZE_BINARY
        else 16
        if schema.type is Type.DECIMAL128
        else 32
    )
    first = array.offset + start
    return [bytes(data[at : at + size]) for at in range(first * size, (first + stop - start) * size, size)]


def _booleans(array: Any, _schema: Any, start: int, stop: int) -> list[bool]:
    return list(map(bool, _elements(array, start, stop)))


def _decimals(array: Any, schema: Any, start: int, stop: int) -> list[Decimal]:
    scale = Decimal(-schema.scale)
    return [
        Decimal(int.from_bytes(part, "little", signed=True)).scaleb(scale, _CONTEXT)
        for part in _fixed(array, schema, start, stop)
    ]


def _days(array: Any, schema: Any, start: int, stop: int) -> list[Date]:
    numbers = _elements(array, start, stop)
    return [
        Date(number if schema.type is Type.DATE32 else _exact(number, DAY_MILLISECONDS, "day"))
        for number in numbers
    ]


def _times(array: Any, schema: Any, start: int, stop: int) -> list[Time]:
    factor = _NANOSECONDS[schema.unit]
    return [Time(number * factor) for number in _elements(array, start, stop)]


def _timestamps(array: Any, schema: Any, start: int, stop: int) -> list[Timestamp]:
    factor = _NANOSECONDS[schema.unit]
    numbers = _elements(array, start, stop)
    return [Timestamp(_exact(number * factor, 10**6, "millisecond")) for number in numbers]


def _durations(array: Any, schema: Any, start: int, stop: int) -> list[Duration]:
    factor = _NANOSECONDS[schema.unit]
    return [Duration(0, 0, number * factor) for number in _elements(array, start, stop)]


def _intervals(array: Any, _schema: Any, start: int, stop: int) -> list[Duration | None]:
    view, first, count = array.view(), array.offset + start, stop - start
    data = memoryview(view.buffer(1)).cast("B")[first * INTERVAL.size : (first + count) * INTERVAL.size]
    numbers = _without_nulls(view, first, count, list(INTERVAL.iter_unpack(data)))
    return [None if each is None else Duration(*each) for each in numbers]


def _exact(number: int, unit: int, name: str) -> int:
    whole, rest = divmod(number, unit)
    if rest:
        raise UnfitError(
            f"it has a part below the {name}", f"Round it first, as with .dt.floor({name[:1]!r})."
        )
    return whole


def _lists(array: Any, schema: Any, start: int, stop: int) -> list[list[Any]]:
    first = array.offset + start
    is_large = schema.type is Type.LARGE_LIST
    offsets = _offsets(array.view().buffer(1), first, stop - start, is_large=is_large)
    base = offsets[0]
    items = read_values(array.child(0), base, offsets[-1])
    return [items[offsets[at] - base : offsets[at + 1] - base] for at in range(stop - start)]


def _fixed_lists(array: Any, schema: Any, start: int, stop: int) -> list[list[Any]]:
    size = schema.list_size
    first = array.offset + start
    items = read_values(array.child(0), first * size, (first + stop - start) * size)
    return [items[at * size : (at + 1) * size] for at in range(stop - start)]


def _maps(array: Any, schema: Any, start: int, stop: int) -> list[Any]:
    entries = _lists(array, schema, start, stop)
    return [[tuple(pair.values()) for pair in pairs] for pairs in entries]


def _structs(array: Any, _schema: Any, start: int, stop: int) -> list[dict[str, Any]]:
    first = array.offset + start
    children = [array.child(index) for index in range(array.n_children)]
    columns = [read_values(child, first, first + stop - start) for child in children]
    names = [child.schema.name for child in children]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


_READERS: dict[Any, Callable[[Any, Any, int, int], list[Any]]] = {
    Type.BOOL: _booleans,
    Type.DATE32: _days,
    Type.DATE64: _days,
    Type.DECIMAL128: _decimals,
    Type.DECIMAL256: _decimals,
    Type.DURATION: _durations,
    Type.FIXED_SIZE_BINARY: _fixed,
    Type.FIXED_SIZE_LIST: _fixed_lists,
    Type.INTERVAL_MONTH_DAY_NANO: _intervals,
    Type.LARGE_LIST: _lists,
    Type.LIST: _lists,
    Type.MAP: _maps,
    Type.STRUCT: _structs,
    Type.TIME32: _times,
    Type.TIME64: _times,
    Type.TIMESTAMP: _timestamps,
}
