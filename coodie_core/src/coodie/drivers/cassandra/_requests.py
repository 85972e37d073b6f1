"""The steps of a request, as generators that the sync and the async shell drive alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cassandra.query import BatchStatement, BoundStatement, SimpleStatement
from cassandra.query import BatchType as DriverBatchType

from coodie.batch import check_batch
from coodie.consistency import CONSISTENCY_LEVELS, parse_consistency
from coodie.cql import Kind, inspect_statement
from coodie.drivers._arguments import check_statement, refuse_parameters, refuse_use
from coodie.drivers.base import check_fetch_size
from coodie.drivers.cassandra._binding import bind_values
from coodie.drivers.cassandra._reading import build_rows, row_converters
from coodie.drivers.cassandra._sending import Sender, Terms
from coodie.drivers.cassandra._statements import CachedStatement, StatementCache
from coodie.exceptions import ParameterError, RequestError
from coodie.paging import open_paging_state, seal_paging_state
from coodie.requests import BatchType, check_options, check_timeout, parse_batch_type
from coodie.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from cassandra.cluster import Session
    from cassandra.pool import Host
    from cassandra.query import Statement

    from coodie.batch import BatchItem
    from coodie.drivers._lifetime import Lifetime
    from coodie.drivers.cassandra._sending import Answer
    from coodie.requests import RequestOptions
    from coodie.schema import Query
    from coodie.waiting import Wait

__all__ = ["Requests"]

#: Rows to a page where all are wanted; the drivers' own default.
_PAGE = 5000

_BATCH_TYPES = {
    BatchType.LOGGED: DriverBatchType.LOGGED,
    BatchType.UNLOGGED: DriverBatchType.UNLOGGED,
    BatchType.COUNTER: DriverBatchType.COUNTER,
}


class Requests:
    """What can be asked through one session.

    Args:
        session: The backend's session.
        lifetime: The driver's.
        request_timeout: Seconds for requests that name none.
        consistency: The level of requests that name none; None means the session's.
        aware_timestamps: Return timestamps as aware datetimes, in UTC.
        statement_cache_size: How many prepared statements to keep.
    """

    def __init__(
        self,
        session: Session,
        lifetime: Lifetime,
        *,
        request_timeout: float | None,
        consistency: str | None,
        aware_timestamps: bool,
        statement_cache_size: int,
    ) -> None:
        self._session = session
        self._lifetime = lifetime
        self._consistency = consistency
        self.sender = Sender(session, lifetime, check_timeout(request_timeout, "request_timeout"))
        self.statements = StatementCache(session, lifetime, statement_cache_size)
        self._aware_timestamps = aware_timestamps

    # --- the requests -------------------------------------------------------------------

    def rows(
        self,
        stmt: str,
        params: Any,
        consistency: str | None,
        timeout: float | None,
        fetch_size: int | None,
        paging_state: bytes | None,
        options: RequestOptions | None,
    ) -> Generator[Wait, Any, Rows]:
        """Execute and return all rows, or one page where fetch_size is given."""
        terms, statement, state = yield from self._ready(
            stmt, params, consistency, timeout, fetch_size, paging_state, options
        )
        answer = yield from self._answer(statement, terms, state)
        if fetch_size is not None:
            return self._rows(answer, stmt)
        rows = Rows(warnings=answer.warnings, trace_id=answer.trace_id)
        while answer.paging_state is not None:
            # The next page is under way while this one is decoded.
            ahead = self.sender.send(statement, terms, answer.paging_state)
            rows.extend(self._decoded(answer, stmt))
            answer = yield from self.sender.wait(ahead, terms)
        rows.extend(self._decoded(answer, stmt))
        return rows

    def first_value(
        self,
        stmt: str,
        params: Any,
        consistency: str | None,
        timeout: float | None,
        options: RequestOptions | None,
    ) -> Generator[Wait, Any, Any]:
        """Execute and return the first column of the first row, or None; nothing else is converted."""
        terms, statement, state = yield from self._ready(
            stmt, params, consistency, timeout, None, None, options
        )
        while True:
            answer = yield from self._answer(statement, terms, state)
            if answer.rows:
                (row,) = self._decoded(_first_cell(answer), stmt)
                return row[answer.names[0]]
            state = answer.paging_state
            if state is None:
                return None

    def batch(
        self,
        statements: Iterable[BatchItem],
        batch_type: BatchType | str,
        consistency: str | None,
        timeout: float | None,
        options: RequestOptions | None,
    ) -> Generator[Wait, Any, Rows]:
        """Execute writes in one BATCH message (native_protocol_v5.spec, section 4.1.7)."""
        self._lifetime.check()
        check_options(options)
        kind = parse_batch_type(batch_type)
        seconds = self.sender.timeout(check_timeout(timeout))
        batch = BatchStatement(_BATCH_TYPES[kind])
        text = f"BEGIN {kind.value} BATCH"
        for stmt, params in check_batch(statements):
            entry = yield from self.prepared(stmt, seconds)
            bound = self._bound(entry, stmt, params)
            try:
                batch.add(bound)
            except ValueError as exc:
                message = f"The batch is too large for the protocol: {exc}."
                raise ParameterError(message, hint="Send it in parts.", statement=text) from exc
        self._decorate(batch, consistency, options)
        idempotent = options is not None and options.idempotent
        terms = Terms(text, Kind.BATCH, seconds, idempotent, options)
        answer = yield from self.sender.wait(self.sender.send(batch, terms), terms)
        return self._rows(answer, text)

    def read(
        self, query: Query, timeout: float | None, host: Host | None
    ) -> Generator[Wait, Any, list[dict[str, Any]]]:
        """Read one of the server's own tables; return all rows.

        It isn't prepared, which would cost it a round trip.

        Args:
            query: The read; its values are names of the schema.
            timeout: Seconds for each page.
            host: The node to ask; None leaves that to the session's policy.
        """
        seconds = self.sender.timeout(check_timeout(timeout))
        text = query.as_text()
        statement = SimpleStatement(text, consistency_level=CONSISTENCY_LEVELS["LOCAL_ONE"])
        statement.fetch_size = _PAGE
        terms = Terms(text, Kind.READ, seconds, True, None)  # noqa: FBT003 - a named field
        rows: list[dict[str, Any]] = []
        state: bytes | None = None
        while True:
            answer = yield from self._answer(statement, terms, state, host)
            rows += self._decoded(answer, text)
            state = answer.paging_state
            if state is None:
                return rows

    def change_schema(
        self, stmt: str, timeout: float | None, host: Host | None
    ) -> Generator[Wait, Any, None]:
        """Execute a schema statement on the node; None leaves the choice to the session's policy."""
        seconds = self.sender.timeout(check_timeout(timeout))
        terms = Terms(stmt, Kind.SCHEMA, seconds, False, None)  # noqa: FBT003 - a named field
        yield from self._answer(SimpleStatement(stmt), terms, None, host)

    def prepared(self, stmt: str, timeout: float | None) -> Generator[Wait, Any, CachedStatement]:
        """Return the prepared statement, from the cache or from the server."""
        entry = self.statements.find(stmt)
        if entry is None:
            shape = inspect_statement(stmt)
            entry = yield from self.statements.prepare(stmt, shape, self.sender.timeout(timeout))
        return entry

    def level(self, consistency: str | None) -> str | None:
        """Return the level that a request runs at: the call's, the driver's or the session's."""
        return consistency or self._consistency or self.sender.level()

    def _answer(
        self, statement: Statement, terms: Terms, state: bytes | None, host: Host | None = None
    ) -> Generator[Wait, Any, Answer]:
        answer = yield from self.sender.wait(self.sender.send(statement, terms, state, host), terms)
        if terms.kind is Kind.SCHEMA:
            self.statements.schema_changed()
        return answer

    # --- before sending -----------------------------------------------------------------

    def _ready(
        self,
        stmt: str,
        params: Any,
        consistency: str | None,
        timeout: float | None,
        fetch_size: int | None,
        paging_state: bytes | None,
        options: RequestOptions | None,
    ) -> Generator[Wait, Any, tuple[Terms, Statement, bytes | None]]:
        """Check every argument, prepare and bind; nothing of the request has been sent before."""
        self._lifetime.check()
        check_options(options)
        check_statement(stmt)
        if fetch_size is not None:
            check_fetch_size(fetch_size)
        seconds = self.sender.timeout(check_timeout(timeout))
        state = None if paging_state is None else open_paging_state(paging_state, stmt)
        idempotent = options is not None and options.idempotent
        entry = self.statements.find(stmt)
        if entry is None:
            shape = inspect_statement(stmt)
            if shape.kind is Kind.USE:
                raise refuse_use(stmt)
            if shape.kind is Kind.SCHEMA or shape.kind is Kind.PLAIN:
                statement = _plain(stmt, params)
                statement.fetch_size = fetch_size or _PAGE
                self._decorate(statement, consistency, options)
                return Terms(stmt, shape.kind, seconds, idempotent, options), statement, state
            entry = yield from self.statements.prepare(stmt, shape, seconds)
        statement = self._bound(entry, stmt, params)
        statement.fetch_size = fetch_size or _PAGE
        self._decorate(statement, consistency, options)
        kind = entry.shape.kind
        return Terms(stmt, kind, seconds, idempotent or kind is Kind.READ, options), statement, state

    def _bound(self, entry: CachedStatement, stmt: str, params: Any) -> BoundStatement:
        keys = entry.prepared.routing_key_indexes or ()
        values = bind_values(entry.columns, entry.binders, params, stmt, key_indexes=keys)
        try:
            return BoundStatement(entry.prepared).bind(values)
        except Exception as exc:
            # The binders let through what this driver's serialiser refuses.
            message = f"The parameters can't be encoded: {type(exc).__name__}."
            raise ParameterError(message, statement=stmt) from exc

    def _decorate(
        self, statement: Statement, consistency: str | None, options: RequestOptions | None
    ) -> None:
        level = parse_consistency(consistency) if consistency is not None else self._consistency
        if level is not None:
            statement.consistency_level = CONSISTENCY_LEVELS[level]
        if options is not None:
            statement.is_idempotent = options.idempotent
            if options.serial_consistency is not None:
                statement.serial_consistency_level = CONSISTENCY_LEVELS[options.serial_consistency]

    # --- after the answer ---------------------------------------------------------------

    def _decoded(self, answer: Answer, stmt: str) -> list[dict[str, Any]]:
        if not answer.rows:
            return []
        converters = row_converters(answer.types, aware_timestamps=self._aware_timestamps)
        try:
            return build_rows(answer.names, answer.rows, converters)
        except RequestError as exc:
            exc.statement = stmt
            raise

    def _rows(self, answer: Answer, stmt: str) -> Rows:
        state = answer.paging_state
        return Rows(
            self._decoded(answer, stmt),
            paging_state=None if state is None else seal_paging_state(state, stmt),
            warnings=answer.warnings,
            trace_id=answer.trace_id,
        )


def _first_cell(answer: Answer) -> Answer:
    return answer._replace(names=answer.names[:1], types=answer.types[:1], rows=[answer.rows[0][:1]])


def _plain(stmt: str, params: Any) -> SimpleStatement:
    refuse_parameters(params, stmt)
    return SimpleStatement(stmt)
