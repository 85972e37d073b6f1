"""Print rows on standard output, one by one, with constant memory."""

from __future__ import annotations

import json
import re
import sys
from datetime import datetime, timezone
from itertools import chain, islice
from math import isfinite
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any, Protocol

import click
from rich.cells import cell_len, set_cell_size

from coodie.exceptions import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

__all__ = ["FORMATS", "escaped"]

Row = dict[str, Any]

#: The number of first rows that determine the widths of a table's columns.
_MEASURED = 100

#: The maximum width of a table's column that isn't on a terminal; longer values overflow.
_WIDEST = 60

#: The minimum width of a table's column on a terminal, unless its values are shorter.
_NARROWEST = 8

_HINT = "Cut to the terminal's width. For whole values: --json, or pipe the table into less -S."

#: Characters that require a CSV field to be quoted (RFC 4180, section 2).
_SPECIAL = re.compile('[",\r\n]')


class _Print(Protocol):
    """Print rows; ``columns`` are the columns' names, which are needed for a result without rows."""

    def __call__(self, rows: Iterable[Row], columns: Sequence[str] = ()) -> None: ...


def _print_json(rows: Iterable[Row], columns: Sequence[str] = ()) -> None:  # noqa: ARG001 - as the others
    """Print one JSON object per line."""
    for row in rows:
        click.echo(_invisible_escaped(json.dumps(_plain(row), ensure_ascii=False)))


def _print_csv(rows: Iterable[Row], columns: Sequence[str] = ()) -> None:
    """Print a line of names, then one line per row (RFC 4180, except for the line ends)."""
    names, lines = _split(rows, columns)
    for line in chain([names] if names else [], lines):
        sys.stdout.write(",".join(map(_field, line)) + "\n")
    sys.stdout.flush()


def _print_table(rows: Iterable[Row], columns: Sequence[str] = ()) -> None:
    """Print columns, with the widths of the first rows; on a terminal, no line is longer than it is wide."""
    names, lines = _split(rows, columns)
    head = [escaped(name) for name in names]
    source = ([_cell(value) for value in line] for line in lines)
    first = list(islice(source, _MEASURED))
    widths = [
        max(_width(name), *(_width(line[number]) for line in first), 0) for number, name in enumerate(head)
    ]
    table = _Table(widths, get_terminal_size().columns if sys.stdout.isatty() else None)
    if names:
        click.echo(table.line(head))
        click.echo(table.rule())
    count = 0
    for line in chain(first, source):
        click.echo(table.line(line))
        count += 1
    click.echo(f"({count} row{'' if count == 1 else 's'})")
    if table.is_cut:
        click.secho(_HINT, err=True, dim=True)


class _Table:
    """The lines of a table.

    Args:
        widths: The width of each column's longest value.
        room: The maximum width of a line; None for no limit, where values may be longer than their column.
    """

    def __init__(self, widths: Sequence[int], room: int | None) -> None:
        self._room = room
        limit = _WIDEST if room is None else _limit(widths, room - len(" | ") * (len(widths) - 1))
        self._widths = [min(limit, width) for width in widths]
        #: Whether a value was cut.
        self.is_cut = False

    def line(self, cells: Sequence[str]) -> str:
        """Return a row."""
        return self._fitted(" | ".join(map(self._padded, cells, self._widths)).rstrip())

    def rule(self) -> str:
        """Return the line below the names."""
        return self._fitted("-+-".join("-" * width for width in self._widths))

    def _padded(self, cell: str, width: int) -> str:
        length = _width(cell)
        if length > width and self._room is not None:
            return self._cut(cell, width)
        return cell + " " * (width - length)

    def _fitted(self, line: str) -> str:
        is_whole = self._room is None or _width(line) <= self._room
        return line if is_whole else self._cut(line, self._room or 0)

    def _cut(self, text: str, width: int) -> str:
        self.is_cut = True
        return set_cell_size(text, width - 1) + "…"


def _width(text: str) -> int:
    """Return the number of a terminal's columns that a text takes."""
    return len(text) if text.isascii() else cell_len(text)


def _limit(widths: Sequence[int], room: int) -> int:
    """Return the largest width of a column with which all columns fit; at least that of a short value."""
    limit = max(widths, default=0)
    while limit > _NARROWEST and sum(min(limit, width) for width in widths) > room:
        limit -= 1
    return limit


#: The functions that print rows, by the format's name.
FORMATS: Mapping[str, _Print] = {
    "table": _print_table,
    "json": _print_json,
    "csv": _print_csv,
}


def _split(rows: Iterable[Row], columns: Sequence[str]) -> tuple[list[str], Iterator[Iterable[Any]]]:
    """Return the names of the columns, and the values of each row in the same order.

    Raises:
        RequestError: A row has other columns than the first.
    """
    source = iter(rows)
    first = next(source, None)
    names = list(columns if first is None else first)
    known = set(names)

    def values() -> Iterator[Iterable[Any]]:
        for row in chain([] if first is None else [first], source):
            if row.keys() != known:
                message = "The columns changed between two pages."
                raise RequestError(message, hint="Run the query again.")
            yield [row[name] for name in names]

    return names, values()


def _cell(value: Any) -> str:
    """Return the value on one line; the text "null" is quoted."""
    text = _text(value, null="null")
    if isinstance(value, str) and (text == "null" or text.startswith('"')):
        text = json.dumps(text, ensure_ascii=False)
    return escaped(text)


def _invisible_escaped(text: str) -> str:
    """Escape what a terminal may act on, as JSON; such characters are only inside strings."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else json.dumps(sign)[1:-1] for sign in text)


def escaped(text: str) -> str:
    """Escape control characters."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def _field(value: Any) -> str:
    """Return the value as a field of CSV: null is empty, an empty text is quoted (PostgreSQL's COPY)."""
    text = _text(value, null="")
    if _SPECIAL.search(text) or (not text and value is not None):
        return '"' + text.replace('"', '""') + '"'
    return text


def _text(value: Any, *, null: str) -> str:
    if value is None:
        return null
    plain = _plain(value)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """Return a value for JSON: the value itself if that is exact, or else its text in CQL."""
    for kinds, convert in _CONVERSIONS:
        if isinstance(value, kinds):
            return convert(value)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _float(value: float) -> float | str:
    return value if isfinite(value) else str(value)  # JSON has neither infinities nor NaN


def _moment(value: datetime) -> str:
    """Return a timestamp with its time zone; naive ones are UTC."""
    return (value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value).isoformat()


def _hex(value: bytes) -> str:
    return f"0x{bytes(value).hex()}"


def _mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    return {_text(key, null="null"): _plain(item) for key, item in value.items()}


def _array(value: Sequence[Any]) -> list[Any]:
    return [_plain(item) for item in value]


def _set(value: Iterable[Any]) -> list[Any]:
    return list(_ordered(value))


def _itself(value: Any) -> Any:
    return value


_CONVERSIONS: tuple[tuple[tuple[type, ...], Callable[[Any], Any]], ...] = (
    ((bool, int, str, type(None)), _itself),
    ((float,), _float),
    ((datetime,), _moment),
    ((bytes, bytearray, memoryview), _hex),
    ((dict,), _mapping),
    ((list, tuple), _array),
    ((set, frozenset), _set),
)


def _ordered(values: Iterable[Any]) -> Iterator[Any]:
    try:
        yield from (_plain(value) for value in sorted(values))
    except TypeError:
        yield from sorted((_plain(value) for value in values), key=str)
