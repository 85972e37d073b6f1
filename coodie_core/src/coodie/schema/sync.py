"""Run the planner with any driver that executes CQL.

Every driver has these methods, and most programs never call them: the planner is imported by the first call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coodie.effects import run_async, run_sync
from coodie.exceptions import NotADriverError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping

    from coodie.effects import Effect
    from coodie.schema.requests import Request, SyncResult
    from coodie.schema.syncoptions import SyncOptions

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
    return _CallsOf(driver).sync_table(
        table, keyspace, cols, table_options, dry_run, drop_removed_indexes, options=options
    )


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
    return await _CallsOf(driver).sync_table_async(
        table, keyspace, cols, table_options, dry_run, drop_removed_indexes, options=options
    )


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
        cols: Iterable[Any],
        table_options: Mapping[str, Any] | None = None,
        dry_run: bool = False,  # noqa: FBT001, FBT002 - the published signature
        drop_removed_indexes: bool = False,  # noqa: FBT001, FBT002 - the published signature
        *,
        options: SyncOptions | None = None,
    ) -> SyncResult:
        """Create a table, or add its missing columns and indexes; see ``AbstractDriver``."""
        from coodie.schema.apply import plan_table

        plan = plan_table(
            table,
            keyspace,
            cols,
            table_options,
            dry_run=dry_run,
            drop_removed_indexes=drop_removed_indexes,
            options=options,
        )
        return run_sync(self._sync_steps(plan, options))

    async def sync_table_async(
        self,
        table: str,
        keyspace: str,
        cols: Iterable[Any],
        table_options: Mapping[str, Any] | None = None,
        dry_run: bool = False,  # noqa: FBT001, FBT002 - the published signature
        drop_removed_indexes: bool = False,  # noqa: FBT001, FBT002 - the published signature
        *,
        options: SyncOptions | None = None,
    ) -> SyncResult:
        """Async version of :meth:`sync_table`."""
        from coodie.schema.apply import plan_table

        plan = plan_table(
            table,
            keyspace,
            cols,
            table_options,
            dry_run=dry_run,
            drop_removed_indexes=drop_removed_indexes,
            options=options,
        )
        return await run_async(self._sync_steps(plan, options))

    def _sync_steps(
        self, plan: Generator[Request, Any, SyncResult], options: SyncOptions | None
    ) -> Generator[Effect, Any, SyncResult]:
        """Return the steps that execute a plan; a driver that can choose nodes overrides this."""
        from coodie.schema.calls import calls

        return drive(plan, calls(self, options))


class _CallsOf(SchemaSyncMixin):
    """The methods for another object with ``execute`` and ``execute_async``."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver

    def _sync_steps(
        self, plan: Generator[Request, Any, SyncResult], options: SyncOptions | None
    ) -> Generator[Effect, Any, SyncResult]:
        from coodie.schema.calls import calls

        return drive(plan, calls(self._driver, options))


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
