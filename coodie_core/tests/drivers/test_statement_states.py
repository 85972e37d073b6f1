"""The cache of prepared statements through any interleaving of those who ask, and of what befalls them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from coodie.drivers.client import statements
from coodie.drivers.client.client import StaleStatementError
from coodie.drivers.client.statements import CachedStatement, StatementCache
from coodie.exceptions import InvalidQueryError, RequestTimeoutError
from coodie.waiting import Wait

if TYPE_CHECKING:
    from collections.abc import Generator

pytestmark = [pytest.mark.extended, pytest.mark.timeout(600)]

_BATCH = "BEGIN BATCH DELETE FROM t WHERE a = 1; APPLY BATCH"
TEXTS = st.sampled_from([*(f"SELECT {column} FROM t" for column in "abcd"), _BATCH])
SIZE = 2
LIFETIME = 100.0


@dataclass(frozen=True)
class Prepared:
    """What the server made of a statement, at one of its versions."""

    cql: str
    version: int
    time: float


@dataclass
class Server:
    """A client, and the server behind it."""

    binds_by_name: bool = True
    versions: dict[str, int] = field(default_factory=dict)

    def statement_key(self, stmt: str) -> str:
        """Keep a statement under its text."""
        return stmt

    def is_current(self, prepared: Prepared) -> bool:
        """Tell whether the server's version is still that one."""
        return prepared.version == self.versions.get(prepared.cql, 0)

    def prepare(self, cql: str, now: float) -> Prepared:
        """Answer a PREPARE."""
        return Prepared(cql, self.versions.get(cql, 0), now)


@dataclass(eq=False)
class Caller:
    """One who asks for a statement: preparing, waiting for another, or done."""

    stmt: str
    steps: Generator[Any, Any, Any]
    #: What it waits for: "prepare" or a ``Wait``; None when it is done.
    effect: Any = None
    result: Any = None
    error: BaseException | None = None

    def go_on(self, error: BaseException | None = None, value: Any = None) -> None:
        """Go on to the next effect."""
        try:
            self.effect = self.steps.throw(error) if error is not None else self.steps.send(value)
        except StopIteration as end:
            self.effect, self.result = None, end.value
        except BaseException as exc:  # noqa: BLE001 - looked at by the machine
            self.effect, self.error = None, exc

    @property
    def is_preparing(self) -> bool:
        """Whether a PREPARE of its own is under way."""
        return isinstance(self.effect, str)

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for another's."""
        return isinstance(self.effect, Wait)


class CacheMachine(RuleBasedStateMachine):
    """A small cache, few texts, many who ask."""

    @initialize()
    def begin(self) -> None:
        """Begin with nothing prepared."""
        self.server = Server()
        self.cache = StatementCache(self.server, SIZE, LIFETIME)  # type: ignore[arg-type]  # has what is used
        self.now = 0.0
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(statements, "time", SimpleNamespace(monotonic=lambda: self.now))
        self.everyone: list[Caller] = []

    def teardown(self) -> None:
        """See that all end when the server answers: no one waits for nobody."""
        for _ in range(1000):
            busy = [caller for caller in self.everyone if caller.effect is not None]
            if not busy:
                break
            for caller in busy:
                if caller.is_preparing:
                    self.give(caller)
                elif caller.effect.future.done():
                    self.wake_up(caller)
        left = [caller.stmt for caller in self.everyone if caller.effect is not None]
        self.patch.undo()
        assert left == [], "they wait for nobody"

    def prepare(self, cql: str, timeout: float) -> Generator[Any, Prepared, Prepared]:
        """Send a PREPARE."""
        return (yield "prepare")

    def is_good(self, statement: CachedStatement) -> bool:
        """Tell whether a statement may be used without asking the server."""
        prepared: Prepared = statement.prepared
        return self.now <= prepared.time + LIFETIME and self.server.is_current(prepared)

    @property
    def preparing(self) -> list[Caller]:
        """Those who wait for the server."""
        return [caller for caller in self.everyone if caller.is_preparing]

    @property
    def waiting(self) -> list[Caller]:
        """Those who wait for another's statement."""
        return [caller for caller in self.everyone if caller.is_waiting and not caller.effect.future.done()]

    @property
    def woken(self) -> list[Caller]:
        """Those who waited for one that is there."""
        return [caller for caller in self.everyone if caller.is_waiting and caller.effect.future.done()]

    @property
    def prepared(self) -> list[Caller]:
        """Those who have a statement."""
        return [caller for caller in self.everyone if caller.result is not None]

    # --- what is done ---------------------------------------------------------------------

    @rule(stmt=TEXTS)
    def ask(self, stmt: str) -> None:
        """Ask for a statement: one that is there is had at once, one under way is waited for."""
        entry = self.cache._entries.get(stmt)
        caller = Caller(stmt, self.cache.get(stmt, math.inf, self.prepare))
        caller.go_on()
        self.everyone.append(caller)
        if caller.effect is None:
            assert self.is_good(caller.result)
            assert caller.result.cql == stmt
        elif entry is not None and entry.statement is None:
            assert caller.is_waiting, "it is being prepared twice"

    @rule(texts=st.lists(TEXTS, max_size=5))
    def fetch(self, texts: list[str]) -> None:
        """Ask for some statements, one after the other, with an answer at once."""
        for text in texts:
            self.ask(text)
            if self.everyone[-1].is_preparing:
                self.give(self.everyone[-1])
            self.find(text)

    @precondition(lambda self: self.preparing)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        """Let the server answer a PREPARE."""
        self.give(data.draw(st.sampled_from(self.preparing)))

    def give(self, caller: Caller) -> None:
        """Answer a caller's PREPARE."""
        caller.go_on(value=self.server.prepare(caller.stmt, self.now))
        assert caller.error is None

    @precondition(lambda self: self.preparing)
    @rule(
        data=st.data(),
        error=st.sampled_from([InvalidQueryError, RequestTimeoutError, KeyboardInterrupt, GeneratorExit]),
    )
    def fail(self, data: st.DataObject, error: type[BaseException]) -> None:
        """Let a PREPARE fail, be late or be cancelled: it isn't kept."""
        caller = data.draw(st.sampled_from(self.preparing))
        caller.go_on(error("no"))
        assert isinstance(caller.error, error)
        found = self.cache._entries.get(caller.stmt)
        assert found is None or not found.future.done() or found.statement is not None

    @precondition(lambda self: self.woken)
    @rule(data=st.data())
    def wake(self, data: st.DataObject) -> None:
        """Let one go on whose statement is there."""
        self.wake_up(data.draw(st.sampled_from(self.woken)))

    def wake_up(self, caller: Caller) -> None:
        """Wake a caller; only a refusal is an error for those who waited, too."""
        future = caller.effect.future
        error = future.exception()
        if error is None:
            caller.go_on(value=future.result())
        else:
            caller.go_on(error)
        if caller.effect is None and caller.error is None:
            assert caller.result.cql == caller.stmt
        assert caller.error is None or isinstance(caller.error, InvalidQueryError)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def lose_patience(self, data: st.DataObject) -> None:
        """Let one who waits have no more time: the others don't notice."""
        caller = data.draw(st.sampled_from(self.waiting))
        caller.go_on(caller.effect.timeout_error())
        assert isinstance(caller.error, RequestTimeoutError)
        assert not caller.error.may_have_been_applied

    @precondition(lambda self: self.prepared)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        """Prepare a statement again that the server has evicted; concurrent callers wait for it."""
        caller = data.draw(st.sampled_from(self.prepared))
        stale = StaleStatementError(caller.result.prepared)
        again = Caller(caller.stmt, self.cache.renew(stale, 1.0, lambda cql, *_: self.prepare(cql, 1.0)))
        again.go_on()
        self.everyone.append(again)
        if again.is_preparing and caller.stmt != _BATCH:
            assert self.cache._entries[caller.stmt].statement is None

    @rule(stmt=TEXTS)
    def find(self, stmt: str) -> None:
        """Look for a statement without asking."""
        found = self.cache.find(stmt)
        if found is not None:
            assert found.cql == stmt != _BATCH
            assert self.is_good(found)

    @rule(stmt=TEXTS)
    def change_schema(self, stmt: str) -> None:
        """Make a statement another one."""
        self.server.versions[stmt] = self.server.versions.get(stmt, 0) + 1
        self.find(stmt)

    @rule(seconds=st.sampled_from([LIFETIME / 2, LIFETIME + 1]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    @rule()
    def clear(self) -> None:
        """Drop all."""
        self.cache.clear()
        assert len(self.cache) == 0

    # --- what always holds ----------------------------------------------------------------

    @invariant()
    def it_is_bounded(self) -> None:
        """It has no more than its size, and those that are being prepared."""
        preparing = sum(caller.is_preparing for caller in self.everyone)
        assert len(self.cache) <= SIZE + preparing

    @invariant()
    def what_is_waited_for_is_under_way(self) -> None:
        """Who waits for a statement waits for one that somebody prepares."""
        preparing = {caller.stmt for caller in self.everyone if caller.is_preparing}
        for caller in self.everyone:
            assert not caller.is_waiting or caller.effect.future.done() or caller.stmt in preparing


def test_statements() -> None:
    """None is prepared twice at a time, none that is old is used, and nobody waits for nobody."""
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        CacheMachine, settings=settings(max_examples=100, stateful_step_count=30, deadline=None)
    )


class _Plain(Server):
    """A server whose schema stays as it is."""

    def is_current(self, prepared: object) -> bool:
        """Tell that it is."""
        return True


def _use(cache: StatementCache, texts: list[str]) -> int:
    """Use statements in turn; return how many were found."""
    before = cache.stats()

    def prepare(cql: str, timeout: float) -> Generator[Any, Any, str]:
        return cql
        yield

    for text in texts:
        if cache.find(text) is None:
            with pytest.raises(StopIteration):
                next(cache.get(text, 1.0, prepare))
    after = cache.stats()
    assert after.hits - before.hits + after.misses - before.misses == len(texts)
    assert after.size <= after.limit
    return after.hits - before.hits


def test_more_statements_in_turn_than_there_is_room() -> None:
    """One table in more keyspaces than the cache has room for: most requests find their statement."""
    cache = StatementCache(_Plain(), 1000, None)  # type: ignore[arg-type]  # has what is used
    texts = [f"SELECT v FROM tenant_{n}.t WHERE k = ?" for n in range(1200)]
    _use(cache, texts * 2)
    assert _use(cache, texts * 3) >= 0.7 * 3 * len(texts)
    assert cache.stats().evictions > 0


def test_new_statements_take_the_place_of_old_ones() -> None:
    """Statements that are used no more leave the cache to those that are."""
    cache = StatementCache(_Plain(), 100, None)  # type: ignore[arg-type]  # as above
    _use(cache, [f"SELECT v FROM old.t{n}" for n in range(100)] * 3)
    texts = [f"SELECT v FROM new.t{n}" for n in range(80)]
    _use(cache, texts * 20)
    assert _use(cache, texts) == len(texts)
