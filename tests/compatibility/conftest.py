"""Packages and an object mapper that others made: what they share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import coodie

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from coodie.registry import DriverRegistry


#: Checks of which Python values a type accepts.
_FORMS = (
    "test_forms_of_bigint",
    "test_forms_of_double",
    "test_forms_of_float",
    "test_forms_of_int",
    "test_forms_of_list",
    "test_forms_of_smallint",
    "test_forms_of_timestamp",
    "test_forms_of_tinyint",
    "test_forms_of_varint",
    "test_forms_of_vectors",
    "test_texts_can_be_encoded",
    "test_uuids_have_their_version",
    "test_wrong_types_are_refused",
)

#: Checks of lists, sets, maps and vectors in sets and in the keys of maps.
_UNHASHABLE = (
    "test_type_maps_by_maps",
    "test_type_sets_of_maps",
    "test_values_in_sets_and_keys",
    "test_vectors_in_sets",
)

#: Package → the kit's checks that are younger than the frozen package, and why it can't pass them.
_YOUNGER = {
    "coodie_my_db": {
        "test_other_shapes_than_the_connections": "its stand-in is opened with the connection's shape, too",
        "test_the_connections_shape": "as above",
        "test_warm": "its stand-in prepares a statement when it is executed",
        "test_warm_fails_as_requests_do": "as above",
    },
    "coodie_rust": {
        "test_two_columns_of_the_same_name": "rows that a client returns as dicts have lost the column",
        "test_columns_of_one_name_in_tuples": "as above",
        "test_collections_in_tuples_are_in_order": "it sends sets and maps in Python's order",
        "test_equal_keys_are_refused": "it leaves them to the client, which doesn't compare them",
        "test_out_of_range_is_refused": "it doesn't compare floats with the range of 32 bits",
        "test_out_of_range_in_vectors_is_refused": "as above",
        "test_details_of_errors": "it has the client's names of the kinds of writes",
        "test_digits_of_decimals": "it doesn't limit the digits",
        "test_far_values_in_collections": "the client decodes timestamps as datetime",
        **dict.fromkeys(_FORMS, "it accepts other Python values than the drivers of today"),
        **dict.fromkeys(_UNHASHABLE, "it can't decode unhashable values in sets and keys"),
        "test_warnings_are_told": "the client writes the server's warnings to its log alone",
        "test_warnings_of_all_methods": "as above",
        "test_values_read_by_all_methods": "it can't decode unhashable values in sets",
        "test_values_written_by_all_methods": "it can't encode unhashable values in sets",
        "test_equal_values_in_a_list": "it accepts no list for a set",
        "test_custom_types": "it can't decode them",
        "test_lost_writes_are_sent_once": "its errors don't say that a lost write may be applied",
        "test_lost_reads_were_not_applied": "as above",
        "test_lost_executions_of_many": "as above",
        "test_credentials_that_change": "it keeps the password that it connected with",
        "test_all_interrupted_methods_end_at_once": "the client's wait ignores Ctrl-C",
    },
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the checks that a frozen package can't pass."""
    for item in items:
        for package, reasons in _YOUNGER.items():
            reason = reasons.get(getattr(item, "originalname", ""))
            if reason is not None and package in item.path.parts:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def open_backend(
    cassandra_node: Any, registry: DriverRegistry
) -> Iterator[Callable[..., coodie.AbstractDriver]]:
    """Open connections to the node by `driver_type`; all are closed when the test ends."""
    opened: list[coodie.AbstractDriver] = []

    def open_(driver_type: str, **options: Any) -> coodie.AbstractDriver:
        given = {"hosts": [cassandra_node.host], "port": cassandra_node.port} | options
        opened.append(coodie.init_coodie(driver_type=driver_type, **given))
        return opened[-1]

    yield open_
    for driver in opened:
        driver.close()
