"""Definitions of columns and tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["ColumnDefinition", "TableDefinition"]


@dataclass(frozen=True, slots=True)
class ColumnDefinition:
    """The definition of one column for ``sync_table``.

    ``sync_table`` accepts any object with these attributes; those after ``index_name`` are optional. It
    validates all definitions together; creating the object validates nothing.

    A table needs at least one column with ``primary_key=True``. Key columns are ordered by their indexes,
    which count from 0 without gaps; if all have the same index, as by default, by the order of the
    definitions.
    """

    #: The plain name, case-sensitive; coodie quotes it if necessary.
    name: str
    #: The CQL type: ``text``, ``list<int>``, ``frozen<my_type>``, ``vector<float, 3>``…
    cql_type: str
    #: Whether it is part of the partition key.
    primary_key: bool = False
    #: Its index in the partition key.
    partition_key_index: int | None = 0
    #: Whether it is a clustering key.
    clustering_key: bool = False
    #: Its index among the clustering keys.
    clustering_key_index: int | None = 0
    #: "ASC" or "DESC": the order of rows in a partition; for clustering keys only.
    clustering_order: str = "ASC"
    #: Whether it has a secondary index; of a collection on its values, of a frozen one on the whole.
    index: bool = False
    #: The index's name; None for ``<table>_<column>_idx``, or the name of an existing index.
    index_name: str | None = None
    #: Whether a row must have a value. For object mappers; it has no effect on the schema.
    required: bool = True
    #: Whether it is static: one value per partition; needs a clustering key in the table.
    static: bool = False
    #: Whether it has a vector index (a storage-attached index); for ``vector<float, n>`` only.
    vector_index: bool = False
    #: The vector index's name; None as for ``index_name``.
    vector_index_name: str | None = None
    #: "cosine" (the server's default), "dot_product" or "euclidean".
    vector_similarity_function: str | None = None
    #: Further options of the vector index, by name.
    vector_index_options: Mapping[str, str] | None = None
    #: The class of the index with ``index=True``: "sai" for a storage-attached index, or another class of the
    #: server; None for the server's default secondary index.
    index_class: str | None = None
    #: Options of an index with a class, by name, such as ``{"case_sensitive": False}``.
    index_options: Mapping[str, Any] | None = None
    #: The indexed part of a collection: "values", "keys", "entries", or "full" for a frozen one; None for the
    #: server's default.
    index_target: str | None = None
    #: Whether a vector or a storage-attached index is left out with a warning, instead of an error, on a
    #: server that doesn't support it.
    optional: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class TableDefinition:
    """The definition of a table: the arguments of ``sync_table`` as one object.

    Args:
        table: The table's plain name.
        columns: Objects with the attributes of ``ColumnDefinition``.
        keyspace: The keyspace's plain name; None for the connection's.
        table_options: Options by name, as in ``CREATE TABLE … WITH``.
        warnings: Set by ``describe``: what the server's table has and a definition can't express, one
            sentence each.
    """

    table: str
    columns: Sequence[Any]
    keyspace: str | None = None
    table_options: Mapping[str, Any] | None = None
    warnings: tuple[str, ...] = field(default=(), compare=False)
