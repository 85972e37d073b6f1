"""Make a plan: the statements that alter the server's table to match the desired one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from coodie.effects import Sleep
from coodie.schema import statements
from coodie.schema.diff import compare_columns, compare_indexes, compare_options, name_clashes
from coodie.schema.errors import missing_keyspace, refused
from coodie.schema.introspection import keyspace_query, table_from_rows, table_queries, taken_index_names
from coodie.schema.replication import create_keyspace, replication_differs
from coodie.schema.requests import Query, Read, Request
from coodie.schema.server_features import Server, adapt, needs_server, server_query

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from coodie.schema.tables import Table

__all__ = ["DesiredState", "Plan", "make_plan"]

#: Seconds between two reads of the schema before an error is raised.
_POLL_INTERVAL = 0.1


@dataclass(frozen=True, slots=True)
class DesiredState:
    """The caller's validated definition and options."""

    table: Table
    #: Whether to drop indexes that aren't in the definition.
    drop_removed: bool = False
    #: The replication for creating the keyspace; None if it must exist.
    create_keyspace: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The statements, and what to check after them."""

    statements: tuple[str, ...] = ()
    #: Differences that only get a warning.
    warnings: tuple[str, ...] = ()
    #: The names of the desired indexes on the server, existing or to be created.
    index_names: tuple[str, ...] = ()
    #: A query that only succeeds on nodes that know the table with all of its columns.
    probe: Query | None = None


@dataclass(slots=True)
class _Draft:
    """An unfinished plan, and the problems that make it impossible, by their fix."""

    statements: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    index_names: Sequence[str] = ()
    probe: Query | None = None
    problems: dict[str, Sequence[str]] = field(default_factory=dict)


def make_plan(state: DesiredState, executed: Sequence[str]) -> Generator[Request, Any, Plan]:
    """Read the server's schema and make a plan.

    The reads aren't a snapshot: during a concurrent change, one may return the table before it and another
    the table after it. So before an error is raised, the schema is read until it is the same twice.

    Args:
        state: The definition and the options.
        executed: The statements executed so far, for errors.

    Yields:
        Read, once, or twice if the table doesn't exist. Before an error, Sleep, and the same again.

    Raises:
        SchemaError: The table can't be altered to match; nothing more was changed.
    """
    seen = None
    while True:
        draft = yield from _look(state, executed)
        problems = {hint: list(found) for hint, found in draft.problems.items() if found}
        if not problems:
            return Plan(tuple(draft.statements), tuple(draft.warnings), tuple(draft.index_names), draft.probe)
        if problems == seen:
            raise refused(state.table, problems, executed)
        seen = problems
        yield Sleep(_POLL_INTERVAL)


def _look(state: DesiredState, executed: Sequence[str]) -> Generator[Request, Any, _Draft]:
    """Read the schema once, and draft a plan."""
    desired = state.table
    asks_server, asks_keyspace = needs_server(desired), state.create_keyspace is not None
    queries = list(table_queries(desired.keyspace, desired.name))
    queries += [server_query()] if asks_server else []
    queries += [keyspace_query(desired.keyspace)] if asks_keyspace else []
    tables, columns, indexes, *others = yield Read(tuple(queries))
    draft = _Draft()
    if asks_server:
        desired = _adapted(desired, others[0], draft)
    draft.probe = Query(statements.select_nothing(desired))
    keyspaces = others[-1] if asks_keyspace else None
    taken = taken_index_names(desired.name, indexes)
    if tables:
        shown = table_from_rows(desired.keyspace, desired.name, tables[0], columns, indexes)
        _alter(desired, shown, taken, draft, drop_removed=state.drop_removed)
    elif columns:
        draft.problems["Give the table another name."] = ["a materialized view has this name"]
    else:
        if keyspaces is None:
            (keyspaces,) = yield Read((keyspace_query(desired.keyspace),))
        if not keyspaces:
            draft.statements.append(_new_keyspace(state, executed))
        _create(desired, taken, draft)
    if keyspaces and state.create_keyspace is not None:
        _compare_replication(state.create_keyspace, keyspaces[0]["replication"], draft)
    return draft


def _adapted(desired: Table, rows: Sequence[Mapping[str, Any]], draft: _Draft) -> Table:
    """Return the part of the definition that this server supports."""
    adapted = adapt(desired, Server.from_row(rows[0] if rows else {}))
    draft.warnings += adapted.notes
    draft.problems["Leave it out, mark its column as optional=True, or use a server that supports it."] = (
        adapted.problems
    )
    return adapted.table


def _new_keyspace(state: DesiredState, executed: Sequence[str]) -> str:
    if state.create_keyspace is None:
        raise missing_keyspace(state.table, executed)
    return create_keyspace(state.table.keyspace, state.create_keyspace)


def _create(desired: Table, taken: Mapping[str, str], draft: _Draft) -> None:
    """Plan a new table."""
    draft.statements.append(statements.create_table(desired))
    draft.statements += [statements.create_index(desired, index) for index in desired.indexes]
    draft.index_names = [index.name for index in desired.indexes]
    draft.problems["Names of indexes are unique in their keyspace."] = name_clashes(desired, taken)


def _alter(
    desired: Table, shown: Table, taken: Mapping[str, str], draft: _Draft, *, drop_removed: bool
) -> None:
    """Plan the changes of an existing table."""
    columns = compare_columns(desired, shown)
    options = compare_options(desired.options, shown.options)
    indexes = compare_indexes(desired, shown, taken, drop_removed=drop_removed)
    if columns.new:  # first, because the server may still reject it
        draft.statements.append(statements.add_columns(desired, columns.new))
    if options.changes:
        draft.statements.append(statements.set_options(desired, options.changes))
    draft.statements += [statements.drop_index(desired, index) for index in indexes.drop]
    draft.statements += [statements.create_index(desired, index) for index in indexes.create]
    draft.warnings += [*columns.notes, *options.notes, *indexes.notes]
    draft.index_names = indexes.names
    draft.problems |= {
        "ALTER TABLE can't do this: change the definition to match the server, or add a column "
        "or table under a new name and copy the rows.": columns.problems,
        "Fix table_options.": options.problems,
        "Rename the indexes, or drop the existing ones.": indexes.problems,
    }


def _compare_replication(desired: Mapping[str, str], shown: Mapping[str, str], draft: _Draft) -> None:
    if replication_differs(desired, shown):
        draft.warnings.append(
            f"replication of the keyspace: server {dict(shown)}, wanted {dict(desired)}; it is left "
            "as it is, since ALTER KEYSPACE needs a repair of the data afterwards"
        )
