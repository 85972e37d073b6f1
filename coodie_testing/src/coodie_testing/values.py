"""Values of each CQL type: as CQL literals, as parameters, and as results; and how they are compared."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from coodie.types import Date, Duration, Time, Timestamp

__all__ = ["VALUE_CASES", "VECTOR_CASES", "TypeCase", "Value", "exact"]


class Value(NamedTuple):
    """One value, in CQL and in Python."""

    #: The CQL literal.
    literal: str
    #: The parameter and the result.
    value: Any


class TypeCase(NamedTuple):
    """A type, and values at its limits."""

    #: The type in CQL.
    cql: str
    #: The column of the workspace's table.
    column: str
    values: tuple[Value, ...]


def _of(column: str, cql: str, *values: tuple[str, Any]) -> TypeCase:
    return TypeCase(cql, column, tuple(Value(literal, value) for literal, value in values))


_UUID1 = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
_UUID4 = UUID("f47ac10b-58cc-4372-a567-0e02b2c3d479")

VALUE_CASES: tuple[TypeCase, ...] = (
    _of("ascii_", "ascii", ("'plain'", "plain"), ("''", "")),
    _of(
        "text_",
        "text",
        ("'žluťoučký 🐎'", "žluťoučký 🐎"),
        ("''", ""),
        ("'it''s'", "it's"),
        ("'e\u0301 \u212b \ufb01'", "e\u0301 \u212b \ufb01"),  # in no normal form of Unicode
        ("'? :name -- /* $$'", "? :name -- /* $$"),
        ("'" + "x" * 70_000 + "'", "x" * 70_000),
    ),
    _of(
        "blob_",
        "blob",
        ("0x", b""),
        ("0x00ff", b"\x00\xff"),
        ("0x" + bytes(range(256)).hex(), bytes(range(256))),
    ),
    _of("boolean_", "boolean", ("true", True), ("false", False)),
    _of("tinyint_", "tinyint", ("-128", -128), ("0", 0), ("127", 127)),
    _of("smallint_", "smallint", ("-32768", -(2**15)), ("0", 0), ("32767", 2**15 - 1)),
    _of("int_", "int", ("-2147483648", -(2**31)), ("0", 0), ("2147483647", 2**31 - 1)),
    _of("bigint_", "bigint", ("-9223372036854775808", -(2**63)), ("9223372036854775807", 2**63 - 1)),
    _of(
        "varint_",
        "varint",
        ("0", 0),
        ("-1", -1),
        ("128", 128),
        ("-129", -129),
        (str(2**200), 2**200),
        (str(-(2**200)), -(2**200)),
    ),
    _of(
        "float_",
        "float",
        ("1.5", 1.5),
        ("-0.25", -0.25),
        ("Infinity", math.inf),
        ("3.4028234663852886e38", 3.4028234663852886e38),
        ("0", 0.0),
    ),
    _of(
        "double_",
        "double",
        ("0.1", 0.1),
        ("1.7976931348623157e308", 1.7976931348623157e308),
        ("5e-324", 5e-324),
        ("-0.0", -0.0),
        ("-Infinity", -math.inf),
    ),
    _of(
        "decimal_",
        "decimal",
        ("0", Decimal(0)),
        ("-1.10", Decimal("-1.10")),
        ("100", Decimal(100)),
        ("1E+3", Decimal("1E+3")),
        ("0.000000000000000000000000000123", Decimal("0.000000000000000000000000000123")),
        ("123456789012345678901234567890.5", Decimal("123456789012345678901234567890.5")),
    ),
    _of("uuid_", "uuid", (str(_UUID4), _UUID4), (str(UUID(int=0)), UUID(int=0))),
    _of("timeuuid_", "timeuuid", (str(_UUID1), _UUID1)),
    _of("inet_", "inet", ("'192.0.2.1'", "192.0.2.1"), ("'2001:db8::1'", "2001:db8::1")),
    _of(
        "date_",
        "date",
        ("'2024-02-29'", dt.date(2024, 2, 29)),
        ("'1969-12-31'", dt.date(1969, 12, 31)),
        ("'0001-01-01'", dt.date.min),
        ("'9999-12-31'", dt.date.max),
    ),
    _of("far_date_", "date", ("0", Date(-(2**31))), ("4294967295", Date(2**31 - 1))),
    _of(
        "time_",
        "time",
        ("'00:00:00'", dt.time.min),
        ("'12:34:56.789012'", dt.time(12, 34, 56, 789012)),
        ("'23:59:59.999999'", dt.time.max),
    ),
    _of(
        "nano_time_",
        "time",
        ("'23:59:59.999999999'", Time(86_399_999_999_999)),
        ("'00:00:00.000000001'", Time(1)),
    ),
    _of(
        "timestamp_",
        "timestamp",
        ("0", dt.datetime(1970, 1, 1)),
        ("'2024-07-01T12:00:00.123+0000'", dt.datetime(2024, 7, 1, 12, 0, 0, 123_000)),
        ("-1", dt.datetime(1969, 12, 31, 23, 59, 59, 999_000)),
        ("253402300799999", dt.datetime(9999, 12, 31, 23, 59, 59, 999_000)),
        ("-62135596800000", dt.datetime(1, 1, 1)),
    ),
    _of(
        "far_timestamp_",
        "timestamp",
        ("253402300800000", Timestamp(253_402_300_800_000)),
        ("9223372036854775807", Timestamp(2**63 - 1)),
        ("-9223372036854775808", Timestamp(-(2**63))),
    ),
    _of(
        "duration_",
        "duration",
        ("1mo2d3ns", Duration(1, 2, 3)),
        ("0ns", Duration(0, 0, 0)),
        ("24h", Duration(0, 0, 86_400 * 10**9)),
        ("-1d49h", Duration(0, -1, -49 * 3_600 * 10**9)),
        ("31d", Duration(0, 31, 0)),
        ("13mo366d25h", Duration(13, 366, 25 * 3_600 * 10**9)),
        ("2147483647mo2147483647d9223372036854775807ns", Duration(2**31 - 1, 2**31 - 1, 2**63 - 1)),
        ("-2147483647mo2147483647d9223372036854775807ns", Duration(1 - 2**31, 1 - 2**31, 1 - 2**63)),
        ("-14mo5d1h", Duration(-14, -5, -3_600_000_000_000)),
    ),
    _of("list_", "list<int>", ("[3, 1, 3]", [3, 1, 3]), ("[1]", [1])),
    _of("set_", "set<text>", ("{'b', 'a', 'č'}", {"b", "a", "č"}), ("{'', 'a'}", {"", "a"})),
    _of(
        "map_",
        "map<text, int>",
        ("{'b': 2, 'a': 1}", {"b": 2, "a": 1}),
        ("{'': 0, 'a': 1}", {"": 0, "a": 1}),
        ("{'e\u0301': 1, '\u212b': 2, ' A ': 3, 'a': 4}", {"e\u0301": 1, "\u212b": 2, " A ": 3, "a": 4}),
    ),
    _of("frozen_", "frozen<list<int>>", ("[]", []), ("[2, 1]", [2, 1])),
    _of(
        "tuple_",
        "tuple<int, text, date>",
        ("(0, '', null)", (0, "", None)),
        ("(null, '', '1970-01-01')", (None, "", dt.date(1970, 1, 1))),
        ("(1, null, '2024-01-01')", (1, None, dt.date(2024, 1, 1))),
    ),
    _of(
        "nested_",
        "map<int, frozen<map<text, frozen<list<date>>>>>",
        ("{1: {'a': ['2024-01-01'], 'b': []}}", {1: {"a": [dt.date(2024, 1, 1)], "b": []}}),
    ),
    _of(
        "sets_of_maps_",
        "set<frozen<map<text, int>>>",
        ("{{'b': 2, 'a': 1}, {'': 0}}", {(("a", 1), ("b", 2)), (("", 0),)}),
    ),
    _of(
        "maps_by_maps_",
        "map<frozen<map<int, text>>, frozen<set<frozen<list<int>>>>>",
        ("{{1: 'a', 2: ''}: {[2, 1], [3]}}", {((1, "a"), (2, "")): {(2, 1), (3,)}}),
    ),
    _of("uuids_", "list<uuid>", (f"[{_UUID4}, {UUID(int=0)}]", [_UUID4, UUID(int=0)])),
    _of(
        "times_",
        "map<timestamp, date>",
        ("{0: '1970-01-01'}", {dt.datetime(1970, 1, 1): dt.date(1970, 1, 1)}),
    ),
    _of("numbers_", "set<decimal>", ("{1.10, -2, 500}", {Decimal("1.10"), Decimal(-2), Decimal(500)})),
)

VECTOR_CASES: tuple[TypeCase, ...] = (
    _of("floats", "vector<float, 3>", ("[1.0, -0.5, 0]", [1.0, -0.5, 0.0])),
    _of("ints", "vector<int, 2>", ("[2147483647, -1]", [2**31 - 1, -1])),
    _of("texts", "vector<text, 3>", (f"['', 'a', '{'x' * 300}']", ["", "a", "x" * 300])),
    _of(
        "vectors_of_vectors",
        "vector<vector<float, 2>, 2>",
        ("[[1.0, 2.0], [3.0, 4.0]]", [[1.0, 2.0], [3.0, 4.0]]),
    ),
)


def exact(value: Any) -> Any:
    """Return a form of a value that is only equal for the same types, signs of zero, and decimal places."""
    if isinstance(value, dict):
        return "dict", {exact(key): exact(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return type(value).__name__, frozenset(map(exact, value))
    if isinstance(value, (list, tuple)):
        return type(value).__name__, *map(exact, value)
    return type(value).__name__, repr(value)
