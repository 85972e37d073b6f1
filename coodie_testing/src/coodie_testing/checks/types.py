"""Checks of types: the server and Python agree on each value."""

from __future__ import annotations

import json
import math
import struct
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from coodie.capabilities import Capability
from coodie.exceptions import InvalidQueryError, RequestError
from coodie_testing.checking import check
from coodie_testing.methods import calls_of
from coodie_testing.values import VALUE_CASES, VECTOR_CASES, exact

if TYPE_CHECKING:
    from collections.abc import Callable

    from coodie_testing.api import Api
    from coodie_testing.workspace import Workspace

__all__ = ["TypesChecks"]

#: A type without a class in any client.
_CUSTOM = "'org.apache.cassandra.db.marshal.DynamicCompositeType(s=>UTF8Type, i=>Int32Type)'"

_CASES = {case.column: case for case in (*VALUE_CASES, *VECTOR_CASES)}


async def _assert_case(api: Api, table: str, column: str, key: str) -> None:
    """See that a literal is read as the value, and that the value bound is the literal to the server.

    A driver that encodes and decodes wrongly in the same way reads what it wrote; the server's own
    JSON of both rows tells them apart.
    """
    json_of = f"SELECT toJson({column}) FROM {table} WHERE k = ?"
    select = f"SELECT {column} FROM {table} WHERE k = ?"
    for number, (literal, value) in enumerate(_CASES[column].values):
        written, bound = f"{key}w{number}", f"{key}b{number}"
        await api.execute(f"INSERT INTO {table} (k, {column}) VALUES ('{written}', {literal})", [])
        (row,) = await api.execute(select, [written])
        read = row[column]
        if not api.driver.needs_row_validation:
            assert exact(read) == exact(value)
        await api.execute(f"INSERT INTO {table} (k, {column}) VALUES (?, ?)", [bound, value])
        (row,) = await api.execute(select, [bound])
        assert exact(row[column]) == exact(read)
        assert await _meant(api, json_of, bound) == await _meant(api, json_of, written)
        await api.execute(f"INSERT INTO {table} (k, {column}) VALUES (?, ?)", [bound, read])
        assert await _meant(api, json_of, bound) == await _meant(api, json_of, written)


async def _meant(api: Api, json_of: str, key: str) -> Any:
    """Return the value as the server's JSON."""
    return json.loads(await api.execute_one(json_of, [key]))


def _type(column: str) -> Callable[..., Any]:
    """Return the check of a column type."""

    async def test(_self: TypesChecks, api: Api, space: Workspace, key: str) -> None:
        table = space.vectors if column in _VECTORS else space.values
        await _assert_case(api, table, column, key)

    test.__name__ = f"test_type_{column.strip('_')}"
    test.__doc__ = f"Values of {_CASES[column].cql} have the same meaning to the server as to Python."
    return check(*([Capability.VECTORS] if column in _VECTORS else []))(test)


_VECTORS = {case.column for case in VECTOR_CASES}


class TypesChecks:
    """A check for each type, and checks for all of them."""

    test_type_ascii = _type("ascii_")
    test_type_text = _type("text_")
    test_type_blob = _type("blob_")
    test_type_boolean = _type("boolean_")
    test_type_tinyint = _type("tinyint_")
    test_type_smallint = _type("smallint_")
    test_type_int = _type("int_")
    test_type_bigint = _type("bigint_")
    test_type_varint = _type("varint_")
    test_type_float = _type("float_")
    test_type_double = _type("double_")
    test_type_decimal = _type("decimal_")
    test_type_uuid = _type("uuid_")
    test_type_timeuuid = _type("timeuuid_")
    test_type_inet = _type("inet_")
    test_type_date = _type("date_")
    test_type_far_date = _type("far_date_")
    test_type_time = _type("time_")
    test_type_nano_time = _type("nano_time_")
    test_type_timestamp = _type("timestamp_")
    test_type_far_timestamp = _type("far_timestamp_")
    test_type_duration = _type("duration_")
    test_type_list = _type("list_")
    test_type_set = _type("set_")
    test_type_map = _type("map_")
    test_type_frozen = _type("frozen_")
    test_type_tuple = _type("tuple_")
    test_type_nested = _type("nested_")
    test_type_sets_of_maps = _type("sets_of_maps_")
    test_type_maps_by_maps = _type("maps_by_maps_")
    test_type_uuids = _type("uuids_")
    test_type_times = _type("times_")
    test_type_numbers = _type("numbers_")
    test_type_floats = _type("floats")
    test_type_ints = _type("ints")
    test_type_texts = _type("texts")
    test_type_vectors_of_vectors = _type("vectors_of_vectors")

    @check()
    async def test_type_counter(self, api: Api, space: Workspace, key: str) -> None:
        """Counters are incremented, decremented, and read as int."""
        update = f"UPDATE {space.counters} SET n = n + ? WHERE k = ?"
        await api.execute(update, [2**40, key])
        await api.execute(update, [-1, key])
        assert await api.execute_one(f"SELECT n FROM {space.counters} WHERE k = ?", [key]) == 2**40 - 1

    @check()
    async def test_nan(self, api: Api, space: Workspace, key: str) -> None:
        """NaN is a value of float and double."""
        insert = f"INSERT INTO {space.values} (k, float_, double_) VALUES (?, ?, ?)"
        await api.execute(insert, [key, math.nan, math.nan])
        (row,) = await api.execute(f"SELECT float_, double_ FROM {space.values} WHERE k = ?", [key])
        assert math.isnan(row["float_"])
        assert math.isnan(row["double_"])

    @check()
    async def test_empty_collections_are_null(self, api: Api, space: Workspace, key: str) -> None:
        """An empty list, set or map that isn't frozen is null on the server, and read as None."""
        insert = f"INSERT INTO {space.values} (k, list_, set_, map_) VALUES (?, ?, ?, ?)"
        await api.execute(insert, [key, [], set(), {}])
        (row,) = await api.execute(f"SELECT list_, set_, map_ FROM {space.values} WHERE k = ?", [key])
        assert row == {"list_": None, "set_": None, "map_": None}

    @check()
    async def test_every_type_takes_null(self, api: Api, space: Workspace, key: str) -> None:
        """None is null for each type, bound and read."""
        columns = [case.column for case in VALUE_CASES]
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        await api.execute(
            f"INSERT INTO {space.values} (k, {names}) VALUES (?, {marks})", [key, *[None] * len(columns)]
        )
        (row,) = await api.execute(f"SELECT {names} FROM {space.values} WHERE k = ?", [key])
        assert row == dict.fromkeys(columns)

    @check()
    async def test_text_that_is_not_utf8(self, api: Api, space: Workspace, key: str) -> None:
        """Text that can't be decoded is a RequestError that names the column; the driver works on.

        The server takes surrogates for UTF-8.
        """
        broken = "blobAsText(0x61eda080)"
        literals = {"text_": broken, "set_": f"{{'a', {broken}}}", "map_": f"{{'a': 1, {broken}: 2}}"}
        for column, literal in literals.items():
            insert = f"INSERT INTO {space.values} (k, {column}) VALUES (?, {literal})"
            try:
                await api.execute(insert, [key + column])
            except InvalidQueryError as exc:
                pytest.skip(f"the server checks that text is UTF-8: {exc}")
            select = f"SELECT {column} FROM {space.values} WHERE k = ?"
            for call in (
                partial(api.execute, select, [key + column]),
                partial(api.execute, select, [key + column], rows=tuple),
                partial(api.execute_one, select, [key + column]),
                partial(api.read_stream, select, [key + column]),
                partial(api.read_many, select, [key + column]),
            ):
                with pytest.raises(RequestError, match=column):
                    await call()
            found = await api.execute(f"SELECT k FROM {space.values} WHERE k = ?", [key + column])
            assert found == [{"k": key + column}]

    @check()
    async def test_many_columns_at_once(self, api: Api, space: Workspace, key: str) -> None:
        """A row with all types is read like single values."""
        values = {case.column: case.values[-1].value for case in VALUE_CASES}
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        insert = f"INSERT INTO {space.values} (k, {names}) VALUES (?, {marks})"
        await api.execute(insert, [key, *values.values()])
        (row,) = await api.execute(f"SELECT * FROM {space.values} WHERE k = ?", [key])
        assert set(row) == {"k", *values}
        for column in values:
            (single,) = await api.execute(f"SELECT {column} FROM {space.values} WHERE k = ?", [key])
            assert single == {column: row[column]}

    @check(Capability.USER_DEFINED_TYPES)
    async def test_user_defined_types(self, api: Api, space: Workspace, key: str) -> None:
        """A user-defined type is a dict, also in a collection; a missing field is None, an empty one not."""
        insert = f"INSERT INTO {space.points} (k, p, m) VALUES (?, ?, ?)"
        inside = {"a": {"x": 2, "label": None}}
        await api.execute(insert, [key, {"x": 1, "label": "here"}, inside])
        (row,) = await api.execute(f"SELECT p, m FROM {space.points} WHERE k = ?", [key])
        assert row == {"p": {"x": 1, "label": "here"}, "m": inside}
        assert await _meant(api, f"SELECT toJson(p) FROM {space.points} WHERE k = ?", key) == {
            "x": 1,
            "label": "here",
        }
        await api.execute(insert, [key, {"x": 3}, None])
        (row,) = await api.execute(f"SELECT p, m FROM {space.points} WHERE k = ?", [key])
        assert row == {"p": {"x": 3, "label": None}, "m": None}
        empty = {"x": 0, "label": ""}
        await api.execute(insert, [key, empty, {"": empty}])
        (row,) = await api.execute(f"SELECT p, m FROM {space.points} WHERE k = ?", [key])
        assert row == {"p": empty, "m": {"": empty}}

    @check()
    async def test_custom_types(self, api: Api, space: Workspace) -> None:
        """A column of a type that only the server knows takes and returns bytes, with each method."""
        table = space.new_table()
        try:
            await api.execute(f"CREATE TABLE {table} (k text PRIMARY KEY, d {_CUSTOM})", [])
        except InvalidQueryError as exc:
            pytest.skip(f"the server has no such type: {exc}")
        value = b"\x80s" + struct.pack(">H", 4) + b"Brno\0"
        insert, select = f"INSERT INTO {table} (k, d) VALUES (?, ?)", f"SELECT d FROM {table} WHERE k = ?"
        try:
            for method in calls_of(api, insert, []):
                await calls_of(api, insert, [method, value])[method]()
                assert await api.execute(select, [method]) == [{"d": value}], method
            assert await api.execute_one(select, ["execute"]) == value
            assert await api.read_many(select, ["execute"]) == [{"d": value}]
        finally:  # other clients can't read a schema that has such a column
            await api.execute(f"DROP TABLE {table}", [])
