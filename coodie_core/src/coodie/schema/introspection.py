"""Read the server's tables: the queries of system_schema, and their rows as a Table.

The queried columns are the same in Cassandra 3, 4, 5 and ScyllaDB; others are ignored.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from coodie.schema.cqltypes import parse_shown_type
from coodie.schema.requests import Query
from coodie.schema.tables import Column, Index, Kind, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["built_indexes_query", "keyspace_query", "table_from_rows", "table_queries", "taken_index_names"]

_TARGET = re.compile(
    r"(?:(?P<function>values|keys|entries|full)\()?(?P<name>\w+|\"(?:[^\"]|\"\")+\")(?(function)\))"
)


def table_queries(keyspace: str, table: str) -> tuple[Query, Query, Query]:
    """Return the queries of a table, its columns, and all indexes of its keyspace.

    Index names are unique in a keyspace, and CREATE INDEX IF NOT EXISTS silently does nothing if another
    table's index has the name; so all indexes of the keyspace are read.
    """
    return (
        Query(
            "SELECT * FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?",
            (keyspace, table),
        ),
        Query(
            "SELECT column_name, clustering_order, kind, position, type FROM system_schema.columns "
            "WHERE keyspace_name = ? AND table_name = ?",
            (keyspace, table),
        ),
        Query(
            "SELECT table_name, index_name, kind, options FROM system_schema.indexes WHERE keyspace_name = ?",
            (keyspace,),
        ),
    )


def keyspace_query(keyspace: str) -> Query:
    """Return the query of a keyspace and its replication."""
    return Query(
        "SELECT keyspace_name, replication FROM system_schema.keyspaces WHERE keyspace_name = ?", (keyspace,)
    )


def built_indexes_query(keyspace: str) -> Query:
    """Return the query of the indexes that a node has built itself.

    The column ``table_name`` contains the keyspace (Cassandra's SystemKeyspace, ScyllaDB's virtual table of
    the same name).
    """
    return Query('SELECT index_name FROM system."IndexInfo" WHERE table_name = ?', (keyspace,))


def table_from_rows(
    keyspace: str,
    table: str,
    table_row: Mapping[str, Any],
    column_rows: Sequence[Mapping[str, Any]],
    index_rows: Sequence[Mapping[str, Any]],
) -> Table:
    """Return the server's table.

    Args:
        keyspace: The keyspace's name.
        table: The table's name.
        table_row: The table's row of system_schema.tables.
        column_rows: The table's rows of system_schema.columns.
        index_rows: The keyspace's rows of system_schema.indexes.
    """
    columns = tuple(_column(row, keyspace) for row in column_rows)
    types = {column.name: column.type for column in columns}
    indexes = []
    for row in index_rows:
        if row["table_name"] == table:
            index = _index(row)
            kind = types.get(index.column or "")
            if kind is not None and kind.is_collection and not index.function:
                index = Index(
                    index.name,
                    index.column,
                    "full" if kind.frozen else "values",
                    index.class_name,
                    index.options,
                )
            indexes.append(index)
    return Table(
        keyspace=keyspace,
        name=table,
        columns=columns,
        options=table_row,
        indexes=tuple(indexes),
        # A counter table without counter columns is only recognizable by its flags.
        counter="counter" in (table_row.get("flags") or ()) or any(c.type.is_counter for c in columns),
    )


def taken_index_names(table: str, index_rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the names of the keyspace's other indexes, with their tables."""
    return {row["index_name"]: row["table_name"] for row in index_rows if row["table_name"] != table}


def _column(row: Mapping[str, Any], keyspace: str) -> Column:
    return Column(
        name=row["column_name"],
        type=parse_shown_type(row["type"], keyspace),
        kind=Kind(row["kind"]),
        position=row["position"],
        order="DESC" if row["clustering_order"] == "desc" else "ASC",
    )


def _index(row: Mapping[str, Any]) -> Index:
    options = {str(key): str(value) for key, value in (row["options"] or {}).items()}
    target = _TARGET.fullmatch(options.pop("target", ""))
    class_name = options.pop("class_name", None)
    column = target["name"] if target else None
    if column and column.startswith('"'):
        column = column[1:-1].replace('""', '"')
    function = (target["function"] or "") if target else ""
    return Index(
        row["index_name"], column, function, class_name if row["kind"] == "CUSTOM" else None, options
    )
