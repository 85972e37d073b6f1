"""Results: a client's values as coodie's.

The converter of a column is chosen once per statement or result, by its type; most types need none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coodie.drivers.client.values.cqltypes import CqlType

__all__ = ["Converter", "converter"]

#: Takes a client's value other than None, and returns coodie's.
Converter = Callable[[Any], Any]


def converter(typ: CqlType, scalars: Mapping[str, Converter]) -> Converter | None:
    """Return the function that converts a client's values of a type; None if they are coodie's.

    Args:
        typ: The type.
        scalars: The converters of types without parts, by name.
    """
    make = _COMPOSED.get(typ.family)
    if make is None:
        return scalars.get(typ.family)
    parts = [converter(part, scalars) for part in typ.parts]
    return make(typ, parts) if any(parts) else None


def _same(value: Any) -> Any:
    return value


def _or_null(convert: Converter | None) -> Converter:
    if convert is None:
        return _same
    return lambda value: None if value is None else convert(value)


def _each(make: Converter, parts: Sequence[Converter | None]) -> Converter:
    (part,) = map(_or_null, parts)
    return lambda value: make([part(item) for item in value])


def _map(_: CqlType, parts: Sequence[Converter | None]) -> Converter:
    to_key, to_value = map(_or_null, parts)
    return lambda value: {to_key(key): to_value(item) for key, item in value.items()}


def _tuple(_: CqlType, parts: Sequence[Converter | None]) -> Converter:
    converters = [_or_null(part) for part in parts]
    return lambda value: tuple([part(item) for part, item in zip(converters, value, strict=True)])


def _user_type(typ: CqlType, parts: Sequence[Converter | None]) -> Converter:
    converters = {name: _or_null(part) for name, part in zip(typ.fields, parts, strict=True)}
    return lambda value: {name: converters[name](item) for name, item in value.items()}


_COMPOSED: Mapping[str, Callable[[CqlType, Sequence[Converter | None]], Converter]] = {
    "list": lambda _, parts: _each(list, parts),
    "map": _map,
    "set": lambda _, parts: _each(set, parts),
    "tuple": _tuple,
    "udt": _user_type,
    "vector": lambda _, parts: _each(list, parts),
}
