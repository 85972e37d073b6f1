"""``driver.trace`` of every backend, by its ``execute``."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

import pytest
from coodie_core.tests.fakes import Api, MemoryDriver

from coodie.capabilities import Capability
from coodie.exceptions import ConfigurationError, RequestTimeoutError, UnavailableError

ID = UUID(int=7)
#: A session and an event in one, since the driver answers each statement with the same rows.
ROW = {"duration": 1500, "activity": "Parsing", "source": "10.0.0.1", "source_elapsed": 20}


class TracedDriver(MemoryDriver):
    """A server with one trace; if it hangs, a request ends after its timeout."""

    hangs = False

    def _answer(self, fetch_size: int | None, paging_state: bytes | None) -> list[dict[str, Any]]:
        timeout = self.calls[-1][2]["timeout"]
        if self.hangs:
            time.sleep(timeout)
            raise RequestTimeoutError("No response.", timeout=timeout)
        return super()._answer(fetch_size, paging_state)


@pytest.mark.parametrize("rows", [None, tuple, "scalar"])
async def test_a_trace(is_async: bool, rows: Any) -> None:
    """The trace is the same, whatever the default shape of the driver's rows; one replica is enough."""
    driver = TracedDriver([ROW])
    driver._default_rows = rows
    trace = await Api(driver, is_async=is_async).trace(ID)
    assert (trace.duration, trace.events[0].activity, trace.events[0].elapsed) == (0.0015, "Parsing", 2e-5)
    assert [terms["consistency"] for _, _, terms in driver.calls] == ["LOCAL_ONE"] * 2
    driver.capabilities = frozenset(Capability) - {Capability.CONSISTENCY}
    await Api(driver, is_async=is_async).trace(ID)
    assert "consistency" not in driver.calls[-1][2]


async def test_a_server_without_a_response(is_async: bool) -> None:
    """The timeout includes that of the requests; another error is raised as it is."""
    driver = TracedDriver([ROW])
    driver.hangs = True
    with pytest.raises(RequestTimeoutError, match=r"didn't write the trace .* within 0.05 s") as caught:
        await Api(driver, is_async=is_async).trace(ID, timeout=0.05)
    assert caught.value.timeout == 0.05
    assert driver.calls[-1][2]["timeout"] <= 0.05
    driver.fault = lambda _: UnavailableError("down")
    with pytest.raises(UnavailableError):
        await Api(driver, is_async=is_async).trace(ID)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), True, "5"])
async def test_wrong_timeouts(is_async: bool, timeout: Any) -> None:
    """A timeout that isn't a positive number of seconds is an error, before anything is sent."""
    driver = TracedDriver([ROW])
    with pytest.raises(ConfigurationError, match="timeout="):
        await Api(driver, is_async=is_async).trace(ID, timeout=timeout)
    assert driver.calls == []
