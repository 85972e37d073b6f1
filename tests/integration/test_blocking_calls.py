"""Blocking methods on the thread of an event loop: a line in the log, on a real server."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


async def test_a_blocking_request_on_the_loop_is_logged(
    connect: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged once, with the async method's name; other threads and async methods log nothing."""
    query = "SELECT key FROM system.local WHERE key = ?"
    caplog.set_level(logging.WARNING, "coodie.event_loop")

    def lines() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.name == "coodie.event_loop"]

    driver = await asyncio.to_thread(connect)
    await asyncio.to_thread(driver.execute_one, query, ["local"])
    assert await driver.execute_one_async(query, ["local"]) == "local"
    assert lines() == []
    for _ in range(2):
        driver.execute(query, ["local"], fetch_size=10)
    (line,) = lines()
    assert line.startswith("execute() blocks the event loop")
    assert "Use execute_async()." in line
