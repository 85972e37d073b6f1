"""A workload, as a contestant sees it: the kind of work, and how much of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from contestants.rows import INSERT, PAGE, READ_PART, SELECT_ROW, WRITE_PART, row, select_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["KINDS", "Work"]

#: Kinds of work, each with what the number after its name means.
KINDS = {
    "read": "one row, with so many requests in flight",
    "insert": "one row, with so many requests in flight",
    "rows": "so many rows (up to 100 with 64 requests in flight, more with one, more than 5,000 in pages)",
    "stream": "so many rows, of which few are held at a time",
    "many": "so many inserts by one call of execute_many, or what the client has for it",
    "sync": "one row, blocking, threads: so many",
    "import": "import of the client",
    "three": "one row from a cluster of three nodes, with so many requests in flight",
    "cold": "a script: import, connecting, reading one row, disconnecting",
    "connect": "connecting and reading one row, a second time in a process, so that no import is in it",
    "memory": "streaming so many rows: how far memory grows meanwhile",
}

#: Kinds for which each round is a process of its own.
FRESH = frozenset({"import", "cold", "connect", "memory"})

#: Different rows that are read and written one by one.
_KEYS = 1000
#: Rows that are held all at once when values are compared.
_HELD = 50_000
_FEW = 100
_WIDTH = 64
_CONCURRENCY = 100


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
        return self.kind if self.kind in {"import", "cold", "connect"} else f"{self.kind}-{self.number}"

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
    def nodes(self) -> int:
        """How many nodes the cluster has."""
        return 3 if self.kind == "three" else 1

    @property
    def cql(self) -> str:
        """The statement."""
        if self.kind in {"insert", "many"}:
            return INSERT
        return (
            SELECT_ROW
            if self.kind in {"read", "three", "sync", "cold", "connect"}
            else select_rows(self.number)
        )

    @property
    def width(self) -> int:
        """How many are under way at once: requests, or threads."""
        if self.kind in {"read", "three", "insert", "sync"}:
            return self.number
        return _WIDTH if self.kind == "rows" and self.number <= _FEW else 1

    @property
    def rows(self) -> int:
        """Rows that are read or written each time."""
        return self.number if self.kind in {"rows", "stream", "memory", "many"} else 1

    @property
    def one_page(self) -> bool:
        """Whether all rows fit into a page."""
        return self.number <= PAGE

    @property
    def compared(self) -> int:
        """Rows of its statement whose values are compared: all, if they may be held all at once."""
        if self.cql in {INSERT, SELECT_ROW}:
            return 0
        return min(self.number, PAGE if self.kind == "memory" else _HELD)

    @property
    def compared_cql(self) -> str:
        """The statement for comparing."""
        return select_rows(self.compared) if self.compared else self.cql

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
        numbers = self.sample if self.kind in {"read", "three", "sync"} else range(self.compared)
        return [row(READ_PART, number) for number in numbers]

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
        return [list(row(WRITE_PART, number).values()) for number in range(_KEYS)]
