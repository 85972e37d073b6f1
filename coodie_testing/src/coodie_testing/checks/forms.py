"""Checks of parameters: each accepted form of a value is stored as the value that it stands for."""

from __future__ import annotations

import datetime as dt
import struct
from array import array
from collections import OrderedDict
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from ipaddress import ip_address
from types import MappingProxyType, SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from coodie.capabilities import Capability
from coodie.exceptions import ParameterError
from coodie.types import Date, Time, Timestamp
from coodie_testing.checking import check
from coodie_testing.values import exact

if TYPE_CHECKING:
    from collections.abc import Callable

    from coodie_testing.api import Api
    from coodie_testing.workspace import Workspace

__all__ = ["FormsChecks"]


class _Size(IntEnum):
    LARGE = 7


class _Point(NamedTuple):
    """The fields of ``point`` in another order."""

    label: str
    x: int


class _Seven:
    """An object that isn't an int, and stands for one."""

    def __index__(self) -> int:
        return 7


class _SummerTime(dt.tzinfo):
    """UTC+2, and UTC+1 for the second of two equal times of day, as in the night when summer time ends."""

    def utcoffset(self, value: dt.datetime | None, /) -> dt.timedelta:
        return dt.timedelta(hours=1 if value is not None and value.fold else 2)

    def dst(self, value: dt.datetime | None, /) -> dt.timedelta:
        return self.utcoffset(value) - dt.timedelta(hours=1)

    def tzname(self, _value: dt.datetime | None, /) -> str:
        return "summer"


_EAST = dt.timezone(dt.timedelta(hours=5, minutes=30))
_NOON = dt.datetime(2024, 7, 1, 12)

#: Column → pairs of a parameter and the value that is read back.
_FORMS: dict[str, list[tuple[Any, Any]]] = {
    "blob_": [
        (bytearray(b"\x00ab"), b"\x00ab"),
        (memoryview(b"abc"), b"abc"),
        (memoryview(b"abcdef")[1:3], b"bc"),
        (memoryview(b"abcdef")[::2], b"ace"),
    ],
    "tinyint_": [(_Size.LARGE, 7), (_Seven(), 7)],
    "smallint_": [(_Size.LARGE, 7), (_Seven(), 7)],
    "int_": [(_Size.LARGE, 7), (_Seven(), 7)],
    "bigint_": [(_Size.LARGE, 7), (_Seven(), 7)],
    "varint_": [(_Size.LARGE, 7), (_Seven(), 7)],
    "float_": [(2, 2.0), (Fraction(1, 2), 0.5)],
    "double_": [(2, 2.0), (Fraction(1, 2), 0.5)],
    "decimal_": [(7, Decimal(7)), (Decimal("1.0e2"), Decimal("1.0e2"))],
    "inet_": [
        (ip_address("192.0.2.1"), "192.0.2.1"),
        (ip_address("2001:db8::1"), "2001:db8::1"),
        ("2001:0db8:0:0::1", "2001:db8::1"),
    ],
    "date_": [(Date(1), dt.date(1970, 1, 2))],
    "time_": [(Time(1000), dt.time(0, 0, 0, 1))],
    "timestamp_": [
        (_NOON.replace(tzinfo=dt.timezone.utc), _NOON),
        (_NOON.replace(tzinfo=_EAST), dt.datetime(2024, 7, 1, 6, 30)),
        (_NOON.replace(tzinfo=_SummerTime()), dt.datetime(2024, 7, 1, 10)),
        (_NOON.replace(tzinfo=_SummerTime(), fold=1), dt.datetime(2024, 7, 1, 11)),
        (_NOON.replace(microsecond=1999), _NOON.replace(microsecond=1000)),
        (dt.date(2024, 7, 1), dt.datetime(2024, 7, 1)),
        (86_400_000, dt.datetime(1970, 1, 2)),
        (Timestamp(-1), dt.datetime(1969, 12, 31, 23, 59, 59, 999_000)),
    ],
    "list_": [((3, 1), [3, 1]), (range(3), [0, 1, 2]), (array("i", [2, 1]), [2, 1])],
    "set_": [(frozenset({"a"}), {"a"})],
    "map_": [(OrderedDict(b=1, a=2), {"b": 1, "a": 2}), (MappingProxyType({"a": 1}), {"a": 1})],
    "tuple_": [([1, "a", dt.date(2024, 1, 1)], (1, "a", dt.date(2024, 1, 1)))],
    "times_": [
        ({_NOON.replace(tzinfo=_EAST): Date(0)}, {dt.datetime(2024, 7, 1, 6, 30): dt.date(1970, 1, 1)})
    ],
}

#: Addresses of IPv6 that contain one of IPv4, and the first and last ones.
_ADDRESSES = (
    "::ffff:192.0.2.1",
    "::192.0.2.1",
    "64:ff9b::192.0.2.1",
    "::",
    "::1",
    "0.0.0.1",
    "255.255.255.255",
)


def _form(column: str) -> Callable[..., Any]:
    """Return the check of a column's forms."""

    async def test(_self: FormsChecks, api: Api, space: Workspace, key: str) -> None:
        insert = f"INSERT INTO {space.values} (k, {column}) VALUES (?, ?)"
        select = f"SELECT {column} FROM {space.values} WHERE k = ?"
        for number, (given, expected) in enumerate(_FORMS[column]):
            await api.execute(insert, [f"{key}{number}", given])
            (row,) = await api.execute(select, [f"{key}{number}"])
            if not api.driver.needs_row_validation:
                assert exact(row[column]) == exact(expected), f"form {number}, {type(given).__name__}"

    test.__name__ = f"test_forms_of_{column.strip('_')}"
    test.__doc__ = f"Each accepted form of a parameter for {column.strip('_')} is stored as its value."
    return check()(test)


class FormsChecks:
    """A check for each type that accepts several forms."""

    test_forms_of_blob = _form("blob_")
    test_forms_of_tinyint = _form("tinyint_")
    test_forms_of_smallint = _form("smallint_")
    test_forms_of_int = _form("int_")
    test_forms_of_bigint = _form("bigint_")
    test_forms_of_varint = _form("varint_")
    test_forms_of_float = _form("float_")
    test_forms_of_double = _form("double_")
    test_forms_of_decimal = _form("decimal_")
    test_forms_of_inet = _form("inet_")
    test_forms_of_date = _form("date_")
    test_forms_of_time = _form("time_")
    test_forms_of_timestamp = _form("timestamp_")
    test_forms_of_list = _form("list_")
    test_forms_of_set = _form("set_")
    test_forms_of_map = _form("map_")
    test_forms_of_tuple = _form("tuple_")
    test_forms_of_times = _form("times_")

    @check()
    async def test_addresses_keep_their_family(self, api: Api, space: Workspace, key: str) -> None:
        """An IPv6 address that contains an IPv4 address is stored as itself, as text and as an object."""
        insert = f"INSERT INTO {space.values} (k, inet_) VALUES (?, ?)"
        select = f"SELECT inet_ FROM {space.values} WHERE k = ?"
        for address in map(ip_address, _ADDRESSES):
            for given in (address, str(address)):
                await api.execute(insert, [key, given])
                assert ip_address(str(await api.execute_one(select, [key]))) == address

    @check(Capability.USER_DEFINED_TYPES)
    async def test_unknown_fields_are_refused(self, api: Api, space: Workspace, key: str) -> None:
        """A field that a user-defined type doesn't have is an error, alone and in collections."""
        wrong = {"x": 1, "lable": "misspelt"}
        for column, value in (("p", wrong), ("m", {"a": wrong}), ("l", [{"x": 2}, wrong])):
            with pytest.raises(ParameterError):
                await api.execute(f"INSERT INTO {space.points} (k, {column}) VALUES (?, ?)", [key, value])
        assert await api.execute(f"SELECT k FROM {space.points} WHERE k = ?", [key]) == []

    @check(Capability.USER_DEFINED_TYPES)
    async def test_forms_of_user_defined_types(self, api: Api, space: Workspace, key: str) -> None:
        """A user-defined type is also bound from a tuple of all fields, a named tuple, or an object."""
        point = {"x": 1, "label": "here"}
        forms = [(1, "here"), [1, "here"], _Point(label="here", x=1), SimpleNamespace(label="here", x=1)]
        for number, given in enumerate(forms):
            insert = f"INSERT INTO {space.points} (k, p, l) VALUES (?, ?, ?)"
            await api.execute(insert, [f"{key}{number}", given, [given]])
            rows = await api.execute(f"SELECT p, l FROM {space.points} WHERE k = ?", [f"{key}{number}"])
            assert rows == [{"p": point, "l": [point]}]

    @check()
    async def test_floats_are_rounded(self, api: Api, space: Workspace, key: str) -> None:
        """Floats are rounded to 32 bits for a float column, and returned as they are stored."""
        insert = f"INSERT INTO {space.values} (k, float_, double_) VALUES (?, ?, ?)"
        for number in (0.1, 16_777_217, 1 / 3, 1e-46, 3.4028235e38):
            await api.execute(insert, [key, number, number])
            (row,) = await api.execute(f"SELECT float_, double_ FROM {space.values} WHERE k = ?", [key])
            (stored,) = struct.unpack("f", struct.pack("f", number))
            assert exact(row) == exact({"float_": stored, "double_": float(number)})
