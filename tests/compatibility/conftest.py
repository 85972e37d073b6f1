"""Packages and an object mapper that others made: what they share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import coodie

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from coodie.registry import DriverRegistry


#: Package → the kit's checks that are younger than the frozen package, and why it can't pass them.
_YOUNGER = {
    "coodie_my_db": {
        "test_other_shapes_than_the_connections": "its stand-in is opened with the connection's shape, too",
    },
    "coodie_rust": {
        "test_two_columns_of_the_same_name": "rows that a client returns as dicts have lost the column",
        "test_collections_in_tuples_are_in_order": "it sends sets and maps in Python's order",
        "test_equal_keys_are_refused": "it leaves them to the client, which doesn't compare them",
        "test_out_of_range_is_refused": "it doesn't compare floats with the range of 32 bits",
        "test_out_of_range_in_vectors_is_refused": "as above",
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
