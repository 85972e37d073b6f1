"""The contract: what every backend does, and what all of them get for it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

from coodie.capabilities import Capability, check_capabilities
from coodie.contract.checks import check_fetch_size, check_request
from coodie.contract.streaming import stream_rows, stream_rows_async
from coodie.exceptions import ConnectionFailedError, RequestTimeoutError, UnsupportedError
from coodie.observers.connections import DriverIdentity
from coodie.observers.observation import part_of
from coodie.observers.request import Part
from coodie.observers.requestkind import RequestKind
from coodie.requests import BatchType, Request, parse_batch_type
from coodie.rows import first_item

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Generator, Iterable
    from types import TracebackType

    from typing_extensions import Self

    from coodie.batch import BatchItem
    from coodie.contract.many import ManyRun
    from coodie.requests import Params, RequestOptions
    from coodie.rows import ManyResult
    from coodie.schema.syncoptions import SyncOptions

__all__ = ["DEFAULT_FETCH_SIZE", "AbstractDriver", "options_argument"]

#: Rows to a page where ``stream`` is given no fetch_size.
DEFAULT_FETCH_SIZE = 1000

#: Executions in flight where ``execute_many`` is given no concurrency.
_DEFAULT_CONCURRENCY = 64

_PING = "SELECT release_version FROM system.local WHERE key = 'local'"


class AbstractDriver(ABC):
    """Abstract base class for coodie execution backends.

    A backend implements the six abstract methods. All others work in terms of these, and a backend
    overrides those that it can do better.
    """

    #: Whether rows come in a form that an object mapper has to validate (strings for UUIDs…).
    needs_row_validation: bool = False
    #: What it can do beyond the contract's core.
    capabilities: frozenset[Capability] = frozenset()
    #: What events call it; core sets it.
    _identity: DriverIdentity = DriverIdentity()

    # --- what a backend implements ------------------------------------------------------

    @abstractmethod
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
    ) -> list[dict[str, Any]]:
        """Execute *stmt* with *params*; return rows as a list of dicts.

        Args:
            stmt: CQL text, with ``?`` or ``:name`` for each value.
            params: A sequence of values for ``?``, or a mapping for ``:name``.
            consistency: A consistency level's name, in any case; None means the connection's.
            timeout: Seconds that each page may take; None means the connection's default.
            fetch_size: Rows to a page. Without it, all rows are returned; with it, one page.
            paging_state: ``Rows.paging_state`` of the page before.
            options: What else the request asks for.

        Returns:
            The rows; a ``Rows`` from a backend that can page.

        Raises:
            CoodieError: One of the tree in ``coodie.exceptions``.
        """

    @abstractmethod
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
    ) -> list[str]:
        """Idempotent CREATE TABLE + ALTER TABLE ADD for new columns.

        Returns the list of CQL statements that were (or would be) executed. When *dry_run* is True
        the database is not modified.

        Args:
            table: The table's plain name, unquoted.
            keyspace: The keyspace's plain name, unquoted.
            cols: Objects with the attributes of ``coodie.schema.ColumnDefinition``.
            table_options: Option → value, as in ``CREATE TABLE … WITH``.
            dry_run: Plan, and change nothing.
            drop_removed_indexes: Drop the table's indexes that the definition doesn't have.
            options: What else is asked for: creating the keyspace, waiting for indexes, timeouts.

        Raises:
            SchemaError: The table can't be brought into this shape.
        """

    @abstractmethod
    def close(self) -> None:
        """Release sync resources."""

    @abstractmethod
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
    ) -> list[dict[str, Any]]:
        """Async version of :meth:`execute`."""

    @abstractmethod
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
    ) -> list[str]:
        """Async version of :meth:`sync_table`."""

    @abstractmethod
    async def close_async(self) -> None:
        """Release async resources."""

    # --- one value ----------------------------------------------------------------------

    def execute_one(
        self,
        stmt: str,
        params: list[Any],
        consistency: str | None = None,
        timeout: float | None = None,
        *,
        options: RequestOptions | None = None,
    ) -> Any:
        """Execute *stmt* and return the first column of the first row, or None.

        Args:
            stmt: As for ``execute``.
            params: As for ``execute``.
            consistency: As for ``execute``.
            timeout: As for ``execute``.
            options: As for ``execute``.
        """
        rows = self.execute(stmt, params, consistency, timeout, **options_argument(self.execute, options))
        return first_item(rows)

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
        rows = await self.execute_async(
            stmt, params, consistency, timeout, **options_argument(self.execute_async, options)
        )
        return first_item(rows)

    # --- page by page -------------------------------------------------------------------

    def stream(
        self,
        stmt: str,
        params: Params = (),
        *,
        fetch_size: int = DEFAULT_FETCH_SIZE,
        consistency: str | None = None,
        timeout: float | None = None,
        options: RequestOptions | None = None,
    ) -> Generator[dict[str, Any], None, None]:
        """Execute *stmt* and iterate over its rows, holding one page at a time.

        A backend that returns plain lists can't page: it's asked for all rows, and they are
        yielded one by one.

        Args:
            stmt: As for ``execute``; a read, since a backend that can't page runs it twice.
            params: As for ``execute``.
            fetch_size: Rows to a page, 1 or more.
            consistency: As for ``execute``.
            timeout: Seconds that each page may take.
            options: As for ``execute``.

        Raises:
            ConfigurationError: fetch_size isn't positive.
            CoodieError: As ``execute``, where the iteration reaches it.
        """
        check_fetch_size(fetch_size)
        extra = options_argument(self.execute, options)

        def fetch(size: int | None, state: bytes | None) -> list[dict[str, Any]]:
            return self.execute(stmt, params, consistency, timeout, size, state, **extra)  # type: ignore[arg-type]  # execute takes mappings, too; its published annotation is list

        return stream_rows(fetch, fetch_size)

    def stream_async(
        self,
        stmt: str,
        params: Params = (),
        *,
        fetch_size: int = DEFAULT_FETCH_SIZE,
        consistency: str | None = None,
        timeout: float | None = None,
        options: RequestOptions | None = None,
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Async version of :meth:`stream`; the next page is read ahead while one is consumed.

        Close the iterator (``contextlib.aclosing``) where you leave it early: that cancels the page
        that is under way.
        """
        check_fetch_size(fetch_size)
        extra = options_argument(self.execute_async, options)

        def fetch(size: int | None, state: bytes | None) -> Awaitable[list[dict[str, Any]]]:
            return self.execute_async(stmt, params, consistency, timeout, size, state, **extra)  # type: ignore[arg-type]  # as above

        return stream_rows_async(fetch, fetch_size)

    # --- many at once -------------------------------------------------------------------

    def execute_many(
        self,
        stmt: str,
        rows_of_params: Iterable[Params],
        *,
        concurrency: int = _DEFAULT_CONCURRENCY,
        consistency: str | None = None,
        timeout: float | None = None,
        raise_on_error: bool = True,
        on_result: Callable[[int, list[dict[str, Any]] | Exception], None] | None = None,
        on_progress: Callable[[int], None] | None = None,
        options: RequestOptions | None = None,
    ) -> ManyResult:
        """Execute *stmt* once for each set of parameters, up to *concurrency* at a time.

        The parameters are drawn as they are needed, so that a generator may be of any length.

        Args:
            stmt: As for ``execute``.
            rows_of_params: One set of parameters for each execution.
            concurrency: How many may be in flight at once, 1 or more. A backend that only blocks
                uses as many threads, 32 at most.
            consistency: As for ``execute``.
            timeout: Seconds for each execution.
            raise_on_error: After the first failure start no more, wait for those in flight, and
                raise. With False all are executed, and the failures are in the result.
            on_result: Called with (index, rows or exception) as each ends; rows that it gets
                aren't kept in the result.
            on_progress: Called with the number that has ended.
            options: As for ``execute``, for each execution.

        Returns:
            Counts, rows and errors by index.

        Raises:
            ExecuteManyError: An execution failed and raise_on_error is set.
            ConfigurationError: An argument is of the wrong kind.
        """
        from coodie.contract.many import ManyRun  # used by few programs

        request = Request(stmt, (), consistency, timeout, options=options)
        check_request(request)
        run = ManyRun(
            stmt,
            rows_of_params,
            concurrency=concurrency,
            raise_on_error=raise_on_error,
            on_result=on_result,
            on_progress=on_progress,
        )
        return self._run_many(run, request)

    def _run_many(self, run: ManyRun, request: Request) -> ManyResult:
        """Carry a run out; a backend that needs no threads for it overrides this.

        Args:
            run: The bookkeeping.
            request: What all executions have in common; it has no values.
        """
        from coodie.contract.many import run_with_threads  # used by few programs

        stmt, _, consistency, timeout, _, _, options = request
        extra = options_argument(self.execute, options)
        return run_with_threads(
            run,
            lambda params: self.execute(stmt, params, consistency, timeout, **extra),  # type: ignore[arg-type]  # execute takes mappings, too; its published annotation is list
        )

    async def execute_many_async(
        self,
        stmt: str,
        rows_of_params: Iterable[Params] | AsyncIterable[Params],
        *,
        concurrency: int = _DEFAULT_CONCURRENCY,
        consistency: str | None = None,
        timeout: float | None = None,
        raise_on_error: bool = True,
        on_result: Callable[[int, list[dict[str, Any]] | Exception], None] | None = None,
        on_progress: Callable[[int], None] | None = None,
        options: RequestOptions | None = None,
    ) -> ManyResult:
        """Async version of :meth:`execute_many`; the parameters may come from an async iterable."""
        from coodie.contract.many import ManyRun, run_with_tasks  # used by few programs

        check_request(Request(stmt, (), consistency, timeout, options=options))
        extra = options_argument(self.execute_async, options)
        run = ManyRun(
            stmt,
            rows_of_params,
            concurrency=concurrency,
            raise_on_error=raise_on_error,
            on_result=on_result,
            on_progress=on_progress,
            asynchronous=True,
        )
        return await run_with_tasks(
            run,
            lambda params: self.execute_async(stmt, params, consistency, timeout, **extra),  # type: ignore[arg-type]  # as above
        )

    # --- batches ------------------------------------------------------------------------

    def execute_batch(
        self,
        statements: Iterable[BatchItem],
        batch_type: BatchType | str = BatchType.LOGGED,
        *,
        consistency: str | None = None,
        timeout: float | None = None,
        options: RequestOptions | None = None,
    ) -> list[dict[str, Any]]:
        """Execute several writes as one batch.

        Args:
            statements: Statements, or pairs of a statement and its parameters.
            batch_type: LOGGED, UNLOGGED or COUNTER.
            consistency: As for ``execute``.
            timeout: As for ``execute``.
            options: As for ``execute``.

        Returns:
            No rows; one with ``[applied]`` where the batch has conditions.

        Raises:
            ConfigurationError: The batch is empty, or not a batch.
            CoodieError: As ``execute``.
        """
        stmt, params, part = self._batch_text(statements, batch_type)
        with part_of(part):
            return self.execute(stmt, params, consistency, timeout, **options_argument(self.execute, options))

    async def execute_batch_async(
        self,
        statements: Iterable[BatchItem],
        batch_type: BatchType | str = BatchType.LOGGED,
        *,
        consistency: str | None = None,
        timeout: float | None = None,
        options: RequestOptions | None = None,
    ) -> list[dict[str, Any]]:
        """Async version of :meth:`execute_batch`."""
        stmt, params, part = self._batch_text(statements, batch_type)
        with part_of(part):
            return await self.execute_async(
                stmt, params, consistency, timeout, **options_argument(self.execute_async, options)
            )

    @staticmethod
    def _batch_text(
        statements: Iterable[BatchItem], batch_type: BatchType | str
    ) -> tuple[str, list[Any], Part]:
        from coodie.batch import batch_text, check_batch  # used by few programs

        items = check_batch(statements)
        return *batch_text(items, parse_batch_type(batch_type)), Part(RequestKind.BATCH, items)

    # --- is it there? -------------------------------------------------------------------

    def ping(self, *, timeout: float | None = None) -> bool:
        """Tell whether the server answers.

        Args:
            timeout: Seconds to wait; None means the connection's default.

        Returns:
            True after a round trip; False where no host can be reached or none answers in time.

        Raises:
            CoodieError: Any other failure: the driver is closed, the role has no rights…
        """
        try:
            self.execute(_PING, [], timeout=timeout)
        except (ConnectionFailedError, RequestTimeoutError):
            return False
        return True

    async def ping_async(self, *, timeout: float | None = None) -> bool:
        """Async version of :meth:`ping`."""
        try:
            await self.execute_async(_PING, [], timeout=timeout)
        except (ConnectionFailedError, RequestTimeoutError):
            return False
        return True

    # --- with ---------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Return the driver; the end of the block closes it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the driver."""
        self.close()

    async def __aenter__(self) -> Self:
        """Return the driver; the end of the block closes it."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the driver."""
        await self.close_async()


def options_argument(
    method: Callable[..., Any], options: RequestOptions | SyncOptions | None
) -> dict[str, Any]:
    """Return ``options`` as a keyword argument for the method, or nothing where none are asked for.

    Raises:
        UnsupportedError: Some are asked for, and the method takes none, or its driver can't do it.
    """
    if options is None:
        return {}
    driver = getattr(method, "__self__", None)
    if isinstance(driver, AbstractDriver):
        check_capabilities(driver.capabilities, type(driver).__name__, options=options)
    parameters = signature(method).parameters.values()
    if not any(p.name == "options" or p.kind is Parameter.VAR_KEYWORD for p in parameters):
        name = getattr(method, "__qualname__", repr(method))
        message = f"{name}() takes no options=, so that {type(options).__name__} can't be honoured."
        hint = "Leave options out, or use a driver made for the present contract."
        raise UnsupportedError(message, hint=hint, feature="options")
    return {"options": options}
