"""``max_in_flight``: the limit applies to all methods, and requests beyond the queue are rejected."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import Api

from coodie import RequestOptions
from coodie.exceptions import (
    ConfigurationError,
    CoodieError,
    DriverClosedError,
    OverloadedError,
    RequestTimeoutError,
)
from coodie.observers import RequestFinished, observing
from coodie.observers.recorder import Recorder
from coodie_testing.children import in_a_child
from coodie_testing.faults import Delay, Silence

if TYPE_CHECKING:
    from collections.abc import Callable

    from coodie_testing.faults import FaultProxy

pytestmark = pytest.mark.server

_READ = "SELECT key FROM system.local WHERE key = ?"


@pytest.fixture(params=["sync", "async"])
def limited(connect: Callable[..., Any], proxy: FaultProxy, request: pytest.FixtureRequest) -> Api:
    """Allow two requests at a time, and one to wait; each takes its time."""
    driver = connect(hosts=[proxy.host], port=proxy.port, max_in_flight=2, max_queued=1)
    driver.warm([_READ], connections=4, timeout=30)
    proxy.add(Delay(seconds=0.3), contains="system.local WHERE key", times=None)
    return Api(driver, is_async=request.param == "async")


async def _stream(calls: Api, options: RequestOptions | None) -> list[Any]:
    return [row async for row in calls.stream(_READ, ["local"], options=options)]


#: Name → one request.
_WAYS: dict[str, Callable[[Api, RequestOptions | None], Any]] = {
    "execute": lambda calls, options: calls.execute(_READ, ["local"], options=options),
    "execute_one": lambda calls, options: calls.execute_one(_READ, ["local"], options=options),
    "page": lambda calls, options: calls.execute(_READ, ["local"], fetch_size=10, options=options),
    "stream": _stream,
}


async def _outcomes(calls: Api, way: Any, options: RequestOptions | None, number: int) -> list[Any]:
    """Return the results of concurrent requests: rows or errors."""
    if calls.is_async:
        return list(
            await asyncio.gather(*[way(calls, options) for _ in range(number)], return_exceptions=True)
        )
    with ThreadPoolExecutor(number) as pool:
        asked = [pool.submit(asyncio.run, way(calls, options)) for _ in range(number)]
        return [one.exception() or one.result() for one in asked]


@pytest.mark.parametrize("options", [None, RequestOptions(trace=True)], ids=["fast", "session"])
@pytest.mark.parametrize("way", _WAYS)
async def test_every_way(limited: Api, way: str, options: RequestOptions | None) -> None:
    """Of six concurrent requests, two are sent, one waits, and three are rejected: not sent, but observed."""
    with observing(recorder := Recorder()):
        outcomes = await _outcomes(limited, _WAYS[way], options, 6)
    refused = [one for one in outcomes if isinstance(one, OverloadedError)]
    assert [one for one in outcomes if isinstance(one, Exception) and one not in refused] == []
    assert len(refused) == 3
    assert {one.may_have_been_applied for one in refused} == {False}
    told = [event for event in recorder.of(RequestFinished) if isinstance(event.error, OverloadedError)]
    assert len(told) == 3
    limit = limited.driver.stats().limit
    assert limit is not None
    assert (limit.in_flight, limit.queued, limit.rejected) == (0, 0, 3)
    assert limited.driver.stats().as_dict()["limit"]["max_in_flight"] == 2


async def test_probes(limited: Api, proxy: FaultProxy) -> None:
    """A probe neither waits behind the queued requests nor is rejected or counted: the server responds."""
    proxy.rules.clear()
    proxy.add(Silence(), contains=_READ, times=None)
    driver: Any = limited.driver
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(driver.execute, _READ, ["local"]) for _ in range(3)]
        while driver.stats().limit.queued != 1:
            await asyncio.sleep(0.005)
        with observing(recorder := Recorder()):
            assert await limited.is_ready(timeout=30)
            assert await limited.ping(timeout=30)
        assert len(recorder.of(RequestFinished)) == 2
        limit = driver.stats().limit
        assert (limit.in_flight, limit.queued, limit.rejected) == (2, 1, 0)
        await limited.close()
        assert not await limited.is_ready()
        assert all(isinstance(one.exception(), CoodieError) for one in asked)


async def test_many_wait(limited: Api) -> None:
    """The executions of an execute_many wait for their turn, however many may be in flight."""
    result = await limited.execute_many(_READ, [["local"]] * 8, concurrency=8)
    assert (result.succeeded, len(result.errors)) == (8, 0)
    limit = limited.driver.stats().limit
    assert limit is not None
    assert limit.rejected == 0


async def test_pages_of_a_scan_wait(limited: Api, table: Callable[[str], str]) -> None:
    """So do the pages of a scan, instead of being rejected and retried."""
    name = table("k int PRIMARY KEY")
    await limited.execute_many(f"INSERT INTO {name} (k) VALUES (?)", [[n] for n in range(20)])
    if limited.is_async:
        rows = [row async for row in limited.driver.scan_async(name, concurrency=8)]
    else:
        rows = list(limited.driver.scan(name, concurrency=8))
    assert len(rows) == 20
    limit = limited.driver.stats().limit
    assert limit is not None
    assert (limit.in_flight, limit.queued, limit.rejected) == (0, 0, 0)


async def test_the_total_timeout_includes_the_queue(limited: Api) -> None:
    """A request that is queued for as long as a response takes, and then needs as long, is too late."""
    options = RequestOptions(total_timeout=0.5)
    outcomes = await _outcomes(limited, _WAYS["execute"], options, 3)
    assert any(isinstance(one, RequestTimeoutError) for one in outcomes)


async def test_what_is_queued_when_draining_starts_may_finish(limited: Api) -> None:
    """It was accepted; what comes later isn't."""
    driver: Any = limited.driver
    if limited.is_async:
        asked = asyncio.create_task(_outcomes(limited, _WAYS["execute"], None, 3))
    else:
        asked = asyncio.create_task(asyncio.to_thread(_in_threads, driver))
    gate = driver._pipeline.gate
    while not gate.stats().queued:
        await asyncio.sleep(0.001)
        assert not asked.done()
    closing = asyncio.create_task(driver.close_async(drain=60))
    await asyncio.sleep(0)
    with pytest.raises(DriverClosedError):
        await limited.execute(_READ, ["local"])
    assert await asked == [[{"key": "local"}]] * 3
    await closing


def _in_threads(driver: Any) -> list[Any]:
    with ThreadPoolExecutor(3) as pool:
        return list(pool.map(lambda _: driver.execute(_READ, ["local"]), range(3)))


def test_a_fork_does_not_queue(connect: Callable[..., Any], proxy: FaultProxy) -> None:
    """In a forked child, a request fails at once, although the parent's requests take up the limit."""
    driver = connect(hosts=[proxy.host], port=proxy.port, max_in_flight=1)
    driver.warm([_READ])
    rule = proxy.add(Delay(seconds=3), contains="system.local WHERE key")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(driver.execute, _READ, ["local"])
        while not rule.hits:
            assert not asked.done()
        assert in_a_child(lambda: driver.execute(_READ, ["local"])).startswith("DriverClosedError")
        assert asked.result()


async def test_batches(limited: Api, table: Callable[[str], str]) -> None:
    """Batches count, too."""
    name = table("k int PRIMARY KEY")
    await limited.execute_batch([(f"INSERT INTO {name} (k) VALUES (?)", [1])])
    assert await limited.execute_one(f"SELECT count(*) FROM {name}", []) == 1
    limit = limited.driver.stats().limit
    assert limit is not None
    assert (limit.in_flight, limit.queued) == (0, 0)


@pytest.mark.parametrize(
    "options", [{"max_in_flight": 0}, {"max_in_flight": 1, "max_queued": -1}, {"max_queued": 5}]
)
def test_wrong_limits(connect: Callable[..., Any], options: dict[str, int]) -> None:
    """A limit that is none is refused before anything is connected, or with nothing left open."""
    with pytest.raises(ConfigurationError):
        connect(**options)
