"""Bind collections, tuples, vectors and user-defined types."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from difflib import get_close_matches
from numbers import Number
from typing import TYPE_CHECKING, Any

from coodie.drivers.cassandra.values.codecs import with_codecs
from coodie.drivers.cassandra.values.ordering import sort_key, sorted_pairs, sorted_unique
from coodie.drivers.cassandra.values.rows import map_items, udt_tuple
from coodie.drivers.cassandra.values.scalars import (
    Binder,
    BindingError,
    scalar_binders,
    type_name,
    wrong_type,
)
from coodie.drivers.cassandra.values.types import cql_name, family, subtypes, unwrapped
from coodie.drivers.cassandra.values.vectors import number_binder, numbers_of_view
from coodie.types import UNSET

if TYPE_CHECKING:
    from coodie.codec_registry import Codecs

__all__ = ["binder"]

#: Modules whose objects are scalars; their attributes, such as an int's `real`, are never a user type's
#: fields.
_SCALAR_MODULES = frozenset({"builtins", "datetime", "decimal", "uuid", "ipaddress", "coodie.types"})


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
    bind = _each(element, codecs)

    def bind_list(value: Any) -> list[Any]:
        if _is_sequence(value):
            return bind(value)
        raise wrong_type(value, "a list or tuple")

    return bind_list


def _vector(typ: Any, codecs: Codecs | None) -> Binder:
    (element,) = subtypes(typ)
    bind, size = _each(element, codecs), typ.vector_size
    has_codecs = codecs is not None and codecs.for_parameters(cql_name(element))
    bind_numbers = None if has_codecs else number_binder(unwrapped(element), size)

    def bind_vector(value: Any) -> Sequence[Any]:
        if not (numbers_of_view(value) if isinstance(value, memoryview) else _is_sequence(value)):
            hint = "Give its numbers: value.cast('f')." if isinstance(value, memoryview) else None
            raise wrong_type(value, "a list, a tuple, or an array or memoryview of numbers", hint)
        value = _of_length(value, size)
        numbers = None if bind_numbers is None else bind_numbers(value)
        return bind(value) if numbers is None else numbers

    return bind_vector


def _set(typ: Any, codecs: Codecs | None) -> Binder:
    (element,) = subtypes(typ)
    bind, key = _each(element, codecs), sort_key(element)

    def bind_set(value: Any) -> list[Any]:
        # Also a sequence: a CQL set may have elements that are unhashable in Python.
        if isinstance(value, AbstractSet) or _is_sequence(value):
            return sorted_unique(bind(value), key)
        raise wrong_type(value, "a set, or a list of unhashable elements")

    return bind_set


def _map(typ: Any, codecs: Codecs | None) -> Binder:
    key_type, item_type = subtypes(typ)
    bind_keys, bind_items = _each(key_type, codecs, "a key"), _each(item_type, codecs, "a value")
    key = sort_key(key_type)

    def bind_map(value: Any) -> Pairs:
        if isinstance(value, Mapping):
            pairs = list(map_items(value))
        elif _is_sequence(value) and all(map(_is_pair, value)):
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
        if not _is_sequence(value):
            raise wrong_type(value, "a tuple or list")
        return _components(places, _of_length(value, len(places), "Give None for a null."))

    return bind_tuple


class _UserType:
    """The binder of a user-defined type: takes fields by name if the value has names, else by position."""

    def __init__(self, typ: Any, codecs: Codecs | None) -> None:
        self._name: str = typ.typename
        self._fields: tuple[str, ...] = tuple(typ.fieldnames)
        parts = zip(self._fields, subtypes(typ), strict=True)
        self._places = [(binder(part, codecs), f"field {field!r}") for field, part in parts]
        # Positional names, from the driver or udt_tuple, for fields whose names aren't valid in Python.
        kinds = (getattr(typ, "tuple_type", None), udt_tuple(self._name, self._fields))
        self._renamed = {getattr(kind, "_fields", None) for kind in kinds}

    def __call__(self, value: Any) -> tuple[Any, ...]:
        return _components(self._places, self._values(value))

    def _values(self, value: Any) -> Sequence[Any]:
        names = getattr(value, "_fields", None) if isinstance(value, tuple) else None
        if names is not None and names not in self._renamed:
            return self._by_name(dict(zip(names, value, strict=True)))
        if isinstance(value, Mapping):
            return self._by_name(value)
        if _is_sequence(value):
            positions: Sequence[Any] = value
            return _of_length(positions, len(self._fields), "Give None for a null.")
        return self._by_attribute(value)

    def _by_name(self, value: Mapping[Any, Any]) -> Sequence[Any]:
        for name in value:
            if name not in self._fields:
                close = get_close_matches(str(name), self._fields, 1)
                hint = f"Did you mean {close[0]!r}?" if close else f"Its fields: {', '.join(self._fields)}."
                raise BindingError(f"{self._name} has no field {name!r}", hint)
        return [value.get(name) for name in self._fields]

    def _by_attribute(self, value: Any) -> Sequence[Any]:
        fields = ", ".join(self._fields)
        if type(value).__module__ in _SCALAR_MODULES or isinstance(value, (Number, AbstractSet)):
            raise wrong_type(value, f"a dict, a tuple or an object with the fields {fields}")
        try:
            return [getattr(value, name) for name in self._fields]
        except AttributeError:
            problem = f"the {type_name(type(value))} lacks a field of {self._name}"
            raise BindingError(problem, f"It needs all of them: {fields}.", value_type=type(value)) from None


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
    "udt": _UserType,
    "vector": _vector,
}


def _each(
    element: Any, codecs: Codecs | None, place: str = "an element"
) -> Callable[[Iterable[Any]], list[Any]]:
    """Return a function that binds all elements of a collection; it rejects nulls, as Cassandra does."""
    bind = binder(element, codecs)

    def bind_each(values: Iterable[Any]) -> list[Any]:
        try:
            return [bind(value) for value in values]
        except BindingError as error:
            raise error.inside(place) from error.__cause__

    return bind_each


def _components(places: Sequence[tuple[Binder, str]], values: Iterable[Any]) -> tuple[Any, ...]:
    """Bind the components of a tuple or user-defined type, which may be null."""
    bound = []
    for (bind, place), value in zip(places, values, strict=True):
        try:
            bound.append(None if value is None else bind(value))
        except BindingError as error:
            raise error.inside(place) from error.__cause__
    return tuple(bound)


def _of_length(value: Sequence[Any], length: int, hint: str | None = None) -> Sequence[Any]:
    if len(value) == length:
        return value
    raise BindingError(f"expected {length} values, got {len(value)}", hint)


def _is_pair(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and len(value) == 2  # noqa: PLR2004 - that is a pair


def _is_sequence(value: Any) -> bool:
    """Return whether a value is an ordered collection, such as a list or an array; text and bytes aren't."""
    if isinstance(value, (list, tuple)):
        return True
    if isinstance(value, (str, bytes, bytearray, memoryview, Mapping, AbstractSet)) or value is UNSET:
        return False
    if isinstance(value, Sequence):
        return True
    if not all(hasattr(value, name) for name in ("__len__", "__getitem__", "__iter__")):
        return False
    try:
        len(value)
    except TypeError:  # a zero-dimensional array has the methods, but no length
        return False
    return True
