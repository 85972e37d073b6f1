"""sync_table against a real server: the plan is what the server needs, and the second run is empty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.schema_rows import columns_of, indexes_of, new_name, options_of

from coodie.exceptions import InvalidQueryError, SchemaError
from coodie.schema import ColumnDefinition as Col

if TYPE_CHECKING:
    from tests.conftest import Api
    from tests.features import Features

pytestmark = pytest.mark.server

KEY = Col("id", "int", primary_key=True)


# --- a new table ------------------------------------------------------------------------


def everything(index_name: str) -> list[Col]:
    """Define a table with whatever a column can be."""
    return [
        Col("b", "int", primary_key=True, partition_key_index=1),
        Col("Select", "TEXT", primary_key=True),
        Col("order", "timeuuid", clustering_key=True, clustering_order="DESC"),
        Col('c "2"', "varchar", clustering_key=True, clustering_key_index=1),
        Col("total", "decimal", static=True),
        Col("tags", "set<text>", index=True),
        Col("by_name", "map<text, frozen<list<int>>>", index=True, index_name=index_name),
        Col("whole", "frozen<set<int>>", index=True),
        Col("pair", "tuple<int, text>"),
        Col("place", "vector<float, 3>", vector_index=True, vector_similarity_function="dot_product"),
    ]


@pytest.mark.needs("vectors")
async def test_a_table_with_everything(api: Api, driver: Any, keyspace: str, name: str) -> None:
    """A dry run says what is done and does nothing; the second run has nothing left to do."""
    options = {
        "comment": 'it\'s "mine"',
        "gc_grace_seconds": 60,
        "compaction": {"class": "LeveledCompactionStrategy"},
    }
    table = f"{name}_Case"
    cols = everything(f"{name}_By")
    said = await api.sync_table(table, keyspace, cols, options, dry_run=True)
    assert columns_of(driver, keyspace, table) == {}
    done = await api.sync_table(table, keyspace, cols, options)
    assert said == done
    assert [statement.split(" IF ")[0] for statement in done] == [
        "CREATE TABLE",
        *["CREATE INDEX"] * 3,
        "CREATE CUSTOM INDEX",
    ]
    assert columns_of(driver, keyspace, table) == {
        "Select": ("partition_key", "text", 0, "none"),
        "b": ("partition_key", "int", 1, "none"),
        "order": ("clustering", "timeuuid", 0, "desc"),
        'c "2"': ("clustering", "text", 1, "asc"),
        "total": ("static", "decimal", -1, "none"),
        "tags": ("regular", "set<text>", -1, "none"),
        "by_name": ("regular", "map<text, frozen<list<int>>>", -1, "none"),
        "whole": ("regular", "frozen<set<int>>", -1, "none"),
        "pair": ("regular", "frozen<tuple<int, text>>", -1, "none"),
        "place": ("regular", "vector<float, 3>", -1, "none"),
    }
    assert indexes_of(driver, keyspace, table) == {
        f"{table}_tags_idx": {"target": "values(tags)"},
        f"{name}_By": {"target": "values(by_name)"},
        f"{table}_whole_idx": {"target": "full(whole)"},
        f"{table}_place_idx": {
            "class_name": "StorageAttachedIndex",
            "similarity_function": "dot_product",
            "target": "place",
        },
    }
    assert options_of(driver, keyspace, table)["comment"] == options["comment"]
    again = await api.sync_table(table, keyspace, cols, options)
    assert again == []
    assert again.warnings == ()


async def test_a_missing_keyspace(api: Api) -> None:
    """The error says how to create one, in a dry run too."""
    for dry_run in (True, False):
        with pytest.raises(SchemaError, match='CREATE KEYSPACE IF NOT EXISTS "Nowhere" WITH'):
            await api.sync_table("t", "Nowhere", [KEY], dry_run=dry_run)


async def test_a_view_is_no_table(api: Api, driver: Any, keyspace: str, name: str) -> None:
    """A materialized view's name is refused; CREATE TABLE IF NOT EXISTS would do nothing there."""
    driver.execute(f"CREATE TABLE {keyspace}.{name} (id int PRIMARY KEY)", [])
    driver.execute(
        f"CREATE MATERIALIZED VIEW {keyspace}.{name}_view AS SELECT id FROM {keyspace}.{name} "
        "WHERE id IS NOT NULL PRIMARY KEY (id)",
        [],
    )
    with pytest.raises(SchemaError, match="materialized view"):
        await api.sync_table(f"{name}_view", keyspace, [KEY])


# --- a table that changes ---------------------------------------------------------------


async def test_a_table_grows(api: Api, driver: Any, keyspace: str, name: str) -> None:
    """New columns, static ones too, options and indexes are added, with the rows kept; then all is well."""
    clustering = Col("c", "int", clustering_key=True)
    await api.sync_table(name, keyspace, [KEY, clustering, Col("old", "text")])
    driver.execute(f"INSERT INTO {keyspace}.{name} (id, c, old) VALUES (1, 2, 'kept')", [])
    cols = [KEY, clustering, Col("s", "int", static=True), Col("l", "list<text>", index=True)]
    options = {"comment": "two", "default_time_to_live": "3600"}
    assert await api.sync_table(name, keyspace, cols, options) == [
        f"ALTER TABLE {keyspace}.{name} ADD (s int STATIC, l list<text>)",
        f"ALTER TABLE {keyspace}.{name} WITH comment = 'two' AND default_time_to_live = '3600'",
        f"CREATE INDEX IF NOT EXISTS {name}_l_idx ON {keyspace}.{name} (l)",
    ]
    again = await api.sync_table(name, keyspace, cols, options)
    assert again == []
    assert again.warnings == ("column 'old' (text) is on the server, not in the definition",)
    (row,) = driver.execute(f"SELECT * FROM {keyspace}.{name}", [])
    assert row == {"id": 1, "c": 2, "s": None, "l": None, "old": "kept"}


async def test_a_change_by_somebody_else_is_seen(api: Api, driver: Any, keyspace: str, name: str) -> None:
    """Nothing is remembered from the last call."""
    cols = [KEY, Col("x", "int")]
    await api.sync_table(name, keyspace, cols)
    driver.execute(f"ALTER TABLE {keyspace}.{name} DROP x", [])
    assert await api.sync_table(name, keyspace, cols) == [f"ALTER TABLE {keyspace}.{name} ADD x int"]
    driver.execute(f"DROP TABLE {keyspace}.{name}", [])
    assert len(await api.sync_table(name, keyspace, cols)) == 1
    assert await api.sync_table(name, keyspace, cols) == []


async def test_what_alter_cannot_do_changes_nothing(api: Api, driver: Any, keyspace: str, name: str) -> None:
    """All of it is listed, and what could be done isn't done either."""
    await api.sync_table(
        name,
        keyspace,
        [KEY, Col("c", "int", clustering_key=True), Col("s", "int", static=True), Col("x", "int")],
    )
    before = columns_of(driver, keyspace, name)
    with pytest.raises(SchemaError) as caught:
        await api.sync_table(
            name,
            keyspace,
            [
                KEY,
                Col("c", "int", clustering_key=True, clustering_order="DESC"),
                Col("d", "int", clustering_key=True, clustering_key_index=1),
                Col("s", "int"),
                Col("x", "text"),
                Col("new", "int", index=True),
            ],
        )
    assert str(caught.value).count("\n  - ") == 4
    assert columns_of(driver, keyspace, name) == before
    assert indexes_of(driver, keyspace, name) == {}


async def test_counters(api: Api, driver: Any, keyspace: str, name: str) -> None:
    """Counters join counters and nothing else, which Cassandra sees as this planner does."""
    await api.sync_table(name, keyspace, [KEY, Col("n", "counter")])
    assert len(await api.sync_table(name, keyspace, [KEY, Col("n", "counter"), Col("m", "counter")])) == 1
    with pytest.raises(SchemaError, match="server a table of counters"):
        await api.sync_table(name, keyspace, [KEY, Col("x", "int")])
    with pytest.raises(InvalidQueryError):
        driver.execute(f"ALTER TABLE {keyspace}.{name} ADD x int", [])


async def test_a_column_that_the_server_refuses(api: Api, driver: Any, keyspace: str, name: str) -> None:
    """The one ADD comes first and is all or nothing, so that a refusal leaves the table as it was."""
    await api.sync_table(name, keyspace, [KEY])
    with pytest.raises(SchemaError, match="nowhere") as caught:
        await api.sync_table(
            name, keyspace, [KEY, Col("a", "int"), Col("b", "frozen<nowhere>")], {"comment": "x"}
        )
    assert caught.value.executed == ()
    assert isinstance(caught.value.__cause__, InvalidQueryError)
    assert list(columns_of(driver, keyspace, name)) == ["id"]
    assert options_of(driver, keyspace, name)["comment"] == ""


# --- indexes ----------------------------------------------------------------------------


async def test_indexes_come_and_go(api: Api, driver: Any, keyspace: str, name: str) -> None:
    """Indexes stay unless drop_removed_indexes is given; one under another name serves as well."""
    await api.sync_table(name, keyspace, [KEY, Col("x", "int", index=True), Col("y", "int")])
    driver.execute(
        f'CREATE INDEX "{name}_By hand"'.replace(" hand", "Hand") + f" ON {keyspace}.{name} (y)", []
    )
    cols = [KEY, Col("x", "int"), Col("y", "int", index=True)]
    kept = await api.sync_table(name, keyspace, cols)
    assert kept == []
    assert len(kept.warnings) == 1
    assert await api.sync_table(name, keyspace, cols, drop_removed_indexes=True) == [
        f"DROP INDEX IF EXISTS {keyspace}.{name}_x_idx"
    ]
    assert list(indexes_of(driver, keyspace, name)) == [f"{name}_ByHand"]


@pytest.mark.needs("vectors")
async def test_an_index_is_rebuilt_only_where_that_is_allowed(
    api: Api, driver: Any, keyspace: str, name: str
) -> None:
    """Another similarity function needs another index."""

    def cols(function: str | None) -> list[Col]:
        return [KEY, Col("v", "vector<float, 3>", vector_index=True, vector_similarity_function=function)]

    await api.sync_table(name, keyspace, cols(None))
    assert await api.sync_table(name, keyspace, cols("COSINE")) == []
    with pytest.raises(SchemaError, match="drop_removed_indexes=True"):
        await api.sync_table(name, keyspace, cols("euclidean"))
    assert len(await api.sync_table(name, keyspace, cols("euclidean"), drop_removed_indexes=True)) == 2
    (options,) = indexes_of(driver, keyspace, name).values()
    assert options["similarity_function"] == "euclidean"


@pytest.mark.needs("storage-attached indexes")
async def test_storage_attached_indexes(api: Api, driver: Any, keyspace: str, name: str) -> None:
    """With a class, options and a target, made at once or added; then all is well."""
    options = {"case_sensitive": False, "normalize": True}
    cols = [
        KEY,
        Col("t", "text", index=True, index_class="sai", index_options=options),
        Col("l", "list<int>", index=True, index_class="StorageAttachedIndex"),
        Col("m", "map<text, int>", index=True, index_class="sai", index_target="entries"),
        Col("f", "frozen<set<int>>", index=True, index_class="sai"),
        Col("plain", "map<text, int>", index=True, index_target="keys"),
    ]
    assert len(await api.sync_table(name, keyspace, cols[:2])) == 2
    assert len(await api.sync_table(name, keyspace, cols)) == 5
    again = await api.sync_table(name, keyspace, cols)
    assert (again, again.warnings) == ([], ())
    assert indexes_of(driver, keyspace, name) == {
        f"{name}_t_idx": {
            "class_name": "sai",
            "target": "t",
            "case_sensitive": "false",
            "normalize": "true",
        },
        f"{name}_l_idx": {"class_name": "StorageAttachedIndex", "target": "values(l)"},
        f"{name}_m_idx": {"class_name": "sai", "target": "entries(m)"},
        f"{name}_f_idx": {"class_name": "sai", "target": "full(f)"},
        f"{name}_plain_idx": {"target": "keys(plain)"},
    }
    cols[1] = Col("t", "text", index=True, index_class="sai", index_options={"case_sensitive": True})
    with pytest.raises(SchemaError, match="drop_removed_indexes=True"):
        await api.sync_table(name, keyspace, cols)
    assert len(await api.sync_table(name, keyspace, cols, drop_removed_indexes=True)) == 2


async def test_names_of_indexes_are_the_keyspaces(api: Api, driver: Any, keyspace: str, name: str) -> None:
    """Where another table's index has the name, the server would do nothing, without a word."""
    await api.sync_table(name, keyspace, [KEY, Col("x", "int", index=True)])
    other = f"{name}_other"
    driver.execute(f"CREATE TABLE {keyspace}.{other} (id int PRIMARY KEY, x int)", [])
    driver.execute(f"CREATE INDEX IF NOT EXISTS {name}_x_idx ON {keyspace}.{other} (x)", [])
    assert indexes_of(driver, keyspace, other) == {}
    with pytest.raises(SchemaError, match=f"belongs to table '{name}'"):
        await api.sync_table(other, keyspace, [KEY, Col("x", "int", index=True, index_name=f"{name}_x_idx")])


# --- options and types ------------------------------------------------------------------

OPTIONS: list[dict[str, Any]] = [
    {
        "gc_grace_seconds": "10",
        "comment": "line\n'two' $$",
        "crc_check_chance": 1,
        "bloom_filter_fp_chance": "0.10",
    },
    {
        "default_time_to_live": 5,
        "memtable_flush_period_in_ms": 1000,
        "min_index_interval": "64",
        "max_index_interval": 128,
    },
    {"cdc": True, "read_repair": "none", "memtable": "default", "incremental_backups": True},
    {"cdc": "yes", "incremental_backups": False, "allow_auto_snapshot": False, "read_repair": "BLOCKING"},
    {"speculative_retry": "75PERCENTILE", "additional_write_policy": "50.5MS"},
    {"speculative_retry": "max(50ms, 99p)", "additional_write_policy": "always"},
    {"speculative_retry": "NONE", "additional_write_policy": "MIN(99.5PERCENTILE,1MS)"},
    {"caching": {"keys": "none", "rows_per_partition": 100}},
    {"caching": {"rows_per_partition": "all"}},
    {"compaction": {"class": "SizeTieredCompactionStrategy", "enabled": False, "tombstone_threshold": 0.20}},
    {
        "compaction": {
            "class": "TimeWindowCompactionStrategy",
            "compaction_window_unit": "DAYS",
            "compaction_window_size": 2,
        }
    },
    {
        "compaction": {
            "class": "org.apache.cassandra.db.compaction.LeveledCompactionStrategy",
            "sstable_size_in_mb": 100,
        }
    },
    {"compaction": {"class": "UnifiedCompactionStrategy", "scaling_parameters": "T4, L8"}},
    {"compression": {"class": "ZstdCompressor", "chunk_length_in_kb": 64, "compression_level": 3}},
    {
        "compression": {
            "class": "LZ4Compressor",
            "enabled": True,
            "min_compress_ratio": 0,
            "lz4_compressor_type": "high",
        }
    },
    {"compression": {"enabled": False}},
]


def has_option(features: Features, options: dict[str, Any]) -> bool:
    """Return whether the server has these options."""
    named = {*options, options.get("compaction", {}).get("class")}
    return all(name in features for name in named & {"incremental_backups", "UnifiedCompactionStrategy"})


def test_options_mean_what_the_server_stores(driver: Any, keyspace: str, features: Features) -> None:
    """Whatever the spelling, a table made or altered with an option is in order with it."""
    known = [options for options in OPTIONS if has_option(features, options)]
    made = [new_name() for _ in known]
    altered = new_name()
    driver.sync_table(altered, keyspace, [KEY])
    for table, options in zip(made, known, strict=True):
        driver.sync_table(table, keyspace, [KEY], options)
        assert driver.sync_table(table, keyspace, [KEY], options) == []
        driver.sync_table(altered, keyspace, [KEY], options)
        assert driver.sync_table(altered, keyspace, [KEY], options) == []
