"""The rows of a response of the backend's session, which are decoded when they are requested."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from coodie.drivers.cassandra.values.rows import build_rows, result_columns, row_converters
from coodie.row_shapes import row_builder
from coodie.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from coodie.columnar import ColumnarShape
    from coodie.drivers.cassandra._session import SessionResponse
    from coodie.drivers.cassandra.values.codecs import ValueOptions
    from coodie.drivers.cassandra.values.rows import Converter
    from coodie.row_shapes import RowShape

__all__ = ["UndecodedRows", "dict_rows"]


class UndecodedRows:
    """The rows of a session's response."""

    __slots__ = ("_answer", "_values")

    def __init__(self, answer: SessionResponse, values: ValueOptions) -> None:
        self._answer = answer
        self._values = values

    def __len__(self) -> int:
        return len(self._answer.rows)

    def decode(self) -> list[dict[str, Any]]:
        """Return the rows as dicts, with their columns."""
        answer = self._answer
        rows = Rows(self._decoded(answer))
        if answer.names:
            rows.columns = result_columns(tuple(answer.names), tuple(answer.types))
        return rows

    def shaped(self, shape: RowShape) -> Rows[Any]:
        """Return the rows in another shape than dicts.

        Raises:
            CoodieError: The columns don't fit the shape, or a value can't be decoded.
        """
        answer = self._answer
        if shape.is_columnar and answer.names:
            from coodie.drivers.cassandra.values.columns import columnar_rows  # few results need it

            columnar = cast("ColumnarShape", shape)
            found: Rows[Any] = columnar_rows(columnar, answer.names, answer.types, answer.rows, self._values)
            return found
        converters = _converters(answer, self._values, shape)
        columns = result_columns(tuple(answer.names), tuple(answer.types)) if answer.names else None
        if columns is None:
            return shape.new_rows()

        def builder(names: tuple[str, ...], shape: RowShape) -> Callable[[Iterable[Any]], list[Any]]:
            return row_builder(names, converters, shape)

        return shape.built(builder, answer.names, answer.rows, columns)

    def first_item(self) -> Any:
        """Return the first column of the first row, without decoding the others."""
        if not self._answer.rows:
            return None
        (row,) = self._decoded(self._answer.first_cell())
        return row[self._answer.names[0]]

    def _decoded(self, answer: SessionResponse) -> list[dict[str, Any]]:
        return dict_rows(answer, self._values)


def dict_rows(answer: SessionResponse, values: ValueOptions) -> list[dict[str, Any]]:
    """Return the rows of a response as dicts."""
    return build_rows(answer.names, answer.rows, _converters(answer, values))


def _converters(
    answer: SessionResponse, values: ValueOptions, shape: RowShape | None = None
) -> Sequence[Converter | None]:
    codecs = values.for_columns(answer.names, shape)
    return row_converters(answer.types, aware_timestamps=values.aware_timestamps, codecs=codecs)
