"""Types of bind markers and columns, as the server describes them (section 4.2.5.2 of the native protocol).

The client doesn't expose these types, but its values can't be checked or converted without them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from coodie.cql import quoted_name
from coodie.drivers.client.values.cqltypes import CqlType, composed_type, scalar_type, user_type
from coodie.protocol.results import GLOBAL_TABLE

if TYPE_CHECKING:
    from coodie.protocol.codec import Reader

__all__ = ["ColumnType", "read_columns"]

#: The types without parameters, by their codes.
_SCALARS = {
    code: scalar_type(name)
    for code, name in {
        0x01: "ascii",
        0x02: "bigint",
        0x03: "blob",
        0x04: "boolean",
        0x05: "counter",
        0x06: "decimal",
        0x07: "double",
        0x08: "float",
        0x09: "int",
        0x0B: "timestamp",
        0x0C: "uuid",
        0x0D: "text",
        0x0E: "varint",
        0x0F: "timeuuid",
        0x10: "inet",
        0x11: "date",
        0x12: "time",
        0x13: "smallint",
        0x14: "tinyint",
        0x15: "duration",
    }.items()
}

#: The codes of types with parameters, and the number of types that follow.
_COLLECTIONS = {0x20: ("list", 1), 0x21: ("map", 2), 0x22: ("set", 1)}
_CUSTOM, _UDT, _TUPLE = 0x00, 0x30, 0x31

#: Version 4 describes a duration by its class.
_DURATION_CLASS = "org.apache.cassandra.db.marshal.DurationType"
_VECTOR_CLASS = "org.apache.cassandra.db.marshal.VectorType"


class ColumnType(NamedTuple):
    """A bind marker or a column of a result.

    Attributes:
        name: Its name.
        type: Its type.
        table: The quoted name of its table, with the keyspace; None if it has none.
    """

    name: str
    type: CqlType
    table: str | None = None


def read_columns(reader: Reader, flags: int, count: int) -> tuple[ColumnType, ...]:
    """Read the descriptions of columns.

    Args:
        reader: At the table of all columns, or the first column.
        flags: The flags of the metadata.
        count: The number of columns.
    """
    common = _table(reader) if flags & GLOBAL_TABLE else None
    found = []
    for _ in range(count):
        table = _table(reader) if common is None else common
        found.append(ColumnType(reader.read_string(), _read_type(reader), table))
    return tuple(found)


def _table(reader: Reader) -> str | None:
    keyspace, table = reader.read_string(), reader.read_string()
    return f"{quoted_name(keyspace)}.{quoted_name(table)}" if keyspace and table else None


def _read_type(reader: Reader) -> CqlType:
    code = reader.read_short()
    if code in _SCALARS:
        return _SCALARS[code]
    if code in _COLLECTIONS:
        family, count = _COLLECTIONS[code]
        return composed_type(family, *[_read_type(reader) for _ in range(count)])
    if code == _TUPLE:
        return composed_type("tuple", *[_read_type(reader) for _ in range(reader.read_short())])
    if code == _UDT:
        return _read_udt(reader)
    return _read_custom(reader) if code == _CUSTOM else CqlType("custom", f"type {code:#06x}")


def _read_custom(reader: Reader) -> CqlType:
    """Read a type that the protocol describes by its class."""
    name = reader.read_string()
    if name == _DURATION_CLASS:
        return scalar_type("duration")
    return CqlType("custom", "vector" if name.startswith(_VECTOR_CLASS) else name)


def _read_udt(reader: Reader) -> CqlType:
    reader.read_string()  # its keyspace
    name = reader.read_string()
    return user_type(name, {reader.read_string(): _read_type(reader) for _ in range(reader.read_short())})
