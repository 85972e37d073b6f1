"""Checks of values that are almost of a column's type: they are rejected, by each method."""

from __future__ import annotations

import datetime as dt
import sys
from array import array
from contextlib import suppress
from decimal import Decimal
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from coodie.capabilities import Capability
from coodie.exceptions import ParameterError
from coodie.types import Date, Timestamp
from coodie_testing.checking import check
from coodie_testing.values import VALUE_CASES, VECTOR_CASES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coodie_testing.api import Api
    from coodie_testing.workspace import Workspace

__all__ = ["RejectionsChecks"]

#: Column → a valid value.
_VALID: dict[str, Any] = {case.column: case.values[-1].value for case in (*VALUE_CASES, *VECTOR_CASES)}
_VALID["tuple_"] = (1, "a", dt.date(2024, 1, 1))
_VALID |= {"p": {"x": 1, "label": "a"}, "l": [{"x": 1, "label": "a"}], "m": {"a": {"x": 1, "label": "a"}}}

_UUID4 = UUID("f47ac10b-58cc-4372-a567-0e02b2c3d479")
_NAN = float("nan")
_DAY = dt.date(2024, 1, 1)

_BOOLS: dict[str, list[Any]] = {
    **{name: [True, False] for name in ("tinyint_", "smallint_", "int_", "bigint_", "varint_")},
    **{name: [True, False] for name in ("float_", "double_", "decimal_", "timestamp_", "date_")},
    "list_": [[1, True]],
    "map_": [{"a": False}],
    "tuple_": [(True, "a", _DAY)],
}

_NUMBERS: dict[str, list[Any]] = {
    "boolean_": [1, 0, 1.0, ""],
    "int_": [Decimal(1)],
    "bigint_": [1.0, Decimal(1)],
    "varint_": [1.0, Decimal(1), "1"],
    "float_": [Decimal("0.5"), "0.5"],
    "double_": [Decimal("0.5")],
    "decimal_": [0.5, 1.0, "1.5"],
    "numbers_": [{0.5}],
    "timestamp_": [1.5, Decimal(1)],
}

_NOT_FINITE: dict[str, list[Any]] = {
    "decimal_": [Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal("-Infinity"), _NAN],
    "numbers_": [{Decimal("Infinity")}],
}

_TIMES: dict[str, list[Any]] = {
    "date_": [dt.datetime(2024, 1, 1), 19_000, "2024-01-01", Timestamp(0)],
    "time_": [
        dt.time(12, tzinfo=dt.timezone.utc),
        dt.timedelta(hours=1),
        dt.datetime(2024, 1, 1),
        3600,
        "12:00",
    ],
    "timestamp_": [dt.time(12), Date(1), "2024-01-01T00:00:00"],
    "duration_": [dt.timedelta(1), dt.time(1), 1, "1d", (1, 2, 3)],
    "times_": [{dt.datetime(2024, 1, 1): dt.datetime(2024, 1, 1)}],
    "tuple_": [(1, "a", dt.datetime(2024, 1, 1))],
}

_UUIDS: dict[str, list[Any]] = {
    "uuid_": [str(_UUID4), _UUID4.bytes, _UUID4.int],
    "timeuuid_": [_UUID4, UUID(int=0), "6ba7b810-9dad-11d1-80b4-00c04fd430c8"],
    "uuids_": [[_UUID4, str(_UUID4)]],
}

_ADDRESSES: dict[str, list[Any]] = {
    "inet_": ["127.1", "1", "", "localhost", "192.0.2.1/32", "192.0.2.256", 2_130_706_433, b"\x7f\0\0\1"],
}

_TEXTS: dict[str, list[Any]] = {
    "ascii_": ["é", "a\u2019", b"a"],
    "text_": ["\ud800", "a\udfff", "\ud83d\ude00", b"a"],
    "set_": [{"a", "\udc80"}],
    "map_": [{"\udc80": 1}],
    "tuple_": [(1, "\udc80", _DAY)],
}

_LENGTHS: dict[str, list[Any]] = {"tuple_": [(1, "a"), [1], (), (1, "a", _DAY, 4), (1, "a", _DAY, None)]}

_LENGTHS_OF_FIELDS: dict[str, list[Any]] = {
    "p": [(1,), (), [1], (1, "a", 2), SimpleNamespace(x=1), SimpleNamespace(label="a"), "ab"],
    "l": [[(1, "a"), (1,)]],
    "m": [{"a": (1,)}],
}

_LENGTHS_OF_VECTORS: dict[str, list[Any]] = {
    "floats": [
        [1.0, 2.0],
        [1.0] * 4,
        [],
        array("f", [1, 2]),
        array("d", [1] * 4),
        memoryview(array("f", [1, 2])),
        memoryview(array("f", [1] * 6)),
    ],
    "ints": [[1], [1, 2, 3], array("i", [1, 2, 3])],
    "texts": [["a", "b"], ["a"] * 4],
    "vectors_of_vectors": [[[1.0, 2.0]], [[1.0], [2.0]], [[1.0, 2.0], [1.0, 2.0, 3.0]]],
}

_NULLS: dict[str, list[Any]] = {
    "list_": [[1, None], [None]],
    "set_": [{"a", None}],
    "map_": [{"a": None}, {None: 1}],
    "frozen_": [[None, 1]],
    "nested_": [{1: None}, {1: {"a": None}}, {1: {"a": [None]}}],
    "uuids_": [[None]],
}


async def _assert_rejected(api: Api, table: str, key: str, wrong: Mapping[str, list[Any]]) -> None:
    """Check that each value is a ParameterError of each method, also after a valid request."""
    for column, values in wrong.items():
        insert = f"INSERT INTO {table} (k, {column}) VALUES (?, ?)"
        for method in (api.execute, api.execute_one, api.read_many):
            with suppress(ParameterError):  # of a client that can't send this type
                await method(insert, [f"{key}valid", _VALID[column]])
        for value in values:
            params = [key, value]
            calls: dict[str, Any] = {
                name: partial(getattr(api, name), insert, params)
                for name in ("execute", "execute_one", "read_many", "read_stream")
            }
            if Capability.BATCHES in api.driver.capabilities:
                calls["execute_batch"] = partial(api.execute_batch, [(insert, params)])
            for name, call in calls.items():
                try:
                    await call()
                except ParameterError:
                    continue
                raise AssertionError(f"{name}: {column} took {value!r}")
    assert await api.execute(f"SELECT k FROM {table} WHERE k = ?", [key]) == []


class RejectionsChecks:
    """No value is converted by guessing."""

    @check()
    async def test_bools_are_no_numbers(self, api: Api, space: Workspace, key: str) -> None:
        """True and False are rejected for numbers, timestamps and dates, alone and in collections."""
        await _assert_rejected(api, space.values, key, _BOOLS)

    @check()
    async def test_kinds_of_numbers_are_told_apart(self, api: Api, space: Workspace, key: str) -> None:
        """Numbers aren't booleans; floats, decimals and texts are rejected where they aren't exact."""
        await _assert_rejected(api, space.values, key, _NUMBERS)

    @check()
    async def test_decimals_are_finite(self, api: Api, space: Workspace, key: str) -> None:
        """NaN and infinities are rejected for decimals."""
        await _assert_rejected(api, space.values, key, _NOT_FINITE)

    @check()
    async def test_digits_of_decimals(self, api: Api, space: Workspace, key: str) -> None:
        """A decimal has as many digits as Python converts from and to text, and no more."""
        limit = getattr(sys, "get_int_max_str_digits", int)()
        if limit:
            await _assert_rejected(api, space.values, key, {"decimal_": [Decimal("1" * (limit + 1))]})
        largest = Decimal("1" * (limit or 4300))
        await api.execute(f"INSERT INTO {space.values} (k, decimal_) VALUES (?, ?)", [f"{key}long", largest])
        if not api.driver.needs_row_validation:
            select = f"SELECT decimal_ FROM {space.values} WHERE k = ?"
            assert await api.execute_one(select, [f"{key}long"]) == largest

    @check()
    async def test_dates_and_times_are_told_apart(self, api: Api, space: Workspace, key: str) -> None:
        """A datetime is no date, an aware time no time, a timedelta no duration, a number none of them."""
        await _assert_rejected(api, space.values, key, _TIMES)

    @check()
    async def test_uuids_have_their_version(self, api: Api, space: Workspace, key: str) -> None:
        """Texts, bytes and numbers are no UUIDs, and a timeuuid is a UUID of version 1."""
        await _assert_rejected(api, space.values, key, _UUIDS)

    @check()
    async def test_addresses_are_in_full(self, api: Api, space: Workspace, key: str) -> None:
        """Short forms of addresses, names, networks, numbers and bytes are rejected."""
        await _assert_rejected(api, space.values, key, _ADDRESSES)

    @check()
    async def test_texts_can_be_encoded(self, api: Api, space: Workspace, key: str) -> None:
        """ASCII is ASCII, and lone surrogates are rejected, alone and in collections."""
        await _assert_rejected(api, space.values, key, _TEXTS)

    @check()
    async def test_lengths_of_tuples(self, api: Api, space: Workspace, key: str) -> None:
        """A tuple has exactly the components of its type."""
        await _assert_rejected(api, space.values, key, _LENGTHS)

    @check(Capability.USER_DEFINED_TYPES)
    async def test_all_fields_by_position(self, api: Api, space: Workspace, key: str) -> None:
        """A tuple for a user-defined type has all fields, and so has an object."""
        await _assert_rejected(api, space.points, key, _LENGTHS_OF_FIELDS)

    @check(Capability.VECTORS)
    async def test_lengths_of_vectors(self, api: Api, space: Workspace, key: str) -> None:
        """A vector has exactly its number of elements, in a list, an array and a memoryview."""
        await _assert_rejected(api, space.vectors, key, _LENGTHS_OF_VECTORS)
        nulls: dict[str, list[Any]] = {"floats": [[1.0, None, 2.0]], "texts": [["a", None, "b"]]}
        await _assert_rejected(api, space.vectors, key, nulls)

    @check()
    async def test_nulls_in_collections_are_refused(self, api: Api, space: Workspace, key: str) -> None:
        """None in a list, a set or a map is an error, also in nested ones and in user-defined types."""
        await _assert_rejected(api, space.values, key, _NULLS)
        if Capability.USER_DEFINED_TYPES in api.driver.capabilities:
            nulls: dict[str, list[Any]] = {"l": [[{"x": 1, "label": "a"}, None]], "m": [{"a": None}]}
            await _assert_rejected(api, space.points, key, nulls)
        with pytest.raises(ParameterError):
            await api.execute(f"SELECT c FROM {space.items} WHERE p IN ?", [[key, None]])
