"""The plan: which statements lie between the server and the definition, and what is refused."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from coodie.exceptions import ConfigurationError, SchemaError
from coodie.schema import ColumnDefinition as Col
from coodie.schema import NetworkTopologyStrategy, SimpleStrategy, Sleep, SyncOptions, plan_table

if TYPE_CHECKING:
    from coodie_core.tests.schema.conftest import RowServer

KEY = Col("id", "int", primary_key=True)
SAI = "org.apache.cassandra.index.sai.StorageAttachedIndex"


def plan(server: RowServer, *cols: Col, table: str = "t", **kwargs: Any) -> list[str]:
    """Drive a plan for a table of the keyspace ks."""
    return server.drive(plan_table(table, "ks", cols, **kwargs))


def refusals(server: RowServer, *cols: Col, **kwargs: Any) -> list[str]:
    """Return what a plan is refused for, line by line; nothing may have been asked for."""
    with pytest.raises(SchemaError, match="nothing was changed") as caught:
        plan(server, *cols, **kwargs)
    assert server.asked == []
    assert caught.value.executed == ()
    assert (caught.value.keyspace, caught.value.table) == ("ks", "t")
    return [line[4:] for line in str(caught.value).splitlines() if line.startswith("  - ")]


# --- a new table ------------------------------------------------------------------------


def test_new_table(server: RowServer) -> None:
    """CREATE TABLE with everything, then its indexes; no ALTER."""
    result = plan(
        server,
        Col("a", "varchar", primary_key=True, partition_key_index=1),
        Col("Group", "int", primary_key=True),
        Col("at", "timeuuid", clustering_key=True, clustering_order="DESC"),
        Col("n", "int", clustering_key=True, clustering_key_index=1),
        Col("total", "decimal", static=True),
        Col("tags", "set<text>", index=True),
        Col("whole", "frozen<list<int>>", index=True, index_name="Whole"),
        Col('odd "one"', "int", index=True),
        Col("v", "vector<float,3>", vector_index=True, vector_similarity_function="dot_product"),
        table="order",
        table_options={"comment": "it's", "gc_grace_seconds": 60},
    )
    assert result == [
        (
            'CREATE TABLE IF NOT EXISTS ks."order" (a text, "Group" int, at timeuuid, n int, '
            'total decimal STATIC, tags set<text>, whole frozen<list<int>>, "odd ""one""" int, '
            'v vector<float, 3>, PRIMARY KEY (("Group", a), at, n)) '
            "WITH CLUSTERING ORDER BY (at DESC, n ASC) AND comment = 'it''s' AND gc_grace_seconds = 60"
        ),
        'CREATE INDEX IF NOT EXISTS order_tags_idx ON ks."order" (tags)',
        'CREATE INDEX IF NOT EXISTS "Whole" ON ks."order" (FULL(whole))',
        'CREATE INDEX IF NOT EXISTS order_oddone_idx ON ks."order" ("odd ""one""")',
        (
            "CREATE CUSTOM INDEX IF NOT EXISTS order_v_idx ON ks.\"order\" (v) USING 'StorageAttachedIndex' "
            "WITH OPTIONS = {'similarity_function': 'dot_product'}"
        ),
    ]
    assert server.asked == result


def test_smallest_table(server: RowServer) -> None:
    """Nothing is written that wasn't asked for."""
    assert plan(server, KEY) == ["CREATE TABLE IF NOT EXISTS ks.t (id int, PRIMARY KEY (id))"]


def test_ascending_order_is_the_servers_own(server: RowServer) -> None:
    """CLUSTERING ORDER BY appears only where it says something."""
    (statement,) = plan(server, KEY, Col("c", "int", clustering_key=True))
    assert statement == "CREATE TABLE IF NOT EXISTS ks.t (id int, c int, PRIMARY KEY (id, c))"


def test_missing_keyspace(server: RowServer) -> None:
    """The error says how to create one; nothing was asked for."""
    server.keyspaces.clear()
    with pytest.raises(SchemaError, match="CREATE KEYSPACE IF NOT EXISTS ks WITH replication") as caught:
        plan(server, KEY)
    assert caught.value.keyspace == "ks"
    assert server.asked == []


def test_a_view_of_that_name(server: RowServer) -> None:
    """CREATE TABLE IF NOT EXISTS does nothing where a view has the name, so it isn't tried."""
    server.add_column("t", "id int pk0")
    assert refusals(server, KEY) == ["a materialized view has this name"]


def test_an_index_name_of_another_table(server: RowServer) -> None:
    """CREATE INDEX IF NOT EXISTS does nothing where the name is taken, so it is refused before."""
    server.add_index("other", "t_x_idx", "x")
    (problem,) = refusals(server, KEY, Col("x", "int", index=True))
    assert "belongs to table 'other'" in problem


def test_a_bad_definition_reads_nothing(server: RowServer) -> None:
    """What can be known without the server is said without it."""
    with pytest.raises(ConfigurationError):
        plan(server, Col("x", "int"))
    assert server.reads == 0


# --- a table that is there --------------------------------------------------------------


def test_table_in_order(server: RowServer) -> None:
    """Nothing to do is an empty list, for one round of reads."""
    server.add_table(
        "t", "id int pk0", "c text ck0 desc", "s int static", "x|frozen<tuple<int, text>>", comment="c"
    )
    server.add_index("t", "t_x_idx", "x")
    result = plan(
        server,
        KEY,
        Col("c", "varchar", clustering_key=True, clustering_order="DESC"),
        Col("s", "int", static=True),
        Col("x", "tuple<int, text>", index=True),
        table_options={"comment": "c"},
    )
    assert result == []
    assert result.warnings == ()  # type: ignore[attr-defined]
    assert server.reads == 1


def test_new_columns_options_and_indexes(server: RowServer) -> None:
    """One ADD for all columns, one WITH for the options that differ, then the missing indexes."""
    server.add_table("t", "id int pk0", "c int ck0")
    result = plan(
        server,
        KEY,
        Col("c", "int", clustering_key=True),
        Col("s", "int", static=True),
        Col("l", "list<int>", index=True),
        table_options={"gc_grace_seconds": 864000, "comment": "new", "cdc": True},
    )
    assert result == [
        "ALTER TABLE ks.t ADD (s int STATIC, l list<int>)",
        "ALTER TABLE ks.t WITH comment = 'new' AND cdc = true",
        "CREATE INDEX IF NOT EXISTS t_l_idx ON ks.t (l)",
    ]


def test_one_new_column(server: RowServer) -> None:
    """A single column needs no parentheses."""
    server.add_table("t", "id int pk0")
    assert plan(server, KEY, Col("x", "text")) == ["ALTER TABLE ks.t ADD x text"]


def test_what_only_the_server_has_stays(server: RowServer, caplog: pytest.LogCaptureFixture) -> None:
    """Columns, options and indexes beside the definition are told of, on the result and in the log."""
    server.add_table("t", "id int pk0", "old text", gc_grace_seconds=5)
    server.add_index("t", "byhand", "old")
    with caplog.at_level(logging.WARNING, "coodie.schema"):
        result = server.drive(plan_table("t", "ks", [KEY]))
    assert result == []
    assert result.warnings == (
        "column 'old' (text) is on the server, not in the definition",
        "option gc_grace_seconds = 5 is on the server, not in the definition",
        "index 'byhand' on old is on the server, not in the definition; drop_removed_indexes=True drops it",
    )
    assert [record.getMessage() for record in caplog.records] == [f"ks.t: {w}" for w in result.warnings]


# --- what ALTER can't do ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "wanted", "problem"),
    [
        (["id int pk0", "x int"], [KEY, Col("x", "text")], "column 'x': server int, wanted text"),
        (["id uuid pk0"], [KEY], "column 'id': server uuid, wanted int"),
        (["other int pk0", "id int"], [KEY], "partition key: server (other), wanted (id)"),
        (
            ["a int pk0", "id int pk1"],
            [KEY, Col("a", "int", primary_key=True)],
            "partition key: server (a, id), wanted (id, a)",
        ),
        (
            ["id int pk0"],
            [KEY, Col("c", "int", clustering_key=True)],
            "clustering key: server none, wanted (c)",
        ),
        (["id int pk0", "c int ck0"], [KEY], "clustering key: server (c), wanted none"),
        (
            ["id int pk0", "c int ck0 desc"],
            [KEY, Col("c", "int", clustering_key=True)],
            "clustering order of 'c': server DESC, wanted ASC",
        ),
        (
            ["id int pk0", "c int ck0", "s int static"],
            [KEY, Col("c", "int", clustering_key=True), Col("s", "int")],
            "column 's': server static, wanted regular",
        ),
        (
            ["id int pk0", "x int"],
            [KEY, Col("n", "counter")],
            "new columns 'n': server a table of ordinary columns, wanted counters beside them",
        ),
    ],
)
def test_refused_before_anything_is_changed(
    server: RowServer, shown: list[str], wanted: list[Col], problem: str
) -> None:
    """Each change that ALTER TABLE has no way to make is named as server / wanted."""
    server.add_table("t", *shown)
    assert refusals(server, *wanted) == [problem]


def test_an_ordinary_column_in_a_table_of_counters(server: RowServer) -> None:
    """Counters keep to themselves, also where the definition has none of them."""
    server.add_table("t", "id int pk0", "n counter", counter=True)
    (problem,) = refusals(server, KEY, Col("x", "int"))
    assert problem == "new columns 'x': server a table of counters, wanted ordinary columns beside them"


def test_another_counter(server: RowServer) -> None:
    """A counter joins counters."""
    server.add_table("t", "id int pk0", "n counter", counter=True)
    assert plan(server, KEY, Col("n", "counter"), Col("m", "counter")) == ["ALTER TABLE ks.t ADD m counter"]


def test_a_refusal_is_looked_at_twice(server: RowServer) -> None:
    """One read may show a table that another doesn't show yet: no reason to call it a view."""
    server.add_table("t", "id int pk0")
    seen = list(server.tables)
    server.tables.clear()
    plan = plan_table("t", "ks", [KEY], dry_run=True)
    request = plan.send(server.reply(next(plan)))
    assert isinstance(request, Sleep)
    server.tables += seen
    request = plan.send(None)
    with pytest.raises(StopIteration) as stop:
        plan.send(server.reply(request))
    assert stop.value.value == []


def test_every_difference_in_one_error(server: RowServer) -> None:
    """What else could be done isn't, as long as one thing can't be."""
    server.add_table("t", "id int pk0", "x int", "y int")
    problems = refusals(
        server,
        KEY,
        Col("x", "text"),
        Col("y", "text"),
        Col("new", "int"),
        table_options={"gc_grace_seconds": "soon"},
    )
    assert len(problems) == 3


# --- indexes ----------------------------------------------------------------------------


def test_an_index_under_another_name_will_do(server: RowServer) -> None:
    """Without index_name, an index that is there already is the wanted one, whatever its name and class."""
    server.add_table("t", "id int pk0", "x int", "m|map<text, int>")
    server.add_index("t", "byhand", "x", class_name=SAI)
    server.add_index("t", "m_values", "values(m)")
    cols = [KEY, Col("x", "int", index=True), Col("m", "map<text,int>", index=True)]
    result = server.drive(plan_table("t", "ks", cols))
    assert result == []
    assert result.warnings == ()


def test_a_collections_plain_name_means_its_values(server: RowServer) -> None:
    """A server that shows the target as it was written means the same by it."""
    server.add_table("t", "id int pk0", "l list<int>", "f frozen<set<int>>")
    server.add_index("t", "t_l_idx", "l")
    server.add_index("t", "t_f_idx", "f")
    cols = [KEY, Col("l", "list<int>", index=True), Col("f", "frozen<set<int>>", index=True)]
    assert plan(server, *cols) == []


def test_an_index_on_the_keys_is_another_one(server: RowServer) -> None:
    """An index on a map's keys doesn't serve for its values."""
    server.add_table("t", "id int pk0", "m|map<text, int>")
    server.add_index("t", "m_keys", "keys(m)")
    assert plan(server, KEY, Col("m", "map<text,int>", index=True)) == [
        "CREATE INDEX IF NOT EXISTS t_m_idx ON ks.t (m)"
    ]


def test_a_wanted_name_that_the_server_lacks(server: RowServer) -> None:
    """The server passes over a second index like it without a word, so it is told of instead."""
    server.add_table("t", "id int pk0", "x int")
    server.add_index("t", "byhand", "x")
    result = server.drive(plan_table("t", "ks", [KEY, Col("x", "int", index=True, index_name="mine")]))
    assert result == []
    (warning,) = result.warnings
    assert "is named 'byhand', not 'mine'" in warning


def test_drop_removed_indexes(server: RowServer) -> None:
    """Indexes on this table that the definition doesn't have go; those of other tables stay."""
    server.add_table("t", "id int pk0", "x int", '"Y" int', "z int")
    server.columns[-2]["column_name"] = "Y"
    server.add_index("t", "byhand", "x")
    server.add_index("t", "Old", '"Y"')
    server.add_index("t", "t_z_idx", "z")
    server.add_index("other", "other_x_idx", "x")
    cols = [KEY, Col("x", "int", index=True, index_name="mine"), Col("Y", "int"), Col("z", "int", index=True)]
    assert plan(server, *cols, drop_removed_indexes=True) == [
        "DROP INDEX IF EXISTS ks.byhand",
        'DROP INDEX IF EXISTS ks."Old"',
        "CREATE INDEX IF NOT EXISTS mine ON ks.t (x)",
    ]


def test_a_name_in_use_on_another_column(server: RowServer) -> None:
    """An index can't move to another column; dropping is only done where it is allowed."""
    server.add_table("t", "id int pk0", "x int", "y int")
    server.add_index("t", "i", "x")
    cols = [KEY, Col("x", "int"), Col("y", "int", index=True, index_name="i")]
    assert refusals(server, *cols) == ["index 'i': server on x, wanted on y; give another index_name"]
    assert plan(server, *cols, drop_removed_indexes=True) == [
        "DROP INDEX IF EXISTS ks.i",
        "CREATE INDEX IF NOT EXISTS i ON ks.t (y)",
    ]


@pytest.mark.parametrize("class_name", ["StorageAttachedIndex", "sai", SAI, "vector_index"])
@pytest.mark.parametrize("shown", [{}, {"similarity_function": "COSINE"}])
def test_vector_index_in_order(server: RowServer, class_name: str, shown: dict[str, str]) -> None:
    """The index is known under each of its class's names; cosine is what no function means."""
    server.add_table("t", "id int pk0", "v|vector<float, 3>")
    server.add_index("t", "t_v_idx", "v", class_name=class_name, **shown)
    column = Col("v", "vector<float, 3>", vector_index=True, vector_similarity_function="cosine")
    assert plan(server, KEY, column) == []


def test_vector_index_with_another_function(server: RowServer) -> None:
    """An index's options can't be changed, only its index dropped and built anew, where that is allowed."""
    server.add_table("t", "id int pk0", "v|vector<float, 3>")
    server.add_index("t", "t_v_idx", "v", class_name="StorageAttachedIndex")
    column = Col(
        "v", "vector<float, 3>", vector_index=True, vector_index_options={"similarity_function": "euclidean"}
    )
    (problem,) = refusals(server, KEY, column)
    assert "wanted on v using StorageAttachedIndex with {'similarity_function': 'euclidean'}" in problem
    assert plan(server, KEY, column, drop_removed_indexes=True) == [
        "DROP INDEX IF EXISTS ks.t_v_idx",
        (
            "CREATE CUSTOM INDEX IF NOT EXISTS t_v_idx ON ks.t (v) USING 'StorageAttachedIndex' "
            "WITH OPTIONS = {'similarity_function': 'euclidean'}"
        ),
    ]


def test_a_plain_index_on_a_vector_serves_no_vector_search(server: RowServer) -> None:
    """A vector index is built beside it."""
    server.add_table("t", "id int pk0", "v|vector<float, 3>")
    server.add_index("t", "plain", "v")
    result = plan(server, KEY, Col("v", "vector<float, 3>", vector_index=True, vector_index_name="vectors"))
    assert result == ["CREATE CUSTOM INDEX IF NOT EXISTS vectors ON ks.t (v) USING 'StorageAttachedIndex'"]


def test_an_index_whose_target_is_not_one_column(server: RowServer) -> None:
    """ScyllaDB's local indexes have a target of their own kind: told of, and in nobody's way."""
    server.add_table("t", "id int pk0", "x int")
    server.add_index("t", "local", '{"pk":["id"],"ck":["x"]}')
    result = server.drive(plan_table("t", "ks", [KEY, Col("x", "int", index=True)], dry_run=True))
    assert result == ["CREATE INDEX IF NOT EXISTS t_x_idx ON ks.t (x)"]
    assert len(result.warnings) == 1


# --- indexes with a class ---------------------------------------------------------------

SAI_INDEX = Col("x", "text", index=True, index_class="sai", index_options={"case_sensitive": False})


def test_a_storage_attached_index_on_an_ordinary_column(server: RowServer) -> None:
    """The class and the options are written; the server's own index on the column doesn't serve for it."""
    server.add_table("t", "id int pk0", "x text")
    server.add_index("t", "byhand", "x")
    assert plan(server, KEY, SAI_INDEX) == [
        (
            "CREATE CUSTOM INDEX IF NOT EXISTS t_x_idx ON ks.t (x) USING 'sai' "
            "WITH OPTIONS = {'case_sensitive': 'false'}"
        )
    ]


@pytest.mark.parametrize("class_name", ["StorageAttachedIndex", "sai", "SAI", SAI])
def test_a_storage_attached_index_in_order(server: RowServer, class_name: str) -> None:
    """It is the same one under each name of its class, and options at their default needn't be shown."""
    server.add_table("t", "id int pk0", "x text")
    server.add_index("t", "t_x_idx", "x", class_name=class_name, case_sensitive="false")
    options = {"case_sensitive": "FALSE", "normalize": False}
    column = Col("x", "text", index=True, index_class="sai", index_options=options)
    result = server.drive(plan_table("t", "ks", [KEY, column]))
    assert result == []
    assert result.warnings == ()


def test_a_storage_attached_index_with_other_options(server: RowServer) -> None:
    """They can't be changed without dropping the index."""
    server.add_table("t", "id int pk0", "x text")
    server.add_index("t", "t_x_idx", "x", class_name="sai")
    (problem,) = refusals(server, KEY, SAI_INDEX)
    assert problem.startswith(
        "index 't_x_idx': server on x using sai, wanted on x using sai with {'case_sensitive': 'false'}"
    )


def test_what_of_a_map_is_indexed(server: RowServer) -> None:
    """index_target says it; an index on the values serves nobody who wants the keys."""
    server.add_table("t", "id int pk0", "m|map<text, int>")
    server.add_index("t", "byhand", "values(m)")
    column = Col("m", "map<text,int>", index=True, index_target="keys")
    assert plan(server, KEY, column) == ["CREATE INDEX IF NOT EXISTS t_m_idx ON ks.t (KEYS(m))"]


# --- keyspaces --------------------------------------------------------------------------

ONE = SyncOptions(create_keyspace=SimpleStrategy(1))


def test_the_keyspace_is_created_where_that_is_asked_for(server: RowServer) -> None:
    """It comes first, and once it is there it is left alone."""
    assert plan(server, KEY, options=ONE) == ["CREATE TABLE IF NOT EXISTS ks.t (id int, PRIMARY KEY (id))"]
    server.keyspaces.clear()
    three = SyncOptions(create_keyspace=NetworkTopologyStrategy({"a": 3}))
    assert plan(server, KEY, options=three) == [
        "CREATE KEYSPACE IF NOT EXISTS ks WITH replication = {'class': 'NetworkTopologyStrategy', 'a': '3'}",
        "CREATE TABLE IF NOT EXISTS ks.t (id int, PRIMARY KEY (id))",
    ]


def test_a_keyspace_with_another_replication(server: RowServer) -> None:
    """It isn't altered, which would need a repair, but told of."""
    server.add_table("t", "id int pk0")
    options = SyncOptions(create_keyspace=SimpleStrategy(3))
    result = server.drive(plan_table("t", "ks", [KEY], options=options))
    assert result == []
    (warning,) = result.warnings
    assert warning.startswith("replication of the keyspace: server ")
    assert server.reads == 1
