"""Create or alter a table: a generator that yields requests and does no I/O.

Its caller sends the response to each request into the generator, or throws the error. The callers are the
drivers' sync and async methods, and ``coodie.schema.sync_table`` and ``sync_table_async`` for any other
driver.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from coodie._points import point
from coodie.effects import Sleep
from coodie.exceptions import ConfigurationError, InvalidQueryError, SchemaError, ServerError
from coodie.schema.desired import desired_table
from coodie.schema.errors import failed, indexes_not_built, read_failed
from coodie.schema.introspection import built_indexes_query
from coodie.schema.plan import DesiredState, make_plan
from coodie.schema.requests import AwaitAgreement, Execute, ReadNodes, Request, SyncResult
from coodie.schema.syncoptions import check_sync_options

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

    from coodie.schema.plan import Plan
    from coodie.schema.requests import Query
    from coodie.schema.syncoptions import SyncOptions

__all__ = ["plan_table"]

logger = logging.getLogger("coodie.schema")

#: How often a plan is made again after a concurrent change of the table.
_MAX_PLANS = 20

#: Seconds between two polls, for built indexes or the end of a concurrent change.
_POLL_INTERVAL = 0.1

#: ScyllaDB's error text for a conflict with another schema change: nothing was done, and a retry is safe.
_RACE = "concurrent modification"


class _Run:
    """The state of one sync: executed statements and warnings."""

    def __init__(self, state: DesiredState) -> None:
        self.state = state
        self.executed: list[str] = []
        self.plans = 0
        self._warnings: dict[str, None] = {}

    def warn(self, *warnings: str) -> None:
        """Log each warning, once."""
        for warning in warnings:
            if warning not in self._warnings:
                self._warnings[warning] = None
                logger.warning("%s.%s: %s", self.state.table.keyspace, self.state.table.name, warning)

    def result(self) -> SyncResult:
        """Return the result."""
        return SyncResult(self.executed, tuple(self._warnings))

    def plan(self) -> Generator[Request, Any, Plan]:
        """Make a plan from the server's current schema."""
        self.plans += 1
        plan = yield from make_plan(self.state, self.executed)
        self.warn(*plan.warnings)
        return plan

    def await_agreement(self, probe: Query | None = None) -> Generator[Request, Any, None]:
        """Wait for schema agreement; add a warning if that fails."""
        try:
            disagreement = yield AwaitAgreement(probe)
        except Exception as exc:  # noqa: BLE001 - what is wrong for good shows in the next request
            disagreement = f"schema agreement couldn't be checked: {exc}"
        if disagreement:
            self.warn(disagreement)


def plan_table(
    table: str,
    keyspace: str,
    cols: Iterable[Any],
    table_options: Mapping[str, Any] | None = None,
    *,
    dry_run: bool = False,
    drop_removed_indexes: bool = False,
    options: SyncOptions | None = None,
) -> Generator[Request, Any, SyncResult]:
    """Make a plan from the server's current schema, and yield its statements.

    A new table takes CREATE TABLE IF NOT EXISTS and its indexes. An existing table takes an ALTER TABLE ADD
    for all new columns, an ALTER TABLE WITH for all changed options, and its missing indexes; nothing if it
    matches. Columns are never dropped, and nothing is changed if any part of the plan is impossible. After
    the last statement, the schema is read again, since IF NOT EXISTS also accepts a different table that
    another client has created.

    Args:
        table: The table's plain name.
        keyspace: The keyspace's plain name.
        cols: Objects with the attributes of ColumnDefinition.
        table_options: Option name to value: a number, a bool, a string, or a dict for a map.
        dry_run: Make the plan, but execute nothing.
        drop_removed_indexes: Drop the table's indexes that aren't in the definition, and rebuild those whose
            options differ.
        options: Further options.

    Yields:
        Read, whose response is a list of row lists; Execute, whose response is None; AwaitAgreement after it
        and, with a query, at the end; with ``options.wait_for_indexes`` ReadNodes and Sleep.

    Returns:
        The executed statements, and the differences between the server's table and the definition.

    Raises:
        ConfigurationError: The definition or an option is invalid.
        SchemaError: The keyspace doesn't exist, the table can't be altered to match (then nothing was
            changed), or a statement failed (``executed`` has the statements before it).
    """
    for option, value in (("dry_run", dry_run), ("drop_removed_indexes", drop_removed_indexes)):
        if not isinstance(value, bool):
            message = f"{option}={value!r} can't be used."
            raise ConfigurationError(message, hint="Give True or False.", option=option)
    desired = desired_table(table, keyspace, cols, table_options)
    asked = check_sync_options(options)
    run = _Run(DesiredState(desired, drop_removed_indexes, asked.create_keyspace))  # type: ignore[arg-type]  # SyncOptions has made it a dict
    plan = yield from run.plan()
    if dry_run:
        run.executed += plan.statements
        return run.result()
    pending = deque(plan.statements)
    while pending:
        plan = yield from _next(run, pending, plan)
    # The tables of system_schema may be newer than the schema that the nodes use, even the queried node.
    yield from run.await_agreement(plan.probe)
    if asked.wait_for_indexes is not None and plan.index_names:
        yield from _await_indexes(run, plan.index_names, asked.wait_for_indexes)
    return run.result()


def _next(run: _Run, pending: deque[str], plan: Plan) -> Generator[Request, Any, Plan]:
    """Execute the first statement; return the plan that is valid then, and update ``pending``."""
    statement = pending[0]
    try:
        yield Execute(statement)
    except (InvalidQueryError, ServerError) as exc:
        plan = yield from _replan_after_error(run, pending, exc)
    except Exception as exc:  # a third party's driver may raise anything; report the executed statements
        raise failed(run.state.table, exc, run.executed, pending) from exc
    else:
        run.executed.append(pending.popleft())
        yield from run.await_agreement()
        if pending:
            return plan
        try:
            plan = yield from run.plan()
        except SchemaError:
            raise
        except Exception as exc:
            raise read_failed(run.state.table, exc, run.executed) from exc
    pending.clear()
    for planned in plan.statements:
        if planned in run.executed:  # once is enough: the server will never show it
            run.warn(f"the server accepted this, but doesn't show it: {planned}")
        else:
            pending.append(planned)
    return plan


def _replan_after_error(
    run: _Run, pending: deque[str], refusal: InvalidQueryError | ServerError
) -> Generator[Request, Any, Plan]:
    """Make a new plan from the server's current schema: another client may have made the same change."""
    lost_a_race = _RACE in str(refusal)
    if isinstance(refusal, ServerError) and not lost_a_race:
        raise failed(run.state.table, refusal, run.executed, pending) from refusal
    yield from run.await_agreement()
    if lost_a_race:
        point("table changed by another client during sync_table")
        yield Sleep(_POLL_INTERVAL)
    try:
        plan = yield from run.plan()
    except SchemaError:
        raise
    except Exception:  # noqa: BLE001 - the read's failure says less than the refusal
        raise failed(run.state.table, refusal, run.executed, pending) from refusal
    if (pending[0] in plan.statements and not lost_a_race) or run.plans > _MAX_PLANS:
        raise failed(run.state.table, refusal, run.executed, pending) from refusal
    return plan


def _await_indexes(run: _Run, names: Iterable[str], seconds: float) -> Generator[Request, Any, None]:
    """Wait until every reachable node has built the indexes."""
    deadline = time.monotonic() + seconds
    table = run.state.table
    while True:
        try:
            nodes = yield ReadNodes(built_indexes_query(table.keyspace))
        except Exception as exc:
            raise read_failed(table, exc, run.executed) from exc
        built = [{row["index_name"] for row in rows} for rows in nodes]
        waiting = {name: count for name in names if (count := sum(name not in node for node in built))}
        if not waiting:
            return
        if time.monotonic() >= deadline:
            raise indexes_not_built(table, waiting, len(built), seconds, run.executed)
        yield Sleep(_POLL_INTERVAL)
