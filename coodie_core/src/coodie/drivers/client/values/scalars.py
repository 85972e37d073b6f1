"""Bind scalars: validate strictly, and convert to values that clients encode correctly.

Clients accept values that they store differently: ``bytes(5)`` is five zero bytes, ``"1.2"`` an address, 1.5
an int. So they only get values of exactly the right type.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import math
import operator
import sys
from collections.abc import Callable, Mapping
from decimal import Decimal
from numbers import Real
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from uuid import UUID

from coodie.drivers.client.values.problems import BindingError, wrong_type

if TYPE_CHECKING:
    from coodie.types import Duration

__all__ = ["SCALARS", "UNIX_DAY", "Binder", "bind_date", "bind_duration", "bind_time"]

#: Takes a value other than None and UNSET; returns the client's value, or raises BindingError.
Binder = Callable[[Any], Any]

#: 1970-01-01 as an ordinal of ``datetime.date``.
UNIX_DAY = dt.date(1970, 1, 1).toordinal()
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - naive means UTC
_AWARE_EPOCH = _EPOCH.replace(tzinfo=dt.timezone.utc)
_DAY_MILLISECONDS = 86_400_000

_INSTANT = "a datetime (naive is UTC), a date, a Timestamp or milliseconds as an int"

#: The limit below which a number rounds to a finite 32-bit float (IEEE 754): the largest one plus half a
#: step.
_FLOAT_LIMIT = (2 - 2**-24) * 2.0**127


# --- text and bytes ---------------------------------------------------------------------


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise wrong_type(value, "a str")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise BindingError(
                "the text has a lone surrogate, which UTF-8 can't encode", "Give valid Unicode."
            ) from None
    # A StrEnum member is converted to its text.
    return value if type(value) is str else str.__str__(value)


def _ascii(value: Any) -> str:
    if not isinstance(value, str):
        raise wrong_type(value, "a str")
    if not value.isascii():
        raise BindingError("the text isn't ASCII", "Give ASCII characters, or declare the column as text.")
    return value


def _blob(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    raise wrong_type(value, "bytes, a bytearray or a memoryview")


# --- numbers ----------------------------------------------------------------------------


def _boolean(value: Any) -> bool:
    if value is True or value is False:
        return value is True
    raise wrong_type(value, "a bool", "Convert it with bool(value).")


def _whole(value: Any, expected: str = "an int") -> int:
    if type(value) is int:
        return value
    if isinstance(value, bool):
        raise wrong_type(value, expected)
    try:
        # operator.index() returns an IntEnum member unchanged; the serializers need a plain int.
        return int(operator.index(value))
    except TypeError:
        raise wrong_type(value, expected) from None


def _integer(bits: int) -> Binder:
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1

    def bind(value: Any) -> int:
        number = value if type(value) is int else _whole(value)
        if low <= number <= high:
            return number
        raise BindingError("out of range", f"The range is {low:,} to {high:,}.")

    return bind


def _double(value: Any) -> float:
    if type(value) is float:
        return value
    if isinstance(value, Real) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise BindingError("out of range", "The largest double is about 1.8e308.") from None
        except TypeError:  # numpy's timedelta64
            pass
    raise wrong_type(value, "a float or an int", "Convert a Decimal with float(value).")


def _float(value: Any) -> float:
    number = value if type(value) is float else _double(value)
    if -_FLOAT_LIMIT < number < _FLOAT_LIMIT or not math.isfinite(number):
        return number
    raise BindingError("out of range", "The largest float is about 3.4e38; use a double column.")


def _decimal(value: Any) -> Decimal:
    if not isinstance(value, Decimal):
        if isinstance(value, float):
            raise wrong_type(value, "a Decimal or an int", "Floats aren't exact: use Decimal(str(value)).")
        value = Decimal(_whole(value, "a Decimal or an int"))
    number: Decimal = value
    _, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int):
        raise BindingError("not finite", "A decimal can't be NaN or infinite; a double can.")
    if not -(2**31) < -exponent < 2**31:
        raise BindingError("exponent out of range", "It must fit in 32 bits.")
    # The drivers convert the digits to an int; Python 3.10.6 and older have no limit for that.
    limit = getattr(sys, "get_int_max_str_digits", int)()
    if limit and len(digits) > limit:
        hint = f"The driver can encode at most {limit:,}; see sys.set_int_max_str_digits."
        raise BindingError("too many digits", hint)
    return number


# --- date and time ----------------------------------------------------------------------


def _timestamp(value: Any) -> int:
    if isinstance(value, dt.datetime):
        if value.tzinfo is None:
            since = value - _EPOCH
        elif value.utcoffset() is None:
            since = value.replace(tzinfo=None) - _EPOCH
        else:
            since = value - _AWARE_EPOCH
        # A timestamp has milliseconds: truncate, as both drivers do.
        milliseconds = (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
        if milliseconds.__class__ is int:
            return milliseconds
        raise wrong_type(value, _INSTANT)  # pandas' NaT
    if isinstance(value, dt.date):
        return (value.toordinal() - UNIX_DAY) * _DAY_MILLISECONDS
    if value.__class__ is not int:
        from coodie.types import Timestamp  # slow, and few programs have values of its classes

        if isinstance(value, Timestamp):
            return value.milliseconds
    milliseconds = _whole(value, _INSTANT)
    if -(2**63) <= milliseconds < 2**63:
        return milliseconds
    raise BindingError("out of range", "The milliseconds since 1970 must fit in 64 bits.")


def bind_date(value: Any) -> int:
    """Return the days since 1970-01-01."""
    if isinstance(value, dt.datetime):
        raise wrong_type(value, "a date", "Drop the time with value.date().")
    if isinstance(value, dt.date):
        return value.toordinal() - UNIX_DAY
    from coodie.types import Date  # as above

    if isinstance(value, Date):
        return value.days
    raise wrong_type(value, "a date or a coodie.types.Date", "Parse text with date.fromisoformat(value).")


def bind_time(value: Any) -> int:
    """Return the nanoseconds since midnight."""
    if isinstance(value, dt.time):
        if value.tzinfo is not None:
            raise BindingError("the time has a time zone", "Remove it: value.replace(tzinfo=None).")
        seconds = (value.hour * 60 + value.minute) * 60 + value.second
        return (seconds * 1_000_000 + value.microsecond) * 1000
    from coodie.types import Time  # as above

    if isinstance(value, Time):
        return value.nanoseconds
    raise wrong_type(value, "a time or a coodie.types.Time", "Parse text with time.fromisoformat(value).")


def bind_duration(value: Any) -> Duration:
    """Return the duration."""
    from coodie.types import Duration  # as above

    if isinstance(value, Duration):
        return value
    hint = "Convert a timedelta with Duration.from_timedelta(value)."
    raise wrong_type(value, "a coodie.types.Duration", hint)


# --- identifiers ------------------------------------------------------------------------


def _uuid(value: Any) -> UUID:
    if isinstance(value, UUID):
        return value
    raise wrong_type(value, "a uuid.UUID", "Parse text with UUID(value).")


def _timeuuid(value: Any) -> UUID:
    if not isinstance(value, UUID):
        raise wrong_type(value, "a uuid.UUID of version 1, such as uuid.uuid1()")
    if value.version != 1:
        raise BindingError("not a UUID of version 1", "Give uuid.uuid1(), or declare the column as uuid.")
    return value


def _inet(value: Any) -> str:
    if isinstance(value, str):
        try:
            value = ipaddress.ip_address(value)
        except ValueError:
            raise BindingError(
                "not an IP address", "Give a full address, such as 192.0.2.1 or 2001:db8::1."
            ) from None
    if not isinstance(value, (ipaddress.IPv4Address, ipaddress.IPv6Address)):
        raise wrong_type(value, "a str, an IPv4Address or an IPv6Address")
    if getattr(value, "scope_id", None) is not None:
        raise BindingError("the address has a scope", "Remove the % and what follows it.")
    return str(value)


#: The binders by the CQL name of the type. Dates, times and durations are left to each kind of client; a
#: timestamp becomes milliseconds since 1970.
SCALARS: Mapping[str, Binder] = MappingProxyType(
    {
        "ascii": _ascii,
        "bigint": _integer(64),
        "blob": _blob,
        "boolean": _boolean,
        "counter": _integer(64),
        "decimal": _decimal,
        "double": _double,
        "float": _float,
        "inet": _inet,
        "int": _integer(32),
        "smallint": _integer(16),
        "text": _text,
        "timestamp": _timestamp,
        "timeuuid": _timeuuid,
        "tinyint": _integer(8),
        "uuid": _uuid,
        "varint": _whole,
    }
)
