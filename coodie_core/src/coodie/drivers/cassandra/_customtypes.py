"""Parser of custom types: returns the driver's type class for the server's name of a type.

The protocol describes vectors and nested user-defined types as text, such as
``VectorType(UserType(ks,61646472657373,…),2)`` (``TypeParser`` in Cassandra's sources). The drivers' parser
reads the hex-encoded name of a user type as a number if it has only digits, as ``address`` does. It also
keeps all names in one table, where a user type may replace a built-in type of the same name.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, NamedTuple

from coodie.drivers.cassandra.values.vectors import vector_type

__all__ = ["custom_type"]

_PACKAGE = "org.apache.cassandra.db.marshal."
_TOKEN = re.compile(r"=>|[(),:]|[^(),:=>\s]+")

#: Parameterised types that the drivers' classes encode and decode.
_PARAMETERISED = ("CompositeType", "ListType", "MapType", "ReversedType", "SetType", "TupleType")


class _Name(NamedTuple):
    """A parsed type name with its parameters; a user type's keyspace and a size are names, too."""

    name: str
    parts: tuple[_Name, ...] = ()
    #: The prefix: a field's name, or an alias.
    label: str = ""


def custom_type(text: str, user_types: Any) -> Any:
    """Return the driver's class for a type; for an unknown type, a class whose values are bytes.

    Args:
        text: The server's name of the type.
        user_types: The registered classes of user-defined types, by keyspace and name.
    """
    try:
        tokens = _TOKEN.findall(text)[::-1]
        name = _read(tokens)
        if not tokens:
            return _type(name, user_types)
    except (IndexError, ValueError):
        pass  # not in Cassandra's format
    return _opaque(text)


def _read(tokens: list[str]) -> _Name:
    """Parse a name, and remove it from the tokens, which are in reverse order."""
    name, label = tokens.pop(), ""
    if tokens and tokens[-1] in {":", "=>"}:
        tokens.pop()
        name, label = tokens.pop(), name
    parts = []
    if tokens and tokens[-1] == "(":
        while tokens.pop() != ")":
            if tokens[-1] != ")":
                parts.append(_read(tokens))
    return _Name(name, tuple(parts), label)


def _type(name: _Name, user_types: Any) -> Any:
    from cassandra import cqltypes

    kind = name.name.removeprefix(_PACKAGE)
    if kind == "UserType":
        keyspace, coded, *fields = name.parts
        names = tuple([_decoded(field.label) for field in fields])
        types = tuple([_type(field, user_types) for field in fields])
        made = cqltypes.UserType.make_udt_class(keyspace.name, _decoded(coded.name), names, types)
        made.mapped_class = user_types.get(keyspace.name, {}).get(made.typename)
        return made
    if kind == "VectorType":
        element, size = name.parts
        return vector_type(_type(element, user_types), int(size.name))
    if kind == "FrozenType":
        (inner,) = name.parts
        return _type(inner, user_types)
    if kind in _PARAMETERISED and name.parts:
        types = tuple([_type(part, user_types) for part in name.parts])
        return getattr(cqltypes, kind).apply_parameters(types)
    known = None if name.parts else _simple_types().get(kind)
    return known or _opaque(_text(name))


@cache
def _simple_types() -> dict[str, Any]:
    from cassandra import cqltypes

    types = [value for value in vars(cqltypes).values() if isinstance(value, cqltypes.CassandraTypeType)]
    return {
        typ.cassname: typ
        for typ in types
        if typ.num_subtypes == 0 and not typ.cassname.startswith("_") and typ is not cqltypes.VectorType
    }


@cache
def _opaque(text: str) -> Any:
    """Return a class whose values are bytes; the underscore prevents lookups by name."""
    from cassandra import cqltypes

    made = {"typename": f"'{text}'", "cassname": text, "empty_binary_ok": True}
    return cqltypes.CassandraTypeType("_Opaque", (cqltypes.CassandraType,), made)


def _text(name: _Name) -> str:
    """Format a name as the server does."""
    parts = [f"{part.label}=>{_text(part)}" if part.label else _text(part) for part in name.parts]
    return f"{name.name}({','.join(parts)})" if parts else name.name


def _decoded(coded: str) -> str:
    return bytes.fromhex(coded).decode()
