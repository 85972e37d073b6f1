"""Values of every CQL type, to a real server and back: as they were bound, or refused before sending."""

from __future__ import annotations

import datetime as dt
import ipaddress
import math
import struct
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import open_driver
from tests.integration.ways import Ways

from coodie.exceptions import ParameterError
from coodie.registry import DriverRegistry, using_registry
from coodie.types import Date, Duration, Time, Timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.server, pytest.mark.reliability, pytest.mark.timeout(600)]

EXAMPLES = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
        HealthCheck.data_too_large,
        HealthCheck.large_base_example,
    ],
)

_FIRST, _LAST = dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999_999)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)


@dataclass(frozen=True)
class Case:
    """A CQL type.

    Args:
        cql: The type.
        good: Values that it holds.
        same: Returns what two values have in common that are the same to the type.
        odd: Values around and beyond its edges: held or refused.
    """

    cql: str
    good: st.SearchStrategy[Any]
    same: Callable[[Any], Any] = lambda value: value
    odd: st.SearchStrategy[Any] = field(default_factory=st.nothing)


# --- single values ----------------------------------------------------------------------


def _integer(cql: str, bits: int) -> Case:
    least, most = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    good = st.integers(least, most) | st.sampled_from([least, least + 1, -1, 0, most - 1, most])
    return Case(cql, good, odd=st.sampled_from([least - 1, most + 1, 2 * most + 1, True, 1.0, Decimal(1)]))


def _as_float(cql: str, form: str) -> Case:
    def same(value: float) -> Any:
        return "nan" if math.isnan(value) else struct.pack(form, value)

    width = struct.calcsize(form) * 8
    least, most = (5e-324, 1.7976931348623157e308) if width == 64 else (2.0**-149, (2 - 2**-23) * 2.0**127)
    edges = [math.nan, math.inf, -math.inf, 0.0, -0.0, least, -least, most, -most, least / 2, 1 / 3]
    beyond = st.sampled_from([2**1024, 10**400, Decimal("0.1"), "1.0", most * 1.01, -most * 1.01])
    return Case(cql, st.floats(width=width) | st.sampled_from(edges), same, beyond)  # type: ignore[arg-type]  # 32 or 64


def _milliseconds(moment: Any) -> Any:
    if isinstance(moment, Timestamp):
        return moment.milliseconds
    aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.timezone.utc)
    return (aware - _EPOCH) // dt.timedelta(milliseconds=1)


def _days(day: Any) -> Any:
    return day.days if isinstance(day, Date) else day.toordinal() - _EPOCH.toordinal()


def _nanoseconds(time: Any) -> Any:
    return time.nanoseconds if isinstance(time, Time) else Time.from_time(time).nanoseconds


def _address(value: Any) -> Any:
    """Compare as the server does in collections, to which an IPv4 address is the same in IPv6's form."""
    address = ipaddress.ip_address(value)
    return getattr(address, "ipv4_mapped", None) or address


def _decimal(value: Any) -> Any:
    """Compare digits and scale, too; CQL's zero has no sign."""
    number = Decimal(value)
    return number.as_tuple() if number else ("zero", number.as_tuple().exponent)


@st.composite
def _durations(draw: st.DrawFn) -> Duration:
    sign = draw(st.sampled_from([1, -1]))
    parts = [draw(st.integers(0, 2**bits - 1) | st.sampled_from([0, 2**bits - 1])) for bits in (31, 31, 63)]
    return Duration(*[sign * part for part in parts])


_UNICODE = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
_TIMEZONES = st.sampled_from([dt.timezone.utc, dt.timezone(dt.timedelta(hours=14)), dt.timezone.min])

INT = _integer("int", 32)
TEXT = Case(
    "text",
    _UNICODE | st.sampled_from(["", "\0", "\U0010ffff", "e\u0301", "\ufeff", "x" * 70_000]),
    odd=st.sampled_from(["\ud800", "a\udfff", b"bytes", 5]),
)
TIMESTAMP = Case(
    "timestamp",
    st.datetimes() | st.integers(-(2**63), 2**63 - 1).map(Timestamp)
    # Near the first and the last year, the moment in UTC is in another one.
    | st.datetimes(dt.datetime(2, 1, 1), dt.datetime(9998, 1, 1), timezones=_TIMEZONES)
    | st.sampled_from([_FIRST, _LAST, Timestamp(2**63 - 1), Timestamp(-(2**63))]),
    _milliseconds,
    st.sampled_from([
        _FIRST.replace(tzinfo=dt.timezone(dt.timedelta(hours=14))),
        _LAST.replace(tzinfo=dt.timezone.min),
        "2024-01-01",
    ]),
)  # fmt: skip
DATE = Case(
    "date",
    st.dates() | st.integers(-(2**31), 2**31 - 1).map(Date) | st.sampled_from([dt.date.min, dt.date.max]),
    _days,
    st.sampled_from([5, "2024-01-01", dt.datetime(2024, 1, 1)]),
)
DECIMAL = Case(
    "decimal",
    st.decimals(allow_nan=False, allow_infinity=False) | st.integers(-(2**300), 2**300).map(Decimal)
    | st.sampled_from([Decimal(each) for each in ("1E+2147483647", "1E-2147483647", "-0.00", "1.10")]),
    _decimal,
    st.sampled_from([Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal("-Infinity"), 0.1, "1.0",
                     Decimal("1E+2147483648"), Decimal("1E-2147483648"), Decimal("1E-2147483649")]),
)  # fmt: skip
INET = Case(
    "inet",
    st.ip_addresses() | st.ip_addresses().map(str)
    | st.sampled_from(["0.0.0.0", "255.255.255.255", "::", "::1", "::ffff:192.0.2.1"]),  # noqa: S104 - a value
    _address,
    st.sampled_from(["fe80::1%eth0", "1.2", "1.2.3.4/8", "", "localhost", 5, b"\1\2\3\4"]),
)  # fmt: skip
UUID = Case("uuid", st.uuids(allow_nil=True), odd=st.sampled_from(["no uuid", 5, b"\0" * 16]))

SINGLE = [
    Case("ascii", st.text(st.characters(max_codepoint=127), max_size=30), odd=st.sampled_from(["é", b"a"])),
    TEXT,
    Case(
        "blob",
        st.binary(max_size=40) | st.binary(max_size=40).map(bytearray) | st.just(b"\0" * 100_000),
        bytes,
        st.sampled_from(["text", 5, [1, 2]]),
    ),
    Case("boolean", st.booleans(), odd=st.sampled_from([0, 1, "true"])),
    _integer("tinyint", 8),
    _integer("smallint", 16),
    INT,
    _integer("bigint", 64),
    Case(
        "varint",
        st.integers() | st.sampled_from([0, -1, 127, 128, -128, -129, 255, 256, 2**64, -(2**64), 2**5000]),
        odd=st.sampled_from([True, 1.0, "1"]),
    ),
    _as_float("float", ">f"),
    _as_float("double", ">d"),
    DECIMAL,
    INET,
    UUID,
    Case("timeuuid", st.uuids(version=1), odd=st.uuids(version=4) | st.uuids(allow_nil=True)),
    DATE,
    Case(
        "time",
        st.times()
        | st.integers(0, 86_399_999_999_999).map(Time)
        | st.sampled_from([dt.time.min, dt.time.max]),
        _nanoseconds,
        st.sampled_from([5, "12:00", dt.time(tzinfo=dt.timezone.utc)]),
    ),
    TIMESTAMP,
    Case("duration", _durations(), odd=st.timedeltas()),
]


# --- values made of values --------------------------------------------------------------


def _list(inner: Case, *, frozen: bool = False, smallest: int = 0, cql: str = "") -> Case:
    kind = cql or (f"frozen<list<{inner.cql}>>" if frozen else f"list<{inner.cql}>")

    def same(values: Any) -> Any:
        # A collection that isn't frozen has no place for "empty": it is null.
        return tuple(map(inner.same, values or ()))

    good = st.lists(inner.good, min_size=smallest, max_size=4)
    return Case(kind, good | good.map(tuple), same, st.lists(inner.odd, min_size=1, max_size=2))


def _set(inner: Case) -> Case:
    def same(values: Any) -> Any:
        return frozenset(map(inner.same, values or ()))

    good = st.lists(inner.good, max_size=5)
    return Case(f"set<{inner.cql}>", good, same, st.lists(inner.odd, min_size=1, max_size=2))


def _map(key: Case, value: Case, *, frozen: bool = False) -> Case:
    def same(pairs: Any) -> Any:
        return {key.same(each): value.same(item) for each, item in (pairs or {}).items()}

    kind = f"map<{key.cql}, {value.cql}>"
    good = st.dictionaries(key.good, value.good, max_size=4)
    odd = st.dictionaries(key.good, value.odd, min_size=1, max_size=2)
    return Case(f"frozen<{kind}>" if frozen else kind, good, same, odd)


def _tuple(*inner: Case) -> Case:
    def same(values: Any) -> Any:
        return tuple(
            None if value is None else each.same(value) for each, value in zip(inner, values, strict=True)
        )

    kind = f"frozen<tuple<{', '.join(each.cql for each in inner)}>>"
    good = st.tuples(*[st.none() | each.good for each in inner])
    return Case(
        kind, good, same, st.lists(st.none(), max_size=5).filter(lambda each: len(each) != len(inner))
    )


def _vector(inner: Case, size: int) -> Case:
    good = st.lists(inner.good, min_size=size, max_size=size)
    wrong = st.lists(inner.good, max_size=size + 2).filter(lambda each: len(each) != size)
    return Case(f"vector<{inner.cql}, {size}>", good, lambda values: tuple(map(inner.same, values)), wrong)


def _user_type(name: str, **fields: Case) -> Case:
    def same(value: Any) -> Any:
        given = {field: value.get(field) for field in fields}
        return {field: None if item is None else fields[field].same(item) for field, item in given.items()}

    good = st.fixed_dictionaries(
        {}, optional={field: st.none() | each.good for field, each in fields.items()}
    )
    return Case(f"frozen<{name}>", good.filter(bool), same, st.sampled_from([{"no_such": 1}, 5, "text"]))


SHORT = Case("text", _UNICODE, odd=TEXT.odd)
ADDRESS = _user_type("address", street=SHORT, number=INT, since=TIMESTAMP, tags=_list(SHORT, frozen=True))

COMPOUND = [
    *map(_list, SINGLE),
    _list(TEXT, frozen=True),
    _list(_list(INT, frozen=True)),
    *map(_set, (INT, SHORT, replace(DECIMAL, same=Decimal), INET, UUID, TIMESTAMP, DATE)),
    _map(SHORT, INT),
    _map(TIMESTAMP, DECIMAL),
    _map(INT, _map(SHORT, _list(DATE, frozen=True), frozen=True)),
    _tuple(INT, TEXT, DATE, DECIMAL),
    _tuple(_list(INT, frozen=True), ADDRESS),
    _vector(_as_float("float", ">f"), 3),
    _vector(TEXT, 2),
    _vector(_vector(_as_float("float", ">f"), 2), 2),
    ADDRESS,
    _list(ADDRESS),
]
CASES = SINGLE + COMPOUND


@dataclass
class Store:
    """A row with a column of each type, and the way to it.

    Args:
        driver: The driver.
        table: The table.
        fast: Whether requests go the fast path.
    """

    driver: Any
    table: str
    fast: bool
    #: How many requests there were.
    requests: int = 0

    async def there_and_back(self, number: int, value: Any, *, is_async: bool) -> Any:
        """Write a value to the column of that number, and read it."""
        column = f"c{number}"
        self.requests += 2
        write, read = (
            f"UPDATE {self.table} SET {column} = ? WHERE k = 1",
            f"SELECT {column} FROM {self.table} WHERE k = ?",
        )
        if is_async:
            await self.driver.execute_async(write, [value])
            (row,) = await self.driver.execute_async(read, [1])
        else:
            self.driver.execute(write, [value])
            (row,) = self.driver.execute(read, [1])
        return row[column]


@pytest.fixture(scope="module", params=[True, False], ids=["fast", "driver's"])
def store(
    request: pytest.FixtureRequest, cassandra_node: Any, driver: Any, keyspace: str, backend: str
) -> Iterator[Store]:
    """Make the table, and a driver with or without the fast path; see that requests went its way."""
    name = f"{keyspace}.values_{request.param}".lower()
    driver.execute(
        f"CREATE TYPE IF NOT EXISTS {keyspace}.address "
        "(street text, number int, since timestamp, tags frozen<list<text>>)",
        [],
    )
    columns = ", ".join(f"c{number} {case.cql}" for number, case in enumerate(CASES))
    driver.execute(f"CREATE TABLE {name} (k int PRIMARY KEY, {columns}, here boolean)", [])
    driver.execute(f"INSERT INTO {name} (k, here) VALUES (1, true)", [])
    with using_registry(DriverRegistry()):
        options = cassandra_node.connection_options() | {"keyspace": keyspace, "fast_path": request.param}
        opened = open_driver(backend, **options)
    ways = Ways(opened)
    if request.param:
        ways.warm(f"SELECT here FROM {name} WHERE k = ?", [1])
    before = ways.drivers
    found = Store(opened, name, request.param)
    yield found
    share = (ways.drivers - before) / max(1, found.requests)
    opened.close()
    assert share < 0.5 if request.param else share > 0.5


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case.cql for case in CASES])
@EXAMPLES
@given(data=st.data())
async def test_there_and_back(number: int, data: st.DataObject, store: Store) -> None:
    """Values of each type are read as written; those out of range raise an error before sending."""
    case = CASES[number]
    value, held = data.draw(st.tuples(case.good, st.just(True)) | st.tuples(case.odd, st.just(False)))
    try:
        found = await store.there_and_back(number, value, is_async=data.draw(st.booleans()))
    except ParameterError:
        assert not held
    else:
        assert case.same(found) == case.same(value)
