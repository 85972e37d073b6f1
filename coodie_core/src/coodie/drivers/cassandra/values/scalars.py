"""Bind single values: check strictly, and return what both drivers' serialisers turn into the right bytes.

The serialisers are lenient in ways that store something else than was meant: ``bytes(5)`` is five zero
bytes, ``"1.2"`` an address, an int in a ``date`` column a day counted from another epoch. So nothing
reaches them that isn't exactly of the type.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import math
import operator
import sys
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from numbers import Real
from types import MappingProxyType
from typing import Any
from uuid import UUID

from coodie import types as raw
from coodie.exceptions import ParameterError
from coodie.types import UNSET

__all__ = ["Binder", "BindingError", "scalar_binders", "type_name", "wrong_type"]

#: Takes a value that is neither None nor UNSET; returns what the driver serialises or raises BindingError.
Binder = Callable[[Any], Any]

_UNIX_DAY = dt.date(1970, 1, 1).toordinal()
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - naive means UTC
_AWARE_EPOCH = _EPOCH.replace(tzinfo=dt.timezone.utc)
_DAY_MILLISECONDS = 86_400_000
_DAY_NANOSECONDS = 86_400 * 10**9

#: Below this, a number rounds to a finite 32-bit float (IEEE 754): the largest one plus half a step.
_FLOAT_LIMIT = (2 - 2**-24) * 2.0**127


class BindingError(Exception):
    """A value doesn't fit its type; never leaves the package, and never holds the value.

    Args:
        problem: What is wrong, as a verb: "got a value of type float", "is out of range".
        hint: What to give instead.
        value_type: The value's type, where that is what is wrong.
    """

    def __init__(self, problem: str, hint: str, *, value_type: type | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint
        self.value_type = value_type
        #: Where in the parameter the value stands, from the outside in: "an element", "field 'street'".
        self.path: tuple[str, ...] = ()

    def inside(self, place: str) -> BindingError:
        """Note the place of the value in the one around it, and return self."""
        self.path = (place, *self.path)
        return self


def wrong_type(value: Any, hint: str) -> BindingError:
    """Return the error of a value whose type is wrong.

    Args:
        value: The value.
        hint: What to give instead.
    """
    kind = type(value)
    if value is None:
        return BindingError("got None", "Collections in CQL hold no nulls: leave it out.", value_type=kind)
    if value is UNSET:
        return BindingError(
            "got UNSET", "It stands for a whole column, never inside a value.", value_type=kind
        )
    return BindingError(f"got a value of type {type_name(kind)}", hint, value_type=kind)


def type_name(kind: type) -> str:
    """Return a type's name, with the module of one that isn't Python's: numpy, too, has a ``bool``."""
    name: str = kind.__name__
    return (
        name if kind.__module__.partition(".")[0] in sys.stdlib_module_names else f"{kind.__module__}.{name}"
    )


@cache
def scalar_binders() -> Mapping[str, Binder]:
    """Return the binders by the CQL name of the type."""
    return MappingProxyType(
        {
            "ascii": _ascii,
            "bigint": _integer(64),
            "blob": _blob,
            "boolean": _boolean,
            "counter": _integer(64),
            "date": _date_binder(),
            "decimal": _decimal,
            "double": _double,
            "duration": _duration_binder(),
            "float": _float,
            "inet": _inet,
            "int": _integer(32),
            "smallint": _integer(16),
            "text": _text,
            "time": _time_binder(),
            "timestamp": _timestamp,
            "timeuuid": _timeuuid,
            "tinyint": _integer(8),
            "uuid": _uuid,
            "varint": _whole,
        }
    )


# --- text and bytes ---------------------------------------------------------------------


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise wrong_type(value, "Give a str.")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise BindingError(
                "has a lone surrogate, which UTF-8 can't hold", "Give valid Unicode."
            ) from None
    # A StrEnum's member is its text.
    return value if type(value) is str else str.__str__(value)


def _ascii(value: Any) -> str:
    if not isinstance(value, str):
        raise wrong_type(value, "Give a str.")
    if not value.isascii():
        raise BindingError("has characters beyond ASCII", "Declare the column as text, or give ASCII.")
    return value


def _blob(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    raise wrong_type(value, "Give bytes, a bytearray or a memoryview.")


# --- numbers ----------------------------------------------------------------------------


def _boolean(value: Any) -> bool:
    if value is True or value is False:
        return value is True
    raise wrong_type(value, "Give True or False; of something else, bool(value).")


def _whole(value: Any, hint: str = "Give an int.") -> int:
    if type(value) is int:
        return value
    if isinstance(value, bool):
        raise wrong_type(value, hint)
    try:
        # An IntEnum's index is itself; the serialisers want a plain int.
        return int(operator.index(value))
    except TypeError:
        raise wrong_type(value, hint) from None


def _integer(bits: int) -> Binder:
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1

    def bind(value: Any) -> int:
        number = value if type(value) is int else _whole(value)
        if low <= number <= high:
            return number
        raise BindingError("is out of range", f"It goes from {low:,} to {high:,}.")

    return bind


def _double(value: Any) -> float:
    if type(value) is float:
        return value
    if isinstance(value, Real) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise BindingError("is out of range", "A double goes up to about 1.8e308.") from None
    raise wrong_type(value, "Give a float or an int; of a Decimal, float(value).")


def _float(value: Any) -> float:
    number = value if type(value) is float else _double(value)
    if -_FLOAT_LIMIT < number < _FLOAT_LIMIT or not math.isfinite(number):
        return number
    raise BindingError("is out of range", "A float goes up to about 3.4e38; a double holds more.")


def _decimal(value: Any) -> Decimal:
    if not isinstance(value, Decimal):
        if isinstance(value, float):
            raise wrong_type(value, "Give a Decimal, as Decimal(str(value)); a float isn't exact.")
        value = Decimal(_whole(value, "Give a Decimal or an int."))
    number: Decimal = value
    _, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int):
        raise BindingError("isn't finite", "CQL's decimal has neither NaN nor infinity; a double does.")
    if not -(2**31) < -exponent < 2**31:
        raise BindingError("has an exponent out of range", "It has to fit in 32 bits.")
    # The drivers write the digits as one int; interpreters of 3.10.6 and before have no limit there.
    limit = getattr(sys, "get_int_max_str_digits", int)()
    if limit and len(digits) > limit:
        hint = f"The driver can't write more than {limit:,}: see sys.set_int_max_str_digits."
        raise BindingError("has too many digits", hint)
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
        # What is below a millisecond can't be stored; both drivers cut it off, too.
        return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
    if isinstance(value, dt.date):
        return (value.toordinal() - _UNIX_DAY) * _DAY_MILLISECONDS
    if isinstance(value, raw.Timestamp):
        return value.milliseconds
    milliseconds = _whole(value, "Give a datetime (naive is UTC), a date, a Timestamp, or an int of ms.")
    if -(2**63) <= milliseconds < 2**63:
        return milliseconds
    raise BindingError("is out of range", "Milliseconds since 1970 have to fit in 64 bits.")


def _date_binder() -> Binder:
    from cassandra.util import Date

    def bind(value: Any) -> Any:
        if isinstance(value, dt.datetime):
            raise wrong_type(value, "Its time would be lost: give value.date().")
        # Not Date(value): that goes through a time tuple.
        if isinstance(value, dt.date):
            return Date(value.toordinal() - _UNIX_DAY)
        if isinstance(value, raw.Date):
            return Date(value.days)
        if isinstance(value, Date):
            if -(2**31) <= value.days_from_epoch < 2**31:
                return value
            raise BindingError("is out of range", "Days since 1970-01-01 have to fit in 32 bits.")
        raise wrong_type(value, "Give a date or a coodie.types.Date; of text, date.fromisoformat(value).")

    return bind


def _time_binder() -> Binder:
    from cassandra.util import Time

    def bind(value: Any) -> Any:
        if isinstance(value, dt.time):
            if value.tzinfo is not None:
                raise BindingError("has a time zone", "CQL's time has none: give value.replace(tzinfo=None).")
            seconds = (value.hour * 60 + value.minute) * 60 + value.second
            return Time((seconds * 1_000_000 + value.microsecond) * 1000)
        if isinstance(value, raw.Time):
            return Time(value.nanoseconds)
        if isinstance(value, Time):
            if 0 <= value.nanosecond_time < _DAY_NANOSECONDS:
                return value
            raise BindingError("is out of range", "It has to be within a day.")
        raise wrong_type(value, "Give a time or a coodie.types.Time; of text, time.fromisoformat(value).")

    return bind


def _duration_binder() -> Binder:
    from cassandra.util import Duration

    def bind(value: Any) -> Any:
        if isinstance(value, Duration):
            try:
                value = raw.Duration(value.months, value.days, value.nanoseconds)
            except ParameterError:
                hint = "Months and days have to fit in 32 bits, nanoseconds in 64, all of one sign."
                raise BindingError("is out of range", hint) from None
        if isinstance(value, raw.Duration):
            return Duration(value.months, value.days, value.nanoseconds)
        raise wrong_type(value, "Give a coodie.types.Duration; of a timedelta, Duration.from_timedelta().")

    return bind


# --- identifiers ------------------------------------------------------------------------


def _uuid(value: Any) -> UUID:
    if isinstance(value, UUID):
        return value
    raise wrong_type(value, "Give a uuid.UUID; of text, UUID(value).")


def _timeuuid(value: Any) -> UUID:
    if not isinstance(value, UUID):
        raise wrong_type(value, "Give a uuid.UUID of version 1, such as uuid.uuid1().")
    if value.version != 1:
        raise BindingError("isn't a UUID of version 1", "Give uuid.uuid1(), or declare the column as uuid.")
    return value


def _inet(value: Any) -> str:
    if isinstance(value, str):
        try:
            value = ipaddress.ip_address(value)
        except ValueError:
            raise BindingError("isn't an IP address", "Give it in full: 192.0.2.1, 2001:db8::1.") from None
    if not isinstance(value, (ipaddress.IPv4Address, ipaddress.IPv6Address)):
        raise wrong_type(value, "Give a str or an address from ipaddress.")
    if getattr(value, "scope_id", None) is not None:
        raise BindingError("has a scope", "CQL's inet has no place for what follows the %.")
    return str(value)
