"""Random CQL types, values of them, and the plain value that a raw driver's value has to become."""

from __future__ import annotations

import datetime as dt
import ipaddress
import math
import struct
import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from coodie.types import Date, Duration, Time

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

__all__ = ["KEYS", "SCALARS", "UserType", "ValueType", "canonical", "plain_name", "random_type"]

_EPOCH = dt.datetime(1970, 1, 1)
_LETTERS = "abz AZ09'\"$;?%é\u00df\u4e2d\U0001f600\0\n"


# --- scalars: how a value is made ---------------------------------------------------------


def _integer(bits: int) -> Callable[[random.Random], int]:
    most: int = 2 ** (bits - 1) - 1
    least = -most - 1

    def make(rng: random.Random) -> int:
        edges: list[int] = [least, -1, 0, 1, most, rng.randint(least, most), rng.randint(-9, 9)]
        return rng.choice(edges)

    return make


def _text(rng: random.Random) -> str:
    return "".join(rng.choices(_LETTERS, k=rng.choice([0, 1, 3, 10, 200])))


def _float32(rng: random.Random) -> float:
    number: float = struct.unpack(">f", struct.pack(">f", _float64(rng, 1e38)))[0]
    return number


def _float64(rng: random.Random, most: float = 1e308) -> float:
    return rng.choice(
        [0.5, math.inf, -math.inf, rng.uniform(-1, 1), rng.uniform(-most, most), rng.gauss(0, 5)]
    )


def _timestamp(rng: random.Random) -> dt.datetime:
    # The raw drivers take a way over floats, which loses microseconds beyond the next centuries.
    return _EPOCH + dt.timedelta(milliseconds=rng.choice([0, -1, rng.randint(-(10**13), 10**13)]))


def _time(rng: random.Random) -> dt.time | Time:
    nanoseconds = rng.choice([0, 86_399_999_999_999, rng.randrange(86_400 * 10**9)])
    return Time(nanoseconds) if nanoseconds % 1000 else Time(nanoseconds).to_time()


def _date(rng: random.Random) -> dt.date | Date:
    if rng.random() < 0.2:
        return Date(rng.choice([-(2**31), 2**31 - 1]))
    return dt.date.fromordinal(rng.randint(1, dt.date.max.toordinal()))


def _duration(rng: random.Random) -> Duration:
    sign = rng.choice([1, -1])
    return Duration(*[sign * rng.choice([0, 1, rng.randrange(2**bits)]) for bits in (31, 31, 63)])


def _inet(rng: random.Random) -> str:
    if rng.random() < 0.5:
        return str(ipaddress.IPv4Address(rng.getrandbits(32)))
    return str(ipaddress.IPv6Address(rng.getrandbits(128) | 1 << 127))


SCALARS: dict[str, Callable[[random.Random], Any]] = {
    "ascii": lambda rng: "".join(rng.choices("abc XYZ019\t", k=rng.randrange(8))),
    "text": _text,
    "blob": lambda rng: rng.randbytes(rng.choice([0, 1, 16, 300])),
    "boolean": lambda rng: rng.random() < 0.5,
    "tinyint": _integer(8),
    "smallint": _integer(16),
    "int": _integer(32),
    "bigint": _integer(64),
    "varint": lambda rng: rng.choice(
        [0, -1, 127, 128, -128, -129, rng.getrandbits(200), -rng.getrandbits(70)]
    ),
    "float": _float32,
    "double": _float64,
    "decimal": lambda rng: Decimal(rng.randint(-(10**12), 10**12)).scaleb(rng.randint(-9, 9)),
    "uuid": lambda rng: uuid.UUID(int=rng.getrandbits(128), version=4),
    "timeuuid": lambda rng: uuid.UUID(int=rng.getrandbits(128), version=1),
    "inet": _inet,
    "date": _date,
    "time": _time,
    "timestamp": _timestamp,
    "duration": _duration,
}

#: Scalars that may stand in keys and sets: they have an order, and are equal where Python says so.
KEYS = tuple(name for name in SCALARS if name not in {"duration", "float", "double"})


def plain_name(name: str) -> str:
    """Return the name that a quoted one is in rows."""
    return name.removeprefix('"').removesuffix('"').replace('""', '"')


# --- types --------------------------------------------------------------------------------


@dataclass(frozen=True)
class UserType:
    """A user-defined type of the keyspace."""

    name: str
    fields: tuple[tuple[str, ValueType], ...]

    @property
    def cql(self) -> str:
        """Its definition's inside."""
        return ", ".join(f"{name} {kind.cql}" for name, kind in self.fields)


@dataclass(frozen=True)
class ValueType:
    """A type of values.

    Args:
        kind: A scalar's name, or list, set, map, tuple, vector, udt, counter.
        inner: What it is made of.
        frozen: Whether it is frozen; tuples and vectors always are.
        user_type: Of udt.
        size: Of a vector.
    """

    kind: str
    inner: tuple[ValueType, ...] = ()
    frozen: bool = False
    user_type: UserType | None = None
    size: int = 0

    @property
    def cql(self) -> str:
        """As it stands in a definition."""
        if self.kind == "udt":
            assert self.user_type
            name = self.user_type.name
        elif self.kind == "vector":
            name = f"vector<{self.inner[0].cql}, {self.size}>"
        elif self.inner:
            name = f"{self.kind}<{', '.join(each.cql for each in self.inner)}>"
        else:
            name = self.kind
        return f"frozen<{name}>" if self.frozen else name

    @property
    def fields(self) -> tuple[tuple[str, ValueType], ...]:
        """The fields of a user-defined type."""
        assert self.user_type
        return self.user_type.fields

    def make(self, rng: random.Random, *, hashable: bool = False) -> Any:
        """Make a value, as a parameter for coodie.

        Args:
            rng: Decides.
            hashable: It stands in a set, or is a map's key.
        """
        if self.kind == "tuple":
            return tuple(
                None if rng.random() < 0.2 and not hashable else each.make(rng) for each in self.inner
            )
        if self.kind == "udt":
            fields = {
                plain_name(name): None if rng.random() < 0.2 and not hashable else kind.make(rng)
                for name, kind in self.fields
            }
            return tuple(fields.values()) if hashable else fields
        if self.kind in {"list", "vector"}:
            size = self.size or rng.choice([0, 1, 2, 5])
            values = [self.inner[0].make(rng, hashable=hashable) for _ in range(size)]
            return tuple(values) if hashable else values
        if self.kind == "set":
            elements = {self.inner[0].make(rng, hashable=True) for _ in range(rng.choice([0, 1, 2, 5]))}
            return frozenset(elements) if hashable else elements
        if self.kind == "map":
            keys = {self.inner[0].make(rng, hashable=True) for _ in range(rng.choice([0, 1, 2, 5]))}
            return {key: self.inner[1].make(rng) for key in keys}
        return SCALARS[self.kind](rng)

    @property
    def parts(self) -> tuple[ValueType, ...]:
        """The types of a tuple's or a user-defined type's places; none for others."""
        if self.user_type:
            return tuple(kind for _, kind in self.fields)
        return self.inner if self.kind == "tuple" else ()

    def to_raw(self, value: Any) -> Any:
        """Return what the raw driver takes for the same value."""
        from cassandra.util import OrderedMap

        if value is None:
            return None
        if self.parts:
            items = value.values() if isinstance(value, dict) else value
            return tuple(kind.to_raw(item) for kind, item in zip(self.parts, items, strict=True))
        if self.kind == "map":
            first, second = self.inner
            pairs = sorted(value.items(), key=lambda pair: first.order(pair[0]))
            return OrderedMap([(first.to_raw(key), second.to_raw(item)) for key, item in pairs])
        if self.kind == "set":
            value = sorted(value, key=self.inner[0].order)
        return [self.inner[0].to_raw(item) for item in value] if self.inner else _raw_scalar(value)

    def order(self, value: Any) -> Any:
        """Return what sorts as the server sorts a set's elements; the raw driver sends them in any order."""
        if self.parts:
            return [kind.order(item) for kind, item in zip(self.parts, value, strict=True)]
        if self.inner:
            items = [self.inner[0].order(item) for item in value]
            return sorted(items) if self.kind == "set" else items
        return _ORDERS[self.kind](value) if self.kind in _ORDERS else value

    def from_raw(self, value: Any, *, hashable: bool = False) -> Any:
        """Return the canonical form of the plain value that a raw driver's value has to become."""
        if value is None:
            return None
        if self.parts:
            items = [kind.from_raw(item) for kind, item in zip(self.parts, value, strict=True)]
            if self.kind == "tuple" or hashable:
                return (self.kind, *items)
            names = [canonical(plain_name(name)) for name, _ in self.fields]
            return ("dict", *zip(names, items, strict=True))
        if self.kind == "map":
            first, second = self.inner
            # Not its items(): they look up each key, in vain where the driver has sorted a set in it anew.
            pairs = (
                (first.from_raw(key, hashable=True), second.from_raw(item)) for key, item in value._items
            )
            return ("dict", *pairs)
        if self.inner:
            is_set = self.kind == "set"
            items = [self.inner[0].from_raw(item, hashable=is_set or hashable) for item in value]
            name = {True: ("frozenset", "tuple"), False: ("set", "list")}[hashable][not is_set]
            return (name, *(sorted(map(repr, items)) if is_set else items))
        return canonical(_plain_scalar(value))


def _days(value: dt.date | Date) -> int:
    return value.days if isinstance(value, Date) else (value - _EPOCH.date()).days


def _nanoseconds(value: dt.time | Time) -> int:
    if isinstance(value, Time):
        return value.nanoseconds
    return ((value.hour * 60 + value.minute) * 60 + value.second) * 10**9 + value.microsecond * 1000


#: Scalars that Python sorts in another way than the server; each uuid here is of version 4.
_ORDERS: dict[str, Callable[[Any], Any]] = {
    "date": _days,
    "time": _nanoseconds,
    "inet": lambda value: ipaddress.ip_address(value).packed,
    "timeuuid": lambda value: (value.time, struct.unpack("8b", value.bytes[8:])),
}


def _raw_scalar(value: Any) -> Any:
    """Return what the raw driver takes for a scalar."""
    from cassandra import util

    if isinstance(value, Date):
        return util.Date(value.days)
    if isinstance(value, Time):
        return util.Time(value.nanoseconds)
    if isinstance(value, Duration):
        return util.Duration(value.months, value.days, value.nanoseconds)
    return value


def _plain_scalar(value: Any) -> Any:
    """Return the plain scalar of a raw driver's one."""
    from cassandra import util

    if isinstance(value, util.Date):
        day = Date(value.days_from_epoch)
        in_range = dt.date.min.toordinal() <= day.days + _EPOCH.toordinal() <= dt.date.max.toordinal()
        return day.to_date() if in_range else day
    if isinstance(value, util.Time):
        time = Time(value.nanosecond_time)
        return time if time.nanoseconds % 1000 else time.to_time()
    if isinstance(value, util.Duration):
        return Duration(value.months, value.days, value.nanoseconds)
    if isinstance(value, dt.datetime):  # cassandra-driver adds a float of seconds: 580.999 ms for 581 ms
        since = value - _EPOCH
        return _EPOCH + dt.timedelta(milliseconds=round(since / dt.timedelta(milliseconds=1)))
    return value


def canonical(value: Any) -> Any:
    """Return what two values have in common that are the same, types and order included."""
    if isinstance(value, dict):
        return ("dict", *((canonical(key), canonical(item)) for key, item in value.items()))
    if isinstance(value, (set, frozenset)):
        return (type(value).__name__, *sorted(repr(canonical(item)) for item in value))
    if isinstance(value, (list, tuple)):
        kind = "udt" if hasattr(value, "_fields") else type(value).__name__
        return (kind, *map(canonical, value))
    if value is None:
        return None
    return type(value).__name__, repr(value)


def random_type(
    rng: random.Random, user_types: tuple[UserType, ...], depth: int = 2, *, key: bool = False
) -> ValueType:
    """Make a frozen type.

    Args:
        rng: Decides.
        user_types: Those that it may use.
        depth: How many levels of types may be inside.
        key: It stands in a primary key, in a set, or is a map's key.
    """
    kinds = ["list", "set", "tuple", *(["udt"] if user_types else []), *([] if key else ["map", "vector"])]
    if depth == 0 or rng.random() < 0.4:
        return ValueType(rng.choice(KEYS if key else tuple(SCALARS)))
    kind = rng.choice(kinds)
    if kind == "udt":
        usable = [each for each in user_types if not key or _is_plain(each)]
        return ValueType("udt", frozen=True, user_type=rng.choice(usable)) if usable else ValueType("int")
    if kind == "tuple":
        # The server doesn't order what is in a tuple: what is in a key has one form only as a scalar.
        parts = (
            random_type(rng, user_types, 0 if key else depth - 1, key=key) for _ in range(rng.randint(1, 3))
        )
        return ValueType("tuple", tuple(parts), frozen=True)
    if kind == "map":
        first = random_type(rng, user_types, depth - 1, key=True)
        return ValueType("map", (first, random_type(rng, user_types, depth - 1)), frozen=True)
    element = random_type(rng, user_types, depth - 1, key=key or kind == "set")
    if kind == "vector":
        return ValueType("vector", (element,), size=rng.randint(1, 4))
    return ValueType(kind, (element,), frozen=True)


def _is_plain(user_type: UserType) -> bool:
    return all(kind.kind in KEYS for _, kind in user_type.fields)
