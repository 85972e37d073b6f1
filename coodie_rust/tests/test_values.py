"""Values beyond the kit's: what this client would lose or take for something else is refused."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from coodie.exceptions import ParameterError, ParameterTypeError, RequestError
from coodie.types import Date, Duration, Time, Timestamp

if TYPE_CHECKING:
    from coodie.drivers import AbstractDriver

EAST = dt.timezone(dt.timedelta(hours=1))


def read_back(driver: AbstractDriver, column: str, value: Any) -> Any:
    """Write a value and read it."""
    key = uuid.uuid4().hex
    driver.execute(f"INSERT INTO things (k, {column}) VALUES (?, ?)", [key, value])
    return driver.execute_one(f"SELECT {column} FROM things WHERE k = ?", [key])


@pytest.mark.parametrize(
    ("column", "value", "read"),
    [
        ("du", Duration(-11, -3, -999_999_000), Duration(-11, -3, -999_999_000)),
        ("du", Duration(11, 3, 1_000), Duration(11, 3, 1_000)),
        ("d", Date(0), dt.date(1970, 1, 1)),
        ("t", Time(1_000), dt.time(0, 0, 0, 1)),
        ("ts", Timestamp(1), dt.datetime(1970, 1, 1, 0, 0, 0, 1_000)),
        (
            "ts",
            dt.datetime(2024, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))),
            dt.datetime(2023, 12, 31, 23),
        ),
        ("m", {"a": "192.0.2.1"}, {"a": "192.0.2.1"}),
        ("tu", (1, dt.datetime(2024, 1, 1)), (1, dt.datetime(2024, 1, 1))),
        ("p", {"x": 1, "label": "here"}, {"x": 1, "label": "here"}),
        ("l", (1, 2), [1, 2]),
        ("v", [1, 2.5], [1.0, 2.5]),
    ],
)
def test_values_that_are_carried(driver: AbstractDriver, column: str, value: Any, read: Any) -> None:
    """What the client can carry comes back as coodie's values, also inside of others."""
    assert read_back(driver, column, value) == read


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("du", Duration(12, 0, 0)),
        ("du", Duration(0, 0, 1)),
        ("du", Duration(0, 0, 1_000_000_000)),
        ("t", Time(1)),
        ("d", Date(2**31 - 1)),
        ("ts", Timestamp(2**62)),
        ("n", 2**31),
        ("tu", (1, None)),
        ("p", {"x": 1}),
        ("p", {"x": 1, "label": "a", "z": 2}),
        ("s", {(1, 2)}),
        ("v", [1.0]),
        ("i", "nowhere"),
    ],
)
def test_values_that_are_refused(driver: AbstractDriver, column: str, value: Any) -> None:
    """Nothing is cut, rounded or dropped in silence, and the error has no value in it."""
    with pytest.raises(ParameterError) as caught:
        read_back(driver, column, value)
    assert f"({column!r}, " in str(caught.value)
    assert not isinstance(caught.value, ParameterTypeError)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("n", True),
        ("n", "1"),
        ("b", 1),
        ("d", dt.datetime(2024, 1, 1)),
        ("l", {1}),
        ("p", 1),
    ],
)
def test_wrong_types(driver: AbstractDriver, column: str, value: Any) -> None:
    """The error names the column, its type in CQL and the value's type."""
    with pytest.raises(ParameterTypeError) as caught:
        read_back(driver, column, value)
    assert (caught.value.column, caught.value.value_type) == (column, type(value).__name__)


def test_values_that_cannot_be_read(driver: AbstractDriver) -> None:
    """Where the client can't decode, the error names the column, and the next request works."""
    driver.execute("INSERT INTO things (k, s, d) VALUES ('unreadable', {[1]}, 0)", [])
    for column in ("s", "d"):
        with pytest.raises(RequestError, match=f"'{column}'"):
            driver.execute(f"SELECT {column} FROM things WHERE k = 'unreadable'", [])
    assert driver.ping()
