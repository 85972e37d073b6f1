"""Checks of parts of values: elements of collections, components of tuples, fields of user-defined types."""

from __future__ import annotations

import datetime as dt
import itertools
from array import array
from typing import TYPE_CHECKING, Any

import pytest

from coodie.capabilities import Capability
from coodie.exceptions import ConfigurationError, CoodieError, ParameterError
from coodie.types import UNSET
from coodie_testing.checking import check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coodie_testing.api import Api
    from coodie_testing.workspace import Workspace

__all__ = ["NestedChecks"]

_UDT = Capability.USER_DEFINED_TYPES

#: Integers with the same hash modulo eight: Python's order of a set of them is that of their insertion.
_INTEGERS = (8, -8, 0)
_TEXTS = ("z", "é", "Z")

_NOON = dt.datetime(2024, 7, 1, 12)
_LATER = dt.datetime(2024, 7, 2, 0, 0, 0, 1000)
_WEST = dt.timezone(dt.timedelta(hours=-9))


class _Seven:
    """An object that stands for 7, and doesn't equal it."""

    def __index__(self) -> int:
        return 7


#: Columns of ``values`` and dicts whose keys are different in Python and the same value in CQL.
_EQUAL_KEYS: tuple[tuple[str, dict[Any, Any]], ...] = (
    ("times_", {_NOON: dt.date.min, _NOON.replace(microsecond=999): dt.date.max}),
    ("times_", {_NOON: dt.date.min, _NOON.replace(tzinfo=dt.timezone.utc): dt.date.max}),
    ("times_", {dt.date(1970, 1, 1): dt.date.min, 0: dt.date.max}),
    ("nested_", {7: {"a": []}, _Seven(): {"b": []}}),
)

#: Columns of ``values`` and values with UNSET inside.
_UNSET_INSIDE: tuple[tuple[str, Any], ...] = (
    ("list_", [1, UNSET]),
    ("set_", {"a", UNSET}),
    ("map_", {"a": UNSET}),
    ("map_", {UNSET: 1}),
    ("tuple_", (1, UNSET, dt.date.min)),
    ("nested_", {1: {"a": [UNSET]}}),
)


def _in_zone(value: dt.datetime, zone: dt.tzinfo) -> dt.datetime:
    """Return an instant, given in UTC without a time zone, as an aware datetime in a time zone."""
    return value.replace(tzinfo=dt.timezone.utc).astimezone(zone)


def _timestamps(first: dt.datetime, second: dt.datetime) -> dict[str, Any]:
    """Return a row of the table ``nested`` with two timestamps in each kind of collection."""
    return {
        "at": first,
        "ats": [first, second],
        "at_set": {first, second},
        "at_map": {first: [second], second: []},
        "at_pair": (second, {first}),
    }


def _event(first: dt.datetime, second: dt.datetime) -> dict[str, Any]:
    return {"at": first, "tags": {1}, "names": {"a": 1}, "times": [second, first]}


def _datetimes(value: Any) -> Iterator[dt.datetime]:
    """Yield all datetimes in a value."""
    if isinstance(value, dt.datetime):
        yield value
    elif isinstance(value, dict):
        yield from _datetimes([*value.keys(), *value.values()])
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from _datetimes(item)


def _assert_zone(found: Any, expected: Any, offset: dt.timedelta | None) -> None:
    """See that values are equal, and that all datetimes have an offset; None for naive ones."""
    assert found == expected
    assert {one.utcoffset() for one in _datetimes(found)} == {offset}


async def _insert(api: Api, table: str, row: dict[str, Any]) -> None:
    names, markers = ", ".join(row), ", ".join("?" * len(row))
    await api.execute(f"INSERT INTO {table} ({names}) VALUES ({markers})", list(row.values()))


async def _assert_refused(api: Api, table: str, key: str, values: Any) -> None:
    """See that each of the values of columns is a ParameterError, and that nothing is written."""
    for column, value in values:
        try:
            await api.execute(f"INSERT INTO {table} (k, {column}) VALUES (?, ?)", [key, value])
        except ParameterError:
            continue
        raise AssertionError(f"{column} took {value!r}")
    assert await api.execute(f"SELECT k FROM {table} WHERE k = ?", [key]) == []


class NestedChecks:
    """The guarantees for whole values hold for their parts."""

    @check()
    async def test_collections_in_tuples_are_in_order(self, api: Api, space: Workspace, key: str) -> None:
        """A tuple with a set and a map is the same key in each order of Python's, and as a literal."""
        literal = "({-8, 0, 8}, {'z': 0, 'é': 1, 'Z': 2})"
        await api.execute(f"INSERT INTO {space.nested} (k, t) VALUES ('{key}', {literal})", [])
        select = f"SELECT k FROM {space.nested} WHERE k = ? AND t = ?"
        for integers, texts in zip(*map(itertools.permutations, (_INTEGERS, _TEXTS)), strict=True):
            value = (set(integers), {text: _TEXTS.index(text) for text in texts})
            assert await api.execute(select, [key, value]) == [{"k": key}]
            await _insert(api, space.nested, {"k": key, "t": value})
        assert len(await api.execute(f"SELECT k FROM {space.nested} WHERE k = ?", [key])) == 1

    @check(_UDT)
    async def test_collections_in_user_defined_types_are_in_order(
        self, api: Api, space: Workspace, key: str
    ) -> None:
        """A user-defined type with a set and a map is the same key in each order of Python's."""
        for integers, texts in zip(*map(itertools.permutations, (_INTEGERS, _TEXTS)), strict=True):
            names = {text: _TEXTS.index(text) for text in texts}
            await _insert(api, space.events, {"k": key, "e": {"tags": set(integers), "names": names}})
        assert len(await api.execute(f"SELECT k FROM {space.events} WHERE k = ?", [key])) == 1

    @check()
    async def test_equal_keys_are_refused(self, api: Api, space: Workspace, key: str) -> None:
        """A dict with keys that become the same value in CQL is an error; none of them is dropped."""
        await _assert_refused(api, space.values, key, _EQUAL_KEYS)

    @check(Capability.UNSET_VALUES)
    async def test_unset_inside_is_refused(self, api: Api, space: Workspace, key: str) -> None:
        """UNSET in a collection, a tuple or a user-defined type is an error, and so is an unset key."""
        await _assert_refused(api, space.values, key, _UNSET_INSIDE)
        if _UDT in api.driver.capabilities:
            wrong = {"x": 1, "label": UNSET}
            points = (("p", wrong), ("p", (1, UNSET)), ("m", {"a": wrong}), ("l", [wrong]))
            await _assert_refused(api, space.points, key, points)
        with pytest.raises(CoodieError) as caught:
            await api.execute(f"INSERT INTO {space.items} (p, c) VALUES (?, 1)", [UNSET])
        assert isinstance(caught.value, ValueError)

    @check(_UDT)
    async def test_out_of_range_in_user_defined_types_is_refused(
        self, api: Api, space: Workspace, key: str
    ) -> None:
        """A number out of a field's range is a ValueError, alone and in collections."""
        values: list[tuple[str, Any]] = []
        for x in (2**31, -(2**31) - 1):
            wrong = {"x": x, "label": "a"}
            values += [("p", wrong), ("p", (x, "a")), ("m", {"a": wrong}), ("l", [{"x": 1}, wrong])]
        await _assert_refused(api, space.points, key, values)

    @check(Capability.VECTORS)
    async def test_out_of_range_in_vectors_is_refused(self, api: Api, space: Workspace, key: str) -> None:
        """A number out of the range of a vector's elements is a ValueError, also in an array."""
        values = [
            ("floats", [0.0, 3.5e38, 0.0]),
            ("floats", [-3.5e38, 0.0, 0.0]),
            ("floats", (0, 0, 10**39)),
            ("floats", array("d", [0.0, 0.0, 1e39])),
            ("ints", [2**31, 0]),
            ("ints", [0, -(2**31) - 1]),
            ("ints", array("q", [0, 2**31])),
            ("vectors_of_vectors", [[0.0, 1e39], [0.0, 0.0]]),
        ]
        await _assert_refused(api, space.vectors, key, values)

    @check()
    async def test_timestamps_in_collections(self, api: Api, space: Workspace, key: str) -> None:
        """Aware datetimes in collections, tuples and user-defined types are converted to UTC."""
        zoned, naive = (_in_zone(_NOON, _WEST), _in_zone(_LATER, _WEST)), (_NOON, _LATER)
        await _insert(api, space.nested, {"k": key, "t": ({1}, {"a": 1}), **_timestamps(*zoned)})
        names = ", ".join(_timestamps(*naive))
        (row,) = await api.execute(f"SELECT {names} FROM {space.nested} WHERE k = ?", [key])
        if not api.driver.needs_row_validation:
            _assert_zone(row, _timestamps(*naive), None)
        if _UDT in api.driver.capabilities:
            await _insert(api, space.events, {"k": key, "e": _event(*zoned), "es": [_event(*zoned)]})
            (row,) = await api.execute(f"SELECT e, es FROM {space.events} WHERE k = ?", [key])
            if not api.driver.needs_row_validation:
                _assert_zone(row, {"e": _event(*naive), "es": [_event(*naive)]}, None)

    @check()
    async def test_aware_timestamps(self, api: Api, space: Workspace, key: str) -> None:
        """With aware_timestamps, timestamps are aware in UTC: of all methods, alone and in collections."""
        try:
            other = await api.open(aware_timestamps=True)
        except (ConfigurationError, TypeError):
            pytest.skip("the backend has no option aware_timestamps")
        aware = (_in_zone(_NOON, dt.timezone.utc), _in_zone(_LATER, dt.timezone.utc))
        expected, utc = _timestamps(*aware), dt.timedelta(0)
        await _insert(other, space.nested, {"k": key, "t": ({1}, {"a": 1}), **expected})
        select = f"SELECT {', '.join(expected)} FROM {space.nested} WHERE k = ?"
        _assert_zone(await other.execute(select, [key]), [expected], utc)
        _assert_zone(await other.execute(select, [key], rows=tuple), [tuple(expected.values())], utc)
        _assert_zone(await other.read_stream(select, [key]), [expected], utc)
        _assert_zone(await other.read_many(select, [key]), [expected], utc)
        _assert_zone(await other.execute_one(select, [key]), aware[0], utc)
        if _UDT in api.driver.capabilities:
            row = {"e": _event(*aware), "es": [_event(*aware)]}
            await _insert(other, space.events, {"k": key, **row})
            _assert_zone(
                await other.execute(f"SELECT e, es FROM {space.events} WHERE k = ?", [key]), [row], utc
            )
