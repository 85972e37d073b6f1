"""The server's product and version, and the part of a definition that it supports."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from coodie.schema.requests import Query

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coodie.schema.tables import Column, Index, Table

__all__ = ["Adapted", "Server", "adapt", "is_storage_attached", "needs_server", "server_query"]

#: The servers' names of the storage-attached index, which indexes vectors and, in Cassandra, other types.
_STORAGE_ATTACHED = ("storageattachedindex", "sai", "vector_index")
#: ScyllaDB's name of its vector index.
_SCYLLA_VECTOR_INDEX = "vector_index"
#: The first Cassandra with vectors and storage-attached indexes.
_SINCE = 5


@dataclass(frozen=True, slots=True)
class Server:
    """A server, from its row of ``system.local``."""

    #: "Cassandra", "ScyllaDB", or "another product".
    product: str
    version: str

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Server:
        """Return the server; the product is recognized by the columns that it adds."""
        version = str(row.get("release_version") or "of no known version")
        if any(name.startswith("scylla_") for name in row):
            return cls("ScyllaDB", version)
        return cls("another product" if "dse_version" in row else "Cassandra", version)

    def __str__(self) -> str:
        if self.product == "ScyllaDB":
            return f"ScyllaDB (it gives its version as Cassandra {self.version})"
        return f"{self.product} {self.version}"

    @property
    def is_scylla(self) -> bool:
        """Whether it is ScyllaDB."""
        return self.product == "ScyllaDB"

    @property
    def is_old(self) -> bool:
        """Whether it is a version of Cassandra without vectors and storage-attached indexes."""
        major = re.match(r"\d+", self.version)
        return self.product == "Cassandra" and major is not None and int(major[0]) < _SINCE


@dataclass(frozen=True, slots=True)
class Adapted:
    """The part of a definition that a server supports."""

    table: Table
    #: Unsupported parts that aren't optional.
    problems: tuple[str, ...] = ()
    #: Unsupported optional parts, which are left out.
    notes: tuple[str, ...] = ()


def server_query() -> Query:
    """Return the query of the server's product and version."""
    return Query("SELECT * FROM system.local WHERE key = ?", ("local",))


def needs_server(table: Table) -> bool:
    """Return whether the definition has a feature that not all servers support."""
    vectors = any(column.type.has_vector for column in table.columns)
    return vectors or any(is_storage_attached(index.class_name) for index in table.indexes)


def is_storage_attached(class_name: str | None) -> bool:
    """Return whether the class is the storage-attached index, by any of its names."""
    return (class_name or "").rpartition(".")[2].lower() in _STORAGE_ATTACHED


def adapt(table: Table, server: Server) -> Adapted:
    """Leave out optional parts that the server doesn't support; report the others."""
    problems: list[str] = []
    notes: list[str] = []
    columns = tuple(c for c in table.columns if _can_have(c, server, problems, notes))
    names = {column.name for column in columns}
    indexes = tuple(
        _in_its_words(index, table, server)
        for index in table.indexes
        if index.column in names and _can_index(index, table, server, problems, notes)
    )
    return Adapted(replace(table, columns=columns, indexes=indexes), tuple(problems), tuple(notes))


def _can_have(column: Column, server: Server, problems: list[str], notes: list[str]) -> bool:
    if not (column.type.has_vector and server.is_old):
        return True
    what = f"column {column.name!r}: server {server}, which has no vectors, wanted {column.type}"
    if column.optional:
        notes.append(f"{what}; it is optional, so it is left out")
        return False
    problems.append(what)
    return True


def _can_index(index: Index, table: Table, server: Server, problems: list[str], notes: list[str]) -> bool:
    if not is_storage_attached(index.class_name):
        return True
    column = table.column(index.column or "")
    of_vector = column is not None and column.type.is_vector
    if server.is_old and of_vector and column is not None and not column.optional:
        return True  # the column itself is reported
    if not server.is_old and (of_vector or not server.is_scylla):
        return True
    kind = "no storage-attached indexes" + (" but those on vectors" if server.is_scylla else "")
    what = f"index {index.name!r} on {index.column!r}: server {server}, which has {kind}, wanted one"
    if column is not None and column.optional:
        notes.append(f"{what}; it is optional, so it is left out")
        return False
    problems.append(what)
    return True


def _in_its_words(index: Index, table: Table, server: Server) -> Index:
    """Return a vector index with ScyllaDB's class name, if the server is ScyllaDB."""
    column = table.column(index.column or "")
    if server.is_scylla and column is not None and column.type.is_vector and index.class_name:
        return replace(index, class_name=_SCYLLA_VECTOR_INDEX)
    return index
