"""Read the driver's type classes: the CQL type, and its parameters.

The drivers represent a column's type by a class of ``cassandra.cqltypes``, or by a subclass for the type's
parameters (``list<int>``), the user-defined type or the protocol handler.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from coodie.contract.markers import ValueType

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "COLUMN",
    "EXACT",
    "WRAPPED",
    "cql_name",
    "described",
    "family",
    "same_markers",
    "subtypes",
    "unwrapped",
    "user_type_names",
    "value_type",
]

#: The attribute of a type class from our protocol handler, whose decoder never rounds.
EXACT = "coodie_exact"

#: The attribute of a wrapping type class with the wrapped one.
WRAPPED = "coodie_wrapped"

#: The attribute of a wrapping type class with the column's name.
COLUMN = "coodie_column"


@cache
def _families() -> dict[type, str]:
    from cassandra import cqltypes

    return {
        cqltypes.AsciiType: "ascii",
        cqltypes.BooleanType: "boolean",
        cqltypes.BytesType: "blob",
        cqltypes.ByteType: "tinyint",
        cqltypes.CounterColumnType: "counter",
        cqltypes.DateType: "timestamp",
        cqltypes.DecimalType: "decimal",
        cqltypes.DoubleType: "double",
        cqltypes.DurationType: "duration",
        cqltypes.FloatType: "float",
        cqltypes.FrozenType: "frozen",
        cqltypes.InetAddressType: "inet",
        cqltypes.Int32Type: "int",
        cqltypes.IntegerType: "varint",
        cqltypes.ListType: "list",
        cqltypes.LongType: "bigint",
        cqltypes.MapType: "map",
        cqltypes.ReversedType: "reversed",
        cqltypes.SetType: "set",
        cqltypes.ShortType: "smallint",
        cqltypes.SimpleDateType: "date",
        cqltypes.TimeType: "time",
        cqltypes.TimeUUIDType: "timeuuid",
        cqltypes.TupleType: "tuple",
        cqltypes.UserType: "udt",
        cqltypes.UTF8Type: "text",
        cqltypes.UUIDType: "uuid",
        cqltypes.VectorType: "vector",
    }


def family(typ: Any) -> str:
    """Return a type's CQL name without parameters; "udt" for user-defined types, "" for custom types."""
    families = _families()
    if typ in families:
        return families[typ]
    # The most specific base first: TimeUUIDType is a DateType, UserType a TupleType.
    return next((families[base] for base in typ.__mro__ if base in families), "")


def unwrapped(typ: Any) -> Any:
    """Return the type inside ``frozen``, ``reversed`` and our own wrappers, which have the same values."""
    while True:
        if hasattr(typ, WRAPPED):
            typ = getattr(typ, WRAPPED)
        elif family(typ) in {"frozen", "reversed"}:
            (typ,) = typ.subtypes
        else:
            return typ


def subtypes(typ: Any) -> tuple[Any, ...]:
    """Return a type's parameters: the types of elements, of keys and values, of components, or of fields."""
    return (typ.subtype,) if hasattr(typ, "vector_size") else tuple(typ.subtypes)


def user_type_names(typ: Any) -> Iterator[str]:
    """Yield the names of the user-defined types in a type, including itself."""
    typ = unwrapped(typ)
    if family(typ) == "udt":
        yield str(typ.typename)
    for part in subtypes(typ):
        yield from user_type_names(part)


def value_type(policy: Any, column: Any) -> Any:
    """Return the type of a column's values, which differs from the column's type if the client encrypts it.

    Args:
        policy: A ``cassandra.policies.ColumnEncryptionPolicy``, or None.
        column: Keyspace, table, name and type, as in result and prepared metadata.
    """
    if policy is None:
        return column[3]
    from cassandra.policies import ColDesc

    described = ColDesc(*column[:3])
    return policy.column_type(described) if policy.contains_column(described) else column[3]


def same_markers(columns: Any, others: Any) -> bool:
    """Return whether the bind markers of two statements have the same names and types, compared recursively.

    Args:
        columns: The bind markers of one statement, ``PreparedStatement.column_metadata``.
        others: The bind markers of the other statement.
    """
    return [(column.name, _structure(column.type)) for column in columns or ()] == [
        (column.name, _structure(column.type)) for column in others or ()
    ]


def _structure(typ: Any) -> tuple[Any, ...]:
    """Return a comparable description of a type's encoding; the drivers create several classes for a type."""
    typ = unwrapped(typ)
    name = family(typ) or typ.cassname
    parts = tuple([_structure(part) for part in subtypes(typ)])
    return name, getattr(typ, "vector_size", None), getattr(typ, "fieldnames", None) or (), parts


def cql_name(typ: Any) -> str:
    """Return a type in CQL syntax, such as ``map<text, list<int>>``; the drivers' names differ."""
    typ = unwrapped(typ)
    name = family(typ)
    if name == "udt":
        return str(typ.typename)
    parameters = [cql_name(part) for part in subtypes(typ)]
    if name == "vector":
        parameters.append(str(typ.vector_size))
    name = name or str(typ.typename)
    return f"{name}<{', '.join(parameters)}>" if parameters else name


def described(typ: Any) -> ValueType:
    """Return a type as a value of the contract, independent of the drivers."""
    typ = unwrapped(typ)
    parts = tuple([described(part) for part in subtypes(typ)])
    return ValueType(family(typ), cql_name(typ), parts, tuple(getattr(typ, "fieldnames", None) or ()))
