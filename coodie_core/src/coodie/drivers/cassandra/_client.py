"""The client of ``CassandraDriver``: sends requests on the fast path, or through the backend's session."""

from __future__ import annotations

from concurrent.futures import wait
from typing import TYPE_CHECKING, Any, NamedTuple

from cassandra.query import BatchType as DriverBatchType
from cassandra.query import SimpleStatement

from coodie.consistency import CONSISTENCY_LEVELS
from coodie.cql import Kind
from coodie.drivers._writes import batch_write, statement_write
from coodie.drivers.cassandra._bound import batch_statement, bound_statement
from coodie.drivers.cassandra._errors import translate
from coodie.drivers.cassandra._events import ClusterEvents
from coodie.drivers.cassandra._forgotten import ForgottenStatementError
from coodie.drivers.cassandra._hosts import described, node_named
from coodie.drivers.cassandra._nodes import NodeWatch
from coodie.drivers.cassandra._prepared import Preparer, SessionStatement
from coodie.drivers.cassandra._session import ExecutionSettings, SessionExecutor
from coodie.drivers.cassandra._undecoded_rows import UndecodedRows, dict_rows
from coodie.drivers.cassandra.fastpath.dispatcher import FastPath
from coodie.drivers.cassandra.fastpath.request import SendEffect
from coodie.drivers.cassandra.fastpath.retry import DriverRetry
from coodie.drivers.cassandra.values.codecs import ValueOptions
from coodie.drivers.client.client import Client, Page, StaleStatementError
from coodie.drivers.client.pipeline import PAGE_SIZE
from coodie.effects import Sleep
from coodie.observers.request import UNOBSERVED
from coodie.protocol.error_codes import Write
from coodie.rows import new_rows
from coodie.waiting import start_thread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cassandra.cluster import Session
    from cassandra.pool import Host
    from cassandra.query import Statement

    from coodie.drivers._lifecycle import Lifecycle
    from coodie.drivers.cassandra._session import PendingRequest, SessionResponse
    from coodie.drivers.cassandra.fastpath.request import FastRequest
    from coodie.drivers.cassandra.fastpath.template import FirstResponse
    from coodie.drivers.client.client import ClientRequest
    from coodie.effects import Steps
    from coodie.exceptions import CoodieError
    from coodie.observers.events import Host as ObservedHost
    from coodie.observers.nodes import NodeEvents
    from coodie.observers.request import ObservedRequest
    from coodie.observers.stats import NodeStats
    from coodie.protocol.connection import Response
    from coodie.requests import BatchType, Params
    from coodie.schema.requests import Query

__all__ = ["SessionClient"]

#: Seconds to wait for a cluster's shutdown.
_CLOSE_DEADLINE = 10.0

#: The options for values of the server's own tables, to which a driver's codecs don't apply.
_SERVER_VALUES = ValueOptions()

#: The first attempt through the session.
_FIRST = DriverRetry()


class SessionClient(Client):
    """The client of one session.

    Args:
        session: The backend's session.
        lifecycle: The driver's lifecycle.
        events: Notifies observers of nodes.
        owns_session: ``close`` shuts the session and its cluster down.
        values: The driver's options for values.
        fast_path: Use the fast path for common requests.
    """

    binds_by_name = True
    has_batch_message = True

    def __init__(
        self,
        session: Session,
        lifecycle: Lifecycle,
        events: NodeEvents,
        *,
        owns_session: bool,
        values: ValueOptions,
        fast_path: bool,
    ) -> None:
        self._session = session
        self._lifecycle = lifecycle
        self._owns_session = owns_session
        self._values = values
        self._events = ClusterEvents(session, events)
        self.nodes = NodeWatch(session, self._events)
        self.preparer = Preparer(session, lifecycle, self.nodes, values)
        self.sender = SessionExecutor(session, lifecycle, self.nodes)
        # Called for each request: save a call.
        self.default_timeout = self.sender.default_timeout  # type: ignore[method-assign]  # bound, as above
        self.is_current = self.preparer.is_current  # type: ignore[method-assign]  # bound, as above
        self.statement_key = self.preparer.statement_key  # type: ignore[method-assign]  # bound, as above
        #: No request has been sent, and no connection of the fast path is wanted.
        self._is_unused = True
        self.fast: FastPath | None = None
        if fast_path:
            wrappers = self.sender.instrumentation
            self.fast = FastPath(session, lifecycle, self.nodes, wrappers, values)

    # --- the pipeline's hooks -------------------------------------------------------------

    def default_consistency(self) -> str | None:
        """Return the session's consistency level."""
        return self.sender.level()

    def node_stats(self) -> list[NodeStats]:
        """Return the statistics of the cluster's nodes."""
        return self.nodes.stats({} if self.fast is None else self.fast.connections())

    def unconnected(self) -> int:
        """Return how many requests failed because no node had a free connection."""
        return self.nodes.unconnected

    def is_busy(self) -> bool:
        """Return whether a request is in progress, or a statement is being prepared."""
        if self.sender.in_flight or self.preparer.is_busy:
            return True
        connections = {} if self.fast is None else self.fast.connections()
        return any(one.waiting for some in connections.values() for one in some)

    def drain(self) -> None:
        """Disable the fast path for new requests; further round trips go through the session."""
        if self.fast is not None:
            self.fast.drain()

    def warm(self, connections: int, timeout: float) -> Steps[None]:
        """Open the connections of the session and of the fast path to all nodes in use."""
        from coodie.drivers.cassandra.fastpath.warming import open_connections  # few programs warm up

        self._is_unused = False
        yield from open_connections(self._session, self.fast, connections, timeout)

    def warm_statement(self, prepared: SessionStatement) -> None:
        """Compile a statement for the fast path."""
        if self.fast is not None and self.fast.disabled_reason is None:
            self.fast.compiled(prepared).warm()

    def warm_template(self, request: ClientRequest) -> None:
        """Create the template of requests for a statement, given one without values."""
        if self.fast is not None and request.prepared is not None:
            request.values.encoded = b""
            if self.fast.build_request(request, _execution_settings(request)) is not None:
                self.fast.compiled(request.prepared).warm(request.rows)

    def writes_counters(self, prepared: SessionStatement) -> bool:
        """Return whether a statement writes counters, as far as the driver knows the table or the values."""
        return prepared.writes_counters

    def schema_changed(self) -> bool:
        """Drop the request templates; return whether the driver's schema metadata detect changes."""
        self._drop_templates()
        if self._session.cluster.schema_metadata_enabled:
            return True
        self.preparer.forget()
        return False

    def prepare(self, cql: str, timeout: float) -> Steps[SessionStatement]:
        """Prepare a statement, in a thread."""
        return self.preparer.prepare(cql, timeout)

    def prepare_again(self, cql: str, stale: StaleStatementError, timeout: float) -> Steps[SessionStatement]:
        """Prepare a statement again that a node no longer has; its table may have changed."""
        self._drop_templates()
        if not isinstance(stale, _ForgottenError):
            return self.prepare(cql, timeout)
        return self.preparer.prepare_again(cql, stale.prepared, stale.host, timeout)

    def bind(self, prepared: SessionStatement, stmt: str, params: Params) -> Values:  # noqa: ARG002 - a hook
        """Return the values, which are encoded when they are sent."""
        return Values(params)

    def error(self, raised: Exception, stmt: str, timeout: float) -> CoodieError:
        """Translate an exception of the driver."""
        return translate(raised, stmt, timeout)

    def _drop_templates(self) -> None:
        if self.fast is not None:
            self.fast.drop_templates()

    # --- sending ------------------------------------------------------------------------

    def send(self, request: ClientRequest) -> Steps[Page]:
        """Send a request on the fast path, or through the session."""
        exchange = self._exchange(request)
        if exchange is None:
            return (yield from self._send_through_session(request, _FIRST))
        if request.paging_state is None or request.asked.paging_state is not None:
            answer = yield exchange
        else:  # a following page: send the request before the rows of this one are decoded
            answer = yield from _sent_ahead(exchange)
        rows = exchange.single_page_rows(answer)
        if rows is None:
            return (yield from self._page(request, exchange, answer))
        return Page(rows, None, (), None, _coordinator(request, exchange))

    def send_batch(
        self,
        request: ClientRequest,
        batch_type: BatchType,
        parts: Sequence[tuple[SessionStatement, str, Params]],
    ) -> Steps[Page]:
        """Execute writes in one BATCH message (native_protocol_v5.spec, section 4.1.7)."""
        kind = getattr(DriverBatchType, batch_type.value)
        write = batch_write([prepared.shape for prepared, _, _ in parts], batch_type.value)
        batch = _Batch(kind, [(prepared, params) for prepared, _, params in parts], write)
        return self.send(request._replace(prepared=batch, values=Values(None)))

    def answered(self, first: FirstResponse, request: ClientRequest) -> Steps[Page]:
        """Interpret the response to a request that a template has sent."""
        return self._page(request, *first)

    def _exchange(self, request: ClientRequest) -> FastRequest | None:
        """Return the request for the fast path; None if the session has to send it."""
        fast, prepared = self.fast, request.prepared
        if fast is None or fast.disabled_reason is not None or prepared is None:
            return None
        if self._is_unused:
            # Many scripts have no second request. The session sends the first one in any case.
            self._is_unused = False
            return None
        if isinstance(prepared, _Batch):
            return fast.build_batch(
                prepared.kind.value, prepared.parts, _execution_settings(request), request.consistency
            )
        return fast.build_request(request, _execution_settings(request))

    def _page(self, request: ClientRequest, exchange: FastRequest, answer: Response | None) -> Steps[Page]:
        """Interpret a response on the fast path that isn't the only page; retry through the session.

        Raises:
            CoodieError: The request has failed.
            StaleStatementError: The node no longer has the prepared statement.
        """
        host = _coordinator(request, exchange)
        page = exchange.page(answer)
        if page is not None:
            return Page(page.rows, page.paging_state, page.warnings, None, host)
        request.observed.tried(host)
        other = exchange.interpret(answer)
        if not isinstance(other, DriverRetry):
            return self._undecoded(request, other, host)
        if other.ignored:
            return Page(new_rows())
        if other.forgotten is not None and other.host is not None:
            raise _ForgottenError(_with_id(request, other.forgotten), other.host, doubt=other.doubt)
        return (yield from self._send_through_session(request, other))

    def _send_through_session(self, request: ClientRequest, retry: DriverRetry) -> Steps[Page]:
        """Send a request through the session."""
        if request.shape.kind is Kind.SCHEMA:
            self._events.schema_change_sent(request.cql, request.timeout)
        statement = _decorated(_statement(request), request, retry)
        if retry.delay:
            yield Sleep(retry.delay)
        settings = _execution_settings(request)
        if retry is not _FIRST:
            settings = settings._replace(
                attempts=retry.attempts,
                excluded_host=retry.excluded_host,
                doubt=retry.doubt,
                retried=None if retry.reason is None else (retry.reason, retry.failed_host),
            )
        host = retry.host
        if request.options.node is not None:
            host = node_named(request.options.node, self._session.cluster)
        in_flight = self.sender.send(statement, settings, request.paging_state, host)
        answer = yield from self._await_response(in_flight, settings, request)
        seen = None if request.observed is UNOBSERVED else described(in_flight.host_asked)
        return self._undecoded(request, answer, seen)

    def _await_response(
        self, in_flight: PendingRequest, settings: ExecutionSettings, request: ClientRequest
    ) -> Steps[SessionResponse]:
        """Wait for a response; report the retries, and the node if there is none, to observers."""
        error: BaseException | None = None
        try:
            return (yield from self.sender.wait(in_flight, settings))
        except BaseException as exc:
            error = exc
            if request.observed is not UNOBSERVED:
                request.observed.tried(described(in_flight.host_asked))
            if isinstance(exc, ForgottenStatementError):
                prepared = _with_id(request, exc.query_id)
                raise _ForgottenError(prepared, exc.host, doubt=exc.may_have_been_applied) from exc
            raise
        finally:
            if request.observed is not UNOBSERVED:
                for reason, host in in_flight.retries(error):
                    request.observed.retried(reason, described(host))

    def _undecoded(self, request: ClientRequest, answer: SessionResponse, host: ObservedHost | None) -> Page:
        rows = UndecodedRows(answer, self._values.in_keyspace(request.shape.keyspace))
        return Page(rows, answer.paging_state, answer.warnings, answer.trace_id, host)

    # --- schema -------------------------------------------------------------------------

    def read(self, query: Query, timeout: float, host: Host | None, observed: ObservedRequest) -> Steps[Any]:
        """Read a system table; return all rows.

        The statement isn't prepared, which would take another round trip.

        Args:
            query: The query; its values are names of the schema.
            timeout: The timeout of each page in seconds.
            host: The node; None for the choice of the session's policy.
            observed: The observers' view of the request.
        """
        text = query.as_text()
        statement = SimpleStatement(text, consistency_level=CONSISTENCY_LEVELS["LOCAL_ONE"])
        statement.fetch_size = PAGE_SIZE
        settings = ExecutionSettings(text, Kind.READ, timeout, True, None)  # noqa: FBT003 - a named field
        rows: list[dict[str, Any]] = []
        state: bytes | None = None
        while True:
            in_flight = self.sender.send(statement, settings, state, host)
            answer = yield from self.sender.wait(in_flight, settings)
            if observed is not UNOBSERVED:
                observed.add_page(len(answer.rows), described(in_flight.host_asked))
            rows += dict_rows(answer, _SERVER_VALUES)
            state = answer.paging_state
            if state is None:
                return rows

    def change_schema(
        self, stmt: str, timeout: float, host: Host | None, observed: ObservedRequest
    ) -> Steps[None]:
        """Execute a schema statement on a node; None for the choice of the session's policy."""
        settings = ExecutionSettings(
            stmt, Kind.SCHEMA, timeout, repeatable=False, options=None, write=Write.PARTS
        )
        self._events.schema_change_sent(stmt, timeout)
        in_flight = self.sender.send(SimpleStatement(stmt), settings, None, host)
        yield from self.sender.wait(in_flight, settings)
        if observed is not UNOBSERVED:
            observed.add_page(0, described(in_flight.host_asked))

    # --- closing ------------------------------------------------------------------------

    def close(self) -> None:
        """Close the fast path's connections, and the session if it is owned; takes ten seconds or so."""
        self._events.close()
        self.preparer.close()
        self.sender.detach()
        if self.fast is not None:
            self.fast.close()
        if not self._owns_session:
            return
        try:
            ending = start_thread(self._session.cluster.shutdown, "coodie-shutdown")
            # A longer shutdown goes on in its thread.
            wait([ending], _CLOSE_DEADLINE)
            if ending.done():
                ending.result()
        finally:
            self.sender.fail_in_flight()


class Values:
    """The values of one request, and their encoded forms, which retries and later pages reuse.

    Args:
        given: The caller's values.
    """

    __slots__ = ("bound", "encoded", "given")

    def __init__(self, given: Params | None) -> None:
        self.given: Any = given
        #: The encoded values of the fast path.
        self.encoded: bytes | None = None
        #: The driver's bound statement.
        self.bound: Statement | None = None


class _Batch(NamedTuple):
    """A batch type, the statements with their values, and the kind of write."""

    kind: Any
    parts: list[tuple[SessionStatement, Any]]
    write: Write


class _ForgottenError(StaleStatementError):
    """A node no longer has a prepared statement, and hasn't executed it."""

    def __init__(self, prepared: SessionStatement | None, host: Host, *, doubt: bool) -> None:
        super().__init__(prepared, may_have_been_applied=doubt)
        self.host = host


def _sent_ahead(exchange: FastRequest) -> Steps[Response | None]:
    """Send a request without waiting, then wait for the response."""
    pending = yield SendEffect(exchange)
    if pending is None:
        return None
    try:
        answer: Response | None = yield pending
    except GeneratorExit:
        pending.abandon()
        raise
    return answer


def _coordinator(request: ClientRequest, exchange: FastRequest) -> ObservedHost | None:
    """Return the request's node for observers; None if there are none."""
    return None if request.observed is UNOBSERVED else described(exchange.host)


def _execution_settings(request: ClientRequest) -> ExecutionSettings:
    shape, prepared, asked = request.shape, request.prepared, request.asked
    write = statement_write(shape) if prepared is None else prepared.write
    return ExecutionSettings(
        asked.stmt, shape.kind, request.timeout, request.repeatable, asked.options, write=write
    )


def _statement(request: ClientRequest) -> Statement:
    """Return the driver's statement, bound."""
    prepared, values = request.prepared, request.values
    if prepared is None:
        return SimpleStatement(request.cql)
    if values.bound is None:
        if isinstance(prepared, _Batch):
            values.bound = batch_statement(prepared.kind, prepared.parts, request.asked.stmt)
        else:
            values.bound = bound_statement(prepared, request.asked.stmt, values.given)
    statement: Statement = values.bound
    return statement


def _decorated(statement: Statement, request: ClientRequest, retry: DriverRetry) -> Statement:
    """Set the request's options on the driver's statement."""
    statement.fetch_size = request.page_size
    if retry.level is not None:
        statement.consistency_level = retry.level
    elif request.consistency is not None:
        statement.consistency_level = CONSISTENCY_LEVELS[request.consistency]
    options = request.asked.options
    if options is not None:
        statement.is_idempotent = options.idempotent
        if options.serial_consistency is not None:
            statement.serial_consistency_level = CONSISTENCY_LEVELS[options.serial_consistency]
        if options.routing_token is not None:
            from coodie.drivers.cassandra._tokens import key_of_token  # for scans

            statement.routing_key = key_of_token(options.routing_token)
    return statement


def _with_id(request: ClientRequest, query_id: bytes) -> Any:
    """Return the prepared statement of a request by its id; None if a batch has no statement with it."""
    prepared = request.prepared
    if isinstance(prepared, _Batch):
        parts = (part for part, _ in prepared.parts if part.prepared.query_id == query_id)
        return next(parts, None)
    return prepared
