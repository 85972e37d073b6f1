"""Results: the client's values as coodie's, by the types of the columns.

The client has two modes. In the usual one, it returns datetime objects, without the nanoseconds of times, and
a duration as text. In the other one, it returns times, dates and timestamps as text, and a duration as three
numbers, so that nothing is lost; it is used for results with a time or a duration.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any
from uuid import UUID

from coodie.drivers.client.values.reading import converter
from coodie.exceptions import RequestError
from coodie.types import Duration, Time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from coodie.drivers.client.values.reading import Converter
    from coodie_acsylla.cqltypes import ColumnType

__all__ = ["Reader"]

#: Types that only the other mode returns exactly.
_EXACT_AS_TEXT = frozenset({"time", "duration"})
#: Types that the client can't decode: it returns wrong values, or fails.
_UNREADABLE = frozenset({"decimal", "custom"})
#: Its exceptions for a value that it can't decode; a TypeError for a list, set or map in a set or as a key.
_CLIENT_ERRORS = (ValueError, OverflowError, ArithmeticError, TypeError)

_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - coodie's are naive UTC
#: Seconds from 1970, in either direction, within which the client's floating point numbers have milliseconds.
_EXACT_SECONDS = 2**33
_BEGIN, _END = (_EPOCH + dt.timedelta(seconds=sign * _EXACT_SECONDS) for sign in (-1, 1))


class Reader:
    """Reads the rows of a statement's results.

    Args:
        columns: The columns, or an empty sequence if they are unknown.
    """

    __slots__ = ("_converters", "_unreadable", "as_text", "types")

    def __init__(self, columns: Sequence[ColumnType]) -> None:
        #: Whether the client has to return times, dates and timestamps as text.
        self.as_text = any(column.type.has(_EXACT_AS_TEXT) for column in columns)
        #: The columns that the client can't decode, unless they are null.
        self._unreadable = [n for n, column in enumerate(columns) if column.type.has(_UNREADABLE)]
        self.types = [column.type.text for column in columns]
        scalars = _BY_MODE[self.as_text]
        found = {index: converter(column.type, scalars) for index, column in enumerate(columns)}
        self._converters = {index: convert for index, convert in found.items() if convert is not None}

    def rows(self, result: Any, stmt: str) -> list[list[Any]]:
        """Return the rows of one page.

        Raises:
            RequestError: The client can't decode a value.
        """
        rows: list[list[Any]] = []
        if self.as_text:
            result.native_types = True
        for row in result:
            try:
                rows.append(row.as_list())
            except _CLIENT_ERRORS as exc:
                raise _undecodable(result, row, stmt) from exc
        for index in self._unreadable:
            if any(values[index] is not None for values in rows):
                raise _cannot_decode(result.columns_names()[index], stmt)
        for index, convert in self._converters.items():
            for values in rows:
                if values[index] is not None:
                    try:
                        values[index] = convert(values[index])
                    except ValueError as exc:
                        raise _cannot_decode(result.columns_names()[index], stmt) from exc
        return rows


def _cannot_decode(name: str, stmt: str) -> RequestError:
    """Return the error for a value that the client can't decode."""
    return RequestError(
        f"The client can't decode a value of {name!r} exactly.",
        hint="Leave the column out, select it as a blob or a text, or use another backend.",
        statement=stmt,
    )


def _undecodable(result: Any, row: Any, stmt: str) -> RequestError:
    """Return the error, with the name of the first column that fails."""
    for index, name in enumerate(result.columns_names()):
        try:
            row.column_value_by_index(index)
        except _CLIENT_ERRORS:
            return _cannot_decode(name, stmt)
    return _cannot_decode("the result", stmt)


def _varint(value: bytes) -> int:
    return int.from_bytes(value, "big", signed=True)


def _timestamp(value: dt.datetime) -> dt.datetime:
    naive = value.replace(tzinfo=None)
    if not _BEGIN < naive < _END:
        raise ValueError("The client reads this timestamp with less precision than a millisecond.")
    return naive


def _timestamp_of_text(text: str) -> dt.datetime:
    return _timestamp(dt.datetime.strptime(text, "%Y-%m-%d %H:%M:%S.%f%z"))


def _time_of_text(text: str) -> dt.time | Time:
    clock, _, fraction = text.partition(".")
    hours, minutes, seconds = map(int, clock.split(":"))
    nanoseconds = int(fraction.ljust(9, "0"))
    if nanoseconds % 1000 == 0:
        return dt.time(hours, minutes, seconds, nanoseconds // 1000)
    return Time(((hours * 60 + minutes) * 60 + seconds) * 1_000_000_000 + nanoseconds)


_BY_MODE: tuple[Mapping[str, Converter], Mapping[str, Converter]] = (
    {"uuid": UUID, "timeuuid": UUID, "varint": _varint, "timestamp": _timestamp},
    {
        "uuid": UUID,
        "timeuuid": UUID,
        "varint": _varint,
        "timestamp": _timestamp_of_text,
        "date": dt.date.fromisoformat,
        "time": _time_of_text,
        "duration": lambda value: Duration(*value),
    },
)
