"""What a caller says of a column, and of a whole table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["ColumnDefinition", "TableDefinition"]


@dataclass(frozen=True, slots=True)
class ColumnDefinition:
    """One column of a table that ``sync_table`` is to bring about.

    ``sync_table`` takes any object with these attributes; the ones after ``index_name`` may be
    missing. They are checked there, all together, not when the object is made.

    A table needs at least one column with ``primary_key=True``. Key columns are ordered by their
    index, which counts from 0 without gaps; where all of a kind have the same index, as with the
    default, their order is that of the definitions.
    """

    #: The plain name, spelt as the server is to show it; quoted by coodie where it must be.
    name: str
    #: The CQL type: ``text``, ``list<int>``, ``frozen<my_type>``, ``vector<float, 3>``…
    cql_type: str
    #: Whether it belongs to the partition key.
    primary_key: bool = False
    #: Its place in the partition key.
    partition_key_index: int | None = 0
    #: Whether it is a clustering key.
    clustering_key: bool = False
    #: Its place among the clustering keys.
    clustering_key_index: int | None = 0
    #: "ASC" or "DESC": the order of rows in a partition; for clustering keys only.
    clustering_order: str = "ASC"
    #: Whether it has a secondary index: on the values of a collection, on the whole of a frozen one.
    index: bool = False
    #: The index's name; None for ``<table>_<column>_idx``, or whatever the server calls it already.
    index_name: str | None = None
    #: Whether a row must have a value. For object mappers; the schema has no such thing.
    required: bool = True
    #: Whether all rows of a partition share one value; needs a clustering key in the table.
    static: bool = False
    #: Whether it has a vector index (a storage-attached index); for ``vector<float, n>`` only.
    vector_index: bool = False
    #: The vector index's name; None as for ``index_name``.
    vector_index_name: str | None = None
    #: "cosine" (the server's default), "dot_product" or "euclidean".
    vector_similarity_function: str | None = None
    #: Further options of the vector index, name to value.
    vector_index_options: Mapping[str, str] | None = None
    #: The class of the index that ``index=True`` asks for: "sai" for a storage-attached one, or any that
    #: the server knows; None for the server's own secondary index.
    index_class: str | None = None
    #: Options of an index with a class, name to value: ``{"case_sensitive": False}``…
    index_options: Mapping[str, Any] | None = None
    #: What of a collection is indexed: "values", "keys", "entries", or "full" for a frozen one; None
    #: for what the server takes its plain name for.
    index_target: str | None = None
    #: Whether a vector, or a storage-attached index, is left out with a warning on a server that has
    #: no such thing, instead of being refused.
    optional: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class TableDefinition:
    """What ``sync_table`` takes, as one object.

    Args:
        table: The table's plain name.
        columns: Objects with the attributes of ``ColumnDefinition``.
        keyspace: The keyspace's plain name; None means the connection's.
        table_options: Option → value, as in ``CREATE TABLE … WITH``.
    """

    table: str
    columns: Sequence[Any]
    keyspace: str | None = None
    table_options: Mapping[str, Any] | None = None
