"""Results: the client's values as coodie's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scylla.cluster import metadata as cql
from scylla.results import RowFactory

from coodie.drivers.client.client import TupleRows
from coodie.drivers.client.values.reading import converter
from coodie.types import Duration
from coodie_rust.cqltypes import cql_type

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from dateutil.relativedelta import relativedelta
    from scylla.cluster.metadata import ColumnSpec
    from scylla.results import ColumnIterator, RequestResult

    from coodie.drivers.client.values.cqltypes import CqlType
    from coodie.drivers.client.values.reading import Converter

__all__ = ["AsLists", "read_rows"]


class AsLists(RowFactory):
    """Makes rows lists of values: the client's dicts lose a column if two have the same name."""

    def build(self, column_iterator: ColumnIterator) -> Any:
        """Return one row."""
        return [column.value for column in column_iterator]


def read_rows(result: RequestResult) -> TupleRows:
    """Return the rows of one page; raises the client's exception for a value that it can't decode."""
    rows: list[list[Any]] = list(result.iter_current_page())
    columns = result.columns
    types = [cql_type(column.cql_type) for column in columns]
    for index, convert in _converters(columns, types).items() if rows else ():
        for row in rows:
            if row[index] is not None:
                row[index] = convert(row[index])
    return TupleRows([column.name for column in columns], rows, [typ.text for typ in types])


def _converters(columns: Sequence[ColumnSpec], types: Sequence[CqlType]) -> dict[int, Converter]:
    """Return the converters by the positions of their columns."""
    chosen = {index: _top(column, types[index]) for index, column in enumerate(columns)}
    return {index: convert for index, convert in chosen.items() if convert is not None}


def _top(column: ColumnSpec, typ: CqlType) -> Converter | None:
    """Return the converter of a whole column, where the client returns null as an empty collection.

    On the server, an empty collection that isn't frozen is null. A frozen one may be either.
    """
    convert = converter(typ, _SCALARS)
    client_type = column.cql_type
    if isinstance(client_type, (cql.CqlList, cql.CqlSet, cql.CqlMap)) and not client_type.frozen:
        if convert is None:
            return lambda value: value or None
        return lambda value: convert(value) if value else None
    return convert


def _naive(value: dt.datetime) -> dt.datetime:
    return value.replace(tzinfo=None)


def _duration(value: relativedelta) -> Duration:
    seconds = (value.hours * 60 + value.minutes) * 60 + value.seconds
    return Duration(
        value.years * 12 + value.months, value.days, (seconds * 1_000_000 + value.microseconds) * 1000
    )


_SCALARS: Mapping[str, Converter] = {"inet": str, "timestamp": _naive, "duration": _duration}
