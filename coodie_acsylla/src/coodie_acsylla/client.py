"""``AcsyllaClient``: the calls of acsylla, which are connect, prepare, send and close."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import acsylla

from coodie.cql import Kind, inspect_statement, prefix_of, quoted_name, tokens
from coodie.drivers.client.client import Client, Page, StaleStatementError, TupleRows
from coodie.drivers.client.connect_options import PORT, connect_timeout
from coodie.drivers.client.timestamps import counter_error
from coodie.drivers.client.values.binding import Parameters
from coodie.drivers.client.values.cqltypes import scalar_type
from coodie.exceptions import CoodieError
from coodie.requests import BatchType
from coodie.types import UNSET
from coodie_acsylla.binding import BINDING
from coodie_acsylla.cqltypes import ColumnType
from coodie_acsylla.descriptions import Address, Describe, DescriptionError
from coodie_acsylla.errors import could_not_connect, is_stale, no_host_is_left, translated
from coodie_acsylla.expansion import selects_all, with_columns
from coodie_acsylla.reading import Reader
from coodie_acsylla.sessions import OnSession, Sessions

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from coodie.drivers.client.client import ClientRequest
    from coodie.effects import Steps
    from coodie.options.connection import ConnectionConfig
    from coodie.requests import Params
    from coodie_acsylla.sessions import Held

__all__ = ["AcsyllaClient", "connect"]

#: The maximum number of tables whose columns are kept.
_TABLES = 1000

#: coodie's names → the client's members.
_LEVELS = {level.name: level for level in acsylla.Consistency}

_BATCHES = {
    BatchType.LOGGED: acsylla.create_batch_logged,
    BatchType.UNLOGGED: acsylla.create_batch_unlogged,
    BatchType.COUNTER: acsylla.create_batch_counter,
}

#: The first column of a conditional write's result; the others are columns of the table.
_APPLIED = "[applied]"
_BOOLEAN = scalar_type("boolean")


class _Prepared(NamedTuple):
    """A prepared statement.

    Attributes:
        statement: The client's statement.
        markers: Its bind markers.
        parameters: The same, for values.
        reader: The reader of its results.
        columns: The columns of its results; none for writes.
        schema_version: The client's schema version when it was prepared.
        is_expanded: Its ``*`` was replaced by the columns.
    """

    statement: Held
    markers: Sequence[ColumnType]
    parameters: Parameters
    reader: Reader
    columns: Sequence[ColumnType]
    schema_version: int
    is_expanded: bool


def connect(config: ConnectionConfig) -> Steps[AcsyllaClient]:
    """Connect; release everything on failure.

    Raises:
        ConnectionFailedError: No host can be reached in time.
        AuthenticationError: The server rejects the credentials.
    """
    hosts = tuple(config.hosts or ("127.0.0.1",))
    port = config.port or PORT
    timeout = connect_timeout(config)
    settings: dict[str, Any] = {
        "contact_points": list(hosts),
        "port": port,
        "username": config.username,
        "password": config.password,
        "connect_timeout": timeout,
        "load_balance_dc_aware": config.local_dc,
        # The client would retry on its own; what may be retried is the pipeline's decision.
        "retry_policy": "fallthrough",
        # It logs an error for each connection to a Cassandra, which has no shards.
        "log_level": "critical",
    }
    address = Address(hosts, port, config.keyspace, config.username, config.password)
    client = AcsyllaClient(Sessions(settings, config.keyspace, timeout), address)
    try:
        yield client.connected()
    except CoodieError:
        client.close()
        raise
    except Exception as exc:  # its own classes, and those of the standard library
        client.close()
        raise could_not_connect(exc, hosts) from exc
    except BaseException:
        client.close()
        raise
    return client


async def _nothing(session: Any) -> None:
    """Connect, and do nothing else."""


class AcsyllaClient(Client):
    """The client's sessions, with the types of its statements.

    Args:
        sessions: The sessions, which connect on first use.
        address: The server, for descriptions of statements.
    """

    def __init__(self, sessions: Sessions, address: Address) -> None:
        self._sessions = sessions
        self._address = address
        #: The columns of tables with conditional writes, and the schema version when they were read.
        self._tables: dict[str, tuple[int, tuple[ColumnType, ...]]] = {}

    def connected(self) -> OnSession:
        """Return an effect that connects."""
        return OnSession(self._sessions, _nothing)

    def prepare(self, cql: str, timeout: float) -> Steps[_Prepared]:
        """Prepare a statement on the server, and get its types."""
        version = self._sessions.schema_version
        deadline = time.monotonic() + timeout
        is_expanded = selects_all(cql)
        if is_expanded:
            try:
                markers, columns = yield Describe(self._address, cql, timeout)
            except DescriptionError:
                yield self._creating(cql, deadline)  # raises the client's error, which has a class
                raise
            statement = yield self._creating(with_columns(cql, [column.name for column in columns]), deadline)
        else:
            statement = yield self._creating(cql, deadline)
            left = max(deadline - time.monotonic(), 0.001)
            markers, columns = yield Describe(self._address, cql, left)
        reader = Reader(columns)
        parameters = Parameters(BINDING, [(marker.name, marker.type) for marker in markers])
        return _Prepared(statement, markers, parameters, reader, columns, version, is_expanded)

    def _creating(self, cql: str, deadline: float) -> OnSession:
        async def create(session: Any) -> Any:
            return self._sessions.hold(await session.create_prepared(cql))

        return OnSession(self._sessions, create, max(deadline - time.monotonic(), 0.001))

    def is_current(self, prepared: _Prepared) -> bool:
        """Return whether the client has noticed no schema change since the statement was prepared."""
        return prepared.schema_version == self._sessions.schema_version

    def send(self, request: ClientRequest) -> Steps[Page]:
        """Send a request and read its response; the client enforces the timeout."""
        prepared: _Prepared | None = request.prepared
        yield from self._check_timestamp(request, [request.cql])
        if prepared is None:
            statement = acsylla.create_statement(request.cql)
        else:
            statement = _bound(prepared, request.values, request.asked.stmt)
        statement.set_timeout(request.timeout)
        statement.set_page_size(request.page_size)
        if request.paging_state is not None:
            statement.set_page_state(request.paging_state)
        _set_options(statement, request)

        async def execute(session: Any) -> Any:
            return await session.execute(statement)

        has_columns = prepared is not None and prepared.is_expanded
        result = yield from self._executed(execute, request, has_columns=has_columns)
        if prepared is not None and prepared.columns:
            reader = prepared.reader
        else:
            markers = () if prepared is None else prepared.markers
            reader = yield from self._reader(result, markers, request.timeout)
        return _page(result, reader, request.asked.stmt)

    #: ``send_batch`` exists: as one text, each batch would have to be prepared.
    has_batch_message = True

    def send_batch(
        self, request: ClientRequest, batch_type: BatchType, parts: Sequence[tuple[Any, str, Params]]
    ) -> Steps[Page]:
        """Send several writes as one BATCH message."""
        yield from self._check_timestamp(request, [stmt for _, stmt, _ in parts])
        batch = _BATCHES[batch_type](request.timeout)
        for prepared, stmt, params in parts:
            batch.add_statement(_bound(prepared, self.bind(prepared, stmt, params), stmt))
        _set_options(batch, request)

        async def execute(session: Any) -> Any:
            return await session.execute_batch(batch)

        result = yield from self._executed(execute, request)
        markers = [marker for prepared, _, _ in parts for marker in prepared.markers]
        reader = yield from self._reader(result, markers, request.timeout)
        return _page(result, reader, request.asked.stmt)

    def close(self) -> None:
        """Cancel the requests in flight, and close the sessions."""
        self._sessions.close()

    def error(self, raised: Exception, stmt: str, timeout: float) -> CoodieError:
        """Translate an exception of the client."""
        return translated(raised, stmt, timeout)

    def _executed(
        self,
        execute: Callable[[Any], Coroutine[Any, Any, Any]],
        request: ClientRequest,
        *,
        has_columns: bool = False,
    ) -> Steps[Any]:
        """Execute a statement.

        Args:
            execute: The call with the session.
            request: The request.
            has_columns: Its columns are no longer the table's if one was dropped.
        """
        try:
            return (yield OnSession(self._sessions, execute))
        except Exception as exc:  # is_stale knows which of them
            if is_stale(exc, has_columns=has_columns):
                raise StaleStatementError from exc
            if request.repeatable and request.shape.kind is not Kind.READ and no_host_is_left(exc):
                error = translated(exc, request.asked.stmt, request.timeout)
                error.may_have_been_applied = True  # the client has sent it, and the connection was lost
                raise error from exc
            raise

    def _reader(self, result: Any, markers: Sequence[ColumnType], timeout: float) -> Steps[Reader]:
        """Return the reader of a result that the statement's description doesn't have.

        That is the result of a conditional write: its columns are those of the table, whose name its bind
        markers have.
        """
        names = result.columns_names()
        if not names or names[0] != _APPLIED:
            return Reader(())
        table = next((marker.table for marker in markers if marker.table is not None), None)
        types = {_APPLIED: ColumnType(_APPLIED, _BOOLEAN)}
        if table is not None and len(names) > 1:
            types |= {column.name: column for column in (yield from self._columns(table, timeout))}
        return Reader([types[name] for name in names] if set(names) <= types.keys() else ())

    def _check_timestamp(self, request: ClientRequest, stmts: Sequence[str]) -> Steps[None]:
        """Raise if the request has a timestamp, and a statement writes counters: the server sets theirs.

        Raises:
            ConfigurationError: A statement's table has counters.
        """
        if request.options.timestamp is None:
            return
        for stmt in stmts:
            _, keyspace, table, *_ = inspect_statement(stmt)
            verb = next((text.upper() for _, text in tokens(stmt)), "")
            if table is not None and verb != "INSERT":  # which a table with counters doesn't accept
                prefix = "" if keyspace is None else prefix_of(keyspace)
                columns = yield from self._columns(prefix + quoted_name(table), request.timeout)
                if any(column.type.family == "counter" for column in columns):
                    raise counter_error()

    def _columns(self, table: str, timeout: float) -> Steps[tuple[ColumnType, ...]]:
        version = self._sessions.schema_version
        known = self._tables.get(table)
        if known is None or known[0] != version:
            description = yield Describe(self._address, f"SELECT * FROM {table}", timeout)  # noqa: S608 - quoted names
            if len(self._tables) >= _TABLES:
                self._tables.clear()
            known = self._tables[table] = (version, description.columns)
        return known[1]


def _page(result: Any, reader: Reader, stmt: str) -> Page:
    names = result.columns_names() or []
    rows = reader.rows(result, stmt)
    types = reader.types if len(reader.types) == len(names) else None
    state = result.page_state() if result.has_more_pages() else None
    return Page(rows=TupleRows(names, rows, types), paging_state=state)


def _bound(prepared: _Prepared, params: Sequence[Any], stmt: str) -> Any:
    """Return a statement of the client with values."""
    values = prepared.parameters.bind(params, stmt)
    if prepared.statement.statement is None:
        raise StaleStatementError(prepared)
    statement = prepared.statement.statement.bind()
    for index, value in enumerate(values):
        if value is not UNSET:  # the server gets no value for a marker without one
            statement.bind(index, value)
    return statement


def _set_options(statement: Any, request: ClientRequest) -> None:
    """Apply the options that statements and batches have."""
    statement.set_is_idempotent(request.repeatable)
    if request.consistency is not None:
        statement.set_consistency(_LEVELS[request.consistency])
    options = request.options
    if options.serial_consistency is not None:
        statement.set_serial_consistency(_LEVELS[options.serial_consistency])
    if options.timestamp is not None:
        statement.set_timestamp(options.timestamp)
