"""One request on the fast path, and what its answers mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from cassandra.protocol import ErrorMessage
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

__all__ = ["Exchange", "ExecuteRequest", "FastRequest", "Path", "PendingResponse", "SendEffect"]


class Path(Protocol):
    """What sends an exchange, and knows what its answers mean: the driver's fast path."""

    def send(self, exchange: Exchange) -> PendingResponse | None:
        """Send from the calling thread; None where no connection is free yet."""
        ...

    def send_async(self, exchange: Exchange) -> Awaitable[Response] | None:
        """Send from the running loop; None where it has no connection yet."""
        ...

    def decoded(self, answer: bytes | Frame, exchange: Exchange) -> Any:
        """Return the driver's object of an answer."""
        ...

    def check_open(self, terms: ExecutionSettings) -> None:
        """Refuse to go on with a request whose connection was lost because the driver was closed."""
        ...

    def retry_policy(self, terms: ExecutionSettings) -> SafeRetryPolicy:
        """Return what decides whether a request that has failed is sent again."""
        ...

    def has_others(self, exchange: Exchange, tried: Host) -> bool:
        """Tell whether a node other than the one could be asked."""
        ...


class Exchange:
    """Send a request and wait for its answer; the answer is None where it couldn't be sent.

    Args:
        path: The driver's fast path.
        opcode: What kind of request it is.
        body: Its body.
        timeout: Seconds.
        policy: The load-balancing policy to ask.
    """

    __slots__ = ("body", "host", "opcode", "path", "policy", "timeout")

    def __init__(self, path: Path, opcode: int, body: bytes, timeout: float, policy: Any) -> None:
        self.path = path
        self.opcode = opcode
        self.body = body
        self.timeout = timeout
        self.policy = policy
        #: The node that was asked.
        self.host: Host | None = None

    def route(self) -> Route:
        """Return what decides where it goes; asked only where there is a choice."""
        raise NotImplementedError

    def run(self) -> Response | None:
        """Send and wait in the calling thread."""
        posted = self.path.send(self)
        return None if posted is None else posted.run()

    def run_async(self) -> Awaitable[Response | None]:
        """Send from the running loop."""
        return self.path.send_async(self) or NOT_SENT


class SendEffect:
    """An effect: send a request, and don't wait. Its answer is the ``PendingResponse``, or None.

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
        """Send from the running loop."""
        future = self._exchange.path.send_async(self._exchange)
        return NOT_SENT if future is None else _Immediately(AsyncPendingResponse(future))


class PendingResponse:
    """An effect: the answer to a request that a thread has sent.

    Args:
        connection: What it was sent on.
        pool: Where that goes back to.
        failed: What became of sending it, where that failed.
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
        """Never called: it was sent from a thread."""
        raise NotImplementedError

    def abandon(self) -> None:
        """Wait for it no more."""
        self._pool.discard(self._connection)


class AsyncPendingResponse(PendingResponse):
    """The same, of a request that was sent from an event loop."""

    __slots__ = ("_future",)

    def __init__(self, future: Awaitable[Response]) -> None:
        self._future = future

    def run(self) -> Response:
        """Never called: it was sent from a loop."""
        raise NotImplementedError

    def run_async(self) -> Awaitable[Response]:
        """Wait on the loop."""
        return self._future

    def abandon(self) -> None:
        """Leave its answer to the connection."""


class _Immediately:
    """An awaitable of what is there already."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def __await__(self) -> Generator[Any, None, Any]:
        return self._value
        yield


#: The answer to a request that couldn't be sent.
NOT_SENT = _Immediately(None)


class FastRequest(Exchange):
    """A request whose answer is pages.

    Args:
        path: The driver's fast path.
        opcode: What kind of request it is.
        body: Its body.
        terms: The terms on which it is sent.
        policy: The load-balancing policy to ask.
        statement: The statement, of a batch the one that tells where it goes.
        values: Its encoded parameters.
        level: The consistency level's code.
    """

    __slots__ = ("level", "statement", "terms", "values")

    def __init__(
        self,
        path: Path,
        opcode: int,
        body: bytes,
        terms: ExecutionSettings,
        policy: Any,
        statement: FastStatement,
        values: bytes,
        level: int,
    ) -> None:
        # As Exchange does it; to call that would be a call more for each request.
        self.path = path
        self.opcode = opcode
        self.body = body
        self.timeout = terms.timeout
        self.policy = policy
        self.host = None
        self.terms = terms
        self.statement = statement
        self.values = values
        self.level = level

    def route(self) -> Route:
        """Return what decides where it goes."""
        return self.statement.route(self.values, self.level)

    def single_page_rows(self, answer: Response | None) -> Rows | None:
        """Return the rows of an answer that is the only page; None for every other answer."""
        if not isinstance(answer, bytes):
            return None
        try:
            return self.statement.results.read_single_page(answer)
        except Exception:  # noqa: BLE001 - the driver's decoder knows more, or says what is wrong
            return None

    def page(self, answer: Response | None) -> Page | None:
        """Return the page that an answer holds; None where it takes more to make sense of it."""
        if not isinstance(answer, bytes):
            return None
        try:
            return self.statement.results.read(answer)
        except Exception:  # noqa: BLE001 - the driver's decoder knows more, or says what is wrong
            return None

    def interpret(self, answer: Response | None) -> SessionResponse | DriverRetry:
        """Say what an answer means that is no page: what the driver's decoder finds, or what to do next.

        Raises:
            CoodieError: The request has failed.
        """
        if answer is None:
            return DriverRetry()
        if isinstance(answer, TimedOut):
            raise timeout_error(self.terms, self.host if answer.sent else None)
        if isinstance(answer, ConnectionLost):
            self.path.check_open(self.terms)
            return self._failed(answer.error, on_connection_lost) if answer.sent else DriverRetry()
        try:
            message = self.path.decoded(answer, self)
        except Exception as exc:  # noqa: BLE001 - whatever the driver's decoder raises for a broken body
            raise_translated(exc, self.terms)
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
        """Ask the retry policy; raise where it says so, or wants another node at once and there is none."""
        batched = self.opcode == BATCH
        statement = BatchStatement() if batched else BoundStatement(self.statement.prepared)
        policy = self.path.retry_policy(self.terms)
        again = decide(error, policy, statement, self.level, self.host, self.terms)
        if again.avoid is not None and not self.path.has_others(self, again.avoid):
            if not again.delay:
                raise_translated(error, self.terms, policy.write)
            return again._replace(avoid=None)
        return again


class ExecuteRequest(FastRequest):
    """One statement.

    Args:
        path: The driver's fast path.
        terms: The terms on which it is sent.
        policy: The load-balancing policy to ask.
        statement: The statement.
        values: Its encoded parameters.
        settings: What it runs with.
        state: Where the page starts, or None.
    """

    __slots__ = ("_settings",)

    def __init__(
        self,
        path: Path,
        terms: ExecutionSettings,
        policy: Any,
        statement: FastStatement,
        values: bytes,
        settings: ExecuteOptions,
        state: bytes | None = None,
    ) -> None:
        body = statement.body(values, settings, state)
        super().__init__(path, EXECUTE, body, terms, policy, statement, values, settings.level)
        self._settings = settings

    @property
    def is_stamped(self) -> bool:
        """Whether it has a timestamp."""
        return self._settings.timestamp is not None

    def prefix_and_suffix(self) -> tuple[bytes, bytes]:
        """Return what stands before and after the values in its body, but for the timestamp at the end."""
        return self.statement.prefix_and_suffix(self._settings)

    def again(self, values: bytes, host: Host | None, timeout: float) -> ExecuteRequest:
        """Return the same request with other values, as it was sent to a node."""
        terms = self.terms._replace(timeout=timeout)
        other = ExecuteRequest(self.path, terms, self.policy, self.statement, values, self._settings)
        other.host = host
        return other
