"""CassandraDriver: the contract, on the session of scylla-driver or cassandra-driver."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from coodie._forks import forget_in_children
from coodie.capabilities import Capability
from coodie.consistency import parse_consistency
from coodie.contract.driver import AbstractDriver
from coodie.drivers._lastpage import last_page_of, note_page
from coodie.drivers._lifetime import Lifetime
from coodie.drivers.cassandra._lifetime import shut_down
from coodie.effects import run_async, run_sync
from coodie.exceptions import ConfigurationError
from coodie.observers.connections import tell_closed
from coodie.observers.hub import request_observers
from coodie.observers.observation import ONE_OF_MANY
from coodie.requests import BatchType
from coodie.rows import first_item
from coodie.schema.apply import plan_table
from coodie.schema.sync import drive
from coodie.schema.syncoptions import SyncOptions, check_sync_options
from coodie.waiting import on_loop, start_thread

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from concurrent.futures import Future

    from coodie.batch import BatchItem
    from coodie.contract.many import ManyRun
    from coodie.drivers.cassandra._observing import ObservedRequests
    from coodie.drivers.cassandra._requests import Requests
    from coodie.effects import Effect
    from coodie.observers.request import Part
    from coodie.requests import Params, RequestOptions
    from coodie.rows import ManyResult, Rows
    from coodie.schema.requests import SyncResult

__all__ = ["CassandraDriver"]

#: Seconds that close() waits for the session's threads and sockets.
_CLOSE_DEADLINE = 10.0

#: Prepared statements that a driver keeps unless told otherwise.
_STATEMENTS = 1000


class CassandraDriver(AbstractDriver):
    """Driver backed by cassandra-driver / scylla-driver.

    Args:
        session: A connected ``cassandra.cluster.Session``. Its row factory, keyspace and profiles stay
            as they are.
        default_keyspace: What object mappers are told; None means the session's own keyspace.
        owns_session: close() shuts the session and its cluster down.
        request_timeout: Seconds for requests that name none; None means the session's default.
        consistency: The level of requests that name none; None means the session's default.
        aware_timestamps: Return timestamps as aware datetimes in UTC instead of naive ones.
        statement_cache_size: How many prepared statements to keep, 1 or more.
        fast_path: Send common requests on connections of our own, beside the session's.

    Raises:
        ConfigurationError: An argument is of the wrong kind.
    """

    #: All but one: what waits does so in the backend's own thread.
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
        statement_cache_size: int = _STATEMENTS,
        fast_path: bool = True,
    ) -> None:
        from coodie.drivers.cassandra._connection import attend
        from coodie.drivers.cassandra._requests import Requests
        from coodie.drivers.cassandra.fast.internals import abandon, abandon_reactors

        if not hasattr(session, "execute_async") or not hasattr(session, "cluster"):
            message = f"session is of type {type(session).__name__}."
            raise ConfigurationError(message, hint="Give what Cluster.connect() returns.", option="session")
        size = statement_cache_size
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            message = f"statement_cache_size={size!r} is not a positive whole number."
            raise ConfigurationError(message, option="statement_cache_size")
        for option, value in (("aware_timestamps", aware_timestamps), ("fast_path", fast_path)):
            if not isinstance(value, bool):
                message = f"{option}={value!r} can't be used."
                raise ConfigurationError(message, hint="Give True or False.", option=option)
        attend(session.cluster)
        self._session = session
        self._default_keyspace = session.keyspace if default_keyspace is None else default_keyspace
        self._owns_session = owns_session
        self._lifetime = Lifetime()
        self._closing_lock = threading.Lock()
        self._closing: Future[None] | None = None
        forget_in_children(session.cluster, abandon if owns_session else abandon_reactors)
        self._requests: Requests = Requests(
            session,
            self._lifetime,
            request_timeout=request_timeout,
            consistency=None if consistency is None else parse_consistency(consistency),
            aware_timestamps=aware_timestamps,
            statement_cache_size=size,
            fast_path=fast_path,
        )

    def __repr__(self) -> str:
        state = "closed" if self._lifetime.closed else "open"
        return f"<CassandraDriver: {state}, keyspace {self._default_keyspace!r}>"

    @property
    def session(self) -> Any:
        """The backend's own session: the way down, outside coodie's contract."""
        return self._session

    @property
    def fast_path_refusal(self) -> str | None:
        """Why requests go the driver's way; None while the fast path serves the common ones."""
        path = self._requests.fast
        return "fast_path=False" if path is None else path.reason_to_decline

    @property
    def _last_paging_state(self) -> bytes | None:
        """Where the next page of this task's or thread's last request starts, for object mappers.

        It is not seen across ``create_task``, ``gather`` or ``wait_for``: ``Rows.paging_state`` is.
        """
        return last_page_of(self)

    # --- requests -----------------------------------------------------------------------

    def execute(
        self,
        stmt: str,
        params: list[Any],
        consistency: str | None = None,
        timeout: float | None = None,
        fetch_size: int | None = None,
        paging_state: bytes | None = None,
        *,
        options: RequestOptions | None = None,
    ) -> Rows:
        """Execute *stmt* with *params*; return rows as a list of dicts.

        As the contract has it; statements are prepared and kept in a bounded cache, but for schema
        statements, TRUNCATE and the like, which take no parameters.
        """
        note_page(self, None)
        rows = run_sync(
            self._asked().rows(stmt, params, consistency, timeout, fetch_size, paging_state, options)
        )
        if rows.paging_state is not None:
            note_page(self, rows.paging_state)
        return rows

    async def execute_async(
        self,
        stmt: str,
        params: list[Any],
        consistency: str | None = None,
        timeout: float | None = None,
        fetch_size: int | None = None,
        paging_state: bytes | None = None,
        *,
        options: RequestOptions | None = None,
    ) -> Rows:
        """Async version of :meth:`execute`; the page's decoding is all that runs on the loop."""
        note_page(self, None)
        asked = self._asked()
        begun = None
        if fetch_size is None and paging_state is None and options is None:
            sent = asked.send(stmt, params, consistency, timeout)
            if sent is not None:
                whole, begun = sent[0].outcome(sent, await sent[-1])
                if whole is not None:
                    return whole
        rows = await run_async(
            asked.rows(stmt, params, consistency, timeout, fetch_size, paging_state, options, begun)
        )
        if rows.paging_state is not None:
            note_page(self, rows.paging_state)
        return rows

    def execute_one(
        self,
        stmt: str,
        params: list[Any],
        consistency: str | None = None,
        timeout: float | None = None,
        *,
        options: RequestOptions | None = None,
    ) -> Any:
        """Execute *stmt* and return the first column of the first row, or None."""
        note_page(self, None)
        return run_sync(self._asked().first_value(stmt, params, consistency, timeout, options))

    async def execute_one_async(
        self,
        stmt: str,
        params: list[Any],
        consistency: str | None = None,
        timeout: float | None = None,
        *,
        options: RequestOptions | None = None,
    ) -> Any:
        """Async version of :meth:`execute_one`."""
        note_page(self, None)
        asked = self._asked()
        begun = None
        if options is None:
            sent = asked.send(stmt, params, consistency, timeout)
            if sent is not None:
                whole, begun = sent[0].outcome(sent, await sent[-1])
                if whole is not None:
                    return first_item(whole)
        return await run_async(asked.first_value(stmt, params, consistency, timeout, options, begun))

    def execute_batch(
        self,
        statements: Iterable[BatchItem],
        batch_type: BatchType | str = BatchType.LOGGED,
        *,
        consistency: str | None = None,
        timeout: float | None = None,
        options: RequestOptions | None = None,
    ) -> Rows:
        """Execute several writes as one BATCH message, each statement prepared."""
        note_page(self, None)
        return run_sync(self._asked().batch(statements, batch_type, consistency, timeout, options))

    async def execute_batch_async(
        self,
        statements: Iterable[BatchItem],
        batch_type: BatchType | str = BatchType.LOGGED,
        *,
        consistency: str | None = None,
        timeout: float | None = None,
        options: RequestOptions | None = None,
    ) -> Rows:
        """Async version of :meth:`execute_batch`."""
        note_page(self, None)
        return await run_async(self._asked().batch(statements, batch_type, consistency, timeout, options))

    def _run_many(
        self,
        run: ManyRun,
        consistency: str | None,
        timeout: float | None,
        options: RequestOptions | None,
    ) -> ManyResult:
        """Keep the window full from this thread alone; the backend's own thread does the waiting."""
        note_page(self, None)
        from coodie.drivers.cassandra._window import Window
        from coodie.drivers.cassandra.fast.pipeline import Pipeline

        self._lifetime.check()

        def start(params: Params) -> Generator[Effect, Any, Rows]:
            asked = self._asked(ONE_OF_MANY)
            return asked.rows(run.stmt, params, consistency, timeout, None, None, options)

        path = self._requests.fast
        if path is None or path.refused is not None:
            return Window(run, start).drain()
        return Window(run, start, Pipeline(path)).drain()

    def _asked(self, part: Part | None = None) -> Requests | ObservedRequests:
        """Return what makes the steps of a request: of one that is observed, where somebody observes."""
        if not request_observers():
            return self._requests
        from coodie.drivers.cassandra._observing import ObservedRequests

        return ObservedRequests(self, self._requests, part)

    def _result_columns(self, stmt: str, timeout: float | None = None) -> tuple[str, ...]:
        """Return the names of the columns that a SELECT returns, for the command line: also without a row."""
        prepared = run_sync(self._requests.prepared(stmt, timeout)).prepared
        return tuple(name for _, _, name, _ in prepared.result_metadata or ())

    # --- schema -------------------------------------------------------------------------

    def sync_table(
        self,
        table: str,
        keyspace: str,
        cols: list[Any],
        table_options: dict[str, Any] | None = None,
        dry_run: bool = False,  # noqa: FBT001, FBT002 - the published signature
        drop_removed_indexes: bool = False,  # noqa: FBT001, FBT002 - the published signature
        *,
        options: SyncOptions | None = None,
    ) -> SyncResult:
        """Idempotent CREATE TABLE + ALTER TABLE ADD for new columns.

        Returns the list of CQL statements that were (or would be) executed. When *dry_run* is True
        the database is not modified. All goes through one node, the same for everybody; the reads are
        sent together.
        """
        return run_sync(
            self._sync_steps(table, keyspace, cols, table_options, dry_run, drop_removed_indexes, options)
        )

    async def sync_table_async(
        self,
        table: str,
        keyspace: str,
        cols: list[Any],
        table_options: dict[str, Any] | None = None,
        dry_run: bool = False,  # noqa: FBT001, FBT002 - the published signature
        drop_removed_indexes: bool = False,  # noqa: FBT001, FBT002 - the published signature
        *,
        options: SyncOptions | None = None,
    ) -> SyncResult:
        """Async version of :meth:`sync_table`."""
        return await run_async(
            self._sync_steps(table, keyspace, cols, table_options, dry_run, drop_removed_indexes, options)
        )

    def _sync_steps(
        self,
        table: str,
        keyspace: str,
        cols: list[Any],
        table_options: dict[str, Any] | None,
        dry_run: bool,  # noqa: FBT001 - as the published signature has it
        drop_removed_indexes: bool,  # noqa: FBT001 - as the published signature has it
        options: SyncOptions | None,
    ) -> Generator[Effect, Any, SyncResult]:
        """Plan, and have one node carry the plan out."""
        from coodie.drivers.cassandra._coordinator import Coordinator

        note_page(self, None)
        self._lifetime.check()
        plan = plan_table(
            table,
            keyspace,
            cols,
            table_options,
            dry_run=dry_run,
            drop_removed_indexes=drop_removed_indexes,
            options=options,
        )
        asked = check_sync_options(options)
        seconds = self._requests.sender.timeout(asked.timeout)
        coordinator = Coordinator(self._session, self._asked(), seconds, asked)
        result = yield from drive(plan, coordinator.answer)
        result.warnings += tuple(coordinator.warnings)
        return result

    # --- closing ------------------------------------------------------------------------

    def close(self) -> None:
        """Release sync resources: within ten seconds, whatever the server does; twice is fine.

        A session that isn't the driver's stays open. Requests in flight end with a result or a
        ``DriverClosedError``. In a fork nothing happens to the connections, which are the parent's.
        """
        self._start_closing().result(_CLOSE_DEADLINE + 1)

    async def close_async(self) -> None:
        """Release async resources; as :meth:`close`, without blocking the loop."""
        await on_loop(self._start_closing())

    def _start_closing(self) -> Future[None]:
        """Close in a thread, once; all who close wait for the same end."""
        if self._lifetime.forked:
            return self._lifetime.forget()
        with self._closing_lock:
            if self._closing is None:
                self._lifetime.closed = True
                self._closing = start_thread(self._shut_down, "coodie-close")
            return self._closing

    def _shut_down(self) -> None:
        try:
            self._requests.statements.close()
            self._requests.sender.detach()
            if self._requests.fast is not None:
                self._requests.fast.close()
            if self._owns_session:
                try:
                    shut_down(self._session.cluster, _CLOSE_DEADLINE)
                finally:
                    self._requests.sender.fail_in_flight()
        except BaseException as exc:
            tell_closed(self, exc)
            raise
        tell_closed(self)
