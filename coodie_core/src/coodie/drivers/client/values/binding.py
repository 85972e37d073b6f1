"""Parameters of clients whose values are objects of the standard library.

A ``ClientBinding`` says how a client takes values; ``Parameters`` are the bind markers of one prepared
statement. The accepted values are those of all backends, except for what the client can't encode exactly.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from coodie import types as raw
from coodie.drivers.client.values.collections import (
    UserTypeBinder,
    bind_components,
    bind_each,
    elements_of_vector,
    is_pair,
    is_sequence,
    of_length,
)
from coodie.drivers.client.values.problems import BindingError, Marker, refuse, unreadable, wrong_type
from coodie.drivers.client.values.scalars import SCALARS, bind_date, bind_duration, bind_time
from coodie.exceptions import ParameterError
from coodie.types import UNSET

if TYPE_CHECKING:
    from coodie.drivers.client.values.cqltypes import CqlType
    from coodie.drivers.client.values.scalars import Binder

__all__ = ["STANDARD_SCALARS", "ClientBinding", "Parameters", "rejected"]

_OTHER = "Use another backend for this value."
_YEARS = "out of range: this client supports the years 1 to 9999"


@dataclass(frozen=True, slots=True)
class ClientBinding:
    """How a client takes values.

    Attributes:
        scalars: The binders of types without parts, by name; all other types are rejected.
        make_set: Makes what the client takes for a set from a list of elements. It may raise a TypeError for
            elements that aren't hashable.
        has_null_parts: The client can encode a null inside a tuple or a user-defined type.
        has_vectors: The client can encode vectors.
    """

    scalars: Mapping[str, Binder]
    make_set: Callable[[list[Any]], Any]
    has_null_parts: bool
    has_vectors: bool

    def binder(self, typ: CqlType) -> Binder:
        """Return the binder of a type, for values other than None and UNSET."""
        make = _COMPOSED.get(typ.family)
        if make is not None and (self.has_vectors or typ.family != "vector"):
            return make(self, typ)
        return self.scalars.get(typ.family) or rejected(f"this client can't bind values of type {typ.text}")


class Parameters:
    """The bind markers of a prepared statement.

    Args:
        binding: How the client takes values.
        markers: The name and the type of each bind marker.
    """

    __slots__ = ("_binders", "_markers")

    def __init__(self, binding: ClientBinding, markers: Sequence[tuple[str, CqlType]]) -> None:
        self._markers = [Marker(name, typ.text) for name, typ in markers]
        self._binders = [binding.binder(typ) for _, typ in markers]

    def bind(self, values: Sequence[Any], stmt: str) -> list[Any]:
        """Return the values for the client; None and UNSET as they are.

        Args:
            values: The values, one for each bind marker.
            stmt: The CQL text, for errors.

        Raises:
            ParameterError: A value is out of range, or the client can't encode it.
            ParameterTypeError: A value is of the wrong type.
        """
        bound: list[Any] = []
        try:
            for bind, value in zip(self._binders, values, strict=True):
                bound.append(value if value is None or value is UNSET else bind(value))
        except BindingError as error:
            refuse(error, self._markers[len(bound)], len(bound), stmt, error.__cause__)
        except Exception as exc:  # noqa: BLE001 - the methods of a value's class may raise anything
            index = len(bound)
            refuse(unreadable(type(values[index]), exc), self._markers[index], index, stmt, exc)
        return bound


def rejected(problem: str, hint: str = _OTHER) -> Binder:
    """Return a binder that rejects every value."""

    def reject(_: Any) -> Any:
        raise BindingError(problem, hint)

    return reject


# --- scalars ----------------------------------------------------------------------------


def _exact(convert: Callable[[], Any], problem: str) -> Any:
    """Convert a raw value of coodie; raise if the client's type has less precision or range."""
    try:
        return convert()
    except ParameterError:  # whose message has the value
        raise BindingError(problem, _OTHER) from None


def _date(value: Any) -> dt.date:
    if type(value) is dt.date:
        return value
    day = raw.Date(bind_date(value))
    date: dt.date = _exact(day.to_date, _YEARS)
    return date


def _time(value: Any) -> dt.time:
    nanoseconds = raw.Time(bind_time(value))
    time: dt.time = _exact(nanoseconds.to_time, "it has nanoseconds, which this client doesn't send")
    return time


def _timestamp(value: Any) -> dt.datetime:
    """Return an aware datetime in UTC: clients may take a naive one for local time."""
    instant = raw.Timestamp(SCALARS["timestamp"](value))
    moment: dt.datetime = _exact(instant.to_datetime, _YEARS)
    return moment


#: The binders for clients that take ``datetime`` objects; a duration stays coodie's.
STANDARD_SCALARS: Mapping[str, Binder] = MappingProxyType(
    {**SCALARS, "date": _date, "duration": bind_duration, "time": _time, "timestamp": _timestamp}
)


# --- collections, tuples, user-defined types --------------------------------------------


def _list(binding: ClientBinding, typ: CqlType) -> Binder:
    bind = bind_each(binding.binder(typ.parts[0]))

    def bind_list(value: Any) -> list[Any]:
        if is_sequence(value):
            return bind(value)
        raise wrong_type(value, "a list or tuple")

    return bind_list


def _vector(binding: ClientBinding, typ: CqlType) -> Binder:
    bind, size = bind_each(binding.binder(typ.parts[0])), typ.size or 0

    def bind_vector(value: Any) -> list[Any]:
        return bind(of_length(elements_of_vector(value), size))

    return bind_vector


def _set(binding: ClientBinding, typ: CqlType) -> Binder:
    bind, make = bind_each(binding.binder(typ.parts[0])), binding.make_set

    def bind_set(value: Any) -> Any:
        # Also a sequence: a CQL set may have elements that are unhashable in Python.
        if not isinstance(value, AbstractSet) and not is_sequence(value):
            raise wrong_type(value, "a set, or a list of unhashable elements")
        elements = bind(value)
        try:
            return make(elements)
        except TypeError:
            raise BindingError("this client doesn't support sets of collections", _OTHER) from None

    return bind_set


def _map(binding: ClientBinding, typ: CqlType) -> Binder:
    bind_key = bind_each(binding.binder(typ.parts[0]), "a key")
    bind_value = bind_each(binding.binder(typ.parts[1]), "a value")

    def bind_map(value: Any) -> dict[Any, Any]:
        pairs = value.items() if isinstance(value, Mapping) else value
        if pairs is value and not (is_sequence(value) and all(map(is_pair, value))):
            raise wrong_type(value, "a dict, or a list of (key, value) pairs")
        keys, items = bind_key([key for key, _ in pairs]), bind_value([item for _, item in pairs])
        try:
            found = dict(zip(keys, items, strict=True))
        except TypeError:
            raise BindingError("this client doesn't support collections as keys of a map", _OTHER) from None
        if len(found) < len(keys):
            raise BindingError("two keys are equal in CQL", "Remove one of them.")
        return found

    return bind_map


def _tuple(binding: ClientBinding, typ: CqlType) -> Binder:
    places = [(binding.binder(part), f"component {index}") for index, part in enumerate(typ.parts, 1)]

    def bind_tuple(value: Any) -> tuple[Any, ...]:
        if not is_sequence(value):
            raise wrong_type(value, "a tuple or list")
        values = of_length(value, len(places), "Give None for a null.")
        return _complete(binding, bind_components(places, values))

    return bind_tuple


def _user_type(binding: ClientBinding, typ: CqlType) -> Binder:
    fields = typ.fields
    bind = UserTypeBinder(typ.text, dict(zip(fields, map(binding.binder, typ.parts), strict=True)))
    return lambda value: dict(zip(fields, _complete(binding, bind(value)), strict=True))


def _complete(binding: ClientBinding, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the components of a tuple or a user-defined type, which may be null."""
    if not binding.has_null_parts and any(value is None for value in values):
        raise BindingError("it contains a null, which this client can't send", _OTHER)
    return values


_COMPOSED: Mapping[str, Callable[[ClientBinding, CqlType], Binder]] = {
    "list": _list,
    "map": _map,
    "set": _set,
    "tuple": _tuple,
    "udt": _user_type,
    "vector": _vector,
}
