"""Values of ``--param`` without a server: what is read, and what is refused."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coodie.cli._printing import _plain, _text
from coodie.cli._values import read_value
from coodie.contract.markers import ValueType
from coodie.types import Date, Duration, Time, Timestamp

if TYPE_CHECKING:
    from collections.abc import Callable


def scalar(name: str) -> ValueType:
    """Return a simple type."""
    return ValueType(name, name)


INT, TEXT = scalar("int"), scalar("text")
LIST = ValueType("list", "list<int>", (INT,))
MAP = ValueType("map", "map<int, text>", (INT, TEXT))
PAIR = ValueType("tuple", "tuple<int, text>", (INT, TEXT))
ADDRESS = ValueType("udt", "address", (TEXT, INT), ("street", "no"))

#: Types, their values, and the values as parameters if these have another form.
_PRINTED: dict[str, st.SearchStrategy[Any]] = {
    "bigint": st.integers(),
    "blob": st.binary(),
    "boolean": st.booleans(),
    "decimal": st.decimals(allow_nan=False, allow_infinity=False),
    "double": st.floats(allow_nan=False),
    "inet": st.ip_addresses().map(str),
    "text": st.text(st.characters(codec="utf-8")),
    "uuid": st.uuids(),
}
_CONVERTED: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], Any]]] = {
    "date": (st.integers(-(2**31), 2**31 - 1).map(Date), lambda value: value),
    "time": (st.integers(0, 86_400 * 10**9 - 1).map(Time), lambda value: value),
    "timestamp": (
        st.integers(-(2**50), 2**50).map(Timestamp),
        lambda value: value if isinstance(value, Timestamp) else Timestamp.from_datetime(value),
    ),
    "duration": (
        st.tuples(*[st.integers(0, 2**31 - 1)] * 3, st.sampled_from([1, -1])).map(
            lambda parts: Duration(*(number * parts[3] for number in parts[:3]))
        ),
        lambda value: value,
    ),
}


@given(st.data())
def test_what_is_printed_can_be_read(data: st.DataObject) -> None:
    """The text of a value in the output is the same value as a parameter, alone and inside JSON."""
    name = data.draw(st.sampled_from([*_PRINTED, *_CONVERTED]))
    values, convert = _CONVERTED[name] if name in _CONVERTED else (_PRINTED[name], lambda value: value)
    value = data.draw(values)
    kind = scalar(name)
    assert convert(read_value(kind, _text(value, null=""))) == value
    inside = json.dumps([_plain(value)])
    assert [convert(item) for item in read_value(ValueType("list", "list", (kind,)), inside)] == [value]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (TEXT, "null", "null"),
        (TEXT, " x ", " x "),
        (INT, " +7 ", 7),
        (INT, "NULL", None),
        (scalar("double"), "1.", 1.0),
        (scalar("double"), "-Infinity", float("-inf")),
        (scalar("timestamp"), "2026-01-31", dt.datetime(2026, 1, 31, tzinfo=dt.timezone.utc)),
        (scalar("timestamp"), "2026-01-31T01:02Z", dt.datetime(2026, 1, 31, 1, 2, tzinfo=dt.timezone.utc)),
        (scalar("timestamp"), "-1", Timestamp(-1)),
        (scalar("time"), "01:02", Time(3_720_000_000_000)),
        (scalar("duration"), "-1y2w", Duration(-12, -14, 0)),
        (LIST, "[]", []),
        (LIST, '["1", 2]', [1, 2]),
        (MAP, '{"1": null}', [(1, None)]),
        (MAP, '[[1, "a"]]', [(1, "a")]),
        (PAIR, "[null, null]", (None, None)),
        (ADDRESS, '{"no": 1}', {"no": 1}),
        (ADDRESS, '["a", 1]', ("a", 1)),
        (ValueType("list", "list<decimal>", (scalar("decimal"),)), "[0.10]", [Decimal("0.10")]),
    ],
)
def test_read_value(kind: ValueType, text: str, value: Any) -> None:
    """Values are read by their types."""
    assert read_value(kind, text) == value


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        (INT, "1.0", "expected an integer"),
        (INT, "1_000", "expected an integer"),
        (INT, "٣", "expected an integer"),
        (INT, "9" * 5000, "expected an integer"),
        (INT, "", "expected an integer"),
        (scalar("double"), "1e999", "expected a number"),
        (scalar("decimal"), "NaN", "expected a decimal number"),
        (scalar("decimal"), "1_0", "expected a decimal number"),
        (scalar("boolean"), "1", "expected true or false"),
        (scalar("uuid"), "{123e4567e89b12d3a456426614174000}", "expected a UUID"),
        (scalar("timestamp"), "2026-01-31T25:00", "expected a timestamp"),
        (scalar("timestamp"), "2026-01-31T01:02:03.0001", "expected a timestamp"),
        (scalar("timestamp"), str(2**63), "expected a timestamp"),
        (scalar("date"), "2026-02-30", "expected a date"),
        (scalar("date"), "9999999-01-01", "expected a date"),
        (scalar("time"), "24:00", "expected a time"),
        (scalar("duration"), "1", "expected a duration"),
        (scalar("duration"), f"{2**40}y", "expected a duration"),
        (scalar("blob"), "cafe", "expected bytes in hexadecimal digits, such as 0xcafe"),
        (scalar("inet"), "localhost", "expected an IP address"),
        (TEXT, "\udcff", "expected UTF-8"),
        (LIST, "1, 2", "expected JSON, such as [1, 2] (column 2: Extra data)"),
        (LIST, '{"a": 1}', "expected JSON, such as [1, 2]"),
        (LIST, "[1.5]", "expected an integer"),
        (LIST, "[[1]]", "expected an integer"),
        (LIST, "[true]", "expected an integer"),
        (LIST, "[" * 100_000, "expected JSON"),
        (MAP, '{"a": "b"}', "expected an integer"),
        (MAP, '{"1": 2}', "expected a JSON string for text"),
        (MAP, "[[1]]", 'expected JSON, such as {"key": "value"}'),
        (PAIR, "[1]", "expected 2 values for tuple<int, text>, got 1"),
        (ADDRESS, '{"nr": 1}', "address has no field 'nr'; it has street, no"),
        (ADDRESS, '{"no": 1, "no": 2}', "field 'no' is given twice"),
        (ADDRESS, "7", 'expected JSON, such as {"street": …, "no": …}'),
        (ValueType("", "some.Class"), "7", "values of the custom type some.Class aren't supported"),
    ],
)
def test_what_is_no_value(kind: ValueType, text: str, said: str) -> None:
    """What isn't a value of the type is refused, with what was expected; nothing is guessed."""
    with pytest.raises(ValueError, match=r"^") as caught:
        read_value(kind, text)
    assert said in str(caught.value)


def test_uuids_inside() -> None:
    """Types are read at any depth."""
    kind = ValueType("map", "…", (scalar("uuid"), ValueType("set", "…", (PAIR,))))
    text = '{"00000000-0000-0000-0000-000000000001": [[1, "a"]]}'
    assert read_value(kind, text) == [(UUID(int=1), [(1, "a")])]
