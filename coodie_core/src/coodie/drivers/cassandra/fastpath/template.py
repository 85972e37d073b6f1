"""Request templates: later requests for a statement reuse the first one's checks and encoded prefix.

A template is created from the first request and kept on its prepared statement. Later requests use it as
long as the statement is current and the session is unchanged (``session_state``); only their values differ.
Within one event-loop tick, later requests skip these checks, too, and reuse the connection of the first.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from coodie.drivers.cassandra.fastpath.accelerated import bound_template, execute_template
from coodie.options.valuetypes import MAX_TIMEOUT
from coodie.protocol.codec import LONG
from coodie.protocol.frames import EXECUTE

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Hashable

    from cassandra.pool import Host

    from coodie.drivers.cassandra.fastpath.async_connection import AsyncConnection
    from coodie.drivers.cassandra.fastpath.pool import AsyncPool, SyncPool
    from coodie.drivers.cassandra.fastpath.request import ExecuteRequest, FastRequest, TemplateExchange
    from coodie.drivers.cassandra.fastpath.routing import Route
    from coodie.drivers.cassandra.fastpath.statement import FastStatement
    from coodie.protocol.connection import Response
    from coodie.row_shapes import RowShape
    from coodie.rows import Rows

    #: A request, and its response.
    FirstResponse = tuple[FastRequest, Response]

    #: All rows of a request, or else its response, to be interpreted; neither if nothing was sent.
    Outcome = tuple[Rows[Any] | None, FirstResponse | None]

    #: A request: its template, its encoded values, its node, and its timeout in seconds.
    SentRequest = tuple["RequestTemplate", bytes, Host | None, float]
    #: The same on an event loop, with the response's future.
    TemplatedRequest = tuple["RequestTemplate", bytes, Host | None, float, asyncio.Future[Response]]

    #: A response that a ``Waiter`` of the accelerator returns if it isn't rows.
    UnusualResponse = tuple["RequestTemplate", Host | None, float, bytes, Response]

__all__ = [
    "BoundTemplate",
    "FirstResponse",
    "Outcome",
    "RequestTemplate",
    "TemplatedRequest",
    "find_template",
    "is_complete",
    "keep_template",
    "template_key",
]

#: The exact types of a timeout.
_TIMEOUTS = (int, float, type(None))

_NOTHING_SENT = (None, None)

#: Templates per statement; callers may spell the eleven consistency levels in any case.
_MAX_TEMPLATES = 16


class Nodes(Protocol):
    """The fast path, as templates use it."""

    def session_state(self) -> tuple[Any, ...]:
        """Return the session's state that requests depend on and that changes without notice."""
        ...

    def timestamps(self) -> int:
        """Return a write timestamp of the session's generator."""
        ...

    def find_node(
        self, policy: Any, make_route: Callable[..., Route], *arguments: Any
    ) -> tuple[Host | None, int | None]:
        """Return the node and the shard that a request is routed to; None for each if there is none."""
        ...

    def only_node(self, policy: Any) -> Host | None:
        """Return the node of a cluster that has no other, and no shards; None for other clusters."""
        ...

    def sync_pool(self, host: Host) -> SyncPool:
        """Return the threads' connection pool of a node."""
        ...


class RequestTemplate:
    """The common part of requests for one statement at one consistency level that return all rows.

    Args:
        nodes: The fast path.
        exchange: The first request: for all rows, without options.
        state: The session's state before that request was built.
        has_timeout: The first request's timeout is the caller's, not the default.
    """

    __slots__ = (
        "_exchange",
        "_metadata_id",
        "_nodes",
        "_policy",
        "_route",
        "_statement",
        "after",
        "before",
        "compiled",
        "encode",
        "only_node",
        "read",
        "state",
        "timeout",
        "timestamps",
    )

    def __init__(
        self, nodes: Nodes, exchange: ExecuteRequest, state: tuple[Any, ...], *, has_timeout: bool
    ) -> None:
        self._exchange = exchange
        self._nodes = nodes
        self._policy = exchange.policy
        self._statement = exchange.statement
        self._route = exchange.statement.route
        self._metadata_id = exchange.statement.prepared.result_metadata_id
        #: Returns the node of all requests; None if each request has to be routed.
        self.only_node: Callable[[], Host | None] = partial(nodes.only_node, exchange.policy)
        self.state = state
        #: The default timeout in seconds; None if it isn't known, so that such a request needs the full path.
        self.timeout = None if has_timeout else exchange.timeout
        self.encode = exchange.statement.encode
        self.read = exchange.results.read_single_page
        #: The generator of write timestamps; None for reads, and if the server sets them.
        self.timestamps = nodes.timestamps if exchange.is_stamped else None
        self.before, self.after = exchange.prefix_and_suffix()
        #: The accelerator's template, or None.
        self.compiled = execute_template(
            self.encode, self.before, self.after, self.timestamps, exchange.results
        )

    @property
    def is_current(self) -> bool:
        """Whether the result metadata and the session's state are unchanged."""
        same_columns = self._metadata_id is self._statement.prepared.result_metadata_id
        return same_columns and self.state == self._nodes.session_state()

    def bound_to(self, connection: Any, host: Host, timeout: float) -> Any:
        """Return the accelerator's template, bound to a connection; None if it can't be used.

        Args:
            connection: The connection; its ``loop`` is None if it is a thread's.
            host: Its node, which is that of all requests.
            timeout: The timeout of each request, in seconds.
        """
        if self.compiled is None or not connection.takes_templates:
            return None
        return bound_template(self.compiled, connection, connection.loop, (self, host, timeout))

    def execute(self, params: Any, timeout: float | None) -> Outcome:
        """Send a request from the calling thread, and wait for the response."""
        message = self._message(params, timeout)
        if message is None:
            return _NOTHING_SENT
        body, seconds, values = message
        host, shard = self._nodes.find_node(self._policy, self._route, values, self._exchange.level)
        pool = None if host is None else self._nodes.sync_pool(host)
        # Nothing between this and the try may raise: the connection would be lost to the pool.
        connection = None if pool is None else pool.acquire(shard)
        if pool is None or connection is None:
            return _NOTHING_SENT
        try:
            response = connection.send(EXECUTE, body, seconds)
            if response is None:
                response = connection.receive()
        finally:
            pool.release(connection)
        return self.outcome((self, values, host, seconds), response)

    def exchange(self, params: Any, timeout: float | None) -> TemplateExchange | None:
        """Return a request as an effect, for a pipeline; None if the full path is needed."""
        message = self._message(params, timeout)
        return None if message is None else self._exchange.repeated(*message)

    def _message(self, params: Any, timeout: float | None) -> tuple[bytes, float, bytes] | None:
        """Return a frame's body, the timeout in seconds and the values; None if the full path is needed."""
        seconds = self.seconds(timeout)
        if seconds is None:
            return None
        try:
            values = self.encode(params)
        except Exception:  # noqa: BLE001 - the full path reports the error
            return None
        body = self.before + values + self.after
        if self.timestamps is not None:
            body += LONG.pack(self.timestamps())
        return body, seconds, values

    def find_connection(self, pool: AsyncPool, values: bytes) -> tuple[Host | None, AsyncConnection | None]:
        """Return the node that a request is routed to, and the event loop's connection to it.

        Args:
            pool: The event loop's connection pool.
            values: The request's encoded values.
        """
        host, shard = self._nodes.find_node(self._policy, self._route, values, self._exchange.level)
        return host, None if host is None else pool.connection(host, shard)

    def seconds(self, timeout: float | None) -> float | None:
        """Return a request's timeout in seconds; None if it is invalid, or the default isn't known."""
        if timeout is None:
            return self.timeout
        return timeout if 0 < timeout <= MAX_TIMEOUT else None

    def unusual(self, found: UnusualResponse) -> Outcome:
        """Return the same as ``outcome``, for a response that the accelerator hasn't decoded."""
        _, host, timeout, values, response = found
        return self.outcome((self, values, host, timeout), response)

    def outcome(self, sent: SentRequest | TemplatedRequest, response: Response) -> Outcome:
        """Return all rows of a request, or its response, to be interpreted.

        Args:
            sent: The request.
            response: Its response.
        """
        try:
            rows = self.read(response) if isinstance(response, bytes) else None
        except Exception:  # noqa: BLE001 - the driver's decoder supports more, and reports errors
            rows = None
        if rows is not None:
            return rows, None
        _, values, host, timeout = sent[:4]
        return None, (self._exchange.with_values(values, host, timeout), response)


class BoundTemplate:
    """A template bound to an event loop's connections for one tick: the first request's checks hold.

    The statement is current, and the node is up and connected. A change that the drivers' threads make
    during the tick takes effect one tick later.

    Args:
        template: The template.
        pool: The event loop's connection pool.
        timeout: The timeout of each request, in seconds.
    """

    __slots__ = (
        "_after",
        "_before",
        "_encode",
        "_host",
        "_pool",
        "_template",
        "_timeout",
        "_timestamps",
        "compiled",
        "connection",
    )

    def __init__(self, template: RequestTemplate, pool: AsyncPool, timeout: float) -> None:
        self._template = template
        self._pool = pool
        self._timeout = timeout
        self._encode = template.encode
        self._before, self._after = template.before, template.after
        self._timestamps = template.timestamps
        self._host = host = template.only_node()
        #: The connection of the last request.
        self.connection = connection = None if host is None else pool.connection(host)
        #: The same in C; None without the accelerator, or if the node depends on the values.
        self.compiled: Any = None
        if host is not None and connection is not None:
            self.compiled = template.bound_to(connection, host, timeout)

    def send(self, params: Any) -> TemplatedRequest | None:
        """Send a request; return None if the full path is needed, and nothing was sent."""
        host, connection = self._host, self.connection
        try:
            values = self._encode(params)
        except Exception:  # noqa: BLE001 - the full path reports the error
            return None
        if host is None:
            host, connection = self._template.find_connection(self._pool, values)
            self.connection = connection
        if connection is None:
            return None
        body = self._before + values + self._after
        if self._timestamps is not None:
            body += LONG.pack(self._timestamps())
        future = connection.send(EXECUTE, body, self._timeout)
        return None if future is None else (self._template, values, host, self._timeout, future)


def is_complete(statement: FastStatement, key: Hashable, timeout: float | None) -> bool:
    """Return whether a statement's template exists, and has the default timeout if a request needs it."""
    template: RequestTemplate | None = statement.templates.get(key)
    return template is not None and (timeout is not None or template.timeout is not None)


def keep_template(
    nodes: Nodes, exchange: ExecuteRequest, key: Hashable, state: tuple[Any, ...], *, has_timeout: bool
) -> None:
    """Create a template from a request, and keep it on the statement.

    Args:
        nodes: The fast path.
        exchange: The first request.
        key: The consistency level as the caller spelled it; with the rows' shape, unless they are dicts.
        state: The session's state before the request was built.
        has_timeout: The request's timeout is the caller's, not the default.
    """
    templates = exchange.statement.templates
    if len(templates) >= _MAX_TEMPLATES:
        templates.clear()
    templates[key] = RequestTemplate(nodes, exchange, state, has_timeout=has_timeout)


def find_template(statement: FastStatement, key: Hashable) -> RequestTemplate | None:
    """Return a statement's template, by its key; None if there is none, or it is outdated."""
    template: RequestTemplate | None = statement.templates.get(key)
    if template is None or template.is_current:
        return template
    statement.templates.pop(key, None)
    return None


def template_key(
    stmt: str, consistency: str | None, timeout: float | None, shape: RowShape | None
) -> Hashable | None:
    """Return the key under which a tick's requests share a template; None for unusual arguments."""
    if stmt.__class__ is not str:
        return None
    # True is equal to 1, and isn't a timeout.
    if (consistency is None or consistency.__class__ is str) and timeout.__class__ in _TIMEOUTS:
        return stmt, consistency, timeout, shape
    return None
