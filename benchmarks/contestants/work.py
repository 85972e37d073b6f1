"""Workloads: a kind of work and a number."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from contestants.rows import PAGE, READ_PART, VALUE_KINDS, WRITE_PART, Table, table_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["KINDS", "Setting", "Work"]

_PLURAL = "one row of N {0} columns, with 64 requests in flight"

#: Kinds of work, each with the meaning of its number N.
KINDS = {
    "read": "one row, with N requests in flight",
    "insert": "one row, with N requests in flight",
    "rows": "N rows (up to 100 with 64 requests in flight, more with one, more than 5,000 in pages)",
    "columns": "one row of N columns of eight plain types, with 64 requests in flight",
    "list": "one row with a list<int> of N elements, with 64 requests in flight",
    "map": "one row with a map<text, text> of N entries, with 64 requests in flight",
    "vector": "one row with a vector of N floats, with 64 requests in flight",
    "decimal": _PLURAL.format("decimal"),
    "timestamp": _PLURAL.format("timestamp"),
    "stream": "N rows, with few in memory at a time",
    "many": "N inserts by one call of execute_many, or the client's equivalent",
    "sync": "one row, sync, threads: N",
    "tls": "one row, with N requests in flight, encrypted",
    "rate": "one row, N times per second, even if earlier requests are in flight",
    "burst": "N concurrent requests, for one row each: memory of each",
    "sessions": "opening N clients in a process: memory of each",
    "import": "import of the client",
    "three": "one row from a cluster of three nodes, with N requests in flight",
    "cold": "a script: import, connecting, reading one row, disconnecting",
    "connect": "connecting, reading one row, disconnecting; the second time in a process, without imports",
    "memory": "streaming N rows: memory growth",
    "frame": "N rows as a pandas data frame; memory: peak growth ÷ size of the Arrow data",
}

#: Kinds with a separate process for each round.
FRESH = frozenset({"import", "cold", "connect", "memory", "frame", "burst", "sessions"})

#: Kinds without a number.
_ALONE = frozenset({"import", "cold", "connect"})
#: Kinds that read one row per request, by its key.
_KEYED = (
    frozenset({"read", "three", "sync", "tls", "rate", "burst", "sessions", "cold", "connect"}) | VALUE_KINDS
)
#: Kinds that write one row per request; kinds that read the first rows of a partition.
_WRITING = frozenset({"insert", "many"})
_READING_ROWS = frozenset({"rows", "stream", "memory", "frame"})
#: Kinds whose number is the number of concurrent requests or threads.
_WIDE = frozenset({"read", "three", "insert", "sync", "tls", "burst"})

_STUB, _REAL = "stub", "real"

#: The number of different rows for single reads and writes.
_KEYS = 1000
#: The maximum number of rows in memory when values are compared.
_MAX_COMPARED = 50_000
_FEW = 100
_WIDTH = 64
_CONCURRENCY = 100
#: The stub's maximum time for a request and for a burst, in microseconds: longer than a client needs to send
#: the requests, so that all are in flight, and less than any client's timeout.
_DELAY, _BURST = 1000, 2_000_000


@dataclass(frozen=True)
class Setting:
    """The server of a workload."""

    #: The number of nodes.
    nodes: int = 1
    #: Whether connections are encrypted.
    tls: bool = False
    #: The stub's time for each request, in microseconds; it serves requests sequentially.
    delay: int = 0


@dataclass(frozen=True)
class Work:
    """A workload: a kind of :data:`KINDS` and its number, such as "read-64"."""

    kind: str
    number: int = 1

    @classmethod
    def of(cls, name: str) -> Work:
        """Parse a workload's name.

        Raises:
            ValueError: The workload is unknown.
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
        """A description."""
        return re.sub(r"\bN\b", f"{self.number:,}", KINDS[self.kind])

    @property
    def fresh(self) -> bool:
        """Whether each round has a separate process."""
        return self.kind in FRESH

    @property
    def blocking(self) -> bool:
        """Whether it requires a sync client."""
        return self.kind == "sync"

    @property
    def servers(self) -> tuple[str, ...]:
        """The possible servers, "stub" and "real", the best one first."""
        if self.kind in {*VALUE_KINDS, "tls", "rate"}:
            return (_REAL,)
        return (_STUB,) if self.kind == "three" else (_STUB, _REAL)

    @property
    def setting(self) -> Setting:
        """The settings of its server."""
        return Setting(
            nodes=3 if self.kind == "three" else 1,
            tls=self.kind == "tls",
            delay=min(_DELAY, _BURST // self.number) if self.kind == "burst" else 0,
        )

    @property
    def rounds(self) -> int:
        """The default number of rounds: fewer if a round takes long or hardly varies."""
        return 3 if self.kind in {"memory", "frame", "burst", "sessions", "many", "stream"} else 5

    @property
    def rate(self) -> int:
        """Requests per second; 0: the next request waits for an earlier one."""
        return self.number if self.kind == "rate" else 0

    @property
    def table(self) -> Table:
        """The table."""
        return self._table

    @property
    def cql(self) -> str:
        """The statement."""
        if self.kind in _WRITING:
            return self.table.insert
        return self.table.select_rows(self.number) if self.kind in _READING_ROWS else self.table.select_row

    @property
    def keyed(self) -> bool:
        """Whether it reads one row per request, by its key."""
        return self.kind in _KEYED

    @property
    def writing(self) -> bool:
        """Whether it writes rows."""
        return self.kind in _WRITING

    @property
    def streaming(self) -> bool:
        """Whether it streams rows, with few in memory."""
        return self.kind in {"stream", "memory"}

    @property
    def width(self) -> int:
        """The number of concurrent requests or threads."""
        if self.kind in _WIDE:
            return self.number
        few_rows = self.kind == "rows" and self.number <= _FEW
        return _WIDTH if few_rows or self.kind in VALUE_KINDS else 1

    @property
    def rows(self) -> int:
        """The number of rows per operation."""
        return self.number if self.kind in {*_READING_ROWS, "many"} else 1

    @property
    def stored(self) -> int:
        """The required number of rows in the table."""
        return max(_KEYS, self.number if self.kind in _READING_ROWS else 0)

    @property
    def one_page(self) -> bool:
        """Whether all rows fit in a page."""
        return self.number <= PAGE

    @property
    def compared(self) -> int:
        """The number of rows whose values are compared: all, if they fit in memory."""
        if self.kind not in _READING_ROWS:
            return 0
        return min(self.number, PAGE if self.kind in {"memory", "frame"} else _MAX_COMPARED)

    @property
    def compared_cql(self) -> str:
        """The statement for the comparison."""
        return self.table.select_rows(self.compared) if self.compared else self.cql

    @property
    def keys(self) -> int:
        """The number of different rows for single reads and writes."""
        return _KEYS

    @property
    def concurrency(self) -> int:
        """The number of requests in flight, if the client controls it."""
        return _CONCURRENCY

    @property
    def sample(self) -> range:
        """The keys of the rows whose values are compared."""
        return range(0, _KEYS, 9)

    def expected(self) -> list[dict[str, Any]]:
        """Return the expected rows of the comparison."""
        numbers = self.sample if self.keyed else range(self.compared)
        return [self.table.row(READ_PART, number) for number in numbers]

    def expect(self, count: int, identities: int | None = None) -> None:
        """Check the number of rows and the sum of their ids.

        Raises:
            AssertionError: They differ.
        """
        if count != self.number or identities not in {None, self.number * (self.number - 1) // 2}:
            raise AssertionError(f"{self.name}: {count} rows, the sum of their ids {identities}")

    def values(self) -> list[list[Any]]:
        """Return the values of rows for single writes."""
        return self._values

    def many(self) -> Iterator[list[Any]]:
        """Generate the values of many rows."""
        return (self._values[number % _KEYS] for number in range(self.number))

    @cached_property
    def _values(self) -> list[list[Any]]:
        return [list(self.table.row(WRITE_PART, number).values()) for number in range(_KEYS)]

    @cached_property
    def _table(self) -> Table:
        return table_of(self.kind, self.number)
