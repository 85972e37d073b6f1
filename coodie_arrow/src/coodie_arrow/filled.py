"""Columns that the accelerator has filled from the bytes of a response: how, and as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coodie_arrow.data import Data
from coodie_arrow.mapping import vector_size

if TYPE_CHECKING:
    from coodie.columnar import FilledColumn
    from coodie.contract.markers import ValueType
    from coodie_arrow.mapping import DecimalType

__all__ = ["filled_data", "filled_form"]

_SCALARS = frozenset(
    [
        *("ascii", "bigint", "blob", "boolean", "counter", "date", "double", "duration", "float", "inet"),
        *("int", "smallint", "text", "time", "timestamp", "timeuuid", "tinyint", "uuid"),
    ]
)

#: Elements of vectors that have no length of their own.
_NUMBERS = frozenset({"bigint", "double", "float", "int"})

#: The only precision that the accelerator fills.
_PRECISION = 38


def filled_form(typ: ValueType, digits: DecimalType) -> Any:
    """Return the form of a column for ``coodie_accel.ColumnDecoder``; None if it doesn't fill such columns.

    Args:
        typ: The column's type.
        digits: The digits of its decimals.
    """
    name = typ.name
    if name in _SCALARS:
        return name
    if name in {"decimal", "varint"} and digits.precision == _PRECISION:
        return ("decimal", digits.scale) if name == "decimal" else name
    if name == "vector" and typ.parts[0].name in _NUMBERS:
        return "vector", typ.parts[0].name, vector_size(typ)
    return None


def filled_data(typ: ValueType, column: FilledColumn, count: int) -> Data:
    """Return a column as the data of an array.

    Args:
        typ: The column's type.
        column: The filled column.
        count: The number of rows.
    """
    nulls, valid, buffers = column
    if typ.name != "vector":
        return Data(count, nulls, (valid, *buffers))
    return Data(count, nulls, (valid,), (Data(count * vector_size(typ), 0, (None, *buffers)),))
