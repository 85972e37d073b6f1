"""A node behind a proxy, and names of tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.schema_rows import new_name

from coodie_testing.faults import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Connector


@pytest.fixture
def proxy(cassandra_node: Any, connect: Connector) -> Iterator[FaultProxy]:
    """Put a proxy in front of the node; what is connected through it ends before it does."""
    with FaultProxy(cassandra_node.host, cassandra_node.port) as running:
        yield running
        connect.close()


@pytest.fixture
def name() -> str:
    """Name a table that isn't there."""
    return new_name()
