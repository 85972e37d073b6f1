"""Values of every CQL type, to a real server and back."""

from __future__ import annotations

import datetime as dt
import ipaddress
import math
from array import array
from collections import namedtuple
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid1, uuid4

import pytest

from coodie.exceptions import ParameterError, ParameterTypeError, RequestError
from coodie.types import UNSET, Date, Duration, Time, Timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Api
    from tests.features import Features

pytestmark = pytest.mark.server

_UUID1 = uuid1()
_UUID4 = uuid4()
_UTC = dt.timezone.utc
_PLUS_3 = dt.timezone(dt.timedelta(hours=3))

#: CQL type, value bound, value read; where both are the same, the last is left out.
_ROUND_TRIPS: list[tuple[Any, ...]] = [
    ("ascii", "plain"),
    ("text", ""),
    ("text", "žluťoučký 🐎"),
    ("text", "x" * 100_000),
    ("blob", b""),
    ("blob", bytes(range(256))),
    ("blob", bytearray(b"\x00\x01"), b"\x00\x01"),
    ("blob", memoryview(b"abcd")[::2], b"ac"),
    ("boolean", True),
    ("boolean", False),
    ("tinyint", -128),
    ("smallint", 32767),
    ("int", -(2**31)),
    ("bigint", 2**63 - 1),
    ("varint", 0),
    ("varint", -(2**200)),
    ("varint", 2**20_000),
    ("float", 1.5),
    ("float", math.inf),
    ("float", 3.4028234663852886e38),
    ("double", -0.1),
    ("double", 7, 7.0),
    ("decimal", Decimal("-0.000000000000000000000000000123")),
    ("decimal", Decimal("1E+2147483647")),
    ("decimal", 10**100, Decimal(10**100)),
    ("uuid", _UUID4),
    ("uuid", UUID(int=0)),
    ("timeuuid", _UUID1),
    ("inet", "192.0.2.1"),
    ("inet", "2001:db8::1"),
    ("inet", ipaddress.ip_address("10.0.0.1"), "10.0.0.1"),
    ("inet", "::ffff:192.0.2.1"),
    ("date", dt.date.min),
    ("date", dt.date.max),
    ("date", dt.date(1969, 12, 31)),
    ("date", Date(0), dt.date(1970, 1, 1)),
    ("date", Date(-(2**31))),
    ("date", Date(2**31 - 1)),
    ("date", Date.from_date(dt.date.max), dt.date.max),
    ("time", dt.time.min),
    ("time", dt.time.max),
    ("time", Time(86_399_999_999_999)),
    ("time", Time(1000), dt.time(microsecond=1)),
    ("timestamp", dt.datetime(1, 1, 1)),
    ("timestamp", dt.datetime(9999, 12, 31, 23, 59, 59, 999_000)),
    (
        "timestamp",
        dt.datetime(9999, 12, 31, 23, 59, 59, 999_999),
        dt.datetime(9999, 12, 31, 23, 59, 59, 999_000),
    ),
    ("timestamp", dt.datetime(8000, 2, 3, 4, 5, 6, 789_000)),
    (
        "timestamp",
        dt.datetime(1969, 12, 31, 23, 59, 59, 999_500),
        dt.datetime(1969, 12, 31, 23, 59, 59, 999_000),
    ),
    ("timestamp", dt.datetime(2024, 7, 1, 12, tzinfo=_PLUS_3), dt.datetime(2024, 7, 1, 9)),
    ("timestamp", dt.date(2024, 7, 1), dt.datetime(2024, 7, 1)),
    ("timestamp", -1, dt.datetime(1969, 12, 31, 23, 59, 59, 999_000)),
    ("timestamp", Timestamp(253_402_300_800_000)),
    ("timestamp", Timestamp(-62_135_596_800_001)),
    ("timestamp", Timestamp(2**63 - 1)),
    ("timestamp", Timestamp(-(2**63))),
    ("timestamp", 1_484_300_000_000_000_000, Timestamp(1_484_300_000_000_000_000)),
    ("duration", Duration(0, 0, 0)),
    ("duration", Duration(2**31 - 1, 2**31 - 1, 2**63 - 1)),
    ("duration", Duration(-(2**31), -(2**31), -(2**63))),
    ("duration", Duration(1, 2, 3)),
    ("list<int>", [3, 1, 3]),
    ("list<int>", (3, 1), [3, 1]),
    ("list<int>", [], None),
    ("frozen<list<int>>", []),
    ("list<timestamp>", [dt.datetime(2024, 1, 1), Timestamp(-(2**60))]),
    ("list<date>", [dt.date(2024, 1, 1), Date(10**9)]),
    ("set<int>", {3, 1, 2}),
    ("set<text>", frozenset({"b", "a", "č"}), {"b", "a", "č"}),
    ("set<int>", [2, 1, 2], {1, 2}),
    ("set<timestamp>", {dt.datetime(2024, 1, 1), Timestamp(2**60)}),
    ("set<time>", {dt.time(1), Time(5)}),
    ("set<double>", {math.inf, -1.5, 0.0}),
    ("set<decimal>", {Decimal("1.10"), Decimal(-2)}),
    ("set<inet>", {"10.0.0.2", "::1"}),
    ("set<boolean>", {True, False}),
    ("map<text, int>", {"b": 2, "a": 1}),
    ("map<text, int>", (("b", 2), ("a", 1)), {"b": 2, "a": 1}),
    ("map<text, int>", {}, None),
    ("frozen<map<text, int>>", {}),
    ("map<timestamp, date>", {dt.datetime(9000, 1, 1, 0, 0, 0, 1000): dt.date(1, 1, 1)}),
    ("map<timestamp, int>", {Timestamp(2**60): 1, dt.datetime(2024, 1, 1): 2}),
    ("map<decimal, int>", {Decimal("1.0"): 1}),
    ("tuple<int, text, date>", (1, None, dt.date(2024, 1, 1))),
    ("tuple<int, text, date>", [None, None, None], (None, None, None)),
    ("list<frozen<list<int>>>", [[1], [], [2, 3]]),
    ("set<frozen<list<int>>>", {(2, 1), (1,)}),
    ("set<frozen<list<int>>>", [[2, 1], [1]], {(2, 1), (1,)}),
    ("set<frozen<set<text>>>", {frozenset("ba"), frozenset("c")}),
    ("set<frozen<map<text, int>>>", {(("a", 1), ("b", 2))}),
    ("set<frozen<map<text, int>>>", [{"b": 2, "a": 1}], {(("a", 1), ("b", 2))}),
    ("set<frozen<tuple<int, text>>>", {(1, "a"), (1, None)}),
    ("map<frozen<list<int>>, frozen<set<text>>>", {(1, 2): {"a", "b"}}),
    ("map<frozen<set<int>>, frozen<list<int>>>", {frozenset({2, 1}): [1]}),
    ("map<frozen<map<int, int>>, int>", {((1, 1), (2, 2)): 3}),
    ("map<int, frozen<map<text, frozen<list<date>>>>>", {1: {"a": [dt.date(2024, 1, 1)]}}),
    ("tuple<list<int>, set<int>, map<int, text>>", ([2, 1], {2, 1}, {2: "b", 1: "a"})),
    ("vector<float, 3>", [1.0, -0.5, math.inf]),
    ("vector<float, 2>", (1, 2), [1.0, 2.0]),
    ("vector<float, 2>", array("f", [1, 2]), [1.0, 2.0]),
    ("vector<float, 2>", memoryview(array("d", [1, 2])), [1.0, 2.0]),
    ("vector<float, 1536>", [0.5] * 1536),
    ("vector<int, 2>", [2**31 - 1, -1]),
    ("vector<boolean, 3>", [True, False, True]),
    ("vector<smallint, 2>", [1, -1]),
    ("vector<tinyint, 2>", [1, -1]),
    ("vector<bigint, 2>", [1, -1]),
    ("vector<varint, 2>", [2**100, -1]),
    ("vector<double, 2>", [0.1, math.inf]),
    ("vector<decimal, 2>", [Decimal("0.1"), Decimal(-5)]),
    ("vector<text, 3>", ["", "a", "x" * 300]),
    ("vector<ascii, 1>", ["a"]),
    ("vector<blob, 2>", [b"", b"\x00" * 20_000]),
    ("vector<uuid, 1>", [_UUID4]),
    ("vector<timeuuid, 1>", [_UUID1]),
    ("vector<inet, 2>", ["192.0.2.1", "::1"]),
    ("vector<date, 2>", [dt.date(2024, 1, 1), Date(-(2**31))]),
    ("vector<time, 2>", [dt.time(1), Time(1)]),
    ("vector<timestamp, 2>", [dt.datetime(2024, 1, 1), Timestamp(2**62)]),
    ("vector<duration, 1>", [Duration(1, 2, 3)]),
    ("vector<vector<float, 2>, 2>", [[1.0, 2.0], [3.0, 4.0]]),
    ("vector<vector<text, 1>, 2>", [["a"], ["b"]]),
    ("vector<list<int>, 2>", [[1, 2], []]),
    ("vector<set<int>, 1>", [{1, 2}]),
    ("vector<map<text, int>, 1>", [{"a": 1}]),
    ("vector<tuple<int, text>, 2>", [(1, "a"), (2, None)]),
    ("list<frozen<vector<float, 2>>>", [[1.0, 2.0]]),
    ("set<frozen<vector<float, 2>>>", {(1.0, 2.0), (0.5, 9.0)}),
    ("map<text, frozen<vector<int, 2>>>", {"a": [1, 2]}),
]


def _param(number: int, cql: str, case: Any) -> Any:
    marks = [pytest.mark.needs("vectors")] if "vector" in cql else []
    return pytest.param(case, marks=marks, id=f"{cql}-{number}")


@pytest.fixture(scope="module")
def wide(driver: Any, keyspace: str, features: Features) -> dict[str, str]:
    """Make a table with a column of each type; return the columns by their types."""
    types = dict.fromkeys(
        case[0] for case in _ROUND_TRIPS if "vectors" in features or "vector" not in case[0]
    )
    columns = {cql: f"c{n}" for n, cql in enumerate(types)}
    declared = ", ".join(f"{name} {cql}" for cql, name in columns.items())
    driver.execute(f"CREATE TABLE {keyspace}.wide (k int PRIMARY KEY, {declared})", [])
    return columns


@pytest.mark.parametrize("case", [_param(n, case[0], case) for n, case in enumerate(_ROUND_TRIPS)])
async def test_a_value_comes_back_as_it_was_bound(
    api: Api, keyspace: str, wide: dict[str, str], case: tuple[Any, ...]
) -> None:
    """What is bound is what is read, in plain Python types, nested ones included."""
    column, value, expected = wide[case[0]], case[1], case[-1]
    await api.execute(f"INSERT INTO {keyspace}.wide (k, {column}) VALUES (1, ?)", [value])
    (row,) = await api.execute(f"SELECT {column} FROM {keyspace}.wide WHERE k = 1", [])
    assert row == {column: expected}
    assert type(row[column]) is type(expected)
    # And what was read can be bound.
    await api.execute(f"INSERT INTO {keyspace}.wide (k, {column}) VALUES (2, ?)", [row[column]])
    (again,) = await api.execute(f"SELECT {column} FROM {keyspace}.wide WHERE k = 2", [])
    assert again == row


async def test_nan_comes_back(api: Api, keyspace: str, wide: dict[str, str]) -> None:
    """NaN is a value of float, double and vector."""
    for cql, value in (("float", math.nan), ("double", math.nan), ("vector<float, 2>", [math.nan, 1.0])):
        if cql not in wide:
            continue
        column = wide[cql]
        await api.execute(f"INSERT INTO {keyspace}.wide (k, {column}) VALUES (3, ?)", [value])
        (row,) = await api.execute(f"SELECT {column} FROM {keyspace}.wide WHERE k = 3", [])
        assert repr(row[column]) == repr(value)


async def test_every_type_takes_null_and_unset(api: Api, keyspace: str, wide: dict[str, str]) -> None:
    """None deletes a value, UNSET keeps it, whatever the type."""
    values = {wide[case[0]]: case[1] for case in _ROUND_TRIPS if case[0] in wide}
    names = list(values)
    insert = f"INSERT INTO {keyspace}.wide (k, {', '.join(names)}) VALUES (4{', ?' * len(names)})"
    select = f"SELECT {', '.join(names)} FROM {keyspace}.wide WHERE k = 4"
    await api.execute(insert, list(values.values()))
    before = await api.execute(select, [])
    await api.execute(insert, [UNSET] * len(names))
    assert await api.execute(select, []) == before
    await api.execute(insert, [None] * len(names))
    assert await api.execute(select, []) in ([], [dict.fromkeys(names)])


# --- what the drivers can't decode ------------------------------------------------------


async def test_undecodable_values_cost_one_request_at_most(api: Api, table: Callable[[str], str]) -> None:
    """Values that the driver's decoder refuses are read exactly or reported, and the connection stays."""
    name = table("k int PRIMARY KEY, ts timestamp, d decimal, t text, n time")
    digits = "9" * 5000
    await api.execute(f"INSERT INTO {name} (k, ts, d) VALUES (1, -9223372036854775808, {digits})", [])
    await api.execute(f"INSERT INTO {name} (k, t) VALUES (2, blobAsText(0xeda080))", [])
    await api.execute(f"INSERT INTO {name} (k, n) VALUES (3, blobAsTime(0x7fffffffffffffff))", [])
    for _ in range(3):
        (row,) = await api.execute(f"SELECT ts, d FROM {name} WHERE k = 1", [])
        assert row == {"ts": Timestamp(-(2**63)), "d": Decimal(10**5000 - 1)}
        with pytest.raises(RequestError, match=r"can't decode a value of 't' \(text\)") as text:
            await api.execute(f"SELECT k, t FROM {name} WHERE k = 2", [])
        assert isinstance(text.value.__cause__, UnicodeDecodeError)
        with pytest.raises(RequestError, match=r"can't decode a value of 'n' \(time\)"):
            await api.execute(f"SELECT n FROM {name}", [])
        (row,) = await api.execute(f"SELECT textAsBlob(t) AS t FROM {name} WHERE k = 2", [])
        assert row == {"t": b"\xed\xa0\x80"}
        # Of the first column alone, nothing beside it is looked at.
        assert await api.execute_one(f"SELECT k, t FROM {name} WHERE k = 2", []) == 2
    assert all(host.is_up for host in api.driver.session.cluster.metadata.all_hosts())


async def test_a_bad_value_leaves_the_rest_of_its_page_alone(api: Api, table: Callable[[str], str]) -> None:
    """One out-of-range value changes nothing for the other values of the page."""
    name = table("k int, n int, ts timestamp, s set<timestamp>, u uuid, l list<text>, PRIMARY KEY (k, n)")
    moment = dt.datetime(2024, 1, 1, 0, 0, 0, 1000)
    for n in range(5):
        ts = Timestamp(2**62) if n == 3 else moment
        await api.execute(
            f"INSERT INTO {name} (k, n, ts, s, u, l) VALUES (1, ?, ?, ?, ?, ?)",
            [n, ts, {ts, moment}, _UUID4, ["a", ""]],
        )
    rows = await api.execute(f"SELECT * FROM {name} WHERE k = 1", [])
    assert [row["n"] for row in rows] == list(range(5))
    for row in rows:
        ts = Timestamp(2**62) if row["n"] == 3 else moment
        assert row == {"k": 1, "n": row["n"], "ts": ts, "s": {ts, moment}, "u": _UUID4, "l": ["a", ""]}


# --- order ------------------------------------------------------------------------------

#: CQL type and literals in an order that isn't the server's.
_ELEMENTS = [
    ("int", ["3", "-1", "2"]),
    ("bigint", ["-5", "9", "0"]),
    ("varint", ["100000000000000000000", "-1", "7"]),
    ("smallint", ["300", "-300", "1"]),
    ("tinyint", ["100", "-100", "1"]),
    ("text", ["'b'", "'č'", "'a'", "''", "'🐎'", "'\uffff'", "'B'"]),
    ("ascii", ["'b'", "'a'", "'B'"]),
    ("blob", ["0xff", "0x00", "0x", "0x0001", "0x7f"]),
    ("boolean", ["true", "false"]),
    ("double", ["0.0", "NaN", "Infinity", "-Infinity", "1.5", "-2.5"]),
    ("float", ["0.0", "NaN", "-1.5", "Infinity"]),
    ("decimal", ["1.10", "-2", "1e10", "0.5"]),
    ("date", ["'2024-01-01'", "'-0500-01-01'", "'1969-12-31'"]),
    ("time", ["'23:00:00'", "'00:00:00.000000001'", "'12:00:00'"]),
    ("timestamp", ["0", "-1", "9223372036854775807", "-9223372036854775808", "1700000000000"]),
    ("inet", ["'10.0.0.2'", "'::1'", "'192.0.2.1'", "'9.0.0.1'", "'2001:db8::1'"]),
    (
        "uuid",
        [
            "ffffffff-ffff-4fff-bfff-ffffffffffff",
            "00000000-0000-4000-8000-000000000000",
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-0000-1000-8000-000000000000",
            "00000000-ffff-1000-8000-000000000000",
            "00000000-ffff-1000-8000-0000000000ff",
            "80000000-0000-4000-8000-000000000000",
            "018f0000-0000-7000-8000-000000000000",
        ],
    ),
    (
        "timeuuid",
        [
            "ffffffff-0000-1000-8000-000000000000",
            "00000000-ffff-1000-8000-000000000000",
            "00000000-ffff-1000-8000-0000000000ff",
            "00000000-ffff-1000-8000-00000000007f",
            "00000000-ffff-1000-bf00-ff0000000000",
            "00000000-ffff-1000-bf00-7f0000000000",
            "00000001-ffff-1fff-8000-000000000000",
        ],
    ),
    ("frozen<list<int>>", ["[2]", "[1, 5]", "[]", "[1]"]),
    ("frozen<set<text>>", ["{'b', 'a'}", "{'c'}", "{'a', 'b', 'c'}"]),
    ("frozen<map<int, text>>", ["{2: 'a'}", "{1: 'b', 5: 'a'}", "{1: 'a', 9: 'z'}"]),
    ("frozen<tuple<int, text>>", ["(1, 'a')", "(1, null)", "(null, 'b')", "(0, 'z')"]),
    ("frozen<vector<float, 2>>", ["[1.5, 0]", "[-1, 2]", "[1.5, -1]"]),
]


@pytest.mark.parametrize("case", [_param(n, case[0], case) for n, case in enumerate(_ELEMENTS)])
async def test_a_set_inside_a_tuple_is_one_key_however_it_is_ordered(
    api: Api, table: Callable[[str], str], case: tuple[str, list[str]]
) -> None:
    """A set in a tuple that is a key is found, though Cassandra puts such sets in no order itself."""
    cql, literals = case
    for kind, shown in (
        (f"set<{cql}>", "{" + ", ".join(literals) + "}"),
        (f"map<{cql}, int>", "{" + ", ".join(f"{literal}: 1" for literal in literals) + "}"),
    ):
        name = table(f"k frozen<tuple<{kind}, int>> PRIMARY KEY, v int")
        await api.execute(f"INSERT INTO {name} (k, v) VALUES (({shown}, 1), 7)", [])
        (row,) = await api.execute(f"SELECT k FROM {name}", [])
        elements = list(row["k"][0].items()) if kind.startswith("map") else list(row["k"][0])
        for given in (elements, elements[::-1], elements[1:] + elements[:1]):
            found = await api.execute(f"SELECT v FROM {name} WHERE k = ?", [(given, 1)])
            assert found == [{"v": 7}]


async def test_both_zeros_can_be_bound(api: Api, table: Callable[[str], str]) -> None:
    """Cassandra tells 0.0 from -0.0 in a set, Python doesn't: a list binds both, reading keeps one."""
    name = table("k frozen<tuple<set<double>, int>> PRIMARY KEY, v int")
    await api.execute(f"INSERT INTO {name} (k, v) VALUES (({{0.0, -0.0}}, 1), 7)", [])
    for zeros in ([0.0, -0.0], [-0.0, 0.0, 0.0]):
        assert await api.execute(f"SELECT v FROM {name} WHERE k = ?", [(zeros, 1)]) == [{"v": 7}]
    assert await api.execute(f"SELECT k FROM {name}", []) == [{"k": ({0.0}, 1)}]


# --- user types -------------------------------------------------------------------------


@dataclass
class _Address:
    street: str
    zip: int
    seen: dt.datetime | None = None


@pytest.fixture(scope="module")
def address(driver: Any, keyspace: str) -> str:
    """Make a user type; return its name."""
    driver.execute(f"CREATE TYPE {keyspace}.address (street text, zip int, seen timestamp)", [])
    return f"{keyspace}.address"


async def test_user_types_are_dicts(api: Api, table: Callable[[str], str], address: str) -> None:
    """A user type is bound from whatever has its fields, and comes back as a dict."""
    name = table(f"k int PRIMARY KEY, v {address}")
    whole: dict[str, Any] = {"street": "Hlavní", "zip": 11000, "seen": dt.datetime(2024, 1, 1)}
    by_name: Any = namedtuple("by_name", "seen zip street")  # noqa: PYI024 - as a user would
    for value in (
        whole,
        tuple(whole.values()),
        list(whole.values()),
        _Address(**whole),
        by_name(dt.datetime(2024, 1, 1), 11000, "Hlavní"),
    ):
        await api.execute(f"INSERT INTO {name} (k, v) VALUES (1, ?)", [value])
        (row,) = await api.execute(f"SELECT v FROM {name} WHERE k = 1", [])
        assert row == {"v": whole}
        assert type(row["v"]) is dict
    await api.execute(f"INSERT INTO {name} (k, v) VALUES (1, ?)", [{"zip": 1}])
    (row,) = await api.execute(f"SELECT v FROM {name} WHERE k = 1", [])
    assert row == {"v": {"street": None, "zip": 1, "seen": None}}


async def test_user_types_in_sets_and_keys_are_named_tuples(
    api: Api, table: Callable[[str], str], address: str
) -> None:
    """Where a dict can't stand, a named tuple does, which can be bound again."""
    name = table(f"k int PRIMARY KEY, s set<frozen<{address}>>, m map<frozen<{address}>, frozen<{address}>>")
    one = {"street": "a", "zip": 1, "seen": Timestamp(2**60)}
    await api.execute(f"INSERT INTO {name} (k, s, m) VALUES (1, ?, ?)", [[one], [(one, one)]])
    (row,) = await api.execute(f"SELECT s, m FROM {name} WHERE k = 1", [])
    assert row == {"s": {("a", 1, Timestamp(2**60))}, "m": {("a", 1, Timestamp(2**60)): one}}
    (element,) = row["s"]
    assert (element.street, element.zip) == ("a", 1)
    await api.execute(f"INSERT INTO {name} (k, s, m) VALUES (2, ?, ?)", [row["s"], row["m"]])
    assert await api.execute(f"SELECT s, m FROM {name} WHERE k = 2", []) == [row]


async def test_user_types_nest_and_grow(api: Api, keyspace: str, table: Callable[[str], str]) -> None:
    """User types nest; fields that a value was written without are null; odd names are kept."""
    await api.execute(
        f'CREATE TYPE IF NOT EXISTS {keyspace}.inner ("Class" int, "a b" frozen<list<date>>)', []
    )
    outer = f"outer_{'async' if api.is_async else 'sync'}"
    await api.execute(f"CREATE TYPE {keyspace}.{outer} (i frozen<inner>, t frozen<tuple<int, inner>>)", [])
    name = table(f"k int PRIMARY KEY, v frozen<{keyspace}.{outer}>, s set<frozen<{keyspace}.inner>>")
    inner = {"Class": 1, "a b": [dt.date(2024, 1, 1)]}
    value = {"i": inner, "t": (5, inner)}
    await api.execute(f"INSERT INTO {name} (k, v, s) VALUES (1, ?, ?)", [value, [inner]])
    (row,) = await api.execute(f"SELECT v, s FROM {name} WHERE k = 1", [])
    assert row == {"v": value, "s": {(1, (dt.date(2024, 1, 1),))}}
    await api.execute(f"INSERT INTO {name} (k, s) VALUES (2, ?)", [row["s"]])
    await api.execute(f"ALTER TYPE {keyspace}.{outer} ADD extra text", [])
    (row,) = await api.execute(f"SELECT v FROM {name} WHERE k = 1 ", [])
    assert row == {"v": {**value, "extra": None}}


# --- options and errors -----------------------------------------------------------------


async def test_parameters_by_name(api: Api, table: Callable[[str], str]) -> None:
    """A mapping is bound by the markers' names, each as often as it is used."""
    name = table("k int PRIMARY KEY, a int, b int")
    await api.execute(f"INSERT INTO {name} (k, a, b) VALUES (:k, :n, :n)", {"k": 1, "n": 5})
    assert await api.execute(f"SELECT a, b FROM {name} WHERE k = :k", {"k": 1}) == [{"a": 5, "b": 5}]
    await api.execute(f"INSERT INTO {name} (k, a, b) VALUES (?, ?, ?)", {"k": 2, "a": 1, "b": UNSET})
    assert await api.execute(f"SELECT a, b FROM {name} WHERE k = 2", []) == [{"a": 1, "b": None}]
    with pytest.raises(ParameterError, match="Several"):
        await api.execute(f"SELECT k FROM {name} WHERE a > ? AND a < ? ALLOW FILTERING", {"a": 1})
    with pytest.raises(ParameterError, match=r"Did you mean 'n'\?"):
        await api.execute(f"INSERT INTO {name} (k, a, b) VALUES (:k, :n, :n)", {"k": 1, "nn": 5})


async def test_a_wrong_value_names_its_column(api: Api, table: Callable[[str], str]) -> None:
    """The error tells the column, its CQL type and the value's type, and nothing is sent."""
    name = table("k int PRIMARY KEY, tags map<text, frozen<list<decimal>>>")
    with pytest.raises(ParameterTypeError) as wrong:
        await api.execute(f"INSERT INTO {name} (k, tags) VALUES (?, ?)", [1, {"secret": [1.5]}])
    error = wrong.value
    assert (error.column, error.cql_type, error.value_type) == ("tags", "map<text, list<decimal>>", "float")
    assert "secret" not in str(error)
    assert await api.execute(f"SELECT k FROM {name}", []) == []


def test_timestamps_can_be_aware(connect: Callable[..., Any], table: Callable[[str], str]) -> None:
    """With aware_timestamps, timestamps come back in UTC, nested ones, too."""
    name = table("k int PRIMARY KEY, t timestamp, l list<timestamp>, s set<timestamp>")
    aware = connect(aware_timestamps=True)
    moment = dt.datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=_UTC)
    far = Timestamp(2**60)
    aware.execute(
        f"INSERT INTO {name} (k, t, l, s) VALUES (1, ?, ?, ?)", [moment, [moment, far], {moment, far}]
    )
    assert aware.execute(f"SELECT t, l, s FROM {name}", []) == [
        {"t": moment, "l": [moment, far], "s": {moment, far}}
    ]
