"""``CassandraDriver``: the driver contract on a session of scylla-driver or cassandra-driver."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from coodie._forks import forget_in_children
from coodie._in_use import in_use
from coodie.capabilities import Capability
from coodie.contract.markers import Marker
from coodie.drivers._last_page import last_page
from coodie.drivers._lifecycle import Lifecycle
from coodie.drivers.cassandra.fastpath.template import find_template, template_key
from coodie.drivers.cassandra.values.types import described, value_type
from coodie.drivers.client.driver import ClientDriver
from coodie.drivers.client.pages import already_sent
from coodie.drivers.client.pipeline_options import PipelineOptions
from coodie.effects import run_async, run_sync
from coodie.exceptions import ConfigurationError
from coodie.observers.hub import request_observers
from coodie.observers.nodes import NodeEvents
from coodie.requests import Request
from coodie.row_shapes import parse_rows
from coodie.rows import first_item
from coodie.schema.sync import drive

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Hashable, Iterable

    from coodie.codec_registry import Codecs
    from coodie.codecs import Codec
    from coodie.contract.many import ManyRun
    from coodie.drivers.cassandra._client import SessionClient
    from coodie.drivers.cassandra.fastpath.dispatcher import FastPath
    from coodie.drivers.cassandra.fastpath.template import (
        FirstResponse,
        Outcome,
        RequestTemplate,
        TemplatedRequest,
    )
    from coodie.drivers.client.statements import CachedStatement
    from coodie.effects import Effect, Steps
    from coodie.requests import Params, RequestOptions
    from coodie.row_shapes import RowShape
    from coodie.rows import ManyResult, Rows
    from coodie.schema.requests import Request as SchemaRequest
    from coodie.schema.requests import SyncResult
    from coodie.schema.syncoptions import SyncOptions

__all__ = ["CassandraDriver"]

T = TypeVar("T")

#: The default size of a driver's statement cache.
_STATEMENTS = 1000


def _parsed(codecs: Iterable[Codec | str]) -> Codecs | None:
    if codecs == ():
        return None
    from coodie.codec_registry import parse_codecs  # few programs have codecs

    return parse_codecs(codecs)


class CassandraDriver(ClientDriver):
    """A driver on a session of scylla-driver or cassandra-driver.

    Args:
        session: A connected ``cassandra.cluster.Session``. Its row factory, keyspace and profiles aren't
            changed.
        default_keyspace: The keyspace for object mappers; None for the session's keyspace.
        owns_session: ``close`` shuts down the session and its cluster.
        request_timeout: The default timeout in seconds; None for the session's default.
        consistency: The default consistency level; None for the session's default.
        aware_timestamps: Return timestamps as aware datetimes in UTC instead of naive ones.
        codecs: Conversions between CQL types and other Python types, as ``coodie.Codec``.
        statement_cache_size: The number of cached prepared statements, 1 or more.
        fast_path: Send common requests on coodie's own connections, in addition to the session's.
        max_in_flight: The maximum number of requests in flight; None for no limit.
        max_queued: The maximum number of queued requests; more raise OverloadedError. None for
            *max_in_flight*.

    Raises:
        ConfigurationError: An argument is invalid.
    """

    #: All but one: the driver's event loop runs in a thread.
    capabilities = frozenset(Capability) - {Capability.NATIVE_ASYNC}

    def __init__(
        self,
        session: Any,
        default_keyspace: str | None = None,
        *,
        owns_session: bool = False,
        request_timeout: float | None = None,
        consistency: str | None = None,
        aware_timestamps: bool = False,
        codecs: Iterable[Codec | str] = (),
        statement_cache_size: int = _STATEMENTS,
        fast_path: bool = True,
        max_in_flight: int | None = None,
        max_queued: int | None = None,
    ) -> None:
        from coodie.drivers.cassandra._client import SessionClient
        from coodie.drivers.cassandra.fastpath.driver_internals import abandon, abandon_reactors
        from coodie.drivers.cassandra.values.codecs import ValueOptions

        if not hasattr(session, "execute_async") or not hasattr(session, "cluster"):
            message = f"session: expected a session of Cluster.connect(), got {type(session).__name__}."
            raise ConfigurationError(message, option="session")
        for option, value in (("aware_timestamps", aware_timestamps), ("fast_path", fast_path)):
            if not isinstance(value, bool):
                message = f"{option}={value!r} can't be used."
                raise ConfigurationError(message, hint="Give True or False.", option=option)
        options = PipelineOptions(
            name=type(self).__name__,
            capabilities=self.capabilities,
            timeout=request_timeout,
            consistency=consistency,
            statement_cache_size=statement_cache_size,
            max_in_flight=max_in_flight,
            max_queued=max_queued,
        )
        self._session = session
        forget_in_children(session.cluster, abandon if owns_session else abandon_reactors)
        lifecycle = Lifecycle()
        self._node_events = NodeEvents(self)
        self._client: SessionClient = SessionClient(
            session,
            lifecycle,
            self._node_events,
            owns_session=owns_session,
            values=ValueOptions(aware_timestamps, _parsed(codecs)),
            fast_path=fast_path,
        )
        keyspace = session.keyspace if default_keyspace is None else default_keyspace
        self._set_up(self._client, keyspace, lifecycle, options)
        # Requests that are limited go through the pipeline.
        self._fast_by_template = fast = self._client.fast if max_in_flight is None else None
        # Sends later requests of an event-loop tick; None without the accelerator.
        self._gate = None if fast is None else fast.send_through_gate

    def __repr__(self) -> str:
        backend = self._identity.driver_type or "session"
        hosts = ", ".join(map(str, getattr(self._session.cluster, "endpoints_resolved", None) or ("?",)))
        state = "closed" if self._lifecycle.closed else "open"
        keyspace = self._default_keyspace
        return f"<{type(self).__name__} for {backend!r} at {hosts}: {state}, keyspace {keyspace!r}>"

    @property
    def session(self) -> Any:
        """The driver's session, outside coodie's contract."""
        return self._session

    @property
    def fast_path_refusal(self) -> str | None:
        """The reason why requests don't use the fast path; None if the common ones do."""
        path = self._client.fast
        return "fast_path=False" if path is None else path.reason_to_decline

    # --- requests -----------------------------------------------------------------------

    def execute(  # type: ignore[override]  # Driver has the type of rows="arrow"
        self,
        stmt: str,
        params: Params = (),
        consistency: str | None = None,
        timeout: float | None = None,
        fetch_size: int | None = None,
        paging_state: bytes | str | None = None,
        *,
        options: RequestOptions | None = None,
        rows: Any = None,
    ) -> Rows[Any]:
        """Execute *stmt* with *params*; return rows as a list of dicts."""
        last_page.set(None)
        first = None
        if fetch_size is None and paging_state is None and options is None:
            wanted = self._default_rows if rows is None else rows
            shape = None if wanted is None else parse_rows(wanted)
            found, first = self._by_template(stmt, params, consistency, timeout, shape)
            if found is not None:
                return found
        request = Request(stmt, params, consistency, timeout, fetch_size, paging_state, options, rows)
        return run_sync(self._steps(self._pipeline.rows, request, first))

    async def execute_async(  # type: ignore[override]  # Driver has the type of rows="arrow"
        self,
        stmt: str,
        params: Params = (),
        consistency: str | None = None,
        timeout: float | None = None,
        fetch_size: int | None = None,
        paging_state: bytes | str | None = None,
        *,
        options: RequestOptions | None = None,
        rows: Any = None,
    ) -> Rows[Any]:
        """Async version of :meth:`execute`; only the decoding of the page blocks the event loop."""
        sent: TemplatedRequest | Awaitable[Any] | None = None
        found: Rows[Any] | None
        first, gate = None, self._gate
        wanted = self._default_rows if rows is None else rows
        if gate is not None:
            sent = gate(stmt, params, consistency, timeout, fetch_size, paging_state, options, wanted)
        if sent is None:
            last_page.set(None)
            if fetch_size is None and paging_state is None and options is None:
                shape = None if wanted is None else parse_rows(wanted)
                sent = self._sent_by_template(stmt, params, consistency, timeout, shape)
        if sent is not None:
            if isinstance(sent, tuple):
                found, first = sent[0].outcome(sent, await sent[-1])
            else:
                response: Any = await sent
                found = response
                if response.__class__ is tuple:
                    found, first = response[0].unusual(response)
            if found is not None:
                return found
        request = Request(stmt, params, consistency, timeout, fetch_size, paging_state, options, rows)
        return await run_async(self._steps(self._pipeline.rows, request, first))

    def execute_one(
        self,
        stmt: str,
        params: Params = (),
        consistency: str | None = None,
        timeout: float | None = None,
        *,
        options: RequestOptions | None = None,
    ) -> Any:
        """Execute *stmt* and return the first column of the first row, or None."""
        last_page.set(None)
        first = None
        if options is None:
            rows, first = self._by_template(stmt, params, consistency, timeout)
            if rows is not None:
                return first_item(rows)
        request = Request(stmt, params, consistency, timeout, options=options)
        return run_sync(self._steps(self._pipeline.first_value, request, first))

    async def execute_one_async(
        self,
        stmt: str,
        params: Params = (),
        consistency: str | None = None,
        timeout: float | None = None,
        *,
        options: RequestOptions | None = None,
    ) -> Any:
        """Async version of :meth:`execute_one`."""
        last_page.set(None)
        first = None
        if options is None:
            rows: Any
            sent = self._sent_by_template(stmt, params, consistency, timeout)
            if sent is not None:
                if isinstance(sent, tuple):
                    rows, first = sent[0].outcome(sent, await sent[-1])
                else:
                    rows = await sent
                    if rows.__class__ is tuple:
                        rows, first = rows[0].unusual(rows)
                if rows is not None:
                    return first_item(rows)
        request = Request(stmt, params, consistency, timeout, options=options)
        return await run_async(self._steps(self._pipeline.first_value, request, first))

    def _template_path(self) -> FastPath | None:
        """Return the fast path if requests may be sent by their templates; None if they need the pipeline."""
        fast = self._fast_by_template
        if fast is None or fast.disabled_reason is not None:
            return None
        # The pipeline notifies the observers. The first comparison saves a call per request.
        return None if in_use.registry.observers.of_requests and request_observers() else fast

    def _by_template(
        self,
        stmt: str,
        params: Any,
        consistency: str | None,
        timeout: float | None,
        shape: RowShape | None = None,
    ) -> Outcome:
        """Execute a request by its statement's template, in this thread; all None if nothing was sent."""
        template = None
        if self._template_path() is not None and template_key(stmt, consistency, timeout, shape) is not None:
            template = self._template(stmt, consistency if shape is None else (consistency, shape))
        return (None, None) if template is None else template.execute(params, timeout)

    def _sent_by_template(
        self,
        stmt: str,
        params: Any,
        consistency: str | None,
        timeout: float | None,
        shape: RowShape | None = None,
    ) -> TemplatedRequest | Awaitable[Any] | None:
        """Send a request by its statement's template, on the running loop; None if nothing was sent.

        With the accelerator, return an awaitable of all rows, or of an unusual response.
        """
        fast = self._template_path()
        if fast is None:
            return None
        if consistency is None and timeout is None and shape is None and stmt.__class__ is str:
            key: Hashable | None = stmt
        else:
            key = template_key(stmt, consistency, timeout, shape)
        sent = fast.send_bound(key, params)
        if sent is not None or key is None:
            return sent
        template = self._template(stmt, consistency if shape is None else (consistency, shape))
        return None if template is None else fast.send_first(key, template, params, timeout)

    def _template(self, stmt: str, key: Hashable) -> RequestTemplate | None:
        """Return a statement's request template; None if its requests need the pipeline."""
        cached = self._pipeline.statements.find(stmt)
        statement = None if cached is None else cached.prepared.compiled
        return None if statement is None else find_template(statement, key)

    def _steps(
        self, make: Callable[..., Steps[T]], request: Request, first: FirstResponse | None
    ) -> Steps[T]:
        """Return the steps of a request; if a template has sent it, the steps from its response on.

        Args:
            make: The pipeline's method.
            request: The request.
            first: The response, if a template has sent the request.
        """
        if first is None:
            return make(self, request)
        page = partial(self._client.answered, first)
        return already_sent(request.stmt, page, lambda page: make(self, request, first=page))

    def _run_many(self, run: ManyRun, request: Request) -> ManyResult:
        """Execute a statement's requests concurrently, from this thread only."""
        last_page.set(None)
        from coodie.drivers.cassandra._concurrency import ConcurrentExecutor
        from coodie.drivers.cassandra.fastpath.pipeline import Pipeline

        self._lifecycle.check()

        def start(params: Params, first: FirstResponse | None = None) -> Steps[Rows[Any]]:
            return self._one_of_many(request.with_params(params), first)

        def bind() -> Any:
            template = self._template_of_many(request)
            return None if template is None else pipeline.bind(template, request.timeout)

        fast = self._client.fast
        if fast is None or fast.disabled_reason is not None:
            return ConcurrentExecutor(run, start).drain()
        pipeline: Pipeline[Any] = Pipeline(fast)
        return ConcurrentExecutor(run, start, pipeline, bind).drain()

    async def _run_many_async(self, run: ManyRun, request: Request) -> ManyResult:
        """Execute a statement's requests concurrently on the running loop."""
        fast = self._client.fast
        if self._gate is None or fast is None or request.options is not None:
            return await super()._run_many_async(run, request)
        from coodie.drivers.cassandra._concurrency import AsyncConcurrentExecutor
        from coodie.drivers.cassandra.fastpath.template import BoundTemplate

        stmt, _, consistency, timeout, _, _, _, rows = request

        def execute(params: Params, first: FirstResponse | None = None) -> Awaitable[Rows[Any]]:
            if first is None:
                return self.execute_async(stmt, params, consistency, timeout, rows=rows)
            return run_async(self._steps(self._pipeline.rows, request.with_params(params), first))

        def bind() -> Any:
            template = self._template_of_many(request)
            seconds = None if template is None else template.seconds(request.timeout)
            if template is None or seconds is None:
                return None
            return BoundTemplate(template, fast.async_pool(), seconds).compiled

        return await AsyncConcurrentExecutor(run, execute, bind).drain()

    def _template_of_many(self, request: Request) -> RequestTemplate | None:
        """Return the template of the executions of an ``execute_many``; None if they need the pipeline."""
        if request.options is not None or self._template_path() is None:
            return None
        wanted = self._default_rows if request.rows is None else request.rows
        shape = None if wanted is None else parse_rows(wanted)
        return self._template(
            request.stmt, request.consistency if shape is None else (request.consistency, shape)
        )

    def _one_of_many(self, request: Request, first: FirstResponse | None = None) -> Steps[Rows[Any]]:
        """Return the steps of one execution of an ``execute_many``, or those from its response on."""
        if first is None:
            template = self._template_of_many(request)
            exchange = None if template is None else template.exchange(request.params, request.timeout)
            if template is not None and exchange is not None:
                # None if it wasn't sent.
                response = yield exchange
                if response is not None:
                    sent = (template, exchange.values, exchange.host, exchange.timeout)
                    found, first = template.outcome(sent, response)
                    if found is not None:
                        return found
        if first is None:
            return (yield from self._pipeline.rows(self, request, one_of_many=True))
        return (yield from self._steps(self._pipeline.rows, request, first))

    def _result_columns(self, stmt: str, timeout: float | None = None) -> tuple[str, ...]:
        """Return the column names of a SELECT without executing it; for the command line."""
        seconds = timeout or self._pipeline.default_timeout()
        statement = run_sync(self._pipeline.prepared(stmt, seconds))
        metadata = statement.prepared.prepared.result_metadata or ()
        return tuple(name for _, _, name, _ in metadata)

    def _bind_markers(self, stmt: str, timeout: float | None = None) -> tuple[Marker, ...]:
        """Prepare a statement, and return its bind markers; for the command line."""
        return run_sync(self._marker_steps(stmt, timeout))

    def _marker_steps(self, stmt: str, timeout: float | None) -> Steps[tuple[Marker, ...]]:
        seconds = timeout or self._pipeline.default_timeout()
        prepared = (yield from self._pipeline.prepared(stmt, seconds)).prepared.prepared
        policy = getattr(prepared, "column_encryption_policy", None)
        return tuple(
            Marker(column.name, described(value_type(policy, column))) for column in prepared.column_metadata
        )

    def _warm_statement(self, stmt: str, statement: CachedStatement) -> None:
        super()._warm_statement(stmt, statement)
        self._client.warm_template(self._pipeline.plain_request(self, stmt))

    # --- schema -------------------------------------------------------------------------

    def _sync_steps(
        self, plan: Generator[SchemaRequest, Any, SyncResult], options: SyncOptions | None
    ) -> Generator[Effect, Any, SyncResult]:
        """Execute a plan through one node, the same for all clients, with concurrent reads."""
        from coodie.drivers.cassandra._coordinator import Coordinator
        from coodie.drivers.cassandra._schema_requests import SchemaRequests
        from coodie.schema.syncoptions import check_sync_options

        last_page.set(None)
        self._lifecycle.check()
        asked = check_sync_options(options)
        seconds = asked.timeout or self._pipeline.default_timeout()
        requests = SchemaRequests(self, self._client, self._pipeline, asked.timeout)
        coordinator = Coordinator(self._session, requests, seconds, asked)
        result = yield from drive(plan, coordinator.answer)
        result.warnings += tuple(coordinator.warnings)
        return result
