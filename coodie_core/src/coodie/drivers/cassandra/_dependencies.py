"""What of the schema a prepared statement depends on: its table, and the user types of its values.

The driver's metadata have an object for each table and type. A new one takes its place whenever the driver
reads the schema, so that another object doesn't mean that anything has changed: its contents decide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from coodie.drivers.cassandra.values.types import user_type_names

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Dependencies"]


class Dependencies(NamedTuple):
    """The objects of a statement's table and types, None for each that the driver doesn't know.

    Attributes:
        keyspace_name: The keyspace's name; None for a statement that depends on nothing.
        table_name: The name of its table or view.
        keyspace: The keyspace's object.
        table: That of the table or view.
        types: Those of the user types, each with its name.
    """

    keyspace_name: str | None = None
    table_name: str | None = None
    keyspace: Any = None
    table: Any = None
    types: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def found(cls, metadata: Any, keyspace_name: str | None, table_name: str | None) -> Dependencies:
        """Return the objects that the metadata have now, with all types of the keyspace.

        Args:
            metadata: The cluster's.
            keyspace_name: The keyspace's name.
            table_name: The table's; None where there is none.
        """
        keyspace = None if table_name is None else metadata.keyspaces.get(keyspace_name)
        if keyspace is None:
            return cls(None if table_name is None else keyspace_name, table_name)
        table = keyspace.tables.get(table_name) or keyspace.views.get(table_name)
        return cls(keyspace_name, table_name, keyspace, table, tuple(keyspace.user_types.items()))

    def of_types(self, types: Iterable[Any]) -> Dependencies:
        """Keep those user types alone that the driver's types are made of, down to the last field."""
        known = dict(self.types)
        names = {name for typ in types for name in user_type_names(typ)}
        return self._replace(types=tuple([(name, known.get(name)) for name in sorted(names)]))

    def renewed(self, metadata: Any) -> Dependencies | None:
        """Return the objects that stand there now; None where one has other contents."""
        now = Dependencies.found(metadata, self.keyspace_name, self.table_name)
        known = dict(now.types)
        now = now._replace(types=tuple([(name, known.get(name)) for name, _ in self.types]))
        if not _same(self.table, now.table, _columns):
            return None
        pairs = zip(self.types, now.types, strict=True)
        return now if all(_same(one, other, _fields) for (_, one), (_, other) in pairs) else None


def _same(one: Any, other: Any, contents: Any) -> bool:
    if one is None or other is None:
        return one is other
    return one is other or contents(one) == contents(other)


def _columns(table: Any) -> Any:
    """Return what statements depend on; options, indexes and views of a table are nothing of that."""
    columns = {name: (column.cql_type, column.is_static) for name, column in table.columns.items()}
    return columns, *[[column.name for column in key] for key in (table.partition_key, table.clustering_key)]


def _fields(user_type: Any) -> Any:
    return list(user_type.field_names), list(user_type.field_types)
