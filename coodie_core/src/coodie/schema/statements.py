"""The DDL statements of a sync."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coodie.schema.identifiers import qualify, quote, quote_literal
from coodie.schema.options import write_option
from coodie.schema.tables import Column, Index, Kind, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from coodie.schema.options import OptionValue

__all__ = ["add_columns", "create_index", "create_table", "drop_index", "select_nothing", "set_options"]


def create_table(table: Table) -> str:
    """Return CREATE TABLE IF NOT EXISTS with keys, order, static columns and options."""
    partition = ", ".join(quote(c.name) for c in table.key(Kind.PARTITION_KEY))
    clustering = table.key(Kind.CLUSTERING)
    if len(table.key(Kind.PARTITION_KEY)) > 1:
        partition = f"({partition})"
    key = ", ".join([partition, *(quote(c.name) for c in clustering)])
    columns = ", ".join(_declare(column) for column in table.columns)
    settings = [write_option(name, value) for name, value in table.options.items()]
    if any(column.order == "DESC" for column in clustering):
        order = ", ".join(f"{quote(c.name)} {c.order}" for c in clustering)
        settings.insert(0, f"CLUSTERING ORDER BY ({order})")
    tail = f" WITH {' AND '.join(settings)}" if settings else ""
    name = qualify(table.keyspace, table.name)
    return f"CREATE TABLE IF NOT EXISTS {name} ({columns}, PRIMARY KEY ({key})){tail}"


def select_nothing(table: Table) -> str:
    """Return a SELECT of all columns that reads no rows; it only needs the node's schema."""
    columns = ", ".join(quote(column.name) for column in table.columns)
    keys = " AND ".join(f"{quote(column.name)} IN ()" for column in table.key(Kind.PARTITION_KEY))
    return f"SELECT {columns} FROM {qualify(table.keyspace, table.name)} WHERE {keys}"  # noqa: S608 - quoted names


def add_columns(table: Table, columns: Sequence[Column]) -> str:
    """Return one ALTER TABLE ADD for all columns: the server adds all or none."""
    declared = ", ".join(_declare(column) for column in columns)
    if len(columns) > 1:
        declared = f"({declared})"
    return f"ALTER TABLE {qualify(table.keyspace, table.name)} ADD {declared}"


def _declare(column: Column) -> str:
    static = " STATIC" if column.kind is Kind.STATIC else ""
    return f"{quote(column.name)} {column.type}{static}"


def set_options(table: Table, options: Mapping[str, OptionValue]) -> str:
    """Return one ALTER TABLE WITH for all options."""
    settings = " AND ".join(write_option(name, value) for name, value in options.items())
    return f"ALTER TABLE {qualify(table.keyspace, table.name)} WITH {settings}"


def create_index(table: Table, index: Index) -> str:
    """Return CREATE INDEX IF NOT EXISTS; CREATE CUSTOM INDEX for an index with a class."""
    target = quote(index.column or "")
    if index.function and index.function != "values":  # values are the default for a collection
        target = f"{index.function.upper()}({target})"
    custom = "CUSTOM " if index.class_name else ""
    cql = (
        f"CREATE {custom}INDEX IF NOT EXISTS {quote(index.name)} "
        f"ON {qualify(table.keyspace, table.name)} ({target})"
    )
    if index.class_name:
        cql += f" USING {quote_literal(index.class_name)}"
    if index.options:
        pairs = ", ".join(f"{quote_literal(k)}: {quote_literal(v)}" for k, v in index.options.items())
        cql += f" WITH OPTIONS = {{{pairs}}}"
    return cql


def drop_index(table: Table, index: Index) -> str:
    """Return DROP INDEX IF EXISTS."""
    return f"DROP INDEX IF EXISTS {qualify(table.keyspace, index.name)}"
