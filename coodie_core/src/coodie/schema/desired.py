"""Validate definitions: return a Table, or raise one error with all problems."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from operator import attrgetter
from typing import Any

from coodie.exceptions import ConfigurationError
from coodie.schema.cqltypes import CqlType, parse_type
from coodie.schema.identifiers import check_schema_name, quote
from coodie.schema.options import check_options
from coodie.schema.server_features import is_storage_attached
from coodie.schema.tables import Column, Index, Kind, Table

__all__ = ["default_index_name", "desired_table"]

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
_VECTOR_CLASS = "StorageAttachedIndex"
_SIMILARITY = ("cosine", "dot_product", "euclidean")
_CLASS_NAME = re.compile(r"[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)*")
#: Cassandra's rule for the names of columns with a storage-attached index (StorageAttachedIndex.java).
_WORD = re.compile(r"[A-Za-z0-9_]+")
_INDEX_ATTRIBUTES = ("index_name", "index_class", "index_options", "index_target")
_VECTOR_ATTRIBUTES = ("vector_index_name", "vector_similarity_function", "vector_index_options")


def desired_table(
    table: str, keyspace: str, cols: Iterable[Any], table_options: Mapping[str, Any] | None = None
) -> Table:
    """Validate a definition as far as possible without the server.

    Args:
        table: The table's plain name.
        keyspace: The keyspace's plain name.
        cols: Objects with the attributes of ColumnDefinition.
        table_options: Options by name.

    Raises:
        ConfigurationError: A name, an option or the definition is invalid; for columns, with all problems.
    """
    check_schema_name("keyspace", keyspace)
    check_schema_name("table", table)
    options = check_options(table_options)
    if isinstance(cols, (str, bytes, Mapping)) or not isinstance(cols, Iterable):
        raise ConfigurationError(
            f"The columns of table {table!r}: expected a list of coodie.schema.ColumnDefinition, "
            f"got {type(cols).__name__}."
        )
    faults: list[str] = []
    columns: list[Column] = []
    indexes: list[Index] = []
    for number, definition in enumerate(cols):
        column = _column(definition, number, keyspace, faults)
        if column is not None:
            columns.append(column)
            index = _index(definition, column, table, faults)
            if index is not None:
                indexes.append(index)
    desired = Table(
        keyspace=keyspace,
        name=table,
        columns=_place(columns, faults),
        options=options,
        indexes=tuple(indexes),
        counter=any(c.type.is_counter for c in columns),
    )
    if not faults:  # further checks would only repeat known problems
        _check_whole(desired, faults)
    if faults:
        listing = "".join(f"\n  - {fault}" for fault in faults)
        raise ConfigurationError(
            f"Invalid definition of table {keyspace}.{table}:{listing}\n",
            hint="Fix the column definitions; nothing was sent to the server.",
        )
    return desired


def _column(definition: Any, number: int, keyspace: str, faults: list[str]) -> Column | None:
    """Return the column with its given position; None if it is too invalid for further checks."""
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
    """Set the position of each key column, by the indexes or, if all are equal, by the order."""
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
        if sorted(given) != list(range(len(keys))) and not faults:  # an invalid column may be the missing one
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


def _index(definition: Any, column: Column, table: str, faults: list[str]) -> Index | None:
    """Return the index that the definition asks for, or None; what is wrong goes to faults.

    Args:
        definition: An object with the attributes of ColumnDefinition; the vector ones may be missing.
        column: The column, checked.
        table: The table's plain name, for the default name.
        faults: Where to say what is wrong.
    """
    flags = {}
    for attribute in ("index", "vector_index"):
        value = getattr(definition, attribute, False)
        if value is not None and not isinstance(value, bool):
            faults.append(f"column {column.name!r}: {attribute} is {value!r}, not True or False")
        flags[attribute] = bool(value)
    for flag, attributes in (("index", _INDEX_ATTRIBUTES), ("vector_index", _VECTOR_ATTRIBUTES)):
        if not flags[flag]:
            faults += [
                f"column {column.name!r}: {attribute} is given without {flag}=True"
                for attribute in attributes
                if getattr(definition, attribute, None)
            ]
    if flags["index"] and flags["vector_index"]:
        faults.append(f"column {column.name!r}: it has index and vector_index, and can only have one")
        return None
    if not (flags["index"] or flags["vector_index"]):
        return None
    make = _vector_index if flags["vector_index"] else _plain_index
    index = make(definition, column, table, faults)
    if index is not None and is_storage_attached(index.class_name) and not _WORD.fullmatch(column.name):
        faults.append(
            f"column {column.name!r}: a storage-attached index needs a column named with ASCII letters, "
            "digits and underscores alone"
        )
    return index


def _plain_index(definition: Any, column: Column, table: str, faults: list[str]) -> Index | None:
    kind = column.type
    class_name = getattr(definition, "index_class", None)
    options = _index_options(definition, "index_options", column, faults)
    if class_name is None:
        if kind.name == "duration" and not kind.user_defined:
            faults.append(f"column {column.name!r}: durations have no order and can't have an index")
        if options:
            faults.append(f"column {column.name!r}: index_options is given without index_class")
    elif not isinstance(class_name, str) or not _CLASS_NAME.fullmatch(class_name):
        faults.append(f"column {column.name!r}: index_class is {class_name!r}, not the name of a class")
        return None
    if kind.user_defined and not kind.frozen:
        faults.append(f"column {column.name!r}: only a frozen user-defined type can have an index")
    name = _index_name(definition.index_name, column, table, faults)
    function = _function(definition, column, faults)
    return Index(name, column.name, function, class_name, options, named=bool(definition.index_name))


def _function(definition: Any, column: Column, faults: list[str]) -> str:
    """Return the indexed part of a collection, as the server shows it."""
    kind = column.type
    given = getattr(definition, "index_target", None)
    if not kind.is_collection:
        can: tuple[str, ...] = ("",)
    elif kind.frozen:
        can = ("full",)
    else:
        can = ("values", "keys", "entries") if kind.name == "map" else ("values",)
    if given and str(given).lower() not in can:
        known = " or ".join(filter(None, can)) or "only on a collection"
        faults.append(f"column {column.name!r}: index_target is {given!r}, and can be {known} for {kind}")
    return str(given or can[0]).lower()


def _vector_index(definition: Any, column: Column, table: str, faults: list[str]) -> Index | None:
    kind = column.type
    if not kind.is_vector or kind.arguments[0].name != "float":
        faults.append(f"column {column.name!r}: a vector index needs a vector<float, n>, not {kind}")
    checked = _index_options(definition, "vector_index_options", column, faults)
    function = getattr(definition, "vector_similarity_function", None)
    also = checked.get("similarity_function", function)
    if function and also and str(function).lower() != also.lower():
        faults.append(f"column {column.name!r}: similarity_function is {function!r} and {also!r}")
    if also is not None:
        if str(also).lower() not in _SIMILARITY:
            known = ", ".join(_SIMILARITY)
            faults.append(f"column {column.name!r}: similarity_function is {also!r}, not one of {known}")
        checked["similarity_function"] = str(also)
    given = getattr(definition, "vector_index_name", None)
    name = _index_name(given, column, table, faults)
    return Index(name, column.name, class_name=_VECTOR_CLASS, options=checked, named=bool(given))


def _index_options(definition: Any, attribute: str, column: Column, faults: list[str]) -> dict[str, str]:
    """Return an index's options as in CQL, with texts as values."""
    options = getattr(definition, attribute, None) or {}
    if not isinstance(options, Mapping):
        faults.append(f"column {column.name!r}: {attribute} is {options!r}, not a dict")
        return {}
    checked = {}
    for key, value in options.items():
        text = str(value).lower() if isinstance(value, bool) else value
        if not isinstance(key, str) or not isinstance(text, (str, int, float)):
            faults.append(f"column {column.name!r}: {attribute} has {key!r}: {text!r}, not text")
        checked[str(key)] = str(text)
    return checked


def default_index_name(table: str, column: str) -> str:
    """Return the server's default name of an index, without the characters that such a name can't have."""
    return re.sub(r"[^A-Za-z0-9_]", "", f"{table}_{column}_idx")


def _index_name(given: object, column: Column, table: str, faults: list[str]) -> str:
    if not given:
        return default_index_name(table, column.name)
    try:
        return check_schema_name("index", given)
    except ConfigurationError as exc:
        faults.append(f"column {column.name!r}: {exc}")
        return str(given)
