"""The border: definitions that can be used, and what is said of those that can't."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from coodie.exceptions import ConfigurationError
from coodie.schema import ColumnDefinition as Col
from coodie.schema.desired import desired_table
from coodie.schema.tables import Kind

KEY = Col("id", "int", primary_key=True)


def names(columns: Any) -> list[str]:
    """Return the names of columns."""
    return [column.name for column in columns]


def test_keys_by_index() -> None:
    """Key columns are ordered by their index, wherever they stand."""
    table = desired_table(
        "t",
        "ks",
        [
            Col("c1", "int", clustering_key=True, clustering_key_index=1, clustering_order="desc"),
            Col("b", "int", primary_key=True, partition_key_index=1),
            Col("c0", "int", clustering_key=True),
            Col("a", "int", primary_key=True),
        ],
    )
    assert names(table.key(Kind.PARTITION_KEY)) == ["a", "b"]
    assert [(c.name, c.order) for c in table.key(Kind.CLUSTERING)] == [("c0", "ASC"), ("c1", "DESC")]


@pytest.mark.parametrize("index", [0, None])
def test_keys_without_index_keep_their_order(index: int | None) -> None:
    """Where no index is given, the order is that of the definitions."""
    cols = [Col(name, "int", primary_key=True, partition_key_index=index) for name in "zay"]
    assert names(desired_table("t", "ks", cols).key(Kind.PARTITION_KEY)) == ["z", "a", "y"]


def test_any_object_with_the_attributes() -> None:
    """The attributes after index_name may be missing."""
    column = SimpleNamespace(
        name="id",
        cql_type="int",
        primary_key=True,
        partition_key_index=None,
        clustering_key=False,
        clustering_key_index=None,
        clustering_order="ASC",
        index=False,
        index_name=None,
    )
    assert names(desired_table("t", "ks", [column]).columns) == ["id"]


@pytest.mark.parametrize(
    ("cols", "why"),
    [
        ([], "no column has primary_key=True"),
        ([Col("a", "int")], "no column has primary_key=True"),
        ([KEY, Col("id", "text")], "column 'id' is defined 2 times"),
        (
            [KEY, SimpleNamespace(name="x")],
            "column number 2, of type SimpleNamespace, has no cql_type, primary_key",
        ),
        ([KEY, Col("x", "list<")], "isn't a CQL type"),
        ([KEY, Col("x", 5)], "its cql_type is 5, not a string"),  # type: ignore[arg-type]
        ([KEY, Col(5, "int")], "its name is 5, not a string"),  # type: ignore[arg-type]
        ([KEY, Col("", "int")], "isn't a valid CQL name"),
        ([KEY, Col("x", "int", static=True)], r"static columns \('x'\) need a clustering key"),
        ([KEY, Col("x", "int", clustering_key=True, clustering_order="UP")], "is 'UP', not ASC or DESC"),
        ([KEY, Col("x", "int", clustering_order="DESC")], "isn't a clustering key"),
        ([KEY, Col("x", "int", primary_key=True, clustering_key=True)], "primary_key and clustering_key"),
        ([KEY, Col("x", "int", clustering_key=True, static=True)], "clustering_key and static"),
        (
            [KEY, Col("x", "int", primary_key=True, partition_key_index=2)],
            r"gaps or repeats \('id' 0, 'x' 2\)",
        ),
        ([KEY, Col("x", "int", clustering_key=True, clustering_key_index=1)], "gaps or repeats"),
        ([KEY, Col("x", "int", primary_key=True, partition_key_index=-1)], "not a number from 0"),
        ([KEY, Col("x", "int", partition_key_index=1)], "isn't part of that key"),
        ([KEY, Col("x", "int", primary_key="yes")], "not True or False"),  # type: ignore[arg-type]
        ([Col("id", "counter", primary_key=True)], "a counter can't be part of the primary key"),
        ([Col("id", "list<int>", primary_key=True)], r"write frozen<list<int>>"),
        (
            [KEY, Col("n", "counter"), Col("x", "int")],
            r"counters can't stand beside ordinary columns \('x'\)",
        ),
        ([KEY, Col("n", "counter", index=True)], "a table of counters can't have indexes"),
        (
            [Col("id", "int", primary_key=True, index=True)],
            "the only partition key column can't have an index",
        ),
        ([KEY, Col("x", "duration", index=True)], "durations have no order"),
        ([KEY, Col("x", "addr", index=True)], "only a frozen user-defined type"),
        ([KEY, Col("x", "int", index_name="i")], "index_name is given without index=True"),
        ([KEY, Col("x", "int", index=True, index_name="a-b")], "can't be used as index name"),
        (
            [KEY, Col("x", "int", index=True), Col("x!", "int", index=True)],
            "2 indexes would be named 't_x_idx'",
        ),
        ([KEY, Col("x", "int", index_class="sai")], "index_class is given without index=True"),
        ([KEY, Col("x", "int", index=True, index_options={"a": 1})], "is given without index_class"),
        ([KEY, Col("x", "int", index=True, index_class="a b")], "not the name of a class"),
        (
            [KEY, Col("x", "int", index=True, index_class="sai", index_options={"a": None})],
            "index_options has 'a': None, not text",
        ),
        ([KEY, Col("x!", "int", index=True, index_class="sai")], "needs a column named with ASCII letters"),
        ([KEY, Col("é", "vector<float, 3>", vector_index=True)], "needs a column named with ASCII letters"),
        ([KEY, Col("x", "int", index=True, index_target="keys")], "only on a collection for int"),
        ([KEY, Col("x", "set<int>", index=True, index_target="keys")], "can be values for set<int>"),
        ([KEY, Col("x", "frozen<set<int>>", index=True, index_target="values")], "can be full"),
        ([KEY, Col("x", "int", optional=1)], "optional is 1, not True or False"),  # type: ignore[arg-type]  # as a caller without a type checker may
        ([Col("x", "vector<float, 3>", primary_key=True, optional=True)], "a key can't be optional"),
        ([KEY, Col("x", "int", vector_index=True)], "needs a vector<float, n>, not int"),
        ([KEY, Col("x", "vector<int, 3>", vector_index=True)], "needs a vector<float, n>"),
        ([KEY, Col("x", "int", vector_similarity_function="cosine")], "without vector_index=True"),
        (
            [KEY, Col("x", "vector<float, 3>", vector_index=True, vector_similarity_function="l2")],
            "not one of cosine, dot_product, euclidean",
        ),
        (
            [
                KEY,
                Col(
                    "x",
                    "vector<float, 3>",
                    vector_index=True,
                    vector_similarity_function="cosine",
                    vector_index_options={"similarity_function": "euclidean"},
                ),
            ],
            "is 'cosine' and 'euclidean'",
        ),
        ([KEY, Col("x", "vector<float, 3>", index=True, vector_index=True)], "can only have one"),
    ],
)
def test_definitions_that_cannot_be_used(cols: list[Any], why: str) -> None:
    """Each fault is named, with the column."""
    with pytest.raises(ConfigurationError, match=why):
        desired_table("t", "ks", cols)


def test_all_faults_in_one_error() -> None:
    """One run tells everything that is wrong with the columns."""
    cols = [Col("a", "list<", primary_key=True), Col("b", "int", index_name="x"), Col("c", "int", static=1)]  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError) as caught:
        desired_table("t", "ks", cols)
    assert str(caught.value).count("\n  - ") == 3


@pytest.mark.parametrize("cols", ["id int", {"id": "int"}, b"id"])
def test_columns_of_the_wrong_kind(cols: Any) -> None:
    """A string or a dict instead of a list of definitions is told of as such."""
    with pytest.raises(ConfigurationError, match="expected a list of"):
        desired_table("t", "ks", cols)


@pytest.mark.parametrize(("table", "keyspace"), [("a b", "ks"), ("t", "k-s"), ('"t"', "ks")])
def test_names_that_no_server_takes(table: str, keyspace: str) -> None:
    """Names are checked before anything is read."""
    with pytest.raises(ConfigurationError, match="can't be used as"):
        desired_table(table, keyspace, [KEY])
