"""``describe`` on a real server: what it returns makes the same table again."""

from __future__ import annotations

from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.integration.schema_definitions import TYPE_NAMES, Definition, definitions
from tests.integration.schema_rows import new_name
from tests.integration.test_schema_properties import examples

from coodie.exceptions import ConfigurationError, InvalidQueryError
from coodie.schema import ColumnDefinition as Col
from coodie.schema import TableDefinition
from coodie.schema.desired import desired_table
from coodie.schema.source import python_source

if TYPE_CHECKING:
    from tests.conftest import Api, Connector
    from tests.features import Features

    from coodie.schema.tables import Table

pytestmark = pytest.mark.server


@pytest.fixture(scope="module", autouse=True)
def types(driver: Any, keyspace: str) -> None:
    """Create the user-defined types that the definitions use."""
    for type_name in TYPE_NAMES:
        driver.execute(f"CREATE TYPE IF NOT EXISTS {keyspace}.{type_name} (a int)", [])


def shape(table: Table) -> tuple[Any, ...]:
    """Return what a definition says of its columns and indexes, without its spelling and order."""
    classes = {"StorageAttachedIndex": "sai"}
    indexes = {
        (index.column, index.function, classes.get(str(index.class_name), index.class_name), index.name)
        for index in table.indexes
    }
    columns = sorted((replace(column, optional=False) for column in table.columns), key=attrgetter("name"))
    return columns, indexes


def executed(source: str) -> list[TableDefinition]:
    """Run generated code."""
    names: dict[str, Any] = {}
    exec(compile(source, "generated", "exec"), names)  # noqa: S102 - it is what is tested
    found: list[TableDefinition] = names["ALL"]
    return found


def round_trip(driver: Any, keyspace: str, wanted: Definition) -> None:
    """Make a table; describe it, drop it, make it from its description, and compare."""
    table = new_name()
    cols = wanted.columns_of(table)
    driver.sync_table(table, keyspace, cols, wanted.options)
    found = driver.describe(f"{keyspace}.{table}")
    assert (found.table, found.keyspace, found.warnings) == (table, keyspace, ())
    assert shape(desired_table(table, keyspace, found.columns)) == shape(desired_table(table, keyspace, cols))
    again = driver.sync_table(table, keyspace, found.columns, found.table_options)
    assert (again, again.warnings) == ([], ())
    (code,) = executed(python_source([found]))
    assert code == found
    driver.execute(f'DROP TABLE {keyspace}."{table}"', [])
    driver.sync_table(table, keyspace, code.columns, code.table_options)
    assert driver.describe(f"{keyspace}.{table}") == found
    original = driver.sync_table(table, keyspace, cols, wanted.options)
    assert (original, original.warnings) == ([], ())


@examples(12)
@given(data=st.data())
def test_a_description_makes_the_same_table(
    driver: Any, keyspace: str, features: Features, data: st.DataObject
) -> None:
    """A table of any shape, made from its own description, is the same for both definitions."""
    round_trip(driver, keyspace, data.draw(definitions(features)))


@pytest.mark.reliability
@pytest.mark.timeout(1800)
@examples(120)
@given(data=st.data())
def test_many_descriptions(driver: Any, keyspace: str, features: Features, data: st.DataObject) -> None:
    """As above, more often."""
    round_trip(driver, keyspace, data.draw(definitions(features)))


@examples(30)
@given(text=st.text(), warning=st.text())
def test_code_has_any_text(text: str, warning: str) -> None:
    """Names, types, options and warnings of any characters are valid code."""
    column = Col(text, text, index_options={text: text}, index_name=text)
    table = TableDefinition(
        table=text, columns=[column], table_options={text: {text: text}, "n": 0.5}, warnings=(warning,)
    )
    assert executed(python_source([table, table])) == [table, table]


@pytest.mark.needs("vectors", "storage-attached indexes")
async def test_describe(api: Api, driver: Any, keyspace: str, name: str) -> None:
    """Keys have their positions; only options that aren't a default of all servers are there."""
    cols = [
        Col("b", "int", primary_key=True, partition_key_index=1),
        Col("A", "text", primary_key=True),
        Col("at", "timestamp", clustering_key=True, clustering_order="DESC"),
        Col("s", "int", static=True),
        Col("v", "vector<float, 2>", vector_index=True, vector_similarity_function="euclidean"),
        Col("t", "text", index=True, index_class="sai", index_options={"case_sensitive": False}),
        Col("m", "map<text, int>", index=True, index_target="keys", index_name=f"{name}_m"),
    ]
    options = {"comment": 'it\'s "mine"', "compression": {"enabled": False}}
    driver.sync_table(name, keyspace, cols, options)
    found = await api.describe(f"{keyspace}.{name}", timeout=30)
    assert found.columns == [
        replace(cols[1]),
        cols[0],
        cols[2],
        cols[3],
        cols[6],
        replace(cols[5], index_options={"case_sensitive": "false"}),
        cols[4],
    ]
    assert found.table_options == {
        "bloom_filter_fp_chance": 0.01,
        "caching": {"keys": "ALL", "rows_per_partition": "NONE"},
        "comment": 'it\'s "mine"',
        "compaction": {
            "class": "SizeTieredCompactionStrategy",
            "max_threshold": "32",
            "min_threshold": "4",
        },
        "compression": {"enabled": "false"},
    }


EVERYTHING = """CREATE TABLE {} (
    a int, b int, c int, s text static, f frozen<list<int>>, x set<int>, p tuple<int, int>, m map<text, int>,
    v vector<vector<float, 2>, 3>, "odd name" text, PRIMARY KEY ((a, b), c)
) WITH CLUSTERING ORDER BY (c DESC) AND additional_write_policy = 'NEVER' AND allow_auto_snapshot = false
    AND bloom_filter_fp_chance = 0.2 AND caching = {{'keys': 'NONE', 'rows_per_partition': '10'}}
    AND cdc = false AND comment = 'c'
    AND compaction = {{'class': 'TimeWindowCompactionStrategy', 'compaction_window_size': '1'}}
    AND compression = {{'enabled': 'false'}} AND crc_check_chance = 0.5 AND default_time_to_live = 77
    AND gc_grace_seconds = 60 AND incremental_backups = false AND max_index_interval = 4096
    AND memtable = 'default' AND memtable_flush_period_in_ms = 3600000 AND min_index_interval = 64
    AND read_repair = 'NONE' AND speculative_retry = 'MIN(50ms, 99p)'"""
INDEXES = (
    "(b)",
    "(c)",
    "(s)",
    "(FULL(f))",
    "(x)",
    '("odd name")',
    "(p) USING 'sai'",
    "(ENTRIES(m)) USING 'sai'",
)


@pytest.mark.needs("vectors", "storage-attached indexes", "incremental_backups")
async def test_every_option_and_index(api: Api, driver: Any, keyspace: str, name: str) -> None:
    """Each option that a table can have, and indexes on each kind of column, are in the definition."""
    driver.execute(EVERYTHING.format(f"{keyspace}.{name}"), [])
    for index in INDEXES:
        driver.execute(f"CREATE INDEX ON {keyspace}.{name} {index}", [])
    found = await api.describe(f"{keyspace}.{name}")
    assert found.warnings == ()
    assert sum(column.index for column in found.columns) == len(INDEXES)
    assert found.table_options is not None
    assert len(found.table_options) == 16  # all but cdc and memtable, which have their defaults
    again = driver.sync_table(name, keyspace, found.columns, found.table_options)
    assert (again, again.warnings) == ([], ())
    source = python_source([found])
    assert max(map(len, source.splitlines())) <= 100
    (code,) = executed(source)
    driver.execute(f"DROP TABLE {keyspace}.{name}", [])
    driver.sync_table(name, keyspace, code.columns, code.table_options)
    assert await api.describe(f"{keyspace}.{name}") == found


def test_the_servers_own_tables(driver: Any) -> None:
    """Every table of the server has a definition without differences; indexes without a column are named."""
    select = "SELECT keyspace_name AS k, table_name AS t FROM system_schema.tables WHERE keyspace_name IN ?"
    keyspaces = ["system", *(f"system_{name}" for name in ("auth", "distributed", "schema", "traces"))]
    tables = driver.execute(select, [keyspaces])
    warnings = []
    for row in tables:
        found = driver.describe(f"{row['k']}.{row['t']}")
        planned = driver.sync_table(row["t"], row["k"], found.columns, found.table_options, dry_run=True)
        assert (planned, len(planned.warnings)) == ([], len(found.warnings))
        warnings += found.warnings
    assert len(tables) > 20
    assert warnings == ["index 'PaxosUncommittedIndex' isn't on one column, so it isn't in the definition"]


async def test_what_a_definition_cannot_express(api: Api, driver: Any, keyspace: str, name: str) -> None:
    """It is in the warnings, and in the code as comments; nothing is lost silently."""
    driver.execute(f"CREATE TABLE {keyspace}.{name} (id int PRIMARY KEY, m map<text, int>)", [])
    driver.execute(f"CREATE INDEX {name}_k ON {keyspace}.{name} (KEYS(m))", [])
    driver.execute(f"CREATE INDEX {name}_v ON {keyspace}.{name} (VALUES(m))", [])
    found = await api.describe(f"{keyspace}.{name}")
    (warning,) = found.warnings
    assert warning == f"index '{name}_v': a definition has one index per column, and 'm' has '{name}_k'"
    assert f"    # {warning}\n" in python_source([found])
    driver.execute(f"CREATE TABLE {keyspace}.{name}c (id int PRIMARY KEY, n int) WITH COMPACT STORAGE", [])
    compact = await api.describe(f"{keyspace}.{name}c")
    assert "COMPACT STORAGE" in compact.warnings[0]
    driver.execute(f"CREATE TABLE {keyspace}.{name}n (id int PRIMARY KEY, n counter)", [])
    driver.execute(f"ALTER TABLE {keyspace}.{name}n DROP n", [])
    counters = await api.describe(f"{keyspace}.{name}n")
    assert "had counters" in counters.warnings[0]


async def test_no_such_table(api: Api, driver: Any, keyspace: str, name: str) -> None:
    """A missing table, a view and a wrong name each have an error that helps."""
    driver.execute(f"CREATE TABLE {keyspace}.{name}_items (id int PRIMARY KEY)", [])
    with pytest.raises(InvalidQueryError, match=f"There is no table .*Did you mean '{name}_items'"):
        await api.describe(f"{keyspace}.{name}_itms")
    select = f"SELECT * FROM {keyspace}.{name}_items WHERE id IS NOT NULL PRIMARY KEY (id)"
    driver.execute(f"CREATE MATERIALIZED VIEW {keyspace}.{name}_view AS {select}", [])
    with pytest.raises(InvalidQueryError, match="is a materialized view, which has no definition"):
        await api.describe(f"{keyspace}.{name}_view")
    with pytest.raises(InvalidQueryError, match="The keyspace has none"):
        await api.describe("no_such_keyspace.items")
    with pytest.raises(InvalidQueryError, match="The tables of system_views are virtual"):
        await api.describe("system_views.settings")
    with pytest.raises(ConfigurationError, match="can't be used as table name"):
        await api.describe(f'{keyspace}."items"')


async def test_through_a_lazy_driver_with_other_rows(
    connect: Connector, driver: Any, keyspace: str, name: str
) -> None:
    """Tables of the connection's keyspace need no keyspace, and the driver's row shape doesn't matter."""
    driver.execute(f"CREATE TABLE {keyspace}.{name} (id int PRIMARY KEY)", [])
    lazy = connect(lazy=True, keyspace=keyspace, rows=tuple)
    assert await lazy.describe_async(name) == lazy.describe(name) == driver.describe(f"{keyspace}.{name}")
