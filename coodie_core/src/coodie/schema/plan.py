"""The plan: from what is desired and what the server has to the statements between them."""

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

#: Seconds between two looks at what would be refused.
_POLL_INTERVAL = 0.1


@dataclass(frozen=True, slots=True)
class DesiredState:
    """What the caller wants, checked."""

    table: Table
    #: Whether indexes that the definition doesn't have are dropped.
    drop_removed: bool = False
    #: The replication of a keyspace that isn't there; None where it must be there.
    create_keyspace: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done."""

    statements: tuple[str, ...] = ()
    #: What the server has and the definition doesn't, and the like.
    warnings: tuple[str, ...] = ()
    #: The names under which the server has the desired indexes, or will have them.
    index_names: tuple[str, ...] = ()
    #: What a node can answer that knows the table with all of its columns.
    probe: Query | None = None


@dataclass(slots=True)
class _Draft:
    """A plan in the making, and what makes it impossible, by what to do about that."""

    statements: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    index_names: Sequence[str] = ()
    probe: Query | None = None
    problems: dict[str, Sequence[str]] = field(default_factory=dict)


def make_plan(state: DesiredState, executed: Sequence[str]) -> Generator[Request, Any, Plan]:
    """Read what the server has and plan from it.

    The reads are no snapshot: while somebody changes the table, one may show it before and another after
    that. So what would be refused is looked at until it is the same twice.

    Args:
        state: What is desired.
        executed: What was done so far, for errors.

    Yields:
        Read: one, and a second one where the table isn't there. Before a refusal a Sleep, and all again.

    Raises:
        SchemaError: The server can't be brought there; nothing more was changed.
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
    """Read once, and draft a plan from it."""
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
    """Return the definition as far as this server can have it."""
    adapted = adapt(desired, Server.from_row(rows[0] if rows else {}))
    draft.warnings += adapted.notes
    draft.problems["Leave it out, mark its column as optional=True, or use a server that has it."] = (
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
    """Plan for a table that is there."""
    columns = compare_columns(desired, shown)
    options = compare_options(desired.options, shown.options)
    indexes = compare_indexes(desired, shown, taken, drop_removed=drop_removed)
    if columns.new:  # first, because it is the one that the server may still refuse
        draft.statements.append(statements.add_columns(desired, columns.new))
    if options.changes:
        draft.statements.append(statements.set_options(desired, options.changes))
    draft.statements += [statements.drop_index(desired, index) for index in indexes.drop]
    draft.statements += [statements.create_index(desired, index) for index in indexes.create]
    draft.warnings += [*columns.notes, *options.notes, *indexes.notes]
    draft.index_names = indexes.names
    draft.problems |= {
        "ALTER TABLE can't make such changes: give the definition the server's shape, or add a column "
        "or table under a new name and copy the rows.": columns.problems,
        "Correct table_options.": options.problems,
        "Give the indexes other names, or drop those that are in the way.": indexes.problems,
    }


def _compare_replication(desired: Mapping[str, str], shown: Mapping[str, str], draft: _Draft) -> None:
    if replication_differs(desired, shown):
        draft.warnings.append(
            f"replication of the keyspace: server {dict(shown)}, wanted {dict(desired)}; it is left "
            "as it is, since ALTER KEYSPACE needs a repair of the data afterwards"
        )
