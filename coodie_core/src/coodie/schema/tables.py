"""A table as a value; the same type for a definition and for the server's table."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coodie.schema.cqltypes import CqlType

__all__ = ["Column", "Index", "Kind", "Table"]


class Kind(Enum):
    """The kind of a column, with the values of ``system_schema.columns.kind``."""

    PARTITION_KEY = "partition_key"
    CLUSTERING = "clustering"
    STATIC = "static"
    REGULAR = "regular"

    @property
    def is_key(self) -> bool:
        """Whether it is part of the primary key."""
        return self in (Kind.PARTITION_KEY, Kind.CLUSTERING)


@dataclass(frozen=True, slots=True)
class Column:
    """A validated column."""

    name: str
    type: CqlType
    kind: Kind
    #: Its index among the columns of the same key; -1 outside keys.
    position: int = -1
    #: "ASC" or "DESC".
    order: str = "ASC"
    #: Whether it, or its index, is left out on a server that doesn't support it.
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Index:
    """An index on one column."""

    name: str
    #: The column's plain name; None if the server's target isn't one column.
    column: str | None
    #: The indexed part of a collection: "values", "keys", "entries", "full"; "" for other types.
    function: str = ""
    #: The class of a custom index, as written; None for the server's default secondary index.
    class_name: str | None = None
    #: Options, without the class and the target.
    options: Mapping[str, str] = field(default_factory=dict)
    #: False for a default name, which matches an equivalent index of any name.
    named: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its columns, options and indexes."""

    keyspace: str
    name: str
    #: In the order of the definitions.
    columns: tuple[Column, ...]
    #: Validated options of a desired table; the row of system_schema.tables for the server's table.
    options: Mapping[str, Any]
    indexes: tuple[Index, ...]
    #: Whether its non-key columns are counters.
    counter: bool

    def key(self, kind: Kind) -> tuple[Column, ...]:
        """Return the columns of one kind, by position."""
        return tuple(sorted((c for c in self.columns if c.kind is kind), key=lambda c: c.position))

    def column(self, name: str) -> Column | None:
        """Return a column by name, or None."""
        return next((c for c in self.columns if c.name == name), None)
