"""The conformance kit, on a real Cassandra."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from coodie_testing import DriverConformance

if TYPE_CHECKING:
    from collections.abc import Mapping


class TestRust(DriverConformance):
    """driver_type "rust" keeps the contract, but for what the client can't carry."""

    driver_type = "rust"
    waived: ClassVar[Mapping[str, str]] = {
        "test_type_far_date": "the client decodes dates as datetime.date: none outside the years 1 to 9999",
        "test_type_far_timestamp": "the client decodes timestamps as datetime: none beyond the year 9999",
        "test_type_nano_time": "the client decodes times as datetime.time, without their nanoseconds",
        "test_type_duration": "the client decodes durations as relativedelta, without their nanoseconds",
        "test_type_frozen": "the client decodes a null collection as an empty one; both are read as None",
        "test_type_tuple": "the client can't encode a null inside of a tuple",
        "test_type_sets_of_maps": "the client can't decode a collection in a set",
        "test_type_maps_by_maps": "the client can't decode a collection as a key",
        "test_values_in_sets_and_keys": "as above",
        "test_vectors_in_sets": "as above",
        "test_far_values_in_collections": "the client has no dates and timestamps beyond the year 9999",
        "test_collections_in_tuples_are_in_order": "sets and maps are sent in the order of Python's",
        "test_equal_values_in_a_list": "sets are sent as Python's: without values that are equal in Python",
        "test_custom_types": "the client can't read a schema with types that are described as text",
        "test_credentials_that_change": "the client has one user and password for all logins",
        "test_a_failed_connect_releases_all": "the client's own threads log, which makes Python list them",
        "test_many_columns_at_once": "it has the values above among its columns",
        "test_warnings_reach_the_caller": "the client writes the server's warnings to its log alone",
        "test_warnings_are_told": "as above",
        "test_warnings_of_all_methods": "as above",
    }
