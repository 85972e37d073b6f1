"""``Client``: the interface that the author of a driver implements."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from coodie.contract.total_timeout import total_timeout_error
from coodie.cql import Kind
from coodie.effects import Steps
from coodie.exceptions import RequestError
from coodie.observers.request import UNOBSERVED
from coodie.parameters import positional
from coodie.requests import RequestOptions
from coodie.row_shapes import ShapedRows
from coodie.rows import Column, Rows, check_column_names, first_item

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from coodie.cql import StatementShape
    from coodie.exceptions import CoodieError
    from coodie.observers.events import Host
    from coodie.observers.request import ObservedRequest
    from coodie.observers.stats import NodeStats
    from coodie.requests import BatchType, Params, Request
    from coodie.row_shapes import RowShape

__all__ = [
    "Client",
    "ClientRequest",
    "First",
    "Page",
    "StaleStatementError",
    "Steps",
    "TupleRows",
    "UndecodedRows",
    "client_options",
]

#: Kinds of statements that are sent as text.
UNPREPARED = frozenset({Kind.SCHEMA, Kind.PLAIN})

#: The default timeout in seconds, if the client has none of its own.
_DEFAULT_TIMEOUT = 10.0

#: The options of a request that has none.
_NO_OPTIONS = RequestOptions()


class ClientRequest(NamedTuple):
    """One request, or the request for one page; all arguments have been validated.

    Attributes:
        cql: The CQL text to send, with ``?`` for each value.
        prepared: The result of ``Client.prepare``; None for schema statements, TRUNCATE and the like, which
            are sent as text and have no values.
        values: The result of ``Client.bind``: the values, in the order of the bind markers.
        consistency: The consistency level's name in upper case; None for the client's default.
        timeout: The timeout of this page in seconds.
        page_size: Rows per page.
        paging_state: The server's opaque bytes; None for the first page.
        repeatable: The request is idempotent: it is a read, or the caller said so. The client must not
            retry any other request itself.
        options: The caller's other options, as far as the driver has the capabilities; without ``rows``.
        asked: The caller's original request; ``asked.stmt`` is the text for errors.
        shape: The statement's kind and table.
        observed: Call ``tried(host)`` on it if a node returned no page.
        rows: What the rows are to be; None for dicts. The pipeline converts dicts, and ``TupleRows``.
        deadline: When ``total_timeout`` expires, on the monotonic clock; None for no limit.
    """

    cql: str
    prepared: Any
    values: Any
    consistency: str | None
    timeout: float
    page_size: int
    paging_state: bytes | None
    repeatable: bool
    options: RequestOptions
    asked: Request
    shape: StatementShape
    observed: ObservedRequest = UNOBSERVED
    rows: RowShape | None = None
    deadline: float | None = None

    def in_time(self) -> ClientRequest:
        """Return the request with its timeout limited to the remaining time until the deadline.

        Raises:
            RequestTimeoutError: ``total_timeout`` has expired.
        """
        if self.deadline is None:
            return self
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise total_timeout_error(self.asked.stmt, self.options)
        return self if left > self.timeout else self._replace(timeout=left)

    def complete_error(self, error: CoodieError, *, may_have_been_applied: bool) -> None:
        """Let an error of coodie's that the client raised have the caller's statement.

        Args:
            error: The error.
            may_have_been_applied: An earlier attempt may have been applied.
        """
        error.may_have_been_applied |= may_have_been_applied
        if isinstance(error, RequestError) and error.statement == self.cql:
            error.statement = self.asked.stmt

    @property
    def is_prepared(self) -> bool:
        """Whether the statement is prepared, and not sent as text."""
        return self.shape.kind not in UNPREPARED

    def __repr__(self) -> str:
        """Return a representation without the values, which may be secret."""
        return f"<ClientRequest {self.cql!r}, prepared={self.prepared!r}, consistency={self.consistency!r}>"


def client_options(options: RequestOptions | None) -> RequestOptions:
    """Return the options for a client: it returns dicts, also if it passes them on to another driver."""
    if options is None:
        return _NO_OPTIONS
    return options if options.rows is None else replace(options, rows=None)


class UndecodedRows(Protocol):
    """Rows that a client decodes on demand, while the next page is being requested."""

    def __len__(self) -> int:
        """Return the number of rows."""
        ...

    def decode(self) -> list[dict[str, Any]]:
        """Return the rows as dicts."""
        ...

    def first_item(self) -> Any:
        """Return the first column of the first row, or None, without decoding anything else."""
        ...


class TupleRows:
    """Rows as tuples, which keep both columns if two have the same name.

    Args:
        names: The columns' names.
        rows: The values of each row, in the columns' order.
        types: The columns' CQL types, for ``Rows.columns``; None if the client doesn't know them.
    """

    __slots__ = ("_names", "_rows", "_types")

    def __init__(
        self, names: Sequence[str], rows: Sequence[Sequence[Any]], types: Sequence[str] | None = None
    ) -> None:
        self._names = names
        self._rows = rows
        self._types = types

    def __len__(self) -> int:
        return len(self._rows)

    def decode(self) -> list[dict[str, Any]]:
        """Return the rows as dicts.

        Raises:
            InvalidQueryError: Two columns have the same name.
        """
        check_column_names(self._names)
        rows = Rows(dict(zip(self._names, row, strict=True)) for row in self._rows)
        rows.columns = self._columns()
        return rows

    def shaped(self, shape: RowShape) -> Rows[Any]:
        """Return the rows in another shape than dicts.

        Raises:
            InvalidQueryError: The columns don't fit the shape.
        """
        return shape.of_tuples(self._names, self._rows, self._columns())

    def _columns(self) -> tuple[Column, ...] | None:
        # A statement without a result has no columns.
        return tuple(map(Column, self._names, self._types)) if self._types else None

    def first_item(self) -> Any:
        """Return the first column of the first row, by position; None if there is no row."""
        return self._rows[0][0] if self._rows else None


class Page(NamedTuple):
    """The result of one request.

    Attributes:
        rows: A list of new dicts; or an ``UndecodedRows`` such as ``TupleRows``.
        paging_state: The server's opaque bytes; None if this is the last page.
        warnings: The server's warnings.
        trace_id: The id of the trace session, if the request was traced.
        host: The coordinator node, for observers; None if the client doesn't know it.
    """

    rows: list[dict[str, Any]] | UndecodedRows
    paging_state: bytes | None = None
    warnings: Sequence[str] = ()
    trace_id: UUID | None = None
    host: Host | None = None

    def decoded(self, shape: RowShape | None = None) -> list[Any]:
        """Return the rows.

        Args:
            shape: What the rows are to be; None for dicts.
        """
        rows: Any = self.rows
        if shape is not None and hasattr(rows, "shaped"):
            shaped: Rows[Any] = rows.shaped(shape)
            return shaped
        found: list[Any] = rows if isinstance(rows, list) else rows.decode()
        # The client may already have returned rows of this shape.
        return found if shape is None or isinstance(found, ShapedRows) else shape.of_dicts(found)

    def first_item(self) -> Any:
        """Return the first column of the first row, or None."""
        rows = self.rows
        return first_item(rows) if isinstance(rows, list) else rows.first_item()


#: Returns the first page of a request that has been sent, in place of ``Client.send``.
First = Callable[[ClientRequest], Steps[Page]]


class StaleStatementError(Exception):
    """Raised by ``Client.send``: the server no longer has the prepared statement.

    The driver prepares the statement again and repeats the request.

    Args:
        prepared: The result of ``prepare`` for the statement; None for the request's statement.
        may_have_been_applied: An earlier attempt may have been applied; this one wasn't.
    """

    def __init__(self, prepared: Any = None, *, may_have_been_applied: bool = False) -> None:
        super().__init__("The server no longer has the prepared statement.")
        self.prepared = prepared
        self.may_have_been_applied = may_have_been_applied


class Client(ABC):
    """One connected database client, for a ``ClientDriver``.

    Four methods are abstract; the others have defaults.

    The methods are generators that yield *effects*, the operations that they wait for; the result of an
    effect is the value of ``yield``. Yield ``Blocking(call)`` for a blocking call,
    ``coodie.waiting.Wait(future)`` for a ``concurrent.futures.Future``,
    ``coodie.effects.Call(target, "name")`` for a method with an async variant ``name_async``,
    ``DriverCall`` for another driver of coodie's, or any object with ``run()`` and ``run_async()``. The
    methods must be safe to call from many threads and tasks at the same time.
    """

    @abstractmethod
    def prepare(self, cql: str, timeout: float) -> Steps[Any]:
        """Prepare a statement on the server.

        Args:
            cql: The CQL text, with ``?`` for each value.
            timeout: The timeout in seconds.

        Returns:
            Any object; ``send`` gets it as ``request.prepared``.
        """

    @abstractmethod
    def send(self, request: ClientRequest) -> Steps[Page]:
        """Send a request, and return its page.

        Raises:
            StaleStatementError: The statement has to be prepared again.
        """

    @abstractmethod
    def close(self) -> None:
        """Disconnect, and end the requests in flight and the client's threads.

        May block; called once, in a thread of its own.
        """

    @abstractmethod
    def error(self, raised: Exception, stmt: str, timeout: float) -> CoodieError:
        """Translate an exception of the client into an error of ``coodie.exceptions``.

        Called for exceptions of ``prepare`` and ``send`` that aren't coodie's errors; *raised* becomes the
        cause.

        Args:
            raised: The client's exception.
            stmt: The caller's CQL text, for the error's ``statement``.
            timeout: The request's timeout in seconds.
        """

    # --- optional methods -----------------------------------------------------------------

    #: Whether ``bind`` accepts named parameters: ``:name`` markers then stay in the prepared text.
    binds_by_name = False

    #: Whether ``send_batch`` is implemented; otherwise a batch is sent as one CQL text.
    has_batch_message = False

    def is_busy(self) -> bool:
        """Return whether something is in progress besides the driver's requests, for ``close(drain=…)``."""
        return False

    def drain(self) -> None:  # noqa: B027 - a hook
        """Prepare for closing: the driver accepts no new requests, while those in progress may finish."""

    def warm(self, connections: int, timeout: float) -> Steps[None]:  # noqa: ARG002 - a hook
        """Open connections before the first request needs them.

        Args:
            connections: The number of threads that will send requests at the same time.
            timeout: The timeout in seconds.

        Raises:
            RequestTimeoutError: Connecting took longer.
        """
        yield from ()

    def warm_statement(self, prepared: Any) -> None:  # noqa: B027 - a hook
        """Compute in advance what the first execution of a prepared statement needs."""

    def default_timeout(self) -> float:
        """Return the timeout in seconds if neither the request nor the driver has one."""
        return _DEFAULT_TIMEOUT

    def default_consistency(self) -> str | None:
        """Return the name of the default consistency level, for observers."""
        return None

    def node_stats(self) -> Sequence[NodeStats]:
        """Return the nodes for ``driver.stats()``, without a request to the server; must not block."""
        return ()

    def unconnected(self) -> int | None:
        """Return how many requests failed because no node had a free connection; None if unknown."""
        return None

    def writes_counters(self, prepared: Any) -> bool:  # noqa: ARG002 - a hook
        """Return whether a prepared statement writes counters, whose timestamps the server sets."""
        return False

    def statement_key(self, stmt: str) -> Any:
        """Return the cache key of a prepared statement: its text, and anything else that it depends on."""
        return stmt

    def is_current(self, prepared: Any) -> bool:  # noqa: ARG002 - a hook
        """Return whether a prepared statement is still valid; called before each request."""
        return True

    def schema_changed(self) -> bool:
        """Handle a schema change by this driver; return whether ``is_current`` detects its effects.

        If False, all statements are prepared again.
        """
        return False

    def prepare_again(self, cql: str, stale: StaleStatementError, timeout: float) -> Steps[Any]:  # noqa: ARG002
        """Prepare a statement again that the server no longer has.

        Args:
            cql: The CQL text.
            stale: The error that ``send`` raised.
            timeout: The timeout in seconds.
        """
        return (yield from self.prepare(cql, timeout))

    def bind(self, prepared: Any, stmt: str, params: Params) -> Any:  # noqa: ARG002 - a hook
        """Return the values of a request; ``send`` gets them as ``request.values``.

        Args:
            prepared: The result of ``prepare``.
            stmt: The caller's CQL text.
            params: The caller's parameters.

        Raises:
            ParameterError: The parameters don't fit the statement.
        """
        return positional(stmt, params).values

    def send_batch(
        self, request: ClientRequest, batch_type: BatchType, parts: Sequence[tuple[Any, str, Params]]
    ) -> Steps[Page]:
        """Send several writes as one BATCH message.

        Args:
            request: The arguments of the batch; it has no statement.
            batch_type: The batch type.
            parts: For each write the result of ``prepare``, the CQL text and the parameters.

        Raises:
            StaleStatementError: A statement has to be prepared again; ``prepared`` says which.
        """
        raise NotImplementedError
