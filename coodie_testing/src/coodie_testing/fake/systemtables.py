"""The reads of system tables that drivers send when they connect: columns, and ``=`` or ``IN``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from coodie.cql import identifier, tokens
from coodie.protocol.error_codes import ErrorCode
from coodie_testing.fake.cqltypes import Column, CqlType
from coodie_testing.fake.replies import Failed, Rows
from coodie_testing.fake.schema import SYSTEM_TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from coodie_testing.fake.replies import Reply

__all__ = ["SystemRead", "read_of_system"]


class _Filter(NamedTuple):
    """A condition on a column: a literal, the value of a marker, or a list of both in parentheses."""

    column: str
    is_list: bool
    literal: Any = None
    is_marker: bool = False
    markers_in_list: int = 0


class SystemRead(NamedTuple):
    """A read of a system table.

    Attributes:
        table: Its keyspace and name.
        columns: The selected columns.
        filters: The conditions.
    """

    table: tuple[str, str]
    columns: tuple[Column, ...]
    filters: tuple[_Filter, ...]

    @property
    def markers(self) -> tuple[Column, ...]:
        """The bind markers."""
        found: list[Column] = []
        for one in self.filters:
            kind = SYSTEM_TABLES[self.table][one.column]
            if one.is_marker:
                found.append(Column(one.column, CqlType("list", (kind,)) if one.is_list else kind))
            found += [Column(one.column, kind)] * one.markers_in_list
        return tuple(found)

    def answer(self, rows: Sequence[Mapping[str, Any]], values: Sequence[Any], *, bare: bool) -> Rows:
        """Return the selected rows.

        Args:
            rows: All rows of the table, as dicts.
            values: The bytes of the markers' values.
            bare: Omit the metadata of the columns.
        """
        given = iter(kind.decode(value) for (_, kind), value in zip(self.markers, values, strict=True))
        wanted: dict[str, Any] = {}
        for one in self.filters:
            value = next(given) if one.is_marker else one.literal
            if one.markers_in_list:
                value = [*value, *(next(given) for _ in range(one.markers_in_list))]
            wanted[one.column] = value if one.is_list else [value]
        found = [
            row
            for row in rows
            if all(str(row.get(name)) in map(str, allowed) for name, allowed in wanted.items())
        ]
        encoded = [[kind.encode(row.get(name)) for name, kind in self.columns] for row in found]
        return Rows(self.table, self.columns, encoded, bare=bare)


def read_of_system(text: str) -> SystemRead | Reply | None:
    """Parse a read of a system table; return None for other statements, or the error."""
    stream = list(tokens(text))
    words = [word.lower() for _, word in stream]
    if not words or words[0] != "select" or "from" not in words:
        return None
    start = words.index("from") + 1
    if len(words) < start + 3 or words[start] not in {"system", "system_schema", "system_virtual_schema"}:
        return None
    table = words[start], words[start + 2]
    types = SYSTEM_TABLES.get(table)
    if types is None:
        return Failed(ErrorCode.INVALID, f"table {'.'.join(table)} does not exist")
    names = [name for group, word in stream[1 : start - 1] if (name := identifier(group, word)) is not None]
    names = names or list(types)
    unknown = next((name for name in names if name not in types), None)
    if unknown is not None:
        return Failed(ErrorCode.INVALID, f"Undefined column name {unknown} in table {'.'.join(table)}")
    filters = tuple(one for one in _filters(stream[start + 3 :]) if one.column in types)
    return SystemRead(table, tuple(Column(name, types[name]) for name in names), filters)


def _filters(stream: list[tuple[str, str]]) -> Iterator[_Filter]:
    for (group, word), (_, relation), following in zip(stream, stream[1:], _tails(stream), strict=False):
        column = identifier(group, word)
        if column is None or not following or relation.lower() not in {"=", "in"}:
            continue
        is_list = relation.lower() == "in"
        kind, text = following[0]
        if text in {"?", ":"}:
            yield _Filter(column, is_list, is_marker=True)
        elif is_list:
            end = [one for _, one in following].index(")")
            listed = [one for one in following[1:end] if one[1] != ","]
            literals = [_literal(*one) for one in listed if one[1] != "?"]
            yield _Filter(column, is_list, literals, markers_in_list=len(listed) - len(literals))
        else:
            yield _Filter(column, is_list, _literal(kind, text))


def _tails(stream: list[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    return (stream[at + 2 :] for at in range(len(stream)))


def _literal(group: str, text: str) -> str:
    return text[1:-1].replace("''", "'") if group == "string" else text
