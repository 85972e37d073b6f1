"""Vectors of numbers, as a whole: the drivers' class decodes and encodes one element after the other.

That takes 0.2 µs an element; an array takes as long as making the floats does. The classes are made by
``_customtypes`` for results and bind markers, so that every way of a request has them.
"""

from __future__ import annotations

import sys
from array import array
from struct import Struct
from typing import TYPE_CHECKING, Any

from coodie.drivers.cassandra.values.types import family

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["number_binder", "vector_type"]

#: Families of numbers that vectors hold side by side, in the protocol's sizes: letter, and Python's type.
_NUMBERS: dict[str, tuple[str, type]] = {
    "bigint": ("q", int),
    "double": ("d", float),
    "float": ("f", float),
    "int": ("i", int),
}


def vector_type(element: Any, size: int) -> Any:
    """Return the driver's class for a vector.

    Args:
        element: The class of its elements.
        size: How many it has.
    """
    from cassandra.cqltypes import VectorType

    typ = VectorType.apply_parameters((element, size), None)
    letter, _ = _number(element)
    if letter:
        # The class was made for this vector alone.
        length = Struct(f"={size}{letter}").size
        typ.deserialize = staticmethod(_decoder(letter, length, typ.deserialize))
        typ.serialize = staticmethod(_encoder(letter, size, typ.serialize))
    return typ


def _number(element: Any) -> tuple[str, type]:
    """Return array's letter and Python's type for the elements; no letter where they aren't such numbers."""
    letter, kind = _NUMBERS.get(family(element), ("", object))
    return (letter, kind) if letter and array(letter).itemsize == Struct(f"={letter}").size else ("", object)


def _decoder(
    letter: str, length: int, theirs: Callable[[bytes, int], list[Any]]
) -> Callable[[bytes, int], list[Any]]:
    def deserialize(data: bytes, version: int) -> list[Any]:
        if len(data) != length:
            return theirs(data, version)
        return _swapped(array(letter, data)).tolist()

    return deserialize


def _encoder(letter: str, size: int, theirs: Callable[[Any, int], bytes]) -> Callable[[Any, int], bytes]:
    def serialize(value: Any, version: int) -> bytes:
        if value.__class__ is array and value.typecode == letter and len(value) == size:
            return _swapped(value[:]).tobytes()
        return theirs(value, version)

    return serialize


def _swapped(numbers: array[Any]) -> array[Any]:
    """Turn numbers between the machine's order of bytes and the protocol's."""
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers


def number_binder(element: Any, size: int) -> Callable[[Any], array[Any] | None] | None:
    """Return what makes an array of a vector's numbers; None where the elements aren't numbers.

    It returns None for a vector whose elements have to be looked at one by one: they are of other types
    than Python's own, or out of range.

    Args:
        element: The class of its elements.
        size: How many it has.
    """
    letter, wanted = _number(element)
    if not letter:
        return None
    pack = Struct(f"={size}{letter}").pack

    def bind(value: Any) -> array[Any] | None:
        kind = value.__class__
        try:
            # Not a subclass: a masked array hides some of its elements.
            if kind is array or (kind.__module__, kind.__qualname__) == ("numpy", "ndarray"):
                view = memoryview(value)
                if view.format == letter and view.ndim == 1:
                    return array(letter, view.tobytes())
                value = view.tolist()
            elif kind is not list and kind is not tuple:
                return None
            if list(map(type, value)).count(wanted) == size:
                return array(letter, pack(*value))
        except Exception:  # noqa: BLE001, S110 - out of range: which element it is, is found one by one
            pass
        return None

    return bind
