"""CQL types: parsed from their text, if a backend only has that."""

from __future__ import annotations

import re

from coodie.contract.markers import ValueType

__all__ = ["parse_type"]

_TOKEN = re.compile(r'\s*("(?:[^"]|"")+"|\w+|[<>,])')

#: The names of types without parameters; any other name is that of a user-defined or custom type.
_SCALARS = frozenset(
    [
        *("ascii", "bigint", "blob", "boolean", "counter", "date", "decimal", "double", "duration", "float"),
        *("inet", "int", "smallint", "text", "time", "timestamp", "timeuuid", "tinyint", "uuid", "varint"),
    ]
)


def parse_type(text: str) -> ValueType:
    """Return the type of a text such as ``map<text, list<int>>``.

    The name of a type that can't be parsed is ``""``.
    """
    tokens = _TOKEN.findall(text)[::-1]
    try:
        parsed = _parse(tokens)
    except (IndexError, ValueError):
        return ValueType("", text)
    return ValueType("", text) if tokens else parsed


def _parse(tokens: list[str]) -> ValueType:
    """Parse a type, and remove it from the tokens, which are in reverse order."""
    name = tokens.pop().lower()
    parts: list[ValueType] = []
    text = {"varchar": "text"}.get(name, name)
    if not tokens or tokens[-1] != "<":
        if name.isdigit():  # a vector's size
            return ValueType("", name)
        return ValueType(text if name in _SCALARS else "", text)
    tokens.pop()
    while True:
        parts.append(_parse(tokens))
        separator = tokens.pop()
        if separator == ">":
            break
        if separator != ",":
            raise ValueError(separator)
    if name == "frozen":
        (inner,) = parts
        return inner
    text = f"{name}<{', '.join([part.text for part in parts])}>"
    if name == "vector":
        return ValueType("vector", text, tuple(parts[:1]))
    return ValueType(name if name in {"list", "map", "set", "tuple"} else "", text, tuple(parts))
