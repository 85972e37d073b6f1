"""The tables of the benchmarks: columns, statements, and rows.

All tables have the key ``part, id``, which determines a row's values, so that a client's rows can be
verified. All workloads use the table ``readings``, except those of values: each of these has a table with a
column for each value, or a column with a number of elements.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = [
    "ARROW_SIZE",
    "INSERT",
    "KEYSPACE",
    "PAGE",
    "READINGS",
    "READ_PART",
    "SELECT_ROW",
    "TABLE",
    "VALUE_KINDS",
    "WRITE_PART",
    "Column",
    "Table",
    "digest",
    "row",
    "select_rows",
    "table_of",
]

KEYSPACE = "coodie_bench"

#: The partitions for reads and for writes.
READ_PART, WRITE_PART = 1, 2

#: Rows per page, the drivers' default.
PAGE = 5000


@dataclass(frozen=True)
class Column:
    """A column of values."""

    name: str
    cql_type: str
    #: Returns the value for part and id.
    make: Callable[[int, int], Any]


@dataclass(frozen=True)
class Table:
    """A table with the key ``part, id``."""

    #: The qualified name.
    name: str
    #: The columns without the key.
    columns: tuple[Column, ...]

    @property
    def create(self) -> str:
        """The statement that creates the table."""
        columns = "".join(f"{column.name} {column.cql_type}, " for column in self.columns)
        return f"CREATE TABLE IF NOT EXISTS {self.name} (part int, id int, {columns}PRIMARY KEY (part, id))"

    @property
    def names(self) -> tuple[str, ...]:
        """All columns, in the order of statements."""
        return ("part", "id", *(column.name for column in self.columns))

    @property
    def insert(self) -> str:
        """The statement that inserts a row."""
        return (
            f"INSERT INTO {self.name} ({', '.join(self.names)}) VALUES ({', '.join('?' for _ in self.names)})"
        )

    @property
    def select_row(self) -> str:
        """The statement that reads a row."""
        return f"{self._select} AND id = ?"

    def select_rows(self, count: int) -> str:
        """Return the statement that reads the first rows of a partition."""
        return f"{self._select} LIMIT {count}"

    def row(self, part: int, number: int) -> dict[str, Any]:
        """Return the row of a key."""
        return {
            "part": part,
            "id": number,
            **{column.name: column.make(part, number) for column in self.columns},
        }

    def named(self, *cql_types: str) -> list[str]:
        """Return the names of the columns of these types."""
        return [column.name for column in self.columns if column.cql_type in cql_types]

    @property
    def _select(self) -> str:
        return f"SELECT {', '.join(self.names)} FROM {self.name} WHERE part = ?"


def _text(seed: int) -> str:
    return f"name-{seed:011d}"


def _uuid(part: int, seed: int) -> UUID:
    return UUID(int=part << 96 | 0x4000 << 64 | 0x8000 << 48 | seed)


#: The table of the stub; ``stub/rows.c`` has the same rows.
READINGS = Table(
    f"{KEYSPACE}.readings",
    (
        Column("name", "text", lambda _, number: _text(number)),
        Column("score", "double", lambda _, number: number * 0.5),
        Column("ref", "uuid", _uuid),
    ),
)

#: The size of its rows in Arrow's format: two int, text of 16 characters with its offset, double, uuid.
ARROW_SIZE = 4 + 4 + 16 + 4 + 8 + 16

TABLE, INSERT, SELECT_ROW = READINGS.name, READINGS.insert, READINGS.select_row
row, select_rows = READINGS.row, READINGS.select_rows

_EPOCH = dt.datetime(2026, 1, 1)  # noqa: DTZ001 - the drivers give naive UTC datetimes

#: Plain types, each with a function from a number to a value.
_PLAIN: dict[str, Callable[[int], Any]] = {
    "int": lambda seed: seed - 5000,
    "text": _text,
    "double": lambda seed: seed * 0.1,
    "bigint": lambda seed: seed * 2**33,
    "boolean": lambda seed: seed % 3 == 0,
    "uuid": lambda seed: _uuid(READ_PART, seed),
    "float": lambda seed: seed * 0.25,  # exact in 32 bits
    "blob": lambda seed: seed.to_bytes(16, "big"),
}
_SINGLE: dict[str, Callable[[int], Any]] = {
    "decimal": lambda seed: Decimal(seed * 100 + 25).scaleb(-2),
    "timestamp": lambda seed: _EPOCH + dt.timedelta(milliseconds=seed * 977),
}
#: Types with a number of elements: the type, and a function from a number and that count to a value.
_ELEMENTS: dict[str, tuple[Callable[[int], str], Callable[[int, int], Any]]] = {
    "list": (lambda _: "list<int>", lambda seed, count: list(range(seed, seed + count))),
    "map": (
        lambda _: "map<text, text>",
        lambda seed, count: {f"key-{index:03d}": _text(seed + index) for index in range(count)},
    ),
    "vector": (
        lambda count: f"vector<float, {count}>",
        lambda seed, count: [(seed + index) % 4096 / 4096 - 0.5 for index in range(count)],
    ),
}
_COLUMNS = "columns"
#: The kinds of work with a table each.
VALUE_KINDS = frozenset({*_SINGLE, *_ELEMENTS, _COLUMNS})


def table_of(kind: str, number: int) -> Table:
    """Return the table of a kind of work.

    Args:
        kind: One of :data:`VALUE_KINDS`; all others have :data:`READINGS`.
        number: The number of elements of the column, or of columns.
    """
    if kind not in VALUE_KINDS:
        return READINGS
    name = f"{KEYSPACE}.{kind}_{number}"
    if kind in _ELEMENTS:
        type_of, make = _ELEMENTS[kind]
        return Table(name, (Column("v", type_of(number), lambda _, key: make(key * 1000, number)),))
    makers = _PLAIN if kind == _COLUMNS else {kind: _SINGLE[kind]}
    types = list(makers)
    return Table(
        name,
        tuple(
            _column(position, types[position % len(types)], makers[types[position % len(types)]])
            for position in range(number)
        ),
    )


def _column(position: int, cql_type: str, make: Callable[[int], Any]) -> Column:
    """Return a column whose values differ from those of the others."""
    return Column(f"c{position}", cql_type, lambda _, key: make(key * 1000 + position))


def digest(rows: Iterable[dict[str, Any]]) -> str:
    """Return a checksum of rows: values, types and order, but not the order of columns and map keys."""
    made = hashlib.sha256()
    for one in rows:
        made.update(repr(_ordered(one)).encode())
    return made.hexdigest()[:16]


def _ordered(value: Any) -> Any:
    return sorted((key, _ordered(one)) for key, one in value.items()) if isinstance(value, dict) else value
