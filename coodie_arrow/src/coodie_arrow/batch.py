"""Record batches: arrays of nanoarrow, as objects that other libraries read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nanoarrow as na
from nanoarrow.c_array_stream import CArrayStream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coodie_arrow.data import Data

__all__ = ["RecordBatch", "export_stream", "new_batch"]


class RecordBatch:
    """Rows of one page as Arrow columns.

    pandas, polars, pyarrow, DuckDB and others take it, by Arrow's PyCapsule interface.

    Args:
        array: The struct array of nanoarrow.
    """

    __slots__ = ("_array",)

    def __init__(self, array: Any) -> None:
        self._array = array

    def __repr__(self) -> str:
        return f"<RecordBatch: {self.num_rows} rows of {', '.join(self.column_names)}>"

    @property
    def array(self) -> Any:
        """The batch as a ``nanoarrow.c_array.CArray``."""
        return self._array

    @property
    def num_rows(self) -> int:
        """The number of rows."""
        return int(self._array.length)

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple([child.name for child in self._array.schema.children])

    def __arrow_c_schema__(self) -> object:
        """Return a PyCapsule with the schema."""
        return self._array.schema.__arrow_c_schema__()

    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]:
        """Return PyCapsules with the schema and the array; a requested schema isn't applied."""
        exported: tuple[object, object] = self._array.__arrow_c_array__()
        return exported

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return a PyCapsule with a stream of this batch; a requested schema isn't applied."""
        return export_stream(self._array.schema, [self])


def new_batch(schema: Any, columns: Sequence[Data], count: int) -> RecordBatch:
    """Return a record batch.

    Args:
        schema: The schema of nanoarrow.
        columns: The columns' buffers.
        count: The number of rows.
    """
    children = [_array(schema.child(index), data) for index, data in enumerate(columns)]
    return RecordBatch(
        na.c_array_from_buffers(schema, count, [None], null_count=0, children=children, move=True)
    )


def export_stream(schema: Any, batches: Sequence[RecordBatch]) -> object:
    """Return a PyCapsule with a stream of batches.

    Raises:
        ValueError: A batch has another schema.
    """
    arrays = [batch.array for batch in batches]
    return CArrayStream.from_c_arrays(arrays, schema, validate=True).__arrow_c_stream__()


def _array(schema: Any, data: Data) -> Any:
    children = [_array(schema.child(index), child) for index, child in enumerate(data.children)]
    return na.c_array_from_buffers(
        schema, data.length, data.buffers, null_count=data.nulls, children=children, move=True
    )
