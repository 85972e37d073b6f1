"""How the client takes parameters.

The client binds True to an int, and truncates durations and times silently. A value that it can't encode
exactly is rejected before anything is sent.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from dateutil.relativedelta import relativedelta

from coodie.drivers.client.values.binding import STANDARD_SCALARS, ClientBinding
from coodie.drivers.client.values.problems import BindingError

__all__ = ["BINDING"]

_MICROSECOND = 1000
_SECOND = 1_000_000_000
_MONTHS_A_YEAR = 12


def _inet(value: Any) -> Any:
    return ip_address(STANDARD_SCALARS["inet"](value))


def _duration(value: Any) -> relativedelta:
    """Return months, days and microseconds: the client drops the other parts of a relativedelta."""
    duration = STANDARD_SCALARS["duration"](value)
    fine, rest = divmod(abs(duration.nanoseconds), _MICROSECOND)
    if rest or abs(duration.months) >= _MONTHS_A_YEAR or abs(duration.nanoseconds) >= _SECOND:
        raise BindingError(
            "this client only keeps durations of whole microseconds, below 12 months and below a second",
            "Give another value, or use another backend.",
        )
    sign = -1 if duration.nanoseconds < 0 else 1
    return relativedelta(months=duration.months, days=duration.days, microseconds=sign * fine)


BINDING = ClientBinding(
    scalars={**STANDARD_SCALARS, "duration": _duration, "inet": _inet},
    make_set=set,
    has_null_parts=False,
    has_vectors=True,
)
