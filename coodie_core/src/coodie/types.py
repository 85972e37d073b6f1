"""CQL values that Python's types can't represent exactly, and ``UNSET``.

The classes contain the server's raw numbers. Rows only contain them if ``datetime`` would lose precision or
is out of range: a ``time`` with nanoseconds, a ``date`` or ``timestamp`` outside the years 1 to 9999, a
``duration``. All of them can be bound as parameters.

``str()`` returns the CQL form (to be quoted, except for a duration). This module is independent of database
drivers.
"""

from __future__ import annotations

import datetime as dt
import operator
from dataclasses import dataclass
from typing import Final, SupportsIndex

from coodie._unset import UNSET, UnsetType
from coodie.exceptions import ParameterError, ParameterTypeError

__all__ = ["UNSET", "Date", "Duration", "Time", "Timestamp", "UnsetType"]

_UNIX_DAY: Final = dt.date(1970, 1, 1).toordinal()
_UNIX_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
_MICROSECOND: Final = dt.timedelta(microseconds=1)
_MILLISECOND: Final = dt.timedelta(milliseconds=1)
_DAY_NANOSECONDS: Final = 86_400 * 10**9
#: The number of days in 400 years, the period of the Gregorian calendar.
_CYCLE_DAYS: Final = 146_097
_CYCLE_YEARS: Final = 400


@dataclass(frozen=True, order=True, slots=True)
class Date:
    """A CQL ``date``: a day of the proleptic Gregorian calendar.

    Args:
        days: Days since 1970-01-01, -2**31 to 2**31 - 1, which are the days from -5877641-06-23 to
            +5881580-07-11 (native_protocol_v5.spec, section 6.5).

    Raises:
        ParameterError: Out of range.
        ParameterTypeError: Not a whole number.
    """

    days: int

    def __post_init__(self) -> None:
        _check_whole(self, "days", -(2**31), 2**31 - 1)

    @classmethod
    def from_date(cls, value: dt.date) -> Date:
        """Return the day of a ``datetime.date``.

        Raises:
            ParameterTypeError: The value isn't a date; or it is a datetime, whose time would be lost.
        """
        if not isinstance(value, dt.date) or isinstance(value, dt.datetime):
            raise _wrong_type("Date.from_date", value, "Give a datetime.date; a datetime has date().")
        return cls(value.toordinal() - _UNIX_DAY)

    def to_date(self) -> dt.date:
        """Return the ``datetime.date`` of this day.

        Raises:
            ParameterError: The day is outside the years 1 to 9999.
        """
        try:
            return dt.date.fromordinal(self.days + _UNIX_DAY)
        except (ValueError, OverflowError) as exc:
            message = f"{self!r} is outside the years 1 to 9999, which datetime.date doesn't support."
            raise ParameterError(message, hint="Use its days.") from exc

    def __str__(self) -> str:
        cycles = 0
        ordinal = self.days + _UNIX_DAY
        if not 1 <= ordinal <= dt.date.max.toordinal():
            cycles, ordinal = divmod(ordinal - 1, _CYCLE_DAYS)
            ordinal += 1
        day = dt.date.fromordinal(ordinal)
        year = day.year + cycles * _CYCLE_YEARS
        sign = "+" if year > dt.MAXYEAR else "-" if year < 0 else ""
        return f"{sign}{abs(year):04d}-{day.month:02d}-{day.day:02d}"


@dataclass(frozen=True, order=True, slots=True)
class Time:
    """A CQL ``time``: a time of day, in nanoseconds.

    Args:
        nanoseconds: Nanoseconds since midnight, 0 to 86,399,999,999,999
            (native_protocol_v5.spec, section 6.17).

    Raises:
        ParameterError: Out of range.
        ParameterTypeError: Not a whole number.
    """

    nanoseconds: int

    def __post_init__(self) -> None:
        _check_whole(self, "nanoseconds", 0, _DAY_NANOSECONDS - 1)

    @classmethod
    def from_time(cls, value: dt.time) -> Time:
        """Return the time of a ``datetime.time``.

        Raises:
            ParameterTypeError: The value isn't a time.
            ParameterError: The value has a time zone, which CQL doesn't support.
        """
        if not isinstance(value, dt.time):
            raise _wrong_type("Time.from_time", value, "Give a datetime.time.")
        if value.tzinfo is not None:
            raise ParameterError(
                "Time.from_time got a time with a time zone.", hint="Give value.replace(tzinfo=None)."
            )
        seconds = (value.hour * 60 + value.minute) * 60 + value.second
        return cls((seconds * 1_000_000 + value.microsecond) * 1000)

    def to_time(self) -> dt.time:
        """Return the ``datetime.time``.

        Raises:
            ParameterError: The value has nanoseconds, which ``datetime.time`` doesn't support.
        """
        microseconds, rest = divmod(self.nanoseconds, 1000)
        if rest:
            message = f"{self!r} has a part below the microsecond, which datetime.time doesn't support."
            raise ParameterError(message, hint="Use its nanoseconds.")
        return (_UNIX_EPOCH + microseconds * _MICROSECOND).time()

    def __str__(self) -> str:
        seconds, rest = divmod(self.nanoseconds, 10**9)
        minutes, second = divmod(seconds, 60)
        hour, minute = divmod(minutes, 60)
        fraction = f".{rest:09d}" if rest else ""
        return f"{hour:02d}:{minute:02d}:{second:02d}{fraction}"


@dataclass(frozen=True, order=True, slots=True)
class Timestamp:
    """A CQL ``timestamp``: a point in time, in milliseconds.

    Args:
        milliseconds: Milliseconds since 1970-01-01T00:00Z, -2**63 to 2**63 - 1
            (native_protocol_v5.spec, section 6.18).

    Raises:
        ParameterError: Out of range.
        ParameterTypeError: Not a whole number.
    """

    milliseconds: int

    def __post_init__(self) -> None:
        _check_whole(self, "milliseconds", -(2**63), 2**63 - 1)

    @classmethod
    def from_datetime(cls, value: dt.datetime) -> Timestamp:
        """Return the timestamp of a ``datetime``; a naive one is UTC.

        Raises:
            ParameterTypeError: The value isn't a datetime.
            ParameterError: The value has microseconds.
        """
        if not isinstance(value, dt.datetime):
            raise _wrong_type("Timestamp.from_datetime", value, "Give a datetime.datetime.")
        if value.microsecond % 1000:
            message = "Timestamp.from_datetime got a datetime with a part below the millisecond."
            raise ParameterError(message, hint="Round it first, as with value.replace(microsecond=…).")
        moment = value.replace(tzinfo=dt.timezone.utc) if value.utcoffset() is None else value
        return cls((moment - _UNIX_EPOCH) // _MILLISECOND)

    def to_datetime(self) -> dt.datetime:
        """Return an aware ``datetime`` in UTC.

        Raises:
            ParameterError: The timestamp is outside the years 1 to 9999.
        """
        try:
            return _UNIX_EPOCH + self.milliseconds * _MILLISECOND
        except OverflowError as exc:
            message = f"{self!r} is outside the years 1 to 9999, which datetime doesn't support."
            raise ParameterError(message, hint="Use its milliseconds.") from exc

    def __str__(self) -> str:
        try:
            moment = _UNIX_EPOCH + self.milliseconds * _MILLISECOND
        except OverflowError:
            return str(self.milliseconds)
        return f"{moment.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


@dataclass(frozen=True, slots=True)
class Duration:
    """A CQL ``duration``: months, days and nanoseconds, which can't be converted to each other.

    Durations are equal if all three numbers are equal; they have no order, as in CQL, since a month may be
    longer or shorter than 30 days.

    Args:
        months: -2**31 to 2**31 - 1.
        days: -2**31 to 2**31 - 1.
        nanoseconds: -2**63 to 2**63 - 1. All three must have the same sign
            (native_protocol_v5.spec, section 6.8).

    Raises:
        ParameterError: Out of range, or of different signs.
        ParameterTypeError: Not whole numbers.
    """

    months: int
    days: int
    nanoseconds: int

    def __post_init__(self) -> None:
        _check_whole(self, "months", -(2**31), 2**31 - 1)
        _check_whole(self, "days", -(2**31), 2**31 - 1)
        _check_whole(self, "nanoseconds", -(2**63), 2**63 - 1)
        numbers = (self.months, self.days, self.nanoseconds)
        if min(numbers) < 0 < max(numbers):
            raise ParameterError(
                "The months, days and nanoseconds of a Duration are of different signs.",
                hint="Make all of them positive, or all negative.",
            )

    @classmethod
    def from_timedelta(cls, value: dt.timedelta) -> Duration:
        """Return the duration of a ``timedelta``, only in nanoseconds, since a day of CQL isn't always 24 h.

        Raises:
            ParameterTypeError: The value isn't a timedelta.
            ParameterError: The value is longer than 2**63 nanoseconds, about 292 years.
        """
        if not isinstance(value, dt.timedelta):
            raise _wrong_type("Duration.from_timedelta", value, "Give a datetime.timedelta.")
        return cls(0, 0, value // _MICROSECOND * 1000)

    def to_timedelta(self) -> dt.timedelta:
        """Return the duration as a ``timedelta``.

        Raises:
            ParameterError: The duration has months or days, whose length depends on the calendar, or
                nanoseconds.
        """
        microseconds, rest = divmod(self.nanoseconds, 1000)
        if self.months or self.days or rest:
            message = f"{self!r} has months, days or nanoseconds, which a timedelta doesn't support."
            raise ParameterError(message, hint="Convert them to a timedelta yourself.")
        return microseconds * _MICROSECOND

    def __str__(self) -> str:
        sign = "-" if min(self.months, self.days, self.nanoseconds) < 0 else ""
        units = ((self.months, "mo"), (self.days, "d"), (self.nanoseconds, "ns"))
        return sign + ("".join(f"{abs(number)}{unit}" for number, unit in units if number) or "0ns")


def _check_whole(value: object, field: str, low: int, high: int) -> None:
    """Validate one number of a value; convert a subclass of int to an int."""
    given: SupportsIndex = getattr(value, field)
    if type(given) is not int:
        try:
            number = None if isinstance(given, bool) else int(operator.index(given))
        except TypeError:
            number = None
        if number is None:
            raise _wrong_type(f"{type(value).__name__}.{field}", given, "Give an int.")
        object.__setattr__(value, field, number)
        given = number
    if not low <= given <= high:
        what = f"{type(value).__name__}.{field} is out of range."
        raise ParameterError(what, hint=f"The range is {low:,} to {high:,}.")


def _wrong_type(where: str, value: object, hint: str) -> ParameterTypeError:
    name = type(value).__name__
    return ParameterTypeError(f"{where} got a {name}.", hint=hint, value_type=name)
