"""A driver that isn't connected, for the tests of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from coodie_core.tests.drivers.lazily import lazy_driver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coodie_core.tests.fakes import Backend

    from coodie.drivers import LazyDriver


@pytest.fixture
def lazy(memory: Backend) -> Iterator[LazyDriver]:
    """A driver that isn't connected."""
    driver = lazy_driver()
    yield driver
    memory.gate.set()
    driver.close()
