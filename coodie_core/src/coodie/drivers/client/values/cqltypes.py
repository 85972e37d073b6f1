"""CQL types of bind markers and columns, as a client describes them."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["CqlType", "composed_type", "scalar_type", "user_type", "vector_type"]


class CqlType(NamedTuple):
    """A type.

    Attributes:
        family: ``"int"``, ``"list"``, ``"tuple"``, ``"udt"``, ``"vector"`` and so on; another word for a type
            that the client has no values of.
        text: The type in CQL, for errors and ``Rows.columns``.
        parts: The types of elements, of a map's keys and values, of components or of fields.
        fields: The names of the fields of a user-defined type.
        size: A vector's number of elements.
    """

    family: str
    text: str
    parts: tuple[CqlType, ...] = ()
    fields: tuple[str, ...] = ()
    size: int | None = None

    def has(self, families: frozenset[str]) -> bool:
        """Return whether the type, or one inside it, is of one of these families."""
        return self.family in families or any(part.has(families) for part in self.parts)


def scalar_type(name: str) -> CqlType:
    """Return a type without parts: ``int``, ``text`` and so on."""
    return CqlType(name, name)


def composed_type(family: str, *parts: CqlType) -> CqlType:
    """Return a list, a set, a map or a tuple."""
    text = f"{family}<{', '.join([part.text for part in parts])}>"
    return CqlType(family, text, parts)


def vector_type(element: CqlType, size: int) -> CqlType:
    """Return a vector with this number of elements."""
    return CqlType("vector", f"vector<{element.text}, {size}>", (element,), size=size)


def user_type(name: str, fields: dict[str, CqlType]) -> CqlType:
    """Return a user-defined type with its fields in order."""
    return CqlType("udt", name, tuple(fields.values()), tuple(fields))
