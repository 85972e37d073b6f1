"""Defects in what is accepted: values that are almost of a column's type, and their forms in sets and arrays."""

from __future__ import annotations

import datetime as dt
import socket
from array import array
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from tests.kit.defects.planting import Faulty, Request, caught_by
from tests.kit.defects.values import Stored, changed

from coodie.exceptions import InvalidQueryError
from coodie.rows import Rows
from coodie.types import Duration, Timestamp

if TYPE_CHECKING:
    from tests.kit.defects.planting import Steps


class Lenient(Stored):
    """Change the values of one column before they are bound."""

    column: ClassVar[str]

    def on_execute(self, request: Request) -> Steps:
        if f"(k, {self.column})" not in request.stmt:
            return (yield self.send(request))
        return (yield from super().on_execute(request))


def _as_int(value: Any) -> Any:
    return int(value) if isinstance(value, bool) else value


@caught_by("test_bools_are_no_numbers")
class BoolsAsNumbers(Lenient):
    """True in a list of integers is stored as 1."""

    column = "list_"

    def part(self, value: Any) -> Any:
        return _as_int(value)


@caught_by("test_bools_are_no_numbers")
class BoolsAsNumbersInMany(Faulty):
    """In execute_many, True is stored as 1."""

    def on_many(self, stmt: str, params: Any, *args: Any, **kwargs: Any) -> Steps:
        items = [changed(one, _as_int) for one in params] if isinstance(params, list) else params
        return (yield self.right("execute_many", stmt, items, *args, **kwargs))


@caught_by("test_kinds_of_numbers_are_told_apart")
class FloatsAsDecimals(Lenient):
    """A float is stored as the decimal of its repr."""

    column = "decimal_"

    def part(self, value: Any) -> Any:
        return Decimal(repr(value)) if type(value) is float else value


@caught_by("test_kinds_of_numbers_are_told_apart")
class TruthStored(Lenient):
    """Any value is stored as its truth in a boolean column."""

    column = "boolean_"

    def whole(self, value: Any) -> Any:
        return bool(value) if isinstance(value, (int, float)) else value


@caught_by("test_decimals_are_finite")
class DecimalsUnchecked(Lenient):
    """An infinite decimal fails in the encoder, with an error that isn't coodie's."""

    column = "decimal_"

    def part(self, value: Any) -> Any:
        if isinstance(value, Decimal):
            value.as_integer_ratio()
        return value


@caught_by("test_digits_of_decimals")
class LongDecimalsRounded(Lenient):
    """Decimals are rounded to a thousand digits."""

    column = "decimal_"

    def part(self, value: Any) -> Any:
        return Context(prec=1000).plus(value) if isinstance(value, Decimal) else value


@caught_by("test_dates_and_times_are_told_apart")
class DatetimesAsDates(Lenient):
    """The day of a datetime is stored."""

    column = "date_"

    def part(self, value: Any) -> Any:
        return value.date() if isinstance(value, dt.datetime) else value


@caught_by("test_dates_and_times_are_told_apart")
class ZoneOfTimesDropped(Lenient):
    """The time zone of a time is dropped."""

    column = "time_"

    def part(self, value: Any) -> Any:
        return value.replace(tzinfo=None) if isinstance(value, dt.time) else value


@caught_by("test_dates_and_times_are_told_apart")
class TimedeltasAsDurations(Lenient):
    """A timedelta is stored as a duration of as many days."""

    column = "duration_"

    def part(self, value: Any) -> Any:
        return Duration.from_timedelta(value) if isinstance(value, dt.timedelta) else value


@caught_by("test_uuids_have_their_version")
class TextsAsUuids(Lenient):
    """A text is stored as the UUID that it stands for."""

    column = "uuid_"

    def part(self, value: Any) -> Any:
        return UUID(value) if isinstance(value, str) and len(value) == 36 else value


@caught_by("test_uuids_have_their_version")
class VersionsLeftToTheServer(Lenient):
    """The server finds out that a timeuuid has another version."""

    column = "timeuuid_"

    def part(self, value: Any) -> Any:
        if isinstance(value, UUID) and value.version != 1:
            raise InvalidQueryError("Invalid version for TimeUUID type.")
        return value


@caught_by("test_addresses_are_in_full")
class ShortAddresses(Lenient):
    """Short forms of addresses are stored as what a C library takes them for."""

    column = "inet_"

    def part(self, value: Any) -> Any:
        return socket.inet_ntoa(socket.inet_aton(value)) if value in ("1", "127.1") else value


@caught_by("test_texts_can_be_encoded")
class NotAsciiReplaced(Lenient):
    """What isn't ASCII is replaced."""

    column = "ascii_"

    def part(self, value: Any) -> Any:
        return value.encode("ascii", "replace").decode() if isinstance(value, str) else value


@caught_by("test_texts_can_be_encoded")
class SurrogatesReplacedInKeys(Lenient):
    """Lone surrogates in a map are replaced."""

    column = "map_"

    def part(self, value: Any) -> Any:
        return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


@caught_by("test_lengths_of_tuples")
class ShortTuplesFilled(Lenient):
    """Missing components of a tuple are null."""

    column = "tuple_"

    def whole(self, value: Any) -> Any:
        return (*value, *[None] * (3 - len(value))) if isinstance(value, (list, tuple)) else value


@caught_by("test_all_fields_by_position")
class ShortFieldsFilled(Lenient):
    """Fields that a tuple doesn't have are null."""

    column = "p"

    def whole(self, value: Any) -> Any:
        return (*value, None) if value == (1,) else value


@caught_by("test_lengths_of_vectors")
class LongVectorsCut(Lenient):
    """Of an array that is too long for a vector, the first elements are stored."""

    column = "floats"

    def whole(self, value: Any) -> Any:
        return value[:3] if isinstance(value, memoryview) else value


@caught_by("test_nulls_in_collections_are_refused")
class NullsInListsDropped(Lenient):
    """None in a list is left out."""

    column = "list_"

    def whole(self, value: Any) -> Any:
        return [item for item in value if item is not None] if isinstance(value, list) else value


@caught_by("test_forms_of_vectors")
class StridesIgnored(Lenient):
    """The elements of a memoryview are the floats at the beginning of its object, whatever its strides."""

    column = "floats"

    def whole(self, value: Any) -> Any:
        return array("f", bytes(value.obj))[: len(value)] if isinstance(value, memoryview) else value


@caught_by("test_vectors_of_numpy")
class OrderOfBytesIgnored(Lenient):
    """The bytes of an array of numpy are taken for those of the machine's floats."""

    column = "floats"

    def whole(self, value: Any) -> Any:
        if getattr(getattr(value, "dtype", None), "str", "") == ">f4":
            return array("f", value.tobytes())
        return value


@caught_by("test_forms_of_numpy")
class DatesOfNumpyAsNumbers(Lenient):
    """A datetime64 is stored as the number that represents it."""

    column = "bigint_"

    def whole(self, value: Any) -> Any:
        return int(value.astype("i8")) if type(value).__name__ == "datetime64" else value


@caught_by("test_forms_of_pandas")
class MissingTimesAsNull(Stored):
    """NaT of pandas is stored as null."""

    def part(self, value: Any) -> Any:
        return None if type(value).__name__ == "NaTType" else value


class Returned(Faulty):
    """Change values of results."""

    def on_execute(self, request: Request) -> Steps:
        rows = yield self.send(request)
        if not rows or type(rows[0]) is not dict:
            return rows
        found = [{name: self.value(name, value) for name, value in row.items()} for row in rows]
        other: Rows[Any] = Rows(found, paging_state=rows.paging_state, warnings=rows.warnings)
        return other

    def value(self, name: str, value: Any) -> Any:
        """Return the value that is returned instead."""
        raise NotImplementedError


@caught_by("test_floats_are_rounded")
class FloatsAsWritten(Returned):
    """A float is returned with the seven digits that it was written with."""

    def value(self, name: str, value: Any) -> Any:
        return float(f"{value:.7g}") if name == "float_" else value


@caught_by("test_values_in_sets_and_keys")
class MapsInKeysWithoutValues(Returned):
    """A map in a map's key is returned as the tuple of its keys."""

    def value(self, name: str, value: Any) -> Any:
        return (
            {tuple(pair[0] for pair in key): part for key, part in value.items()}
            if name == "m_maps"
            else value
        )


@caught_by("test_values_in_sets_and_keys")
class SetsInSetsAsTuples(Returned):
    """A set in a set is returned as a tuple."""

    def value(self, name: str, value: Any) -> Any:
        return {tuple(sorted(part)) for part in value} if name == "s_sets" else value


@caught_by("test_vectors_in_sets")
class SetsOfVectorsAsLists(Returned):
    """A set of vectors is returned as a list of lists."""

    def value(self, name: str, value: Any) -> Any:
        return [list(part) for part in value] if name == "s_vectors" else value


@caught_by("test_user_defined_types_in_sets_and_keys")
class FieldsInSetsWithoutNames(Returned):
    """A user-defined type in a set is returned as a plain tuple."""

    def value(self, name: str, value: Any) -> Any:
        return {tuple(part) for part in value} if isinstance(value, set) and name == "s" else value


@caught_by("test_far_values_in_collections")
class FarTimestampsInListsAsNull(Returned):
    """Timestamps beyond the year 9999 are returned as None in lists."""

    def value(self, name: str, value: Any) -> Any:
        if isinstance(value, list):
            return [None if isinstance(part, Timestamp) else part for part in value]
        return value
