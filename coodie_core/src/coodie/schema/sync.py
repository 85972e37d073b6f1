"""Drive the planner with any driver that can execute CQL.

A third party's driver gets its ``sync_table`` and ``sync_table_async`` by calling these two. A table
in order costs three reads, one after another; a new one costs a fourth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coodie.effects import Call, run_async, run_sync
from coodie.schema.planner import plan_table
from coodie.schema.requests import Read

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

    from coodie.effects import Effect
    from coodie.schema.requests import Request, SyncResult

__all__ = ["sync_table", "sync_table_async"]


def sync_table(
    driver: Any,
    table: str,
    keyspace: str,
    cols: Iterable[Any],
    table_options: Mapping[str, Any] | None = None,
    dry_run: bool = False,  # noqa: FBT001, FBT002 - the contract's signature
    drop_removed_indexes: bool = False,  # noqa: FBT001, FBT002 - the contract's signature
) -> SyncResult:
    """Bring a table into the wanted shape through ``driver.execute``.

    Args:
        driver: Anything with ``execute(stmt, params)`` that returns rows as mappings.
        table: The table's plain name.
        keyspace: The keyspace's plain name.
        cols: Objects with the attributes of ColumnDefinition.
        table_options: Option name to value.
        dry_run: Read and plan, but execute nothing.
        drop_removed_indexes: Drop indexes on this table that the definition doesn't have.

    Returns:
        The statements that were, or with dry_run would be, executed.

    Raises:
        ConfigurationError: The definition can't be used.
        SchemaError: As ``plan_table`` says.
        CoodieError: A read of system_schema failed; nothing was changed.
    """
    plan = plan_table(table, keyspace, cols, table_options, drop_removed_indexes=drop_removed_indexes)
    return run_sync(_effects(driver, plan, dry_run=dry_run))


async def sync_table_async(
    driver: Any,
    table: str,
    keyspace: str,
    cols: Iterable[Any],
    table_options: Mapping[str, Any] | None = None,
    dry_run: bool = False,  # noqa: FBT001, FBT002 - the contract's signature
    drop_removed_indexes: bool = False,  # noqa: FBT001, FBT002 - the contract's signature
) -> SyncResult:
    """Bring a table into the wanted shape through ``driver.execute_async``; see ``sync_table``."""
    plan = plan_table(table, keyspace, cols, table_options, drop_removed_indexes=drop_removed_indexes)
    return await run_async(_effects(driver, plan, dry_run=dry_run))


def _effects(
    driver: Any, plan: Generator[Request, Any, SyncResult], *, dry_run: bool
) -> Generator[Effect, Any, SyncResult]:
    """Turn each request of the plan into calls of the driver, and each failure into a throw."""
    try:
        request = next(plan)
        while True:
            answer: Any = None
            try:
                if isinstance(request, Read):
                    answer = []
                    for query in request.queries:
                        answer.append((yield Call(driver, "execute", query.cql, list(query.params))))
                elif not dry_run:
                    yield Call(driver, "execute", request.cql, [])
            except Exception as exc:  # noqa: BLE001 - the plan decides what to do with it
                request = plan.throw(exc)
            else:
                request = plan.send(answer)
    except StopIteration as stop:
        result: SyncResult = stop.value
        return result
