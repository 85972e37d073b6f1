"""Checks of values in sets and map keys, which are hashable, and of exact values in collections."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from coodie.capabilities import Capability
from coodie.types import Date, Timestamp
from coodie_testing.checking import check
from coodie_testing.values import exact

if TYPE_CHECKING:
    from coodie_testing.api import Api
    from coodie_testing.workspace import Workspace

__all__ = ["HashablesChecks"]

#: Column → its type, a literal, the value that is returned, and another form of it that is accepted.
_COLUMNS: dict[str, tuple[str, str, Any, Any]] = {
    "s_lists": (
        "set<frozen<list<int>>>",
        "{[2, 1], [3]}",
        {(2, 1), (3,)},
        [[2, 1], [3]],
    ),
    "s_sets": (
        "set<frozen<set<text>>>",
        "{{'b', 'a'}, {'c'}}",
        {frozenset({"a", "b"}), frozenset({"c"})},
        [{"a", "b"}, ["c"]],
    ),
    "s_maps": (
        "set<frozen<map<text, int>>>",
        "{{'b': 2, 'a': 1}}",
        {(("a", 1), ("b", 2))},
        [{"b": 2, "a": 1}],
    ),
    "s_tuples": (
        "set<frozen<tuple<int, frozen<list<int>>>>>",
        "{(1, [2, 3])}",
        {(1, (2, 3))},
        [(1, [2, 3])],
    ),
    "m_lists": (
        "map<frozen<list<int>>, frozen<list<int>>>",
        "{[1, 2]: [3, 4]}",
        {(1, 2): [3, 4]},
        [([1, 2], [3, 4])],
    ),
    "m_sets": (
        "map<frozen<set<int>>, frozen<set<int>>>",
        "{{1, 2}: {3}}",
        {frozenset({1, 2}): {3}},
        [({1, 2}, {3})],
    ),
    "m_maps": (
        "map<frozen<map<text, frozen<list<int>>>>, frozen<map<text, int>>>",
        "{{'a': [1, 2]}: {'b': 3}}",
        {(("a", (1, 2)),): {"b": 3}},
        [({"a": [1, 2]}, {"b": 3})],
    ),
}

_VECTORS: dict[str, tuple[str, str, Any, Any]] = {
    "s_vectors": (
        "set<frozen<vector<int, 2>>>",
        "{[2, 1], [3, 4]}",
        {(2, 1), (3, 4)},
        [[2, 1], [3, 4]],
    ),
}


async def _assert_forms(api: Api, table: str, columns: dict[str, tuple[str, str, Any, Any]]) -> None:
    """Check that literals are read in the hashable form, and that this and another form are bound."""
    definitions = ", ".join(f"{name} {cql}" for name, (cql, *_) in columns.items())
    await api.execute(f"CREATE TABLE {table} (k int PRIMARY KEY, {definitions})", [])
    for name, (_, literal, expected, other) in columns.items():
        await api.execute(f"INSERT INTO {table} (k, {name}) VALUES (0, {literal})", [])
        insert = f"INSERT INTO {table} (k, {name}) VALUES (?, ?)"
        select = f"SELECT {name} FROM {table} WHERE k = ?"
        (row,) = await api.execute(select, [0])
        if not api.driver.needs_row_validation:
            for found in (row, *await api.execute(select, [0])):  # also once the columns are known
                assert exact(found[name]) == exact(expected)
                assert exact([*await api.read_many(select, [0])]) == exact([{name: expected}])
        for key, value in ((1, row[name]), (2, other)):
            await api.execute(insert, [key, value])
            assert await api.execute(select, [key]) == [row]
        meant = {
            await api.execute_one(f"SELECT toJson({name}) FROM {table} WHERE k = ?", [key])
            for key in range(3)
        }
        assert len(meant) == 1


class HashablesChecks:
    """Elements of sets, keys of maps, and timestamps and dates outside of Python's range in collections."""

    @check()
    async def test_values_in_sets_and_keys(self, api: Api, space: Workspace) -> None:
        """Lists, sets and maps in sets and keys are tuples, frozensets and pairs; values of maps aren't."""
        await _assert_forms(api, space.new_table(), _COLUMNS)

    @check()
    async def test_equal_values_in_a_list(self, api: Api, space: Workspace) -> None:
        """A list binds values of a set that are equal in Python, and different in Cassandra."""
        table = space.new_table()
        await api.execute(f"CREATE TABLE {table} (k int PRIMARY KEY, s set<double>)", [])
        await api.execute(f"INSERT INTO {table} (k, s) VALUES (?, ?)", [1, [0.0, -0.0, 1.5]])
        await api.execute(f"INSERT INTO {table} (k, s) VALUES (2, {{0.0, -0.0, 1.5}})", [])
        bound, literal = [
            await api.execute_one(f"SELECT toJson(s) FROM {table} WHERE k = ?", [key]) for key in (1, 2)
        ]
        assert bound == literal
        assert await api.execute_one(f"SELECT s FROM {table} WHERE k = 1", []) == {0.0, 1.5}

    @check(Capability.VECTORS)
    async def test_vectors_in_sets(self, api: Api, space: Workspace) -> None:
        """Vectors in sets are tuples."""
        await _assert_forms(api, space.new_table(), _VECTORS)

    @check(Capability.USER_DEFINED_TYPES)
    async def test_user_defined_types_in_sets_and_keys(self, api: Api, space: Workspace) -> None:
        """User-defined types in sets and keys are named tuples; invalid names of fields are replaced."""
        kind, table = space.new_table(), space.new_table()
        await api.execute(
            f'CREATE TYPE {kind} (x int, "not valid" text, label text, l frozen<list<int>>)', []
        )
        name = kind.partition(".")[2]
        await api.execute(
            f"CREATE TABLE {table} (k int PRIMARY KEY, s set<frozen<{name}>>, "
            f"m map<frozen<{name}>, frozen<{name}>>)",
            [],
        )
        literal = "{x: 1, \"not valid\": 'a', label: 'b', l: [1, 2]}"
        insert = f"INSERT INTO {table} (k, s, m) VALUES (0, {{{literal}}}, {{{literal}: {literal}}})"
        await api.execute(insert, [])
        select = f"SELECT s, m FROM {table} WHERE k = ?"
        (row,) = await api.execute(select, [0])
        if not api.driver.needs_row_validation:
            for (value,) in (row["s"], row["m"]):
                assert isinstance(value, tuple)
                assert getattr(value, "_fields", None) == ("x", "_1", "label", "l")
                assert value == (1, "a", "b", (1, 2))
            assert [*row["m"].values()] == [{"x": 1, "not valid": "a", "label": "b", "l": [1, 2]}]
        await api.execute(f"INSERT INTO {table} (k, s, m) VALUES (?, ?, ?)", [1, row["s"], row["m"]])
        assert await api.execute(select, [1]) == [row]

    @check()
    async def test_far_values_in_collections(self, api: Api, space: Workspace, key: str) -> None:
        """Timestamps and dates outside the years 1 to 9999 are exact in collections, beside others."""
        far, near, day = Timestamp(2**62), dt.datetime(2024, 7, 1, 12), Date(2**31 - 1)
        before = Timestamp(-(2**62))
        row = {
            "at": far,
            "ats": [far, near, before],
            "at_set": {near, far},
            "at_map": {far: [near, far], near: [before]},
            "at_pair": (before, {far, near}),
        }
        names, markers = ", ".join(row), ", ".join("?" * len(row))
        insert = f"INSERT INTO {space.nested} (k, t, {names}) VALUES (?, ({{1}}, {{'a': 1}}), {markers})"
        await api.execute(insert, [key, *row.values()])
        select = f"SELECT {names} FROM {space.nested} WHERE k = ?"
        if not api.driver.needs_row_validation:
            for _ in range(2):
                (found,) = await api.execute(select, [key])
                assert exact(found) == exact(row)
                assert exact(await api.read_stream(select, [key])) == exact([row])
        times = {far: day, near: dt.date(2024, 7, 1)}
        await api.execute(f"INSERT INTO {space.values} (k, times_) VALUES (?, ?)", [key, times])
        found = await api.execute_one(f"SELECT times_ FROM {space.values} WHERE k = ?", [key])
        if not api.driver.needs_row_validation:
            assert exact(found) == exact(times)
        if Capability.USER_DEFINED_TYPES in api.driver.capabilities:
            event = {"at": far, "tags": {1}, "names": {"a": 1}, "times": [near, before]}
            await api.execute(
                f"INSERT INTO {space.events} (k, e, es) VALUES (?, ?, ?)", [key, event, [event]]
            )
            rows = await api.execute(f"SELECT e, es FROM {space.events} WHERE k = ?", [key])
            if not api.driver.needs_row_validation:
                assert exact([*rows]) == exact([{"e": event, "es": [event]}])
