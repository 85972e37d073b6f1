"""Prepared statements of a session: prepare them in threads, and check whether they are current."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from cassandra.cluster import NoHostAvailable
from cassandra.protocol import SyntaxException

from coodie._points import point
from coodie.cql import StatementShape, inspect_statement, qualified
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
    from coodie.drivers.cassandra._nodes import NodeWatch
    from coodie.drivers.cassandra.values.codecs import ValueOptions
    from coodie.effects import Steps
    from coodie.protocol.error_codes import Write

__all__ = ["Preparer", "SessionStatement", "complete"]

log = logging.getLogger("coodie.drivers.cassandra")

#: Maximum number of threads; the drivers' prepare blocks for ten seconds if the server doesn't respond.
_MAX_THREADS = 16

#: Prefix of the threads' names.
_THREADS = "coodie-prepare"

#: Number of late results to keep for later callers, roughly.
_MAX_PENDING = 100


@dataclass(slots=True, eq=False)
class SessionStatement:
    """A prepared statement with its binders and its schema dependencies.

    Attributes:
        stmt: The caller's CQL text.
        prepared: The driver's prepared statement, whose table names are qualified.
        shape: The statement's kind and table.
        columns: The bind markers.
        binders: A function for each bind marker that converts a value.
        known: The schema dependencies when the statement was prepared.
        compiled: The fast path's compiled statement; None until the first execution there.
        write: The kind of write.
    """

    stmt: str
    prepared: Any
    shape: StatementShape
    columns: Any
    binders: Any
    known: Dependencies
    compiled: Any = None
    write: Write = field(init=False)

    def __post_init__(self) -> None:
        self.write = statement_write(self.shape)

    @property
    def writes_counters(self) -> bool:
        """Whether the table has counters; if its metadata isn't known, whether a value is one."""
        columns = getattr(self.known.table, "columns", None)
        if columns is None:
            return any(column.type.typename == "counter" for column in self.columns)
        return any(column.cql_type == "counter" for column in columns.values())


class _Task(NamedTuple):
    """A task of a thread: the key for joining it, the CQL text for errors, and the function."""

    key: Hashable
    stmt: str
    work: Callable[[], SessionStatement]


class Preparer:
    """Prepare statements through one session.

    The driver updates its metadata as soon as it has handled the server's schema event. A statement is stale
    if its dependencies in the metadata have changed.

    Args:
        session: The backend's session.
        lifecycle: The driver's lifecycle.
        nodes: Counts failures because no node has a connection.
        values: The driver's options for values.
    """

    def __init__(
        self, session: Session, lifecycle: Lifecycle, nodes: NodeWatch, values: ValueOptions
    ) -> None:
        self._session = session
        self._metadata = session.cluster.metadata
        self._lifecycle = lifecycle
        self._nodes = nodes
        self._values = values
        self._lock = threading.Lock()
        #: Statements being prepared, and late results, which are kept for the next caller.
        self._pending: dict[Hashable, Future[SessionStatement]] = {}
        self._executor: ThreadPoolExecutor | None = None
        logging.getLogger("cassandra.cluster").addFilter(_is_news)

    @property
    def is_busy(self) -> bool:
        """Whether a statement is being prepared."""
        with self._lock:
            return any(not future.done() for future in self._pending.values())

    def statement_key(self, stmt: str) -> tuple[str | None, str]:
        """Return the session's keyspace, which unqualified table names refer to, and the text."""
        return (self._session.keyspace, stmt)

    def prepare(self, stmt: str, timeout: float) -> Steps[SessionStatement]:
        """Prepare a statement on the server.

        Args:
            stmt: The CQL text.
            timeout: The timeout in seconds.

        Raises:
            CoodieError: Preparing failed. After a ``RequestTimeoutError`` the next caller gets a late result.
        """
        key = self.statement_key(stmt)
        work = partial(self._prepared, stmt, stmt, inspect_statement(stmt))
        statement = yield from self._in_thread(_Task(key, stmt, work), timeout)
        if not self.is_current(statement):  # a late result of an earlier caller
            statement = yield from self._in_thread(_Task(key, stmt, work), timeout)
        return statement

    def prepare_again(
        self, stmt: str, known: SessionStatement, host: Host, timeout: float
    ) -> Steps[SessionStatement]:
        """Prepare a statement again on a node that no longer has it, and compare its bind markers.

        A statement's id is the hash of its text. As soon as the node has that text again, it executes
        requests that are in flight with values of the old types. So another text with the same meaning is
        prepared first, and the original one only if the bind markers are the same.

        Args:
            stmt: The CQL text.
            known: The prepared statement.
            host: The node.
            timeout: The timeout in seconds.

        Returns:
            The same object, if nothing has changed.
        """

        def compare() -> SessionStatement:
            text = known.prepared.query_string
            other = text[:-1] if text.endswith(" ") else f"{text} "
            try:
                answer = prepare_at(self._session, host, other)
                if same_markers(answer.bind_metadata, known.columns):
                    prepare_at(self._session, host, text)
                    return known
            except Exception as exc:  # noqa: BLE001 - the next prepare raises it, if other nodes fail, too
                log.debug("%s failed to prepare a statement again: %r", host, exc)
            point("bind markers of a forgotten statement have changed")
            return self._prepared(stmt, other, known.shape)

        return self._in_thread(_Task((stmt, known), stmt, compare), timeout)

    def _in_thread(self, task: _Task, timeout: float) -> Steps[SessionStatement]:
        """Run a task in a thread, or join the same task of another caller."""
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
            # The next caller starts a new task.
            self._drop(task.key, pending)
            raise
        self._drop(task.key, pending)
        return statement

    def _drop(self, key: Hashable, pending: Future[SessionStatement]) -> None:
        """Remove a pending task, unless another one has replaced it."""
        with self._lock:
            if self._pending.get(key) is pending:
                del self._pending[key]

    def _submitted(self, task: _Task) -> Future[SessionStatement]:
        """Submit a task to the executor; with the lock held."""
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
        """Run a task, and complete its future with the result or the error."""
        outcome: SessionStatement | BaseException
        try:
            outcome = task.work()
        except BaseException as exc:  # noqa: BLE001 - raised in the callers
            raised = with_connect_errors(exc, self._session.cluster) if isinstance(exc, Exception) else exc
            if isinstance(raised, NoHostAvailable):
                self._nodes.failed(None)
            outcome = translate(raised, task.stmt)
            self._drop(task.key, pending)
        else:
            with self._lock:
                if not self._lifecycle.closed:  # keep a late result for the next caller
                    self._pending.setdefault(task.key, pending)
        complete(pending, outcome)

    def forget(self) -> None:
        """Drop late results: the schema has changed."""
        with self._lock:
            self._pending.clear()

    def close(self) -> None:
        """End the threads, and fail the pending tasks."""
        with self._lock:
            executor, self._executor = self._executor, None
            pending = list(self._pending.values())
            self._pending.clear()
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)
        for future in pending:
            complete(future, self._lifecycle.error())

    def _prepared(self, stmt: str, text: str, shape: StatementShape) -> SessionStatement:
        """Prepare a text with the meaning of a statement."""
        # Before the server prepares the statement: a schema change in between makes it stale.
        found = Dependencies.found(self._metadata, shape.keyspace or self._session.keyspace, shape.table)
        prepared = self._prepared_by_driver(text)
        columns = prepared.column_metadata or ()
        types = [column.type for column in columns] + [column[3] for column in prepared.result_metadata or ()]
        values = self._values.in_keyspace(shape.keyspace)
        bind = binders(columns, prepared.column_encryption_policy, values.codecs)
        return SessionStatement(stmt, prepared, shape, columns, bind, found.of_types(types))

    def _prepared_by_driver(self, text: str) -> Any:
        """Prepare a text, with its table names qualified by the session's keyspace.

        For unqualified names, Cassandra warns, and logs an error for executions on a connection without that
        keyspace, such as those of the fast path.
        """
        keyspace = self._session.keyspace
        if keyspace is not None and (whole := qualified(text, keyspace)) != text:
            # An error's position has to be that in the caller's text; and servers may have clauses in which
            # another word follows FROM.
            with suppress(SyntaxException):
                return self._session.prepare(whole)
        return self._session.prepare(text)

    # --- staleness ------------------------------------------------------------------------

    def is_current(self, prepared: SessionStatement) -> bool:
        """Return whether a statement's dependencies are unchanged since it was prepared.

        Called before each request; takes only a few lookups if the driver hasn't read the schema since.
        Without schema metadata (schema_metadata_enabled=False), only changes by this driver are detected.
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
    """Filter the driver's log record of a failed prepare, which the caller gets as an error."""
    return not (record.msg == "Error preparing query:" and (record.threadName or "").startswith(_THREADS))


def complete(future: Future[Any], outcome: Any) -> None:
    """Complete a future, unless it has been completed already."""
    try:
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
    except InvalidStateError:
        # Closed in the meantime, or a second response of a speculative execution.
        return
