"""sync_table against a model of the schema, while others change the table as well; on a real node."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.conftest import Api
from tests.integration.schema_rows import columns_of, new_name, options_of

from coodie.exceptions import SchemaError
from coodie.schema import ColumnDefinition as Col

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]

NAMES = st.sampled_from(["a", "b", "Odd", "select"])
TYPES = st.sampled_from(["int", "text", "list<int>", "frozen<map<text, int>>", "duration"])
COMMENTS = st.sampled_from(["", "it's", "$$"])

_KEY = [Col("k", "int", primary_key=True), Col("c", "int", clustering_key=True)]


class TableMachine(RuleBasedStateMachine):
    """One table, whose key stays."""

    driver: Any
    keyspace: str

    @initialize()
    def begin(self) -> None:
        """Begin without the table."""
        self.name = new_name()
        #: What the server has: column → type; None: there is no table.
        self.columns: dict[str, str] | None = None
        self.comment = ""
        #: What each column was that somebody dropped: it can't come back as something else.
        self.dropped: dict[str, str] = {}
        #: What the next sync is told of.
        self.wanted: dict[str, str] = {}
        self.wanted_comment = ""

    # --- the definition -------------------------------------------------------------------

    @rule(name=NAMES, kind=TYPES)
    def want(self, name: str, kind: str) -> None:
        """Want a column, perhaps as another type than before."""
        self.wanted[name] = self.dropped.get(name, kind)

    @rule(name=NAMES)
    def want_no_more(self, name: str) -> None:
        """Take a column out of the definition: the table keeps it."""
        self.wanted.pop(name, None)

    @rule(comment=COMMENTS)
    def want_comment(self, comment: str) -> None:
        """Want another comment."""
        self.wanted_comment = comment

    @rule(is_async=st.booleans(), is_dry=st.booleans())
    def sync(self, is_async: bool, is_dry: bool) -> None:
        """Sync: it takes what it must, or is refused before it changes anything."""
        there = self.columns or {}
        changed = {name for name, kind in self.wanted.items() if there.get(name, kind) != kind}
        if changed:
            with pytest.raises(SchemaError) as caught:
                self.synced(is_async=is_async, is_dry=is_dry)
            assert caught.value.executed == ()
            return
        done = self.synced(is_async=is_async, is_dry=is_dry)
        if self.columns is None:
            kinds = ["CREATE"]
        else:
            adds, sets = self.wanted.keys() - there.keys(), self.comment != self.wanted_comment
            kinds = ["ALTER"] * (bool(adds) + sets)
        assert [statement.split()[0] for statement in done] == kinds
        if not is_dry:
            self.columns = there | self.wanted
            self.comment = self.wanted_comment
            for name in self.wanted:
                self.dropped.pop(name, None)
            assert self.synced(is_async=not is_async, is_dry=False) == []

    def synced(self, *, is_async: bool, is_dry: bool) -> list[str]:
        """Call sync_table."""
        definition = [*_KEY, *(Col(name, kind) for name, kind in self.wanted.items())]
        options = {"comment": self.wanted_comment}
        work = Api(self.driver, is_async=is_async).sync_table(
            self.name, self.keyspace, definition, options, is_dry
        )
        statements: list[str] = asyncio.run(work)
        return statements

    # --- others ---------------------------------------------------------------------------

    def alter(self, change: str) -> None:
        """Change the table as somebody else does."""
        self.driver.execute(f"ALTER TABLE {self.keyspace}.{self.name} {change}", [])

    @precondition(lambda self: self.columns is not None)
    @rule(name=NAMES, kind=TYPES)
    def others_add(self, name: str, kind: str) -> None:
        """Somebody adds a column."""
        assert self.columns is not None
        if name not in self.columns:
            kind = self.dropped.pop(name, kind)
            self.alter(f'ADD "{name}" {kind}')
            self.columns[name] = kind

    @precondition(lambda self: self.columns)
    @rule(data=st.data())
    def others_drop(self, data: st.DataObject) -> None:
        """Somebody drops a column."""
        assert self.columns is not None
        name = data.draw(st.sampled_from(sorted(self.columns)))
        self.alter(f'DROP "{name}"')
        self.dropped[name] = self.columns.pop(name)
        if name in self.wanted:
            self.wanted[name] = self.dropped[name]

    @precondition(lambda self: self.columns is not None)
    @rule(comment=COMMENTS)
    def others_comment(self, comment: str) -> None:
        """Somebody writes another comment."""
        self.alter("WITH comment = '{}'".format(comment.replace("'", "''")))
        self.comment = comment

    @precondition(lambda self: self.columns is not None)
    @rule()
    def others_drop_table(self) -> None:
        """Somebody drops the table."""
        self.driver.execute(f"DROP TABLE {self.keyspace}.{self.name}", [])
        self.columns, self.comment, self.dropped = None, "", {}

    # --- what always holds ----------------------------------------------------------------

    @invariant()
    def the_server_has_the_model(self) -> None:
        """The server's columns and comment are the model's."""
        shown = columns_of(self.driver, self.keyspace, self.name)
        types = {name: kind for name, (_, kind, _, _) in shown.items()}
        expected = {} if self.columns is None else {"k": "int", "c": "int"} | self.columns
        assert types == expected
        if self.columns is not None:
            assert options_of(self.driver, self.keyspace, self.name)["comment"] == self.comment


def test_table(driver: Any, keyspace: str) -> None:
    """Whoever changes the table in between, a sync makes what is missing, no more, and refuses the rest."""

    class Machine(TableMachine):
        pass

    Machine.driver, Machine.keyspace = driver, keyspace
    run_state_machine_as_test(  # type: ignore[no-untyped-call]  # hypothesis has no type for it
        Machine,
        settings=settings(
            max_examples=15,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
        ),
    )
