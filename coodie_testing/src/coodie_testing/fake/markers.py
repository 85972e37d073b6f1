"""The column of each bind marker of a statement, as far as it can be derived from the statement's tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coodie.cql import identifier, tokens, with_positional_markers
from coodie_testing.fake.cqltypes import CqlType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["marked_columns", "markers_of"]

_INT = CqlType("int")
_BIGINT = CqlType("bigint")

#: The types of markers without a column, by the keyword before them.
_OTHERS = {"limit": _INT, "ttl": _INT, "timestamp": _BIGINT}


def markers_of(stmt: str) -> tuple[str, ...]:
    """Return the names of a statement's markers: the columns', or ``param_1`` and so on."""
    _, given = with_positional_markers(stmt)
    found = list(_marked(stmt))
    if len(given) == len(found):
        return tuple(given)
    return tuple(name or f"param_{number}" for number, (name, _) in enumerate(found, 1))


def marked_columns(stmt: str, columns: Mapping[str, CqlType]) -> tuple[CqlType | None, ...]:
    """Return the type of each marker; None if it is unknown.

    Args:
        stmt: CQL text.
        columns: The columns of its table.
    """
    found: list[CqlType | None] = []
    for name, is_list in _marked(stmt):
        kind = _OTHERS.get(name or "") if name in _OTHERS else columns.get(name or "")
        found.append(CqlType("list", (kind,)) if kind is not None and is_list else kind)
    return tuple(found)


def _marked(stmt: str) -> Iterator[tuple[str | None, bool]]:
    """Yield the column of each marker, and whether the marker is a list of its values."""
    stream = list(tokens(with_positional_markers(stmt)[0]))
    words = [word.lower() for _, word in stream]
    inserted = _inserted(stream, words)
    for at, word in enumerate(words):
        if word != "?":
            continue
        if inserted and at > words.index("values"):
            yield (inserted.pop(0), False) if words[at - 1] not in _OTHERS else (words[at - 1], False)
            continue
        before = words[at - 1] if at else ""
        if before in _OTHERS:
            yield before, False
        elif before == "in":
            yield identifier(*stream[at - 2]), True
        else:
            yield _compared(stream, at), False


def _compared(stream: list[tuple[str, str]], at: int) -> str | None:
    """Return the column before an operator, or before IN and a list of markers."""
    while at and stream[at - 1][1] in {"=", "<", ">", "!", "(", ",", "?", "+", "-"}:
        at -= 1
    if at and stream[at - 1][1].lower() == "in":
        at -= 1
    return identifier(*stream[at - 1]) if at else None


def _inserted(stream: list[tuple[str, str]], words: list[str]) -> list[str | None]:
    """Return the columns of an INSERT whose values are markers, in order."""
    if words[:1] != ["insert"] or "values" not in words:
        return []
    end = words.index("values")
    start = words.index("(")
    columns = [identifier(*token) for token in stream[start + 1 : end] if identifier(*token) is not None]
    values, depth = [], 0
    for _, word in stream[end + 2 :]:
        if word == ")" and not depth:
            break
        depth += (word in "([{") - (word in ")]}")
        if not depth or word == "?":
            values.append(word)
    given = " ".join(values).split(",")
    return [column for column, value in zip(columns, given, strict=False) if "?" in value]
