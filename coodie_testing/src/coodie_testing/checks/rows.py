"""Checks of results: all rows, as dicts that belong to the caller."""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from coodie.capabilities import Capability
from coodie.exceptions import InvalidQueryError
from coodie.options.request_options import RequestOptions
from coodie.rows import Rows
from coodie_testing.checking import check
from coodie_testing.messages import ServerWarning
from coodie_testing.workspace import MANY

if TYPE_CHECKING:
    from coodie_testing.api import Api
    from coodie_testing.faults.proxy import FaultProxy
    from coodie_testing.workspace import Workspace

__all__ = ["RowsChecks"]


class RowsChecks:
    """Results without paging."""

    @check()
    async def test_all_rows_come_back(self, api: Api, space: Workspace) -> None:
        """Without fetch_size, all rows are returned, more than a page, once each and in order."""
        rows = await api.execute(f"SELECT c FROM {space.items} WHERE p = 'many'", [])
        assert [row["c"] for row in rows] == list(range(MANY))

    @check()
    async def test_all_rows_come_back_to_parameters(self, api: Api, space: Workspace) -> None:
        """All rows are returned for a statement with parameters, and with all arguments of execute."""
        stmt = f"SELECT c FROM {space.items} WHERE p = ? AND c >= ?"
        rows = await api.execute(stmt, ["many", 10], timeout=30)
        assert [row["c"] for row in rows] == list(range(10, MANY))

    @check()
    async def test_rows_are_plain_dicts(self, api: Api, space: Workspace, key: str) -> None:
        """A result is a list, a row is exactly a dict: column name → value, in the order of the SELECT."""
        await api.execute(f"INSERT INTO {space.items} (p, c, v, n) VALUES (?, 1, 'a', 2)", [key])
        rows = await api.execute(f"SELECT n, v, c FROM {space.items} WHERE p = ?", [key])
        assert isinstance(rows, list)
        assert type(rows[0]) is dict
        assert rows == [{"n": 2, "v": "a", "c": 1}]
        assert list(rows[0]) == ["n", "v", "c"]

    @check()
    async def test_rows_are_the_callers_own(self, api: Api, space: Workspace, key: str) -> None:
        """Modifying a result doesn't affect other results."""
        await api.execute(f"INSERT INTO {space.items} (p, c, v) VALUES (?, 1, 'a')", [key])
        stmt = f"SELECT c, v FROM {space.items} WHERE p = ?"
        first = await api.execute(stmt, [key])
        first[0]["v"] = "changed"
        first[0]["extra"] = 1
        first.append({})
        assert await api.execute(stmt, [key]) == [{"c": 1, "v": "a"}]

    @check()
    async def test_values_of_rows_are_the_callers_own(self, api: Api, space: Workspace, key: str) -> None:
        """Modifying a list, set or dict in a row doesn't affect other rows and results."""
        insert = f"INSERT INTO {space.values} (k, list_, map_) VALUES (?, [1, 2], {{'a': 1}})"
        await api.execute(insert, [key])
        await api.execute(insert, [f"{key}2"])
        stmt = f"SELECT list_, map_ FROM {space.values} WHERE k IN (?, ?)"
        first = await api.execute(stmt, [key, f"{key}2"])
        first[0]["list_"].append(3)
        first[0]["map_"]["b"] = 2
        expected = {"list_": [1, 2], "map_": {"a": 1}}
        assert first[1] == expected
        assert await api.execute(stmt, [key, f"{key}2"]) == [expected, expected]

    @check()
    async def test_empty_results_are_the_callers_own(self, api: Api, space: Workspace, key: str) -> None:
        """Modifying a result without rows affects no other one, of any method, read or write."""
        select = f"SELECT v FROM {space.items} WHERE p = ?"
        insert = f"INSERT INTO {space.items} (p, c) VALUES (?, 1)"
        writes = (
            insert,
            f"UPDATE {space.items} SET v = 'b' WHERE p = ? AND c = 1",
            f"DELETE FROM {space.items} WHERE p = ?",
        )
        calls: list[Any] = [
            *(partial(method, select, [f"{key}none"]) for method in (api.execute, api.read_many)),
            *(partial(method, write, [key]) for write in writes for method in (api.execute, api.read_many)),
            partial(api.execute, f"BEGIN BATCH {insert}; APPLY BATCH", [key]),
        ]
        if Capability.BATCHES in api.driver.capabilities:
            calls += [partial(api.execute_batch, [(insert, [key])], kind) for kind in ("LOGGED", "UNLOGGED")]
        if Capability.PAGING in api.driver.capabilities:
            calls.append(partial(api.execute, select, [f"{key}none"], fetch_size=10))
        for _ in range(2):
            for call in calls:
                found = await call()
                assert found == []
                found.append({"extra": 1})
        result = await api.execute_many(insert, [[key], [key]])
        result.rows(0).append({"extra": 1})
        assert result.rows(1) == []

    @check()
    async def test_no_match_is_an_empty_list(self, api: Api, space: Workspace, key: str) -> None:
        """A read without matching rows returns an empty list."""
        assert await api.execute(f"SELECT v FROM {space.items} WHERE p = ?", [key]) == []

    @check()
    async def test_writes_return_no_rows(self, api: Api, space: Workspace, key: str) -> None:
        """INSERT, UPDATE and DELETE return an empty list."""
        for stmt in (
            f"INSERT INTO {space.items} (p, c, v) VALUES (?, 1, 'a')",
            f"UPDATE {space.items} SET v = 'b' WHERE p = ? AND c = 1",
            f"DELETE FROM {space.items} WHERE p = ?",
        ):
            assert await api.execute(stmt, [key]) == []

    @check()
    async def test_a_null_is_none(self, api: Api, space: Workspace, key: str) -> None:
        """A null is None in its row; an empty text isn't."""
        await api.execute(f"INSERT INTO {space.items} (p, c, v) VALUES (?, 1, '')", [key])
        rows = await api.execute(f"SELECT c, v, n, s FROM {space.items} WHERE p = ?", [key])
        assert rows == [{"c": 1, "v": "", "n": None, "s": None}]

    @check()
    async def test_names_of_columns_are_the_servers(self, api: Api, space: Workspace, key: str) -> None:
        """The keys of a row are the names of the columns, with aliases, functions and upper case."""
        await api.execute(f"INSERT INTO {space.items} (p, c, v) VALUES (?, 7, 'a')", [key])
        stmt = f'SELECT c AS "Other Name", v AS v2, count(*) FROM {space.items} WHERE p = ?'
        assert await api.execute(stmt, [key]) == [{"Other Name": 7, "v2": "a", "count": 1}]

    @check()
    async def test_static_columns_are_in_every_row(self, api: Api, space: Workspace, key: str) -> None:
        """Each row of a partition has its static values."""
        await api.execute(f"INSERT INTO {space.items} (p, s) VALUES (?, 'all')", [key])
        for c in range(3):
            await api.execute(f"INSERT INTO {space.items} (p, c) VALUES (?, ?)", [key, c])
        rows = await api.execute(f"SELECT c, s FROM {space.items} WHERE p = ?", [key])
        assert rows == [{"c": c, "s": "all"} for c in range(3)]
        rows = await api.execute(f"SELECT p, c, s FROM {space.items} WHERE p = ?", [key])
        assert rows == [{"p": key, "c": c, "s": "all"} for c in range(3)]

    @check()
    async def test_statements_may_have_comments(self, api: Api, space: Workspace, key: str) -> None:
        """Statements may have comments, with question marks in them, line breaks and semicolons."""
        stmt = f"-- why? :not\nSELECT v /* ? */\nFROM {space.items} // ?\nWHERE p = ?;"
        assert await api.execute(stmt, [key]) == []

    @check()
    async def test_text_literals_are_left_alone(self, api: Api, space: Workspace, key: str) -> None:
        """Question marks, colons and quotes in a literal are text."""
        literals = "'? :v -- it''s', 1"
        await api.execute(f"INSERT INTO {space.items} (p, v, c) VALUES (?, {literals})", [key])
        assert await api.execute_one(f"SELECT v FROM {space.items} WHERE p = ?", [key]) == "? :v -- it's"

    @check()
    async def test_large_values(self, api: Api, space: Workspace, key: str) -> None:
        """A value of a megabyte is written and read."""
        value = bytes(range(256)) * 4096
        await api.execute(f"INSERT INTO {space.values} (k, blob_) VALUES (?, ?)", [key, value])
        assert await api.execute_one(f"SELECT blob_ FROM {space.values} WHERE k = ?", [key]) == value

    @check()
    async def test_execute_one_is_the_first_value(self, api: Api, space: Workspace, key: str) -> None:
        """execute_one returns the first column of the first row."""
        for c in (3, 1, 2):
            await api.execute(f"INSERT INTO {space.items} (p, c, v) VALUES (?, ?, ?)", [key, c, f"v{c}"])
        assert await api.execute_one(f"SELECT v, c FROM {space.items} WHERE p = ?", [key]) == "v1"
        assert await api.execute_one(f"SELECT count(*) FROM {space.items} WHERE p = ?", [key]) == 3

    @check()
    async def test_execute_one_is_none_without_a_row(self, api: Api, space: Workspace, key: str) -> None:
        """execute_one returns None without a row, and for null."""
        select = f"SELECT v FROM {space.items} WHERE p = ?"
        assert await api.execute_one(select, [key]) is None
        await api.execute(f"INSERT INTO {space.items} (p, c) VALUES (?, 1)", [key])
        assert await api.execute_one(select, [key]) is None

    @check()
    async def test_two_columns_of_the_same_name(self, api: Api, space: Workspace, key: str) -> None:
        """Two columns of one name are an error that names them, also without rows; not for execute_one."""
        await api.execute(f"INSERT INTO {space.items} (p, c, v) VALUES (?, 1, 'a')", [key])
        select = f"SELECT c AS twice, v AS twice FROM {space.items} WHERE p = ?"
        for partition in (key, f"{key}none", key):  # what is known of a result by then mustn't change it
            with pytest.raises(InvalidQueryError, match="twice"):
                await api.execute(select, [partition])
            with suppress(InvalidQueryError):  # of a client that has no rows but dicts
                assert await api.execute_one(select, [partition]) == (1 if partition == key else None)

    @check()
    async def test_results_are_let_go(self, api: Api, space: Workspace, key: str) -> None:
        """The driver keeps no reference to returned rows."""
        await api.execute(f"INSERT INTO {space.items} (p, c) VALUES (?, 1)", [key])
        rows = await api.execute(f"SELECT p, c FROM {space.items} WHERE p = ?", [key])
        row = rows.pop()
        # The name and the argument of the call; something else would be the driver's.
        assert sys.getrefcount(row) <= 2

    @check()
    async def test_the_system_tables(self, api: Api) -> None:
        """System tables can be read, with collections, addresses and UUIDs."""
        (row,) = await api.execute("SELECT * FROM system.local", [])
        assert row["key"] == "local"
        assert isinstance(row["tokens"], set)
        if not api.driver.needs_row_validation:
            assert isinstance(row["host_id"], UUID)

    @check(Capability.PAGING)
    async def test_rows_say_that_they_are_all(self, api: Api, space: Workspace, key: str) -> None:
        """A driver with paging returns Rows without a paging state and without ``applied``."""
        rows = await api.execute(f"SELECT v FROM {space.items} WHERE p = ?", [key])
        assert isinstance(rows, Rows)
        assert (rows.paging_state, rows.has_more_pages, rows.applied) == (None, False, None)
        assert (tuple(rows.warnings), rows.trace_id) == ((), None)

    @check(Capability.TRACING)
    async def test_tracing(self, api: Api, space: Workspace, key: str) -> None:
        """A traced request has the server's trace id; the next request has none."""
        stmt = f"SELECT v FROM {space.items} WHERE p = ?"
        traced = await api.execute(stmt, [key], options=RequestOptions(trace=True))
        assert isinstance(traced.trace_id, UUID)
        find = "SELECT session_id FROM system_traces.sessions WHERE session_id = ?"

        async def written() -> bool:
            return bool(await api.execute(find, [traced.trace_id]))

        await api.until(written, "the trace's session is in system_traces")
        trace = await api.trace(traced.trace_id, timeout=20)
        assert (trace.trace_id, trace.duration > 0, bool(trace.events)) == (traced.trace_id, True, True)
        assert (await api.execute(stmt, [key])).trace_id is None

    @check(Capability.CUSTOM_PAYLOAD)
    async def test_custom_payloads(self, api: Api, space: Workspace, key: str) -> None:
        """A custom payload is accepted."""
        options = RequestOptions(custom_payload={"name": b"value"})
        assert await api.execute(f"SELECT v FROM {space.items} WHERE p = ?", [key], options=options) == []

    @check(Capability.ROUTING)
    async def test_routing_tokens(self, api: Api, space: Workspace) -> None:
        """A routing token selects the node, and doesn't change the result."""
        many = "token('many')"
        stmt = f"SELECT c FROM {space.items} WHERE token(p) >= {many} AND token(p) <= {many} AND c < 3"
        stmt += " ALLOW FILTERING"
        for token in (-(2**63), 0, 2**63 - 1):
            rows = await api.execute(stmt, [], options=RequestOptions(routing_token=token))
            assert rows == [{"c": 0}, {"c": 1}, {"c": 2}]

    @check(Capability.PAGING)
    async def test_warnings_reach_the_caller(
        self, api: Api, space: Workspace, proxy: FaultProxy, key: str
    ) -> None:
        """The server's warnings are in the result: of a batch over too many partitions, of a later page."""
        inserts = f"INSERT INTO {space.items} (p, c, v) VALUES (?, 1, ?);" * 12
        params = [part for n in range(12) for part in (f"{key}{n}", "x" * 1000)]
        rows = await api.execute(f"BEGIN UNLOGGED BATCH {inserts} APPLY BATCH", params)
        assert any("atch" in warning for warning in rows.warnings)
        through = await api.open(hosts=[proxy.host], port=proxy.port)
        stmt = f"SELECT c, n FROM {space.items} WHERE p = 'many'"
        proxy.add(ServerWarning(text="of the second page"), contains="SELECT c, n", after=1)
        rows = await through.execute(stmt, [])
        assert (len(rows), rows.warnings) == (MANY, ("of the second page",))
        assert (await through.execute(stmt, [], fetch_size=1)).warnings == ()
