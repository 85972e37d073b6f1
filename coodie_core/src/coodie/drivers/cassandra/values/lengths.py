"""Check the lengths inside a serialized value before the drivers' Python decoders decode it.

These slice the value's bytes, and so decode a part that ends too early to another value, where the compiled
decoders raise an exception.
"""

from __future__ import annotations

from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

from coodie.drivers.cassandra.values.types import family, subtypes, unwrapped
from coodie.protocol.codec import INT, SHORT

if TYPE_CHECKING:
    from collections.abc import Iterable
    from struct import Struct

__all__ = ["check_lengths"]

#: The class name of composites, which have no name in CQL.
_COMPOSITE = "CompositeType"


def check_lengths(typ: Any, data: bytes) -> None:
    """Check the lengths of all parts, and of their parts.

    Args:
        typ: The driver's class of the type.
        data: The serialized value.

    Raises:
        ValueError: A part is longer than the rest of the bytes.
        struct.error: A length is incomplete.
    """
    typ = unwrapped(typ)
    name, parts = family(typ), subtypes(typ)
    if not data or not parts:
        return
    if name in {"list", "set", "map"}:
        (count,) = INT.unpack_from(data)
        all_parts = chain.from_iterable(repeat(parts, max(count, 0)))  # no list: the count may be any number
        _check(all_parts, data[INT.size :], INT, whole=True)
    elif name in {"tuple", "udt"}:  # components that were added later may be missing
        _check(parts, data, INT)
    elif typ.cassname == _COMPOSITE:  # a byte ends each component (CompositeType.java)
        _check(parts, data, SHORT, end=1)


def _check(types: Iterable[Any], data: bytes, length: Struct, *, end: int = 0, whole: bool = False) -> None:
    """Check parts, each after its length.

    Args:
        types: The parts' types.
        data: The parts.
        length: The format of their lengths.
        end: The number of bytes after each part.
        whole: The last parts may not be missing.
    """
    at = 0
    for typ in types:
        if at == len(data) and not whole:
            return
        (size,) = length.unpack_from(data, at)
        at += length.size
        if size < 0:  # null
            continue
        if at + size + end > len(data):
            message = f"a part of {size} bytes ends after the value's {len(data)} bytes"
            raise ValueError(message)
        check_lengths(typ, data[at : at + size])
        at += size + end
