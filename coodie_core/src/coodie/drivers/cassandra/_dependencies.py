"""Schema dependencies of prepared statements: the table, and the user-defined types of the values.

The driver's metadata have an object for each table and type, and replace it whenever the driver reads the
schema. So a new object doesn't imply a change; the contents are compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from coodie.drivers.cassandra.values.types import user_type_names

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Dependencies"]


class Dependencies(NamedTuple):
    """The metadata objects of a statement's table and types; None if the driver doesn't know the object.

    Attributes:
        keyspace_name: The keyspace's name; None for a statement without dependencies.
        table_name: The name of the table or view.
        keyspace: The keyspace's object.
        table: The object of the table or view.
        types: The objects of the user-defined types, each with its name.
    """

    keyspace_name: str | None = None
    table_name: str | None = None
    keyspace: Any = None
    table: Any = None
    types: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def found(cls, metadata: Any, keyspace_name: str | None, table_name: str | None) -> Dependencies:
        """Return the current objects, with all user-defined types of the keyspace.

        Args:
            metadata: The cluster's metadata.
            keyspace_name: The keyspace's name.
            table_name: The table's name; None if there is none.
        """
        keyspace = None if table_name is None else metadata.keyspaces.get(keyspace_name)
        if keyspace is None:
            return cls(None if table_name is None else keyspace_name, table_name)
        table = keyspace.tables.get(table_name) or keyspace.views.get(table_name)
        return cls(keyspace_name, table_name, keyspace, table, tuple(keyspace.user_types.items()))

    def of_types(self, types: Iterable[Any]) -> Dependencies:
        """Keep only the user-defined types that the driver's types contain, nested ones included."""
        known = dict(self.types)
        names = {name for typ in types for name in user_type_names(typ)}
        return self._replace(types=tuple([(name, known.get(name)) for name in sorted(names)]))

    def renewed(self, metadata: Any) -> Dependencies | None:
        """Return the current objects; None if the contents of one have changed."""
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
    """Return the columns and the key, which statements depend on; ignore options, indexes and views."""
    columns = {name: (column.cql_type, column.is_static) for name, column in table.columns.items()}
    return columns, *[[column.name for column in key] for key in (table.partition_key, table.clustering_key)]


def _fields(user_type: Any) -> Any:
    return list(user_type.field_names), list(user_type.field_types)
