"""A workload, as a contestant sees it: the kind of work, and how much of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from contestants.rows import PAGE, READ_PART, VALUE_KINDS, WRITE_PART, Table, table_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["KINDS", "Setting", "Work"]

_PLURAL = "one row of so many {0} columns, with 64 requests in flight"

#: Kinds of work, each with what the number after its name means.
KINDS = {
    "read": "one row, with so many requests in flight",
    "insert": "one row, with so many requests in flight",
    "rows": "so many rows (up to 100 with 64 requests in flight, more with one, more than 5,000 in pages)",
    "columns": "one row of so many columns of eight plain types, with 64 requests in flight",
    "list": "one row with a list<int> of so many elements, with 64 requests in flight",
    "map": "one row with a map<text, text> of so many entries, with 64 requests in flight",
    "vector": "one row with a vector of so many floats, with 64 requests in flight",
    "decimal": _PLURAL.format("decimal"),
    "timestamp": _PLURAL.format("timestamp"),
    "stream": "so many rows, of which few are held at a time",
    "many": "so many inserts by one call of execute_many, or what the client has for it",
    "sync": "one row, blocking, threads: so many",
    "tls": "one row, with so many requests in flight, encrypted",
    "rate": "one row, so many times per second, whether or not earlier requests have ended",
    "burst": "so many requests at once, for one row each: memory that they take",
    "sessions": "opening so many clients in a process: memory of each",
    "import": "import of the client",
    "three": "one row from a cluster of three nodes, with so many requests in flight",
    "cold": "a script: import, connecting, reading one row, disconnecting",
    "connect": "connecting, reading one row, disconnecting; a second time in a process, without imports",
    "memory": "streaming so many rows: how far memory grows meanwhile",
    "frame": "so many rows as a pandas data frame; memory: its growth up to the peak ÷ the Arrow data",
}

#: Kinds for which each round is a process of its own.
FRESH = frozenset({"import", "cold", "connect", "memory", "frame", "burst", "sessions"})

#: Kinds without a number.
_ALONE = frozenset({"import", "cold", "connect"})
#: Kinds that read one row at a time, by its key.
_KEYED = (
    frozenset({"read", "three", "sync", "tls", "rate", "burst", "sessions", "cold", "connect"}) | VALUE_KINDS
)
#: Kinds that write one row at a time, and that read the first rows of a partition.
_WRITING = frozenset({"insert", "many"})
_READING_ROWS = frozenset({"rows", "stream", "memory", "frame"})
#: Kinds whose number is that of requests, or threads, under way at once.
_WIDE = frozenset({"read", "three", "insert", "sync", "tls", "burst"})

_STUB, _REAL = "stub", "real"

#: Different rows that are read and written one by one.
_KEYS = 1000
#: Rows that are held all at once when values are compared.
_HELD = 50_000
_FEW = 100
_WIDTH = 64
_CONCURRENCY = 100
#: Microseconds that the stub takes for a request and for a whole burst, at most: longer than a client takes
#: to send them, so that they are in flight at once, and less than the timeout of any client.
_DELAY, _BURST = 1000, 2_000_000


@dataclass(frozen=True)
class Setting:
    """The server that a workload needs."""

    #: Nodes of the cluster.
    nodes: int = 1
    #: Whether connections are encrypted.
    tls: bool = False
    #: The time that the stub takes for each request, one after the other, in microseconds.
    delay: int = 0


@dataclass(frozen=True)
class Work:
    """One workload: a kind of :data:`KINDS` and its number, written "read-64"."""

    kind: str
    number: int = 1

    @classmethod
    def of(cls, name: str) -> Work:
        """Read a workload's name.

        Raises:
            ValueError: There is no such workload.
        """
        kind, dash, number = name.partition("-")
        if kind not in KINDS or (dash and not number.isdecimal()) or number.startswith("0"):
            kinds = ", ".join(KINDS)
            raise ValueError(f"no workload {name!r}: write one of {kinds}, most with a number: read-64")
        return cls(kind, int(number or 1))

    @property
    def name(self) -> str:
        """Its name."""
        return self.kind if self.kind in _ALONE else f"{self.kind}-{self.number}"

    @property
    def meaning(self) -> str:
        """What it is, in words."""
        return KINDS[self.kind].replace("so many", f"{self.number:,}")

    @property
    def fresh(self) -> bool:
        """Whether each round is a process of its own."""
        return self.kind in FRESH

    @property
    def blocking(self) -> bool:
        """Whether it is for sync interfaces."""
        return self.kind == "sync"

    @property
    def servers(self) -> tuple[str, ...]:
        """The servers that it can be done with, the one that suits it best first: "stub", "real"."""
        if self.kind in {*VALUE_KINDS, "tls", "rate"}:
            return (_REAL,)
        return (_STUB,) if self.kind == "three" else (_STUB, _REAL)

    @property
    def setting(self) -> Setting:
        """The server that it needs."""
        return Setting(
            nodes=3 if self.kind == "three" else 1,
            tls=self.kind == "tls",
            delay=min(_DELAY, _BURST // self.number) if self.kind == "burst" else 0,
        )

    @property
    def rounds(self) -> int:
        """Rounds by default: fewer where one takes long or hardly varies."""
        return 3 if self.kind in {"memory", "frame", "burst", "sessions", "many", "stream"} else 5

    @property
    def rate(self) -> int:
        """Requests per second; 0 where the next one waits for an earlier one."""
        return self.number if self.kind == "rate" else 0

    @property
    def table(self) -> Table:
        """The table whose rows are read or written."""
        return self._table

    @property
    def cql(self) -> str:
        """The statement."""
        if self.kind in _WRITING:
            return self.table.insert
        return self.table.select_rows(self.number) if self.kind in _READING_ROWS else self.table.select_row

    @property
    def keyed(self) -> bool:
        """Whether it reads one row at a time, by its key."""
        return self.kind in _KEYED

    @property
    def writing(self) -> bool:
        """Whether it writes rows."""
        return self.kind in _WRITING

    @property
    def streaming(self) -> bool:
        """Whether few of its rows are held at a time."""
        return self.kind in {"stream", "memory"}

    @property
    def width(self) -> int:
        """How many are under way at once: requests, or threads."""
        if self.kind in _WIDE:
            return self.number
        few_rows = self.kind == "rows" and self.number <= _FEW
        return _WIDTH if few_rows or self.kind in VALUE_KINDS else 1

    @property
    def rows(self) -> int:
        """Rows that are read or written each time."""
        return self.number if self.kind in {*_READING_ROWS, "many"} else 1

    @property
    def stored(self) -> int:
        """Rows that have to be in the table."""
        return max(_KEYS, self.number if self.kind in _READING_ROWS else 0)

    @property
    def one_page(self) -> bool:
        """Whether all rows fit into a page."""
        return self.number <= PAGE

    @property
    def compared(self) -> int:
        """Rows of its statement whose values are compared: all, if they may be held all at once."""
        if self.kind not in _READING_ROWS:
            return 0
        return min(self.number, PAGE if self.kind in {"memory", "frame"} else _HELD)

    @property
    def compared_cql(self) -> str:
        """The statement for comparing."""
        return self.table.select_rows(self.compared) if self.compared else self.cql

    @property
    def keys(self) -> int:
        """Different rows that are read and written one by one."""
        return _KEYS

    @property
    def concurrency(self) -> int:
        """Requests in flight where the client makes many itself."""
        return _CONCURRENCY

    @property
    def sample(self) -> range:
        """Keys of the rows whose values are compared."""
        return range(0, _KEYS, 9)

    def expected(self) -> list[dict[str, Any]]:
        """Return the rows that are read to compare their values."""
        numbers = self.sample if self.keyed else range(self.compared)
        return [self.table.row(READ_PART, number) for number in numbers]

    def expect(self, count: int, identities: int | None = None) -> None:
        """Check how many rows there were and the sum of their ids.

        Raises:
            AssertionError: Not as many as there should be, or others.
        """
        if count != self.number or identities not in {None, self.number * (self.number - 1) // 2}:
            raise AssertionError(f"{self.name}: {count} rows, the sum of their ids {identities}")

    def values(self) -> list[list[Any]]:
        """Return the values of the rows that are written one by one."""
        return self._values

    def many(self) -> Iterator[list[Any]]:
        """Draw the values of many rows."""
        return (self._values[number % _KEYS] for number in range(self.number))

    @cached_property
    def _values(self) -> list[list[Any]]:
        return [list(self.table.row(WRITE_PART, number).values()) for number in range(_KEYS)]

    @cached_property
    def _table(self) -> Table:
        return table_of(self.kind, self.number)
