"""The parts of collections, tuples and user-defined types as parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from numbers import Number
from typing import TYPE_CHECKING, Any

from coodie._unset import UNSET
from coodie.drivers.client.values.problems import BindingError, type_name, wrong_type

if TYPE_CHECKING:
    from coodie.drivers.client.values.scalars import Binder

__all__ = [
    "UserTypeBinder",
    "bind_components",
    "bind_each",
    "elements_of_vector",
    "is_pair",
    "is_sequence",
    "of_length",
]

#: Modules whose objects are scalars; their attributes, such as an int's `real`, are never a user type's
#: fields.
_SCALAR_MODULES = frozenset({"builtins", "datetime", "decimal", "uuid", "ipaddress", "coodie.types"})


#: The formats of buffers of numbers. "B" is the format of bytes, too, which aren't accepted.
_VIEWED = frozenset("bhHiIlLqQfd")


class UserTypeBinder:
    """The binder of a user-defined type: takes fields by name if the value has names, else by position.

    Args:
        name: The type's name.
        fields: The binders of the fields, by name, in order.
        renamed: The fields of named tuples that are taken by position: those with other names than the type.
    """

    def __init__(
        self,
        name: str,
        fields: Mapping[str, Binder],
        renamed: AbstractSet[tuple[str, ...] | None] = frozenset(),
    ) -> None:
        self._name = name
        self._fields = tuple(fields)
        self._places = [(bind, f"field {field!r}") for field, bind in fields.items()]
        self._renamed = renamed

    def __call__(self, value: Any) -> tuple[Any, ...]:
        """Return the values of the fields in order."""
        return bind_components(self._places, self._values(value))

    def _values(self, value: Any) -> Sequence[Any]:
        names = getattr(value, "_fields", None) if isinstance(value, tuple) else None
        if names is not None and names not in self._renamed:
            return self._by_name(dict(zip(names, value, strict=True)))
        if isinstance(value, Mapping):
            return self._by_name(value)
        if is_sequence(value):
            positions: Sequence[Any] = value
            return of_length(positions, len(self._fields), "Give None for a null.")
        return self._by_attribute(value)

    def _by_name(self, value: Mapping[Any, Any]) -> Sequence[Any]:
        for name in value:
            if name not in self._fields:
                from difflib import get_close_matches  # for the error alone

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


def bind_each(bind: Binder, place: str = "an element") -> Callable[[Iterable[Any]], list[Any]]:
    """Return a function that binds all elements of a collection; it rejects nulls, as Cassandra does.

    Args:
        bind: The binder of an element.
        place: What an element is, for errors.
    """

    def bind_all(values: Iterable[Any]) -> list[Any]:
        try:
            return [bind(value) for value in values]
        except BindingError as error:
            raise error.inside(place) from error.__cause__

    return bind_all


def bind_components(places: Sequence[tuple[Binder, str]], values: Iterable[Any]) -> tuple[Any, ...]:
    """Bind the components of a tuple or user-defined type, which may be null."""
    bound = []
    for (bind, place), value in zip(places, values, strict=True):
        try:
            bound.append(None if value is None else bind(value))
        except BindingError as error:
            raise error.inside(place) from error.__cause__
    return tuple(bound)


def of_length(value: Sequence[Any], length: int, hint: str | None = None) -> Sequence[Any]:
    """Return a sequence of exactly this length; raise for others."""
    if len(value) == length:
        return value
    raise BindingError(f"expected {length} values, got {len(value)}", hint)


def is_pair(value: Any) -> bool:
    """Return whether a value can be a key and its value."""
    return isinstance(value, (tuple, list)) and len(value) == 2  # noqa: PLR2004 - that is a pair


def elements_of_vector(value: Any) -> Any:
    """Return a value with the elements of a vector: an ordered collection, or a memoryview of numbers.

    Raises:
        BindingError: It is something else, such as a memoryview of bytes.
    """
    if isinstance(value, memoryview):
        if value.format not in _VIEWED or value.ndim != 1:
            hint = "Give its numbers: value.cast('f')."
            raise wrong_type(value, "a list, a tuple, or an array or memoryview of numbers", hint)
    elif not is_sequence(value):
        raise wrong_type(value, "a list, a tuple, or an array or memoryview of numbers")
    return value


def is_sequence(value: Any) -> bool:
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
