"""The border: a caller's definitions become one checked Table, or one error that lists all faults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from coodie.exceptions import ConfigurationError
from coodie.schema.cqltypes import CqlType, parse_type
from coodie.schema.identifiers import check_schema_name, quote
from coodie.schema.options import check_options
from coodie.schema.tables import Column, Kind, Table
from coodie.schema.wantedindex import wanted_index

if TYPE_CHECKING:
    from coodie.schema.tables import Index

__all__ = ["wanted_table"]

_REQUIRED = (
    "name",
    "cql_type",
    "primary_key",
    "partition_key_index",
    "clustering_key",
    "clustering_key_index",
    "clustering_order",
    "index",
    "index_name",
)


def wanted_table(
    table: str, keyspace: str, cols: Iterable[Any], table_options: Mapping[str, Any] | None = None
) -> Table:
    """Check everything that can be known without the server.

    Args:
        table: The table's plain name.
        keyspace: The keyspace's plain name.
        cols: Objects with the attributes of ColumnDefinition.
        table_options: Option name to value.

    Raises:
        ConfigurationError: A name, an option or the definition as a whole can't be used; for the
            columns, all that is wrong with them.
    """
    check_schema_name("keyspace", keyspace)
    check_schema_name("table", table)
    options = check_options(table_options)
    if isinstance(cols, (str, bytes, Mapping)) or not isinstance(cols, Iterable):
        raise ConfigurationError(
            f"The columns of table {table!r} are given as {type(cols).__name__}.",
            hint="Give a list of coodie.schema.ColumnDefinition.",
        )
    faults: list[str] = []
    columns: list[Column] = []
    indexes: list[Index] = []
    for number, definition in enumerate(cols):
        column = _column(definition, number, keyspace, faults)
        if column is not None:
            columns.append(column)
            index = wanted_index(definition, column, table, faults)
            if index is not None:
                indexes.append(index)
    wanted = Table(
        keyspace=keyspace,
        name=table,
        columns=_place(columns, faults),
        options=options,
        indexes=tuple(indexes),
        counter=any(c.type.is_counter for c in columns),
    )
    if not faults:  # what follows would only repeat a fault that is found already
        _check_whole(wanted, faults)
    if faults:
        listing = "".join(f"\n  - {fault}" for fault in faults)
        raise ConfigurationError(
            f"The definition of table {keyspace}.{table} can't be used:{listing}\n",
            hint="Correct the column definitions; nothing was sent to the server.",
        )
    return wanted


def _column(definition: Any, number: int, keyspace: str, faults: list[str]) -> Column | None:
    """Return the column, its position as given; None where it is too broken for further checks."""
    missing = [name for name in _REQUIRED if not hasattr(definition, name)]
    if missing:
        faults.append(
            f"column number {number + 1}, of type {type(definition).__name__}, has no {', '.join(missing)}: "
            "give a ColumnDefinition or an object with its attributes"
        )
        return None
    name = definition.name
    for attribute in ("name", "cql_type"):
        value = getattr(definition, attribute)
        if not isinstance(value, str):
            faults.append(f"column {name!r}: its {attribute} is {value!r}, not a string")
            return None
    try:
        quote(name)
        cql_type = parse_type(definition.cql_type, keyspace)
    except ValueError as exc:
        faults.append(f"column {name!r}: {exc}")
        return None
    kind = _kind(definition, faults)
    order = str(definition.clustering_order).upper()
    if order not in ("ASC", "DESC"):
        faults.append(
            f"column {name!r}: clustering_order is {definition.clustering_order!r}, not ASC or DESC"
        )
    elif order == "DESC" and kind is not Kind.CLUSTERING:
        faults.append(f"column {name!r}: clustering_order is DESC, but it isn't a clustering key")
    _check_key(name, cql_type, kind, faults)
    optional = getattr(definition, "optional", False) or False
    if not isinstance(optional, bool):
        faults.append(f"column {name!r}: optional is {optional!r}, not True or False")
    elif optional and kind.is_key and cql_type.has_vector:
        faults.append(f"column {name!r}: a key can't be optional")
    return Column(name, cql_type, kind, _position(definition, kind, faults), order, bool(optional))


def _kind(definition: Any, faults: list[str]) -> Kind:
    flags = {}
    for attribute in ("primary_key", "clustering_key", "static"):
        value = getattr(definition, attribute, False)
        if not isinstance(value, bool):
            faults.append(f"column {definition.name!r}: {attribute} is {value!r}, not True or False")
        flags[attribute] = bool(value)
    if sum(flags.values()) > 1:
        both = " and ".join(name for name, value in flags.items() if value)
        faults.append(f"column {definition.name!r}: it is {both}, and can only be one")
    if flags["primary_key"]:
        return Kind.PARTITION_KEY
    if flags["clustering_key"]:
        return Kind.CLUSTERING
    return Kind.STATIC if flags["static"] else Kind.REGULAR


def _position(definition: Any, kind: Kind, faults: list[str]) -> int:
    attributes = {
        Kind.PARTITION_KEY: "partition_key_index",
        Kind.CLUSTERING: "clustering_key_index",
    }
    for other, attribute in attributes.items():
        value = getattr(definition, attribute)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
            faults.append(f"column {definition.name!r}: {attribute} is {value!r}, not a number from 0")
            return 0
        if value and kind is not other:
            faults.append(
                f"column {definition.name!r}: {attribute} is {value}, but it isn't part of that key"
            )
    return int(getattr(definition, attributes[kind]) or 0) if kind.is_key else -1


def _check_key(name: str, cql_type: CqlType, kind: Kind, faults: list[str]) -> None:
    if not kind.is_key:
        return
    if cql_type.is_counter:
        faults.append(f"column {name!r}: a counter can't be part of the primary key")
    elif (cql_type.is_collection or cql_type.user_defined) and not cql_type.frozen:
        faults.append(f"column {name!r}: a key must be one value, so write frozen<{cql_type}>")


def _place(columns: list[Column], faults: list[str]) -> tuple[Column, ...]:
    """Give each key column its place, from the indexes or, where those are all equal, the order."""
    places: dict[str, int] = {}
    for kind, attribute in (
        (Kind.PARTITION_KEY, "partition_key_index"),
        (Kind.CLUSTERING, "clustering_key_index"),
    ):
        keys = [column for column in columns if column.kind is kind]
        given = [column.position for column in keys]
        if len(keys) > 1 and len(set(given)) == 1 and given[0] == 0:
            places.update((column.name, place) for place, column in enumerate(keys))
            continue
        if sorted(given) != list(range(len(keys))) and not faults:  # a faulty column may be what is missing
            pairs = ", ".join(f"{c.name!r} {c.position}" for c in keys)
            faults.append(
                f"{attribute} has gaps or repeats ({pairs}): number the key's columns from 0, "
                "or leave all at 0 for the order in which they are defined"
            )
        places.update((column.name, column.position) for column in keys)
    return tuple(replace(c, position=places.get(c.name, -1)) for c in columns)


def _check_whole(table: Table, faults: list[str]) -> None:
    for name, count in Counter(map(attrgetter("name"), table.columns)).items():
        if count > 1:
            faults.append(f"column {name!r} is defined {count} times")
    for name, count in Counter(map(attrgetter("name"), table.indexes)).items():
        if count > 1:
            faults.append(f"{count} indexes would be named {name!r}: give index_name")
    partition = table.key(Kind.PARTITION_KEY)
    if not partition:
        faults.append("no column has primary_key=True: a table needs a partition key")
    if table.key(Kind.STATIC) and not table.key(Kind.CLUSTERING):
        statics = ", ".join(repr(c.name) for c in table.key(Kind.STATIC))
        faults.append(f"static columns ({statics}) need a clustering key in the table")
    ordinary = [c.name for c in table.columns if not c.kind.is_key and not c.type.is_counter]
    if table.counter and ordinary:
        faults.append(f"counters can't stand beside ordinary columns ({', '.join(map(repr, ordinary))})")
    if table.counter and table.indexes:
        faults.append("a table of counters can't have indexes")
    if len(partition) == 1 and any(index.column == partition[0].name for index in table.indexes):
        faults.append(f"column {partition[0].name!r}: the only partition key column can't have an index")
