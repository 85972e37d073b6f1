"""Checks of sync_table and describe."""

from __future__ import annotations

import time
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from coodie.capabilities import Capability
from coodie.exceptions import ConfigurationError, CoodieError, InvalidQueryError, SchemaError
from coodie.options.request_options import RequestOptions
from coodie.protocol.frames import Opcode
from coodie.schema.definitions import ColumnDefinition as Column
from coodie.schema.replication import SimpleStrategy
from coodie.schema.syncoptions import SyncOptions
from coodie_testing.api import SCHEMA_TIMEOUT
from coodie_testing.checking import check
from coodie_testing.faults.fault import Delay, Silence

if TYPE_CHECKING:
    from coodie_testing.api import Api
    from coodie_testing.faults.proxy import FaultProxy
    from coodie_testing.workspace import Workspace

__all__ = ["TablesChecks"]

_SYNC = Capability.SCHEMA_SYNC
_KEY = Column("id", "int", primary_key=True)

#: What a driver may send a statement with: the planner's may be prepared.
_STATEMENTS = (Opcode.QUERY, Opcode.PREPARE, Opcode.EXECUTE)


async def _columns(api: Api, space: Workspace, table: str) -> dict[str, tuple[str, str, str]]:
    """Return the server's columns: name → kind, type, order."""
    rows = await api.execute(
        "SELECT * FROM system_schema.columns WHERE keyspace_name = ? AND table_name = ?",
        [space.keyspace, table],
    )
    return {row["column_name"]: (row["kind"], row["type"], row["clustering_order"]) for row in rows}


async def _indexes(api: Api, space: Workspace, table: str) -> set[str]:
    """Return the names of a table's indexes."""
    rows = await api.execute(
        "SELECT index_name FROM system_schema.indexes WHERE keyspace_name = ? AND table_name = ?",
        [space.keyspace, table],
    )
    return {row["index_name"] for row in rows}


class TablesChecks:
    """Each check has its own table."""

    @check(_SYNC)
    async def test_sync_table_makes_a_table(self, api: Api, space: Workspace) -> None:
        """A new table has the keys, order, static columns and types of its definition."""
        table = space.new_name()
        cols = [
            Column("b", "int", primary_key=True, partition_key_index=1),
            Column("a", "text", primary_key=True),
            Column("at", "timeuuid", clustering_key=True, clustering_order="DESC"),
            Column("n", "int", clustering_key=True, clustering_key_index=1),
            Column("total", "decimal", static=True),
            Column("tags", "set<text>"),
            Column("parts", "map<text, frozen<list<int>>>"),
        ]
        (statement,) = await api.sync_table(table, space.keyspace, cols)
        assert isinstance(statement, str)
        assert await _columns(api, space, table) == {
            "a": ("partition_key", "text", "none"),
            "b": ("partition_key", "int", "none"),
            "at": ("clustering", "timeuuid", "desc"),
            "n": ("clustering", "int", "asc"),
            "total": ("static", "decimal", "none"),
            "tags": ("regular", "set<text>", "none"),
            "parts": ("regular", "map<text, frozen<list<int>>>", "none"),
        }

    @check(_SYNC)
    async def test_sync_table_again_does_nothing(self, api: Api, space: Workspace) -> None:
        """A second call executes nothing, with or without options, and returns an empty list."""
        table, cols = space.new_name(), [_KEY, Column("v", "text", index=True)]
        options = {"comment": "it's", "gc_grace_seconds": 60}
        done = await api.sync_table(table, space.keyspace, cols, options)
        assert len(done) == 2
        for arguments in ({}, {"options": None}):
            assert await api.sync_table(table, space.keyspace, cols, options, **arguments) == []

    @check(_SYNC)
    async def test_sync_table_adds_columns(self, api: Api, space: Workspace) -> None:
        """New columns are added; existing rows and columns stay."""
        table = space.new_name()
        await api.sync_table(table, space.keyspace, [_KEY, Column("old", "text")])
        await api.execute(f"INSERT INTO {space.keyspace}.{table} (id, old) VALUES (1, 'kept')", [])
        done = await api.sync_table(
            table, space.keyspace, [_KEY, Column("new", "int"), Column("l", "list<int>")]
        )
        assert len(done) == 1
        rows = await api.execute(f"SELECT * FROM {space.keyspace}.{table}", [])
        assert rows == [{"id": 1, "old": "kept", "new": None, "l": None}]

    @check(_SYNC)
    async def test_a_dry_run_changes_nothing(self, api: Api, space: Workspace) -> None:
        """A dry run returns the statements, for a missing and for an existing table."""
        table, cols = space.new_name(), [_KEY, Column("v", "text", index=True)]
        said = await api.sync_table(table, space.keyspace, cols, dry_run=True)
        assert await _columns(api, space, table) == {}
        assert await api.sync_table(table, space.keyspace, cols) == said
        grown = [*cols, Column("w", "int")]
        said = await api.sync_table(table, space.keyspace, grown, {"comment": "x"}, dry_run=True)
        assert len(said) == 2
        assert set(await _columns(api, space, table)) == {"id", "v"}
        assert await api.sync_table(table, space.keyspace, grown, {"comment": "x"}) == said

    @check(_SYNC)
    async def test_dry_runs_send_no_change(self, api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """A dry run with any options sends the server no statement that changes anything."""
        through = await api.open(hosts=[proxy.host], port=proxy.port)
        nowhere, table = f"{space.keyspace}_dry", space.new_name()
        cols = [_KEY, Column("v", "text", index=True)]
        await api.sync_table(table, space.keyspace, cols)
        options = SyncOptions(create_keyspace=SimpleStrategy(1), wait_for_indexes=5, agreement_timeout=5)
        said = await through.sync_table(table, nowhere, cols, dry_run=True, options=options)
        assert [statement.split()[1] for statement in said] == ["KEYSPACE", "TABLE", "INDEX"]
        other = [_KEY, Column("v", "text"), Column("w", "int", index=True)]
        args = (table, space.keyspace, other, {"comment": "x"}, True, True)
        assert len(await through.sync_table(*args, options=options)) == 4
        sent = {(one.statement or "BATCH").split()[0].upper() for one in proxy.requests}
        assert not sent & {"CREATE", "ALTER", "DROP", "TRUNCATE", "INSERT", "UPDATE", "DELETE", "BATCH"}
        stmt = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?"
        assert await api.execute(stmt, [nowhere]) == []

    @check(_SYNC)
    async def test_sync_table_sets_options(self, api: Api, space: Workspace) -> None:
        """Options are set for a new table, and changed for an existing one."""
        table = space.new_name()
        read = (
            "SELECT comment, default_time_to_live AS ttl FROM system_schema.tables "
            "WHERE keyspace_name = ? AND table_name = ?"
        )
        for comment, ttl in (('it\'s "one"', 60), ("two", 3600)):
            options = {"comment": comment, "default_time_to_live": ttl}
            await api.sync_table(table, space.keyspace, [_KEY], options)
            rows = await api.execute(read, [space.keyspace, table])
            assert rows == [{"comment": comment, "ttl": ttl}]
            assert await api.sync_table(table, space.keyspace, [_KEY], options) == []

    @check(_SYNC)
    async def test_describe_returns_the_definition(self, api: Api, space: Workspace) -> None:
        """The result of describe has the columns, options and indexes, as sync_table accepts them."""
        table = space.new_name()
        cols = [
            _KEY,
            Column("at", "timeuuid", clustering_key=True, clustering_order="DESC"),
            Column("s", "decimal", static=True),
            Column("v", "map<text, frozen<list<int>>>", index=True, index_target="keys"),
        ]
        await api.sync_table(table, space.keyspace, cols, {"comment": "it's"})
        found = await api.describe(f"{space.keyspace}.{table}")
        assert (found.keyspace, found.table, found.warnings) == (space.keyspace, table, ())
        assert list(found.columns) == cols
        assert found.table_options["comment"] == "it's"
        assert await api.sync_table(table, space.keyspace, found.columns, found.table_options) == []
        with pytest.raises(InvalidQueryError, match="no table"):
            await api.describe(f"{space.keyspace}.{space.new_name()}")

    @check(_SYNC)
    async def test_what_alter_cannot_do(self, api: Api, space: Workspace) -> None:
        """Another type, key, order or STATIC is a SchemaError, before anything is changed."""
        table = space.new_name()
        clustering = Column("c", "int", clustering_key=True)
        await api.sync_table(
            table, space.keyspace, [_KEY, clustering, Column("s", "int", static=True), Column("x", "int")]
        )
        before = await _columns(api, space, table)
        new = Column("new", "int", index=True)
        descending = Column("c", "int", clustering_key=True, clustering_order="DESC")
        for wrong in (
            [_KEY, clustering, Column("x", "text"), new],
            [_KEY, descending, new],
            [_KEY, clustering, Column("s", "int"), new],
            [_KEY, clustering, Column("d", "int", clustering_key=True, clustering_key_index=1), new],
            [Column("id", "text", primary_key=True), clustering, new],
        ):
            with pytest.raises(SchemaError) as caught:
                await api.sync_table(table, space.keyspace, wrong, {"comment": "changed"})
            assert (caught.value.keyspace, caught.value.table) == (space.keyspace, table)
            assert tuple(caught.value.executed) == ()
        assert await _columns(api, space, table) == before
        assert await _indexes(api, space, table) == set()

    @check(_SYNC)
    async def test_indexes_come_and_stay(self, api: Api, space: Workspace) -> None:
        """Indexes are created, and only dropped with drop_removed_indexes."""
        table = space.new_name()
        await api.sync_table(table, space.keyspace, [_KEY, Column("v", "text", index=True)])
        assert len(await _indexes(api, space, table)) == 1
        without = [_KEY, Column("v", "text")]
        assert await api.sync_table(table, space.keyspace, without) == []
        assert len(await _indexes(api, space, table)) == 1
        assert len(await api.sync_table(table, space.keyspace, without, drop_removed_indexes=True)) == 1
        assert await _indexes(api, space, table) == set()

    @check(_SYNC)
    async def test_names_are_quoted(self, api: Api, space: Workspace) -> None:
        """Names may have upper case, be reserved words, or contain any character."""
        table = f"Mixed_{space.new_name()}"
        cols = [
            Column("Id", "int", primary_key=True),
            Column("select", "text", index=True),
            Column('with "quotes" é', "int"),
        ]
        await api.sync_table(table, space.keyspace, cols)
        assert set(await _columns(api, space, table)) == {"Id", "select", 'with "quotes" é'}
        assert await api.sync_table(table, space.keyspace, cols) == []
        found = await api.describe(f"{space.keyspace}.{table}")
        assert (found.keyspace, found.table) == (space.keyspace, table)
        assert {column.name: column for column in found.columns} == {column.name: column for column in cols}
        with pytest.raises(InvalidQueryError):
            await api.describe(f"{space.keyspace}.{table.lower()}")

    @check(_SYNC)
    async def test_anothers_change_is_seen(self, api: Api, space: Workspace) -> None:
        """Each call reads the server's current schema."""
        table, cols = space.new_name(), [_KEY, Column("x", "int")]
        await api.sync_table(table, space.keyspace, cols)
        other = await api.open()
        await other.execute(f"ALTER TABLE {space.keyspace}.{table} DROP x", [])
        assert len(await api.sync_table(table, space.keyspace, cols)) == 1
        assert set(await _columns(api, space, table)) == {"id", "x"}
        await other.execute(f"DROP TABLE {space.keyspace}.{table}", [])
        assert len(await api.sync_table(table, space.keyspace, cols)) == 1

    @check(_SYNC)
    async def test_many_sync_at_once(self, api: Api, space: Workspace) -> None:
        """Concurrent calls for the same table all succeed."""
        table = space.new_name()
        parts = [[_KEY, Column(f"c{n}", "int"), Column(f"c{(n + 1) % 4}", "int")] for n in range(4)]
        await api.together([partial(api.sync_table, table, space.keyspace, cols) for cols in parts])
        assert set(await _columns(api, space, table)) == {"id", "c0", "c1", "c2", "c3"}
        for cols in parts:
            assert await api.sync_table(table, space.keyspace, cols) == []

    @check(_SYNC)
    async def test_a_missing_keyspace(self, api: Api) -> None:
        """A missing keyspace is a SchemaError that names it, also in a dry run."""
        for dry_run in (True, False):
            with pytest.raises(SchemaError, match="kit_nowhere"):
                await api.sync_table("t", "kit_nowhere", [_KEY], dry_run=dry_run)

    @check(_SYNC)
    async def test_timeouts_of_syncs(self, api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """``SyncOptions.timeout`` is that of each request, shorter or longer than the connection's."""
        through = await api.open(hosts=[proxy.host], port=proxy.port, request_timeout=10)
        short = await api.open(hosts=[proxy.host], port=proxy.port, request_timeout=0.3)
        table, options = space.new_name(), SyncOptions(timeout=0.3)
        await through.sync_table(space.new_name(), space.keyspace, [_KEY])
        for contains in ("system", f"CREATE TABLE IF NOT EXISTS {space.keyspace}"):
            rule = proxy.add(Silence(), contains=contains, opcodes=_STATEMENTS, times=None)
            started = time.monotonic()
            with pytest.raises(TimeoutError) as caught:
                await through.sync_table(table, space.keyspace, [_KEY], options=options)
            assert time.monotonic() - started < 8
            assert isinstance(caught.value, CoodieError)
            proxy.rules.remove(rule)
        proxy.add(Delay(seconds=0.6), contains="CREATE INDEX", opcodes=_STATEMENTS)
        cols = [_KEY, Column("v", "int", index=True)]
        await short.sync_table(table, space.keyspace, cols, options=SyncOptions(timeout=30))
        assert len(await _indexes(api, space, table)) == 1

    @check(_SYNC)
    async def test_a_keyspace_is_created(self, api: Api, space: Workspace) -> None:
        """``create_keyspace`` creates a missing keyspace; an existing one of another replication stays."""
        keyspace, table = f"{space.keyspace}_{'async' if api.is_async else 'sync'}", space.new_name()
        find = "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = ?"
        try:
            for replicas, changes in ((1, 2), (3, 0)):
                options = SyncOptions(create_keyspace=SimpleStrategy(replicas), timeout=SCHEMA_TIMEOUT)
                done = await api.sync_table(table, keyspace, [_KEY], options=options)
                assert len(done) == changes
                replication = await api.execute_one(find, [keyspace])
                assert replication["replication_factor"] == "1"
        finally:
            await api.execute(f"DROP KEYSPACE IF EXISTS {keyspace}", [])

    @check(_SYNC)
    async def test_sync_options_of_another_type(self, api: Api, space: Workspace) -> None:
        """Options that aren't SyncOptions are a ConfigurationError, also in a dry run, and change nothing."""
        table = space.new_name()
        others: tuple[Any, ...] = ({"timeout": 5}, RequestOptions(), SyncOptions, "timeout", True, 5, False)
        for options in others:
            for dry_run in (True, False):
                with pytest.raises(ConfigurationError):
                    await api.sync_table(table, space.keyspace, [_KEY], None, dry_run, options=options)
        assert await _columns(api, space, table) == {}

    @check(_SYNC)
    async def test_failed_syncs_say_what_remains(self, api: Api, space: Workspace) -> None:
        """The error has the executed statements, the failed one and the remaining ones, in this order."""
        table = space.new_name()
        await api.sync_table(table, space.keyspace, [_KEY])
        cols = [
            _KEY,
            Column("a", "int", index=True),
            Column("b", "int", index=True, index_class="no.such.Index"),
            Column("c", "int", index=True),
            Column("d", "int", index=True),
        ]
        said = await api.sync_table(table, space.keyspace, cols, dry_run=True)
        with pytest.raises(SchemaError) as caught:
            await api.sync_table(table, space.keyspace, cols)
        error = caught.value
        assert len(said) == 5
        assert (*error.executed, error.failed, *error.remaining) == tuple(said)
        assert error.failed is not None
        assert "no.such.Index" in error.failed
        assert (error.keyspace, error.table) == (space.keyspace, table)
        assert error.__cause__ is not None
        cols[2] = Column("b", "int", index=True)
        done = await api.sync_table(table, space.keyspace, cols)
        assert done[-len(error.remaining) :] == list(error.remaining)
        assert len(await _indexes(api, space, table)) == 4

    @check(_SYNC)
    async def test_definitions_that_make_no_sense(self, api: Api, space: Workspace) -> None:
        """No key, a duplicate name, an unknown type: a CoodieError, and no table."""
        table = space.new_name()
        bad: list[list[Any]] = [
            [Column("v", "int")],
            [_KEY, Column("v", "int"), Column("v", "int")],
            [_KEY, Column("v", "integer or so")],
            [],
        ]
        for cols in bad:
            with pytest.raises(CoodieError):
                await api.sync_table(table, space.keyspace, cols)
        assert await _columns(api, space, table) == {}

    @check(_SYNC)
    async def test_columns_of_other_kinds(self, api: Api, space: Workspace) -> None:
        """Any object with the attributes of a ColumnDefinition is accepted."""
        table = space.new_name()
        plain = {
            "partition_key_index": 0, "clustering_key": False, "clustering_key_index": 0,
            "clustering_order": "ASC", "index": False, "index_name": None, "required": False, "static": False,
        }  # fmt: skip
        cols = [
            SimpleNamespace(name="id", cql_type="int", primary_key=True, **plain),
            SimpleNamespace(name="v", cql_type="text", primary_key=False, **plain),
        ]
        await api.sync_table(table, space.keyspace, cols)
        assert set(await _columns(api, space, table)) == {"id", "v"}

    @check(_SYNC)
    async def test_counters_apart(self, api: Api, space: Workspace) -> None:
        """A counter table is created, and accepts no other columns."""
        table = space.new_name()
        await api.sync_table(table, space.keyspace, [_KEY, Column("n", "counter")])
        with pytest.raises(CoodieError):
            await api.sync_table(table, space.keyspace, [_KEY, Column("n", "counter"), Column("x", "int")])
        assert set(await _columns(api, space, table)) == {"id", "n"}

    @check(_SYNC)
    async def test_a_synced_table_is_usable(self, api: Api, space: Workspace) -> None:
        """The next request can use a created or changed table."""
        table = space.new_name()
        full = f"{space.keyspace}.{table}"
        await api.sync_table(table, space.keyspace, [_KEY, Column("v", "int")])
        await api.execute(f"INSERT INTO {full} (id, v) VALUES (?, ?)", [1, 1])
        assert await api.execute(f"SELECT * FROM {full}", []) == [{"id": 1, "v": 1}]
        await api.sync_table(table, space.keyspace, [_KEY, Column("v", "int"), Column("w", "text")])
        await api.execute(f"INSERT INTO {full} (id, w) VALUES (?, ?)", [1, "a"])
        assert await api.execute(f"SELECT * FROM {full}", []) == [{"id": 1, "v": 1, "w": "a"}]

    @check(_SYNC, Capability.VECTORS)
    async def test_vector_indexes(self, api: Api, space: Workspace) -> None:
        """A vector index is created once, with its similarity function."""
        table = space.new_name()
        cols = [
            _KEY,
            Column("e", "vector<float, 3>", vector_index=True, vector_similarity_function="dot_product"),
        ]
        assert len(await api.sync_table(table, space.keyspace, cols)) == 2
        assert await api.sync_table(table, space.keyspace, cols) == []
        assert len(await _indexes(api, space, table)) == 1
