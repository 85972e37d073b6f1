"""Carrying a plan out: who was faster, what was passed over, what failed, what is waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from coodie.exceptions import (
    AlreadyExistsError,
    ConfigurationError,
    ConnectionFailedError,
    InvalidQueryError,
    RequestTimeoutError,
    SchemaConnectionError,
    SchemaError,
    SchemaPermissionError,
    SchemaTimeoutError,
    ServerError,
    UnauthorizedError,
)
from coodie.schema import ColumnDefinition as Col
from coodie.schema import SyncOptions, SyncResult, plan_table

if TYPE_CHECKING:
    from coodie_core.tests.schema.conftest import RowServer

KEY = Col("id", "int", primary_key=True)


def plan(server: RowServer, *cols: Col, table: str = "t", **kwargs: Any) -> SyncResult:
    """Drive a plan for a table of the keyspace ks."""
    return server.drive(plan_table(table, "ks", cols, **kwargs))


# --- when a statement fails -------------------------------------------------------------

ADD = "ALTER TABLE ks.t ADD x int"
INDEX = "CREATE INDEX IF NOT EXISTS t_x_idx ON ks.t (x)"
INDEXED = Col("x", "int", index=True)


def test_somebody_else_was_faster(server: RowServer) -> None:
    """A column that another process added meanwhile is read again, and the rest goes on."""
    server.add_table("t", "id int pk0")

    def added() -> Exception:
        server.add_column("t", "x int")
        return InvalidQueryError("Column with name 'x' already exists")

    server.failures[ADD] = added
    server.effects[INDEX] = lambda: server.add_index("t", "t_x_idx", "x")
    assert plan(server, KEY, INDEXED) == [INDEX]
    assert server.asked == [ADD, INDEX]


def test_somebody_else_did_something_else(server: RowServer) -> None:
    """A column that another process added with another type is refused, and what was done is told."""
    server.add_table("t", "id int pk0")

    def changed() -> Exception:
        server.add_column("t", "x text")
        return AlreadyExistsError("exists")

    server.failures[INDEX] = changed
    with pytest.raises(SchemaError, match="server text, wanted int") as caught:
        plan(server, KEY, INDEXED)
    assert caught.value.executed == (ADD,)
    assert "nothing was changed" not in str(caught.value)


def test_scylladb_lets_one_change_win(server: RowServer) -> None:
    """What lost against another change is tried again, if it is still missing."""
    server.add_table("t", "id int pk0")
    race = ServerError("Failed to apply group 0 change due to concurrent modification")
    server.failures[ADD] = lambda: race
    server.effects[ADD] = lambda: server.add_column("t", "x int")
    server.effects[INDEX] = lambda: server.add_index("t", "t_x_idx", "x")
    assert plan(server, KEY, INDEXED) == [ADD, INDEX]
    assert server.asked == [ADD, ADD, INDEX]


def test_a_server_that_fails(server: RowServer) -> None:
    """Any other failure of the server ends the plan."""
    server.add_table("t", "id int pk0")
    server.failures[ADD] = lambda: ServerError("no disk")
    with pytest.raises(SchemaError, match="no disk"):
        plan(server, KEY, INDEXED)
    assert server.asked == [ADD]


def test_a_refused_statement(server: RowServer) -> None:
    """What the server refuses, and would again, ends the plan; it isn't tried forever."""
    server.add_table("t", "id int pk0")
    server.failures[ADD] = lambda: InvalidQueryError("no")
    with pytest.raises(SchemaError, match=f"failed at: {ADD}\nReason: no\nNot executed: CREATE INDEX"):
        plan(server, KEY, INDEXED)
    assert server.asked == [ADD]


@pytest.mark.parametrize(
    ("failure", "hint", "kind"),
    [
        (RequestTimeoutError("no answer"), "sync again", SchemaTimeoutError),
        (
            UnauthorizedError("no permission"),
            "Grant the role CREATE and ALTER on keyspace ks",
            SchemaPermissionError,
        ),
        (ConnectionFailedError("lost"), "sync again", SchemaConnectionError),
        (RuntimeError("a third party's"), "sync again", SchemaError),
    ],
)
def test_failing_in_the_middle(
    server: RowServer, failure: Exception, hint: str, kind: type[SchemaError]
) -> None:
    """The error says what was executed, what wasn't, and is the builtin that its cause is."""
    server.add_table("t", "id int pk0")
    server.failures[INDEX] = lambda: failure
    other = Col("y", "int", index=True)
    with pytest.raises(SchemaError, match=hint) as caught:
        plan(server, KEY, INDEXED, other)
    both = "ALTER TABLE ks.t ADD (x int, y int)"
    left = "CREATE INDEX IF NOT EXISTS t_y_idx ON ks.t (y)"
    assert type(caught.value) is kind
    assert (caught.value.executed, caught.value.failed) == ((both,), INDEX)
    assert caught.value.remaining == (left,)
    assert caught.value.__cause__ is failure
    assert f"Executed before: {both}" in str(caught.value)
    assert f"Not executed: {left}" in str(caught.value)


# --- looking again ----------------------------------------------------------------------

CREATE = "CREATE TABLE IF NOT EXISTS ks.t (id int, x int, PRIMARY KEY (id))"


def test_a_table_that_somebody_else_made_otherwise(server: RowServer) -> None:
    """CREATE TABLE IF NOT EXISTS passes over it without a word: what it lacks is added."""
    server.effects[CREATE] = lambda: server.add_table("t", "id int pk0", "other text")
    server.effects[ADD] = lambda: server.add_column("t", "x int")
    result = plan(server, KEY, Col("x", "int"))
    assert result == [CREATE, ADD]
    assert result.warnings == ("column 'other' (text) is on the server, not in the definition",)


def test_a_table_that_somebody_else_made_with_another_type(server: RowServer) -> None:
    """It is refused as if it had been there before, and the error says what was executed."""
    server.effects[CREATE] = lambda: server.add_table("t", "id int pk0", "x text")
    with pytest.raises(SchemaError, match="server text, wanted int") as caught:
        plan(server, KEY, Col("x", "int"))
    assert caught.value.executed == (CREATE,)


def test_what_does_not_show_is_done_once(server: RowServer) -> None:
    """A server that accepts a statement and shows nothing of it isn't asked again and again."""
    server.add_table("t", "id int pk0")
    result = plan(server, KEY, Col("x", "int"))
    assert result == [ADD] == server.asked
    assert result.warnings == (f"the server accepted this, but doesn't show it: {ADD}",)


def test_looking_again_fails(server: RowServer) -> None:
    """What was executed is told even where the table can't be read any more."""
    server.add_table("t", "id int pk0")
    server.effects[ADD] = lambda: server.columns.append({})
    with pytest.raises(SchemaError, match="couldn't be read again") as caught:
        plan(server, KEY, Col("x", "int"))
    assert caught.value.executed == (ADD,)


def test_a_dry_run_asks_for_nothing(server: RowServer) -> None:
    """The plan is the same, and no more than reads."""
    server.add_table("t", "id int pk0")
    assert plan(server, KEY, Col("x", "int"), dry_run=True) == [ADD]
    assert server.asked == []
    assert server.reads == 1


@pytest.mark.parametrize("option", ["dry_run", "drop_removed_indexes"])
@pytest.mark.parametrize("value", ["no", 1, None])
def test_switches_are_true_or_false(server: RowServer, option: str, value: Any) -> None:
    """Whatever else they are given as is refused before anything is asked: "no" isn't yes."""
    with pytest.raises(ConfigurationError, match=rf"{option}=.* Give True or False"):
        plan(server, KEY, **{option: value})
    assert server.asked == []


def test_nodes_that_do_not_agree_are_told_of(server: RowServer) -> None:
    """It is no failure: the change is made."""
    server.add_table("t", "id int pk0")
    server.effects[ADD] = lambda: server.add_column("t", "x int")
    server.disagreement = "the nodes don't agree"
    assert plan(server, KEY, Col("x", "int")).warnings == ("the nodes don't agree",)


# --- waiting for indexes ----------------------------------------------------------------


def test_indexes_are_waited_for_where_that_is_asked_for(server: RowServer) -> None:
    """All nodes must have built them, under whichever name they have, also if nothing was to be done."""
    server.add_table("t", "id int pk0", "x int")
    server.add_index("t", "byhand", "x")
    server.built = [{"byhand", "another"}, {"byhand"}]
    options = SyncOptions(wait_for_indexes=5)
    assert plan(server, KEY, INDEXED, options=options) == []
    assert server.paused == 0
    server.built[1].clear()
    with pytest.raises(SchemaTimeoutError, match="'byhand' \\(on 1 of 2 nodes\\) weren't") as caught:
        plan(server, KEY, INDEXED, options=SyncOptions(wait_for_indexes=1e-9))
    assert caught.value.executed == ()


def test_nobody_waits_without_being_asked(server: RowServer) -> None:
    """An index that isn't built is none of the sync's business, unless the caller says so."""
    server.add_table("t", "id int pk0", "x int")
    server.add_index("t", "t_x_idx", "x")
    assert plan(server, KEY, INDEXED) == []
    assert plan(server, KEY, options=SyncOptions(wait_for_indexes=5)) == []
