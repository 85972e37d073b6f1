"""What a request returns: all rows, as plain dicts of the caller's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coodie.testing.checking import check
from coodie.testing.workspace import MANY

if TYPE_CHECKING:
    from coodie.testing.api import Api
    from coodie.testing.workspace import Workspace

__all__ = ["RowsChecks"]


class RowsChecks:
    """Results without paging."""

    @check()
    async def test_all_rows_come_back(self, api: Api, space: Workspace) -> None:
        """Without fetch_size, more rows than any page are returned, once each and in order."""
        rows = await api.execute(f"SELECT c FROM {space.items} WHERE p = 'many'", [])
        assert [row["c"] for row in rows] == list(range(MANY))

    @check()
    async def test_rows_are_plain_dicts(self, api: Api, space: Workspace, key: str) -> None:
        """A result is a list, a row exactly a dict: column name → value, in the order of the SELECT."""
        await api.execute(f"INSERT INTO {space.items} (p, c, v, n) VALUES (?, 1, 'a', 2)", [key])
        rows = await api.execute(f"SELECT n, v, c FROM {space.items} WHERE p = ?", [key])
        assert isinstance(rows, list)
        assert type(rows[0]) is dict
        assert rows == [{"n": 2, "v": "a", "c": 1}]
        assert list(rows[0]) == ["n", "v", "c"]

    @check()
    async def test_rows_are_the_callers_own(self, api: Api, space: Workspace, key: str) -> None:
        """What a caller does to a result, no other caller sees."""
        await api.execute(f"INSERT INTO {space.items} (p, c, v) VALUES (?, 1, 'a')", [key])
        stmt = f"SELECT c, v FROM {space.items} WHERE p = ?"
        first = await api.execute(stmt, [key])
        first[0]["v"] = "changed"
        first[0]["extra"] = 1
        first.append({})
        assert await api.execute(stmt, [key]) == [{"c": 1, "v": "a"}]

    @check()
    async def test_no_match_is_an_empty_list(self, api: Api, space: Workspace, key: str) -> None:
        """A read that finds nothing returns no rows, not None."""
        assert await api.execute(f"SELECT v FROM {space.items} WHERE p = ?", [key]) == []
