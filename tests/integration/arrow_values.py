"""Values of results by row and by column, in one form that is equal where the values are."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any

from coodie.types import Date, Time, Timestamp
from coodie_arrow.reading import read_values

if TYPE_CHECKING:
    from coodie.columnar import ArrowRows
    from coodie.contract.markers import ValueType

__all__ = ["column_values", "comparable"]

#: As many digits as any value here has.
_CONTEXT = Context(prec=400)


def comparable(typ: ValueType, value: Any) -> Any:  # noqa: PLR0911 - a case per kind of type
    """Return a value of a row, or of an Arrow array, in the form that both have.

    Args:
        typ: Its CQL type.
        value: The value.
    """
    if value is None:
        return None
    name, parts = typ.name, typ.parts
    if name in {"list", "vector"}:
        return [comparable(parts[0], item) for item in value]
    if name == "set":
        return sorted({_hashed(comparable(parts[0], item)) for item in value})
    if name == "map":
        pairs = value.items() if isinstance(value, Mapping) else value
        return sorted({_hashed(comparable(parts[0], k)): comparable(parts[1], v) for k, v in pairs}.items())
    if name in {"tuple", "udt"}:
        items = value.values() if isinstance(value, Mapping) else value
        return [comparable(part, item) for part, item in zip(parts, items, strict=True)]
    if name in {"decimal", "varint"}:
        return Decimal(value).normalize(_CONTEXT)
    return _scalar(value)


def _hashed(value: Any) -> str:
    """Return what is the same where Python's sets and dicts have one element, or where a server has."""
    return repr(value).replace("-0.0", "0.0")


def _scalar(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return Timestamp.from_datetime(value)
    if isinstance(value, dt.date):
        return Date.from_date(value)
    return Time.from_time(value) if isinstance(value, dt.time) else value


def column_values(rows: ArrowRows) -> list[list[Any]]:
    """Return the values of each column of a result, in the comparable form."""
    types = rows.schema.types
    columns: list[list[Any]] = [[] for _ in types]
    for batch in rows:
        array: Any = batch.array  # type: ignore[attr-defined]  # of coodie_arrow
        for index, typ in enumerate(types):
            values = read_values(array.child(index), 0, array.length)
            columns[index] += [comparable(typ, value) for value in values]
    return columns
