"""Bring a table into the wanted shape: a generator that asks for what it needs and does no I/O.

Whoever drives it answers each request and throws back what goes wrong with it; the drivers' sync and
async methods are such shells, and so are ``coodie.schema.sync_table`` and ``sync_table_async`` for
any other driver.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from coodie.exceptions import InvalidQueryError, SchemaError, UnauthorizedError
from coodie.schema import statements
from coodie.schema.comparison import compare_columns, compare_indexes, name_clashes
from coodie.schema.identifiers import qualify, quote
from coodie.schema.introspection import keyspace_query, shown_table, table_queries, taken_index_names
from coodie.schema.optioncomparison import compare_options
from coodie.schema.requests import Execute, Read, Request, SyncResult
from coodie.schema.wanted import wanted_table

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

    from coodie.schema.tables import Table

__all__ = ["plan_table"]

logger = logging.getLogger("coodie.schema")

#: How often a plan is made anew because somebody else changed the table meanwhile.
_MAX_PLANS = 20


@dataclass(frozen=True, slots=True)
class _Plan:
    statements: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def plan_table(
    table: str,
    keyspace: str,
    cols: Iterable[Any],
    table_options: Mapping[str, Any] | None = None,
    *,
    drop_removed_indexes: bool = False,
) -> Generator[Request, Any, SyncResult]:
    """Plan from what the server has now, and ask for each statement to be executed.

    A new table costs CREATE TABLE IF NOT EXISTS and its indexes; a table that is there, one ALTER
    TABLE ADD with all new columns, one ALTER TABLE WITH all changed options and its missing indexes;
    a table in order, nothing. Columns are never dropped, and nothing is changed at all if anything
    is wanted that the server can't do.

    Args:
        table: The table's plain name.
        keyspace: The keyspace's plain name.
        cols: Objects with the attributes of ColumnDefinition.
        table_options: Option name to value: a number, a bool, a string, or a dict for a map.
        drop_removed_indexes: Drop the indexes that the server has on this table and the definition
            doesn't, and build those anew whose options differ.

    Yields:
        Read, to be answered with a list of row lists, and Execute, to be answered with None.

    Returns:
        The statements asked for, and what the server has beside the definition.

    Raises:
        ConfigurationError: The definition can't be used.
        SchemaError: The keyspace is missing, the table can't be brought into that shape (then
            nothing was changed), or a statement failed (``executed`` has the ones before it).
    """
    wanted = wanted_table(table, keyspace, cols, table_options)
    executed: list[str] = []
    plan = yield from _make_plan(wanted, executed, drop_removed=drop_removed_indexes)
    for warning in plan.warnings:
        logger.warning("%s.%s: %s", keyspace, table, warning)
    pending = deque(plan.statements)
    plans = 1
    while pending:
        statement = pending[0]
        try:
            yield Execute(statement)
        except InvalidQueryError as exc:
            # Refused: perhaps somebody else just did the same. What the server has now decides.
            try:
                plan = yield from _make_plan(wanted, executed, drop_removed=drop_removed_indexes)
            except SchemaError:
                raise
            except Exception:  # noqa: BLE001 - the read's failure says less than the refusal
                raise _failed(wanted, exc, executed, pending) from exc
            plans += 1
            if statement in plan.statements or plans > _MAX_PLANS:
                raise _failed(wanted, exc, executed, pending) from exc
            pending = deque(plan.statements)
        except Exception as exc:  # a third party's driver may raise anything; say what was executed
            raise _failed(wanted, exc, executed, pending) from exc
        else:
            executed.append(pending.popleft())
    return SyncResult(executed, plan.warnings)


def _make_plan(wanted: Table, executed: list[str], *, drop_removed: bool) -> Generator[Request, Any, _Plan]:
    """Read what the server has and plan from it; ``executed`` is what was done so far, for errors."""
    tables, columns, indexes = yield Read(table_queries(wanted.keyspace, wanted.name))
    taken = taken_index_names(wanted.name, indexes)
    if tables:
        shown = shown_table(wanted.keyspace, wanted.name, tables[0], columns, indexes)
        plan, problems, hint = _alter(wanted, shown, taken, drop_removed=drop_removed)
    elif columns:
        plan, problems, hint = (
            _Plan(()),
            ["a materialized view has this name"],
            "Give the table another name.",
        )
    else:
        (keyspaces,) = yield Read((keyspace_query(wanted.keyspace),))
        if not keyspaces:
            raise _missing_keyspace(wanted, executed)
        plan, problems, hint = _create(wanted, taken)
    if problems:
        raise _refused(wanted, problems, hint, executed)
    return plan


def _create(wanted: Table, taken: Mapping[str, str]) -> tuple[_Plan, list[str], str]:
    """Return the plan for a new table, what makes it impossible, and what to do about that."""
    indexes = (statements.create_index(wanted, index) for index in wanted.indexes)
    plan = _Plan((statements.create_table(wanted), *indexes))
    return plan, name_clashes(wanted, taken), "Names of indexes are unique in their keyspace."


def _alter(
    wanted: Table, shown: Table, taken: Mapping[str, str], *, drop_removed: bool
) -> tuple[_Plan, list[str], str]:
    """Return the plan for a table that is there, what makes it impossible, and what to do about that."""
    columns = compare_columns(wanted, shown)
    options = compare_options(wanted.options, shown.options)
    indexes = compare_indexes(wanted, shown, taken, drop_removed=drop_removed)
    hints = {
        "ALTER TABLE can't make such changes: give the definition the server's shape, or add a column "
        "or table under a new name and copy the rows.": columns.problems,
        "Correct table_options.": options.problems,
        "Give the indexes other names, or drop those that are in the way.": indexes.problems,
    }
    todo: list[str] = []
    if columns.new:  # first, because it is the one that the server may still refuse
        todo.append(statements.add_columns(wanted, columns.new))
    if options.changes:
        todo.append(statements.set_options(wanted, options.changes))
    todo += [statements.drop_index(wanted, index) for index in indexes.drop]
    todo += [statements.create_index(wanted, index) for index in indexes.create]
    plan = _Plan(tuple(todo), (*columns.notes, *options.notes, *indexes.notes))
    problems = [*columns.problems, *options.problems, *indexes.problems]
    return plan, problems, " ".join(hint for hint, found in hints.items() if found)


def _refused(wanted: Table, problems: list[str], hint: str, executed: list[str]) -> SchemaError:
    done = "".join(f"\n  - {statement}" for statement in executed)
    listing = "".join(f"\n  - {problem}" for problem in problems)
    changed = f"; executed before that showed:{done}\nDifferences" if executed else "; nothing was changed"
    return SchemaError(
        f"Table {qualify(wanted.keyspace, wanted.name)} can't be brought into the wanted shape"
        f"{changed}:{listing}\n",
        hint=hint,
        keyspace=wanted.keyspace,
        table=wanted.name,
        executed=tuple(executed),
    )


def _missing_keyspace(wanted: Table, executed: list[str]) -> SchemaError:
    return SchemaError(
        f"Keyspace {wanted.keyspace!r} doesn't exist (names are taken as they are given, case and all).",
        hint=(
            f"Create it first: CREATE KEYSPACE IF NOT EXISTS {quote(wanted.keyspace)} WITH replication = "
            "{'class': 'NetworkTopologyStrategy', 'replication_factor': 3}"
        ),
        keyspace=wanted.keyspace,
        table=wanted.name,
        executed=tuple(executed),
    )


def _failed(wanted: Table, exc: Exception, executed: list[str], pending: deque[str]) -> SchemaError:
    failed, *left = pending
    if isinstance(exc, UnauthorizedError):
        hint = f"Grant the role CREATE and ALTER on keyspace {quote(wanted.keyspace)}, and sync again."
    elif isinstance(exc, InvalidQueryError):
        hint = "Correct the definition, and sync again: what was executed stays and isn't repeated."
    else:
        hint = "It may have taken effect or not; sync again: what is there isn't repeated."
    parts = [
        f"Bringing table {qualify(wanted.keyspace, wanted.name)} into shape failed at: {failed}",
        f"The reason: {str(exc) or type(exc).__name__}",
        *(f"Executed before: {statement}" for statement in executed),
        *(f"Not executed: {statement}" for statement in left),
    ]
    return SchemaError(
        "\n".join(parts) + "\n",
        hint=hint,
        keyspace=wanted.keyspace,
        table=wanted.name,
        executed=tuple(executed),
    )
