"""The conformance kit, on a real Cassandra."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from coodie_testing import DriverConformance

if TYPE_CHECKING:
    from collections.abc import Mapping


class TestAcsylla(DriverConformance):
    """driver_type "acsylla" keeps the contract, but for what the client can't do."""

    driver_type = "acsylla"
    waived: ClassVar[Mapping[str, str]] = {
        "test_type_decimal": "the client encodes and decodes decimals wrongly",
        "test_type_numbers": "the client encodes and decodes decimals wrongly",
        "test_type_far_date": "the client decodes dates as datetime.date: none outside the years 1 to 9999",
        "test_type_far_timestamp": "the client decodes timestamps as datetime: none beyond the year 9999",
        "test_type_timestamp": "the client decodes timestamps before 1698 and after 2241 inexactly",
        "test_type_nano_time": "the client encodes times as datetime.time, without their nanoseconds",
        "test_collections_in_tuples_are_in_order": "sets and maps are sent in the order of Python's",
        "test_collections_in_user_defined_types_are_in_order": "as in tuples",
        "test_type_sets_of_maps": "the client can't decode a collection in a set",
        "test_type_maps_by_maps": "the client can't decode a collection as a key",
        "test_values_in_sets_and_keys": "as above",
        "test_user_defined_types_in_sets_and_keys": "as above",
        "test_far_values_in_collections": "the client has no timestamps beyond the year 9999",
        "test_digits_of_decimals": "the client encodes decimals wrongly",
        "test_custom_types": "the client can't encode or decode types that the protocol describes as text",
        "test_many_columns_at_once": "it has the values above among its columns",
        "test_warnings_reach_the_caller": "the client writes the server's warnings to its log alone",
        "test_warnings_are_told": "as above",
        "test_warnings_of_all_methods": "as above",
        "test_credentials_that_change": "the client has one user and password for all logins",
        "test_a_lost_connection": "the client lets a request whose connection is lost time out",
        "test_anothers_new_column_is_seen": "the client reads the schema about a second after the event",
        "test_what_exists_already": "the client has no details of a server's error",
        "test_too_few_replicas": "the client has no details of a server's error",
        "test_consistency_is_sent": "as above; test_requests.py checks the levels",
        "test_the_connections_consistency": "as above; test_requests.py checks the levels",
        "test_functions_that_fail": "the client has no details of a server's error",
        "test_details_of_errors": "the client has no details of a server's error",
        "test_serial_consistency_is_sent": "as above; test_requests.py checks the levels",
        "test_forms_of_decimal": "the client encodes and decodes decimals wrongly",
    }
