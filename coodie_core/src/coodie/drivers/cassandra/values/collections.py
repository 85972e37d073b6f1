"""Bind collections, tuples, vectors and user-defined types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any

from coodie.drivers.cassandra.values.codecs import with_codecs
from coodie.drivers.cassandra.values.ordering import sort_key, sorted_pairs, sorted_unique
from coodie.drivers.cassandra.values.rows import map_items, udt_tuple
from coodie.drivers.cassandra.values.scalars import scalar_binders
from coodie.drivers.cassandra.values.types import cql_name, family, subtypes, unwrapped
from coodie.drivers.cassandra.values.vectors import number_binder
from coodie.drivers.client.values.collections import (
    UserTypeBinder,
    bind_components,
    bind_each,
    elements_of_vector,
    is_pair,
    is_sequence,
    of_length,
)
from coodie.drivers.client.values.problems import BindingError, wrong_type

if TYPE_CHECKING:
    from coodie.codec_registry import Codecs
    from coodie.drivers.client.values.scalars import Binder

__all__ = ["binder"]


def binder(typ: Any, codecs: Codecs | None = None) -> Binder:
    """Return the binder of a type, for values other than None and UNSET.

    Args:
        typ: The type.
        codecs: The driver's codecs.
    """
    typ = unwrapped(typ)
    return with_codecs(_plain_binder(typ, codecs), typ, codecs)


def _plain_binder(typ: Any, codecs: Codecs | None) -> Binder:
    """Return the binder without the type's own codecs."""
    name = family(typ)
    make = _MAKERS.get(name)
    if make is not None:
        return make(typ, codecs)
    return scalar_binders()[name] if name else _custom(typ)


class Pairs(list[tuple[Any, Any]]):
    """A map for the drivers' serializers, which call len() and items()."""

    def items(self) -> list[tuple[Any, Any]]:
        """Return the pairs."""
        return self


def _list(typ: Any, codecs: Codecs | None) -> Binder:
    (element,) = subtypes(typ)
    bind = bind_each(binder(element, codecs))

    def bind_list(value: Any) -> list[Any]:
        if is_sequence(value):
            return bind(value)
        raise wrong_type(value, "a list or tuple")

    return bind_list


def _vector(typ: Any, codecs: Codecs | None) -> Binder:
    (element,) = subtypes(typ)
    bind, size = bind_each(binder(element, codecs)), typ.vector_size
    has_codecs = codecs is not None and codecs.for_parameters(cql_name(element))
    bind_numbers = None if has_codecs else number_binder(unwrapped(element), size)

    def bind_vector(value: Any) -> Sequence[Any]:
        value = of_length(elements_of_vector(value), size)
        numbers = None if bind_numbers is None else bind_numbers(value)
        return bind(value) if numbers is None else numbers

    return bind_vector


def _set(typ: Any, codecs: Codecs | None) -> Binder:
    (element,) = subtypes(typ)
    bind, key = bind_each(binder(element, codecs)), sort_key(element)

    def bind_set(value: Any) -> list[Any]:
        # Also a sequence: a CQL set may have elements that are unhashable in Python.
        if isinstance(value, AbstractSet) or is_sequence(value):
            return sorted_unique(bind(value), key)
        raise wrong_type(value, "a set, or a list of unhashable elements")

    return bind_set


def _map(typ: Any, codecs: Codecs | None) -> Binder:
    key_type, item_type = subtypes(typ)
    bind_keys, bind_items = (
        bind_each(binder(key_type, codecs), "a key"),
        bind_each(binder(item_type, codecs), "a value"),
    )
    key = sort_key(key_type)

    def bind_map(value: Any) -> Pairs:
        if isinstance(value, Mapping):
            pairs = list(map_items(value))
        elif is_sequence(value) and all(map(is_pair, value)):
            pairs = list(value)
        else:
            raise wrong_type(value, "a dict, or a list of (key, value) pairs")
        ordered = sorted_pairs(bind_keys([k for k, _ in pairs]), bind_items([v for _, v in pairs]), key)
        if ordered is None:
            raise BindingError("two keys are equal in CQL", "Remove one of them.")
        return Pairs(ordered)

    return bind_map


def _tuple(typ: Any, codecs: Codecs | None) -> Binder:
    places = [(binder(part, codecs), f"component {index}") for index, part in enumerate(subtypes(typ), 1)]

    def bind_tuple(value: Any) -> tuple[Any, ...]:
        if not is_sequence(value):
            raise wrong_type(value, "a tuple or list")
        return bind_components(places, of_length(value, len(places), "Give None for a null."))

    return bind_tuple


def _user_type(typ: Any, codecs: Codecs | None) -> Binder:
    name: str = typ.typename
    fields = {field: binder(part, codecs) for field, part in zip(typ.fieldnames, subtypes(typ), strict=True)}
    # Positional names, from the driver or udt_tuple, for fields whose names aren't valid in Python.
    kinds = (getattr(typ, "tuple_type", None), udt_tuple(name, tuple(fields)))
    return UserTypeBinder(name, fields, {getattr(kind, "_fields", None) for kind in kinds})


def _custom(typ: Any) -> Binder:
    """Return the binder of a custom type: accepts bytes, and instances of the driver's class for the type."""
    name = cql_name(typ)
    if subtypes(typ) and not hasattr(typ, "serialize_safe"):
        # The drivers read a CompositeType, but can't write it. The class is private to this type.
        typ.serialize_safe = staticmethod(_as_bytes)

    def bind_custom(value: Any) -> Any:
        if isinstance(value, bytes) or type(value).__module__.startswith("cassandra."):
            return value
        raise wrong_type(value, f"bytes, serialized as {name}")

    return bind_custom


def _as_bytes(value: bytes, _version: int) -> bytes:
    return value


_MAKERS: dict[str, Callable[[Any, Codecs | None], Binder]] = {
    "list": _list,
    "map": _map,
    "set": _set,
    "tuple": _tuple,
    "udt": _user_type,
    "vector": _vector,
}
