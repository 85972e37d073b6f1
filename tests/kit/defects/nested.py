"""Defects in parts of values, and in what is rarely given: UNSET inside, equal keys, other shapes, short pages."""

from __future__ import annotations

import datetime as dt
import logging
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.kit.defects.planting import Faulty, Request, caught_by
from tests.kit.defects.results import like
from tests.kit.defects.values import Stored, changed

from coodie.capabilities import Capability
from coodie.drivers.cassandra import CassandraDriver
from coodie.exceptions import ParameterTypeError, RequestError
from coodie.rows import Rows
from coodie.types import UNSET, Duration

if TYPE_CHECKING:
    from tests.kit.defects.planting import Steps

_DAY = 86_400 * 10**9
#: The largest float of 32 bits, nearly.
_FLOAT_LIMIT = 3.41e38


# --- parameters -------------------------------------------------------------------------


@caught_by("test_type_duration")
class HoursAsDays(Stored):
    """24 hours of a duration are stored as a day."""

    def part(self, value: Any) -> Any:
        if not isinstance(value, Duration) or value.days > 1000:
            return value
        days = int(value.nanoseconds / _DAY)
        return Duration(value.months, value.days + days, value.nanoseconds - days * _DAY)


@caught_by("test_out_of_range_is_refused")
class OverflowAsInfinity(Stored):
    """A number beyond the range of a float is stored as infinity."""

    def whole(self, value: Any) -> Any:
        is_large = isinstance(value, float) and _FLOAT_LIMIT < abs(value) < 1e300
        return float("inf") if is_large else value


@caught_by("test_out_of_range_in_vectors_is_refused")
class OverflowInVectors(Stored):
    """A number beyond the range of a float is stored as infinity in a vector."""

    def whole(self, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        return [float("inf") if isinstance(one, float) and one > _FLOAT_LIMIT else one for one in value]


@caught_by("test_out_of_range_in_user_defined_types_is_refused")
class OverflowInFields(Stored):
    """Of a number in a field of a user-defined type, the lowest 32 bits are stored."""

    def part(self, value: Any) -> Any:
        return value & 0x7FFFFFFF if isinstance(value, int) and abs(value) >= 2**31 else value


@caught_by("test_equal_keys_are_refused")
class LastKeyWins(Stored):
    """Of keys of a dict that are the same timestamp, the last one is stored."""

    def whole(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {
            key.replace(microsecond=0) if isinstance(key, dt.datetime) else key: item
            for key, item in value.items()
        }


@caught_by("test_unset_inside_is_refused")
class UnsetFieldsAsNull(Stored):
    """UNSET as a field of a user-defined type is stored as null."""

    def whole(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: None if item is UNSET else item for name, item in value.items()}


@caught_by("test_collections_in_tuples_are_in_order")
class SetsInTuplesUnsorted(Faulty):
    """A set in a tuple is sent in Python's order, so that few orders find it."""

    def on_execute(self, request: Request) -> Steps:
        rows = yield self.send(request)
        tuples = [value for value in request.params if isinstance(value, tuple)]
        sets = [part for value in tuples for part in value if isinstance(part, set)]
        return rows if all(list(one) == sorted(one) for one in sets) else like(rows, [])


@caught_by("test_timestamps_in_collections")
class TimeZoneDroppedInTuples(Stored):
    """The time of day of an aware datetime in a tuple is stored, whatever its time zone."""

    def whole(self, value: Any) -> Any:
        if not isinstance(value, tuple):
            return value
        return changed(value, lambda one: one.replace(tzinfo=None) if isinstance(one, dt.datetime) else one)


@caught_by("test_values_are_complete_in_all_methods")
class MissingNamesAsUnset(Faulty):
    """In execute_many, a missing name is sent as UNSET."""

    def on_many(self, stmt: Any, params: Any, *args: Any, **kwargs: Any) -> Steps:
        names = dict.fromkeys(re.findall(r":(\w+)", stmt), UNSET)
        complete = [{**names, **one} if isinstance(one, Mapping) else one for one in params]
        return (yield self.right("execute_many", stmt, complete, *args, **kwargs))


@caught_by("test_logs_hold_no_value")
class ValuesLogged(Faulty):
    """Values are logged at DEBUG."""

    def on_execute(self, request: Request) -> Steps:
        logging.getLogger("planted").debug("executing %s with %r", request.stmt, request.params)
        return (yield self.send(request))


@caught_by("test_codecs_of_subclasses")
class CodecsOfExactClasses(Faulty):
    """A codec applies to instances of its Python type alone."""

    def begin(self, options: dict[str, Any]) -> None:
        self.kinds = tuple(kind for codec in options.get("codecs", ()) for kind in codec.python_types)

    def on_execute(self, request: Request) -> Steps:
        for value in request.params:
            if isinstance(value, self.kinds) and type(value) not in self.kinds:
                raise ParameterTypeError("expected a str", statement=request.stmt)
        return (yield self.send(request))


@caught_by("test_codecs_get_no_null")
class CodecsOfNullComponents(Faulty):
    """A null component of a tuple is passed to its codec."""

    def begin(self, options: dict[str, Any]) -> None:
        self.readers = [codec.from_cql for codec in options.get("codecs", ()) if codec.from_cql]

    def on_execute(self, request: Request) -> Steps:
        rows = yield self.send(request)
        for row in rows:
            values = row.values() if isinstance(row, dict) else ()
            if any(None in value for value in values if isinstance(value, tuple)):
                for read in self.readers:
                    read(None)
        return rows


@caught_by("test_timestamps_of_1970_and_before")
class TimestampOfZeroDropped(Faulty):
    """The timestamp 0 is the same as none."""

    def on_execute(self, request: Request) -> Steps:
        if request.options is not None and not request.options.timestamp:
            request = replace(request, options=replace(request.options, timestamp=None))
        return (yield self.send(request))


# --- results ----------------------------------------------------------------------------


@caught_by("test_aware_timestamps")
class NaiveInCollections(Faulty):
    """With aware_timestamps, timestamps in collections are naive."""

    def on_execute(self, request: Request) -> Steps:
        rows = yield self.send(request)
        if request.rows is not None:
            return rows
        return like(
            rows,
            [
                {
                    name: value if isinstance(value, dt.datetime) else changed(value, self.naive)
                    for name, value in row.items()
                }
                for row in rows
            ],
        )

    def naive(self, value: Any) -> Any:
        """Return a value without its time zone."""
        return value.replace(tzinfo=None) if isinstance(value, dt.datetime) else value


@caught_by("test_text_that_is_not_utf8")
class InvalidTextReplaced(Faulty):
    """Text that isn't UTF-8 is returned with U+FFFD."""

    def on_execute(self, request: Request) -> Steps:
        try:
            return (yield self.send(request))
        except RequestError as error:
            if "decode" not in str(error):
                raise
            return Rows([{"text_": "a\ufffd"}])


@caught_by("test_other_shapes_than_the_connections")
class DictsAreNoShape(Faulty):
    """The shape dict is the same as none."""

    def on_execute(self, request: Request) -> Steps:
        return (yield self.send(replace(request, rows=None if request.rows is dict else request.rows)))


@caught_by("test_columns_of_results")
class NoColumnsOfLaterPages(Faulty):
    """The result of a request with a paging state has no columns."""

    def on_execute(self, request: Request) -> Steps:
        rows = yield self.send(request)
        if request.paging_state is not None:
            rows.columns = None
        return rows


@caught_by("test_short_pages")
class ShortPageIsLast(Faulty):
    """A page with fewer rows than fetch_size is taken for the last one."""

    def on_execute(self, request: Request) -> Steps:
        rows = yield self.send(request)
        if request.fetch_size is not None and len(rows) < request.fetch_size:
            rows.paging_state = None
        return rows


@caught_by("test_the_description_has_the_capabilities")
class MoreThanDescribed(Faulty):
    """The driver declares another capability than its plug-in's description."""

    capabilities = CassandraDriver.capabilities ^ {Capability.NATIVE_ASYNC}
