"""Single values: what is accepted, what it is serialised to, and what is refused."""

from __future__ import annotations

import datetime as dt
import enum
import ipaddress
import random
import struct
import uuid
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from cassandra import util

from coodie.drivers.client.values.problems import type_name
from coodie.exceptions import ParameterError, ParameterTypeError
from coodie.types import UNSET, Date, Duration, Time, Timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

_UUID1 = uuid.UUID("2cd7c2d0-8e1f-11ee-b9d1-0242ac120002")
_UUID4 = uuid.UUID("7f0c7a2e-4b6d-4f0f-9a51-0d9b0c6c9d5e")
_UTC = dt.timezone.utc


class _Number(enum.IntEnum):
    ONE = 1


class _Name(str, enum.Enum):
    FIRST = "first"


class _Index:
    def __index__(self) -> int:
        return -2


_DAY = 2**31 + 19_723  # 2024-01-01

_ACCEPTED: list[tuple[str, Any, bytes]] = [
    ("ascii", "a\x7f", b"a\x7f"),
    ("text", "", b""),
    ("text", "č🐎", "č🐎".encode()),
    ("text", _Name.FIRST, b"first"),
    ("blob", b"\x00", b"\x00"),
    ("blob", bytearray(b"ab"), b"ab"),
    ("blob", memoryview(b"abcd")[::-2], b"db"),
    ("blob", memoryview(b""), b""),
    ("boolean", True, b"\x01"),
    ("boolean", False, b"\x00"),
    ("tinyint", 127, b"\x7f"),
    ("smallint", -(2**15), b"\x80\x00"),
    ("int", _Number.ONE, b"\x00\x00\x00\x01"),
    ("int", _Index(), b"\xff\xff\xff\xfe"),
    ("bigint", 2**63 - 1, b"\x7f" + b"\xff" * 7),
    ("counter", -1, b"\xff" * 8),
    ("varint", 0, b"\x00"),
    ("varint", 128, b"\x00\x80"),
    ("varint", -129, b"\xff\x7f"),
    ("varint", _Number.ONE, b"\x01"),
    ("float", 1.5, struct.pack(">f", 1.5)),
    ("float", 3.4028235677973362e38, struct.pack(">f", 3.4028234663852886e38)),
    ("float", float("-inf"), struct.pack(">f", float("-inf"))),
    ("float", 2, struct.pack(">f", 2)),
    ("double", float("nan"), struct.pack(">d", float("nan"))),
    ("double", 2**53, struct.pack(">d", 2**53)),
    ("double", Fraction(1, 4), struct.pack(">d", 0.25)),
    ("decimal", Decimal("-1.23"), b"\x00\x00\x00\x02\x85"),
    ("decimal", Decimal("1E+3"), b"\xff\xff\xff\xfd\x01"),
    ("decimal", 5, b"\x00\x00\x00\x00\x05"),
    ("uuid", _UUID4, _UUID4.bytes),
    ("timeuuid", _UUID1, _UUID1.bytes),
    ("timeuuid", util.min_uuid_from_time(0), util.min_uuid_from_time(0).bytes),
    ("timeuuid", util.max_uuid_from_time(0), util.max_uuid_from_time(0).bytes),
    ("inet", "192.0.2.1", bytes([192, 0, 2, 1])),
    ("inet", "::1", bytes(15) + b"\x01"),
    ("inet", "::ffff:192.0.2.1", bytes(10) + b"\xff\xff" + bytes([192, 0, 2, 1])),
    ("inet", ipaddress.ip_address("10.0.0.1"), bytes([10, 0, 0, 1])),
    ("inet", ipaddress.ip_address("2001:db8::"), b"\x20\x01\x0d\xb8" + bytes(12)),
    ("date", dt.date(2024, 1, 1), struct.pack(">I", _DAY)),
    ("date", dt.date.min, struct.pack(">I", 2**31 - 719_162)),
    ("date", dt.date.max, struct.pack(">I", 2**31 + 2_932_896)),
    ("date", Date(-(2**31)), b"\x00" * 4),
    ("date", Date(2**31 - 1), b"\xff" * 4),
    ("date", util.Date(0), b"\x80\x00\x00\x00"),
    ("time", dt.time(0, 0, 0, 1), struct.pack(">q", 1000)),
    ("time", dt.time.max, struct.pack(">q", 86_399_999_999_000)),
    ("time", Time(86_399_999_999_999), struct.pack(">q", 86_399_999_999_999)),
    ("time", util.Time(5), struct.pack(">q", 5)),
    ("timestamp", dt.datetime(1970, 1, 1, 0, 0, 0, 1999), struct.pack(">q", 1)),
    ("timestamp", dt.datetime(1969, 12, 31, 23, 59, 59, 999_999), struct.pack(">q", -1)),
    ("timestamp", dt.datetime(1, 1, 1), struct.pack(">q", -62_135_596_800_000)),
    ("timestamp", dt.datetime(9999, 12, 31, 23, 59, 59, 999_999), struct.pack(">q", 253_402_300_799_999)),
    (
        "timestamp",
        dt.datetime(1970, 1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))),
        struct.pack(">q", 0),
    ),
    ("timestamp", dt.datetime.min.replace(tzinfo=_UTC), struct.pack(">q", -62_135_596_800_000)),
    (
        "timestamp",
        dt.datetime.max.replace(tzinfo=dt.timezone(dt.timedelta(hours=-1))),
        struct.pack(">q", 253_402_300_799_999 + 3_600_000),
    ),
    ("timestamp", dt.date(1970, 1, 2), struct.pack(">q", 86_400_000)),
    ("timestamp", Timestamp(-(2**63)), struct.pack(">q", -(2**63))),
    ("timestamp", 2**63 - 1, struct.pack(">q", 2**63 - 1)),
    ("timestamp", _Number.ONE, struct.pack(">q", 1)),
    ("duration", Duration(1, 2, 3), b"\x02\x04\x06"),
    ("duration", util.Duration(-1, 0, -3), b"\x01\x00\x05"),
]


@pytest.mark.parametrize(("cql", "value", "data"), _ACCEPTED, ids=lambda v: v if isinstance(v, str) else None)
def test_an_accepted_value_is_serialised_exactly(
    encode: Callable[[str, Any], bytes], cql: str, value: Any, data: bytes
) -> None:
    """The bytes are those of the protocol's specification (native_protocol_v5.spec, section 6)."""
    assert encode(cql, value) == data


_WRONG_TYPES: list[tuple[str, Any]] = [
    ("ascii", b"a"),
    ("text", b"a"),
    ("text", 1),
    ("blob", "a"),
    ("blob", 5),
    ("blob", [1, 2]),
    ("boolean", 1),
    ("boolean", "true"),
    ("int", 1.0),
    ("int", "1"),
    ("int", True),
    ("bigint", Decimal(1)),
    ("counter", False),
    ("varint", 1.0),
    ("varint", True),
    ("float", "1"),
    ("float", True),
    ("double", Decimal(1)),
    ("double", 1j),
    ("decimal", 1.5),
    ("decimal", "1.5"),
    ("decimal", True),
    ("uuid", str(_UUID4)),
    ("uuid", _UUID4.bytes),
    ("timeuuid", str(_UUID1)),
    ("inet", 1),
    ("inet", b"\x7f\x00\x00\x01"),
    ("inet", ipaddress.ip_network("10.0.0.0/8")),
    ("date", dt.datetime(2024, 1, 1)),
    ("date", 1),
    ("date", "2024-01-01"),
    ("date", Timestamp(1)),
    ("time", dt.datetime(2024, 1, 1)),
    ("time", 1),
    ("time", "12:00:00"),
    ("timestamp", 1.5),
    ("timestamp", "2024-01-01"),
    ("timestamp", True),
    ("timestamp", Date(1)),
    ("duration", dt.timedelta(1)),
    ("duration", 1),
]


@pytest.mark.parametrize(("cql", "value"), _WRONG_TYPES, ids=lambda v: v if isinstance(v, str) else None)
def test_a_wrong_type_is_refused(bind: Callable[[str, Any], Any], cql: str, value: Any) -> None:
    """What a lenient serialiser would store as something else raises, naming column and types."""
    with pytest.raises(ParameterTypeError) as wrong:
        bind(cql, value)
    error = wrong.value
    assert (error.column, error.cql_type, error.value_type) == ("c", cql, type_name(type(value)))
    assert "expected " in str(error)
    assert error.__cause__ is None


_WRONG_VALUES: list[tuple[str, Any]] = [
    ("ascii", "č"),
    ("text", "a\ud800"),
    ("tinyint", 131),
    ("smallint", -(2**15) - 1),
    ("int", 2**31),
    ("bigint", 2**63),
    ("counter", -(2**63) - 1),
    ("float", 3.4028235677973366e38),
    ("float", 10**400),
    ("double", 10**400),
    ("decimal", Decimal("NaN42")),
    ("decimal", Decimal("-Infinity")),
    ("decimal", Decimal("1E+2147483648")),
    ("decimal", Decimal("1E-2147483648")),
    ("timeuuid", _UUID4),
    ("inet", "1.2"),
    ("inet", "010.0.0.1"),
    ("inet", "fe80::1%eth0"),
    ("inet", "localhost"),
    ("date", util.Date(2**31)),
    ("time", dt.time(1, tzinfo=_UTC)),
    ("time", util.Time(-1)),
    ("timestamp", 2**63),
    ("timestamp", -(2**63) - 1),
    ("duration", util.Duration(1, -1, 0)),
    ("duration", util.Duration(2**31, 0, 0)),
]


@pytest.mark.parametrize(("cql", "value"), _WRONG_VALUES, ids=lambda v: v if isinstance(v, str) else None)
def test_a_value_out_of_range_is_refused(bind: Callable[[str, Any], Any], cql: str, value: Any) -> None:
    """A value of the right type that the column can't hold raises, without being told."""
    with pytest.raises(ParameterError) as wrong:
        bind(cql, value)
    assert not isinstance(wrong.value, ParameterTypeError)
    assert f"('c', {cql}): " in str(wrong.value)
    assert str(value) not in str(wrong.value)


def test_a_decimal_of_too_many_digits_is_refused(bind: Callable[[str, Any], Any]) -> None:
    """The drivers can't serialise more digits than Python turns into an int at once."""
    with pytest.raises(ParameterError, match=r"at most 4,300"):
        bind("decimal", Decimal("1" * 4301))
    assert bind("decimal", Decimal("1" * 4300)) == Decimal("1" * 4300)


def test_naive_and_unknown_zones_are_utc(bind: Callable[[str, Any], Any]) -> None:
    """A datetime whose zone doesn't know its offset is naive by Python's rules, so it is UTC."""

    class Unknown(dt.tzinfo):
        def utcoffset(self, _: Any) -> None:
            return None

        def dst(self, _: Any) -> None:
            return None

        def tzname(self, _: Any) -> None:
            return None

    assert bind("timestamp", dt.datetime(1970, 1, 2, tzinfo=Unknown())) == 86_400_000


def test_random_values_come_back_exactly(
    encode: Callable[[str, Any], bytes], read: Callable[..., Any], handler: Any
) -> None:
    """Whatever is bound is what is read, through either parser, over the whole range of years 1 to 9999."""
    rng = random.Random(7)
    first, last = -62_135_596_800_000, 253_402_300_799_999
    epoch = dt.datetime(1970, 1, 1)
    for _ in range(300):
        # The ends of the range more often: floats are worst there.
        milliseconds = rng.choice(
            [rng.randint(first, last), first + rng.randrange(10**6), last - rng.randrange(10**6)]
        )
        values: list[tuple[str, Any]] = [
            ("timestamp", epoch + milliseconds * dt.timedelta(milliseconds=1)),
            ("date", dt.date.fromordinal(rng.randint(1, dt.date.max.toordinal()))),
            ("time", (epoch + dt.timedelta(microseconds=rng.randrange(86_400 * 10**6))).time()),
            ("varint", rng.randint(-(2 ** rng.randrange(1, 300)), 2 ** rng.randrange(1, 300))),
            ("decimal", Decimal(rng.randint(-(10**30), 10**30)).scaleb(rng.randint(-50, 50))),
            ("double", rng.uniform(-1e300, 1e300)),
            ("uuid", uuid.UUID(int=rng.getrandbits(128))),
            ("blob", rng.randbytes(rng.randrange(20))),
            (
                "duration",
                Duration(
                    rng.randrange(2 ** rng.randrange(1, 32)), 0, rng.randrange(2 ** rng.randrange(1, 64))
                ),
            ),
        ]
        for cql, value in values:
            assert read(handler, cql, encode(cql, value)) == value


def test_values_beyond_python_come_back_raw(
    encode: Callable[[str, Any], bytes], read: Callable[..., Any], exact_handler: Any
) -> None:
    """Days, times and moments that datetime can't hold come back as the numbers that they are."""
    rng = random.Random(8)
    for _ in range(300):
        values = [
            ("timestamp", Timestamp(rng.choice([-1, 1]) * rng.randint(2**48, 2**63 - 1))),
            ("date", Date(rng.choice([-1, 1]) * rng.randint(3_000_000, 2**31 - 1))),
            ("time", Time(rng.randrange(86_400 * 10**6) * 1000 + rng.randint(1, 999))),
        ]
        for cql, value in values:
            assert read(exact_handler, cql, encode(cql, value)) == value


def test_unset_never_stands_inside_a_value(bind: Callable[[str, Any], Any]) -> None:
    """UNSET is for a whole column."""
    for cql, value in (
        ("list<int>", [UNSET]),
        ("tuple<int, int>", (1, UNSET)),
        ("map<int, int>", {1: UNSET}),
    ):
        with pytest.raises(ParameterTypeError, match="got UNSET"):
            bind(cql, value)
