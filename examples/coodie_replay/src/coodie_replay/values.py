"""Values as JSON: exact, and readable in a diff.

JSON's own types stand for themselves; any other value is an object with one key, its type:
``{"decimal": "1.50"}``. The output of ``coodie query --json`` can't be used here: to read it, the CQL types
have to be known, which a row doesn't have.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections import namedtuple
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from coodie.types import UNSET, Date, Duration, Time, Timestamp, UnsetType

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["from_json", "parameter_as_json", "text_of", "value_as_json"]

#: Longer integers are written in hexadecimal digits: Python limits the decimal digits that it converts.
_DECIMAL_BITS = 10_000


def text_of(value: Any) -> str:
    """Return a JSON value as text, the same for equal values."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def value_as_json(value: Any) -> Any:
    """Return a value of a row as JSON.

    Raises:
        TypeError: Its type isn't one that backends return without codecs.
    """
    return _as_json(value, _unsupported)


def parameter_as_json(value: Any) -> Any:
    """Return a parameter as JSON, to compare it with others: it may have any type with a repr."""
    return _as_json(value, _by_repr)


def from_json(value: Any) -> Any:
    """Return the value that ``value_as_json`` was given.

    Raises:
        ValueError: The JSON isn't a result of ``value_as_json``.
    """
    if isinstance(value, list):
        return [from_json(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) != 1:
        raise ValueError(f"{len(value)} keys in a value")
    ((name, content),) = value.items()
    if name not in _READERS:
        raise ValueError(f"unknown type {name!r}")
    return _READERS[name](content)


def _as_json(value: Any, other: Callable[[Any], Any]) -> Any:  # noqa: PLR0911 - one for each kind
    kind = type(value)
    if value is None or kind in (bool, str):
        return value
    if kind is int:
        return value if value.bit_length() <= _DECIMAL_BITS else {"int": hex(value)}
    if kind is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if kind is list:
        return [_as_json(item, other) for item in value]
    if kind is dict:
        pairs = [[_as_json(key, other), _as_json(item, other)] for key, item in value.items()]
        return {"map": sorted(pairs, key=text_of) if other is _by_repr else pairs}
    if kind is tuple:
        return {"tuple": [_as_json(item, other) for item in value]}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):  # a user-defined type in a set or a key
        fields = [[name, _as_json(item, other)] for name, item in value._asdict().items()]
        return {"named": [kind.__name__, *fields]}
    if kind in (set, frozenset):
        return {kind.__name__: sorted((_as_json(item, other) for item in value), key=text_of)}
    if kind in (dt.datetime, dt.time) and not isinstance(value.tzinfo, (dt.timezone, type(None))):
        return other(value)  # a time zone's name and rules would be lost
    writer = _WRITERS.get(kind)
    return other(value) if writer is None else {writer[0]: writer[1](value)}


_WRITERS: dict[type, tuple[str, Callable[[Any], Any]]] = {
    bytes: ("bytes", bytes.hex),
    Decimal: ("decimal", str),
    UUID: ("uuid", str),
    dt.datetime: ("datetime", dt.datetime.isoformat),
    dt.date: ("date", dt.date.isoformat),
    dt.time: ("time", dt.time.isoformat),
    Date: ("Date", lambda value: value.days),
    Time: ("Time", lambda value: value.nanoseconds),
    Timestamp: ("Timestamp", lambda value: value.milliseconds),
    Duration: ("Duration", lambda value: [value.months, value.days, value.nanoseconds]),
    UnsetType: ("unset", lambda _: True),
}

_READERS: dict[str, Callable[[Any], Any]] = {
    "int": lambda text: int(text, 16),
    "float": float,
    "map": lambda pairs: {from_json(key): from_json(item) for key, item in pairs},
    "tuple": lambda items: tuple(map(from_json, items)),
    "named": lambda content: _named(content[0], content[1:]),
    "set": lambda items: set(map(from_json, items)),
    "frozenset": lambda items: frozenset(map(from_json, items)),
    "bytes": bytes.fromhex,
    "decimal": Decimal,
    "uuid": UUID,
    "datetime": dt.datetime.fromisoformat,
    "date": dt.date.fromisoformat,
    "time": dt.time.fromisoformat,
    "Date": Date,
    "Time": Time,
    "Timestamp": Timestamp,
    "Duration": lambda numbers: Duration(*numbers),
    "unset": lambda _: UNSET,
}


def _named(name: str, fields: list[Any]) -> Any:
    cls = _named_tuple(name, tuple(field for field, _ in fields))
    return cls(*(from_json(value) for _, value in fields))


@cache
def _named_tuple(name: str, fields: tuple[str, ...]) -> Any:
    return namedtuple(name, fields, rename=True)  # noqa: PYI024 - only known here


def _unsupported(value: Any) -> Any:
    raise TypeError(f"a {type(value).__name__} can't be recorded")


def _by_repr(value: Any) -> Any:
    """Return a parameter of another type: its type, and its repr, or attributes if it has no repr."""
    if isinstance(value, (bytearray, memoryview)):
        return _as_json(bytes(value), _by_repr)
    if isinstance(value, Mapping):
        return _as_json(dict(value), _by_repr)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _as_json(list(value), _by_repr)
    default: Any = object.__repr__
    is_plain = type(value).__repr__ is default
    attributes = getattr(value, "__dict__", {})
    found = {key: _as_json(item, _by_repr) for key, item in attributes.items()} if is_plain else repr(value)
    return {"object": [f"{type(value).__module__}.{type(value).__qualname__}", found]}
