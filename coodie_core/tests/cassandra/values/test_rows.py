"""From what the driver decoded to plain Python values, and to dicts."""

from __future__ import annotations

import datetime as dt
import math
import pickle
import struct
from collections import namedtuple
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid1, uuid4

import pytest
from cassandra.cqltypes import EMPTY

from coodie.drivers.cassandra.values.rows import build_rows, map_items, row_converters
from coodie.exceptions import InvalidQueryError, RequestError
from coodie.types import Date, Duration, Time, Timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

_UUID1, _UUID4 = uuid1(), uuid4()
_UTC = dt.timezone.utc

#: CQL type, value bound, value read.
_VALUES: list[tuple[str, Any, Any]] = [
    *[
        (cql, value, value)
        for cql, value in (
            ("text", "č"),
            ("blob", b"\x00"),
            ("boolean", False),
            ("int", -1),
            ("counter", 2**40),
            ("varint", -(2**100)),
            ("float", 0.5),
            ("double", -math.inf),
            ("decimal", Decimal("1.50")),
            ("uuid", _UUID4),
            ("timeuuid", _UUID1),
            ("inet", "2001:db8::1"),
            ("date", dt.date(1, 1, 1)),
            ("date", dt.date(9999, 12, 31)),
            ("date", Date(2_932_897)),
            ("date", Date(2**31 - 1)),
            ("date", Date(-719_163)),
            ("time", dt.time(23, 59, 59, 999_999)),
            ("time", Time(1)),
            ("timestamp", dt.datetime(9999, 12, 31, 23, 59, 59, 999_000)),
            ("timestamp", dt.datetime(5138, 11, 16, 9, 46, 40, 1000)),
            ("timestamp", dt.datetime(1, 1, 1, 0, 0, 0, 1000)),
            ("duration", Duration(-1, -2, -(2**63))),
            ("list<text>", ["a", ""]),
            ("list<time>", [dt.time(1), Time(1)]),
            ("set<int>", {1, 2}),
            ("set<date>", {dt.date(2024, 1, 1), Date(-(2**31))}),
            ("map<int, text>", {2: "b", 1: "a"}),
            ("map<date, duration>", {dt.date(2024, 1, 1): Duration(1, 0, 0)}),
            ("tuple<int, date, set<int>>", (None, dt.date(2024, 1, 1), {1})),
            ("vector<float, 2>", [1.0, 2.0]),
            ("vector<date, 1>", [dt.date(2024, 1, 1)]),
            ("list<list<date>>", [[dt.date(2024, 1, 1)], []]),
            ("map<int, list<set<text>>>", {1: [{"a"}]}),
            ("frozen<map<int, frozen<set<int>>>>", {1: {1}}),
            ("reversed<date>", dt.date(2024, 1, 1)),
        )
    ],
    ("set<list<int>>", [[1, 2]], {(1, 2)}),
    ("set<list<date>>", [[dt.date(2024, 1, 1)]], {(dt.date(2024, 1, 1),)}),
    ("set<vector<float, 2>>", [[1, 2]], {(1.0, 2.0)}),
    ("set<set<set<int>>>", [[[1]]], {frozenset({frozenset({1})})}),
    ("set<map<int, list<int>>>", [{2: [1], 1: []}], {((1, ()), (2, (1,)))}),
    ("set<tuple<int, list<int>>>", [(None, [1])], {(None, (1,))}),
    ("map<list<int>, list<int>>", [([1], [1])], {(1,): [1]}),
    ("map<map<int, set<int>>, int>", [({1: {2}}, 3)], {((1, frozenset({2})),): 3}),
    ("tuple<set<list<int>>, list<list<int>>>", ([[1]], [[1]]), ({(1,)}, [[1]])),
]


@pytest.mark.parametrize(
    ("cql", "value", "expected"), _VALUES, ids=lambda v: v if isinstance(v, str) else None
)
def test_values_are_plain_python(
    encode: Callable[[str, Any], bytes],
    read: Callable[..., Any],
    handler: Any,
    cql: str,
    value: Any,
    expected: Any,
) -> None:
    """Each type comes back as the Python type that is documented, exact, through each parser."""
    found = read(handler, cql, encode(cql, value))
    assert found == expected
    assert _kinds(found) == _kinds(expected)


def _kinds(value: Any) -> Any:
    """Return the types of a value and of all in it; dicts and sets in the order of their repr."""
    if isinstance(value, dict):
        return dict, sorted((repr((_kinds(k), _kinds(v))) for k, v in value.items()))
    if isinstance(value, (list, tuple)):
        return type(value), [_kinds(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return type(value), sorted(repr(_kinds(item)) for item in value)
    return type(value)


@pytest.mark.parametrize("cql", sorted({case[0] for case in _VALUES}))
def test_null_stays_null(read: Callable[..., Any], handler: Any, cql: str) -> None:
    """None comes back where the server has no value, whatever the type; nothing empty is made up."""
    assert read(handler, cql, None) is None


_PLAIN = (
    "ascii bigint blob boolean counter decimal double float inet int smallint text timeuuid tinyint uuid "
    "varint list<int> list<list<uuid>> vector<text,3> tuple<int,list<text>> frozen<list<inet>> "
    "reversed<int> vector<vector<text,2>,2>"
)


@pytest.mark.parametrize("cql", _PLAIN.split())
def test_plain_columns_have_no_converter(types: Any, cql: str) -> None:
    """A column whose values are plain already costs nothing."""
    for aware in (False, True):
        assert row_converters([types(cql)], aware_timestamps=aware) == (None,)


def test_naive_timestamps_cost_nothing_where_the_driver_is_exact(
    types: Any, encode: Any, read: Any, handler: Any
) -> None:
    """Only a driver that decodes through floats has its timestamps corrected."""
    from cassandra import util  # the module has the exact function where the driver is exact

    (convert,) = row_converters([types("timestamp")], aware_timestamps=False)
    assert (convert is None) == hasattr(util, "datetime_from_ms_timestamp")
    for milliseconds in (253_402_300_799_999, 200_000_000_000_001, -62_135_596_799_999, -1, 1):
        moment = dt.datetime(1970, 1, 1) + milliseconds * dt.timedelta(milliseconds=1)
        assert read(handler, "timestamp", encode("timestamp", milliseconds)) == moment


def test_timestamps_can_be_aware(encode: Any, read: Any, exact_handler: Any) -> None:
    """With aware_timestamps, they are in UTC, also inside other values; raw ones stay raw."""
    moment = dt.datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=_UTC)
    far = Timestamp(2**62)
    for cql, value in (
        ("timestamp", moment),
        ("timestamp", far),
        ("list<timestamp>", [moment, far]),
        ("set<timestamp>", {moment, far}),
        ("map<timestamp, timestamp>", {moment: far, far: moment}),
        ("tuple<int, timestamp>", (None, moment)),
    ):
        found = read(exact_handler, cql, encode(cql, value), aware=True)
        assert found == value
    assert read(exact_handler, "timestamp", encode("timestamp", 0), aware=True).tzinfo is _UTC


def test_empty_bytes_are_null(read: Callable[..., Any], handler: Any) -> None:
    """An empty value, which Cassandra allows for most types, is null, also inside collections."""
    for cql in ("timestamp", "date", "time", "int"):
        assert read(handler, cql, b"") is None
        cell = struct.pack(">ii", 1, 0)
        assert read(handler, f"list<{cql}>", cell) == [None]
        assert read(handler, f"set<{cql}>", cell) == {None}


def test_the_drivers_marker_for_empty_bytes_passes(types: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks the driver for EMPTY gets it, instead of an error in our converter."""
    typ = types("date")
    monkeypatch.setattr(typ, "support_empty_values", True)
    (convert,) = row_converters([typ], aware_timestamps=False)
    assert convert is not None
    assert convert(EMPTY) is EMPTY
    (of_list,) = row_converters([types("list<date>")], aware_timestamps=False)
    assert of_list is not None
    assert of_list([EMPTY]) == [EMPTY]


def test_a_negative_time_is_an_error(read: Callable[..., Any], handler: Any) -> None:
    """Cassandra stores one when a blob is declared to be it; it isn't turned into another time."""
    with pytest.raises(RequestError, match="negative"):
        read(handler, "time", struct.pack(">q", -1))
    with pytest.raises(RequestError, match="negative"):
        read(handler, "time", struct.pack(">q", -1000))


# --- user types -------------------------------------------------------------------------


class _Registered:
    def __init__(self, street: str, zip: int) -> None:  # noqa: A002 - the field's name
        self.street = street
        self.zip = zip


_REORDERED: Any = namedtuple("_REORDERED", "zip street")  # noqa: PYI024 - as a user would
_EXTENDED: Any = namedtuple("_EXTENDED", "zip street more", defaults=[0])  # noqa: PYI024 - as above


@pytest.mark.parametrize("registered", [None, dict, _Registered, _REORDERED, _EXTENDED])
def test_user_types_are_dicts_whatever_is_registered(
    types: Any, encode: Any, read: Any, handler: Any, registered: Any
) -> None:
    """A user type is a dict, also where the caller's session builds a class of its own for it."""
    types.udt("address", {"street": "text", "zip": "int"}, registered)
    value = {"street": "a", "zip": 1}
    assert read(handler, "address", encode("address", value)) == value
    assert read(handler, "list<address>", encode("list<address>", [value])) == [value]
    found = read(handler, "set<address>", encode("set<address>", [value]))
    assert found == {("a", 1)}


def test_missing_fields_are_null(types: Any, read: Any, handler: Any) -> None:
    """A value written before its type grew has nulls at the end."""
    types.udt("grown", {"a": "int", "b": "date", "c": "list<int>"})
    cell = struct.pack(">ii", 4, 7)
    assert read(handler, "grown", cell) == {"a": 7, "b": None, "c": None}


def test_names_that_python_refuses(types: Any, encode: Any, read: Any, handler: Any) -> None:
    """Keys are the fields' own names; a named tuple has positions in their place."""
    types.udt("odd", {"class": "int", "a b": "date", "fine": "int"})
    value = {"class": 1, "a b": dt.date(2024, 1, 1), "fine": 2}
    assert read(handler, "odd", encode("odd", value)) == value
    (element,) = read(handler, "set<odd>", encode("set<odd>", [value]))
    assert element == (1, dt.date(2024, 1, 1), 2)
    assert element.fine == 2
    assert read(handler, "set<odd>", encode("set<odd>", {element})) == {element}


def test_user_types_whose_name_python_refuses(types: Any, encode: Any, read: Any, handler: Any) -> None:
    """Where the driver gives plain tuples, there are dicts, and named tuples, all the same."""
    for name in ("class", "2d"):
        types.udt(name, {"x": "int", "y": "int"})
        types.udts["odd"] = types.udts[name]
        assert read(handler, "odd", encode("odd", {"x": 1, "y": 2})) == {"x": 1, "y": 2}
        (element,) = read(handler, "set<odd>", encode("set<odd>", [{"x": 1, "y": 2}]))
        assert (element.x, element.y) == (1, 2)


def test_named_tuples_survive_pickling(types: Any, encode: Any, read: Any, exact_handler: Any) -> None:
    """Rows go to other processes, and named tuples of one type are of one class."""
    types.udt("point", {"x": "int", "class": "int"})
    cell = encode("set<point>", [{"x": 1}])
    (one,), (other,) = read(exact_handler, "set<point>", cell), read(exact_handler, "set<point>", cell)
    assert type(one) is type(other)
    again = pickle.loads(pickle.dumps(one))  # noqa: S301 - made here
    assert again == one
    assert type(again) is type(one)


def test_a_registered_class_that_loses_fields_is_reported(types: Any) -> None:
    """What the caller's class dropped is not made up."""

    class Partial:
        def __init__(self, **fields: Any) -> None:
            self.street = fields["street"]

    (convert,) = row_converters(
        [types.udt("address", {"street": "text", "zip": "int"})], aware_timestamps=False
    )
    assert convert is not None
    with pytest.raises(RequestError, match=r"Partial.*It needs all of them: street, zip"):
        convert(Partial(street="a", zip=1))


# --- maps -------------------------------------------------------------------------------


def test_maps_are_read_without_encoding_their_keys_again(
    types: Any, encode: Any, parse: Any, handler: Any
) -> None:
    """A key that the driver rounded would not be found again under its own bytes."""
    typ = types("map<timestamp, int>")
    cell = encode("map<timestamp, int>", {dt.datetime(9999, 12, 31, 23, 59, 59, 999_000): 1})
    ((decoded,),) = parse(handler, [typ], [[cell]]).parsed_rows
    assert [value for _, value in map_items(decoded)] == [1]
    assert map_items({1: 2}) == {1: 2}.items()


# --- rows -------------------------------------------------------------------------------


def test_rows_are_dicts_of_converted_values() -> None:
    """Converters get what isn't null, in their columns only."""
    seen: list[Any] = []

    def convert(value: Any) -> str:
        seen.append(value)
        return f"<{value}>"

    rows = build_rows(["a", "b", "c"], [(1, 2, 3), (None, None, None)], [None, convert, None])
    assert rows == [{"a": 1, "b": "<2>", "c": 3}, {"a": None, "b": None, "c": None}]
    assert [type(row) for row in rows] == [dict, dict]
    assert seen == [2]


@pytest.mark.parametrize(
    "name",
    [
        "[applied]",
        "system.count(*)",
        "Quoted Name",
        'a"b',
        "a'b",
        "a\\",
        "{x}",
        "v0",
        "c0",
        "rows",
        "\n",
        "č🐎",
        "",
        "__import__('os')",
    ],
)
def test_any_name_can_be_a_column(name: str) -> None:
    """A name is data, whatever it holds."""
    other = f"{name}'"
    assert build_rows([name, other], [(1, 2)], [str, None]) == [{name: "1", other: 2}]
    assert build_rows([name], [(1,), (2,)], [None]) == [{name: 1}, {name: 2}]


def test_shapes_of_rows() -> None:
    """No rows, no columns, and many columns."""
    assert build_rows(["a"], [], [None]) == []
    assert build_rows([], [(), ()], []) == [{}, {}]
    names = [f"c{n}" for n in range(1000)]
    assert build_rows(names, [tuple(range(1000))], [None] * 1000) == [
        dict(zip(names, range(1000), strict=True))
    ]


@pytest.mark.parametrize("rows", [[], [(1, 2, 3)]])
def test_equal_names_are_refused(rows: list[Any]) -> None:
    """A dict would lose one of the columns, whatever the rows hold."""
    with pytest.raises(InvalidQueryError, match="2 columns named 'a'"):
        build_rows(["a", "b", "a"], rows, [None] * 3)


def test_rows_of_one_shape_share_no_state() -> None:
    """Two results of one shape may have different converters."""
    assert build_rows(["a"], [(1,)], [str]) == [{"a": "1"}]
    assert build_rows(["a"], [(1,)], [float]) == [{"a": 1.0}]
    assert build_rows(["a"], [(1,)], [None]) == [{"a": 1}]
