"""Prepared statements: a bounded cache, one prepare for many first users, none that has gone stale."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from operator import is_
from typing import TYPE_CHECKING, Any

from coodie.cql import Kind, StatementShape
from coodie.drivers._writes import statement_write
from coodie.drivers.cassandra._connection import with_connect_errors
from coodie.drivers.cassandra._errors import translate
from coodie.drivers.cassandra.fast.internals import prepare_at
from coodie.drivers.cassandra.values.binding import binders
from coodie.drivers.cassandra.values.types import same_markers
from coodie.exceptions import RequestTimeoutError
from coodie.waiting import Wait

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from cassandra.cluster import Session
    from cassandra.pool import Host

    from coodie.drivers._lifetime import Lifetime
    from coodie.protocol.error_codes import Write

__all__ = ["CachedStatement", "StatementCache"]

log = logging.getLogger("coodie.drivers.cassandra")

#: Threads that prepare, at most; the drivers' prepare blocks, ten seconds where the server is silent.
_PREPARERS = 16

#: What their names start with.
_THREADS = "coodie-prepare"


@dataclass(slots=True, eq=False)
class CachedStatement:
    """A prepared statement with what was computed from it once."""

    prepared: Any
    shape: StatementShape
    columns: Any
    binders: Any
    #: The schema objects that it was prepared for; see ``StatementCache._stamp``.
    stamp: tuple[Any, ...]
    #: What the fast path made of it; None until that is asked to execute it.
    compiled: Any = None
    #: What kind of write it is.
    write: Write = field(init=False)

    def __post_init__(self) -> None:
        self.write = statement_write(self.shape)


class StatementCache:
    """The prepared statements of one session.

    The driver replaces a table's metadata object when the table changes, here or elsewhere, as soon
    as the server's schema event has been handled. So a statement is stale when the objects that it was
    prepared for are no longer the present ones.

    Args:
        session: The backend's session.
        lifetime: The driver's.
        size: How many statements to keep, the last used ones.
    """

    def __init__(self, session: Session, lifetime: Lifetime, size: int) -> None:
        self._session = session
        self._lifetime = lifetime
        self._size = size
        self._lock = threading.Lock()
        self._entries: OrderedDict[tuple[str | None, str], CachedStatement] = OrderedDict()
        self._pending: dict[tuple[str | None, str], Future[CachedStatement]] = {}
        self._preparers: ThreadPoolExecutor | None = None
        self._generation = 0
        logging.getLogger("cassandra.cluster").addFilter(_not_told_twice)

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, stmt: str) -> CachedStatement | None:
        """Return the statement if it is here and still good."""
        key = (self._session.keyspace, stmt)
        entry = self._entries.get(key)
        if entry is None:
            return None
        # Which one was used last matters only where one is to be dropped before long.
        if 2 * len(self._entries) < self._size and self._is_current(entry):
            return entry
        with self._lock:
            return self._find(key)

    def _find(self, key: tuple[str | None, str]) -> CachedStatement | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if not self._is_current(entry):
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return entry

    def prepare(
        self, stmt: str, shape: StatementShape, timeout: float
    ) -> Generator[Wait, Any, CachedStatement]:
        """Have the server prepare the statement; many who ask at once share one request.

        Args:
            stmt: The CQL text.
            shape: What ``inspect_statement`` says of it.
            timeout: Seconds to wait; a later result enters the cache all the same.
        """
        key = (self._session.keyspace, stmt)
        with self._lock:
            self._lifetime.check()
            # Another may have got it since the caller looked.
            if (found := self._find(key)) is not None:
                return found
            pending = self._pending.get(key)
            if pending is None:
                pending = self._submit(key, lambda: self._prepared(stmt, shape))
        return (yield from self._outcome(key, pending, timeout))

    def recall(self, query_id: bytes, host: Host, timeout: float) -> Generator[Wait, Any, None]:
        """Look at the statement that a node has forgotten: its table may be another by now.

        All who want it meanwhile wait for that, so that none encodes values for markers of yesterday.

        Args:
            query_id: The id that the node doesn't know.
            host: The node.
            timeout: Seconds to wait.
        """
        with self._lock:
            self._lifetime.check()
            entries = self._entries.items()
            known = [(key, entry) for key, entry in entries if entry.prepared.query_id == query_id]
            if not known:
                return  # another is at it, whom those who want it join; or it will be prepared anew
            ((key, entry),) = known
            del self._entries[key]
            pending = self._submit(key, lambda: self._recalled(key[1], entry, host))
        yield from self._outcome(key, pending, timeout)

    def _submit(
        self, key: tuple[str | None, str], work: Callable[[], CachedStatement]
    ) -> Future[CachedStatement]:
        """Have a thread work for all who want a statement; with the lock held."""
        pending = self._pending[key] = Future()
        if self._preparers is None:
            self._preparers = ThreadPoolExecutor(_PREPARERS, thread_name_prefix=_THREADS)
        try:
            self._preparers.submit(self._work, key, work, pending)
        except RuntimeError as exc:
            del self._pending[key]
            raise self._lifetime.error("The interpreter is shutting down.") from exc
        return pending

    def _outcome(
        self, key: tuple[str | None, str], pending: Future[CachedStatement], timeout: float
    ) -> Generator[Wait, Any, CachedStatement]:
        """Wait for what is prepared."""
        stmt = key[1]

        def late() -> RequestTimeoutError:
            message = f"The server didn't prepare the statement within {timeout:g} s."
            return RequestTimeoutError(message, statement=stmt, timeout=timeout, may_have_been_applied=False)

        try:
            entry: CachedStatement = yield Wait(pending, timeout, late)
        except RequestTimeoutError:
            # Whoever asks next isn't to wait for the same silence.
            with self._lock:
                self._forget(key, pending)
            raise
        return entry

    def _forget(self, key: tuple[str | None, str], pending: Future[CachedStatement]) -> None:
        """Take a prepare off the list that others join; another may have taken its place there."""
        if self._pending.get(key) is pending:
            del self._pending[key]

    def schema_changed(self) -> None:
        """Note that this driver has changed the schema.

        Where the session keeps schema metadata, that tells which statements are stale. Where it
        doesn't, none can be trusted, nor any that is being prepared now.
        """
        if not self._session.cluster.schema_metadata_enabled:
            with self._lock:
                self._generation += 1
                self._entries.clear()

    def close(self) -> None:
        """Forget all; the driver is closed, and those who wait get an error."""
        with self._lock:
            self._entries.clear()
            preparers, self._preparers = self._preparers, None
            pending = list(self._pending.values())
        if preparers is not None:
            preparers.shutdown(wait=False, cancel_futures=True)
        for future in pending:
            complete(future, self._lifetime.error())

    def _work(
        self,
        key: tuple[str | None, str],
        work: Callable[[], CachedStatement],
        pending: Future[CachedStatement],
    ) -> None:
        """Prepare in this thread; an outcome reaches everyone who waits, whatever it is."""
        generation = self._generation
        outcome: CachedStatement | BaseException
        try:
            outcome = work()
        except Exception as exc:  # noqa: BLE001 - handed on to those who wait
            outcome = translate(with_connect_errors(exc, self._session.cluster), key[1])
        except BaseException as exc:  # noqa: BLE001 - as above
            outcome = translate(exc, key[1])
        with self._lock:
            self._forget(key, pending)
            if isinstance(outcome, CachedStatement):
                # A batch as one text is as good as never seen again.
                lasting = outcome.shape.kind is not Kind.BATCH and generation == self._generation
                if lasting and not self._lifetime.closed:
                    self._entries[key] = outcome
                    while len(self._entries) > self._size:
                        self._entries.popitem(last=False)
        complete(pending, outcome)

    def _prepared(self, text: str, shape: StatementShape) -> CachedStatement:
        """Have the server prepare a statement."""
        # Taken before the server sees the statement: a change in between makes it stale.
        stamp = self._stamp(shape)
        prepared = self._session.prepare(text)
        columns = prepared.column_metadata or ()
        bind = binders(columns, prepared.column_encryption_policy)
        return CachedStatement(prepared, shape, columns, bind, stamp)

    def _recalled(self, stmt: str, entry: CachedStatement, host: Host) -> CachedStatement:
        """Compare what a node makes of a forgotten statement now with what it was.

        Its id comes of its text. As soon as the node knows that again, it takes all that is on its way there
        with the old values in it. So it is asked about another text that says the same, and gets the one that
        it knew only where nothing has changed.
        """
        text = entry.prepared.query_string
        other = f"{stmt} " if text == stmt else stmt
        try:
            answer = prepare_at(self._session, host, other)
            if same_markers(answer.bind_metadata, entry.columns):
                prepare_at(self._session, host, text)
                return entry
        except Exception as exc:  # noqa: BLE001 - told by the one that follows, if other nodes fail, too
            log.debug("%s didn't prepare a statement that it had forgotten: %r", host, exc)
        return self._prepared(other, entry.shape)

    def _stamp(self, shape: StatementShape) -> tuple[Any, ...]:
        """Return the schema objects of the statement's table, and of the types it may use.

        A driver without schema metadata (schema_metadata_enabled=False) knows none, so that only our
        own changes are noticed.
        """
        if shape.table is None:
            return ()
        keyspace = self._session.cluster.metadata.keyspaces.get(shape.keyspace or self._session.keyspace)
        if keyspace is None:
            return (None,)
        table = keyspace.tables.get(shape.table) or keyspace.views.get(shape.table)
        return (table, *keyspace.user_types.values())

    def _is_current(self, entry: CachedStatement) -> bool:
        stamp = self._stamp(entry.shape)
        return len(stamp) == len(entry.stamp) and all(map(is_, stamp, entry.stamp))


def _not_told_twice(record: logging.LogRecord) -> bool:
    """Drop what the driver logs, with a traceback, of a failed prepare: our caller gets that error."""
    return not (record.msg == "Error preparing query:" and (record.threadName or "").startswith(_THREADS))


def complete(future: Future[Any], outcome: Any) -> None:
    """Complete a future that others may have completed meanwhile; the first outcome stands."""
    from concurrent.futures import InvalidStateError

    try:
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
    except InvalidStateError:
        # Closed meanwhile, or a second answer under speculative execution.
        return
