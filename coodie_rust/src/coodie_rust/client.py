"""``RustClient``: the calls of scylladb-rs-driver, which are connect, prepare, send and close.

The client executes requests on its own threads, one set per process. So a request is one future, which tasks
await and threads block on; nothing here starts a thread or an event loop.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from scylla.enums import Compression, Consistency, SerialConsistency
from scylla.execution_profile import ExecutionProfile
from scylla.results import PagingState
from scylla.session_builder import SessionBuilder
from scylla.statement import Statement

from coodie.drivers.client.client import Client, Page, StaleStatementError
from coodie.drivers.client.connect_options import PORT, connect_timeout
from coodie.drivers.client.values.binding import Parameters
from coodie.exceptions import ConnectionFailedError, CoodieError, DriverClosedError
from coodie_rust.binding import BINDING
from coodie_rust.cqltypes import cql_type
from coodie_rust.errors import could_not_connect, is_made, is_stale, translated
from coodie_rust.outcome import Outcome
from coodie_rust.reading import AsLists, read_rows

if TYPE_CHECKING:
    from scylla.future import DriverFuture
    from scylla.results import RequestResult
    from scylla.session import Session
    from scylla.statement import PreparedStatement

    from coodie.drivers.client.client import ClientRequest
    from coodie.effects import Steps
    from coodie.options.connection import ConnectionConfig

__all__ = ["RustClient", "connect"]

#: The number of calls into the client when closing, and the pause in seconds after each.
_RELEASES = 3
_RELEASE_PAUSE = 0.05

#: coodie's names → the client's members.
_LEVELS = {
    "ANY": Consistency.Any,
    "ONE": Consistency.One,
    "TWO": Consistency.Two,
    "THREE": Consistency.Three,
    "QUORUM": Consistency.Quorum,
    "ALL": Consistency.All,
    "LOCAL_QUORUM": Consistency.LocalQuorum,
    "EACH_QUORUM": Consistency.EachQuorum,
    "LOCAL_ONE": Consistency.LocalOne,
    "SERIAL": Consistency.Serial,
    "LOCAL_SERIAL": Consistency.LocalSerial,
}
_SERIAL_LEVELS = {"SERIAL": SerialConsistency.Serial, "LOCAL_SERIAL": SerialConsistency.LocalSerial}
_COMPRESSIONS = {True: Compression.Lz4, "lz4": Compression.Lz4, "snappy": Compression.Snappy}


class _Prepared(NamedTuple):
    """A prepared statement, and its bind markers."""

    statement: PreparedStatement
    parameters: Parameters


class _Threads:
    """The client's threads: one set per process, started by the first connection."""

    def __init__(self) -> None:
        self._process: int | None = None

    def serve_this_process(self) -> bool:
        """Return whether they run in this process; the first caller is about to start them."""
        if self._process is None:
            self._process = os.getpid()
        return self._process == os.getpid()


#: One per process, like the client's threads.
_threads = _Threads()


def connect(config: ConnectionConfig) -> Steps[RustClient]:
    """Connect; release everything on failure.

    Raises:
        ConnectionFailedError: No host can be reached in time.
        AuthenticationError: The server refuses the credentials.
    """
    hosts = config.hosts or ("127.0.0.1",)
    if not _threads.serve_this_process():
        message = "This process is a fork of one that used scylladb-rs-driver, whose threads it lacks."
        hint = "Connect after the fork only, or use multiprocessing's start method 'spawn'."
        raise ConnectionFailedError(message, hint=hint, hosts=dict.fromkeys(hosts, "not tried"))
    builder = SessionBuilder()
    builder = builder.contact_points([(host, config.port or PORT) for host in hosts])
    # The default of all backends; the client's is LOCAL_QUORUM.
    builder = builder.execution_profile(ExecutionProfile(consistency=Consistency.LocalOne))
    if config.keyspace is not None:
        builder = builder.use_keyspace(config.keyspace, case_sensitive=True)
    if config.username is not None and config.password is not None:
        builder = builder.user(config.username, config.password)
    if config.compression:
        builder = builder.compression(_COMPRESSIONS[config.compression])
    try:
        # The client's connection_timeout doesn't cover a server that accepts a connection and never responds.
        timeout = connect_timeout(config)
        session = yield Outcome(builder.connect(), timeout)
    except CoodieError:
        raise
    except Exception as exc:
        raise could_not_connect(exc, hosts) from exc
    return RustClient(session)


class RustClient(Client):
    """One session of the client.

    Args:
        session: The connected session.
    """

    def __init__(self, session: Session) -> None:
        self._session: Session | None = session
        #: The requests in flight: dropping the session doesn't end them.
        self._in_flight: set[DriverFuture[Any]] = set()

    def prepare(self, cql: str, timeout: float) -> Steps[_Prepared]:
        """Prepare a statement on the server."""
        prepared: PreparedStatement = yield from self._outcome(self._open().prepare(cql), timeout)
        markers = [(column.name, cql_type(column.cql_type)) for column in prepared.bind_columns]
        return _Prepared(prepared, Parameters(BINDING, markers))

    def send(self, request: ClientRequest) -> Steps[Page]:
        """Send a request and read its response; the client enforces the timeout."""
        prepared: _Prepared | None = request.prepared
        plain = Statement(request.cql) if prepared is None else prepared.statement
        statement = _with_options(plain, request)
        values = None if prepared is None else prepared.parameters.bind(request.values, request.asked.stmt)
        state = request.paging_state
        start = None if state is None else PagingState.from_bytes(state)
        future = self._open().execute(statement, values, factory=AsLists(), paging_state=start)
        try:
            result: RequestResult = yield from self._outcome(future)
        except Exception as exc:
            if is_stale(exc):
                raise StaleStatementError from exc
            if is_made(exc):
                return Page(rows=[])
            raise
        after = result.paging_state()
        return Page(rows=read_rows(result), paging_state=None if after is None else after.as_bytes())

    def close(self) -> None:
        """Cancel the requests in flight and drop the session: the client has no call that closes one."""
        self._session = None
        for future in tuple(self._in_flight):
            future.cancel()
        # References that the client's threads drop are released by the next call into the client.
        for _ in range(_RELEASES):
            PagingState()
            time.sleep(_RELEASE_PAUSE)

    def error(self, raised: Exception, stmt: str, timeout: float) -> CoodieError:
        """Translate an exception of the client."""
        return translated(raised, stmt, timeout)

    def _outcome(self, future: DriverFuture[Any], timeout: float | None = None) -> Steps[Any]:
        """Wait for a future, which close() cancels meanwhile."""
        self._in_flight.add(future)
        try:
            if self._session is None:  # closed by another thread since the future was created
                future.cancel()
            return (yield Outcome(future, timeout))
        finally:
            self._in_flight.discard(future)

    def _open(self) -> Session:
        session = self._session
        if session is None:
            raise DriverClosedError("The driver has been closed.", hint="Open a new one with init_coodie(…).")
        return session


def _with_options(statement: Any, request: ClientRequest) -> Any:
    """Return a copy of an immutable statement of the client with the options of a request."""
    statement = statement.with_request_timeout(request.timeout).with_page_size(request.page_size)
    if request.consistency is not None:
        statement = statement.with_consistency(_LEVELS[request.consistency])
    if request.options.serial_consistency is not None:
        statement = statement.with_serial_consistency(_SERIAL_LEVELS[request.options.serial_consistency])
    return statement.set_is_idempotent(True) if request.repeatable else statement
