"""Column readers: a page's rows as a record batch, for ``rows="arrow"``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coodie.columnar import FilledColumn, by_column
from coodie.drivers.cassandra.fastpath.accelerated import column_decoder
from coodie.drivers.cassandra.fastpath.generated_columns import generated_columns
from coodie.drivers.cassandra.values.columns import check_codecs
from coodie.drivers.cassandra.values.rows import result_columns
from coodie.drivers.cassandra.values.types import described

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from coodie.columnar import ColumnarShape
    from coodie.contract.markers import ValueType
    from coodie.drivers.cassandra.values.codecs import ValueOptions
    from coodie.rows import Column, Rows

    #: Takes a result's body, the position of the first row and the number of rows; returns the rows.
    RowReader = Callable[[bytes, int, int], Rows[Any]]

__all__ = ["columnar_reader"]


def columnar_reader(
    shape: ColumnarShape,
    names: tuple[str, ...],
    types: Sequence[Any],
    options: ValueOptions,
    read_tuples: RowReader,
    single: Callable[[Any], Callable[[bytes], Any]],
) -> RowReader:
    """Return a reader for record batches.

    Args:
        shape: The shape.
        names: The columns' names.
        types: The columns' types of the driver.
        options: The driver's options for values.
        read_tuples: Reads rows as tuples, without codecs.
        single: Returns the driver's decoder for single values of a type.

    Raises:
        InvalidQueryError: A column has a codec.
    """
    check_codecs(shape, names, types, options)
    columns = result_columns(names, tuple(types))
    kinds = [described(typ) for typ in types]

    def read(body: bytes, start: int, count: int) -> Any:
        rows = read_tuples(body, start, count)
        return shape.of_values(columns, kinds, by_column(rows, len(names)), len(rows))

    # The value of [applied] is read.
    if "[applied]" in names:
        return read
    forms = shape.forms(columns, kinds)
    decode = column_decoder(names, types, single, forms, aware_timestamps=options.aware_timestamps)
    if decode is not None:
        return _filled_reader(decode, shape, columns, kinds)
    generated = generated_columns(forms)
    if generated is None:
        return read
    read_filled = _filled_reader(generated, shape, columns, kinds)

    def read_any(body: bytes, start: int, count: int) -> Any:
        try:
            return read_filled(body, start, count)
        except Exception:  # noqa: BLE001 - the conversion of objects takes more values, and reports errors
            return read(body, start, count)

    return read_any


def _filled_reader(
    decode: Callable[[bytes, int, int], Sequence[Any]],
    shape: ColumnarShape,
    columns: tuple[Column, ...],
    kinds: Sequence[ValueType],
) -> RowReader:
    """Return a reader for record batches of columns that are filled, or lists of objects."""

    def read(body: bytes, start: int, count: int) -> Any:
        found = [
            FilledColumn(*column) if column.__class__ is tuple else column
            for column in decode(body, start, count)
        ]
        return shape.of_values(columns, kinds, found, count)

    return read
