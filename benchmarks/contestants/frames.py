"""Data frames from clients' results, and their rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["from_arrow", "from_rows", "join", "new_pages", "rows_of", "warm"]


def warm() -> None:
    """Import pandas and pyarrow.

    Raises:
        ModuleNotFoundError: pandas or pyarrow isn't installed.
    """
    import pandas as pd
    import pyarrow as pa

    pa.table({"a": [1]}).to_pandas(types_mapper=pd.ArrowDtype)


def from_arrow(rows: Any, *, as_objects: bool) -> Any:
    """Return the data frame of Arrow data.

    Args:
        rows: The data.
        as_objects: Whether to use pandas' types, with texts and UUIDs as objects, instead of Arrow's.
    """
    import pandas as pd
    import pyarrow as pa

    table = pa.table(rows)
    return table.to_pandas() if as_objects else table.to_pandas(types_mapper=pd.ArrowDtype)


def from_rows(rows: Sequence[Any]) -> Any:
    """Return the data frame of dicts."""
    import pandas as pd

    return pd.DataFrame(rows)


def new_pages() -> Callable[[Any, Any], list[Any]]:
    """Return a row factory that creates a data frame per page, from tuples or numpy arrays."""
    import pandas as pd

    def pages(names: Any, rows: Any) -> list[Any]:
        if isinstance(rows, dict):
            return [pd.DataFrame(rows)]
        if rows and isinstance(rows[0], dict):
            return [pd.DataFrame(one) for one in rows]
        return [pd.DataFrame(rows, columns=names)]

    return pages


def join(pages: list[Any]) -> Any:
    """Concatenate the data frames of all pages."""
    import pandas as pd

    return pd.concat(pages, ignore_index=True)


def rows_of(frame: Any, count: int) -> list[dict[str, Any]]:
    """Return the first rows of a data frame, with the Python values of CQL types."""
    rows: list[dict[str, Any]] = frame.head(count).to_dict("records")
    for row in rows:
        if isinstance(row["ref"], bytes):
            row["ref"] = UUID(bytes=row["ref"])
    return rows
