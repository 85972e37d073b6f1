"""Convert a driver's decoded values to plain Python values, and its tuples to dicts.

Converters are chosen once per result, by the columns' types; a column of plain values has none, and so costs
nothing. Converters aren't called for None: a null stays None.
"""

from __future__ import annotations

import datetime as dt
from array import array
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from keyword import iskeyword
from typing import TYPE_CHECKING, Any

from coodie.drivers.cassandra.values.codecs import column_codec, first_hint, part_hints, result_converter
from coodie.drivers.cassandra.values.lenient_decoding import Undecodable, decoded_timestamp
from coodie.drivers.cassandra.values.types import (
    COLUMN,
    EXACT,
    WRAPPED,
    cql_name,
    family,
    subtypes,
    unwrapped,
)
from coodie.drivers.cassandra.values.vectors import number_code
from coodie.exceptions import RequestError
from coodie.row_shapes import row_builder
from coodie.rows import Column

if TYPE_CHECKING:
    from coodie.codec_registry import ColumnCodecs
    from coodie.types import Date, Duration, Time

__all__ = [
    "AWARE_EPOCH",
    "EPOCH",
    "Converter",
    "build_rows",
    "map_items",
    "result_columns",
    "row_converters",
    "udt_tuple",
    "value_converter",
]

Converter = Callable[[Any], Any]

_UNIX_DAY = dt.date(1970, 1, 1).toordinal()
#: The epoch of timestamps.
EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - the drivers give naive UTC
AWARE_EPOCH = EPOCH.replace(tzinfo=dt.timezone.utc)
_MICROSECOND = dt.timedelta(microseconds=1)

#: The number of cached row builders; each is a few hundred bytes of code.
_BUILDERS = 1024


@lru_cache(_BUILDERS)
def result_columns(names: tuple[str, ...], types: tuple[Any, ...]) -> tuple[Column, ...]:
    """Return the columns of a result.

    Args:
        names: Their names.
        types: Their types from the driver (``ResultSet.column_types``).
    """
    return tuple([Column(name, cql_name(typ)) for name, typ in zip(names, types, strict=True)])


def row_converters(
    types: Sequence[Any], *, aware_timestamps: bool, codecs: Sequence[ColumnCodecs] | None = None
) -> tuple[Converter | None, ...]:
    """Return the converters of a result's columns.

    Args:
        types: The columns' types from the driver (``ResultSet.column_types``).
        aware_timestamps: Return timestamps as aware datetimes in UTC, not as naive ones.
        codecs: The columns' codecs.

    Returns:
        A converter per column; None if the driver's values are plain. A converter takes any value but None,
        and raises RequestError for a value that couldn't be decoded.
    """
    scalars = _scalars(aware_timestamps)
    if codecs is None:
        reader = _Reader(scalars, aware_timestamps=aware_timestamps)
        return tuple([reader.converter(typ) for typ in types])
    return tuple(
        [
            _Reader(scalars, one, aware_timestamps=aware_timestamps).converter(typ, one.hint)
            for typ, one in zip(types, codecs, strict=True)
        ]
    )


def value_converter(
    typ: Any,
    hint: Any = None,
    codecs: ColumnCodecs | None = None,
    *,
    aware_timestamps: bool,
    hashable: bool,
    own_codecs: bool = True,
) -> Converter | None:
    """Return the converter of a type; None if the driver's values are plain.

    Args:
        typ: The type.
        hint: The type that the row class has for the values.
        codecs: The column's codecs.
        aware_timestamps: As in ``row_converters``.
        hashable: The values must be hashable: elements of a set, or keys of a map.
        own_codecs: Apply the codecs of the type itself, too, not only those of the types in it.
    """
    reader = _Reader(_scalars(aware_timestamps), codecs, aware_timestamps=aware_timestamps)
    return reader.converter(typ, hint, hashable=hashable, own_codecs=own_codecs)


def build_rows(
    names: Sequence[str],
    rows: Iterable[Sequence[Any]],
    converters: Sequence[Converter | None],
) -> list[dict[str, Any]]:
    """Convert the driver's row tuples to dicts.

    Args:
        names: The columns' names.
        rows: One tuple for each row.
        converters: The columns' converters.

    Raises:
        RequestError: Two columns have the same name, or a value couldn't be decoded.
    """
    return row_builder(tuple(names), converters, None)(rows)


# --- single values ----------------------------------------------------------------------


@cache
def _scalars(aware_timestamps: bool) -> Mapping[Any, Converter | None]:  # noqa: FBT001 - a cache's key
    """Return the converters of the driver's scalar classes; ``_Reader`` handles their subclasses."""
    from cassandra import cqltypes

    reader = _Reader({}, aware_timestamps=aware_timestamps)
    known = [typ for typ in vars(cqltypes).values() if isinstance(typ, type) and family(typ)]
    return {typ: reader.scalar(typ) for typ in known if not hasattr(reader, f"_{family(typ)}")}


def _date(value: Any) -> dt.date | Date:
    days = value.days_from_epoch
    try:
        return dt.date.fromordinal(days + _UNIX_DAY)
    except (ValueError, OverflowError):
        from coodie.types import Date  # slow, and few results have values of its classes

        return Date(days)


def _time(value: Any) -> dt.time | Time:
    nanoseconds: int = value.nanosecond_time
    microseconds, rest = divmod(nanoseconds, 1000)
    if rest or microseconds < 0:
        if nanoseconds < 0:
            raise RequestError(
                "A time is negative, which is only possible with blob_as_time.",
                hint="Select its bytes with time_as_blob(…).",
            )
        from coodie.types import Time  # as above

        return Time(nanoseconds)
    # Not value.time(), which takes five divisions and drops the nanoseconds.
    return (EPOCH + microseconds * _MICROSECOND).time()


def _duration(value: Any) -> Duration:
    from coodie.types import Duration  # as above

    return Duration(value.months, value.days, value.nanoseconds)


def _rounded_timestamp(value: Any) -> Any:
    """Undo the rounding of cassandra-driver's floats: up to 15 µs in far years, below half a ms."""
    if value.__class__ is dt.datetime:
        off = value.microsecond % 1000
        if off:
            value += (1000 - off if off >= 500 else -off) * _MICROSECOND  # noqa: PLR2004 - half a ms
    return value


def _aware_timestamp(value: Any) -> Any:
    if value.__class__ is dt.datetime:
        # Ten times faster than value.replace(tzinfo=…).
        return AWARE_EPOCH + (value - EPOCH)
    return value


def _rounded_aware_timestamp(value: Any) -> Any:
    return _aware_timestamp(_rounded_timestamp(value))


@cache
def _rounds_timestamps() -> bool:
    """Return whether the driver decodes timestamps through floats, as cassandra-driver does."""
    # The last millisecond of the year 9999.
    exact = dt.datetime(9999, 12, 31, 23, 59, 59, 999_000)  # noqa: DTZ001 - as EPOCH
    return bool(decoded_timestamp(253_402_300_799_999) != exact)


# --- collections, tuples and user-defined types -----------------------------------------


class _Reader:
    """Choose converters; elements of a set and keys of a map get ``hashable`` ones.

    Args:
        scalars: The converters of scalar types.
        codecs: The column's codecs.
        aware_timestamps: As in ``row_converters``.
    """

    def __init__(
        self,
        scalars: Mapping[Any, Converter | None],
        codecs: ColumnCodecs | None = None,
        *,
        aware_timestamps: bool,
    ) -> None:
        self._scalars = scalars
        self._codecs = codecs
        self._aware = aware_timestamps

    def converter(
        self, typ: Any, hint: Any = None, *, hashable: bool = False, own_codecs: bool = True
    ) -> Converter | None:
        """Return the converter of a type, as ``value_converter`` does."""
        if self._codecs is None and typ in self._scalars and not typ.support_empty_values:
            return self._scalars[typ]
        if hasattr(typ, WRAPPED):
            inner = getattr(typ, WRAPPED)
            return _decoded(typ, self.converter(inner, hint, hashable=hashable, own_codecs=own_codecs))
        typ = unwrapped(typ)
        codec = column_codec(typ, self._codecs if own_codecs else None, hint, hashable=hashable)
        convert = self._plain(typ, hint, hashable=hashable, as_array=codec is not None and codec.takes_array)
        if codec is not None and self._codecs is not None:
            convert = result_converter(codec, typ, self._codecs.column, convert, hashable=hashable)
        if convert is not None and typ.support_empty_values:
            return _unless_empty(convert)
        return convert

    def _plain(self, typ: Any, hint: Any, *, hashable: bool, as_array: bool) -> Converter | None:
        """Return the converter without the type's own codecs."""
        if as_array:
            return _array_converter(number_code(typ))
        make = getattr(self, f"_{family(typ)}", None)
        converter: Converter | None = make(typ, hint, hashable=hashable) if make else self.scalar(typ)
        return converter

    def scalar(self, typ: Any) -> Converter | None:
        name = family(typ)
        if name != "timestamp":
            return {"date": _date, "time": _time, "duration": _duration}.get(name)
        rounds = not getattr(typ, EXACT, False) and _rounds_timestamps()
        if self._aware:
            return _rounded_aware_timestamp if rounds else _aware_timestamp
        return _rounded_timestamp if rounds else None

    def _list(self, typ: Any, hint: Any, *, hashable: bool) -> Converter | None:
        (element,) = subtypes(typ)
        convert = self.converter(element, first_hint(hint), hashable=hashable)
        if convert is None:
            return tuple if hashable else None
        if hashable:
            return lambda value: tuple([None if item is None else convert(item) for item in value])
        return lambda value: [None if item is None else convert(item) for item in value]

    def _vector(self, typ: Any, hint: Any, *, hashable: bool) -> Converter | None:
        convert = self._list(typ, hint, hashable=hashable)
        return _list_of_array if convert is None and number_code(typ) else convert

    def _set(self, typ: Any, hint: Any, *, hashable: bool) -> Converter:
        (element,) = subtypes(typ)
        convert = self.converter(element, first_hint(hint), hashable=True)
        make = frozenset if hashable else set
        if convert is None:
            return make
        return lambda value: make([None if item is None else convert(item) for item in value])

    def _map(self, typ: Any, hint: Any, *, hashable: bool) -> Converter:
        key, item = subtypes(typ)
        key_hint, item_hint = part_hints(hint, 2)
        convert_key = self.converter(key, key_hint, hashable=True)
        convert_item = self.converter(item, item_hint, hashable=hashable)
        make = tuple if hashable else dict
        if convert_key is None and convert_item is None:
            return lambda value: make(map_items(value))
        to_key, to_item = convert_key or _as_is, convert_item or _as_is
        return lambda value: make(
            [
                (None if k is None else to_key(k), None if v is None else to_item(v))
                for k, v in map_items(value)
            ]
        )

    def _tuple(self, typ: Any, hint: Any, *, hashable: bool) -> Converter | None:
        parts = subtypes(typ)
        hints = part_hints(hint, len(parts))
        return _tuple_converter(
            [self.converter(part, one, hashable=hashable) for part, one in zip(parts, hints, strict=True)]
        )

    def _udt(self, typ: Any, _hint: Any, *, hashable: bool) -> Converter:
        fields = tuple(typ.fieldnames)
        convert = _tuple_converter([self.converter(part, hashable=hashable) for part in subtypes(typ)])
        if hashable:
            named = udt_tuple(typ.typename, fields)
            make: Converter = named._make
        else:
            make = lambda values: dict(zip(fields, values, strict=True))  # noqa: E731 - one of two
        if convert is None:
            return lambda value: make(_field_values(value, fields))
        return lambda value: make(convert(_field_values(value, fields)))


def _decoded(typ: Any, convert: Converter | None) -> Converter:
    """Convert the decoded values, and raise for an ``Undecodable``."""
    name = cql_name(typ)
    column = getattr(typ, COLUMN)

    def checked(value: Any) -> Any:
        if isinstance(value, Undecodable):
            message = f"The driver can't decode a value of {column!r} ({name}): {type(value.error).__name__}."
            hint = "Leave the column out, or read its bytes: SELECT text_as_blob(…), decimal_as_blob(…)…"
            raise RequestError(message, hint=hint) from value.error
        return value if convert is None else convert(value)

    return checked


def _unless_empty(convert: Converter) -> Converter:
    """Don't convert the driver's EMPTY, which it returns for empty bytes if support_empty_values is set."""
    from cassandra.cqltypes import EMPTY

    return lambda value: value if value is EMPTY else convert(value)


def _list_of_array(value: Any) -> list[Any]:
    """Convert a vector of numbers; the session of a caller decodes these to lists."""
    return value if value.__class__ is list else value.tolist()


def _array_converter(letter: str) -> Converter:
    return lambda value: array(letter, value) if value.__class__ is list else value


def _as_is(value: Any) -> Any:
    return value


def _tuple_converter(converters: Sequence[Converter | None]) -> Converter | None:
    if not any(converters):
        return None
    parts = [convert or _as_is for convert in converters]
    return lambda value: tuple(
        [None if item is None else convert(item) for convert, item in zip(parts, value, strict=True)]
    )


def map_items(value: Any) -> Iterable[tuple[Any, Any]]:
    """Return the pairs of a decoded map, an OrderedMapSerializedKey.

    Its items() encodes each key again to look up the value, which takes a µs, and fails for keys that aren't
    encoded to the same bytes: cassandra-driver's rounded timestamps, and null keys.
    """
    pairs: Iterable[tuple[Any, Any]] = getattr(value, "_items", None) or value.items()
    return pairs


def _field_values(value: Any, fields: tuple[str, ...]) -> Sequence[Any]:
    """Return a user-defined type's values in the order of its fields.

    The driver returns a named tuple, a plain tuple if the field names don't allow that, or an instance of the
    class registered for the type.
    """
    if isinstance(value, tuple):
        own = getattr(value, "_fields", None)
        # If the name isn't a valid identifier, the driver has named the field by its position.
        if own is None or own == fields or not set(fields).issubset(own):
            return value
    try:
        if isinstance(value, Mapping):
            return [value[name] for name in fields]
        return [getattr(value, name) for name in fields]
    except (AttributeError, KeyError) as exc:
        message = (
            f"The class {type(value).__name__}, registered for a user-defined type, lacks one of its fields."
        )
        raise RequestError(message, hint=f"It needs all of them: {', '.join(fields)}.") from exc


@lru_cache(_BUILDERS)
def udt_tuple(name: str, fields: tuple[str, ...]) -> Any:
    """Return the named tuple class for hashable values of a user-defined type.

    A field whose name can't be an attribute is named by its position, such as ``_0``.
    """
    valid = name.isidentifier() and not iskeyword(name)
    plain: Any = namedtuple(name if valid else "udt", fields, rename=True)  # type: ignore[misc] # noqa: PYI024

    def reduce(self: Any) -> tuple[Any, ...]:
        return _rebuilt, (name, fields, tuple(self))

    return type(plain.__name__, (plain,), {"__slots__": (), "__reduce__": reduce, "__module__": __name__})


def _rebuilt(name: str, fields: tuple[str, ...], values: tuple[Any, ...]) -> Any:
    return udt_tuple(name, fields)._make(values)
