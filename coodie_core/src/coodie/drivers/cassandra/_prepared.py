"""Have the server prepare statements, in threads, and know which of them still are what the server has."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from coodie.cql import StatementShape, inspect_statement
from coodie.drivers._writes import statement_write
from coodie.drivers.cassandra._connection import with_connect_errors
from coodie.drivers.cassandra._dependencies import Dependencies
from coodie.drivers.cassandra._errors import translate
from coodie.drivers.cassandra.fastpath.driver_internals import prepare_at
from coodie.drivers.cassandra.values.binding import binders
from coodie.drivers.cassandra.values.types import same_markers
from coodie.exceptions import RequestTimeoutError
from coodie.waiting import Wait

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from cassandra.cluster import Session
    from cassandra.pool import Host

    from coodie.drivers._lifecycle import Lifecycle
    from coodie.effects import Steps
    from coodie.protocol.error_codes import Write

__all__ = ["Preparer", "SessionStatement", "complete"]

log = logging.getLogger("coodie.drivers.cassandra")

#: Threads that prepare, at most; the drivers' prepare blocks, ten seconds where the server is silent.
_MAX_THREADS = 16

#: What their names start with.
_THREADS = "coodie-prepare"

#: TimedOut answers that are kept for the next who asks, about.
_MAX_PENDING = 100


@dataclass(slots=True, eq=False)
class SessionStatement:
    """A prepared statement with what is computed from it once.

    Attributes:
        prepared: The driver's.
        shape: Its kind and table.
        columns: Its bind markers.
        binders: What converts a value for each.
        known: What of the schema it depends on, as it was when it was prepared.
        compiled: What the fast path made of it; None until that executes it.
        write: What kind of write it is.
    """

    prepared: Any
    shape: StatementShape
    columns: Any
    binders: Any
    known: Dependencies
    compiled: Any = None
    write: Write = field(init=False)

    def __post_init__(self) -> None:
        self.write = statement_write(self.shape)


class _Task(NamedTuple):
    """What a thread does: the key under which others join it, the text for errors, and the work."""

    key: Hashable
    stmt: str
    work: Callable[[], SessionStatement]


class Preparer:
    """Prepare statements through one session.

    The driver's metadata change, here or elsewhere, as soon as the server's schema event has been handled.
    So a statement is stale when what it depends on isn't there any more as it was.

    Args:
        session: The backend's session.
        lifecycle: The driver's.
    """

    def __init__(self, session: Session, lifecycle: Lifecycle) -> None:
        self._session = session
        self._metadata = session.cluster.metadata
        self._lifecycle = lifecycle
        self._lock = threading.Lock()
        #: What is being prepared, and late answers, which stay until the next who wants them.
        self._pending: dict[Hashable, Future[SessionStatement]] = {}
        self._executor: ThreadPoolExecutor | None = None
        logging.getLogger("cassandra.cluster").addFilter(_is_news)

    def statement_key(self, stmt: str) -> tuple[str | None, str]:
        """Return the text with the session's keyspace, in which the server looks for an unqualified table."""
        return (self._session.keyspace, stmt)

    def prepare(self, stmt: str, timeout: float) -> Steps[SessionStatement]:
        """Have the server prepare a statement.

        Args:
            stmt: The CQL text.
            timeout: Seconds to wait.

        Raises:
            CoodieError: It can't be prepared. After a ``RequestTimeoutError`` the next caller gets what came.
        """
        key = self.statement_key(stmt)
        work = partial(self._prepared, stmt, inspect_statement(stmt))
        statement = yield from self._in_thread(_Task(key, stmt, work), timeout)
        if not self.is_current(statement):  # a late answer to an earlier caller
            statement = yield from self._in_thread(_Task(key, stmt, work), timeout)
        return statement

    def prepare_again(
        self, stmt: str, known: SessionStatement, host: Host, timeout: float
    ) -> Steps[SessionStatement]:
        """Compare what a node makes of a statement that it has forgotten with what it was.

        Its id comes of its text. As soon as the node knows that again, it takes all that is on its way there
        with the old values in it. So it is asked about another text that says the same, and gets the one that
        it knew only where nothing has changed.

        Args:
            stmt: The CQL text.
            known: What it was.
            host: The node.
            timeout: Seconds to wait.

        Returns:
            The same object, if nothing has changed.
        """

        def compare() -> SessionStatement:
            text = known.prepared.query_string
            other = f"{stmt} " if text == stmt else stmt
            try:
                answer = prepare_at(self._session, host, other)
                if same_markers(answer.bind_metadata, known.columns):
                    prepare_at(self._session, host, text)
                    return known
            except Exception as exc:  # noqa: BLE001 - the next prepare raises it, if other nodes fail, too
                log.debug("%s didn't prepare a statement that it had forgotten: %r", host, exc)
            return self._prepared(other, known.shape)

        return self._in_thread(_Task((stmt, known), stmt, compare), timeout)

    def _in_thread(self, task: _Task, timeout: float) -> Steps[SessionStatement]:
        """Work in a thread, or wait for the one that is at it already."""
        with self._lock:
            self._lifecycle.check()
            pending = self._pending.get(task.key) or self._submitted(task)

        def timeout_error() -> RequestTimeoutError:
            message = f"The server didn't prepare the statement within {timeout:g} s."
            return RequestTimeoutError(
                message, statement=task.stmt, timeout=timeout, may_have_been_applied=False
            )

        try:
            statement: SessionStatement = yield Wait(pending, timeout, timeout_error)
        except RequestTimeoutError:
            # Whoever asks next isn't to wait for the same silence.
            self._drop(task.key, pending)
            raise
        self._drop(task.key, pending)
        return statement

    def _drop(self, key: Hashable, pending: Future[SessionStatement]) -> None:
        """Take a task off those that others join; another may have taken its place there."""
        with self._lock:
            if self._pending.get(key) is pending:
                del self._pending[key]

    def _submitted(self, task: _Task) -> Future[SessionStatement]:
        """Have a thread work; with the lock held."""
        if len(self._pending) > _MAX_PENDING:
            self._pending = {key: future for key, future in self._pending.items() if not future.done()}
        pending = self._pending[task.key] = Future()
        if self._executor is None:
            self._executor = ThreadPoolExecutor(_MAX_THREADS, thread_name_prefix=_THREADS)
        try:
            self._executor.submit(self._run, task, pending)
        except RuntimeError as exc:
            del self._pending[task.key]
            raise self._lifecycle.error("The interpreter is shutting down.") from exc
        return pending

    def _run(self, task: _Task, pending: Future[SessionStatement]) -> None:
        """Prepare in this thread; an outcome reaches everyone who waits, whatever it is."""
        outcome: SessionStatement | BaseException
        try:
            outcome = task.work()
        except BaseException as exc:  # noqa: BLE001 - handed on to those who wait
            raised = with_connect_errors(exc, self._session.cluster) if isinstance(exc, Exception) else exc
            outcome = translate(raised, task.stmt)
            self._drop(task.key, pending)
        else:
            with self._lock:
                if not self._lifecycle.closed:  # a late answer waits here for the next who asks
                    self._pending.setdefault(task.key, pending)
        complete(pending, outcome)

    def forget(self) -> None:
        """Keep no late answer: the schema has changed."""
        with self._lock:
            self._pending.clear()

    def close(self) -> None:
        """End the threads; those who wait get an error."""
        with self._lock:
            executor, self._executor = self._executor, None
            pending = list(self._pending.values())
            self._pending.clear()
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)
        for future in pending:
            complete(future, self._lifecycle.error())

    def _prepared(self, text: str, shape: StatementShape) -> SessionStatement:
        # Looked up before the server sees the statement: a change in between makes it stale.
        found = Dependencies.found(self._metadata, shape.keyspace or self._session.keyspace, shape.table)
        prepared = self._session.prepare(text)
        columns = prepared.column_metadata or ()
        types = [column.type for column in columns] + [column[3] for column in prepared.result_metadata or ()]
        bind = binders(columns, prepared.column_encryption_policy)
        return SessionStatement(prepared, shape, columns, bind, found.of_types(types))

    # --- is it still good? ----------------------------------------------------------------

    def is_current(self, prepared: SessionStatement) -> bool:
        """Tell whether what a statement depends on is as it was when it was prepared.

        This is asked before each request: where the driver has read no schema since, it takes a few look-ups.
        A driver without schema metadata (schema_metadata_enabled=False) knows nothing of it, so that only our
        own changes are noticed.
        """
        known = prepared.known
        keyspace = self._metadata.keyspaces.get(known.keyspace_name)
        if keyspace is known.keyspace:
            if keyspace is None:
                return True
            name = known.table_name
            if (keyspace.tables.get(name) or keyspace.views.get(name)) is known.table:
                for name, user_type in known.types:
                    if keyspace.user_types.get(name) is not user_type:
                        break
                else:
                    return True
        renewed = known.renewed(self._metadata)
        if renewed is None:
            return False
        prepared.known = renewed
        return True


def _is_news(record: logging.LogRecord) -> bool:
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
