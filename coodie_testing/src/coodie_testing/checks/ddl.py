"""Checks of schema statements through execute, and of requests after them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from coodie.capabilities import Capability
from coodie.exceptions import CoodieError, InvalidQueryError, UnsupportedError
from coodie_testing.checking import check

if TYPE_CHECKING:
    from coodie_testing.api import Api
    from coodie_testing.workspace import Workspace

__all__ = ["DdlChecks"]


class DdlChecks:
    """CREATE, ALTER, DROP, TRUNCATE, USE."""

    @check()
    async def test_a_table_from_birth_to_death(self, api: Api, space: Workspace) -> None:
        """CREATE, INSERT, ALTER, TRUNCATE and DROP take effect at once, and return no rows."""
        table = space.new_table()
        assert await api.execute(f"CREATE TABLE {table} (k int PRIMARY KEY, v int)", []) == []
        await api.execute(f"INSERT INTO {table} (k, v) VALUES (?, ?)", [1, 1])
        assert await api.execute(f"ALTER TABLE {table} ADD w text", []) == []
        await api.execute(f"INSERT INTO {table} (k, w) VALUES (?, ?)", [1, "a"])
        assert await api.execute(f"SELECT * FROM {table}", []) == [{"k": 1, "v": 1, "w": "a"}]
        assert await api.execute(f"TRUNCATE {table}", []) == []
        assert await api.execute(f"SELECT * FROM {table}", []) == []
        assert await api.execute(f"DROP TABLE {table}", []) == []
        with pytest.raises(InvalidQueryError):
            await api.execute(f"SELECT * FROM {table}", [])

    @check()
    async def test_if_not_exists(self, api: Api, space: Workspace) -> None:
        """IF NOT EXISTS and IF EXISTS are handled by the server, also concurrently."""
        table = space.new_table()
        create = f"CREATE TABLE IF NOT EXISTS {table} (k int PRIMARY KEY)"
        await api.execute(create, [])
        await api.together([lambda: api.execute(create, []) for _ in range(4)])
        await api.execute(f"INSERT INTO {table} (k) VALUES (?)", [1])
        assert await api.execute(f"SELECT k FROM {table}", []) == [{"k": 1}]
        await api.execute(f"DROP TABLE IF EXISTS {space.new_table()}", [])

    @check()
    async def test_schema_statements_after_comments(self, api: Api, space: Workspace) -> None:
        """A schema statement may follow a comment."""
        table = space.new_table()
        await api.execute(f"-- first\n/* the\n table */ CREATE TABLE {table} (k int PRIMARY KEY)", [])
        await api.execute(f"// again\nalter table {table} add v int", [])
        assert await api.execute(f"SELECT * FROM {table}", []) == []

    @check()
    async def test_names_in_quotes(self, api: Api, space: Workspace) -> None:
        """Quoted names are used as written."""
        table = f'{space.keyspace}."Mixed_{space.new_name()}"'
        await api.execute(f'CREATE TABLE {table} ("Key" int PRIMARY KEY, "select" text)', [])
        await api.execute(f'INSERT INTO {table} ("Key", "select") VALUES (?, ?)', [1, "a"])
        await api.execute(
            f'UPDATE {table} SET "select" = :value WHERE "Key" = :key', {"key": 1, "value": "b"}
        )
        assert await api.execute(f"SELECT * FROM {table}", []) == [{"Key": 1, "select": "b"}]

    @check()
    async def test_another_drivers_table(self, api: Api, space: Workspace) -> None:
        """A table created by another connection can be used at once."""
        table = space.new_table()
        other = await api.open()
        await other.execute(f"CREATE TABLE {table} (k int PRIMARY KEY, v text)", [])
        await api.execute(f"INSERT INTO {table} (k, v) VALUES (?, ?)", [1, "a"])
        assert await other.execute(f"SELECT v FROM {table} WHERE k = ?", [1]) == [{"v": "a"}]

    @check()
    async def test_use_changes_nothing_for_others(self, api: Api, space: Workspace) -> None:
        """USE of any method, also after comments, is rejected, or has no effect on unqualified names."""
        unqualified = f"SELECT c FROM {space.items.partition('.')[2]} WHERE p = 'many' AND c = 1"
        other = await api.open()
        with pytest.raises(CoodieError):
            await other.execute(unqualified, [])
        uses = [f"USE {space.keyspace}"]
        uses += [f"  use {space.keyspace};", f"-- the kit's\nUSE {space.keyspace}", f"/* a\nb */ {uses[0]}"]
        uses += [f"// the kit's\n\t{uses[0]}", f"/**/--\n{uses[0]} -- end"]
        for use in uses:
            for method in (other.execute, other.execute_one, other.read_many, other.read_stream):
                with suppress(InvalidQueryError, UnsupportedError):
                    await method(use, [])
        for _ in range(3):
            with pytest.raises(CoodieError):
                await other.execute(unqualified, [])

    @check(Capability.MATERIALIZED_VIEWS)
    async def test_materialized_views(self, api: Api, space: Workspace) -> None:
        """A materialized view can be read like a table."""
        table, view = space.new_table(), space.new_table()
        await api.execute(f"CREATE TABLE {table} (k int PRIMARY KEY, v text)", [])
        await api.execute(
            f"CREATE MATERIALIZED VIEW {view} AS SELECT k, v FROM {table} "
            "WHERE v IS NOT NULL AND k IS NOT NULL PRIMARY KEY (v, k)",
            [],
        )
        await api.execute(f"INSERT INTO {table} (k, v) VALUES (?, ?)", [1, "a"])

        async def there() -> bool:
            rows = await api.execute(f"SELECT k FROM {view} WHERE v = ?", ["a"])
            assert rows in ([], [{"k": 1}])
            return bool(rows)

        await api.until(there, "the view has the row")
        stmt = f"SELECT k FROM {view} WHERE v = ?"
        assert [row async for row in api.stream(stmt, ["a"], fetch_size=1)] == [{"k": 1}]

    @check()
    async def test_indexes(self, api: Api, space: Workspace) -> None:
        """An indexed column can be searched once the server has built the index."""
        table = space.new_table()
        await api.execute(f"CREATE TABLE {table} (k int PRIMARY KEY, v text)", [])
        await api.execute(f"INSERT INTO {table} (k, v) VALUES (?, ?)", [1, "a"])
        await api.execute(f"CREATE INDEX ON {table} (v)", [])

        async def built() -> bool:
            try:
                return bool(await api.execute(f"SELECT k FROM {table} WHERE v = ?", ["a"]))
            except CoodieError:
                return False

        await api.until(built, "the index answers")
