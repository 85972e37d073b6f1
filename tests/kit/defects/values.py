"""Defects in values: how parameters are stored, and how results are returned."""

from __future__ import annotations

import datetime as dt
import unicodedata
from dataclasses import replace
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Any

from tests.kit.defects.planting import Faulty, Request, caught_by

from coodie.exceptions import ParameterTypeError
from coodie.rows import Rows
from coodie.types import Date, Time

if TYPE_CHECKING:
    from tests.kit.defects.planting import Steps


class Stored(Faulty):
    """Change each value, also inside of collections, before it is bound."""

    def on_execute(self, request: Request) -> Steps:
        if isinstance(request.params, list):
            request = replace(request, params=[self.whole(value) for value in request.params])
        return (yield self.send(request))

    def whole(self, value: Any) -> Any:
        """Change a whole parameter."""
        return changed(value, self.part)

    def part(self, value: Any) -> Any:
        """Change a value that isn't a collection."""
        return value


def changed(value: Any, change: Any) -> Any:
    """Return a value with changed parts: those that aren't collections."""
    if type(value) is dict:
        return {changed(key, change): changed(item, change) for key, item in value.items()}
    if type(value) in (list, tuple, set, frozenset):
        return type(value)([changed(item, change) for item in value])
    return change(value)


@caught_by("test_type_text", "test_type_map")
class TextsNormalized(Stored):
    """Texts are stored in a normal form of Unicode."""

    def part(self, value: Any) -> Any:
        return unicodedata.normalize("NFC", value) if isinstance(value, str) else value


@caught_by("test_type_double")
class SignOfZeroLost(Stored):
    """Negative zero is stored as zero."""

    def part(self, value: Any) -> Any:
        return 0.0 if isinstance(value, float) and value == 0 else value


@caught_by("test_type_numbers")
class DecimalsNormalizedInside(Faulty):
    """Decimals in collections are returned without their trailing zeros."""

    def on_execute(self, request: Request) -> Steps:
        rows = yield self.send(request)
        changed = [{name: self.value(value) for name, value in row.items()} for row in rows]
        other: Rows[Any] = Rows(changed, paging_state=rows.paging_state, warnings=rows.warnings)
        return other

    def value(self, value: Any) -> Any:
        """Return the value that is returned instead."""
        if isinstance(value, Decimal):
            return value
        return changed(value, lambda part: part.normalize() if isinstance(part, Decimal) else part)


@caught_by("test_forms_of_timestamp", "test_forms_of_times")
class TimeZoneDropped(Stored):
    """The time of day of an aware datetime is stored, whatever its time zone."""

    def part(self, value: Any) -> Any:
        return value.replace(tzinfo=None) if isinstance(value, dt.datetime) else value


@caught_by("test_forms_of_timestamp")
class FoldDropped(Stored):
    """Of two equal times of day in the night when summer time ends, both are stored as the first."""

    def part(self, value: Any) -> Any:
        return value.replace(fold=0) if isinstance(value, dt.datetime) else value


@caught_by("test_forms_of_blob")
class WholeObjectOfMemoryview(Stored):
    """A memoryview of a part is stored as the whole object."""

    def part(self, value: Any) -> Any:
        return bytes(value.obj) if isinstance(value, memoryview) else value


@caught_by("test_forms_of_int", "test_forms_of_varint")
class OnlyInts(Stored):
    """An object with __index__ that isn't an int is rejected."""

    def part(self, value: Any) -> Any:
        if hasattr(value, "__index__") and not isinstance(value, int):
            raise ParameterTypeError("expected an int")
        return value


@caught_by("test_unknown_fields_are_refused")
class UnknownFieldsDropped(Stored):
    """Fields that a user-defined type in a list doesn't have are ignored."""

    def whole(self, value: Any) -> Any:
        if isinstance(value, list):
            return [
                {name: part for name, part in item.items() if name != "lable"}
                if isinstance(item, dict)
                else item
                for item in value
            ]
        return value


@caught_by("test_addresses_keep_their_family")
class MappedAddressesAsV4(Stored):
    """An IPv6 address that contains an IPv4 address is stored as that one."""

    def part(self, value: Any) -> Any:
        if isinstance(value, IPv6Address) or (isinstance(value, str) and "::ffff:" in value):
            return getattr(ip_address(value), "ipv4_mapped", None) or value
        return value


@caught_by("test_wrong_types_are_refused")
class ScopesDropped(Stored):
    """The scope of an address is ignored."""

    def part(self, value: Any) -> Any:
        if isinstance(value, IPv6Address):
            return IPv6Address(int(value))
        is_address = isinstance(value, str) and value.startswith("fe80::")
        return value.partition("%")[0] if is_address else value


@caught_by("test_type_sets_of_maps", "test_type_maps_by_maps")
class PairsInListsOnly(Stored):
    """The pairs of a map are accepted in a list, and not in a tuple."""

    def whole(self, value: Any) -> Any:
        parts = list(value) if isinstance(value, (dict, set)) else []
        if any(isinstance(part, tuple) and part and isinstance(part[0], tuple) for part in parts):
            raise ParameterTypeError("expected a dict, or a list of pairs")
        return value


@caught_by("test_type_tuple")
class EmptyInTuplesAsNull(Faulty):
    """Empty texts in tuples are returned as None."""

    #: The kind of value whose empty parts are lost.
    kind: type = tuple

    def on_execute(self, request: Request) -> Steps:
        rows = yield self.send(request)
        if request.rows is not None:
            return rows
        changed = [
            {name: self.value(value) if type(value) is self.kind else value for name, value in row.items()}
            for row in rows
        ]
        other: Rows[Any] = Rows(changed, paging_state=rows.paging_state, warnings=rows.warnings)
        return other

    def value(self, value: Any) -> Any:
        """Return the value that is returned instead."""
        return tuple([part or None if isinstance(part, str) else part for part in value])


@caught_by("test_user_defined_types")
class EmptyFieldsAsNull(EmptyInTuplesAsNull):
    """Empty texts in user-defined types are returned as None."""

    kind = dict

    def value(self, value: Any) -> Any:
        return {name: None if part == "" else part for name, part in value.items()}


@caught_by(
    "test_forms_of_inet", "test_forms_of_date", "test_forms_of_time", "test_forms_of_user_defined_types"
)
class OtherFormsRejected(Stored):
    """Addresses, dates and times in another form than they are returned in, and tuples, are rejected."""

    def whole(self, value: Any) -> Any:
        if isinstance(value, (IPv4Address, IPv6Address, Date, Time, tuple)):
            raise ParameterTypeError("expected another form")
        return value


@caught_by("test_type_ascii", "test_many_columns_at_once")
class AsciiAsBytes(Faulty):
    """Values of the type ascii are returned as bytes, and nothing of a row with many columns but keys."""

    def on_execute(self, request: Request) -> Steps:
        rows = yield self.send(request)
        for row in rows:
            if isinstance(row, dict) and isinstance(row.get("ascii_"), str):
                row["ascii_"] = row["ascii_"].encode()
            if isinstance(row, dict) and len(row) > 20:
                row.update({name: None for name in row if name != "k"})
        return rows


@caught_by("test_custom_types")
class CustomTypesAsHex(Faulty):
    """Values of a type that the client doesn't know are returned as texts."""

    def on_execute(self, request: Request) -> Steps:
        rows = yield self.send(request)
        for row in rows:
            if isinstance(row, dict) and isinstance(row.get("d"), bytes):
                row["d"] = row["d"].hex()
        return rows


@caught_by("test_equal_values_in_a_list")
class ListsOfNumbersAsSets(Stored):
    """A list of floats is bound as a set."""

    def whole(self, value: Any) -> Any:
        is_list = type(value) is list and all(isinstance(part, float) for part in value)
        return set(value) if is_list else value
