"""What the author of a driver writes: the calls of one database client."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from coodie.cql import Kind
from coodie.effects import Steps
from coodie.observers.request import UNOBSERVED
from coodie.parameters import positional
from coodie.rows import Column, Rows, check_column_names, first_item

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from coodie.cql import StatementShape
    from coodie.exceptions import CoodieError
    from coodie.observers.events import Host
    from coodie.observers.request import ObservedRequest
    from coodie.requests import BatchType, Params, Request, RequestOptions

__all__ = ["Client", "ClientRequest", "Page", "StaleStatementError", "Steps", "TupleRows", "UndecodedRows"]

#: Statements that are sent as text.
UNPREPARED = frozenset({Kind.SCHEMA, Kind.PLAIN})

#: Seconds for requests that give no timeout, where the client has no default of its own.
_DEFAULT_TIMEOUT = 10.0


class ClientRequest(NamedTuple):
    """One request, or one page of it, as a client sends it; every argument has been checked.

    Attributes:
        cql: The text to send, with ``?`` for each value.
        prepared: What ``Client.prepare`` returned for it; None for schema statements, TRUNCATE and the
            like, which are sent as text and have no values.
        values: What ``Client.bind`` returned: the values, in the markers' order.
        consistency: The level's name in upper case, or None for the client's default.
        timeout: Seconds to wait for this page.
        page_size: Rows to a page.
        paging_state: The server's opaque bytes, or None for the first page.
        repeatable: Sending it twice does no harm: a read, or what the caller said is idempotent. Anything
            else must never be sent again by the client itself.
        options: The caller's other options, as far as the driver declares them.
        asked: The request as the caller gave it; ``asked.stmt`` is for errors.
        shape: The statement's kind and table.
        observed: For ``tried(host)``, if a node was asked and gave no page.
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

    @property
    def is_prepared(self) -> bool:
        """Whether its statement is one that is prepared."""
        return self.shape.kind not in UNPREPARED

    def __repr__(self) -> str:
        """Show everything but the values, which may be secret."""
        return f"<ClientRequest {self.cql!r}, prepared={self.prepared!r}, consistency={self.consistency!r}>"


class UndecodedRows(Protocol):
    """Rows that a client decodes when they are wanted; the next page is on its way meanwhile."""

    def __len__(self) -> int:
        """Return how many rows there are."""
        ...

    def decode(self) -> list[dict[str, Any]]:
        """Return them."""
        ...

    def first_item(self) -> Any:
        """Return the first column of the first row, or None; nothing else needs to be decoded."""
        ...


class TupleRows:
    """Rows of a client that gives them as tuples: no column is lost where two have the same name.

    Args:
        names: The columns' names.
        rows: For each row its values, in the columns' order.
        types: The columns' CQL types, for ``Rows.columns``; None where the client doesn't know them.
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
        if self._types is not None:
            rows.columns = tuple(map(Column, self._names, self._types))
        return rows

    def first_item(self) -> Any:
        """Return the first column of the first row, by position; None where there is no row."""
        return self._rows[0][0] if self._rows else None


class Page(NamedTuple):
    """What came back for one request.

    Attributes:
        rows: Plain dicts, each the caller's own; or an ``UndecodedRows``, such as ``TupleRows``.
        paging_state: The server's opaque bytes, or None where there is nothing more.
        warnings: The server's warnings.
        trace_id: The trace session's id, where the request was traced.
        host: The node that coordinated it, for observers; None where the client doesn't know.
    """

    rows: list[dict[str, Any]] | UndecodedRows
    paging_state: bytes | None = None
    warnings: Sequence[str] = ()
    trace_id: UUID | None = None
    host: Host | None = None

    def decoded(self) -> list[dict[str, Any]]:
        """Return the rows as dicts."""
        rows = self.rows
        return rows if isinstance(rows, list) else rows.decode()

    def first_item(self) -> Any:
        """Return the first column of the first row, or None."""
        rows = self.rows
        return first_item(rows) if isinstance(rows, list) else rows.first_item()


class StaleStatementError(Exception):
    """Raised by ``Client.send``: the server doesn't take this prepared statement any more.

    The driver has the statement prepared again and sends the request once more.

    Args:
        prepared: What ``prepare`` returned for the statement; None for the request's own.
        may_have_been_applied: An attempt before this one may have been applied; this one wasn't.
    """

    def __init__(self, prepared: Any = None, *, may_have_been_applied: bool = False) -> None:
        super().__init__("The server doesn't know the prepared statement.")
        self.prepared = prepared
        self.may_have_been_applied = may_have_been_applied


class Client(ABC):
    """One connected database client, for a ``ClientDriver``.

    Four methods have to be implemented; the others have defaults for a client that has nothing better.

    The methods are generators that yield *effects*, the things they wait for, and get the answers as
    the values of ``yield``: ``Blocking(call)`` for a client that blocks, ``coodie.waiting.Wait(future)``
    for a ``concurrent.futures.Future``, ``coodie.effects.Call(target, "name")`` for methods with a twin
    ``name_async``, ``DriverCall`` for another driver of coodie's, or any object with ``run()`` and
    ``run_async()``. Any number of threads and tasks
    call them at once.
    """

    @abstractmethod
    def prepare(self, cql: str, timeout: float) -> Steps[Any]:
        """Have the server prepare a statement.

        Args:
            cql: Its text, with ``?`` for each value.
            timeout: Seconds to wait.

        Returns:
            Whatever ``send`` needs for it.
        """

    @abstractmethod
    def send(self, request: ClientRequest) -> Steps[Page]:
        """Send a request and read its answer.

        Raises:
            StaleStatementError: The statement has to be prepared anew.
        """

    @abstractmethod
    def close(self) -> None:
        """Disconnect, end the requests under way, and the client's threads.

        May block; is called once, in a thread of its own.
        """

    @abstractmethod
    def error(self, raised: Exception, stmt: str, timeout: float) -> CoodieError:
        """Return the error of ``coodie.exceptions`` for what the client raised.

        Called for whatever ``prepare`` and ``send`` let through that isn't one already; *raised* becomes
        its cause.

        Args:
            raised: The client's exception.
            stmt: The caller's CQL text, for the error's ``statement``.
            timeout: The seconds that the request was given.
        """

    # --- what a client may do better than the defaults ------------------------------------

    #: Whether ``bind`` takes names: then ``:name`` stays in the text that is prepared.
    binds_by_name = False

    #: Whether ``send_batch`` is implemented; otherwise a batch is sent as one text.
    has_batch_message = False

    def default_timeout(self) -> float:
        """Return the seconds for requests, where neither the request nor the driver gives any."""
        return _DEFAULT_TIMEOUT

    def default_consistency(self) -> str | None:
        """Return the name of the level at which requests run that give none, for observers."""
        return None

    def statement_key(self, stmt: str) -> Any:
        """Return what a prepared statement is kept under: its text, and what else it depends on."""
        return stmt

    def is_current(self, prepared: Any) -> bool:  # noqa: ARG002 - a hook
        """Tell whether a prepared statement still is what the server has; asked before each request."""
        return True

    def schema_changed(self) -> bool:
        """Note that the driver has changed the schema; return whether ``is_current`` knows what that changed.

        If not, all statements are prepared again.
        """
        return False

    def prepare_again(self, cql: str, stale: StaleStatementError, timeout: float) -> Steps[Any]:  # noqa: ARG002
        """Have the server prepare a statement that it didn't know any more.

        Args:
            cql: The text.
            stale: What ``send`` raised.
            timeout: Seconds to wait.
        """
        return (yield from self.prepare(cql, timeout))

    def bind(self, prepared: Any, stmt: str, params: Params) -> Any:  # noqa: ARG002 - a hook
        """Return the values of a request as ``send`` takes them.

        Args:
            prepared: What ``prepare`` returned.
            stmt: The caller's text.
            params: The caller's values.

        Raises:
            ParameterError: They don't fit the statement.
        """
        return positional(stmt, params).values

    def send_batch(
        self, request: ClientRequest, batch_type: BatchType, parts: Sequence[tuple[Any, str, Params]]
    ) -> Steps[Page]:
        """Send several writes as one message.

        Args:
            request: What holds for all of them; it has no statement.
            batch_type: The kind of batch.
            parts: For each write what ``prepare`` returned, its text and its values.

        Raises:
            StaleStatementError: One has to be prepared again; the error has what ``prepare`` returned for it.
        """
        raise NotImplementedError
