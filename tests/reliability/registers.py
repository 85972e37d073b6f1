"""Conditional writes and serial reads of a few rows by many clients, and the history of each row."""

from __future__ import annotations

import itertools
import random
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from tests.reliability.linearizability import Kind, Operation, Outcome, first_contradiction
from tests.reliability.load import Worker

from coodie.exceptions import CoodieError

if TYPE_CHECKING:
    from tests.conftest import Api

__all__ = ["Client", "Registers"]

_INSERT = "INSERT INTO {} (k, v) VALUES (?, ?) IF NOT EXISTS"
_UPDATE = "UPDATE {} SET v = ? WHERE k = ? IF v = ?"
_DELETE = "DELETE FROM {} WHERE k = ? IF v = ?"
_READ = "SELECT v FROM {} WHERE k = ?"


class Registers:
    """Rows with one value each; every value is written by one request alone.

    Args:
        table: With the columns ``k int PRIMARY KEY, v int``.
        rows: How many rows are asked for at a time.
        length: After how many requests a row makes room for another one: long histories take long to check.
    """

    def __init__(self, table: str, rows: int = 3, length: int = 150) -> None:
        self.table = table
        self.rows = rows
        self.length = length
        self.histories: dict[int, list[Operation]] = defaultdict(list)
        #: Row → the value that somebody saw there last, of which the next condition is made.
        self.seen: dict[int, int | None] = {}
        self.values = itertools.count(1)
        self._requests = itertools.count()

    def key(self) -> int:
        """Choose a row."""
        number = next(self._requests)
        return number % self.rows + self.rows * (number // (self.rows * self.length))

    def contradictions(self) -> list[str]:
        """Return what shows that a row's history isn't linearizable, for each such row."""
        found = []
        for key, history in sorted(self.histories.items()):
            if beginning := first_contradiction(history):
                shown = "\n".join(map(str, beginning[-8:]))
                found.append(f"row {key}, after {len(beginning)} of {len(history)} requests:\n{shown}")
        return found

    def count(self, *, unknown: bool) -> int:
        """Count the requests with a known or an unknown outcome."""
        return sum(
            (each.outcome is None) is unknown for each in itertools.chain(*tuple(self.histories.values()))
        )


class Client(Worker):
    """One of the clients.

    Args:
        registers: The rows.
        timeout: Seconds for each request.
    """

    def __init__(self, registers: Registers, timeout: float) -> None:
        self._registers = registers
        self._timeout = timeout
        self._rng = random.Random(next(registers.values))

    async def step(self, calls: Api) -> bool:
        """Send one request."""
        registers = self._registers
        key = registers.key()
        expected = registers.seen.get(key)
        writes = (
            [Kind.INSERT]
            if expected is None
            else [Kind.INSERT, Kind.UPDATE, Kind.UPDATE, Kind.UPDATE, Kind.DELETE]
        )
        kind = Kind.READ if self._rng.random() < 0.25 else self._rng.choice(writes)
        new = next(registers.values)
        start = time.monotonic()
        outcome: Outcome | None = None
        error: CoodieError | None = None
        try:
            outcome = _outcome(kind, await self._ask(calls, kind, key, (expected, new)))
        except CoodieError as exc:
            error = exc
        end = time.monotonic()
        # Of what wasn't done nobody can see anything.
        if error is None or error.may_have_been_applied:
            operation = Operation(kind, start, end, outcome, new, expected)
            registers.histories[key].append(operation)
        if outcome is not None:
            left = None if kind is Kind.DELETE else new
            registers.seen[key] = left if outcome.applied and kind is not Kind.READ else outcome.value
        self.record.note(start, error)
        return error is None

    async def _ask(self, calls: Api, kind: Kind, key: int, change: tuple[int | None, int]) -> Any:
        expected, new = change
        statement, params, consistency = {
            Kind.INSERT: (_INSERT, [key, new], "QUORUM"),
            Kind.UPDATE: (_UPDATE, [new, key, expected], "QUORUM"),
            Kind.DELETE: (_DELETE, [key, expected], "QUORUM"),
            Kind.READ: (_READ, [key], "SERIAL"),
        }[kind]
        return await calls.execute(
            statement.format(self._registers.table), params, consistency, self._timeout
        )


def _outcome(kind: Kind, rows: Any) -> Outcome:
    """Return what the driver told: by `applied`, and by the row."""
    if kind is Kind.READ:
        return Outcome(applied=True, value=rows[0]["v"] if rows else None)
    assert rows.applied is rows[0]["[applied]"]
    return Outcome(applied=rows.applied, value=None if rows.applied else rows[0].get("v"))
