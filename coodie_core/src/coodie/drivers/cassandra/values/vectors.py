"""Decode and encode a vector of numbers as a whole.

The drivers' class converts one element at a time, which takes 0.2 µs per element; an array only takes the
time to create the floats. ``_customtypes`` uses these classes for results and bind markers, on the fast path
and in the session. Decoded values are arrays, which ``values.rows`` converts to lists.
"""

from __future__ import annotations

import sys
from array import array
from struct import Struct
from typing import TYPE_CHECKING, Any

from coodie.drivers.cassandra.values.types import family, unwrapped
from coodie.protocol._accelerator import accelerator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["array_decoder", "number_binder", "number_code", "vector_type"]

#: Fixed-size number types, with the type code of ``array`` and ``struct``, and the Python type.
_NUMBERS: dict[str, tuple[str, type]] = {
    "bigint": ("q", int),
    "double": ("d", float),
    "float": ("f", float),
    "int": ("i", int),
}


def vector_type(element: Any, size: int) -> Any:
    """Return the driver's class for a vector type.

    Args:
        element: The class of the elements.
        size: The number of elements.
    """
    from cassandra.cqltypes import VectorType

    typ = VectorType.apply_parameters((element, size), None)
    letter, _ = _number(element)
    if letter:
        # The class is private to this vector type.
        typ.deserialize = staticmethod(_decoder(letter, size, typ.deserialize))
        typ.serialize = staticmethod(_encoder(letter, size, typ.serialize))
    return typ


def _number(element: Any) -> tuple[str, type]:
    """Return the elements' type code and Python type; the code is empty for other types."""
    letter, kind = _NUMBERS.get(family(element), ("", object))
    return (letter, kind) if letter and array(letter).itemsize == Struct(f"={letter}").size else ("", object)


def number_code(typ: Any) -> str:
    """Return the type code of arrays of a vector's elements; empty for elements that aren't numbers."""
    return _number(unwrapped(typ.subtype))[0]


def array_decoder(letter: str, size: int) -> Callable[[bytes], array[Any] | None]:
    """Return a function that decodes a vector; it returns None for another number of bytes.

    Args:
        letter: The type code of the elements.
        size: The number of elements.
    """
    length = Struct(f"={size}{letter}").size

    def decode(data: bytes) -> array[Any] | None:
        return _swapped(array(letter, data)) if len(data) == length else None

    return decode


def _decoder(
    letter: str, size: int, theirs: Callable[[bytes, int], list[Any]]
) -> Callable[[bytes, int], Sequence[Any]]:
    decode = array_decoder(letter, size)

    def deserialize(data: bytes, version: int) -> Sequence[Any]:
        numbers = decode(data)
        return theirs(data, version) if numbers is None else numbers

    return deserialize


def _encoder(letter: str, size: int, theirs: Callable[[Any, int], bytes]) -> Callable[[Any, int], bytes]:
    def serialize(value: Any, version: int) -> bytes:
        if value.__class__ is array and value.typecode == letter and len(value) == size:
            return _swapped(value[:]).tobytes()
        return theirs(value, version)

    return serialize


def _swapped(numbers: array[Any]) -> array[Any]:
    """Convert between the machine's byte order and the protocol's; in place."""
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers


def _packer(letter: str, wanted: type, size: int) -> Callable[[Sequence[Any]], bytes | None]:
    """Return a function that packs numbers; it returns None if some are of another type, or out of range.

    Args:
        letter: The type code of the numbers.
        wanted: Their Python type.
        size: How many there have to be.
    """
    module = accelerator()
    if module is not None:
        pack_numbers = module.pack_numbers
        return lambda value: pack_numbers(value, letter, size)
    pack = Struct(f"={size}{letter}").pack

    def packed(value: Sequence[Any]) -> bytes | None:
        return pack(*value) if list(map(type, value)).count(wanted) == size else None

    return packed


def number_binder(element: Any, size: int) -> Callable[[Any], array[Any] | None] | None:
    """Return a function that converts a vector of numbers to an array; None for other elements.

    The function returns None if the elements have to be bound one by one, because some are of another Python
    type or out of range.

    Args:
        element: The class of the elements.
        size: The number of elements.
    """
    letter, wanted = _number(element)
    if not letter:
        return None
    pack = _packer(letter, wanted, size)
    formats = {letter}
    if wanted is int and array("l").itemsize == array(letter).itemsize:
        formats.add("l")  # numpy's int64

    def bind(value: Any) -> array[Any] | None:
        kind = value.__class__
        try:
            # Exclude subclasses: a masked array hides some of its elements.
            if kind in (array, memoryview) or (kind.__module__, kind.__qualname__) == ("numpy", "ndarray"):
                view = memoryview(value)
                if view.format in formats and view.ndim == 1:
                    return array(letter, view.tobytes())
                value = value.tolist()
            elif kind is not list and kind is not tuple:
                return None
            packed = pack(value)
            return None if packed is None else array(letter, packed)
        except Exception:  # noqa: BLE001, S110 - out of range: binding one by one reports the element
            pass
        return None

    return bind
