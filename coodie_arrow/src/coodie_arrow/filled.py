"""Columns that the accelerator has filled from the bytes of a response: how, and as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coodie_arrow.data import Data
from coodie_arrow.mapping import vector_size

if TYPE_CHECKING:
    from collections.abc import Sequence

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

#: Types that are made of others, and their forms.
_NESTED = {"list": "list", "map": "map", "set": "list", "tuple": "struct", "udt": "struct"}

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
    if name in _NESTED:
        parts = [filled_form(part, digits) for part in typ.parts]
        return None if None in parts else (_NESTED[name], *parts)
    return None


def filled_data(column: Sequence[Any]) -> Data:
    """Return a column as the data of an array.

    Args:
        column: The filled column, or one that it is made of.
    """
    length, nulls, buffers, parts = column
    return Data(length, nulls, buffers, tuple(map(filled_data, parts)))
