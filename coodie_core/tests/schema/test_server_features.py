"""Servers that haven't got everything: an error that names the version, or a warning where it is optional."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from coodie.exceptions import SchemaError
from coodie.schema import ColumnDefinition as Col
from coodie.schema import Read, plan_table

if TYPE_CHECKING:
    from coodie_core.tests.schema.conftest import RowServer

KEY = Col("id", "int", primary_key=True)
VECTOR = Col("v", "vector<float, 3>", vector_index=True)
SAI_INDEX = Col("x", "text", index=True, index_class="sai", index_options={"case_sensitive": False})


def plan(server: RowServer, *cols: Col) -> list[str]:
    """Drive a plan for the table ks.t."""
    return server.drive(plan_table("t", "ks", cols))


def refusals(server: RowServer, *cols: Col) -> list[str]:
    """Return what a plan is refused for, line by line; nothing may have been asked for."""
    with pytest.raises(SchemaError, match="nothing was changed") as caught:
        plan(server, *cols)
    assert server.asked == []
    return [line[4:] for line in str(caught.value).splitlines() if line.startswith("  - ")]


def test_vectors_and_indexes_on_an_old_server(server: RowServer) -> None:
    """One error names the server's version and each thing that it hasn't got."""
    server.local["release_version"] = "4.1.5"
    assert refusals(server, KEY, VECTOR, SAI_INDEX) == [
        "column 'v': server Cassandra 4.1.5, which has no vectors, wanted vector<float, 3>",
        "index 't_x_idx' on 'x': server Cassandra 4.1.5, which has no storage-attached indexes, wanted one",
    ]


def test_what_is_optional_is_left_out_on_an_old_server(server: RowServer) -> None:
    """A warning says so, and the rest is made."""
    server.local["release_version"] = "4.1.5"
    optional = [replace(VECTOR, optional=True), replace(SAI_INDEX, optional=True)]
    result = server.drive(plan_table("t", "ks", [KEY, *optional], dry_run=True))
    assert result == ["CREATE TABLE IF NOT EXISTS ks.t (id int, x text, PRIMARY KEY (id))"]
    assert [warning.rpartition("; ")[2] for warning in result.warnings] == [
        "it is optional, so it is left out"
    ] * 2


def test_what_is_optional_is_made_where_it_can_be(server: RowServer) -> None:
    """Optional says nothing on a server that has it."""
    optional = [replace(VECTOR, optional=True), replace(SAI_INDEX, optional=True)]
    assert len(plan(server, KEY, *optional)) == 3


def test_scylladb(server: RowServer) -> None:
    """It has an index for vectors under a name of its own, and none of its kind on other columns."""
    server.local |= {"release_version": "3.0.8", "scylla_nr_shards": 2}
    server.add_table("t", "id int pk0", "v|vector<float, 3>", "x text")
    (statement,) = plan(server, KEY, VECTOR)
    assert statement == "CREATE CUSTOM INDEX IF NOT EXISTS t_v_idx ON ks.t (v) USING 'vector_index'"
    server.asked.clear()
    server.indexes.clear()
    (problem,) = refusals(server, KEY, VECTOR, SAI_INDEX)
    assert "server ScyllaDB (it gives its version as Cassandra 3.0.8), which has no" in problem


def test_another_product_is_left_to_say_it_itself(server: RowServer) -> None:
    """A version number says nothing of what a product with features of its own has."""
    server.local |= {"release_version": "4.0.0.6816", "dse_version": "6.8.16"}
    assert len(plan(server, KEY, VECTOR)) == 2


def test_the_server_is_asked_only_where_it_matters(server: RowServer) -> None:
    """A definition that every server can have reads nothing more than the schema."""
    for cols, queries in (([KEY], 3), ([KEY, VECTOR], 4)):
        request = next(plan_table("t", "ks", cols))
        assert isinstance(request, Read)
        assert len(request.queries) == queries
