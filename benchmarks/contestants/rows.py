"""The one table of the benchmarks: its statements, and the rows that its keys make."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "INSERT",
    "KEYSPACE",
    "PAGE",
    "READ_PART",
    "SELECT_ROW",
    "TABLE",
    "WRITE_PART",
    "digest",
    "row",
    "select_rows",
]

KEYSPACE = "coodie_bench"
TABLE = f"{KEYSPACE}.readings"

#: The partition that is read, and the one that is written.
READ_PART, WRITE_PART = 1, 2

#: Rows to a page; what the drivers ask for by default.
PAGE = 5000

_SELECT = f"SELECT part, id, name, score, ref FROM {TABLE} WHERE part = ?"
SELECT_ROW = f"{_SELECT} AND id = ?"
INSERT = f"INSERT INTO {TABLE} (part, id, name, score, ref) VALUES (?, ?, ?, ?, ?)"


def select_rows(count: int) -> str:
    """Return the statement that reads the first rows of a partition."""
    return f"{_SELECT} LIMIT {count}"


def row(part: int, number: int) -> dict[str, Any]:
    """Return the row of a key; ``stub/rows.c`` makes the same."""
    ref = UUID(int=part << 96 | 0x4000 << 64 | 0x8000 << 48 | number)
    return {"part": part, "id": number, "name": f"name-{number:011d}", "score": number * 0.5, "ref": ref}


def digest(rows: Iterable[dict[str, Any]]) -> str:
    """Return a checksum of rows: values, types and order; not the order of columns."""
    made = hashlib.sha256()
    for one in rows:
        made.update(repr(sorted(one.items())).encode())
    return made.hexdigest()[:16]
