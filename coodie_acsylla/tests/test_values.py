"""Values beyond the kit's: what the client would lose or misread is rejected."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from coodie.exceptions import ParameterError, ParameterTypeError, RequestError
from coodie.types import Date, Duration, Time, Timestamp

if TYPE_CHECKING:
    from coodie import Driver

ID = uuid.UUID(int=7)


def read_back(driver: Driver, column: str, value: Any) -> Any:
    """Write a value and read it."""
    key = uuid.uuid4().hex
    driver.execute(f"INSERT INTO things (k, {column}) VALUES (?, ?)", [key, value])
    return driver.execute_one(f"SELECT {column} FROM things WHERE k = ?", [key])


@pytest.mark.parametrize(
    ("column", "value", "read"),
    [
        ("vi", -(2**200), -(2**200)),
        ("vi", 0, 0),
        ("f", 1, 1.0),
        ("u", ID, ID),
        ("du", Duration(-14, -5, -3_600_000_000_001), Duration(-14, -5, -3_600_000_000_001)),
        ("d", Date(0), dt.date(1970, 1, 1)),
        ("t", Time(1_000), dt.time(0, 0, 0, 1)),
        ("ts", Timestamp(1), dt.datetime(1970, 1, 1, 0, 0, 0, 1_000)),
        (
            "ts",
            dt.datetime(2024, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))),
            dt.datetime(2023, 12, 31, 23),
        ),
        ("l", (1, 2), [1, 2]),
        ("m", {"a": ID}, {"a": ID}),
        ("tu", (1, None), (1, None)),
        ("tu", (None, dt.datetime(2024, 1, 1)), (None, dt.datetime(2024, 1, 1))),
        ("p", {"x": 1, "id": ID}, {"x": 1, "id": ID}),
        ("p", {"id": ID}, {"x": None, "id": ID}),
    ],
)
def test_values_that_are_carried(driver: Driver, column: str, value: Any, read: Any) -> None:
    """A value comes back as coodie's, also inside of others."""
    found = read_back(driver, column, value)
    assert (found, type(found)) == (read, type(read))


def test_times_with_nanoseconds_are_read(driver: Driver) -> None:
    """Times and durations are exact in results, and dates and timestamps beside them."""
    driver.execute(
        "INSERT INTO things (k, t, du, d, ts, u) VALUES "
        f"('nano', '23:59:59.999999999', 1mo2d3ns, '2024-02-29', '2024-07-01T12:00:00.123+0000', {ID})"
    )
    rows = driver.execute("SELECT t, du, d, ts, u FROM things WHERE k = 'nano'")
    assert rows == [
        {
            "t": Time(86_399_999_999_999),
            "du": Duration(1, 2, 3),
            "d": dt.date(2024, 2, 29),
            "ts": dt.datetime(2024, 7, 1, 12, 0, 0, 123_000),
            "u": ID,
        }
    ]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("t", Time(1)),
        ("d", Date(2**31 - 1)),
        ("ts", Timestamp(2**62)),
        ("n", 2**31),
        ("x", "\ud800"),
        ("a", "ž"),
        ("de", 1),
        ("v", [1.0, 2.0]),
        ("tu", (1,)),
        ("p", {"x": 1, "z": 2}),
        ("i", "nowhere"),
        ("f", 10**400),
    ],
)
def test_values_that_are_rejected(driver: Driver, column: str, value: Any) -> None:
    """Nothing is cut off, rounded or misread, and the error has the column and no value."""
    with pytest.raises(ParameterError) as caught:
        read_back(driver, column, value)
    assert f"({column!r}, " in str(caught.value)
    assert not isinstance(caught.value, ParameterTypeError)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("n", True),
        ("n", "1"),
        ("n", 1.5),
        ("n", ID),
        ("x", 1),
        ("b", 1),
        ("u", str(ID)),
        ("d", dt.datetime(2024, 1, 1)),
        ("d", 1),
        ("t", 1),
        ("l", {1}),
        ("p", 1),
        ("f", "1"),
    ],
)
def test_wrong_types(driver: Driver, column: str, value: Any) -> None:
    """What the client would convert, such as 1.5 to an int, is an error with the column and both types."""
    with pytest.raises(ParameterTypeError) as caught:
        read_back(driver, column, value)
    assert (caught.value.column, caught.value.value_type) == (column, type(value).__name__)


@pytest.mark.parametrize(
    ("column", "literal"),
    [
        ("de", "1.10"),
        ("v", "[1.0, 2.0]"),
        ("ts", "253402300799999"),
        ("ts", "253402300800000"),
        ("d", "4294967295"),
        ("s", "{[1, 2]}"),
    ],
)
def test_values_that_cannot_be_read(driver: Driver, column: str, literal: str) -> None:
    """The error has the column; null can be read, and the next request works."""
    driver.execute(f"INSERT INTO things (k, {column}) VALUES ('unreadable', {literal})", [])
    with pytest.raises(RequestError, match=f"'{column}'"):
        driver.execute(f"SELECT k, {column} FROM things WHERE k = 'unreadable'", [])
    assert read_back(driver, column, None) is None
    assert driver.ping()


def test_a_column_more(driver: Driver) -> None:
    """The rows of ``SELECT *`` are right while another client adds and drops columns."""
    driver.execute("DROP TABLE IF EXISTS changing")
    driver.execute("CREATE TABLE changing (k int PRIMARY KEY, v int)")
    driver.execute("INSERT INTO changing (k, v) VALUES (1, 1)")
    stmt = "/* a * */ select * FROM changing"
    assert driver.execute(stmt) == [{"k": 1, "v": 1}]
    for change in ("ADD b int", "DROP v"):
        driver.execute(f"ALTER TABLE changing {change}")
        assert all(row.get("b") is None and row.get("v", 1) == 1 for row in driver.execute(stmt))


def test_rows_of_conditional_writes(driver: Driver) -> None:
    """The row of a write that wasn't applied has coodie's values, alone and in a batch."""
    insert = "INSERT INTO things (k, u, du) VALUES (?, ?, ?) IF NOT EXISTS"
    values = ["conditional", ID, Duration(1, 2, 3)]
    driver.execute("DELETE FROM things WHERE k = ?", values[:1])
    assert driver.execute(insert, values).applied
    for found in (driver.execute(insert, values), driver.execute_batch([(insert, values)])):
        assert (found.applied, found[0]["u"], found[0]["du"]) == (False, ID, Duration(1, 2, 3))
