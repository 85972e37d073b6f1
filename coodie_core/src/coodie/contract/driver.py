"""The driver contract: abstract methods for backends, and the methods that are built on them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

from coodie._arrow import is_arrow_data
from coodie._event_loop import warn_if_blocking
from coodie._tracebacks import CALLER_ERRORS, shortened
from coodie.capabilities import Capability, check_capabilities
from coodie.contract.checks import check_fetch_size, check_request
from coodie.contract.descriptions import Descriptions
from coodie.contract.frames import frame_parameters, named_markers
from coodie.contract.operations import Operations
from coodie.contract.rows_argument import add_rows_argument, dicts_argument, rows_argument
from coodie.contract.streaming import TimeLeft, stream_rows, stream_rows_async
from coodie.contract.whole_tables import WholeTables
from coodie.effects import run_async, run_sync
from coodie.exceptions import UnsupportedError
from coodie.observers.instrumentation import part_of
from coodie.observers.request import Part
from coodie.observers.requestkind import RequestKind
from coodie.requests import BatchType, Request, parse_batch_type
from coodie.rows import first_item

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator, Iterable, Sequence
    from types import TracebackType

    from typing_extensions import Self

    from coodie.batch import BatchItem
    from coodie.contract.many import ManyRun
    from coodie.contract.markers import Marker
    from coodie.effects import Steps
    from coodie.requests import Params, RequestOptions
    from coodie.rows import ManyResult
    from coodie.schema.syncoptions import SyncOptions

__all__ = ["DEFAULT_FETCH_SIZE", "AbstractDriver", "options_argument"]

#: The default fetch_size of ``stream``.
DEFAULT_FETCH_SIZE = 1000

#: The default concurrency of ``execute_many``.
_DEFAULT_CONCURRENCY = 64


class AbstractDriver(WholeTables, Descriptions, Operations, ABC):
    """The abstract base class of all drivers.

    A backend implements the six abstract methods. All other methods are based on them; a backend may override
    them.
    """

    #: Whether rows have raw values that an object mapper has to convert, such as strings for UUIDs.
    needs_row_validation: bool = False
    #: The optional features of the contract that the driver supports.
    capabilities: frozenset[Capability] = frozenset()
    #: Further features that a base class supports.
    _provided: frozenset[Capability] = frozenset()
    #: The shape of rows if a request doesn't set it; None for dicts. Set by coodie-core.
    _default_rows: Any = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Add the argument ``rows`` to the methods of a backend without row shapes."""
        super().__init_subclass__(**kwargs)
        add_rows_argument(cls)

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
            consistency: The name of a consistency level, case-insensitive; None for the connection's default.
            timeout: The timeout of each page in seconds; None for the connection's default.
            fetch_size: The number of rows of a page. With it, one page is returned; without it, all rows.
            paging_state: The ``Rows.paging_state`` of the previous page.
            options: Further options of the request.

        Returns:
            The rows; a ``Rows`` from a backend with paging.

        Raises:
            CoodieError: A subclass in ``coodie.exceptions``.
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
        """Create a table, or add its missing columns and indexes; idempotent.

        Returns the CQL statements that were executed. If *dry_run* is true, nothing is executed, and the
        statements are those that would be.

        Args:
            table: The table's plain name, unquoted.
            keyspace: The keyspace's plain name, unquoted.
            cols: Objects with the attributes of ``coodie.schema.ColumnDefinition``.
            table_options: Options by name, as in ``CREATE TABLE … WITH``.
            dry_run: Plan, but change nothing.
            drop_removed_indexes: Drop the table's indexes that aren't in the definition.
            options: Further options: creating the keyspace, waiting for indexes, timeouts.

        Raises:
            SchemaError: The table can't be altered to match the definition.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the driver; can be called twice."""

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
        """Async version of :meth:`close`."""

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
            stmt: As in ``execute``.
            params: As in ``execute``.
            consistency: As in ``execute``.
            timeout: As in ``execute``.
            options: As in ``execute``.
        """
        extra = options_argument(self.execute, options) | dicts_argument(self, options)
        return first_item(self.execute(stmt, params, consistency, timeout, **extra))

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
        extra = options_argument(self.execute_async, options) | dicts_argument(self, options)
        return first_item(await self.execute_async(stmt, params, consistency, timeout, **extra))

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
        rows: Any = None,
    ) -> Generator[Any, None, None]:
        """Execute *stmt* and iterate over its rows, with one page in memory.

        With a backend that returns plain lists, and so has no paging, all rows are requested at once.

        Args:
            stmt: As in ``execute``; a read, since a backend without paging executes it twice.
            params: As in ``execute``.
            fetch_size: The number of rows of a page, 1 or more.
            consistency: As in ``execute``.
            timeout: The timeout of each page in seconds.
            options: As in ``execute``.
            rows: The shape of the rows: ``dict``, ``tuple``, ``"scalar"``, a class or another callable; or
                ``"arrow"`` for one record batch per page.

        Raises:
            ConfigurationError: fetch_size isn't positive.
            CoodieError: As in ``execute``; raised during the iteration.
        """
        warn_if_blocking()
        check_fetch_size(fetch_size)
        extra = TimeLeft(options_argument(self.execute, options) | rows_argument(rows), stmt)

        def fetch(size: int | None, state: bytes | None) -> list[dict[str, Any]]:
            return self.execute(stmt, params, consistency, timeout, size, state, **extra())  # type: ignore[arg-type]  # execute also takes mappings; its published annotation is list

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
        rows: Any = None,
    ) -> AsyncGenerator[Any, None]:
        """Async version of :meth:`stream`; requests the next page while one is consumed.

        If you leave the iteration early, close the iterator (``contextlib.aclosing``), which cancels the
        pending request.
        """
        check_fetch_size(fetch_size)
        extra = TimeLeft(options_argument(self.execute_async, options) | rows_argument(rows), stmt)

        async def fetch(size: int | None, state: bytes | None) -> list[dict[str, Any]]:
            return await self.execute_async(stmt, params, consistency, timeout, size, state, **extra())  # type: ignore[arg-type]  # as above

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
        rows: Any = None,
    ) -> ManyResult:
        """Execute *stmt* once for each set of parameters, up to *concurrency* at a time.

        The parameters are consumed on demand, so a generator may be of any length.

        Args:
            stmt: As in ``execute``.
            rows_of_params: One set of parameters for each execution; or a data frame or table, whose columns
                have the names of the bind markers (see "Results as data frames").
            concurrency: The maximum number of executions in flight, 1 or more. ``execute_many_async`` uses
                this many tasks, up to 10,000; a backend with only blocking calls threads, up to 32.
            consistency: As in ``execute``.
            timeout: The timeout of each execution in seconds.
            raise_on_error: After the first failure, start no more executions, wait for those in flight, and
                raise. If false, all are executed, and the failures are in the result.
            on_result: Called with (index, rows or exception) at the end of each execution; the result then
                has no rows, only the exceptions.
            on_progress: Called with the number of completed executions.
            options: As in ``execute``, for each execution.
            rows: As in ``stream``.

        Returns:
            Counts, rows and errors by index.

        Raises:
            ExecuteManyError: An execution failed, and raise_on_error is true.
            ConfigurationError: An argument is invalid.
        """
        from coodie.contract.many import ManyRun  # used by few programs

        warn_if_blocking()
        request = Request(stmt, (), consistency, timeout, options=options, rows=rows)
        check_request(request)
        if is_arrow_data(rows_of_params):
            rows_of_params = run_sync(frame_parameters(self, stmt, rows_of_params, timeout))
        run = ManyRun(
            stmt,
            rows_of_params,
            concurrency=concurrency,
            raise_on_error=raise_on_error,
            on_result=on_result,
            on_progress=on_progress,
        )
        try:
            return self._run_many(run, request)
        except CALLER_ERRORS as exc:
            raise shortened(exc)  # noqa: B904 - the same exception

    def _marker_steps(self, stmt: str, timeout: float | None) -> Steps[Sequence[Marker]]:  # noqa: ARG002 - of backends that prepare
        """Return a statement's bind markers, for data frames; a backend that knows them overrides this."""
        return named_markers(stmt, type(self).__name__)
        yield

    def _run_many(self, run: ManyRun, request: Request) -> ManyResult:
        """Run an ``execute_many`` with threads; a backend may override this.

        Args:
            run: The state of the run.
            request: The request without values.
        """
        from coodie.contract.many import run_with_threads  # used by few programs

        stmt, _, consistency, timeout, _, _, options, rows = request
        extra = options_argument(self.execute, options) | rows_argument(rows)
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
        rows: Any = None,
    ) -> ManyResult:
        """Async version of :meth:`execute_many`; the parameters may come from an async iterable."""
        from coodie.contract.many import ManyRun  # used by few programs

        request = Request(stmt, (), consistency, timeout, options=options, rows=rows)
        check_request(request)
        if is_arrow_data(rows_of_params):
            rows_of_params = await run_async(frame_parameters(self, stmt, rows_of_params, timeout))
        run = ManyRun(
            stmt,
            rows_of_params,
            concurrency=concurrency,
            raise_on_error=raise_on_error,
            on_result=on_result,
            on_progress=on_progress,
            asynchronous=True,
        )
        try:
            return await self._run_many_async(run, request)
        except CALLER_ERRORS as exc:
            raise shortened(exc)  # noqa: B904 - the same exception

    async def _run_many_async(self, run: ManyRun, request: Request) -> ManyResult:
        """Run an ``execute_many_async`` with tasks; a backend may override this, as ``_run_many``."""
        from coodie.contract.many import run_with_tasks  # used by few programs

        stmt, _, consistency, timeout, _, _, options, rows = request
        extra = options_argument(self.execute_async, options) | rows_argument(rows)
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
            consistency: As in ``execute``.
            timeout: As in ``execute``.
            options: As in ``execute``.

        Returns:
            No rows; a row with ``[applied]`` if the batch has conditions.

        Raises:
            ConfigurationError: The batch is empty or invalid.
            CoodieError: As in ``execute``.
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
    """Return ``options`` as a keyword argument for the method; nothing for None.

    Raises:
        UnsupportedError: The method has no such parameter, or its driver doesn't support an option.
    """
    if options is None:
        return {}
    driver = getattr(method, "__self__", None)
    if isinstance(driver, AbstractDriver):
        have = driver.capabilities | driver._provided  # noqa: SLF001 - the contract's own
        check_capabilities(have, type(driver).__name__, options=options)
    parameters = signature(method).parameters.values()
    if not any(p.name == "options" or p.kind is Parameter.VAR_KEYWORD for p in parameters):
        name = getattr(method, "__qualname__", repr(method))
        message = f"{name}() has no parameter options=, so {type(options).__name__} isn't supported."
        hint = "Leave options out, or use a driver for the current contract."
        raise UnsupportedError(message, hint=hint, feature="options")
    return {"options": options}
