"""Which way requests go: how many of them the backend's own session was asked to send."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from coodie.drivers.cassandra._nonblocking import SendListener

__all__ = ["Ways"]


class _Counter(SendListener):
    """Count the requests that a session sends; for other listeners the fast path would step aside."""

    count = 0

    def __call__(self, response: Any) -> None:
        """Count one."""
        self.count += 1


class Ways:
    """Count what goes the driver's way.

    Args:
        driver: Whose requests are counted, from now on.
    """

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self._counter = _Counter()
        driver.session.add_request_init_listener(self._counter)

    @property
    def drivers(self) -> int:
        """How many requests the session has sent."""
        return self._counter.count

    def warm(self, stmt: str, params: Any = (), seconds: float = 30) -> None:
        """Repeat a request from this thread until it doesn't go the driver's way any more."""
        deadline = time.monotonic() + seconds
        while self._again(self._driver.execute, stmt, params):
            assert time.monotonic() < deadline, self._driver.fast_path_refusal
            time.sleep(0.02)

    async def warm_async(self, stmt: str, params: Any = (), seconds: float = 30) -> None:
        """Do the same from the running loop."""
        deadline = time.monotonic() + seconds
        while True:
            before = self.drivers
            await self._driver.execute_async(stmt, list(params))
            if self.drivers == before:
                return
            assert time.monotonic() < deadline, self._driver.fast_path_refusal
            await asyncio.sleep(0.02)

    def _again(self, execute: Any, stmt: str, params: Any) -> bool:
        before = self.drivers
        execute(stmt, list(params))
        return self.drivers != before
