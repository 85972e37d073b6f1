"""Any definition on a real server: it becomes what it says, and a change of it takes no more than it must.

`make reliability` tries more. Nothing is shrunk: each try is a table, and the node's heap holds thousands.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.integration.schema_definitions import TYPE_NAMES, Definition, definitions, evolved
from tests.integration.schema_rows import columns_of, indexes_of, new_name

from coodie.schema.cqltypes import parse_type

if TYPE_CHECKING:
    from tests.features import Features

pytestmark = pytest.mark.server

_KIND = re.compile(r"ALTER TABLE \S+ (ADD|WITH)|(CREATE) (?:CUSTOM )?INDEX|(DROP) INDEX")


def examples(count: int) -> settings:
    """Bound how many tables are made."""
    return settings(
        max_examples=count,
        deadline=None,
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.too_slow,
            HealthCheck.filter_too_much,
            HealthCheck.data_too_large,
            HealthCheck.large_base_example,
        ],
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
    )


@pytest.fixture(scope="module", autouse=True)
def types(driver: Any, keyspace: str) -> None:
    """Create the user-defined types that the definitions use."""
    for type_name in TYPE_NAMES:
        driver.execute(f"CREATE TYPE IF NOT EXISTS {keyspace}.{type_name} (a int)", [])


def expected(definition: Definition, keyspace: str) -> dict[str, tuple[str, str, int, str]]:
    """Return what system_schema.columns has to show: name → kind, type, position, order."""
    shown = {}
    for column in definition.columns:
        kind, position, order = "static" if column.static else "regular", -1, "none"
        if column.primary_key:
            kind, position = "partition_key", column.partition_key_index or 0
        elif column.clustering_key:
            kind, position = "clustering", column.clustering_key_index or 0
            order = column.clustering_order.lower()
        shown[column.name] = (kind, parse_type(column.cql_type, keyspace).shown, position, order)
    return shown


def index_names(definition: Definition, table: str) -> set[str]:
    """Return the names of the wanted indexes."""
    names = ((column.index_name, column.vector_index_name) for column in definition.columns_of(table))
    return {name for pair in names for name in pair if name}


def become(driver: Any, keyspace: str, definition: Definition, data: st.DataObject) -> None:
    """Make the table, or a part of it first; look at what the server has then."""
    table = new_name()
    cols = definition.columns_of(table)
    keep = [bool(c.primary_key or c.clustering_key or data.draw(st.booleans())) for c in cols]
    if definition.counters and not any(k for k, c in zip(keep, cols, strict=True) if c.cql_type == "counter"):
        keep = [True] * len(cols)  # a table without counters can't get any
    part = [column for column, kept in zip(cols, keep, strict=True) if kept]
    driver.sync_table(table, keyspace, part, definition.options)
    driver.sync_table(table, keyspace, cols, definition.options)
    again = driver.sync_table(table, keyspace, cols, definition.options)
    assert (again, again.warnings) == ([], ())
    assert columns_of(driver, keyspace, table) == expected(definition, keyspace)
    assert set(indexes_of(driver, keyspace, table)) == index_names(definition, table)


def evolve(driver: Any, keyspace: str, first: Definition, data: st.DataObject) -> None:
    """Make the table, and change it some times; look at what each change takes."""
    table = new_name()
    driver.sync_table(table, keyspace, first.columns_of(table), first.options)
    definition = first
    for _ in range(data.draw(st.integers(1, 4))):
        definition = data.draw(evolved(definition))
        arguments = (table, keyspace, definition.columns_of(table), definition.options)
        planned = driver.sync_table(*arguments, dry_run=True, drop_removed_indexes=True)
        done = driver.sync_table(*arguments, drop_removed_indexes=True)
        assert done == planned
        kinds = Counter(next(filter(None, _KIND.match(statement).groups())) for statement in done)  # type: ignore[union-attr]  # every statement is one of these
        assert kinds == Counter({kind: count for kind, count in definition.cost.items() if count})
        assert driver.sync_table(*arguments, drop_removed_indexes=True) == []
        shown = columns_of(driver, keyspace, table)
        assert expected(definition, keyspace).items() <= shown.items()
        assert set(indexes_of(driver, keyspace, table)) == index_names(definition, table)


@examples(12)
@given(data=st.data())
def test_a_definition_becomes_the_table(
    driver: Any, keyspace: str, features: Features, data: st.DataObject
) -> None:
    """Made at once or grown from a part of it, a table of any shape is read back equal, and in order."""
    become(driver, keyspace, data.draw(definitions(features)), data)


@examples(12)
@given(data=st.data())
def test_an_evolution_takes_what_it_must(
    driver: Any, keyspace: str, features: Features, data: st.DataObject
) -> None:
    """Each change costs one ADD, one WITH, and the indexes; a dry run says so; a second run is empty."""
    evolve(driver, keyspace, data.draw(definitions(features)), data)


@pytest.mark.reliability
@pytest.mark.timeout(1800)
@examples(120)
@given(data=st.data())
def test_many_definitions(driver: Any, keyspace: str, features: Features, data: st.DataObject) -> None:
    """Random definitions, created at once or in steps, are tables that are read back equal (120 cases)."""
    become(driver, keyspace, data.draw(definitions(features)), data)


@pytest.mark.reliability
@pytest.mark.timeout(1800)
@examples(120)
@given(data=st.data())
def test_many_evolutions(driver: Any, keyspace: str, features: Features, data: st.DataObject) -> None:
    """Random series of changes need one ADD, one WITH and the indexes each (120 cases)."""
    evolve(driver, keyspace, data.draw(definitions(features)), data)
