"""What changes between two requests of a statement: the second one doesn't repeat what held for the first."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import Api
from tests.integration.ways import Ways

from coodie.exceptions import CoodieError, DriverClosedError, RequestTimeoutError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from coodie_testing.faults import FaultProxy

pytestmark = pytest.mark.server


class _Warm:
    """A driver that has executed a statement on the fast path, so that it keeps a template."""

    def __init__(self, driver: Any, *, is_async: bool) -> None:
        self.driver = driver
        self.api = Api(driver, is_async=is_async)
        self.ways = Ways(driver)
        self.asked: list[Any] = []
        path, original = driver._client.fast, driver._client.fast.build_request

        def ask(request: Any, terms: Any) -> Any:
            self.asked.append(request)
            return original(request, terms)

        path.build_request = ask

    async def warm(self, stmt: str, params: Any = ()) -> None:
        """Execute the statement until it goes by its template."""
        deadline = time.monotonic() + 30
        while True:
            self.asked.clear()
            before = self.ways.drivers
            await self.api.execute(stmt, list(params))
            if not self.asked and self.ways.drivers == before:
                return
            assert time.monotonic() < deadline, self.driver.fast_path_refusal
            await asyncio.sleep(0.01)


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def is_async(request: pytest.FixtureRequest) -> bool:
    """Call the sync or the async methods."""
    value: bool = request.param
    return value


@pytest.fixture
def warm(connect: Callable[..., Any], is_async: bool) -> _Warm:
    """Connect with the fast path."""
    return _Warm(connect(fast_path=True), is_async=is_async)


@pytest.fixture
def rows(table: Callable[[str], str], driver: Any) -> str:
    """Return the name of a table with one row."""
    name = table("k int PRIMARY KEY, v int")
    driver.execute(f"INSERT INTO {name} (k, v) VALUES (1, 10)", [])
    return name


def _profile(driver: Any) -> Any:
    from cassandra.cluster import EXEC_PROFILE_DEFAULT

    return driver.session.get_execution_profile(EXEC_PROFILE_DEFAULT)


async def test_nothing(warm: _Warm, rows: str) -> None:
    """Where nothing changes, no request is looked at again; each has its own values and timeout."""
    select = f"SELECT v FROM {rows} WHERE k = ?"
    await warm.warm(select, [1])
    for _ in range(5):
        assert await warm.api.execute(select, [1]) == [{"v": 10}]
        assert await warm.api.execute(select, [2], None, 7.5) == []
        assert await warm.api.execute_one(select, [1]) == 10
    assert warm.asked == []


async def test_the_sessions_level(warm: _Warm, rows: str) -> None:
    """The session's own profile gets another level: a node alone can't answer at THREE."""
    from cassandra import ConsistencyLevel

    select = f"SELECT v FROM {rows} WHERE k = ?"
    await warm.warm(select, [1])
    profile = _profile(warm.driver)
    before, profile.consistency_level = profile.consistency_level, ConsistencyLevel.THREE
    try:
        with pytest.raises(UnavailableError):
            await warm.api.execute(select, [1])
    finally:
        profile.consistency_level = before
    assert await warm.api.execute(select, [1]) == [{"v": 10}]


async def test_the_sessions_timeout(
    connect: Callable[..., Any], proxy: FaultProxy, rows: str, is_async: bool
) -> None:
    """The session's own profile gets another timeout."""
    warm = _Warm(connect(hosts=[proxy.host], port=proxy.port, fast_path=True), is_async=is_async)
    select = f"SELECT v FROM {rows} WHERE k = ?"
    await warm.warm(select, [1])
    _profile(warm.driver).request_timeout = 0.3
    proxy.hold = True
    with pytest.raises(RequestTimeoutError) as caught:
        await warm.api.execute(select, [1])
    assert caught.value.timeout == 0.3
    with pytest.raises(RequestTimeoutError) as caught:
        await warm.api.execute(select, [1], timeout=0.2)
    proxy.hold = False
    assert caught.value.timeout == 0.2


async def test_the_first_requests_timeout(
    connect: Callable[..., Any], proxy: FaultProxy, rows: str, is_async: bool
) -> None:
    """It isn't that of later requests without one: these have the connection's."""
    driver = connect(hosts=[proxy.host], port=proxy.port, fast_path=True, request_timeout=0.3)
    api = _Warm(driver, is_async=is_async).api
    select = f"SELECT v FROM {rows} WHERE k = ?"
    for _ in range(20):  # until the fast path's connection is there, and uses the statement's template
        assert await api.execute(select, [1], timeout=30) == [{"v": 10}]
        await asyncio.sleep(0.02)
    for _ in range(2):
        proxy.hold = True
        for method in (api.execute, api.execute_one):
            with pytest.raises(RequestTimeoutError) as caught:
                await method(select, [1])
            assert caught.value.timeout == 0.3
        proxy.hold = False
        assert await api.execute(select, [1], timeout=30) == [{"v": 10}]


async def test_the_clients_timestamps(warm: _Warm, rows: str) -> None:
    """The session gets another generator of timestamps, or leaves them to the server."""
    insert = f"INSERT INTO {rows} (k, v) VALUES (?, ?)"
    written = f"SELECT writetime(v) FROM {rows} WHERE k = ?"
    await warm.warm(insert, [2, 0])
    for value in (10**9, 10**9 + 1):
        # Below all that was written at k = 2, so that these go elsewhere.
        warm.driver.session.cluster.timestamp_generator = lambda value=value: value
        await warm.api.execute(insert, [value, 1])
        assert await warm.api.execute_one(written, [value]) == value
    warm.driver.session.use_client_timestamp = False
    await warm.api.execute(insert, [3, 1])
    assert await warm.api.execute_one(written, [3]) > time.time() * 1e6 - 1e9


async def test_a_listener(warm: _Warm, rows: str) -> None:
    """Who listens to the session's requests sees the next one."""
    select = f"SELECT v FROM {rows} WHERE k = ?"
    await warm.warm(select, [1])
    seen: list[Any] = []
    warm.driver.session.add_request_init_listener(seen.append)
    assert await warm.api.execute(select, [1]) == [{"v": 10}]
    assert len(seen) == 1
    warm.driver.session.remove_request_init_listener(seen.append)
    assert await warm.api.execute(select, [1]) == [{"v": 10}]
    assert len(seen) == 1


async def test_a_wrapper(warm: _Warm, rows: str) -> None:
    """Instrumentation that wraps the session sees the next request."""
    select = f"SELECT v FROM {rows} WHERE k = ?"
    await warm.warm(select, [1])
    session, seen = warm.driver.session, []
    original = session.execute_async

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        seen.append(args)
        return original(*args, **kwargs)

    session.execute_async = wrapper
    assert await warm.api.execute(select, [1]) == [{"v": 10}]
    assert len(seen) == 1


async def test_the_schema(warm: _Warm, rows: str) -> None:
    """Another driver's change of the table is seen as soon as its event has come."""
    select = f"SELECT * FROM {rows} WHERE k = ?"
    await warm.warm(select, [1])
    warm.driver.execute(f"ALTER TABLE {rows} ADD w int", [])
    assert await warm.api.execute(select, [1]) == [{"k": 1, "v": 10, "w": None}]


async def test_a_policy(warm: _Warm, rows: str) -> None:
    """A load-balancing policy that is put in place of another one is asked."""
    from cassandra.policies import RoundRobinPolicy

    class NoNodes(RoundRobinPolicy):  # type: ignore[misc]  # untyped driver
        def distance(self, host: Any) -> Any:
            from cassandra.policies import HostDistance

            return HostDistance.IGNORED

        def make_query_plan(self, *_args: Any, **_kwargs: Any) -> list[Any]:
            return []

    select = f"SELECT v FROM {rows} WHERE k = ?"
    await warm.warm(select, [1])
    _profile(warm.driver).load_balancing_policy = NoNodes()
    with pytest.raises(CoodieError):
        await warm.api.execute(select, [1])
    assert warm.asked


async def test_the_end(warm: _Warm, rows: str) -> None:
    """A closed driver refuses."""
    select = f"SELECT v FROM {rows} WHERE k = ?"
    await warm.warm(select, [1])
    await warm.api.close()
    with pytest.raises(DriverClosedError) as caught:
        await warm.api.execute(select, [1])
    assert not caught.value.may_have_been_applied


@pytest.mark.parametrize("writes", [False, True], ids=["read", "write"])
async def test_the_end_while_it_waits(
    connect: Callable[..., Any], proxy: FaultProxy, rows: str, is_async: bool, writes: bool
) -> None:
    """A request that a template has sent, and that closing cuts off, may have been applied if it writes."""
    warm = _Warm(connect(hosts=[proxy.host], port=proxy.port, fast_path=True), is_async=is_async)
    stmt = f"UPDATE {rows} SET v = 1 WHERE k = ?" if writes else f"SELECT v FROM {rows} WHERE k = ?"
    await warm.warm(stmt, [1])
    proxy.requests.clear()
    proxy.hold = True

    async def close() -> None:
        deadline = time.monotonic() + 20
        while not proxy.requests:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        await warm.driver.close_async()

    thread = threading.Thread(target=asyncio.run, args=(close(),))
    thread.start()
    with pytest.raises(DriverClosedError) as caught:
        await warm.api.execute(stmt, [1])
    while thread.is_alive():
        await asyncio.sleep(0.01)
    assert warm.asked == []
    assert caught.value.may_have_been_applied is writes
