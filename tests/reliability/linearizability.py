"""Check that a history of conditional writes and serial reads of one row is linearizable.

Wing and Gong's search with Lowe's memo: it looks for an order of the operations that respects real time and
in which a single copy of the row would have given each result. An operation whose outcome is unknown may take
effect at any moment after its start, or never. Rows are independent, so each has a history of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Kind", "Operation", "Outcome", "check", "first_contradiction"]

#: Orders to look at before the search gives up.
_MAX_STEPS = 500_000


class Kind(Enum):
    """What an operation asks for; None is the value of a row that isn't there."""

    #: INSERT … IF NOT EXISTS.
    INSERT = "insert"
    #: UPDATE … IF v = expected.
    UPDATE = "update"
    #: DELETE … IF v = expected.
    DELETE = "delete"
    #: SELECT at a serial consistency.
    READ = "read"


@dataclass(frozen=True)
class Outcome:
    """What the driver returned.

    Args:
        applied: Whether the condition was met; true for a read.
        value: The row's value, of a read and of a write that wasn't applied.
    """

    applied: bool
    value: int | None = None


@dataclass(frozen=True)
class Operation:
    """One request of a history.

    Args:
        kind: What it asks for.
        start: When it was called.
        end: When it returned; of an unknown outcome it means nothing.
        outcome: What it returned; None where nobody knows.
        new: The value to write.
        expected: The value of the condition.
    """

    kind: Kind
    start: float
    end: float
    outcome: Outcome | None
    new: int | None = None
    expected: int | None = None

    def apply(self, value: int | None) -> tuple[int | None, Outcome]:
        """Return the value after the operation, and what it has to return, if the row has this one before."""
        if self.kind is Kind.READ:
            return value, Outcome(applied=True, value=value)
        met = value is None if self.kind is Kind.INSERT else value is not None and value == self.expected
        if not met:
            return value, Outcome(applied=False, value=value)
        return (None if self.kind is Kind.DELETE else self.new), Outcome(applied=True)


def check(history: Sequence[Operation]) -> bool:
    """Tell whether the history is linearizable.

    Raises:
        RuntimeError: The search would take too long; nothing is known then.
    """
    known = sorted((each for each in history if each.outcome is not None), key=lambda each: each.start)
    unknown = [each for each in history if each.outcome is None and each.kind is not Kind.READ]
    return _Search(known, unknown).succeeds()


def first_contradiction(history: Sequence[Operation]) -> tuple[Operation, ...]:
    """Return the shortest beginning, by the operations' ends, that isn't linearizable; empty: there is none.

    What had begun by then counts as unknown.
    """
    ended = sorted((each for each in history if each.outcome is not None), key=lambda each: each.end)
    unknown = [each for each in history if each.outcome is None]

    def beginning(count: int) -> list[Operation]:
        begun = [
            Operation(each.kind, each.start, each.end, None, each.new, each.expected)
            for each in ended[count:]
        ]
        return [*ended[:count], *unknown, *begun]

    least, most = 0, len(ended)
    if check(history):
        return ()
    while least < most:
        middle = (least + most) // 2
        least, most = (middle + 1, most) if check(beginning(middle)) else (least, middle)
    return tuple(ended[:most])


@dataclass
class _Search:
    """A search for an order; sets of operations are the bits of a number, the known ones first."""

    known: list[Operation]
    unknown: list[Operation]

    def succeeds(self) -> bool:
        everything = (1 << len(self.known)) - 1
        seen: set[tuple[int, int | None]] = {(0, None)}
        stack: list[tuple[int, int | None]] = [(0, None)]
        while stack:
            done, value = stack.pop()
            if done & everything == everything:
                return True
            for state in self._next(done, value):
                if state not in seen:
                    seen.add(state)
                    stack.append(state)
            if len(seen) > _MAX_STEPS:
                raise RuntimeError(f"no answer after {_MAX_STEPS} orders of {len(self.known)} operations")
        return False

    def _next(self, done: int, value: int | None) -> list[tuple[int, int | None]]:
        """Return what may come next: an operation that began before the first of the others has ended."""
        # The lowest bit that isn't set: all before it are done.
        first = ((done + 1) & ~done).bit_length() - 1
        deadline = float("inf")
        candidates: list[tuple[int, Operation]] = []
        for number in range(first, len(self.known)):
            operation = self.known[number]
            if operation.start > deadline:
                break
            if not done >> number & 1:
                deadline = min(deadline, operation.end)
                candidates.append((number, operation))
        states = []
        for number, operation in enumerate(self.unknown, len(self.known)):
            after, result = operation.apply(value)
            # One that changes nothing might as well never have happened.
            if operation.start <= deadline and not done >> number & 1 and result.applied:
                states.append((done | 1 << number, after))
        for number, operation in candidates:
            after, result = operation.apply(value)
            if operation.start <= deadline and result == operation.outcome:
                states.append((done | 1 << number, after))
        return states
