"""The bind markers of a statement with their types, as a backend knows them after preparing it."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Marker", "ValueType"]


class ValueType(NamedTuple):
    """A CQL type.

    Attributes:
        name: The name without parameters; "udt" for a user-defined type, "" for a custom type.
        text: The type in CQL syntax, such as ``map<text, int>``.
        parts: The types of elements, of keys and values, of components, or of fields.
        fields: The names of a user-defined type's fields.
    """

    name: str
    text: str
    parts: tuple[ValueType, ...] = ()
    fields: tuple[str, ...] = ()


class Marker(NamedTuple):
    """A bind marker.

    Attributes:
        name: Of ``:name``, the name as the server stores it; of ``?``, the name that the server gives it,
            which is the column's, or such as ``[limit]``.
        type: The type of its values.
    """

    name: str
    type: ValueType
