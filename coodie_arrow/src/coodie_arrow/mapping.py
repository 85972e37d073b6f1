"""The Arrow type of each CQL type, and the schema of a result."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import nanoarrow as na

from coodie.exceptions import InvalidQueryError, RequestError
from coodie_arrow.cqltypes import parse_type
from coodie_arrow.data import builders, of_decimals, of_lists, of_maps, of_structs, of_vectors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from coodie.contract.markers import ValueType
    from coodie_arrow.data import Data

__all__ = ["ColumnType", "DecimalType", "ResultSchema", "result_schema", "vector_size"]

#: Cached schemas.
_CACHE_SIZE = 256


class DecimalType(NamedTuple):
    """The digits of ``decimal`` columns; ``varint`` columns have the same precision.

    Attributes:
        precision: The number of digits, 1 to 76; from 39 on, the type is decimal256.
        scale: The number of digits after the point.
    """

    precision: int
    scale: int


class ColumnType(NamedTuple):
    """An Arrow type.

    Attributes:
        schema: The type as a nanoarrow schema.
        build: Builds an array of Python values.
    """

    schema: Any
    build: Callable[[Sequence[Any]], Data]


@dataclass(frozen=True, slots=True, eq=False)
class ResultSchema:
    """The columns of a result.

    Attributes:
        names: The columns' names.
        types: Their CQL types.
        columns: Their Arrow types.
        schema: The schema of a record batch.
    """

    names: tuple[str, ...]
    types: tuple[ValueType, ...]
    columns: tuple[ColumnType, ...]
    schema: Any


_SCHEMAS: dict[str, Callable[[], Any]] = {
    "ascii": na.string,
    "bigint": na.int64,
    "blob": na.binary,
    "boolean": na.bool_,
    "counter": na.int64,
    "date": na.date32,
    "double": na.float64,
    "duration": na.interval_month_day_nano,
    "float": na.float32,
    "inet": na.string,
    "int": na.int32,
    "smallint": na.int16,
    "text": na.string,
    "time": lambda: na.time64("ns"),
    "timestamp": lambda: na.timestamp("ms", "UTC"),
    "timeuuid": lambda: na.extension_type(na.fixed_size_binary(16), "arrow.uuid"),
    "tinyint": na.int8,
    "uuid": lambda: na.extension_type(na.fixed_size_binary(16), "arrow.uuid"),
}


@lru_cache(_CACHE_SIZE)
def result_schema(
    names: tuple[str, ...], types: tuple[ValueType | str, ...], decimals: tuple[DecimalType, ...]
) -> ResultSchema:
    """Return the schema of a result.

    Args:
        names: The columns' names.
        types: Their types; a text is parsed.
        decimals: The digits of each column's decimals.

    Raises:
        InvalidQueryError: Two columns have the same name.
        RequestError: A type has no counterpart.
    """
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        message = (
            f"The result has {names.count(twice)} columns named {twice!r}; a data frame can only have one."
        )
        raise InvalidQueryError(message, hint="Rename them: SELECT column AS name.")
    parsed = tuple([parse_type(typ) if isinstance(typ, str) else typ for typ in types])
    columns = tuple(
        [_column(name, typ, digits) for name, typ, digits in zip(names, parsed, decimals, strict=True)]
    )
    fields = {name: column.schema for name, column in zip(names, columns, strict=True)}
    return ResultSchema(names, parsed, columns, na.c_schema(na.struct(fields, nullable=False)))


def _column(name: str, typ: ValueType, digits: DecimalType) -> ColumnType:
    try:
        return _column_type(typ, digits)
    except _UnknownTypeError as exc:
        message = f"Values of {name!r} ({typ.text}) have no counterpart in Arrow: {exc}."
        hint = "Leave the column out, or select it in another form, such as CAST(… AS text)."
        raise RequestError(message, hint=hint, may_have_been_applied=False) from None


def vector_size(typ: ValueType) -> int:
    """Return the number of elements of a vector type."""
    return int(typ.text.rstrip(">").rpartition(",")[2])


class _UnknownTypeError(Exception):
    """A CQL type isn't known."""


def _column_type(typ: ValueType, digits: DecimalType) -> ColumnType:
    name = typ.name
    if name in builders:
        return ColumnType(_SCHEMAS[name](), builders[name])
    if name in {"decimal", "varint"}:
        precision, scale = digits if name == "decimal" else (digits.precision, 0)
        make = na.decimal128 if precision <= 38 else na.decimal256  # noqa: PLR2004 - of decimal128
        return ColumnType(make(precision, scale), of_decimals(precision, scale))
    if not name or (name == "udt" and not typ.fields):
        raise _UnknownTypeError(f"the backend doesn't describe the type {typ.text}")
    parts = [_column_type(part, digits) for part in typ.parts]
    schemas, builds = [part.schema for part in parts], [part.build for part in parts]
    if name in {"list", "set"}:
        return ColumnType(na.list_(schemas[0]), of_lists(builds[0]))
    if name == "map":
        return ColumnType(na.map_(*schemas), of_maps(*builds))
    if name == "vector":
        size = vector_size(typ)
        return ColumnType(na.fixed_size_list(schemas[0], size), of_vectors(builds[0], size))
    if name in {"tuple", "udt"}:
        fields = typ.fields or tuple([f"field_{index}" for index in range(len(parts))])
        return ColumnType(na.struct(dict(zip(fields, schemas, strict=True))), of_structs(fields, builds))
    raise _UnknownTypeError(f"the type {typ.text} isn't known")
