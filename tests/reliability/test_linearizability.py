"""The checker of histories: it takes the good ones, and finds what is wrong with the bad ones."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from tests.reliability.linearizability import Kind, Operation, Outcome, check, first_contradiction

APPLIED = Outcome(applied=True)


def insert(start: float, end: float, new: int, outcome: Outcome | None = APPLIED) -> Operation:
    """INSERT … IF NOT EXISTS."""
    return Operation(Kind.INSERT, start, end, outcome, new)


def update(start: float, end: float, change: tuple[int, int], outcome: Outcome | None = APPLIED) -> Operation:
    """UPDATE … IF v = the first."""
    return Operation(Kind.UPDATE, start, end, outcome, change[1], change[0])


def delete(start: float, end: float, expected: int, outcome: Outcome | None = APPLIED) -> Operation:
    """DELETE … IF v = expected."""
    return Operation(Kind.DELETE, start, end, outcome, None, expected)


def read(start: float, end: float, value: int | None) -> Operation:
    """SELECT."""
    return Operation(Kind.READ, start, end, Outcome(applied=True, value=value))


def refused(value: int | None) -> Outcome:
    """Return what a write returns whose condition the row with this value doesn't meet."""
    return Outcome(applied=False, value=value)


GOOD = {
    "empty": [],
    "one after the other": [
        insert(0, 1, 1), update(2, 3, (1, 2)), read(4, 5, 2), delete(6, 7, 2), read(8, 9, None),
    ],
    "two inserts at once": [insert(0, 5, 1, refused(2)), insert(0, 5, 2)],
    "a read beside a write sees the old value": [
        insert(0, 1, 1), update(2, 9, (1, 2)), read(3, 4, 1), read(5, 6, 2),
    ],
    "unknown, and never applied": [insert(0, 1, 1), update(2, 3, (1, 2), None), read(4, 5, 1)],
    "unknown, and applied": [insert(0, 1, 1), update(2, 3, (1, 2), None), read(4, 5, 2)],
    "unknown, and applied much later": [
        insert(0, 1, 1), update(2, 3, (1, 2), None), read(4, 5, 1), read(6, 7, 1), read(8, 9, 2),
    ],
    "refused by an unknown one": [insert(0, 1, 1, None), insert(2, 3, 2, refused(1)), update(4, 5, (1, 3))],
    "an update of a row that isn't there": [update(0, 1, (7, 8), refused(None)), insert(2, 3, 1)],
    "the end at the moment of the next start": [insert(0, 1, 1), read(1, 2, None), read(3, 4, 1)],
}  # fmt: skip

BAD = {
    "lost": [insert(0, 1, 1), read(2, 3, None)],
    "two winners": [insert(0, 5, 1), insert(0, 5, 2)],
    "two winners of one value": [insert(0, 1, 1), update(2, 9, (1, 2)), update(2, 9, (1, 3))],
    "stale": [insert(0, 1, 1), update(2, 3, (1, 2)), read(4, 5, 1)],
    "back in time": [insert(0, 1, 1), update(2, 9, (1, 2)), read(3, 4, 2), read(5, 6, 1)],
    "out of nothing": [insert(0, 1, 1), read(2, 3, 9)],
    "refused by itself: sent twice": [insert(0, 1, 1), update(2, 3, (1, 2), refused(2)), read(4, 5, 2)],
    "not applied, and said to be": [insert(0, 1, 1), update(2, 3, (1, 2)), read(4, 5, 1)],
    "applied, and said not to be": [insert(0, 1, 1), update(2, 3, (1, 2), refused(1)), read(4, 5, 2)],
    "unknown, and applied twice": [
        insert(0, 1, 1), update(2, 3, (1, 2), None), read(4, 5, 2), update(6, 7, (2, 1)), read(8, 9, 1),
        read(10, 11, 2),
    ],
    "unknown, and applied before it began": [insert(0, 1, 1), read(2, 3, 2), update(4, 5, (1, 2), None)],
    "refused although the condition was met": [insert(0, 1, 1), update(2, 3, (1, 2), refused(1))],
    "deleted, and still there": [insert(0, 1, 1), delete(2, 3, 1), read(4, 5, 1)],
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_good_histories(name: str) -> None:
    """A history that one copy of the row could have given is linearizable, in whatever order it is noted."""
    for seed in range(5):
        history = random.Random(seed).sample(GOOD[name], len(GOOD[name]))
        assert check(history)
        assert first_contradiction(history) == ()


@pytest.mark.parametrize("name", BAD)
def test_bad_histories(name: str) -> None:
    """Any other isn't, and the shortest beginning that shows it is found."""
    history = BAD[name]
    assert not check(history)
    found = first_contradiction(history)
    assert found
    assert set(found) <= set(history)


def simulated(seed: int, count: int, clients: int) -> list[Operation]:
    """Let clients work on one row, each operation taking effect somewhere between its start and its end."""
    rng = random.Random(seed)
    free = [0.0] * clients
    plans = []
    for new in range(1, count + 1):
        client = rng.randrange(clients)
        start = free[client] + rng.random()
        moment = start + rng.random()
        free[client] = moment + rng.random()
        plans.append((moment, start, free[client], rng.choice(list(Kind)), new))
    value: int | None = None
    history = []
    for moment, start, end, kind, new in sorted(plans):
        expected = rng.choice([value, value, rng.randint(1, count)])
        operation = Operation(kind, start, end, None, new, expected)
        unknown = kind is not Kind.READ and rng.random() < 0.15
        late = unknown and rng.random() < 0.3
        if not late:  # else it is never applied
            value, outcome = operation.apply(value)
            operation = replace(operation, outcome=None if unknown else outcome)
        history.append(operation)
        assert start <= moment <= end
    return history


@pytest.mark.parametrize("seed", range(8))
def test_simulated_histories(seed: int) -> None:
    """A hundred operations of eight clients are judged; one result that is told wrong is found."""
    history = simulated(seed, count=100, clients=8)
    assert check(history)
    rng = random.Random(seed)
    reads = [index for index, each in enumerate(history) if each.kind is Kind.READ]
    index = rng.choice(reads)
    history[index] = replace(history[index], outcome=Outcome(applied=True, value=-1))
    assert not check(history)
    assert history[index] in first_contradiction(history)
