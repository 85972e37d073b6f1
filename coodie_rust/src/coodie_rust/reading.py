"""Results: the client's values as coodie's.

The converter of a column is chosen once per result, by its type; most types need none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from scylla.cluster import metadata as cql
from scylla.results import RowFactory

from coodie.drivers.client.client import TupleRows
from coodie.types import Duration

if TYPE_CHECKING:
    import datetime as dt

    from dateutil.relativedelta import relativedelta
    from scylla.cluster.metadata import ColumnSpec, CqlColumnType
    from scylla.results import ColumnIterator, RequestResult

__all__ = ["AsLists", "read_rows"]

Converter = Callable[[Any], Any]


class AsLists(RowFactory):
    """Makes rows lists of values: the client's dicts lose a column if two have the same name."""

    def build(self, column_iterator: ColumnIterator) -> Any:
        """Return one row."""
        return [column.value for column in column_iterator]


def read_rows(result: RequestResult) -> TupleRows:
    """Return the rows of one page; raises the client's exception for a value that it can't decode."""
    rows: list[list[Any]] = list(result.iter_current_page())
    columns = result.columns
    for index, convert in _converters(columns).items() if rows else ():
        for row in rows:
            if row[index] is not None:
                row[index] = convert(row[index])
    return TupleRows([column.name for column in columns], rows)


def _converters(columns: Sequence[ColumnSpec]) -> dict[int, Converter]:
    """Return the converters by the positions of their columns."""
    chosen = {index: _top(column.cql_type) for index, column in enumerate(columns)}
    return {index: convert for index, convert in chosen.items() if convert is not None}


def _top(typ: CqlColumnType) -> Converter | None:
    """Return the converter of a whole column, where the client returns null as an empty collection.

    On the server, an empty collection that isn't frozen is null. A frozen one may be either.
    """
    convert = _converter(typ)
    if isinstance(typ, (cql.CqlList, cql.CqlSet, cql.CqlMap)) and not typ.frozen:
        if convert is None:
            return lambda value: value or None
        return lambda value: convert(value) if value else None
    return convert


def _converter(typ: CqlColumnType) -> Converter | None:
    """Return the converter of a type; None if the client's values are coodie's."""
    make = _COMPOSED.get(type(typ))
    return make(typ) if make is not None else _SCALARS.get(type(typ))


def _naive(value: dt.datetime) -> dt.datetime:
    return value.replace(tzinfo=None)


def _duration(value: relativedelta) -> Duration:
    seconds = (value.hours * 60 + value.minutes) * 60 + value.seconds
    return Duration(
        value.years * 12 + value.months, value.days, (seconds * 1_000_000 + value.microseconds) * 1000
    )


_SCALARS: dict[type[CqlColumnType], Converter] = {
    cql.CqlInet: str,
    cql.CqlTimestamp: _naive,
    cql.CqlDuration: _duration,
}


# --- collections, tuples, user-defined types --------------------------------------------


def _same(value: Any) -> Any:
    return value


def _unless_null(convert: Converter | None) -> Converter:
    if convert is None:
        return _same
    return lambda value: None if value is None else convert(value)


def _each(make: Converter, convert: Converter | None) -> Converter | None:
    if convert is None:
        return None
    part = _unless_null(convert)
    return lambda value: make([part(item) for item in value])


def _map(convert_key: Converter | None, convert_value: Converter | None) -> Converter | None:
    if convert_key is None and convert_value is None:
        return None
    to_key, to_value = _unless_null(convert_key), _unless_null(convert_value)
    return lambda value: {to_key(key): to_value(item) for key, item in value.items()}


def _tuple(converters: list[Converter | None]) -> Converter | None:
    if not any(converters):
        return None
    parts = [_unless_null(convert) for convert in converters]
    return lambda value: tuple([part(item) for part, item in zip(parts, value, strict=True)])


def _udt(converters: dict[str, Converter | None]) -> Converter | None:
    if not any(converters.values()):
        return None
    parts = {name: _unless_null(convert) for name, convert in converters.items()}
    return lambda value: {name: parts[name](item) for name, item in value.items()}


_COMPOSED: dict[type[CqlColumnType], Callable[[Any], Converter | None]] = {
    cql.CqlList: lambda typ: _each(list, _converter(typ.column_type)),
    cql.CqlSet: lambda typ: _each(set, _converter(typ.column_type)),
    cql.CqlVector: lambda typ: _each(list, _converter(typ.typ)),
    cql.CqlMap: lambda typ: _map(_converter(typ.key_type), _converter(typ.value_type)),
    cql.CqlTuple: lambda typ: _tuple([_converter(part) for part in typ.element_types]),
    cql.CqlUserDefinedType: lambda typ: _udt({name: _converter(part) for name, part in typ.field_types}),
}
