"""One connection is black-holed while new ones work: only what was sent on it fails, on every transport."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import open_driver
from tests.integration.ways import Ways

from coodie.exceptions import RequestTimeoutError
from coodie.protocol import connection
from coodie.registry import DriverRegistry, using_registry
from coodie_testing.faults import Silence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from coodie_testing.faults import FaultProxy

pytestmark = pytest.mark.server

_SELECT = "SELECT key FROM system.local WHERE key = ?"
_FOUND = [{"key": "local"}]


@pytest.fixture(params=[30, 0], ids=["heartbeats", "no heartbeats"])
def fast(request: pytest.FixtureRequest, faulty_node: FaultProxy, backend: str) -> Iterator[Any]:
    """Connect through the proxy, with heartbeats too seldom to help, and without any."""
    with using_registry(DriverRegistry()):
        driver = open_driver(
            backend,
            hosts=[faulty_node.host],
            port=faulty_node.port,
            request_timeout=0.5,
            idle_heartbeat_interval=request.param,
        )
    if driver.fast_path_refusal is not None:
        driver.close()
        pytest.skip("the fast path is off")
    yield driver
    faulty_node.rules.clear()
    faulty_node.black_holes.clear()
    driver.close()


def _swallow(proxy: FaultProxy) -> None:
    """Let nothing pass any more on the connection that had the last request."""
    proxy.black_holes.add(proxy.connections_of(_SELECT)[-1])


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


async def _until_async(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.01)


def test_execute_many(fast: Any, faulty_node: FaultProxy) -> None:
    """What is in flight there fails, and what comes after it goes another way."""
    Ways(fast).warm(_SELECT, ["local"])
    done = 0

    def seen(_index: int, _outcome: object) -> None:
        nonlocal done
        done += 1
        if done == 300:
            _swallow(faulty_node)

    many = fast.execute_many(
        _SELECT, [["local"]] * 1500, concurrency=50, raise_on_error=False, on_result=seen
    )
    assert {type(error) for error in many.errors.values()} == {RequestTimeoutError}
    # Those that were in flight; and what was sent until they ran out of time, in the place of those.
    assert 0 < len(many.errors) <= 100


async def test_a_loop(fast: Any, faulty_node: FaultProxy) -> None:
    """New requests go another way from the first deadline on, and soon on a new connection of ours."""
    ways = Ways(fast)
    await ways.warm_async(_SELECT, ["local"])
    _swallow(faulty_node)
    outcomes = await asyncio.gather(
        *(fast.execute_async(_SELECT, ["local"]) for _ in range(5)), return_exceptions=True
    )
    assert {type(outcome) for outcome in outcomes} == {RequestTimeoutError}
    # The server is asked for a sign for 30 s before the silent connection is given up.
    await asyncio.wait_for(ways.warm_async(_SELECT, ["local"]), 10)


async def test_requests_that_are_cancelled(fast: Any, faulty_node: FaultProxy) -> None:
    """Silence is noticed by the requests' own deadlines where callers wait for less than these."""
    ways = Ways(fast)
    await ways.warm_async(_SELECT, ["local"])
    _swallow(faulty_node)
    deadline = time.monotonic() + 10
    while True:
        try:
            assert await asyncio.wait_for(fast.execute_async(_SELECT, ["local"]), 0.3) == _FOUND
        except (TimeoutError, asyncio.TimeoutError):  # the builtin only since Python 3.11
            assert time.monotonic() < deadline, "new requests go on to be sent there"
        else:
            break
    await asyncio.wait_for(ways.warm_async(_SELECT, ["local"]), 10)


def test_a_thread(fast: Any, faulty_node: FaultProxy) -> None:
    """One request fails, and the next has another connection."""
    Ways(fast).warm(_SELECT, ["local"])
    _swallow(faulty_node)
    with pytest.raises(RequestTimeoutError):
        fast.execute(_SELECT, ["local"])
    for _ in range(3):
        assert fast.execute(_SELECT, ["local"]) == _FOUND


async def test_some_answers_never_come_on_a_loop(
    fast: Any, faulty_node: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that isn't silent is replaced long before its streams are gone, and goes on until then."""
    monkeypatch.setattr(connection, "MAX_UNANSWERED", 20)
    ways = Ways(fast)
    await ways.warm_async(_SELECT, ["local"])
    first = faulty_node.connections_of(_SELECT)[-1]
    faulty_node.add(Silence(), contains=_SELECT, times=20)
    outcomes = await asyncio.gather(
        *(fast.execute_async(_SELECT, ["local"]) for _ in range(21)), return_exceptions=True
    )
    assert outcomes.count(_FOUND) == 1
    before = ways.drivers
    deadline = time.monotonic() + 10
    while faulty_node.connections_of(_SELECT)[-1] == first:
        assert await fast.execute_async(_SELECT, ["local"]) == _FOUND
        assert time.monotonic() < deadline, "the connection isn't replaced"
        await asyncio.sleep(0.01)
    assert ways.drivers == before
    await _until_async(lambda: first not in faulty_node.open_connections, "the old connection stays open")


def test_some_answers_never_come_in_execute_many(
    fast: Any, faulty_node: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same holds for the connections of one thread."""
    monkeypatch.setattr(connection, "MAX_UNANSWERED", 20)
    ways = Ways(fast)
    ways.warm(_SELECT, ["local"])
    first = faulty_node.connections_of(_SELECT)[-1]
    faulty_node.add(Silence(), contains=_SELECT, times=30)
    used: set[int] = set()

    def params() -> Iterator[list[str]]:
        """Go on until another connection of ours is used; the driver's is, too, until that is open."""
        before = ways.drivers
        end = time.monotonic() + 10
        while time.monotonic() < end and not (used - {first} and ways.drivers == before):
            before = ways.drivers
            faulty_node.requests.clear()
            yield from [["local"]] * 50
            used.update(faulty_node.connections_of(_SELECT))

    many = fast.execute_many(_SELECT, params(), concurrency=40, raise_on_error=False)
    assert len(many.errors) == 30
    assert used - {first}
    assert first not in faulty_node.connections_of(_SELECT)
    _until(lambda: first not in faulty_node.open_connections, "the old connection stays open")
