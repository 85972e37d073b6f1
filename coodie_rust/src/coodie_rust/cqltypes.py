"""The names of the client's column types in CQL."""

from __future__ import annotations

from scylla.cluster import metadata as cql

__all__ = ["cql_name"]


def cql_name(typ: cql.CqlColumnType) -> str:
    """Return a type in CQL, such as ``map<text, frozen<list<int>>>``."""
    if isinstance(typ, cql.CqlUserDefinedType):
        return typ.name
    if isinstance(typ, cql.CqlVector):
        return f"vector<{cql_name(typ.typ)}, {typ.dimensions}>"
    if isinstance(typ, cql.CqlTuple):
        return f"tuple<{', '.join(map(cql_name, typ.element_types))}>"
    if isinstance(typ, cql.CqlMap):
        return f"map<{cql_name(typ.key_type)}, {cql_name(typ.value_type)}>"
    if isinstance(typ, (cql.CqlList, cql.CqlSet)):
        return f"{type(typ).__name__[3:].lower()}<{cql_name(typ.column_type)}>"
    return type(typ).__name__[3:].lower()
