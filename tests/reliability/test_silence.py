"""A server that falls silent, with the fast path on: time is kept, and its connection rests meanwhile."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.ways import Ways
from tests.reliability.conftest import heal_async

from coodie.exceptions import CoodieError, RequestTimeoutError

if TYPE_CHECKING:
    from coodie_testing.faults import FaultProxy

pytestmark = pytest.mark.server

_SELECT = "SELECT key FROM system.local WHERE key = ?"


async def test_a_silent_connection(through: Any, proxy: FaultProxy) -> None:
    """Requests on an unresponsive connection time out; new ones avoid it until the server responds."""
    if through.fast_path_refusal is not None:
        pytest.skip("the fast path is off")
    ways = Ways(through)
    await ways.warm_async(_SELECT, ["local"])
    ways.warm(_SELECT, ["local"])
    before = ways.drivers
    proxy.partitioned = True
    started = time.monotonic()
    with pytest.raises(RequestTimeoutError):
        await through.execute_async(_SELECT, ["local"], timeout=0.5)
    with pytest.raises(RequestTimeoutError):
        through.execute(_SELECT, ["local"], timeout=0.5)
    assert time.monotonic() - started < 10
    assert ways.drivers == before
    # Our connection has shown that it is silent: what comes now is the driver's, which may know another.
    with pytest.raises(CoodieError):
        await through.execute_async(_SELECT, ["local"], timeout=0.5)
    assert ways.drivers == before + 1
    proxy.partitioned = False
    await heal_async(through)
    await ways.warm_async(_SELECT, ["local"])
    ways.warm(_SELECT, ["local"])
    before = ways.drivers
    assert await through.execute_async(_SELECT, ["local"]) == [{"key": "local"}]
    assert ways.drivers == before
