"""The steps of a request, as generators that the sync and the async shell drive alike."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from cassandra.query import BatchType as DriverBatchType
from cassandra.query import SimpleStatement

from coodie.batch import check_batch
from coodie.consistency import CONSISTENCY_LEVELS, parse_consistency
from coodie.contract.checks import check_fetch_size, check_statement, refuse_parameters, refuse_use
from coodie.cql import Kind, inspect_statement
from coodie.drivers._writes import batch_write
from coodie.drivers.cassandra._bound import batch_statement, bound_statement
from coodie.drivers.cassandra._forgotten import ForgottenStatementError
from coodie.drivers.cassandra._recalling import Recaller
from coodie.drivers.cassandra._sending import Sender, Terms
from coodie.drivers.cassandra._statements import CachedStatement, StatementCache
from coodie.drivers.cassandra.fast.decoding import Page
from coodie.drivers.cassandra.fast.failures import Again
from coodie.drivers.cassandra.fast.path import FastPath
from coodie.drivers.cassandra.fast.settled import alike
from coodie.drivers.cassandra.fast.statements import PAGE
from coodie.drivers.cassandra.values.rows import build_rows, row_converters
from coodie.exceptions import RequestError
from coodie.paging import open_paging_state, seal_paging_state
from coodie.protocol.error_codes import Write
from coodie.requests import check_options, check_timeout, parse_batch_type
from coodie.rows import Rows, first_item, new_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from cassandra.cluster import Session
    from cassandra.pool import Host
    from cassandra.query import Statement

    from coodie.batch import BatchItem
    from coodie.drivers._lifetime import Lifetime
    from coodie.drivers.cassandra._sending import Answer
    from coodie.drivers.cassandra.fast.answers import Answer as FastAnswer
    from coodie.drivers.cassandra.fast.asked import Asked
    from coodie.drivers.cassandra.fast.settled import Begun, Sent
    from coodie.effects import Effect
    from coodie.requests import BatchType, Params, RequestOptions
    from coodie.schema.requests import Query
    from coodie.waiting import Wait

    #: An answer of the driver's, the statement that was sent, and the terms.
    _Sent = tuple[Answer, Statement, Terms]

__all__ = ["Requests"]

#: The driver is asked for the first time.
_FIRST = Again()


class Requests:
    """What can be asked through one session.

    Args:
        session: The backend's session.
        lifetime: The driver's.
        request_timeout: Seconds for requests that name none.
        consistency: The level of requests that name none; None means the session's.
        aware_timestamps: Return timestamps as aware datetimes, in UTC.
        statement_cache_size: How many prepared statements to keep.
        fast_path: Send common requests on connections of our own.
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
        fast_path: bool,
    ) -> None:
        self._session = session
        self._lifetime = lifetime
        self._consistency = consistency
        if request_timeout is not None:
            check_timeout(request_timeout, "request_timeout")
        self.sender = Sender(session, lifetime, request_timeout)
        self.statements = StatementCache(session, lifetime, statement_cache_size)
        self._aware_timestamps = aware_timestamps
        self.fast = FastPath(session, lifetime, aware_timestamps=aware_timestamps) if fast_path else None
        self._recaller = Recaller(self.statements, self.sender.timeout, self._unsettle)
        #: Sends a request like others of this turn of the running loop; returns None where it sent nothing.
        self.send: Callable[[str, Any, str | None, float | None], Sent | None] = (
            (lambda *_: None) if self.fast is None else self.fast.send
        )

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
        begun: Begun | None = None,
    ) -> Generator[Effect, Any, Rows]:
        """Execute and return all rows, or one page where fetch_size is given; go on with what has begun."""
        asked, answer = begun or (
            self._ask(stmt, params, consistency, timeout, fetch_size, paging_state, options),
            None,
        )
        rows, again, start = new_rows(), _FIRST, None
        if asked is not None:
            if answer is None:
                answer = yield asked
            # Most answers are one page, of which nothing else has to be known.
            whole = asked.whole(answer)
            if whole is not None:
                return whole

            def take(page: Page) -> bool:
                rows.extend(page.rows)
                rows.warnings = rows.warnings or tuple(page.warnings)
                if fetch_size is not None and page.paging_state is not None:
                    rows.paging_state = seal_paging_state(page.paging_state, stmt)
                return fetch_size is not None

            unfinished = yield from self._pages(asked, answer, take, ahead=fetch_size is None)
            if unfinished is None:
                return rows
            again, start = unfinished

        def send(again: Again, start: bytes | None) -> Generator[Wait, Any, _Sent]:
            terms, statement, state = yield from self._ready(
                stmt, params, consistency, timeout, fetch_size, paging_state, options, again
            )
            reply = yield from self._answer(statement, terms, start or state, again.host)
            return reply, statement, terms

        def follow(again: Again, start: bytes | None) -> Generator[Effect, Any, _Sent]:
            return self._recaller.sent(partial(send, start=start), again, stmt, timeout)

        sent = yield from follow(again, start)
        if fetch_size is not None:
            return self._rows(sent[0], stmt)
        rows.warnings = rows.warnings or tuple(sent[0].warnings)
        rows.trace_id = sent[0].trace_id
        yield from self._take_all(rows, sent, follow)
        return rows

    def _take_all(
        self, rows: Rows, sent: _Sent, follow: Callable[[Again, bytes | None], Generator[Effect, Any, _Sent]]
    ) -> Generator[Effect, Any, None]:
        """Add the rows of a page and of all that follow; the next is under way while one is decoded."""
        reply, statement, terms = sent
        while (start := reply.paging_state) is not None:
            ahead = self.sender.send(statement, terms, start)
            rows.extend(self._decoded(reply, terms.stmt))
            try:
                reply = yield from self.sender.wait(ahead, terms)
            except ForgottenStatementError as exc:
                again = Again(host=exc.host, forgotten=exc.query_id)
                reply, statement, terms = yield from follow(again, start)
        rows.extend(self._decoded(reply, terms.stmt))

    def first_value(
        self,
        stmt: str,
        params: Any,
        consistency: str | None,
        timeout: float | None,
        options: RequestOptions | None,
        begun: Begun | None = None,
    ) -> Generator[Effect, Any, Any]:
        """Execute and return the first column of the first row, or None; nothing else is converted."""
        again = _FIRST
        start: bytes | None = None
        asked, answer = begun or (self._ask(stmt, params, consistency, timeout, None, None, options), None)
        if asked is not None:
            if answer is None:
                answer = yield asked
            found: list[dict[str, Any]] | None = asked.whole(answer)
            if found is not None:
                return first_item(found)
            first: list[dict[str, Any]] = []

            def take(page: Page) -> bool:
                first[:] = page.rows[:1]
                return bool(first)

            unfinished = yield from self._pages(asked, answer, take, ahead=False, cell=True)
            if unfinished is None:
                return first_item(first)
            again, start = unfinished

        def send(again: Again) -> Generator[Wait, Any, Answer]:
            terms, statement, _ = yield from self._ready(
                stmt, params, consistency, timeout, None, None, options, again
            )
            return (yield from self._answer(statement, terms, start, again.host))

        while True:
            reply = yield from self._recaller.sent(send, again, stmt, timeout)
            if reply.rows:
                (row,) = self._decoded(reply.first_cell(), stmt)
                return row[reply.names[0]]
            again, start = again._replace(forgotten=None), reply.paging_state
            if start is None:
                return None

    def batch(
        self,
        statements: Iterable[BatchItem],
        batch_type: BatchType | str,
        consistency: str | None,
        timeout: float | None,
        options: RequestOptions | None,
    ) -> Generator[Effect, Any, Rows]:
        """Execute writes in one BATCH message (native_protocol_v5.spec, section 4.1.7)."""
        self._lifetime.check()
        check_options(options)
        kind = getattr(DriverBatchType, parse_batch_type(batch_type).value)
        seconds = self.sender.timeout(check_timeout(timeout))
        text = f"BEGIN {kind.name} BATCH"
        items = check_batch(statements)
        parts = yield from self._parts(items, seconds)
        write = batch_write([entry.shape for entry, _ in parts], kind.name)
        repeatable = options is not None and options.idempotent
        terms = Terms(text, Kind.BATCH, seconds, repeatable, options, write=write)
        again = _FIRST
        if self.fast is not None and self.fast.refused is None:
            level = self._consistency if consistency is None else consistency
            asked = self.fast.ask_batch(kind.value, parts, terms, level)
            if asked is not None:
                page = self._page(asked, (yield asked))
                if not isinstance(page, Again):
                    page.rows.warnings = tuple(page.warnings)
                    return page.rows
                if page.ignored:
                    return Rows()
                again = page

        def send(again: Again) -> Generator[Wait, Any, Answer]:
            parts = yield from self._parts(items, seconds)
            batch = batch_statement(kind, parts, text)
            self._decorate(batch, consistency, options, again)
            sent = terms._replace(tried=again.tried, avoid=again.avoid, doubt=again.doubt)
            return (yield from self.sender.wait(self.sender.send(batch, sent, None, again.host), sent))

        return self._rows((yield from self._recaller.sent(send, again, text, timeout)), text)

    def _parts(
        self, items: Iterable[tuple[str, Params]], timeout: float
    ) -> Generator[Wait, Any, list[tuple[CachedStatement, Any]]]:
        """Return a batch's statements, prepared, each with its parameters."""
        parts = []
        for stmt, params in items:
            entry = yield from self.prepared(stmt, timeout)
            parts.append((entry, params))
        return parts

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
        seconds, text = self.sender.timeout(check_timeout(timeout)), query.as_text()
        statement = SimpleStatement(text, consistency_level=CONSISTENCY_LEVELS["LOCAL_ONE"])
        statement.fetch_size = PAGE
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
        terms = Terms(stmt, Kind.SCHEMA, seconds, repeatable=False, options=None, write=Write.OTHER)
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
            self._unsettle()
        return answer

    def _unsettle(self) -> None:
        if self.fast is not None:
            self.fast.unsettle()

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
        again: Again,
    ) -> Generator[Wait, Any, tuple[Terms, Statement, bytes | None]]:
        """Check every argument, prepare and bind; nothing of the request has been sent before."""
        entry, seconds, state = self._checked(stmt, timeout, fetch_size, paging_state, options)
        idempotent = options is not None and options.idempotent
        if entry is None:
            shape = inspect_statement(stmt)
            if shape.kind is Kind.USE:
                raise refuse_use(stmt)
            if shape.kind is Kind.SCHEMA or shape.kind is Kind.PLAIN:
                refuse_parameters(params, stmt)
                statement = SimpleStatement(stmt)
                statement.fetch_size = fetch_size or PAGE
                self._decorate(statement, consistency, options)
                terms = Terms(stmt, shape.kind, seconds, idempotent, options, write=Write.OTHER)
                return terms, statement, state
            entry = yield from self.statements.prepare(stmt, shape, seconds)
        statement = bound_statement(entry, stmt, params)
        statement.fetch_size = fetch_size or PAGE
        self._decorate(statement, consistency, options, again)
        repeatable = idempotent or entry.write is Write.NONE
        before = again.tried, again.avoid, entry.write, again.doubt
        return Terms(stmt, entry.shape.kind, seconds, repeatable, options, *before), statement, state

    def _checked(
        self,
        stmt: str,
        timeout: float | None,
        fetch_size: int | None,
        paging_state: bytes | None,
        options: RequestOptions | None,
    ) -> tuple[CachedStatement | None, float, bytes | None]:
        """Check every argument; return the statement, if it is prepared, seconds and the server's state."""
        self._lifetime.check()
        if options is not None:
            check_options(options)
        check_statement(stmt)
        if fetch_size is not None:
            check_fetch_size(fetch_size)
        seconds = self.sender.timeout(None if timeout is None else check_timeout(timeout))
        state = None if paging_state is None else open_paging_state(paging_state, stmt)
        return self.statements.find(stmt), seconds, state

    def _ask(
        self,
        stmt: str,
        params: Any,
        consistency: str | None,
        timeout: float | None,
        fetch_size: int | None,
        paging_state: bytes | None,
        options: RequestOptions | None,
    ) -> Asked | None:
        """Return the request as the fast path sends it; None where the driver has to."""
        if self.fast is None or self.fast.refused is not None:
            return None
        entry, seconds, state = self._checked(stmt, timeout, fetch_size, paging_state, options)
        if entry is None:
            return None
        kind = entry.shape.kind
        repeatable = kind is Kind.READ or (options is not None and options.idempotent)
        terms = Terms(stmt, kind, seconds, repeatable, options, write=entry.write)
        level = self._consistency if consistency is None else consistency
        usual = fetch_size is None and state is None and options is None
        key = alike(stmt, consistency, timeout) if usual else None
        return self.fast.ask(entry, params, terms, level, fetch_size, state, key)

    def _pages(
        self,
        asked: Asked,
        answer: FastAnswer | None,
        take: Callable[[Page], bool],
        *,
        ahead: bool,
        cell: bool = False,
    ) -> Generator[Effect, Any, tuple[Again, bytes | None] | None]:
        """Get pages on the fast path.

        Args:
            asked: The request.
            answer: What came of it.
            take: Called with each page; returns whether that is enough.
            ahead: Have the next page under way while one is decoded.
            cell: Only the first cell is wanted: what can't be decoded beside it is no failure.

        Returns:
            How the driver is to go on, and the server's state of the page to go on with, or None for the
            first; None where nothing is left to do.
        """
        start: bytes | None = None
        while True:
            following = asked.after(answer) if ahead else None
            posted = None if following is None else (yield asked.turn_to(following))
            try:
                page = self._page(asked, answer, cell=cell)
                enough = not isinstance(page, Again) and take(page)
            except BaseException:
                if posted is not None:
                    posted.abandon()
                raise
            if isinstance(page, Again):
                return None if page.ignored else (page, start)
            start = page.paging_state
            if enough or start is None:
                return None
            if following is None:
                posted = yield asked.turn_to(start)
            if posted is None:
                return _FIRST, start
            answer = yield posted

    def _page(self, asked: Asked, answer: FastAnswer | None, *, cell: bool = False) -> Page | Again:
        """Return what an answer on the fast path holds, or what is to be done in its place.

        Raises:
            CoodieError: The request has failed.
        """
        page = asked.page(answer)
        if page is not None:
            return page
        other = asked.otherwise(answer)
        if isinstance(other, Again):
            return other
        if cell and other.rows:
            other = other.first_cell()
        return Page(Rows(self._decoded(other, asked.terms.stmt)), other.paging_state, other.warnings)

    def _decorate(
        self,
        statement: Statement,
        consistency: str | None,
        options: RequestOptions | None,
        again: Again | None = None,
    ) -> None:
        level = parse_consistency(consistency) if consistency is not None else self._consistency
        if level is not None:
            statement.consistency_level = CONSISTENCY_LEVELS[level]
        if again is not None and again.level is not None:
            statement.consistency_level = again.level
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
            exc.may_have_been_applied = inspect_statement(stmt).kind is not Kind.READ
            raise

    def _rows(self, answer: Answer, stmt: str) -> Rows:
        state = answer.paging_state
        return Rows(
            self._decoded(answer, stmt),
            paging_state=None if state is None else seal_paging_state(state, stmt),
            warnings=answer.warnings,
            trace_id=answer.trace_id,
        )
