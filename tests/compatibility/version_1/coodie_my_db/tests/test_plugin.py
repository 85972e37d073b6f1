"""What is this driver's own: its options, and its errors."""

from __future__ import annotations

from typing import Any

import pytest
from coodie.config import build_config
from coodie.exceptions import (
    ConfigurationError,
    ConnectionFailedError,
    RequestTimeoutError,
    ServerError,
)
from coodie.plugins import open_driver

from coodie_my_db.errors import translated


@pytest.mark.parametrize(
    "options", [{"connect_timeout": 0}, {"connect_timout": 1}, {"protocol_version": 4}]
)
def test_what_is_not_taken(options: dict[str, int]) -> None:
    """An option that can't be honoured is named before anything is connected."""
    given: dict[str, Any] = {"hosts": ["192.0.2.1"], **options}
    with pytest.raises(ConfigurationError) as caught:
        open_driver(build_config(driver_type="my-db", **given))
    assert caught.value.option in options


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (TimeoutError(), RequestTimeoutError),
        (ConnectionResetError("reset"), ConnectionFailedError),
        (KeyError("unheard of"), ServerError),
    ],
)
def test_errors(raised: Exception, kind: type[Exception]) -> None:
    """What the client raises has an error of coodie's."""
    assert type(translated(raised, "SELECT 1", 2.0)) is kind
