"""Results by column: Arrow record batches, which ``rows="arrow"`` requests.

This module has what the rest of core knows of them. The distribution coodie-arrow converts the values, and
has the shape; ``coodie.row_shapes.parse_rows`` finds it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from coodie.exceptions import ConfigurationError
from coodie.row_shapes import RowShape
from coodie.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from uuid import UUID

    from coodie.rows import Column

__all__ = ["ArrowRows", "ColumnarShape", "FilledColumn", "RecordBatch", "by_column", "refuse_columns"]


class RecordBatch(Protocol):
    """Rows as Arrow columns, for any library with Arrow's PyCapsule interface."""

    @property
    def num_rows(self) -> int:
        """The number of rows."""
        ...

    def __arrow_c_schema__(self) -> object:
        """Return a PyCapsule with the schema."""
        ...

    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]:
        """Return PyCapsules with the schema and the array."""
        ...


class FilledColumn(NamedTuple):
    """A column that was filled from the bytes of a response, without an object for each value.

    Attributes:
        length: The number of values.
        nulls: The number of nulls.
        buffers: In Arrow's order: the bitmap of values that aren't null, None without nulls; the offsets, for
            values of any size; the values.
        parts: The columns that it is made of, each as such a tuple.
    """

    length: int
    nulls: int
    buffers: tuple[bytes | None, ...]
    parts: tuple[tuple[Any, ...], ...]


class ArrowRows:
    """A result as Arrow record batches: a stream of these, for any library with Arrow's PyCapsule interface.

    It isn't a list, which such libraries would take for a list of columns. Its length is the number of rows;
    iterating yields the batches, one for each page that has rows.

    Args:
        shape: The shape, which exports the batches.
    """

    __slots__ = ("__dict__", "__weakref__", "_batches", "_shape")

    #: The result's columns in order, even without rows. None for a statement without a result.
    columns: tuple[Column, ...] | None = None
    #: The shape's description of the columns.
    schema: Any = None
    #: As of ``Rows``.
    paging_state: bytes | None = None
    #: As of ``Rows``.
    warnings: tuple[str, ...] = ()
    #: As of ``Rows``.
    trace_id: UUID | None = None
    #: Whether a lightweight transaction took effect; None for any other statement.
    applied: bool | None = None
    _is_plain_list = False

    cursor = Rows.cursor
    has_more_pages = Rows.has_more_pages

    def __init__(self, shape: ColumnarShape) -> None:
        self._shape = shape
        self._batches: list[RecordBatch] = []

    def __repr__(self) -> str:
        names = ", ".join([column.name for column in self.columns or ()])
        return f"<ArrowRows: {len(self)} rows of {names or 'no columns'}>"

    def __len__(self) -> int:
        """Return the number of rows."""
        return sum([batch.num_rows for batch in self._batches])

    def __iter__(self) -> Iterator[RecordBatch]:
        """Iterate over the batches."""
        return iter(self._batches)

    def append(self, batch: RecordBatch) -> None:
        """Add a batch."""
        self._batches.append(batch)

    def extend(self, page: ArrowRows) -> None:
        """Add the batches of a page."""
        self._batches.extend(page)
        if self.schema is None:
            self.schema, self.columns = page.schema, page.columns

    def shaped(self, _shape: RowShape) -> ArrowRows:
        """Return the result itself, which a client may return as a page."""
        return self

    def __arrow_c_schema__(self) -> object:
        """Return a PyCapsule with the schema."""
        return self._shape.export_schema(self)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return a PyCapsule with a stream of the batches."""
        return self._shape.export_stream(self, requested_schema)


class ColumnarShape(RowShape, ABC):
    """The shape of record batches; coodie-arrow implements it."""

    is_columnar = True

    def new_rows(self) -> Any:
        """Return an empty ``ArrowRows``."""
        return ArrowRows(self)

    @property
    @abstractmethod
    def refuses_codecs(self) -> bool:
        """Whether columns with a codec raise an error."""

    @abstractmethod
    def of_values(
        self,
        columns: tuple[Column, ...],
        types: Sequence[Any] | None,
        values: Sequence[Sequence[Any]],
        count: int,
    ) -> Any:
        """Return an ``ArrowRows`` of one batch, or of none if there are no rows.

        Args:
            columns: The columns.
            types: Their types, as ``coodie.contract.markers.ValueType``; None to parse those of ``columns``.
            values: The values of each column, as those of tuples; or a ``FilledColumn``.
            count: The number of rows.

        Raises:
            RequestError: A type or a value has no exact counterpart in Arrow; names the column and its type.
            InvalidQueryError: Two columns have the same name.
        """

    @abstractmethod
    def forms(self, columns: tuple[Column, ...], types: Sequence[Any]) -> tuple[Any, ...]:
        """Return how the accelerator fills each column: a form of its ``ColumnDecoder``; None for objects.

        Args:
            columns: The columns.
            types: Their types, as in ``of_values``.

        Raises:
            CoodieError: As in ``of_values``.
        """

    @abstractmethod
    def export_schema(self, rows: ArrowRows) -> object:
        """Return a PyCapsule with the schema of a result."""

    @abstractmethod
    def export_stream(self, rows: ArrowRows, requested_schema: object | None) -> object:
        """Return a PyCapsule with a stream of a result's batches."""


def by_column(rows: Sequence[Sequence[Any]], width: int) -> list[Sequence[Any]]:
    """Return the values of each column.

    Args:
        rows: The rows, as tuples.
        width: The number of columns.
    """
    return list(zip(*rows, strict=True)) if rows else [()] * width


def refuse_columns(shape: RowShape | None, feature: str, instead: str) -> None:
    """Raise if the shape is of record batches.

    Args:
        shape: The shape; None for dicts.
        feature: What doesn't support them.
        instead: What to do.

    Raises:
        ConfigurationError: It is.
    """
    if shape is not None and shape.is_columnar:
        raise ConfigurationError(f"{feature} doesn't support rows='arrow'.", hint=instead, option="rows")
