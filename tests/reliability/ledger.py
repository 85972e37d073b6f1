"""What each write claimed to have done, and what of it is there.

Each write leaves a trace of its own that tells how often it was applied: a row, an element of a list, a digit
of a counter. So one that was acknowledged and is missing, one that is there though an error said that nothing
was done, and one that was applied twice are all seen.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.reliability.load import Worker

from coodie import RequestOptions
from coodie.exceptions import CoodieError

if TYPE_CHECKING:
    from tests.conftest import Api

__all__ = ["Claim", "Ledger", "Write", "Writer", "create_tables"]

_GROUP = 20
#: Of a counter, each write increments a digit of its own in this base.
_BASE = 4
_NUMBERS = itertools.count()

_TABLES = (
    "plain (writer int, n int, PRIMARY KEY (writer, n))",
    "pairs (writer int, half int, n int, PRIMARY KEY ((writer, half), n))",
    "counts (writer int, grp int, c counter, PRIMARY KEY (writer, grp))",
    "lists (writer int, grp int, l list<int>, PRIMARY KEY (writer, grp))",
)


class Claim(Enum):
    """What the caller was told of a write."""

    ACKNOWLEDGED = "acknowledged"
    #: An error without `may_have_been_applied`.
    NOTHING_DONE = "nothing done"
    #: An error with it, or the caller didn't wait for the end.
    IN_DOUBT = "in doubt"


class Write(NamedTuple):
    """One write, or one of the rows of a batch."""

    kind: str
    writer: int
    n: int


def create_tables(driver: Any, keyspace: str) -> None:
    """Make the tables that writers write to."""
    for table in _TABLES:
        driver.execute(f"CREATE TABLE IF NOT EXISTS {keyspace}.{table}", [])


class Ledger:
    """The claims of all writes to one keyspace."""

    def __init__(self, keyspace: str) -> None:
        self.keyspace = keyspace
        self.claims: dict[Write, Claim] = {}
        self._errors: dict[Write, str] = {}

    def note(self, write: Write, error: BaseException | None) -> None:
        """Note what came of a write."""
        if error is None:
            self.claims[write] = Claim.ACKNOWLEDGED
            return
        doubt = not isinstance(error, CoodieError) or error.may_have_been_applied
        self.claims[write] = Claim.IN_DOUBT if doubt else Claim.NOTHING_DONE
        self._errors[write] = repr(error)

    def count(self, claim: Claim) -> int:
        """Count the writes with this claim."""
        return sum(each is claim for each in tuple(self.claims.values()))

    def lies(self, driver: Any) -> list[str]:
        """Read everything back; return what isn't as it was claimed to be."""
        applied: Counter[Write] = Counter()
        for writer in sorted({write.writer for write in self.claims}):
            applied += self._applied(driver, writer)
        found = [f"{write} is there, and nobody wrote it" for write in applied.keys() - self.claims.keys()]
        for write, claim in self.claims.items():
            times = applied[write]
            least, most = int(claim is Claim.ACKNOWLEDGED), int(claim is not Claim.NOTHING_DONE)
            if not least <= times <= most:
                found.append(f"{write}: {claim.value}, is there {times} times: {self._errors.get(write)}")
        return found

    def _applied(self, driver: Any, writer: int) -> Counter[Write]:
        """Count how often each write of a writer was applied."""
        found: Counter[Write] = Counter()
        for row in self._read(driver, "n FROM {}.plain WHERE writer = ?", writer):
            found[Write("plain", writer, row["n"])] += 1
        for half in (0, 1):
            for row in self._read(driver, f"n FROM {{}}.pairs WHERE half = {half} AND writer = ?", writer):
                found[Write(f"half {half}", writer, row["n"])] += 1
        for row in self._read(driver, "grp, l FROM {}.lists WHERE writer = ?", writer):
            found.update(Write("list", writer, n) for n in row["l"] or ())
        for row in self._read(driver, "grp, c FROM {}.counts WHERE writer = ?", writer):
            rest, n = row["c"], row["grp"] * _GROUP
            while rest:
                rest, times = divmod(rest, _BASE)
                found[Write("counter", writer, n)] += times
                n += 1
        return found

    def _read(self, driver: Any, query: str, writer: int) -> Any:
        return driver.execute(f"SELECT {query.format(self.keyspace)}", [writer], "QUORUM", 30)


class Writer(Worker):
    """Writes of all kinds, in an order that its number decides.

    Args:
        ledger: Where its claims are noted.
        timeout: Seconds for each write.
        cancels: Of how many async writes one is cancelled; 0: none.
    """

    def __init__(self, ledger: Ledger, timeout: float, *, cancels: int = 0) -> None:
        self._ledger = ledger
        self._terms: dict[str, Any] = {"consistency": "QUORUM", "timeout": timeout}
        self._cancels = cancels
        self._writer = next(_NUMBERS)
        self._rng = random.Random(self._writer)
        self._next = itertools.count()
        self._ways = (
            self._plain,
            self._text,
            self._repeated,
            self._counter,
            self._list,
            self._batch,
            self._many,
        )

    async def step(self, calls: Api) -> bool:
        """Write once."""
        started = time.monotonic()
        way, number = self._rng.choice(self._ways), next(self._next)
        writes, work = way(calls, number)
        failures: dict[int, Exception] = {}
        error: Exception | None = None
        try:
            if calls.is_async and self._cancels and self._rng.randrange(self._cancels) == 0:
                work = asyncio.wait_for(work, self._rng.random() * 0.01)
            failures = getattr(await work, "errors", {})
        except (CoodieError, TimeoutError, asyncio.TimeoutError) as exc:
            error = exc
        for index, write in enumerate(writes):
            self._ledger.note(write, error or failures.get(index))
        error = error or next(iter(failures.values()), None)
        if error is None or isinstance(error, CoodieError):  # a cancelled one isn't anybody's failure
            self.record.note(started, error)
        return error is None

    # --- each returns the traces that the write leaves, and the write ---------------------

    def _statement(self, text: str) -> str:
        return text.replace("ks.", f"{self._ledger.keyspace}.")

    def _plain(self, calls: Api, n: int) -> tuple[list[Write], Any]:
        stmt = self._statement("INSERT INTO ks.plain (writer, n) VALUES (?, ?)")
        return [Write("plain", self._writer, n)], calls.execute(stmt, [self._writer, n], **self._terms)

    def _text(self, calls: Api, n: int) -> tuple[list[Write], Any]:
        stmt = self._statement(f"INSERT INTO ks.plain (writer, n) VALUES ({self._writer}, {n})")
        return [Write("plain", self._writer, n)], calls.execute(stmt, [], **self._terms)

    def _repeated(self, calls: Api, n: int) -> tuple[list[Write], Any]:
        stmt = self._statement("INSERT INTO ks.plain (writer, n) VALUES (?, ?)")
        terms = self._terms | {"options": RequestOptions(idempotent=True)}
        return [Write("plain", self._writer, n)], calls.execute(stmt, [self._writer, n], **terms)

    def _counter(self, calls: Api, n: int) -> tuple[list[Write], Any]:
        group, digit = divmod(n, _GROUP)
        stmt = self._statement("UPDATE ks.counts SET c = c + ? WHERE writer = ? AND grp = ?")
        return [Write("counter", self._writer, n)], calls.execute(
            stmt, [_BASE**digit, self._writer, group], **self._terms
        )

    def _list(self, calls: Api, n: int) -> tuple[list[Write], Any]:
        stmt = self._statement("UPDATE ks.lists SET l = l + ? WHERE writer = ? AND grp = ?")
        params = [[n], self._writer, n // _GROUP]
        return [Write("list", self._writer, n)], calls.execute(stmt, params, **self._terms)

    def _batch(self, calls: Api, n: int) -> tuple[list[Write], Any]:
        stmt = self._statement("INSERT INTO ks.pairs (writer, half, n) VALUES (?, ?, ?)")
        items = [(stmt, [self._writer, half, n]) for half in (0, 1)]
        kind = self._rng.choice(["LOGGED", "UNLOGGED"])
        writes = [Write(f"half {half}", self._writer, n) for half in (0, 1)]
        return writes, calls.execute_batch(items, kind, **self._terms)

    def _many(self, calls: Api, n: int) -> tuple[list[Write], Any]:
        numbers = [n, *itertools.islice(self._next, 4)]
        stmt = self._statement("INSERT INTO ks.plain (writer, n) VALUES (?, ?)")
        rows = [[self._writer, each] for each in numbers]
        work = calls.execute_many(stmt, rows, raise_on_error=False, **self._terms)
        return [Write("plain", self._writer, each) for each in numbers], work
