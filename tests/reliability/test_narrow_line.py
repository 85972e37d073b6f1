"""A line with little bandwidth: answers take their time, and are whole or end with the timeout."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import Api
from tests.reliability.conftest import heal_async

from coodie.exceptions import RequestTimeoutError

if TYPE_CHECKING:
    from coodie_testing.faults import FaultProxy

pytestmark = [pytest.mark.server, pytest.mark.reliability]

#: Bytes: of the page, and per second.
PAGE, BANDWIDTH = 600_000, 400_000
ROWS = 60


@pytest.fixture(params=["sync", "async"])
def calls(through: Any, request: pytest.FixtureRequest) -> Api:
    """Give the connection through the proxy, by its sync and by its async methods."""
    return Api(through, is_async=request.param == "async")


@pytest.fixture(scope="module")
def large(driver: Any, keyspace: str, through: Any) -> str:
    """Make a partition whose rows are a large page together."""
    name = f"{keyspace}.large_{through.session.cluster.protocol_version}"
    driver.execute(f"CREATE TABLE {name} (p int, n int, v text, PRIMARY KEY (p, n))", [])
    rows = ([n, chr(65 + n % 26) * (PAGE // ROWS)] for n in range(ROWS))
    driver.execute_many(f"INSERT INTO {name} (p, n, v) VALUES (0, ?, ?)", rows)
    return name


async def test_a_large_page_over_a_narrow_line(calls: Api, proxy: FaultProxy, large: str) -> None:
    """A large page over a slow connection is read completely, or ends with a timeout error."""
    stmt = f"SELECT n, v FROM {large} WHERE p = ?"
    expected = await calls.execute(stmt, [0])
    assert len(expected) == ROWS
    proxy.bandwidth = BANDWIDTH
    started = time.monotonic()
    assert await calls.execute(stmt, [0], timeout=60) == expected
    assert time.monotonic() - started > PAGE / BANDWIDTH / 2  # else the line isn't narrow
    assert [row async for row in calls.stream(stmt, [0], fetch_size=25, timeout=60)] == expected
    started = time.monotonic()
    with pytest.raises(RequestTimeoutError):
        await calls.execute(stmt, [0], timeout=0.4)
    assert time.monotonic() - started < 15
    proxy.bandwidth = None
    await heal_async(calls.driver)
    assert await calls.execute(stmt, [0]) == expected
