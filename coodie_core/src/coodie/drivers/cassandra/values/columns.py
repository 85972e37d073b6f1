"""Results by column (``rows="arrow"``): values of the driver's tuples, column by column.

Codecs make Python objects of a program's own types, which have no counterpart in Arrow: a column with one is
an error, unless the shape says otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coodie.columnar import by_column
from coodie.drivers.cassandra.values.rows import result_columns, row_converters
from coodie.drivers.cassandra.values.types import cql_name, described, subtypes, unwrapped
from coodie.exceptions import InvalidQueryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from coodie.columnar import ColumnarShape
    from coodie.drivers.cassandra.values.codecs import ValueOptions

__all__ = ["check_codecs", "columnar_rows"]


def columnar_rows(
    shape: ColumnarShape,
    names: Sequence[str],
    types: Sequence[Any],
    rows: Sequence[Sequence[Any]],
    options: ValueOptions,
) -> Any:
    """Return rows of the driver as an ``ArrowRows``.

    Args:
        shape: The shape.
        names: The columns' names.
        types: The columns' types of the driver.
        rows: The driver's tuples.
        options: The driver's options for values.

    Raises:
        CoodieError: A value has no exact counterpart, or can't be decoded; or a column has a codec.
    """
    check_codecs(shape, names, types, options)
    converters = row_converters(types, aware_timestamps=options.aware_timestamps)
    values = by_column(rows, len(names))
    for index, convert in enumerate(converters):
        if convert is not None:
            values[index] = [None if value is None else convert(value) for value in values[index]]
    columns = result_columns(tuple(names), tuple(types))
    return shape.of_values(columns, [described(typ) for typ in types], values, len(rows))


def check_codecs(
    shape: ColumnarShape, names: Sequence[str], types: Sequence[Any], options: ValueOptions
) -> None:
    """Raise if a codec would convert values of a column.

    Args:
        shape: The shape.
        names: The columns' names.
        types: The columns' types of the driver.
        options: The driver's options for values.

    Raises:
        InvalidQueryError: A column has a codec.
    """
    found = options.for_columns(names)
    if found is None or not shape.refuses_codecs:
        return
    for column, typ in zip(found, types, strict=True):
        for name in _type_names(typ):
            codec = column.find(name, None)
            if codec is not None:
                message = (
                    f"Values of {column.column!r} ({cql_name(typ)}) have {codec!r}, which Arrow can't apply."
                )
                hint = "Give rows=coodie_arrow.ArrowShape(ignore_codecs=True) for the values without codecs."
                raise InvalidQueryError(message, hint=hint)


def _type_names(typ: Any) -> Iterator[str]:
    """Yield the names of a type and of all types in it."""
    typ = unwrapped(typ)
    yield cql_name(typ)
    for part in subtypes(typ):
        yield from _type_names(part)
