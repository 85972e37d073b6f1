"""Bring a table into its desired state: a generator that asks for what it needs and does no I/O.

Whoever drives it answers each request and throws back what goes wrong with it; the drivers' sync and
async methods are such shells, and so are ``coodie.schema.sync_table`` and ``sync_table_async`` for
any other driver.
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

#: How often a plan is made anew because somebody else changed the table meanwhile.
_MAX_PLANS = 20

#: Seconds between two looks, at whether an index is built or somebody else is done.
_POLL_INTERVAL = 0.1

#: What ScyllaDB says where another change came first: nothing was done, and it may be tried again.
_RACE = "concurrent modification"


class _Run:
    """What one sync has done and said so far."""

    def __init__(self, state: DesiredState) -> None:
        self.state = state
        self.executed: list[str] = []
        self.plans = 0
        self._said: dict[str, None] = {}

    def warn(self, *warnings: str) -> None:
        """Log each warning, once."""
        for warning in warnings:
            if warning not in self._said:
                self._said[warning] = None
                logger.warning("%s.%s: %s", self.state.table.keyspace, self.state.table.name, warning)

    def result(self) -> SyncResult:
        """Return what there is to tell."""
        return SyncResult(self.executed, tuple(self._said))

    def plan(self) -> Generator[Request, Any, Plan]:
        """Plan from what the server has now."""
        self.plans += 1
        plan = yield from make_plan(self.state, self.executed)
        self.warn(*plan.warnings)
        return plan

    def settle(self, probe: Query | None = None) -> Generator[Request, Any, None]:
        """Let the nodes agree; that they don't is for the caller to know, and no failure of the sync."""
        try:
            disagreement = yield AwaitAgreement(probe)
        except Exception as exc:  # noqa: BLE001 - what is wrong for good shows in the next request
            disagreement = f"whether all nodes know of the change couldn't be told: {exc}"
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
    """Plan from what the server has now, and ask for each statement to be executed.

    A new table costs CREATE TABLE IF NOT EXISTS and its indexes; a table that is there, one ALTER
    TABLE ADD with all new columns, one ALTER TABLE WITH all changed options and its missing indexes;
    a table in order, nothing. Columns are never dropped, and nothing is changed at all if anything
    is wanted that the server can't do. After the last statement the server is looked at again: IF NOT
    EXISTS passes over a table that somebody else made otherwise.

    Args:
        table: The table's plain name.
        keyspace: The keyspace's plain name.
        cols: Objects with the attributes of ColumnDefinition.
        table_options: Option name to value: a number, a bool, a string, or a dict for a map.
        dry_run: Plan, and ask for nothing to be executed.
        drop_removed_indexes: Drop the indexes that the server has on this table and the definition
            doesn't, and build those anew whose options differ.
        options: What else is asked for.

    Yields:
        Read, to be answered with a list of row lists; Execute, to be answered with None; AwaitAgreement after
        it and, with a query, at the end; with ``options.wait_for_indexes`` ReadNodes and Sleep.

    Returns:
        The statements asked for, and what the server has beside the definition.

    Raises:
        ConfigurationError: The definition or an option can't be used.
        SchemaError: The keyspace is missing, the table can't be brought into that shape (then
            nothing was changed), or a statement failed (``executed`` has the ones before it).
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
    # What was read may be newer than what the nodes go by: their own, and even that of the one that was read.
    yield from run.settle(plan.probe)
    if asked.wait_for_indexes is not None and plan.index_names:
        yield from _await_indexes(run, plan.index_names, asked.wait_for_indexes)
    return run.result()


def _next(run: _Run, pending: deque[str], plan: Plan) -> Generator[Request, Any, Plan]:
    """Have the first statement executed; return the plan that holds then, with ``pending`` to match."""
    statement = pending[0]
    try:
        yield Execute(statement)
    except (InvalidQueryError, ServerError) as exc:
        plan = yield from _replan_after_error(run, pending, exc)
    except Exception as exc:  # a third party's driver may raise anything; say what was executed
        raise failed(run.state.table, exc, run.executed, pending) from exc
    else:
        run.executed.append(pending.popleft())
        yield from run.settle()
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
        if planned in run.executed:  # once is enough: that it doesn't show won't change
            run.warn(f"the server accepted this and doesn't show it: {planned}")
        else:
            pending.append(planned)
    return plan


def _replan_after_error(
    run: _Run, pending: deque[str], refusal: InvalidQueryError | ServerError
) -> Generator[Request, Any, Plan]:
    """Plan anew: perhaps somebody else just did the same. What the server has now decides."""
    lost_a_race = _RACE in str(refusal)
    if isinstance(refusal, ServerError) and not lost_a_race:
        raise failed(run.state.table, refusal, run.executed, pending) from refusal
    yield from run.settle()
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
    """Wait until every node that can be asked has built the indexes."""
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
