"""Cells for properties: bytes of values, as a server may send them; and types that are made of others."""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING, Any

from cassandra import cqltypes
from hypothesis import strategies as st

from coodie.drivers.cassandra.values.types import family, subtypes, unwrapped
from coodie.drivers.cassandra.values.vectors import vector_type
from coodie.protocol.codec import VARIABLE_SIZE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["cells_of", "joined", "sized", "types_of", "user_type"]


def sized(size: int) -> st.SearchStrategy[bytes]:
    """Draw any bits of a size in bytes."""
    return st.binary(min_size=size, max_size=size)


def joined(cells: Sequence[bytes | None]) -> bytes:
    """Return cells, each behind its length."""
    return b"".join([pack(">i", -1) if cell is None else pack(">i", len(cell)) + cell for cell in cells])


def cells_of(
    typ: Any, scalars: Mapping[Any, st.SearchStrategy[bytes]], *, is_odd: bool = True
) -> st.SearchStrategy[bytes]:
    """Draw cells of a type: elements that are whole, and now and then one that is null, empty or odd.

    Args:
        typ: The type.
        scalars: The cells of each scalar type.
        is_odd: False for elements that are whole.
    """
    if typ in scalars:
        return scalars[typ]
    name, parts = family(typ), [cells_of(part, scalars, is_odd=is_odd) for part in subtypes(typ)]
    if name in {"frozen", "reversed"}:
        return parts[0]
    if name == "vector":
        return st.lists(parts[0], min_size=typ.vector_size, max_size=typ.vector_size).map(b"".join)
    if name in {"tuple", "udt"}:
        whole = st.tuples(*[st.none() | part for part in parts])
        shorter = st.integers(1 - is_odd, len(parts)).flatmap(lambda count: st.tuples(*parts[:count]))
        return (whole | shorter).map(joined)
    elements = st.lists(st.tuples(*parts), max_size=3)
    if is_odd:
        odd = st.sampled_from([None, b"", b"\xff"])
        elements |= st.lists(st.tuples(*[part | odd for part in parts]), max_size=3)
    return elements.map(lambda items: pack(">i", len(items)) + b"".join(map(joined, items)))


def types_of(scalars: Sequence[Any]) -> st.SearchStrategy[Any]:
    """Draw types: scalars, and those that are made of others."""
    return st.recursive(st.sampled_from(scalars), _nested, max_leaves=4)


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw a type that is made of others."""
    several = st.lists(inner, min_size=1, max_size=3).map(tuple)
    return st.one_of(
        inner.map(lambda part: cqltypes.ListType.apply_parameters((part,))),
        inner.map(lambda part: cqltypes.SetType.apply_parameters((part,))),
        st.tuples(inner, inner).map(cqltypes.MapType.apply_parameters),
        several.map(cqltypes.TupleType.apply_parameters),
        several.map(user_type),
        st.tuples(inner.filter(_is_of_one_size), st.integers(1, 3)).map(lambda pair: vector_type(*pair)),
        # No server wraps texts in them; the drivers would take empty ones for nulls.
        inner.filter(_is_never_empty).map(lambda part: cqltypes.FrozenType.apply_parameters((part,))),
        inner.filter(_is_never_empty).map(lambda part: cqltypes.ReversedType.apply_parameters((part,))),
    )


def _is_never_empty(typ: Any) -> bool:
    return family(unwrapped(typ)) not in VARIABLE_SIZE


def _is_of_one_size(typ: Any) -> bool:
    return typ.serial_size() is not None and typ is not cqltypes.CounterColumnType


def user_type(parts: tuple[Any, ...]) -> Any:
    """Return a user-defined type of up to three fields."""
    fields = ("street", "class", "ä b")[: len(parts)]
    made = cqltypes.UserType.make_udt_class("ks", "address", fields, parts)
    made.mapped_class = None
    return made
