"""Run the planner with any driver that executes CQL."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from coodie.effects import Call, Sleep, run_async, run_sync
from coodie.exceptions import InvalidQueryError, NotADriverError
from coodie.schema.agreement import AGREEMENT_TIMEOUT, POLL_INTERVAL, VERSION_QUERIES, Agreement
from coodie.schema.apply import plan_table
from coodie.schema.requests import Execute, Read, ReadNodes
from coodie.schema.syncoptions import SyncOptions, check_sync_options

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

    from coodie.effects import Effect
    from coodie.schema.requests import Query, Request, SyncResult

__all__ = ["SchemaSyncMixin", "drive", "sync_table", "sync_table_async"]


def sync_table(
    driver: Any,
    table: str,
    keyspace: str,
    cols: Iterable[Any],
    table_options: Mapping[str, Any] | None = None,
    dry_run: bool = False,  # noqa: FBT001, FBT002 - the contract's signature
    drop_removed_indexes: bool = False,  # noqa: FBT001, FBT002 - the contract's signature
    *,
    options: SyncOptions | None = None,
) -> SyncResult:
    """Create or alter a table through ``driver.execute``.

    Args:
        driver: An object with ``execute(stmt, params)`` that returns rows as mappings; a timeout in the
            options is passed as ``timeout=``.
        table: The table's plain name.
        keyspace: The keyspace's plain name.
        cols: Objects with the attributes of ColumnDefinition.
        table_options: Options by name.
        dry_run: Read and plan, but execute nothing.
        drop_removed_indexes: Drop indexes on this table that aren't in the definition.
        options: Further options.

    Returns:
        The executed statements; with dry_run, those that would be executed.

    Raises:
        NotADriverError: The driver has no such method.
        ConfigurationError: The definition or an option is invalid.
        SchemaError: As in ``plan_table``.
        CoodieError: A read of system_schema failed; nothing was changed.
    """
    _check_driver(driver, "execute")
    plan = plan_table(
        table,
        keyspace,
        cols,
        table_options,
        dry_run=dry_run,
        drop_removed_indexes=drop_removed_indexes,
        options=options,
    )
    return run_sync(_steps(driver, plan, options))


async def sync_table_async(
    driver: Any,
    table: str,
    keyspace: str,
    cols: Iterable[Any],
    table_options: Mapping[str, Any] | None = None,
    dry_run: bool = False,  # noqa: FBT001, FBT002 - the contract's signature
    drop_removed_indexes: bool = False,  # noqa: FBT001, FBT002 - the contract's signature
    *,
    options: SyncOptions | None = None,
) -> SyncResult:
    """Async version of ``sync_table``, through ``driver.execute_async``."""
    _check_driver(driver, "execute_async")
    plan = plan_table(
        table,
        keyspace,
        cols,
        table_options,
        dry_run=dry_run,
        drop_removed_indexes=drop_removed_indexes,
        options=options,
    )
    return await run_async(_steps(driver, plan, options))


class SchemaSyncMixin:
    """``sync_table`` and ``sync_table_async`` for a driver with ``execute`` and ``execute_async``.

    Put it before the contract: ``class MyDriver(SchemaSyncMixin, AbstractDriver)``. It only uses
    ``execute(stmt, params)`` and its async version, with ``timeout=`` if the caller sets one.

    Requests are sent one after another. A table that matches takes six, three of them to check that the nodes
    know it; seven if its definition has a vector or a storage-attached index. A change takes, in addition to
    its statements, one request if the table doesn't exist, two after each statement (and two more each tenth
    of a second, until the nodes agree on the schema), and the first three or four again.
    """

    def sync_table(
        self,
        table: str,
        keyspace: str,
        cols: Sequence[Any],
        table_options: Mapping[str, Any] | None = None,
        dry_run: bool = False,  # noqa: FBT001, FBT002 - the published signature
        drop_removed_indexes: bool = False,  # noqa: FBT001, FBT002 - the published signature
        *,
        options: SyncOptions | None = None,
    ) -> SyncResult:
        """Create a table, or add its missing columns and indexes; see ``AbstractDriver``."""
        return sync_table(
            self, table, keyspace, cols, table_options, dry_run, drop_removed_indexes, options=options
        )

    async def sync_table_async(
        self,
        table: str,
        keyspace: str,
        cols: Sequence[Any],
        table_options: Mapping[str, Any] | None = None,
        dry_run: bool = False,  # noqa: FBT001, FBT002 - the published signature
        drop_removed_indexes: bool = False,  # noqa: FBT001, FBT002 - the published signature
        *,
        options: SyncOptions | None = None,
    ) -> SyncResult:
        """Async version of :meth:`sync_table`."""
        return await sync_table_async(
            self, table, keyspace, cols, table_options, dry_run, drop_removed_indexes, options=options
        )


def drive(
    plan: Generator[Request, Any, SyncResult],
    answer: Callable[[Request], Generator[Effect, Any, Any]],
) -> Generator[Effect, Any, SyncResult]:
    """Run a plan: convert its requests to effects, and throw errors into it.

    Args:
        plan: The generator, from ``plan_table``.
        answer: Returns the steps of a request, whose result is the response.
    """
    try:
        request = next(plan)
        while True:
            try:
                found = yield from answer(request)
            except Exception as exc:  # noqa: BLE001 - the plan decides what to do with it
                request = plan.throw(exc)
            else:
                request = plan.send(found)
    except StopIteration as stop:
        result: SyncResult = stop.value
        return result
    finally:
        plan.close()


def _check_driver(driver: object, method: str) -> None:
    if not callable(getattr(driver, method, None)):
        message = f"{type(driver).__name__} can't sync a table: it has no {method}."
        hint = "Give a driver, or call the driver's sync_table."
        raise NotADriverError(message, hint=hint, missing=(method,))


def _steps(
    driver: Any, plan: Generator[Request, Any, SyncResult], options: SyncOptions | None
) -> Generator[Effect, Any, SyncResult]:
    return drive(plan, _Calls(driver, check_sync_options(options)).answer)


class _Calls:
    """Execute the requests of a plan as calls of a driver, one after another.

    Args:
        driver: The driver.
        options: The caller's options.
    """

    def __init__(self, driver: Any, options: SyncOptions) -> None:
        self._driver = driver
        self._timeout = options.timeout
        given = options.agreement_timeout
        self._agreement = Agreement(AGREEMENT_TIMEOUT if given is None else given)

    def answer(self, request: Request) -> Generator[Effect, Any, Any]:
        """Execute one request."""
        if isinstance(request, Read):
            return (yield from self._rows(request.queries, self._timeout))
        if isinstance(request, ReadNodes):
            return (yield from self._rows([request.query], self._timeout))
        if isinstance(request, Execute):
            yield from self._execute(request.cql, (), self._timeout)
            return None
        if isinstance(request, Sleep):
            yield request
            return None
        if request.query is not None:
            yield from self._await_table(request.query)
        return (yield from self._agreement.wait(self._look))

    def _await_table(self, query: Query) -> Generator[Effect, Any, None]:
        """Wait until the queried node knows the table.

        Raises:
            InvalidQueryError: The node didn't know the table in time.
        """
        deadline = time.monotonic() + self._agreement.seconds
        while True:
            try:
                yield from self._execute(query.cql, (), self._timeout)
            except InvalidQueryError:
                if time.monotonic() >= deadline:
                    raise
            else:
                return
            yield Sleep(POLL_INTERVAL)

    def _execute(self, cql: str, params: Sequence[str], timeout: float | None) -> Generator[Effect, Any, Any]:
        extra: dict[str, Any] = {} if timeout is None else {"timeout": timeout}
        if getattr(self._driver, "_default_rows", None) is not None:
            extra["rows"] = dict
        return (yield Call(self._driver, "execute", cql, list(params), **extra))

    def _rows(self, queries: Sequence[Query], timeout: float | None) -> Generator[Effect, Any, list[Any]]:
        found = []
        for query in queries:
            rows = yield from self._execute(query.cql, query.params, timeout)
            found.append(rows)
        return found

    def _look(self, left: float) -> Generator[Effect, Any, list[Any]]:
        timeout = None if self._timeout is None else min(self._timeout, left)
        return (yield from self._rows(VERSION_QUERIES, timeout))
