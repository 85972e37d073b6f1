"""Read the values of ``--param``, each by the CQL type of its bind marker.

A value of a simple type is written as it is, a text without quotes. Collections, vectors, tuples and
user-defined types are JSON, as in CQL's ``INSERT … JSON`` and in the output of ``coodie query --json``.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from decimal import Decimal, InvalidOperation
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from coodie.types import Date, Duration, Time, Timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from coodie.contract.markers import ValueType

__all__ = ["read_value"]

_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_FLOAT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|nan|[+-]?inf(inity)?", re.ASCII | re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_DATE = re.compile(r"([+-]?\d{4,7})-(\d\d)-(\d\d)", re.ASCII)
_TIMESTAMP = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)"
    r"(?:[T ](?P<clock>\d\d:\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d{1,3})0*)?)?)?"
    r"\s*(?P<zone>Z|[+-]\d\d:?\d\d)?",
    re.ASCII | re.IGNORECASE,
)
_TIME = re.compile(r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?", re.ASCII)
_DURATION = re.compile(r"(-?)((?:\d+(?:y|mo|w|d|h|ms|us|µs|ns|m|s))+)", re.ASCII | re.IGNORECASE)
_AMOUNT = re.compile(r"(\d+)(y|mo|w|d|h|ms|us|µs|ns|m|s)", re.ASCII | re.IGNORECASE)
_BLOB = re.compile(r"0x((?:[0-9a-f]{2})*)", re.ASCII | re.IGNORECASE)

#: The units of a duration: the index of its number of months, days and nanoseconds, and the factor.
_UNITS = {
    "y": (0, 12),
    "mo": (0, 1),
    "w": (1, 7),
    "d": (1, 1),
    "h": (2, 3_600_000_000_000),
    "m": (2, 60_000_000_000),
    "s": (2, 1_000_000_000),
    "ms": (2, 1_000_000),
    "us": (2, 1000),
    "µs": (2, 1000),
    "ns": (2, 1),
}
_TEXTS = ("ascii", "text")
#: The period of the calendar: a ``date`` may be outside the years that ``datetime`` supports.
_CYCLE_YEARS, _CYCLE_DAYS = 400, 146_097


class _Object(list[tuple[str, Any]]):
    """A JSON object: its names and values in order, and none of them lost."""


def read_value(kind: ValueType, text: str) -> Any:
    """Return the parameter that a text stands for; None for ``null``, unless the type is a text.

    Args:
        kind: The type of the bind marker.
        text: The text from the command line.

    Raises:
        ValueError: The text isn't a value of the type; the message says what was expected.
    """
    if kind.name in _TEXTS:
        return _valid_text(text)
    if text.strip().lower() == "null":
        return None
    if kind.name in _SCALARS:
        return _scalar(kind, text.strip())
    return _structure(kind, _json(text, kind))


def _valid_text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:  # the shell's bytes weren't
        raise ValueError("expected UTF-8") from None
    return text


def _json(text: str, kind: ValueType) -> Any:
    """Parse JSON without losing digits, names or special floats."""
    try:
        return json.loads(text, object_pairs_hook=_Object, parse_float=Decimal, parse_constant=str)
    except (ValueError, RecursionError) as exc:
        where = f" (column {exc.colno}: {exc.msg})" if isinstance(exc, json.JSONDecodeError) else ""
        raise ValueError(f"expected JSON, such as {_example(kind)}{where}") from None


def _value(kind: ValueType, value: Any) -> Any:
    """Convert a value inside JSON."""
    if value is None:
        return None
    if kind.name in _TEXTS:
        if isinstance(value, str):
            return _valid_text(value)
        raise ValueError(f"expected a JSON string for {kind.text}")
    if kind.name not in _SCALARS:
        return _structure(kind, value)
    if isinstance(value, bool) and kind.name == "boolean":
        return value
    if isinstance(value, (str, int, Decimal)) and not isinstance(value, bool):
        return _scalar(kind, str(value))
    raise ValueError(f"expected {_SCALARS[kind.name].expected}")


def _structure(kind: ValueType, value: Any) -> Any:
    """Convert a JSON array or object.

    Inside sets and keys of maps, user-defined types are arrays, and maps are arrays of pairs, too: rows have
    them in this form, and so has the output.
    """
    if kind.name not in _STRUCTURES:
        raise ValueError(f"values of the custom type {kind.text} aren't supported")
    found = _STRUCTURES[kind.name](kind, value)
    if found is None:
        raise ValueError(f"expected JSON, such as {_example(kind)}")
    return found


def _elements(kind: ValueType, value: Any) -> list[Any] | None:
    return [_value(kind.parts[0], item) for item in value] if _is_array(value) else None


def _components(kind: ValueType, value: Any) -> tuple[Any, ...] | None:
    if not _is_array(value):
        return None
    if len(value) != len(kind.parts):
        raise ValueError(f"expected {len(kind.parts)} values for {kind.text}, got {len(value)}")
    return tuple(_value(part, item) for part, item in zip(kind.parts, value, strict=True))


def _pairs(kind: ValueType, value: Any) -> list[tuple[Any, Any]] | None:
    key, item = kind.parts
    if isinstance(value, _Object):
        return [(read_value(key, name), _value(item, each)) for name, each in value]
    if _is_array(value) and all(_is_array(pair) and len(pair) == 2 for pair in value):  # noqa: PLR2004 - a pair
        return [(_value(key, name), _value(item, each)) for name, each in value]
    return None


def _fields(kind: ValueType, value: Any) -> dict[str, Any] | tuple[Any, ...] | None:
    if not isinstance(value, _Object):
        return _components(kind, value)
    parts = dict(zip(kind.fields, kind.parts, strict=True))
    found: dict[str, Any] = {}
    for name, item in value:
        if name not in parts:
            raise ValueError(f"{kind.text} has no field {name!r}; it has {', '.join(parts)}")
        if name in found:
            raise ValueError(f"field {name!r} is given twice")
        found[name] = _value(parts[name], item)
    return found


_STRUCTURES: dict[str, Callable[[ValueType, Any], Any]] = {
    "list": _elements,
    "map": _pairs,
    "set": _elements,
    "tuple": _components,
    "udt": _fields,
    "vector": _elements,
}


def _is_array(value: Any) -> bool:
    return isinstance(value, list) and not isinstance(value, _Object)


def _example(kind: ValueType) -> str:
    if kind.name == "map":
        return '{"key": "value"}'
    if kind.name == "udt":
        return "{" + ", ".join(f'"{name}": …' for name in kind.fields) + "}"
    return "[1, 2]" if kind.parts and kind.parts[0].name not in _TEXTS else '["a", "b"]'


# --- simple types -----------------------------------------------------------------------


class _Scalar(NamedTuple):
    """A simple type: how its text is read, and what is expected."""

    read: Callable[[str], Any]
    expected: str


def _scalar(kind: ValueType, text: str) -> Any:
    scalar = _SCALARS[kind.name]
    try:
        return scalar.read(text)
    except (ValueError, ArithmeticError):
        raise ValueError(f"expected {scalar.expected}") from None


def _matched(pattern: re.Pattern[str], text: str) -> Sequence[Any]:
    match = pattern.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return match.groups()


def _int(text: str) -> int:
    _matched(_INTEGER, text)
    return int(text)


def _float(text: str) -> float:
    _matched(_FLOAT, text)
    value = float(text)
    if math.isinf(value) and "inf" not in text.lower():
        raise ValueError(text)
    return value


def _decimal(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(text) from None
    if not value.is_finite() or "_" in text:
        raise ValueError(text)
    return value


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


def _uuid(text: str) -> UUID:
    _matched(_UUID, text)
    return UUID(text)


def _timestamp(text: str) -> dt.datetime | Timestamp:
    if _INTEGER.fullmatch(text):
        return Timestamp(int(text))
    day, clock, second, fraction, zone = _matched(_TIMESTAMP, text)
    if zone is not None and zone.upper() != "Z":
        zone = zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"
    exact = f"{clock or '00:00'}:{second or '00'}.{(fraction or '').ljust(3, '0')}"
    return dt.datetime.fromisoformat(f"{day}T{exact}{'+00:00' if zone in (None, 'Z', 'z') else zone}")


def _date(text: str) -> Date:
    year, month, day = map(int, _matched(_DATE, text))
    cycles, year = divmod(year - 1, _CYCLE_YEARS)
    first = Date.from_date(dt.date(year + 1, month, day))
    return Date(first.days + cycles * _CYCLE_DAYS)


def _time(text: str) -> Time:
    hour, minute, second, fraction = _matched(_TIME, text)
    clock = dt.time(int(hour), int(minute), int(second or 0))
    return Time(Time.from_time(clock).nanoseconds + int((fraction or "").ljust(9, "0")))


def _duration(text: str) -> Duration:
    sign, amounts = _matched(_DURATION, text)
    numbers = [0, 0, 0]
    for amount, unit in _AMOUNT.findall(amounts):
        index, factor = _UNITS[unit.lower()]
        numbers[index] += int(amount) * factor
    return Duration(*(-number if sign else number for number in numbers))


def _inet(text: str) -> str:
    return str(ip_address(text))


def _blob(text: str) -> bytes:
    (digits,) = _matched(_BLOB, text)
    return bytes.fromhex(digits)


_WHOLE = _Scalar(_int, "an integer, such as 7")
_REAL = _Scalar(_float, "a number, such as 0.5")

_SCALARS: dict[str, _Scalar] = {
    **dict.fromkeys(("tinyint", "smallint", "int", "bigint", "varint", "counter"), _WHOLE),
    "float": _REAL,
    "double": _REAL,
    "decimal": _Scalar(_decimal, "a decimal number, such as 9.90"),
    "boolean": _Scalar(_boolean, "true or false"),
    "uuid": _Scalar(_uuid, "a UUID, such as 123e4567-e89b-12d3-a456-426614174000"),
    "timeuuid": _Scalar(_uuid, "a UUID of version 1"),
    "timestamp": _Scalar(_timestamp, "a timestamp, such as 2026-01-31T12:30:00Z, or milliseconds since 1970"),
    "date": _Scalar(_date, "a date, such as 2026-01-31"),
    "time": _Scalar(_time, "a time, such as 12:30:00.5"),
    "duration": _Scalar(_duration, "a duration, such as 1mo2d12h"),
    "inet": _Scalar(_inet, "an IP address"),
    "blob": _Scalar(_blob, "bytes in hexadecimal digits, such as 0xcafe"),
}
