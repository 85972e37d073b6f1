"""Rows on standard output: one after the other, whatever their number."""

from __future__ import annotations

import csv
import json
import sys
from itertools import chain, islice
from math import isfinite
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

__all__ = ["FORMATS"]

Row = dict[str, Any]

#: Rows whose widths decide those of a table's columns.
_MEASURED = 100

#: The widest that a column of a table is made; what is longer stands out of it.
_WIDEST = 60


def _print_json(rows: Iterable[Row]) -> None:
    """Print one JSON object to a line."""
    for row in rows:
        click.echo(json.dumps(_plain(row), ensure_ascii=False))


def _print_csv(rows: Iterable[Row]) -> None:
    """Print a line of names, then one line to a row (RFC 4180, but for the lines' ends)."""
    names: list[str] | None = None
    writer = csv.writer(sys.stdout, lineterminator="\n")
    for row in rows:
        if names is None:
            names = list(row)
            writer.writerow(names)
        writer.writerow([_text(value, null="") for value in row.values()])
    sys.stdout.flush()


def _print_table(rows: Iterable[Row]) -> None:
    """Print columns, as wide as the first rows need."""
    source = iter(rows)
    first = list(islice(source, _MEASURED))
    if not first:
        click.echo("(0 rows)")
        return
    names = list(first[0])
    cells = [[_cell(value) for value in row.values()] for row in first]
    widths = [
        min(_WIDEST, max(len(name), *(len(line[number]) for line in cells)))
        for number, name in enumerate(names)
    ]
    click.echo(_line(names, widths))
    click.echo("-+-".join("-" * width for width in widths))
    count = 0
    for line in chain(cells, ([_cell(value) for value in row.values()] for row in source)):
        click.echo(_line(line, widths))
        count += 1
    click.echo(f"({count} row{'' if count == 1 else 's'})")


#: Name → what prints the rows.
FORMATS: Mapping[str, Callable[[Iterable[Row]], None]] = {
    "table": _print_table,
    "json": _print_json,
    "csv": _print_csv,
}


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _cell(value: Any) -> str:
    """Return the value on one line, with nothing in it that a terminal would obey."""
    text = _text(value, null="null")
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def _text(value: Any, *, null: str) -> str:
    if value is None:
        return null
    plain = _plain(value)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """Return what JSON can hold: itself where that is exact, else the text that CQL has for the value."""
    for kinds, convert in _CONVERSIONS:
        if isinstance(value, kinds):
            return convert(value)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _float(value: float) -> float | str:
    return value if isfinite(value) else str(value)  # JSON has neither infinities nor NaN


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
