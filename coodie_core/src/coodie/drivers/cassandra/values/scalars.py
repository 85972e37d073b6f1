"""Bind scalars for both drivers' serializers, which have own classes for dates, times and durations."""

from __future__ import annotations

import datetime as dt
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from coodie.drivers.client.values.problems import BindingError
from coodie.drivers.client.values.scalars import (
    SCALARS,
    UNIX_DAY,
    Binder,
    bind_date,
    bind_duration,
    bind_time,
)
from coodie.exceptions import ParameterError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["scalar_binders"]

_DAY_NANOSECONDS = 86_400 * 10**9


@cache
def scalar_binders() -> Mapping[str, Binder]:
    """Return the binders by the CQL name of the type."""
    own = {"date": _date_binder(), "duration": _duration_binder(), "time": _time_binder()}
    return MappingProxyType({**SCALARS, **own})


def _date_binder() -> Binder:
    from cassandra.util import Date

    def bind(value: Any) -> Any:
        # Not Date(value), which is slower: it converts through a time tuple.
        if type(value) is dt.date:
            return Date(value.toordinal() - UNIX_DAY)
        if isinstance(value, Date):
            if -(2**31) <= value.days_from_epoch < 2**31:
                return value
            raise BindingError("out of range", "The days since 1970-01-01 must fit in 32 bits.")
        return Date(bind_date(value))

    return bind


def _time_binder() -> Binder:
    from cassandra.util import Time

    def bind(value: Any) -> Any:
        if isinstance(value, Time):
            if 0 <= value.nanosecond_time < _DAY_NANOSECONDS:
                return value
            raise BindingError("out of range", "A time must be within a day.")
        return Time(bind_time(value))

    return bind


def _duration_binder() -> Binder:
    from cassandra.util import Duration

    def bind(value: Any) -> Any:
        if isinstance(value, Duration):
            from coodie import types as raw  # slow, and few programs have durations

            try:
                value = raw.Duration(value.months, value.days, value.nanoseconds)
            except ParameterError:
                hint = "Months and days must fit in 32 bits, nanoseconds in 64, all with the same sign."
                raise BindingError("out of range", hint) from None
        value = bind_duration(value)
        return Duration(value.months, value.days, value.nanoseconds)

    return bind
