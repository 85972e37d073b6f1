"""Sort the elements of sets and the keys of maps in Cassandra's order.

Cassandra sorts the sets and maps that it receives, except inside a tuple or a user-defined type: there it
keeps the bytes, and ``({2, 1}, 0)`` is another key than ``({1, 2}, 0)`` (observed with 5.0.9). The order of a
Python set is arbitrary; for strings, it differs between processes. So the values are sorted before they are
sent, in the order of each type's compareCustom in org.apache.cassandra.db.marshal.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Callable
from operator import attrgetter, itemgetter
from typing import Any

from coodie.drivers.cassandra.values.types import family, subtypes, unwrapped

__all__ = ["SortKey", "sort_key", "sorted_pairs", "sorted_unique"]

#: Takes a bound value and returns its sort key. None in place of a function: the value is its own key.
SortKey = Callable[[Any], Any] | None


def sort_key(typ: Any) -> SortKey:
    """Return the sort key for the bound values of a type."""
    typ = unwrapped(typ)
    name = family(typ)
    if name in {"list", "set", "vector"}:
        return _sequence(sort_key(*subtypes(typ)))
    if name == "map":
        key, item = (sort_key(part) or _as_is for part in subtypes(typ))
        return lambda value: [(key(k), item(v)) for k, v in value]
    if name in {"tuple", "udt"}:
        keys = [sort_key(part) or _as_is for part in subtypes(typ)]
        # Nulls sort first.
        return lambda value: [
            (part is not None, part is not None and key(part)) for key, part in zip(keys, value, strict=True)
        ]
    return _SCALARS.get(name)


def sorted_unique(values: list[Any], key: SortKey) -> list[Any]:
    """Return bound values in the server's order, without duplicates."""
    if key is None:
        return sorted(set(values))
    keyed = sorted([(key(value), index) for index, value in enumerate(values)])
    return [values[index] for n, (k, index) in enumerate(keyed) if n == 0 or k != keyed[n - 1][0]]


def sorted_pairs(keys: list[Any], items: list[Any], key: SortKey) -> list[tuple[Any, Any]] | None:
    """Return bound keys and their values as pairs in the server's order; None if two keys are equal."""
    if key is None:
        pairs = sorted(zip(keys, items, strict=True), key=itemgetter(0))
        return pairs if len(set(keys)) == len(pairs) else None
    keyed = sorted([(key(value), index) for index, value in enumerate(keys)])
    if any(keyed[n][0] == keyed[n - 1][0] for n in range(1, len(keyed))):
        return None
    return [(keys[index], items[index]) for _, index in keyed]


def _as_is(value: Any) -> Any:
    return value


def _sequence(key: SortKey) -> Callable[[Any], Any]:
    if key is None:
        return tuple
    return lambda value: [key(item) for item in value]


def _float_key(value: float) -> tuple[bool, float, float]:
    """Sort as Java's Double.compare: -0.0 before 0.0, NaN last and equal to itself."""
    if math.isnan(value):
        return (True, 0.0, 0.0)
    return (False, value, math.copysign(1.0, value))


def _uuid_key(value: Any) -> tuple[int, int, int]:
    """Sort as UUIDType: by version; version 1 by time; then by the bits."""
    number = value.int
    version = number >> 76 & 0xF
    return (version, value.time if version == 1 else 0, number)


def _timeuuid_key(value: Any) -> tuple[int, tuple[int, ...]]:
    """Sort as TimeUUIDType: by time, then by the other eight bytes, as signed ones."""
    return (value.time, tuple([byte - 256 if byte > 127 else byte for byte in value.bytes[8:]]))  # noqa: PLR2004


#: Types whose bound values Python sorts differently or can't compare.
_SCALARS: dict[str, SortKey] = {
    "date": attrgetter("days_from_epoch"),
    "double": _float_key,
    "float": _float_key,
    "inet": lambda value: ipaddress.ip_address(value).packed,
    "time": attrgetter("nanosecond_time"),
    "timeuuid": _timeuuid_key,
    "uuid": _uuid_key,
}
