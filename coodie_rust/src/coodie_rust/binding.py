"""Parameters: validated by the types of the bind markers, and converted for the client.

The client binds True to an int, and truncates durations and times silently. A value that it can't encode
exactly is rejected here, before anything is sent.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Any
from uuid import UUID

from dateutil.relativedelta import relativedelta
from scylla.cluster import metadata as cql

from coodie.exceptions import ParameterError, ParameterTypeError
from coodie.types import Date, Duration, Time, Timestamp
from coodie_rust.cqltypes import cql_name

if TYPE_CHECKING:
    from scylla.cluster.metadata import ColumnSpec, CqlColumnType

__all__ = ["bound_values"]

Binder = Callable[[Any], Any]

_MICROSECOND = 1000
_SECOND = 1_000_000_000
_MONTHS_A_YEAR = 12


class _BindingError(Exception):
    """A value doesn't fit its type; ``bound_values`` raises an error of coodie for it.

    Args:
        problem: The end of a message, without the value.
        kind: The value's type if that is wrong, or None.
    """

    def __init__(self, problem: str, kind: type | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.kind = kind


def bound_values(columns: Sequence[ColumnSpec], values: Sequence[Any], stmt: str) -> list[Any]:
    """Return the values for the client.

    Args:
        columns: The statement's bind markers.
        values: The values, one per bind marker.
        stmt: The CQL text, for errors.

    Raises:
        ParameterError: A value is out of range, or the client can't encode it.
        ParameterTypeError: A value is of the wrong type.
    """
    bound = []
    for index, (column, value) in enumerate(zip(columns, values, strict=True)):
        try:
            bound.append(None if value is None else _binder(column.cql_type)(value))
        except _BindingError as error:
            name, cql_type = column.name, cql_name(column.cql_type)
            message = f"Parameter {index + 1} ({name!r}, {cql_type}): {error.problem}."
            if error.kind is None:
                raise ParameterError(
                    message, hint="Give another value, or use another backend.", statement=stmt
                ) from None
            raise ParameterTypeError(
                message,
                statement=stmt,
                column=name,
                cql_type=cql_type,
                value_type=error.kind.__name__,
            ) from None
    return bound


def _binder(typ: CqlColumnType) -> Binder:
    """Return the function that validates and converts the values of a type."""
    make = _COMPOSED.get(type(typ))
    if make is not None:
        return make(typ)
    return _SCALARS.get(type(typ)) or _rejected(f"this client can't bind values of type {cql_name(typ)}")


# --- scalars ----------------------------------------------------------------------------


def _is(*kinds: type) -> Binder:
    expected = " or ".join("dict" if kind is Mapping else kind.__name__ for kind in kinds)

    def check(value: Any) -> Any:
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise _BindingError(f"expected {expected}, got {type(value).__name__}", type(value))
        return value

    return check


def _rejected(problem: str) -> Binder:
    def reject(_: Any) -> Any:
        raise _BindingError(problem)

    return reject


def _integer(bits: int) -> Binder:
    check, limit = _is(int), 2 ** (bits - 1)

    def bind(value: Any) -> int:
        number: int = check(value)
        if not -limit <= number < limit:
            raise _BindingError(f"out of range: expected an integer of {bits} bits")
        return number

    return bind


def _converted(check: Binder, convert: Binder) -> Binder:
    return lambda value: convert(check(value))


def _exact(convert: Callable[[], Any], problem: str) -> Any:
    """Convert a raw value of coodie; raise if the client's type has less precision."""
    try:
        return convert()
    except ParameterError as exc:
        raise _BindingError(problem) from exc


def _inet(value: IPv4Address | IPv6Address | str) -> Any:
    try:
        return ip_address(value)
    except ValueError:
        raise _BindingError(
            "expected an IP address, such as 192.0.2.1 or 2001:db8::1, got other text"
        ) from None


def _date(value: dt.date | Date) -> Any:
    if isinstance(value, dt.datetime):
        raise _BindingError("expected date, got datetime, whose time would be lost", dt.datetime)
    if isinstance(value, dt.date):
        return value
    return _exact(value.to_date, "out of range: this client supports the years 1 to 9999")


def _time(value: dt.time | Time) -> Any:
    if not isinstance(value, dt.time):
        return _exact(value.to_time, "it has nanoseconds, which this client rounds")
    if value.tzinfo is not None:
        raise _BindingError("it has a time zone, which would be lost", dt.time)
    return value


def _timestamp(value: dt.datetime | Timestamp) -> dt.datetime:
    if not isinstance(value, dt.datetime):
        moment: dt.datetime = _exact(
            value.to_datetime, "out of range: this client supports the years 1 to 9999"
        )
        return moment
    if value.tzinfo is None:
        return value.replace(tzinfo=dt.timezone.utc)
    try:
        return value.astimezone(dt.timezone.utc)
    except OverflowError:
        raise _BindingError("out of range in UTC: this client supports the years 1 to 9999") from None


def _duration(value: Duration) -> relativedelta:
    """Return months, days and microseconds: the client drops the other parts of a relativedelta."""
    fine, rest = divmod(abs(value.nanoseconds), _MICROSECOND)
    if rest or abs(value.months) >= _MONTHS_A_YEAR or abs(value.nanoseconds) >= _SECOND:
        raise _BindingError(
            "this client only keeps durations of whole microseconds, below 12 months and below a second"
        )
    sign = -1 if value.nanoseconds < 0 else 1
    return relativedelta(months=value.months, days=value.days, microseconds=sign * fine)


_SCALARS: Mapping[type[CqlColumnType], Binder] = {
    cql.CqlAscii: _is(str),
    cql.CqlText: _is(str),
    cql.CqlBlob: _converted(_is(bytes, bytearray, memoryview), bytes),
    cql.CqlBoolean: _is(bool),
    cql.CqlTinyInt: _integer(8),
    cql.CqlSmallInt: _integer(16),
    cql.CqlInt: _integer(32),
    cql.CqlBigInt: _integer(64),
    cql.CqlCounter: _integer(64),
    cql.CqlVarint: _is(int),
    cql.CqlFloat: _converted(_is(int, float), float),
    cql.CqlDouble: _converted(_is(int, float), float),
    cql.CqlDecimal: _converted(_is(int, Decimal), Decimal),
    cql.CqlUuid: _is(UUID),
    cql.CqlTimeuuid: _is(UUID),
    cql.CqlInet: _converted(_is(str, IPv4Address, IPv6Address), _inet),
    cql.CqlDate: _converted(_is(dt.date, Date), _date),
    cql.CqlTime: _converted(_is(dt.time, Time), _time),
    cql.CqlTimestamp: _converted(_is(dt.datetime, Timestamp), _timestamp),
    cql.CqlDuration: _converted(_is(Duration), _duration),
}


# --- collections, tuples, user-defined types --------------------------------------------


def _part(bind: Binder, value: Any) -> Any:
    if value is None:
        raise _BindingError("it contains a null, which this client can't send")
    return bind(value)


def _items(value: Any, kinds: tuple[type, ...], bind: Binder) -> list[Any]:
    return [_part(bind, item) for item in _is(*kinds)(value)]


def _list(bind: Binder, size: int | None = None) -> Binder:
    def bind_list(value: Any) -> list[Any]:
        items = _items(value, (list, tuple), bind)
        if size is not None and len(items) != size:
            raise _BindingError(f"expected {size} values, got {len(items)}")
        return items

    return bind_list


def _set(bind: Binder) -> Binder:
    def bind_set(value: Any) -> set[Any]:
        items = _items(value, (set, frozenset), bind)
        try:
            return set(items)
        except TypeError:
            raise _BindingError("this client doesn't support sets of collections") from None

    return bind_set


def _map(bind_key: Binder, bind_value: Binder) -> Binder:
    def bind_map(value: Any) -> dict[Any, Any]:
        pairs = [(_part(bind_key, key), _part(bind_value, item)) for key, item in _is(Mapping)(value).items()]
        try:
            return dict(pairs)
        except TypeError:
            raise _BindingError("this client doesn't support collections as keys of a map") from None

    return bind_map


def _tuple(parts: list[Binder]) -> Binder:
    def bind_tuple(value: Any) -> tuple[Any, ...]:
        if len(_is(tuple, list)(value)) != len(parts):
            raise _BindingError(f"expected {len(parts)} values, got {len(value)}")
        return tuple([_part(bind, item) for bind, item in zip(parts, value, strict=True)])

    return bind_tuple


def _udt(type_name: str, fields: Mapping[str, Binder]) -> Binder:
    def bind_udt(value: Any) -> dict[str, Any]:
        given = _is(Mapping)(value)
        unknown = [str(name) for name in given if name not in fields]
        if unknown:
            raise _BindingError(f"{type_name} has no field {unknown[0]!r}")
        return {name: _part(bind, given.get(name)) for name, bind in fields.items()}

    return bind_udt


_COMPOSED: Mapping[type[CqlColumnType], Callable[[Any], Binder]] = {
    cql.CqlList: lambda typ: _list(_binder(typ.column_type)),
    cql.CqlVector: lambda typ: _list(_binder(typ.typ), typ.dimensions),
    cql.CqlSet: lambda typ: _set(_binder(typ.column_type)),
    cql.CqlMap: lambda typ: _map(_binder(typ.key_type), _binder(typ.value_type)),
    cql.CqlTuple: lambda typ: _tuple([_binder(part) for part in typ.element_types]),
    cql.CqlUserDefinedType: lambda typ: _udt(
        typ.name, {name: _binder(part) for name, part in typ.field_types}
    ),
}
