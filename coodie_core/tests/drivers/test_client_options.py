"""Options of a ClientDriver that its constructor checks."""

from __future__ import annotations

from typing import Any

import pytest
from coodie_core.tests.drivers.memory import MemoryClient, MemoryDriver

from coodie.exceptions import ConfigurationError


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"max_in_flight": 0}, "max_in_flight"),
        ({"max_in_flight": True}, "max_in_flight"),
        ({"max_in_flight": 1, "max_queued": -1}, "max_queued"),
        ({"max_in_flight": 1, "max_queued": "1"}, "max_queued"),
        ({"max_queued": 1}, "max_queued"),
        ({"statement_cache_size": 0}, "statement_cache_size"),
        ({"request_timeout": 0}, "request_timeout"),
        ({"statement_lifetime": -1}, "statement_lifetime"),
        ({"consistency": "SOMETIMES"}, "consistency"),
    ],
)
def test_invalid_options_of_a_driver(options: dict[str, Any], named: str) -> None:
    """An option that can't be met is an error that names it, when the driver is created."""
    with pytest.raises(ConfigurationError) as caught:
        MemoryDriver(MemoryClient(), **options)
    assert caught.value.option == named


def test_a_driver_without_a_queue() -> None:
    """``max_queued=0`` is valid: requests beyond the limit are rejected at once."""
    limit = MemoryDriver(MemoryClient(), max_in_flight=2, max_queued=0).stats().limit
    assert limit is not None
    assert (limit.max_in_flight, limit.max_queued) == (2, 0)
