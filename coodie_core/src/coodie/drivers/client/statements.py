"""The prepared statements of a driver: a bounded cache, and one PREPARE for all who ask at once."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from coodie.cql import Kind, StatementShape, inspect_statement, with_positional_markers
from coodie.exceptions import RequestTimeoutError
from coodie.waiting import Wait

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from coodie.drivers.client.client import Client, StaleStatementError
    from coodie.effects import Steps

__all__ = ["CachedStatement", "StatementCache"]


class _AbandonedError(Exception):
    """The one who was preparing was cancelled or had no more time; another has to."""


@dataclass(slots=True, eq=False)
class CachedStatement:
    """A prepared statement.

    Attributes:
        cql: The text that was prepared.
        shape: Its kind and table.
        is_recognised: Whether it starts as CQL does.
        prepared: What the client made of it.
    """

    cql: str
    shape: StatementShape
    is_recognised: bool
    prepared: Any


class _Entry:
    """A statement that is prepared, or about to be.

    Args:
        until: When it is to be prepared again, on the monotonic clock.
    """

    __slots__ = ("future", "statement", "until")

    def __init__(self, until: float) -> None:
        self.future: Future[CachedStatement] = Future()
        #: None while it is being prepared.
        self.statement: CachedStatement | None = None
        self.until = until


class StatementCache:
    """The prepared statements of one client.

    Args:
        client: Prepares them, and knows which of them still are what the server has.
        size: How many are kept, the last used ones.
        lifetime: Seconds after which one is prepared again; None for never.
    """

    def __init__(self, client: Client, size: int, lifetime: float | None) -> None:
        self._client = client
        self._size = size
        self._lifetime = math.inf if lifetime is None else lifetime
        self._lock = threading.Lock()
        #: Also those being prepared: each has a future that the one who came first completes.
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, stmt: str) -> CachedStatement | None:
        """Return the statement if it is here and still good."""
        key = self._client.statement_key(stmt)
        entry = self._entries.get(key)
        if entry is None:
            return None
        statement = entry.statement
        if statement is None or (entry.until != math.inf and time.monotonic() > entry.until):
            return None
        if not self._client.is_current(statement.prepared):
            return None
        # Which one was used last matters only where one is to be dropped before long.
        if 2 * len(self._entries) >= self._size:
            with self._lock:
                if self._entries.get(key) is entry:
                    self._entries.move_to_end(key)
        return statement

    def _is_over(self, entry: _Entry) -> bool:
        """Tell whether a statement has to be prepared again; one that is being prepared hasn't."""
        if entry.statement is None:
            return False
        if entry.until != math.inf and time.monotonic() > entry.until:
            return True
        return not self._client.is_current(entry.statement.prepared)

    def get(self, stmt: str, timeout: float, prepare: Callable[[str], Steps[Any]]) -> Steps[CachedStatement]:
        """Return the statement, from here or from the server.

        Args:
            stmt: The CQL text.
            timeout: Seconds to wait for another caller who prepares it.
            prepare: Has the server prepare a text; called for the first who asks.
        """
        key = self._client.statement_key(stmt)
        while True:
            with self._lock:
                entry = self._entries.get(key)
                if entry is None or self._is_over(entry):
                    ours = self._started(key, stmt)
                    break
                self._entries.move_to_end(key)
            try:
                return (yield from _outcome(entry, stmt, timeout))
            except _AbandonedError:
                continue
        return (yield from self._fill(key, ours, stmt, prepare))

    def renew(
        self,
        stale: StaleStatementError,
        timeout: float,
        prepare_again: Callable[[str, StaleStatementError, float], Steps[Any]],
    ) -> Steps[None]:
        """Have a statement prepared again that the server doesn't know any more; all who ask wait for that.

        Args:
            stale: What the client raised, with what ``prepare`` returned for the statement.
            timeout: Seconds to wait.
            prepare_again: ``Client.prepare_again``.
        """
        with self._lock:
            for key, entry in self._entries.items():  # noqa: B007 - used after the loop
                known = entry.statement
                if known is not None and known.prepared is stale.prepared:
                    break
            else:
                return  # another renews it already, or has done so
            ours = self._started(key, known.cql)
        yield from self._fill(key, ours, known.cql, lambda cql: prepare_again(cql, stale, timeout))

    def _started(self, key: Hashable, stmt: str) -> _Entry:
        """Return a new entry for a statement that is about to be prepared; with the lock held."""
        entry = _Entry(time.monotonic() + self._lifetime)
        # A batch as one text is as good as never seen again.
        if inspect_statement(stmt).kind is not Kind.BATCH:
            self._entries.pop(key, None)
            self._entries[key] = entry
        return entry

    def _fill(
        self, key: Hashable, entry: _Entry, stmt: str, prepare: Callable[[str], Steps[Any]]
    ) -> Steps[CachedStatement]:
        """Prepare for all who wait for the entry."""
        cql = stmt if self._client.binds_by_name else with_positional_markers(stmt)[0]
        try:
            prepared = yield from prepare(cql)
        except BaseException as exc:
            with self._lock:
                if self._entries.get(key) is entry:
                    del self._entries[key]
            # Others have not asked for a cancellation, and have timeouts of their own.
            is_theirs = isinstance(exc, Exception) and not isinstance(exc, RequestTimeoutError)
            entry.future.set_exception(exc if is_theirs else _AbandonedError())
            raise
        shape = inspect_statement(stmt)
        is_recognised = shape.kind is not Kind.WRITE or shape.table is not None
        entry.statement = CachedStatement(cql, shape, is_recognised, prepared)
        entry.future.set_result(entry.statement)
        with self._lock:
            while len(self._entries) > self._size:
                self._entries.popitem(last=False)
        return entry.statement

    def clear(self) -> None:
        """Drop all statements; those being prepared are not kept."""
        with self._lock:
            self._entries.clear()


def _outcome(entry: _Entry, stmt: str, timeout: float) -> Steps[CachedStatement]:
    """Wait for a statement that another caller has prepared."""

    def timeout_error() -> RequestTimeoutError:
        message = f"The server didn't prepare the statement within {timeout:g} s."
        return RequestTimeoutError(message, statement=stmt, timeout=timeout, may_have_been_applied=False)

    future = entry.future
    return future.result() if future.done() else (yield Wait(future, timeout, timeout_error))
