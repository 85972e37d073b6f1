"""The client's column types as coodie's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scylla.cluster import metadata as cql

from coodie.drivers.client.values.cqltypes import composed_type, scalar_type, user_type, vector_type

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from coodie.drivers.client.values.cqltypes import CqlType

__all__ = ["cql_type"]

#: The types without parts.
_SCALARS = {
    getattr(cql, f"Cql{name}"): scalar_type(name.lower())
    for name in (
        *("Ascii", "BigInt", "Blob", "Boolean", "Counter", "Date", "Decimal", "Double", "Duration", "Float"),
        *("Inet", "Int", "SmallInt", "Text", "Time", "Timestamp", "Timeuuid", "TinyInt", "Uuid", "Varint"),
    )
}


def cql_type(typ: cql.CqlColumnType) -> CqlType:
    """Return a type of the client as coodie's."""
    scalar = _SCALARS.get(type(typ))
    if scalar is not None:
        return scalar
    make = _COMPOSED.get(type(typ))
    return scalar_type(type(typ).__name__) if make is None else make(typ)


_COMPOSED: Mapping[type[cql.CqlColumnType], Callable[[Any], CqlType]] = {
    cql.CqlList: lambda typ: composed_type("list", cql_type(typ.column_type)),
    cql.CqlMap: lambda typ: composed_type("map", cql_type(typ.key_type), cql_type(typ.value_type)),
    cql.CqlSet: lambda typ: composed_type("set", cql_type(typ.column_type)),
    cql.CqlTuple: lambda typ: composed_type("tuple", *map(cql_type, typ.element_types)),
    cql.CqlUserDefinedType: lambda typ: user_type(
        typ.name, {name: cql_type(part) for name, part in typ.field_types}
    ),
    cql.CqlVector: lambda typ: vector_type(cql_type(typ.typ), typ.dimensions),
}
