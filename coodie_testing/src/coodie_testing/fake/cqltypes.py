"""CQL types as a server has them: their names, their notation on the wire, and their values as bytes.

Standard library and ``coodie.protocol`` alone: a fake server serves clients of every kind.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from struct import Struct
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from coodie.protocol.codec import INT, SHORT, Reader, encode_bytes
from coodie.types import Date, Duration, Time, Timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Column", "CqlType", "parse_type", "type_of"]

_EPOCH = dt.datetime(1970, 1, 1)
_DAY = _EPOCH.toordinal()
_MILLISECOND = dt.timedelta(milliseconds=1)
_FIRST_DAY = 2**31
_NAME = re.compile(r"\s*([a-z_]+|[<>,])")

_LIST, _MAP, _SET, _TUPLE = 0x20, 0x21, 0x22, 0x31
_COLLECTIONS = {"list": _LIST, "map": _MAP, "set": _SET, "tuple": _TUPLE}


class _Scalar(NamedTuple):
    """How a type without parts is written.

    Attributes:
        code: Its number in an [option] (section 4.2.5.2).
        encode: Makes bytes of a value.
        decode: Makes a value of bytes.
    """

    code: int
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


def _fixed(code: int, layout: str) -> _Scalar:
    struct = Struct(layout)
    return _Scalar(code, struct.pack, lambda data: struct.unpack(data)[0])


def _encode_integer(value: int) -> bytes:
    return int(value).to_bytes(((value if value >= 0 else ~value).bit_length() // 8) + 1, "big", signed=True)


def _decode_integer(data: bytes) -> int:
    return int.from_bytes(data, "big", signed=True)


def _encode_decimal(value: Decimal) -> bytes:
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise TypeError(f"{value} has no scale.")
    unscaled = int("".join(map(str, digits)) or "0")
    return INT.pack(-exponent) + _encode_integer(-unscaled if sign else unscaled)


def _decode_decimal(data: bytes) -> Decimal:
    return Decimal(_decode_integer(data[4:])).scaleb(-INT.unpack(data[:4])[0])


def _encode_timestamp(value: dt.datetime | Timestamp) -> bytes:
    if isinstance(value, Timestamp):
        return value.milliseconds.to_bytes(8, "big", signed=True)
    naive = value if value.tzinfo is None else value.astimezone(dt.timezone.utc).replace(tzinfo=None)
    return ((naive - _EPOCH) // _MILLISECOND).to_bytes(8, "big", signed=True)


def _decode_timestamp(data: bytes) -> dt.datetime:
    return _EPOCH + _decode_integer(data) * _MILLISECOND


def _encode_date(value: dt.date | Date) -> bytes:
    days = value.days if isinstance(value, Date) else value.toordinal() - _DAY
    return (days + _FIRST_DAY).to_bytes(4, "big")


def _decode_date(data: bytes) -> dt.date:
    return dt.date.fromordinal(int.from_bytes(data, "big") - _FIRST_DAY + _DAY)


def _encode_time(value: dt.time | Time) -> bytes:
    if isinstance(value, Time):
        return value.nanoseconds.to_bytes(8, "big")
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    return ((seconds * 10**6 + value.microsecond) * 1000).to_bytes(8, "big")


def _decode_time(data: bytes) -> dt.time:
    seconds, rest = divmod(int.from_bytes(data, "big"), 10**9)
    return dt.time(seconds // 3600, seconds // 60 % 60, seconds % 60, rest // 1000)


def _encode_vint(value: int) -> bytes:
    """Make a [vint]: the number of leading ones says how many bytes follow (section 3)."""
    zigzag = value << 1 if value >= 0 else (~value << 1) | 1
    extra = next((n for n in range(8) if zigzag < 1 << (7 * (n + 1))), 8)
    lead = (0xFF << (8 - extra)) & 0xFF
    return (zigzag | lead << (8 * extra)).to_bytes(extra + 1, "big")


def _decode_vint(reader: Reader) -> int:
    first = reader.read_byte()
    extra = next((n for n in range(8) if not first & (0x80 >> n)), 8)
    kept = first & (0xFF >> min(extra + 1, 8)) if extra < 8 else 0
    zigzag = kept << (8 * extra) | int.from_bytes(reader.take(extra), "big")
    return (zigzag >> 1) ^ -(zigzag & 1)


def _encode_duration(value: Any) -> bytes:
    return b"".join(map(_encode_vint, (value.months, value.days, value.nanoseconds)))


def _decode_duration(data: bytes) -> Duration:
    reader = Reader(data)
    return Duration(_decode_vint(reader), _decode_vint(reader), _decode_vint(reader))


_TEXT = (str.encode, bytes.decode)
_SCALARS = {
    "ascii": _Scalar(0x01, *_TEXT),
    "bigint": _fixed(0x02, ">q"),
    "blob": _Scalar(0x03, bytes, bytes),
    "boolean": _fixed(0x04, ">?"),
    "counter": _fixed(0x05, ">q"),
    "decimal": _Scalar(0x06, _encode_decimal, _decode_decimal),
    "double": _fixed(0x07, ">d"),
    "float": _fixed(0x08, ">f"),
    "int": _fixed(0x09, ">i"),
    "timestamp": _Scalar(0x0B, _encode_timestamp, _decode_timestamp),
    "uuid": _Scalar(0x0C, lambda value: value.bytes, lambda data: UUID(bytes=data)),
    "text": _Scalar(0x0D, *_TEXT),
    "varchar": _Scalar(0x0D, *_TEXT),
    "varint": _Scalar(0x0E, _encode_integer, _decode_integer),
    "timeuuid": _Scalar(0x0F, lambda value: value.bytes, lambda data: UUID(bytes=data)),
    "inet": _Scalar(0x10, lambda value: ip_address(value).packed, ip_address),
    "date": _Scalar(0x11, _encode_date, _decode_date),
    "time": _Scalar(0x12, _encode_time, _decode_time),
    "smallint": _fixed(0x13, ">h"),
    "tinyint": _fixed(0x14, ">b"),
    "duration": _Scalar(0x15, _encode_duration, _decode_duration),
}


@dataclass(frozen=True)
class CqlType:
    """A CQL type.

    Args:
        name: Its name without what it is made of: ``int``, ``map``.
        parts: What it is made of.
    """

    name: str
    parts: tuple[CqlType, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}<{', '.join(map(str, self.parts))}>" if self.parts else self.name

    @property
    def option(self) -> bytes:
        """The type as an [option] of a result's metadata."""
        if self.name not in _COLLECTIONS:
            return SHORT.pack(_SCALARS[self.name].code)
        head = SHORT.pack(_COLLECTIONS[self.name])
        if self.name == "tuple":
            head += SHORT.pack(len(self.parts))
        return head + b"".join([part.option for part in self.parts])

    def encode(self, value: Any) -> bytes | None:
        """Return a value's bytes; None for a null."""
        if value is None:
            return None
        if self.name not in _COLLECTIONS:
            return _SCALARS[self.name].encode(value)
        if self.name == "tuple":
            return b"".join([_value(part, one) for part, one in zip(self.parts, value, strict=True)])
        flat = [one for pair in value.items() for one in pair] if self.name == "map" else list(value)
        kinds = self.parts * len(value)
        return INT.pack(len(value)) + b"".join(map(_value, kinds, flat))

    def decode(self, data: bytes | None) -> Any:
        """Return the value that bytes are; None for a null."""
        if data is None:
            return None
        if self.name not in _COLLECTIONS:
            return _SCALARS[self.name].decode(data)
        reader = Reader(data)
        if self.name == "tuple":
            return tuple(part.decode(reader.read_bytes()) for part in self.parts)
        count = reader.read_int()
        flat = [part.decode(reader.read_bytes()) for _ in range(count) for part in self.parts]
        if self.name == "map":
            return dict(zip(flat[::2], flat[1::2], strict=True))
        return set(flat) if self.name == "set" else flat


def _value(kind: CqlType, value: Any) -> bytes:
    data = kind.encode(value)
    return INT.pack(-1) if data is None else encode_bytes(data)


class Column(NamedTuple):
    """A column of a result, or a bind marker: its name and its type."""

    name: str
    type: CqlType


@lru_cache
def parse_type(text: str) -> CqlType:
    """Read a type's name, such as ``map<text, frozen<list<int>>>``.

    Raises:
        ValueError: There is no such type, or this server doesn't know it.
    """
    words = _NAME.findall(text.lower())
    if "".join(words) == re.sub(r"\s", "", text.lower()):
        kind, end = _parsed(words, 0, text)
        if end == len(words):
            return kind
    raise ValueError(f"{text!r} isn't a CQL type.")


def _parsed(words: list[str], at: int, text: str) -> tuple[CqlType, int]:
    name = words[at] if at < len(words) else ""
    if name not in _SCALARS and name not in {*_COLLECTIONS, "frozen"}:
        raise ValueError(f"{text!r} has a type that the fake server doesn't know: {name!r}.")
    parts: list[CqlType] = []
    at += 1
    if name not in _SCALARS:
        while at < len(words) and words[at] in {"<", ","} and words[at] == (",<"[not parts]):
            part, at = _parsed(words, at + 1, text)
            parts.append(part)
        at += 1  # the closing bracket
        wanted = {"list": 1, "set": 1, "frozen": 1, "map": 2}.get(name, len(parts) or 1)
        if at > len(words) or words[at - 1] != ">" or len(parts) != wanted:
            raise ValueError(f"{text!r} isn't a CQL type.")
    return (parts[0] if name == "frozen" else CqlType(name, tuple(parts))), at


_INFERRED: tuple[tuple[type, str], ...] = (
    (bool, "boolean"),
    (int, "bigint"),
    (float, "double"),
    (str, "text"),
    (bytes, "blob"),
    (bytearray, "blob"),
    (Decimal, "decimal"),
    (UUID, "uuid"),
    (dt.datetime, "timestamp"),
    (Timestamp, "timestamp"),
    (dt.date, "date"),
    (Date, "date"),
    (dt.time, "time"),
    (Time, "time"),
    (Duration, "duration"),
    (IPv4Address, "inet"),
    (IPv6Address, "inet"),
)

_LONGEST_BIGINT = 63


def type_of(values: Iterable[Any]) -> CqlType:
    """Return a CQL type that holds these values, by their Python types; of nulls alone ``text``.

    Raises:
        ValueError: There is none.
    """
    given = [value for value in values if value is not None]
    first = given[0] if given else ""
    if isinstance(first, dict):
        keys = [key for value in given for key in value]
        return CqlType("map", (type_of(keys), type_of([one for value in given for one in value.values()])))
    if isinstance(first, (set, frozenset, list)):
        name = "list" if isinstance(first, list) else "set"
        return CqlType(name, (type_of([one for value in given for one in value]),))
    if isinstance(first, tuple):
        return CqlType("tuple", tuple(map(type_of, zip(*given, strict=True))))
    name = next((name for kind, name in _INFERRED if isinstance(first, kind)), "")
    if not name:
        raise ValueError(f"No CQL type is known for values of type {type(first).__name__}.")
    if name == "bigint" and any(value.bit_length() > _LONGEST_BIGINT for value in given):
        name = "varint"
    return CqlType(name)
