"""Request templates: all that requests to one statement have in common, so that only the values are left.

A template is made of the first request and kept on its prepared statement. The next ones take it as long as
the statement is current and the session is as it was (``session_state``). On an event loop, the later
requests of one tick don't even look: they reuse the connection that the first one of the tick found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from coodie.options.valuetypes import LONGEST
from coodie.protocol.codec import LONG
from coodie.protocol.frames import EXECUTE

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Hashable

    from cassandra.pool import Host

    from coodie.drivers.cassandra.fastpath.async_connection import AsyncConnection
    from coodie.drivers.cassandra.fastpath.pool import AsyncPool, SyncPool
    from coodie.drivers.cassandra.fastpath.request import ExecuteRequest, FastRequest
    from coodie.drivers.cassandra.fastpath.statement import FastStatement
    from coodie.protocol.connection import Response
    from coodie.rows import Rows

    #: A request that has been sent, and its response.
    FirstResponse = tuple[FastRequest, Response]

    #: What came of a request: all its rows, or else what to go on with; neither where nothing was sent.
    Outcome = tuple[Rows | None, FirstResponse | None]

    #: A request on an event loop: how it was sent, its encoded values, the node, and its response's future.
    TemplatedRequest = tuple["BoundTemplate", bytes, Host | None, asyncio.Future[Response]]

__all__ = [
    "BoundTemplate",
    "FirstResponse",
    "Outcome",
    "RequestTemplate",
    "TemplatedRequest",
    "find_template",
    "keep_template",
    "template_key",
]

#: What a timeout is, exactly.
_TIMEOUTS = (int, float, type(None))

_NOTHING_SENT = (None, None)

#: Templates of one statement, at most: there are eleven levels, in all kinds of case.
_MAX_TEMPLATES = 16


class Nodes(Protocol):
    """Where a template's requests go, and what may change between two of them: the driver's fast path."""

    def session_state(self) -> tuple[Any, ...]:
        """Return all that a request takes for granted, and that changes without a sign."""
        ...

    def timestamps(self) -> int:
        """Return the time of a write, as the session's clients set it."""
        ...

    def find_node(
        self, policy: Any, statement: FastStatement, values: bytes, level: int
    ) -> tuple[Host | None, int | None]:
        """Return the node that a statement goes to, and the shard there; None where there is none."""
        ...

    def has_one_node(self, policy: Any) -> bool:
        """Tell whether all requests go to one node, on any connection."""
        ...

    def sync_pool(self, host: Host) -> SyncPool:
        """Return the connections that threads have to a node."""
        ...


class RequestTemplate:
    """A prepared statement at one consistency level, for requests that return all rows.

    Args:
        nodes: Where its requests go.
        exchange: A request that was made the long way: of all rows, with no options.
        state: The session's when it was made.
    """

    __slots__ = (
        "_exchange",
        "_metadata_id",
        "_nodes",
        "_policy",
        "_statement",
        "after",
        "before",
        "encode",
        "read",
        "state",
        "timeout",
        "timestamps",
    )

    def __init__(self, nodes: Nodes, exchange: ExecuteRequest, state: tuple[Any, ...]) -> None:
        self._exchange = exchange
        self._nodes = nodes
        self._policy = exchange.policy
        self._statement = exchange.statement
        self._metadata_id = exchange.statement.prepared.result_metadata_id
        self.state = state
        self.timeout = exchange.timeout
        self.encode = exchange.statement.encode
        self.read = exchange.statement.results.read_single_page
        #: What gives a write its time; None where the server does, and for reads.
        self.timestamps = nodes.timestamps if exchange.is_stamped else None
        self.before, self.after = exchange.prefix_and_suffix()

    @property
    def is_current(self) -> bool:
        """Whether it is what the long way would make of the statement now."""
        same_columns = self._metadata_id is self._statement.prepared.result_metadata_id
        return same_columns and self.state == self._nodes.session_state()

    def execute(self, params: Any, timeout: float | None) -> Outcome:
        """Send the statement with these parameters from the calling thread, and wait."""
        seconds = self.seconds(timeout)
        if seconds is None:
            return _NOTHING_SENT
        try:
            values = self.encode(params)
        except Exception:  # noqa: BLE001 - the long way says what is wrong with them
            return _NOTHING_SENT
        host, shard = self._nodes.find_node(self._policy, self._statement, values, self._exchange.level)
        pool = None if host is None else self._nodes.sync_pool(host)
        connection = None if pool is None else pool.acquire(shard)
        if pool is None or connection is None:
            return _NOTHING_SENT
        body = self.before + values + self.after
        if self.timestamps is not None:
            body += LONG.pack(self.timestamps())
        try:
            answer = connection.send(EXECUTE, body, seconds)
            if answer is None:
                answer = connection.receive()
        finally:
            pool.release(connection)
        return self.outcome(answer, values, host, seconds)

    def find_connection(self, pool: AsyncPool, values: bytes) -> tuple[Host | None, AsyncConnection | None]:
        """Return the node that a request goes to, and the loop's connection to it.

        Args:
            pool: The loop's connections.
            values: The request's encoded values.
        """
        host, shard = self._nodes.find_node(self._policy, self._statement, values, self._exchange.level)
        return host, None if host is None else pool.connection(host, shard)

    @property
    def has_one_way(self) -> bool:
        """Whether all values lead to the same connection."""
        return self._nodes.has_one_node(self._policy)

    def seconds(self, timeout: float | None) -> float | None:
        """Return the seconds that a request has; None for what is no timeout."""
        if timeout is None:
            return self.timeout
        return timeout if 0 < timeout <= LONGEST else None

    def outcome(self, answer: Response, values: bytes, host: Host | None, timeout: float) -> Outcome:
        """Return what came of a request: all its rows, or what to go on with.

        Args:
            answer: The response.
            values: Its encoded values.
            host: The node that it was sent to.
            timeout: Seconds that it had.
        """
        try:
            rows = self.read(answer) if isinstance(answer, bytes) else None
        except Exception:  # noqa: BLE001 - the driver's decoder knows more, or says what is wrong
            rows = None
        if rows is not None:
            return rows, None
        return None, (self._exchange.again(values, host, timeout), answer)


class BoundTemplate:
    """A template in one tick of an event loop: what the first of its requests found serves the others.

    Its statement is current, its node is up and connected to. What changes by itself, in the drivers'
    threads, may as well have done so one tick later.

    Args:
        template: The template.
        pool: The loop's connections.
        timeout: Seconds for each request.
    """

    __slots__ = (
        "_after",
        "_before",
        "_encode",
        "_host",
        "_one_way",
        "_pool",
        "_template",
        "_timeout",
        "_timestamps",
        "connection",
    )

    def __init__(self, template: RequestTemplate, pool: AsyncPool, timeout: float) -> None:
        self._template = template
        self._pool = pool
        self._timeout = timeout
        self._encode = template.encode
        self._before, self._after = template.before, template.after
        self._timestamps = template.timestamps
        self._host: Host | None = None
        #: Where the last request was sent.
        self.connection: AsyncConnection | None = None
        self._one_way = template.has_one_way
        if self._one_way:
            self._host, self.connection = template.find_connection(pool, b"")

    def send(self, params: Any) -> TemplatedRequest | None:
        """Send the statement with these parameters; None where there is more to it, and nothing was sent."""
        try:
            values = self._encode(params)
        except Exception:  # noqa: BLE001 - the long way says what is wrong with them
            return None
        host, connection = self._host, self.connection
        if not self._one_way:
            host, connection = self._template.find_connection(self._pool, values)
            self.connection = connection
        if connection is None:
            return None
        body = self._before + values + self._after
        if self._timestamps is not None:
            body += LONG.pack(self._timestamps())
        future = connection.send(EXECUTE, body, self._timeout)
        return None if future is None else (self, values, host, future)

    def outcome(self, sent: TemplatedRequest, answer: Response) -> Outcome:
        """Return what came of a request that it has sent."""
        return self._template.outcome(answer, sent[1], sent[2], self._timeout)


def keep_template(
    nodes: Nodes, exchange: ExecuteRequest, consistency: str | None, state: tuple[Any, ...]
) -> None:
    """Keep a template for the next requests.

    Args:
        nodes: Where they go.
        exchange: The first request.
        consistency: The level as the caller wrote it.
        state: The session's, from before the request was made.
    """
    templates = exchange.statement.templates
    if len(templates) >= _MAX_TEMPLATES:
        templates.clear()
    templates[consistency] = RequestTemplate(nodes, exchange, state)


def find_template(statement: FastStatement, consistency: str | None) -> RequestTemplate | None:
    """Return what requests to a statement at a level have in common; None where nothing holds."""
    template: RequestTemplate | None = statement.templates.get(consistency)
    if template is None or template.is_current:
        return template
    statement.templates.pop(consistency, None)
    return None


def template_key(stmt: str, consistency: str | None, timeout: float | None) -> Hashable | None:
    """Return what requests of a tick have in common that differ in their values alone; None for odd ones."""
    if stmt.__class__ is not str:
        return None
    if consistency is None and timeout is None:
        return stmt
    # True is equal to 1, and is no timeout.
    if (consistency is None or consistency.__class__ is str) and timeout.__class__ in _TIMEOUTS:
        return stmt, consistency, timeout
    return None
