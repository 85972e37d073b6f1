"""Requests on the fast path: send them, and interpret their responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from cassandra.protocol import ErrorMessage, PreparedQueryNotFound
from cassandra.query import BatchStatement, BoundStatement

from coodie.drivers.cassandra._session import SessionResponse
from coodie.drivers.cassandra.fastpath.driver_internals import adopt_metadata
from coodie.drivers.cassandra.fastpath.retry import (
    DriverRetry,
    on_connection_lost,
    on_error,
    raise_translated,
    timeout_error,
)
from coodie.protocol.connection import ConnectionLost, TimedOut
from coodie.protocol.frames import BATCH, EXECUTE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from cassandra.pool import Host

    from coodie.drivers.cassandra._retries import SafeRetryPolicy
    from coodie.drivers.cassandra._session import ExecutionSettings
    from coodie.drivers.cassandra.fastpath.pool import SyncPool
    from coodie.drivers.cassandra.fastpath.reader import Page
    from coodie.drivers.cassandra.fastpath.routing import Route
    from coodie.drivers.cassandra.fastpath.statement import ExecuteOptions, FastStatement
    from coodie.drivers.cassandra.fastpath.sync_connection import SyncConnection
    from coodie.protocol.connection import Response
    from coodie.protocol.frames import Frame
    from coodie.rows import Rows

__all__ = [
    "Exchange",
    "ExecuteRequest",
    "FastRequest",
    "Immediately",
    "Path",
    "PendingResponse",
    "SendEffect",
    "TemplateExchange",
]


class Path(Protocol):
    """The fast path, as requests use it."""

    def send(self, exchange: Exchange) -> PendingResponse | None:
        """Send from the calling thread; return None if no connection is available yet."""
        ...

    def send_async(self, exchange: Exchange) -> Awaitable[Response] | None:
        """Send from the running event loop; return None if it has no connection yet."""
        ...

    def decoded(self, response: bytes | Frame, exchange: Exchange) -> Any:
        """Return the driver's message object for a response."""
        ...

    def check_open(self, settings: ExecutionSettings) -> None:
        """Raise if the driver has been closed, for a request whose connection was lost."""
        ...

    def retry_policy(self, settings: ExecutionSettings) -> SafeRetryPolicy:
        """Return the policy that decides whether a failed request is retried."""
        ...

    def count_error(self, host: Host | None) -> None:
        """Count an error response, a lost connection or a timeout."""
        ...

    def has_others(self, exchange: Exchange, excluded: Host) -> bool:
        """Return whether the policy has another node that is up."""
        ...


class Exchange:
    """An effect: send a request and wait for the response, which is None if the request wasn't sent.

    Args:
        path: The driver's fast path.
        opcode: The frame's opcode.
        body: The frame's body.
        timeout: The request's timeout in seconds.
        policy: The load-balancing policy.
    """

    __slots__ = ("body", "host", "opcode", "path", "policy", "timeout")

    def __init__(self, path: Path, opcode: int, body: bytes, timeout: float, policy: Any) -> None:
        self.path = path
        self.opcode = opcode
        self.body = body
        self.timeout = timeout
        self.policy = policy
        #: The node that the request was sent to.
        self.host: Host | None = None

    def route(self) -> Route:
        """Return the routing information; called only if there is more than one node."""
        raise NotImplementedError

    def run(self) -> Response | None:
        """Send and wait in the calling thread."""
        posted = self.path.send(self)
        return None if posted is None else posted.run()

    def run_async(self) -> Awaitable[Response | None]:
        """Send from the running event loop."""
        return self.path.send_async(self) or NOT_SENT


class SendEffect:
    """An effect: send a request without waiting; its result is a ``PendingResponse``, or None.

    Args:
        exchange: The request.
    """

    __slots__ = ("_exchange",)

    is_immediate = True

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def run(self) -> PendingResponse | None:
        """Send from the calling thread."""
        return self._exchange.path.send(self._exchange)

    def run_async(self) -> Awaitable[PendingResponse | None]:
        """Send from the running event loop."""
        future = self._exchange.path.send_async(self._exchange)
        return NOT_SENT if future is None else Immediately(AsyncPendingResponse(future))


class PendingResponse:
    """An effect: the response to a request that a thread has sent.

    Args:
        connection: The request's connection.
        pool: The pool to release the connection to.
        failed: The outcome, if sending failed.
    """

    __slots__ = ("_connection", "_failed", "_pool")

    def __init__(self, connection: SyncConnection, pool: SyncPool, failed: Response | None) -> None:
        self._connection = connection
        self._pool = pool
        self._failed = failed

    def run(self) -> Response:
        """Wait in the calling thread."""
        connection, pool = self._connection, self._pool
        try:
            return connection.receive() if self._failed is None else self._failed
        finally:
            pool.release(connection)

    def run_async(self) -> Awaitable[Response]:
        """Raise: the request was sent from a thread."""
        raise NotImplementedError

    def abandon(self) -> None:
        """Discard the connection with the response."""
        self._pool.discard(self._connection)


class AsyncPendingResponse(PendingResponse):
    """The response to a request that an event loop has sent."""

    __slots__ = ("_future",)

    def __init__(self, future: Awaitable[Response]) -> None:
        self._future = future

    def run(self) -> Response:
        """Raise: the request was sent from an event loop."""
        raise NotImplementedError

    def run_async(self) -> Awaitable[Response]:
        """Return the future of the response."""
        return self._future

    def abandon(self) -> None:
        """Leave the response to the connection, which drops it."""


class Immediately:
    """An awaitable of a known value."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def __await__(self) -> Generator[Any, None, Any]:
        return self._value
        yield


#: The awaitable of a request that wasn't sent.
NOT_SENT = Immediately(None)


class FastRequest(Exchange):
    """A request whose response is a page.

    Args:
        path: The driver's fast path.
        opcode: The frame's opcode.
        body: The frame's body.
        settings: The execution settings.
        policy: The load-balancing policy.
        statement: The statement; for a batch, the one that determines its route.
        values: The statement's encoded values.
        level: The consistency level's code.
    """

    __slots__ = ("level", "results", "settings", "statement", "values")

    def __init__(
        self,
        path: Path,
        opcode: int,
        body: bytes,
        settings: ExecutionSettings,
        policy: Any,
        statement: FastStatement,
        values: bytes,
        level: int,
    ) -> None:
        # Not super().__init__(): that would be one more call per request.
        self.path = path
        self.opcode = opcode
        self.body = body
        self.timeout = settings.timeout
        self.policy = policy
        self.host = None
        self.settings = settings
        self.statement = statement
        self.values = values
        self.level = level
        #: Reads the response.
        self.results = statement.results

    def route(self) -> Route:
        """Return the routing information."""
        route, options = self.statement.route(self.values, self.level), self.settings.options
        if options is not None and options.routing_token is not None:
            from coodie.drivers.cassandra._tokens import key_of_token  # for scans

            route.routing_key = key_of_token(options.routing_token)
        return route

    def single_page_rows(self, response: Response | None) -> Rows[Any] | None:
        """Return the rows if the response is the only page; None for any other response."""
        if not isinstance(response, bytes):
            return None
        try:
            return self.results.read_single_page(response)
        except Exception:  # noqa: BLE001 - the driver's decoder supports more, and reports errors
            return None

    def page(self, response: Response | None) -> Page | None:
        """Return the response as a page; None if ``interpret`` has to decode it."""
        if not isinstance(response, bytes):
            return None
        try:
            return self.results.read(response)
        except Exception:  # noqa: BLE001 - the driver's decoder supports more, and reports errors
            return None

    def interpret(self, response: Response | None) -> SessionResponse | DriverRetry:
        """Decode a response that isn't a plain page, or decide on a retry through the driver.

        Raises:
            CoodieError: The request has failed.
        """
        if response is None:
            return DriverRetry()
        if isinstance(response, TimedOut):
            self.path.count_error(self.host if response.sent else None)
            raise timeout_error(self.settings, self.host if response.sent else None)
        if isinstance(response, ConnectionLost):
            self.path.check_open(self.settings)
            return self._failed(response.error, on_connection_lost) if response.sent else DriverRetry()
        try:
            message = self.path.decoded(response, self)
        except Exception as exc:  # noqa: BLE001 - the driver's decoder raises anything for an invalid body
            raise_translated(exc, self.settings)
        if isinstance(message, ErrorMessage):
            return self._failed(message, on_error)
        adopt_metadata(self.statement.prepared, message)
        rows = message.parsed_rows or ()
        return SessionResponse(
            names=message.column_names or (),
            types=message.column_types or (),
            rows=rows if message.column_names else (),
            paging_state=message.paging_state,
            warnings=message.warnings or (),
            trace_id=None,
        )

    def _failed(self, error: Any, decide: Callable[..., DriverRetry]) -> DriverRetry:
        """Apply the retry policy; raise if it rethrows, or if an immediate retry has no other node."""
        if not isinstance(error, PreparedQueryNotFound):
            self.path.count_error(self.host)
        batched = self.opcode == BATCH
        statement = BatchStatement() if batched else BoundStatement(self.statement.prepared)
        policy = self.path.retry_policy(self.settings)
        retry = decide(error, policy, statement, self.level, self.host, self.settings)
        if retry.excluded_host is not None and not self.path.has_others(self, retry.excluded_host):
            if not retry.delay:
                raise_translated(error, self.settings, policy.write)
            return retry._replace(excluded_host=None)
        return retry


class ExecuteRequest(FastRequest):
    """An EXECUTE request.

    Args:
        path: The driver's fast path.
        settings: The execution settings.
        policy: The load-balancing policy.
        statement: The prepared statement.
        values: The encoded values.
        options: The options of the EXECUTE message.
        state: The page's paging state; None for the first page.
    """

    __slots__ = ("_options",)

    def __init__(
        self,
        path: Path,
        settings: ExecutionSettings,
        policy: Any,
        statement: FastStatement,
        values: bytes,
        options: ExecuteOptions,
        state: bytes | None = None,
    ) -> None:
        body = statement.body(values, options, state)
        super().__init__(path, EXECUTE, body, settings, policy, statement, values, options.level)
        self._options = options

    @property
    def is_stamped(self) -> bool:
        """Whether the request has a client timestamp."""
        return self._options.timestamp is not None

    def prefix_and_suffix(self) -> tuple[bytes, bytes]:
        """Return the body before and after the values, without the timestamp at the end."""
        return self.statement.prefix_and_suffix(self._options)

    def with_values(self, values: bytes, host: Host | None, timeout: float) -> ExecuteRequest:
        """Return the same request with other values, as sent to a node."""
        settings = self.settings._replace(timeout=timeout)
        other = ExecuteRequest(self.path, settings, self.policy, self.statement, values, self._options)
        other.host = host
        other.results = self.results
        return other

    def repeated(self, body: bytes, timeout: float, values: bytes) -> TemplateExchange:
        """Return a later request by this one's template.

        Args:
            body: The frame's body.
            timeout: The timeout in seconds.
            values: The encoded values.
        """
        return TemplateExchange(self, body, timeout, values)


class TemplateExchange(Exchange):
    """A request by a template, as an effect.

    Args:
        first: The template's first request.
        body: The frame's body.
        timeout: The timeout in seconds.
        values: The encoded values.
    """

    __slots__ = ("_first", "values")

    def __init__(self, first: ExecuteRequest, body: bytes, timeout: float, values: bytes) -> None:
        super().__init__(first.path, EXECUTE, body, timeout, first.policy)
        self._first = first
        self.values = values

    def route(self) -> Route:
        """Return the routing information."""
        return self._first.statement.route(self.values, self._first.level)
