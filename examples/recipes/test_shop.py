"""Test an application with a Cassandra that coodie-local's fixture starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import coodie

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def shop(
    cassandra_node: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """Configure the application for the node, with one variable."""
    monkeypatch.setenv(
        "COODIE__SHOP__URL",
        f"scylla://{cassandra_node.host}:{cassandra_node.port}",
    )
    coodie.load_config()
    with coodie.get_driver("shop") as driver:
        yield driver


def test_the_server_is_there(shop: Any) -> None:
    """A test of yours."""
    assert shop.execute("SELECT key FROM system.local", []) == [
        {"key": "local"}
    ]


def test_it_is_there_in_the_next_test_too(shop: Any) -> None:
    """Each test gets a driver that works: the one before was closed."""
    assert shop.execute_one("SELECT key FROM system.local", []) == "local"
