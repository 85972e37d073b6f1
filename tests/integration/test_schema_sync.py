"""sync_table against a real server: the plan is what the server needs, and the second run is empty."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coodie.exceptions import InvalidQueryError, SchemaError
from coodie.schema import ColumnDefinition as Col

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Api

pytestmark = pytest.mark.server

KEY = Col("id", "int", primary_key=True)
_numbers = itertools.count()
#: Tables stay behind on a server that isn't the tests' own, so each run names its own.
_RUN = uuid.uuid4().hex[:8]


def new_name() -> str:
    """Name a table that isn't there."""
    return f"t{next(_numbers)}_{_RUN}"


@pytest.fixture
def name() -> str:
    """Name a table that isn't there."""
    return new_name()


def columns_of(driver: Any, keyspace: str, table: str) -> dict[str, tuple[str, str, int, str]]:
    """Read a table's columns: name → kind, type, position, order."""
    rows = driver.execute(
        "SELECT * FROM system_schema.columns WHERE keyspace_name = ? AND table_name = ?", [keyspace, table]
    )
    return {
        row["column_name"]: (row["kind"], row["type"], row["position"], row["clustering_order"])
        for row in rows
    }


def options_of(driver: Any, keyspace: str, table: str) -> dict[str, Any]:
    """Read a table's options."""
    (row,) = driver.execute(
        "SELECT * FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?", [keyspace, table]
    )
    return dict(row)


def indexes_of(driver: Any, keyspace: str, table: str) -> dict[str, dict[str, str]]:
    """Read a table's indexes: name → options."""
    rows = driver.execute(
        "SELECT * FROM system_schema.indexes WHERE keyspace_name = ? AND table_name = ?", [keyspace, table]
    )
    return {row["index_name"]: dict(row["options"]) for row in rows}


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


def test_options_mean_what_the_server_stores(driver: Any, keyspace: str) -> None:
    """Whatever the spelling, a table made or altered with an option is in order with it."""
    made = [new_name() for _ in OPTIONS]
    altered = new_name()
    driver.sync_table(altered, keyspace, [KEY])
    for table, options in zip(made, OPTIONS, strict=True):
        driver.sync_table(table, keyspace, [KEY], options)
        assert driver.sync_table(table, keyspace, [KEY], options) == []
        driver.sync_table(altered, keyspace, [KEY], options)
        assert driver.sync_table(altered, keyspace, [KEY], options) == []


NATIVE = st.sampled_from(
    "ascii bigint blob boolean date decimal double float inet int smallint text time timestamp timeuuid "  # noqa: SIM905 - twenty lines otherwise
    "tinyint uuid varchar varint".split()
)
USER_DEFINED = st.sampled_from(
    ["frozen<plain>", 'frozen<"Odd ""one""">', 'frozen<"int">', 'frozen<"select">']
)


def _around(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        inner.map("frozen<list<{}>>".format),
        inner.map("FROZEN<Set<{}>>".format),
        st.tuples(inner, inner).map(lambda pair: f"frozen<map<{pair[0]},{pair[1]}>>"),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"tuple<{', '.join(parts)}>"),
        st.tuples(inner, st.integers(1, 9)).map(lambda pair: f"vector<{pair[0]} , {pair[1]}>"),
    )


FROZEN = st.recursive(NATIVE | USER_DEFINED, _around, max_leaves=5)
ANY_TYPE = FROZEN | FROZEN.map("list<{}>".format) | st.just("duration") | st.just("plain")
COLUMN_NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)


@st.composite
def definitions(draw: st.DrawFn) -> list[Col]:
    """Make a table of any shape."""
    names = draw(st.lists(COLUMN_NAMES, min_size=1, max_size=8, unique=True))
    partition = draw(st.integers(1, len(names)))
    clustering = draw(st.integers(partition, len(names)))
    cols = []
    for place, column in enumerate(names):
        if place < partition:
            cols.append(Col(column, draw(FROZEN), primary_key=True, partition_key_index=place))
        elif place < clustering:
            order = draw(st.sampled_from(["ASC", "DESC"]))
            index = place - partition
            cols.append(
                Col(
                    column,
                    draw(FROZEN),
                    clustering_key=True,
                    clustering_key_index=index,
                    clustering_order=order,
                )
            )
        else:
            static = clustering > partition and draw(st.booleans())
            cols.append(Col(column, draw(ANY_TYPE), static=static))
    return draw(st.permutations(cols))


@pytest.fixture(scope="module")
def types(driver: Any, keyspace: str) -> None:
    """Create the user-defined types that the definitions use."""
    for type_name in ("plain", '"Odd ""one"""', '"int"', '"select"'):
        driver.execute(f"CREATE TYPE IF NOT EXISTS {keyspace}.{type_name} (a int)", [])


@pytest.mark.usefixtures("types")
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(cols=definitions(), data=st.data())
def test_any_table_is_in_order_once_made(
    driver: Any, keyspace: str, cols: list[Col], data: st.DataObject
) -> None:
    """Made at once or grown from a part of it, a table of any shape leaves nothing to do."""
    table = new_name()
    part = [c for c in cols if c.primary_key or c.clustering_key or data.draw(st.booleans())]
    assert len(driver.sync_table(table, keyspace, part)) == 1
    assert len(driver.sync_table(table, keyspace, cols)) == (len(part) < len(cols))
    again = driver.sync_table(table, keyspace, cols)
    assert again == []
    assert again.warnings == ()
    shown = columns_of(driver, keyspace, table)
    assert set(shown) == {c.name for c in cols}


# --- many at once -----------------------------------------------------------------------


async def test_many_tasks_at_once(driver: Any, keyspace: str, name: str) -> None:
    """Whoever comes second finds the work done; each statement is executed by one."""
    cols = [KEY, Col("x", "int")]
    await asyncio.gather(*(driver.sync_table_async(name, keyspace, cols) for _ in range(8)))
    grown = [*cols, Col("y", "text"), Col("z", "int", index=True)]
    results = await asyncio.gather(*(driver.sync_table_async(name, keyspace, grown) for _ in range(8)))
    executed = [statement for result in results for statement in result if "ADD" in statement]
    assert executed == [f"ALTER TABLE {keyspace}.{name} ADD (y text, z int)"]
    assert driver.sync_table(name, keyspace, grown) == []


def test_many_threads_with_parts_of_the_whole(driver: Any, keyspace: str, name: str) -> None:
    """Definitions that overlap are merged, whatever the order in which they arrive."""
    driver.sync_table(name, keyspace, [KEY])
    extra = [Col(f"c{n}", "int") for n in range(6)]
    parts = [[KEY, extra[n], extra[(n + 1) % 6], extra[(n + 2) % 6]] for n in range(6)]
    run: Callable[[list[Col]], Any] = lambda cols: driver.sync_table(name, keyspace, cols)  # noqa: E731
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(run, parts))
    assert set(columns_of(driver, keyspace, name)) == {"id", *(c.name for c in extra)}
