"""What a server has, read from system_schema without any of coodie's own reading of it."""

from __future__ import annotations

import itertools
import uuid
from typing import Any

__all__ = ["columns_of", "indexes_of", "new_name", "options_of"]

_numbers = itertools.count()
#: Tables stay behind on a server that isn't the tests' own, so each run names its own.
_RUN = uuid.uuid4().hex[:8]


def new_name() -> str:
    """Name a table that isn't there."""
    return f"t{next(_numbers)}_{_RUN}"


def columns_of(driver: Any, keyspace: str, table: str) -> dict[str, tuple[str, str, int, str]]:
    """Read a table's columns: name → kind, type, position, order."""
    rows = driver.execute(
        "SELECT * FROM system_schema.columns WHERE keyspace_name = ? AND table_name = ?", [keyspace, table]
    )
    return {
        row["column_name"]: (row["kind"], row["type"], row["position"], row["clustering_order"])
        for row in rows
    }


def options_of(driver: Any, keyspace: str, table: str) -> dict[str, Any]:
    """Read a table's options."""
    (row,) = driver.execute(
        "SELECT * FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?", [keyspace, table]
    )
    return dict(row)


def indexes_of(driver: Any, keyspace: str, table: str) -> dict[str, dict[str, str]]:
    """Read a table's indexes: name → options."""
    rows = driver.execute(
        "SELECT * FROM system_schema.indexes WHERE keyspace_name = ? AND table_name = ?", [keyspace, table]
    )
    return {row["index_name"]: dict(row["options"]) for row in rows}
