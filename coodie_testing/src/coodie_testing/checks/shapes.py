"""Checks of results in other shapes than dicts, and of their columns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from coodie.capabilities import Capability
from coodie.exceptions import InvalidQueryError
from coodie.options.request_options import RequestOptions
from coodie_testing.checking import check
from coodie_testing.workspace import MANY

if TYPE_CHECKING:
    from coodie_testing.api import Api
    from coodie_testing.workspace import Workspace

__all__ = ["ShapesChecks"]


@dataclass
class _Item:
    """A row of ``items``."""

    c: int
    v: str | None = None


def _joined(v: str, c: int) -> str:
    return f"{v}{c}"


#: What ``rows=`` may be, and the first row of ``SELECT v, c``.
_SHAPES: tuple[tuple[Any, Any], ...] = (
    (dict, {"v": "v1", "c": 1}),
    (tuple, ("v1", 1)),
    ("scalar", "v1"),
    (_Item, _Item(1, "v1")),
    (_joined, "v11"),
)


async def _filled(api: Api, space: Workspace, key: str) -> str:
    """Write two rows; return a statement that reads them."""
    for c in (1, 2):
        await api.execute(f"INSERT INTO {space.items} (p, c, v) VALUES (?, ?, ?)", [key, c, f"v{c}"])
    return f"SELECT v, c FROM {space.items} WHERE p = ?"


class ShapesChecks:
    """The argument ``rows``, and ``Rows.columns``."""

    @check()
    async def test_shapes_of_rows(self, api: Api, space: Workspace, key: str) -> None:
        """``rows=`` is the shape of rows of execute, stream and execute_many, and so does its option."""
        select = await _filled(api, space, key)
        for shape, first in _SHAPES:
            for _ in range(2):
                assert (await api.execute(select, [key], rows=shape))[0] == first
            options = RequestOptions(rows=shape)
            found = await api.execute(select, [key], options=options)
            assert (found[0], len(found)) == (first, 2)
            assert [row async for row in api.stream(select, [key], rows=shape)] == found
            result = await api.execute_many(select, [[key], [f"{key}none"]], rows=shape)
            assert (result.rows(0), result.rows(1)) == (found, [])
            assert await api.execute_one(select, [key], options=options) == "v1"
        assert (await api.execute(select, [key]))[0] == {"v": "v1", "c": 1}

    @check()
    async def test_shapes_of_many_pages(self, api: Api, space: Workspace) -> None:
        """All rows of a large result have the shape."""
        select = f"SELECT c FROM {space.items} WHERE p = 'many'"
        assert await api.execute(select, [], rows=tuple) == [(c,) for c in range(MANY)]
        assert await api.execute(select, [], rows=_Item) == [_Item(c) for c in range(MANY)]

    @check()
    async def test_the_connections_shape(self, api: Api, space: Workspace, key: str) -> None:
        """``rows=`` of the connection is the shape of requests without one."""
        select = await _filled(api, space, key)
        try:
            other = await api.open(rows=tuple)
        except TypeError:
            pytest.skip("coodie-core doesn't open the suite's drivers")
        found: Any = await other.execute(select, [key])
        assert found == [("v1", 1), ("v2", 2)]
        streamed: list[Any] = [row async for row in other.stream(select, [key])]
        assert streamed == found
        assert await other.execute(select, [key], rows="scalar") == ["v1", "v2"]
        assert await other.execute_one(select, [key]) == "v1"
        assert await other.ping()

    @check()
    async def test_other_shapes_than_the_connections(self, api: Api, space: Workspace, key: str) -> None:
        """``rows=dict`` returns dicts if the connection has another shape; later requests have that again."""
        select = await _filled(api, space, key)
        dicts: list[Any] = [{"v": "v1", "c": 1}, {"v": "v2", "c": 2}]
        for shape, expected in ((tuple, [("v1", 1), ("v2", 2)]), ("scalar", ["v1", "v2"])):
            try:
                other = await api.open(rows=shape)
            except TypeError:
                pytest.skip("coodie-core doesn't open the suite's drivers")
            overrides: list[dict[str, Any]] = [{"rows": dict}, {"options": RequestOptions(rows=dict)}]
            for override in overrides:
                assert await other.execute(select, [key], **override) == dicts
                assert await other.read_stream(select, [key], **override) == dicts
                assert await other.read_many(select, [key], **override) == dicts
            assert await other.execute(select, [key]) == expected

    @check()
    async def test_columns_of_one_name_in_tuples(self, api: Api, space: Workspace, key: str) -> None:
        """A tuple has all columns of the same name, with each method; such dicts and objects are an error."""
        await _filled(api, space, key)
        select = f"SELECT v AS c, c FROM {space.items} WHERE p = ?"
        try:
            assert await api.execute_one(select, [key]) == "v1"
        except InvalidQueryError as exc:
            pytest.skip(f"the driver's client has no rows but dicts: {exc}")
        methods: list[Any] = [api.execute, api.read_stream, api.read_many]
        if Capability.PAGING in api.driver.capabilities:
            methods.append(partial(api.execute, fetch_size=10))
        both: list[Any] = [("v1", 1), ("v2", 2)]
        for partition, rows in ((key, both), (f"{key}none", []), (key, both)):
            for method in methods:
                assert await method(select, [partition], rows=tuple) == rows
                assert await method(select, [partition], options=RequestOptions(rows=tuple)) == rows
        for shape in (dict, _Item):
            given: tuple[dict[str, Any], ...] = ({"rows": shape}, {"options": RequestOptions(rows=shape)})
            for arguments in given:
                for method in methods:
                    with pytest.raises(InvalidQueryError):
                        await method(select, [key], **arguments)

    @check()
    async def test_shapes_that_do_not_fit(self, api: Api, space: Workspace, key: str) -> None:
        """Columns that a class lacks are an InvalidQueryError, also without rows if they are known."""
        await _filled(api, space, key)
        select = f"SELECT v, c AS other FROM {space.items} WHERE p = ?"
        known = getattr(await api.execute(select, [f"{key}none"]), "columns", None)
        for partition in (key, f"{key}none") if known else (key,):
            with pytest.raises(InvalidQueryError, match="other"):
                await api.execute(select, [partition], rows=_Item)

    @check(Capability.LIGHTWEIGHT_TRANSACTIONS, Capability.PAGING)
    async def test_shapes_of_transactions(self, api: Api, space: Workspace, key: str) -> None:
        """``applied`` doesn't depend on the shape; with a class, the row is the existing one."""
        insert = f"INSERT INTO {space.items} (p, c, v) VALUES (?, 1, 'v1') IF NOT EXISTS"
        update = f"UPDATE {space.items} SET v = ? WHERE p = ? AND c = 1 IF v = 'none'"
        assert (await api.execute(insert, [key], rows=tuple)).applied is True
        assert (await api.execute(update, ["new", key], rows=tuple)).applied is False
        assert (await api.execute(update, ["new", key], rows=tuple))[0] == (False, "v1")
        assert (await api.execute(update, ["new", key], rows="scalar")).applied is False

    @check(Capability.PAGING)
    async def test_columns_of_results(self, api: Api, space: Workspace, key: str) -> None:
        """``columns`` are the names and types, with rows, without rows and for each page; or None, always."""
        select = await _filled(api, space, key)
        columns = [("v", "text"), ("c", "int")]
        calls = [
            partial(api.execute, select, [key]),
            partial(api.execute, select, [f"{key}none"]),
            partial(api.execute, select, [key], fetch_size=1),
            partial(api.execute, select, [key], rows=tuple),
        ]
        found = [(await call()).columns for call in calls for _ in range(2)]
        assert found == [None] * 8 or [list(one or ()) for one in found] == [columns] * 8
        first = await api.execute(select, [key], fetch_size=1)
        later: list[dict[str, Any]] = [
            {"fetch_size": 1, "paging_state": first.paging_state},
            {"fetch_size": 10, "paging_state": first.cursor},
            {"paging_state": first.paging_state},
            {"paging_state": first.paging_state, "rows": tuple},
        ]
        for page in later:
            assert (await api.execute(select, [key], **page)).columns == first.columns
        assert (await api.execute(f"DELETE FROM {space.items} WHERE p = ?", [key])).columns is None

    @check(Capability.PAGING)
    async def test_cursors(self, api: Api, space: Workspace, key: str) -> None:
        """``cursor`` is the paging state as text, which ``paging_state=`` accepts; None on the last page."""
        select = await _filled(api, space, key)
        page = await api.execute(select, [key], fetch_size=1)
        assert isinstance(page.cursor, str)
        rest = await api.execute(select, [key], fetch_size=10, paging_state=page.cursor)
        assert (rest, rest.cursor) == ([{"v": "v2", "c": 2}], None)
        assert await api.execute(select, [key], paging_state=page.cursor) == rest
