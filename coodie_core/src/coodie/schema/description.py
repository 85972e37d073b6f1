"""Read the definition of a table from the server: the opposite of ``sync_table``."""

from __future__ import annotations

import logging
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from coodie.effects import Call
from coodie.exceptions import InvalidQueryError
from coodie.schema.definitions import ColumnDefinition, TableDefinition
from coodie.schema.desired import default_index_name
from coodie.schema.diff import nondefault_options
from coodie.schema.introspection import table_from_rows, table_queries
from coodie.schema.requests import Query
from coodie.schema.server_features import is_storage_attached
from coodie.schema.tables import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coodie.effects import Steps
    from coodie.schema.tables import Column, Index, Table

__all__ = ["definition_of", "read_definition"]

logger = logging.getLogger("coodie.schema")

_TABLES = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?"
#: The maximum number of tables in a message.
_LISTED = 10
#: Keyspaces of virtual tables, which system_schema doesn't list.
_VIRTUAL = frozenset({"system_metrics", "system_views", "system_virtual_schema"})
_VIEWS = "SELECT view_name FROM system_schema.views WHERE keyspace_name = ?"


def read_definition(
    driver: Any, keyspace: str, table: str, terms: Mapping[str, Any]
) -> Steps[TableDefinition]:
    """Return the definition of the server's table.

    Args:
        driver: A driver with ``execute`` and ``execute_async``.
        keyspace: The keyspace's plain name.
        table: The table's plain name.
        terms: Further arguments of each request, such as its timeout.

    Raises:
        InvalidQueryError: There is no such table, or it is a view.
        CoodieError: A request failed.
    """

    def rows_of(query: Query) -> Steps[list[Any]]:
        rows: list[Any] = yield Call(driver, "execute", query.cql, list(query.params), **terms)
        return rows

    of_table, of_columns, of_indexes = table_queries(keyspace, table)
    # The columns last: an index that was created in between is missing, but no index is without its column.
    indexes = yield from rows_of(of_indexes)
    tables = yield from rows_of(of_table)
    columns = yield from rows_of(of_columns)
    if tables and columns:
        definition = definition_of(table_from_rows(keyspace, table, tables[0], columns, indexes))
        for warning in definition.warnings:
            logger.warning("%s.%s: %s", keyspace, table, warning)
        return definition
    if keyspace in _VIRTUAL:
        message = f"The tables of {keyspace} are virtual, and have no definition."
        raise InvalidQueryError(message, hint="coodie schema show prints their statements.")
    views = [row["view_name"] for row in (yield from rows_of(Query(_VIEWS, (keyspace,))))]
    if table in views:
        message = f"{keyspace}.{table} is a materialized view, which has no definition."
        hint = "Describe the table that it selects from. coodie schema show prints the view's statement."
        raise InvalidQueryError(message, hint=hint)
    names = [row["table_name"] for row in (yield from rows_of(Query(_TABLES, (keyspace,))))]
    close = get_close_matches(table, names, n=1)
    known = f"The keyspace has {', '.join(sorted(names)[:_LISTED])}." if names else "The keyspace has none."
    hint = f"Did you mean {close[0]!r}?" if close else known
    raise InvalidQueryError(f"There is no table {keyspace}.{table}.", hint=hint)


def definition_of(table: Table) -> TableDefinition:
    """Return the definition of a table.

    Columns are in the order of the key, then static ones, then others by name. Options that have the default
    value of all servers are left out.

    Args:
        table: The server's table, from ``table_from_rows``.
    """
    chosen: dict[str, Index] = {}
    warnings = _warnings(table)
    for index in sorted(table.indexes, key=lambda index: index.name):
        if index.column is None or table.column(index.column) is None:
            where = "isn't on one column" if index.column is None else "is on an unknown column"
            warnings.append(f"index {index.name!r} {where}, so it isn't in the definition")
        elif index.column in chosen:
            other = chosen[index.column].name
            warnings.append(
                f"index {index.name!r}: a definition has one index per column, "
                f"and {index.column!r} has {other!r}"
            )
        else:
            chosen[index.column] = index
    ordered = [column for kind in Kind for column in _of_kind(table, kind)]
    return TableDefinition(
        table=table.name,
        keyspace=table.keyspace,
        columns=[_column(column, chosen.get(column.name), table.name) for column in ordered],
        table_options=nondefault_options(table.options),
        warnings=tuple(warnings),
    )


def _of_kind(table: Table, kind: Kind) -> list[Column]:
    columns = table.key(kind)
    return list(columns) if kind.is_key else sorted(columns, key=lambda column: column.name)


def _warnings(table: Table) -> list[str]:
    """Return what the table has beyond columns, indexes and options."""
    warnings = []
    flags = table.options.get("flags")
    if flags is not None and "compound" not in flags:
        warnings.append("the table has COMPACT STORAGE, which a definition can't express")
    if table.counter and not any(column.type.is_counter for column in table.columns):
        warnings.append("the table had counters; without any, the definition is that of an ordinary table")
    if extensions := table.options.get("extensions"):
        names = ", ".join(sorted(map(str, extensions)))
        warnings.append(f"the server's extensions of the table ({names}) aren't in the definition")
    return warnings


def _column(column: Column, index: Index | None, table: str) -> ColumnDefinition:
    return ColumnDefinition(
        column.name,
        str(column.type),
        primary_key=column.kind is Kind.PARTITION_KEY,
        partition_key_index=column.position if column.kind is Kind.PARTITION_KEY else 0,
        clustering_key=column.kind is Kind.CLUSTERING,
        clustering_key_index=column.position if column.kind is Kind.CLUSTERING else 0,
        clustering_order=column.order if column.kind is Kind.CLUSTERING else "ASC",
        static=column.kind is Kind.STATIC,
        **({} if index is None else _index(index, column, table)),
    )


def _index(index: Index, column: Column, table: str) -> dict[str, Any]:
    """Return the arguments of ColumnDefinition for an index; names and targets only if not the default."""
    name = None if index.name == default_index_name(table, column.name) else index.name
    options = dict(index.options)
    attached = is_storage_attached(index.class_name)
    if attached and column.type.is_vector:
        return {
            "vector_index": True,
            "vector_index_name": name,
            "vector_similarity_function": options.pop("similarity_function", None),
            "vector_index_options": options or None,
        }
    default = "" if not column.type.is_collection else "full" if column.type.frozen else "values"
    return {
        "index": True,
        "index_name": name,
        "index_class": "sai" if attached else index.class_name,
        "index_options": options if options and index.class_name else None,
        "index_target": None if index.function == default else index.function,
    }
