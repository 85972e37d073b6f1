"""Parameters of ``execute_many`` from the rows of a data frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import nanoarrow as na

from coodie.exceptions import ParameterError, ParameterTypeError
from coodie.types import Date, Timestamp
from coodie_arrow.data import DAY_MILLISECONDS, UnfitError
from coodie_arrow.reading import read_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from coodie.contract.markers import Marker, ValueType

__all__ = ["parameter_rows"]

#: The number of rows that are converted at once.
_ROWS = 500

_UUID_BYTES = 16

_INTEGERS = frozenset({"tinyint", "smallint", "int", "bigint", "counter", "varint"})


def parameter_rows(
    stmt: str, frame: Any, markers: Sequence[Marker], *, by_name: bool
) -> Iterator[dict[str, Any] | list[Any]]:
    """Return an iterator over the parameters of each row; converts some hundred rows at a time.

    Args:
        stmt: The CQL text, for errors.
        frame: An object with ``__arrow_c_stream__`` or ``__arrow_c_array__``.
        markers: The statement's bind markers.
        by_name: Return dicts by the markers' names, not lists.

    Raises:
        ParameterError: The columns aren't those of the markers.
        ParameterTypeError: The object has no columns.
    """
    if hasattr(frame, "__arrow_c_stream__"):
        stream = na.c_array_stream(frame)
        schema, arrays = na.Schema(stream.get_schema()), iter(stream)
    else:
        array = na.c_array(frame)
        schema, arrays = na.Schema(array.schema), iter((array,))
    if schema.type is not na.Type.STRUCT:
        kind = type(frame).__name__
        message = f"The parameters: expected a data frame or a table, got {kind}, which has no columns."
        hint = "It needs a column for each bind marker."
        raise ParameterTypeError(message, hint=hint, statement=stmt, value_type=kind)
    chosen = _chosen([field.name or "" for field in schema.fields], [marker.name for marker in markers], stmt)
    return _rows(arrays, list(zip(markers, chosen, strict=True)), stmt, by_name=by_name)


def _chosen(columns: list[str], markers: list[str], stmt: str) -> list[int]:
    """Return the index of each marker's column; by the exact name, or else the name in lower case."""
    twice = sorted({name for name in columns if columns.count(name) > 1})
    lower = [name.lower() for name in columns]
    found = {}
    for name in markers:
        if name in columns:
            found[name] = columns.index(name)
        elif lower.count(name) == 1:
            found[name] = lower.index(name)
    missing = [name for name in dict.fromkeys(markers) if name not in found]
    unknown = [name for index, name in enumerate(columns) if index not in found.values()]
    if missing or unknown or twice:
        message = f"Missing columns: {missing or 'none'}; unknown columns: {unknown or twice or 'none'}."
        hint = (
            f"The statement has the bind markers {markers}. Select and rename the data frame's columns; an "
            "index of pandas is a column, too: frame.reset_index(drop=True)."
        )
        raise ParameterError(message, hint=hint, statement=stmt)
    return [found[name] for name in markers]


def _rows(
    arrays: Iterable[Any], chosen: Sequence[tuple[Marker, int]], stmt: str, *, by_name: bool
) -> Iterator[dict[str, Any] | list[Any]]:
    adapters = [_adapter(marker.type) for marker, _ in chosen]
    names = [marker.name for marker, _ in chosen]
    for array in arrays:
        children = [array.child(index) for _, index in chosen]
        for start in range(array.offset, array.offset + array.length, _ROWS):
            stop = min(start + _ROWS, array.offset + array.length)
            columns = []
            for (marker, _), child, adapt in zip(chosen, children, adapters, strict=True):
                columns.append(_column(marker, child, (start, stop), adapt, stmt))
            if by_name:
                yield from (dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True))
            else:
                yield from map(list, zip(*columns, strict=True))


def _column(
    marker: Marker, array: Any, part: tuple[int, int], adapt: Callable[[Any], Any] | None, stmt: str
) -> list[Any]:
    try:
        values = read_values(array, *part)
        return values if adapt is None else [None if value is None else adapt(value) for value in values]
    except UnfitError as exc:
        typ = f" ({marker.type.text})" if marker.type.text else ""
        message = f"A value of the column {marker.name!r}{typ} can't be bound: {exc.problem}."
        hint = exc.hint or "Convert the column first."
        raise ParameterError(message, hint=hint, statement=stmt) from exc


# --- values that Arrow has in another form than parameters ----------------------------------


def _adapter(typ: ValueType) -> Callable[[Any], Any] | None:  # noqa: PLR0911 - a case per kind of type
    """Return the function that converts a value for a type; None if none needs it."""
    name = typ.name
    if name in {"uuid", "timeuuid"}:
        return _as_uuid
    if name in _INTEGERS:
        return _as_integer
    if name == "date":
        return _as_date
    parts = [_adapter(part) or _itself for part in typ.parts]
    if name in {"list", "set", "vector"}:
        return None if parts == [_itself] else lambda value: list(map(parts[0], value))
    if name == "map":
        if parts == [_itself, _itself]:
            return None
        key, item = parts
        return lambda value: [(key(k), None if v is None else item(v)) for k, v in value]
    if name in {"tuple", "udt"}:
        make = tuple if name == "tuple" else None
        return lambda value: _as_record(value, parts, make)
    return None


def _itself(value: Any) -> Any:
    return value


def _as_uuid(value: Any) -> Any:
    """Return the UUID of 16 bytes, which many libraries have without the extension type."""
    return UUID(bytes=value) if isinstance(value, bytes) and len(value) == _UUID_BYTES else value


def _as_integer(value: Any) -> Any:
    """Return a whole number as an int: pandas has floats in a column of integers with nulls."""
    if isinstance(value, int):
        return value
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return value
    return number if number == value else value


def _as_date(value: Any) -> Any:
    """Return the date of a timestamp, which is all that pandas has."""
    if not isinstance(value, Timestamp):
        return value
    days, rest = divmod(value.milliseconds, DAY_MILLISECONDS)
    if rest:
        raise UnfitError("it has a time of day", "Round it first, as with .dt.floor('D').")
    return Date(days)


def _as_record(value: Any, parts: Sequence[Callable[[Any], Any]], make: Any) -> Any:
    if not isinstance(value, dict) or len(value) != len(parts):
        return value
    items = [None if item is None else part(item) for item, part in zip(value.values(), parts, strict=True)]
    return dict(zip(value, items, strict=True)) if make is None else make(items)
