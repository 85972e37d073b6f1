"""A driver and somebody who observes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from coodie_core.tests.fakes import Api, MemoryDriver

from coodie.observers import observing
from coodie.observers.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coodie.registry import DriverRegistry


@pytest.fixture
def recorder(registry: DriverRegistry) -> Iterator[Recorder]:
    """An observer that is told of what happens in the test's own registry."""
    with observing(observer := Recorder()):
        yield observer


@pytest.fixture
def api(is_async: bool) -> Api:
    """A driver with three rows, once through its sync and once through its async methods."""
    return Api(MemoryDriver(3), is_async=is_async)
