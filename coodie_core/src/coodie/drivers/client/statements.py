"""The statement cache: bounded, with one PREPARE for concurrent requests of the same statement."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from coodie._points import point
from coodie.cql import Kind, StatementShape, inspect_statement, with_positional_markers
from coodie.exceptions import RequestTimeoutError
from coodie.waiting import Wait

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from coodie.drivers.client.client import Client, StaleStatementError
    from coodie.effects import Steps
    from coodie.observers.stats import StatementStats

__all__ = ["CachedStatement", "StatementCache"]


#: A statement is in use if it was used in the last lookups, this many times the cache's size.
_IN_USE = 4


class _AbandonedError(Exception):
    """The caller that was preparing was cancelled or timed out; another one has to prepare."""


@dataclass(slots=True, eq=False)
class CachedStatement:
    """A prepared statement.

    Attributes:
        cql: The prepared text.
        shape: The statement's kind and table.
        is_recognised: Whether it starts with a CQL keyword.
        prepared: The result of ``Client.prepare``.
    """

    cql: str
    shape: StatementShape
    is_recognised: bool
    prepared: Any


class _Entry:
    """A cache entry: a prepared statement, or one being prepared.

    Args:
        until: When it expires, on the monotonic clock.
    """

    __slots__ = ("future", "statement", "until", "used_at")

    def __init__(self, until: float) -> None:
        self.future: Future[CachedStatement] = Future()
        #: None while it is being prepared.
        self.statement: CachedStatement | None = None
        self.until = until
        #: The number of lookups at its last use, as far as the order of use is maintained.
        self.used_at = 0


class StatementCache:
    """The prepared statements of one client.

    Args:
        client: Prepares statements, and knows whether they are current.
        size: The maximum number of statements; the least recently used ones are evicted, or new
            ones if all are in use.
        lifetime: Seconds after which a statement is prepared again; None for never.
    """

    def __init__(self, client: Client, size: int, lifetime: float | None) -> None:
        self._client = client
        self._size = size
        self._lifetime = math.inf if lifetime is None else lifetime
        self._lock = threading.Lock()
        #: Includes statements being prepared: the first caller completes the entry's future.
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        # Counted without the lock in ``find``: two threads may count one hit.
        self._hits = 0
        self._misses = 0
        self._evictions = 0

    def __len__(self) -> int:
        return len(self._entries)

    def stats(self) -> StatementStats:
        """Return the size of the cache, and the numbers of hits, misses and evictions."""
        from coodie.observers.stats import StatementStats  # used by few programs

        return StatementStats(
            size=len(self._entries),
            limit=self._size,
            hits=self._hits,
            misses=self._misses,
            evictions=self._evictions,
        )

    def find(self, stmt: str) -> CachedStatement | None:
        """Return the statement if it is cached and current."""
        key = self._client.statement_key(stmt)
        entry = self._entries.get(key)
        if entry is None:
            return None
        statement = entry.statement
        if statement is None or (entry.until != math.inf and time.monotonic() > entry.until):
            return None
        if not self._client.is_current(statement.prepared):
            return None
        # The order of use matters only once the cache is half full.
        if 2 * len(self._entries) >= self._size:
            with self._lock:
                if self._entries.get(key) is entry:
                    self._entries.move_to_end(key)
                    entry.used_at = self._hits + self._misses
        self._hits += 1
        return statement

    def _is_over(self, entry: _Entry) -> bool:
        """Return whether a statement has to be prepared again; False while it is being prepared."""
        if entry.statement is None:
            return False
        if entry.until != math.inf and time.monotonic() > entry.until:
            return True
        return not self._client.is_current(entry.statement.prepared)

    def get(
        self, stmt: str, timeout: float, prepare: Callable[[str, float], Steps[Any]]
    ) -> Steps[CachedStatement]:
        """Return the statement from the cache, or prepare it.

        Args:
            stmt: The CQL text.
            timeout: The timeout in seconds, of waiting for other callers that prepare it and of preparing it.
            prepare: Prepares a text on the server with the rest of the timeout; called for the first caller.
        """
        key = self._client.statement_key(stmt)
        deadline = time.monotonic() + timeout
        rest = timeout
        while rest > 0:
            with self._lock:
                entry = self._entries.get(key)
                is_first = entry is None or self._is_over(entry)
                if entry is None or is_first:
                    entry = self._started(key, stmt)
                else:
                    self._hits += 1
                    self._entries.move_to_end(key)
                    entry.used_at = self._hits + self._misses
            try:
                if is_first:
                    return (yield from self._fill(key, entry, stmt, prepare, rest))
                return (yield from _outcome(entry, stmt, rest))
            except _AbandonedError:
                point("caller that prepared for others was cancelled")
            except RequestTimeoutError:
                if rest == timeout:
                    raise
                break
            # With the whole timeout again, each of those who wait would wait longer than the last.
            rest = deadline - time.monotonic()
        raise _late(stmt, timeout)

    def renew(
        self,
        stale: StaleStatementError,
        timeout: float,
        prepare_again: Callable[[str, StaleStatementError, float], Steps[Any]],
    ) -> Steps[None]:
        """Prepare a statement again that the server no longer has; concurrent callers wait.

        Args:
            stale: The client's error, with the statement.
            timeout: The timeout in seconds.
            prepare_again: ``Client.prepare_again``.
        """
        with self._lock:
            for key, entry in self._entries.items():  # noqa: B007 - used after the loop
                known = entry.statement
                if known is not None and known.prepared is stale.prepared:
                    break
            else:
                return  # another caller renews it, or has renewed it
            ours = self._started(key, known.cql)
        yield from self._fill(
            key, ours, known.cql, lambda cql, timeout: prepare_again(cql, stale, timeout), timeout
        )

    def _started(self, key: Hashable, stmt: str) -> _Entry:
        """Add an entry for a statement that is about to be prepared; with the lock held."""
        self._misses += 1
        entry = _Entry(time.monotonic() + self._lifetime)
        entry.used_at = self._hits + self._misses
        # A batch as one text hardly ever occurs twice.
        if inspect_statement(stmt).kind is not Kind.BATCH:
            self._entries.pop(key, None)
            self._entries[key] = entry
        return entry

    def _fill(
        self,
        key: Hashable,
        entry: _Entry,
        stmt: str,
        prepare: Callable[[str, float], Steps[Any]],
        timeout: float,
    ) -> Steps[CachedStatement]:
        """Prepare the statement, and complete the entry's future."""
        cql = stmt if self._client.binds_by_name else with_positional_markers(stmt)[0]
        try:
            prepared = yield from prepare(cql, timeout)
        except BaseException as exc:
            with self._lock:
                if self._entries.get(key) is entry:
                    del self._entries[key]
            # A cancellation or timeout of this caller doesn't concern the others.
            is_theirs = isinstance(exc, Exception) and not isinstance(exc, RequestTimeoutError)
            entry.future.set_exception(exc if is_theirs else _AbandonedError())
            raise
        shape = inspect_statement(stmt)
        is_recognised = shape.kind is not Kind.WRITE or shape.table is not None
        entry.statement = CachedStatement(cql, shape, is_recognised, prepared)
        entry.future.set_result(entry.statement)
        with self._lock:
            self._make_room(key, entry)
        return entry.statement

    def _make_room(self, key: Hashable, new: _Entry) -> None:
        """Evict statements beyond the limit; called with the lock held.

        If all statements of a full cache are in use, a new one is the next to be evicted, unless it is used
        again before. So if more statements than fit are used in turn, such as those of one table in many
        keyspaces, most of them stay cached. With a strict LRU order, each is evicted before its next use.
        """
        is_full = len(self._entries) > self._size
        while len(self._entries) > self._size:
            point("prepared statement evicted")
            self._entries.popitem(last=False)
            self._evictions += 1
        if is_full and self._entries.get(key) is new:
            oldest = next(iter(self._entries.values()))
            if self._hits + self._misses - oldest.used_at < _IN_USE * self._size:
                self._entries.move_to_end(key, last=False)

    def clear(self) -> None:
        """Remove all statements, including those being prepared."""
        with self._lock:
            self._entries.clear()


def _outcome(entry: _Entry, stmt: str, timeout: float) -> Steps[CachedStatement]:
    """Wait for a statement that another caller prepares."""
    future = entry.future
    return future.result() if future.done() else (yield Wait(future, timeout, partial(_late, stmt, timeout)))


def _late(stmt: str, timeout: float) -> RequestTimeoutError:
    message = f"The server didn't prepare the statement within {timeout:g} s."
    return RequestTimeoutError(message, statement=stmt, timeout=timeout, may_have_been_applied=False)
