"""``execute_many`` with the accelerator, with nodes in this process: what is counted in C, and what isn't."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import Api, open_driver

from coodie.drivers.cassandra.fastpath.window import ManyWindow
from coodie.exceptions import (
    CoodieError,
    DriverClosedError,
    ExecuteManyError,
    InvalidQueryError,
    ParameterTypeError,
    RequestTimeoutError,
)
from coodie.registry import DriverRegistry, using_registry
from coodie_testing import FakeCluster

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytest.importorskip("coodie_accel._native", reason="coodie-accel isn't built here")

WRITE = "INSERT INTO shop.orders (id, name) VALUES (?, ?)"
READ = "SELECT id, name FROM shop.orders WHERE id = ?"
COLUMNS = {"id": "int", "name": "text"}


class _World:
    """A driver, and how many executions its windows have counted or listed.

    Args:
        cluster: The server.
        driver: The driver.
        is_async: Whether the async methods are called.
    """

    def __init__(self, cluster: FakeCluster, driver: Any, *, is_async: bool) -> None:
        self.cluster = cluster
        self.driver = driver
        self.api = Api(driver, is_async=is_async)
        self.windowed = 0

    async def many(self, *args: Any, **options: Any) -> Any:
        """Call the method."""
        return await self.api.execute_many(*args, **options)


@pytest.fixture(params=[False, True], ids=["sync", "async"])
async def world(
    request: pytest.FixtureRequest, backend: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[_World]:
    """Connect, and have a connection and a template for both statements."""
    with FakeCluster() as cluster:
        cluster.table("shop.orders", COLUMNS)
        # A registry without the cluster's observer: observed requests go through the pipeline.
        with (
            using_registry(DriverRegistry()),
            open_driver(backend, **cluster.connection_options(), request_timeout=30) as driver,
        ):
            found = _World(cluster, driver, is_async=request.param)
            record = ManyWindow.record

            def spy(window: Any) -> None:
                before = window.in_flight, window._native.index
                record(window)
                found.windowed = before[1] - before[0]

            cluster.when(WRITE)
            for number in range(10):
                cluster.when(READ, [number]).rows([{"id": number, "name": "a"}] * number)
            for _ in range(100):
                await found.api.execute(WRITE, [0, "warm"])
                await found.api.execute(READ, [0])
                if any(driver._client.fast.connections().values()):
                    break
                await asyncio.sleep(0.01)
            await found.api.execute(WRITE, [0, "warm"])
            await found.api.execute(READ, [0])
            monkeypatch.setattr(ManyWindow, "record", spy)
            yield found


async def test_writes(world: _World) -> None:
    """All are executed, once each, and counted in C."""
    result = await world.many(WRITE, ([n, "written"] for n in range(500)), concurrency=16)
    assert (result.succeeded, result.errors, result.rows(7)) == (500, {}, [])
    assert world.windowed == 500
    written = [request.params for request in world.cluster.requests if request.params[-1] == "written"]
    assert sorted(written) == [[n, "written"] for n in range(500)]


async def test_rows(world: _World) -> None:
    """Rows are found by the index of their parameters, in the shape that was requested."""
    result = await world.many(READ, ([n % 10] for n in range(100)), concurrency=16)
    assert [len(result.rows(n)) for n in range(100)] == [n % 10 for n in range(100)]
    assert result.rows(53) == [{"id": 3, "name": "a"}] * 3
    assert world.windowed == 100
    result = await world.many(READ, [[1], [2]], rows=tuple)
    assert (result.rows(0), result.rows(1)) == ([(1, "a")], [(2, "a")] * 2)


async def test_callbacks(world: _World) -> None:
    """Each outcome is reported, those without rows, too, and the result has no rows then."""
    seen: dict[int, Any] = {}
    progress: list[int] = []
    result = await world.many(
        READ,
        ([n % 3] for n in range(30)),
        concurrency=4,
        on_result=seen.__setitem__,
        on_progress=progress.append,
    )
    assert {index: len(rows) for index, rows in seen.items()} == {n: n % 3 for n in range(30)}
    assert progress == list(range(1, 31))
    assert (result.succeeded, result.rows(2), world.windowed) == (30, [], 30)


async def test_no_more_than_wanted(world: _World) -> None:
    """Parameters are taken when there is room for them."""
    taken = ended = 0

    def parameters() -> Iterator[list[Any]]:
        nonlocal taken
        for number in range(300):
            taken += 1
            assert taken - ended <= 8
            yield [number, "x"]

    def progress(number: int) -> None:
        nonlocal ended
        ended = number

    await world.many(WRITE, parameters(), concurrency=8, on_progress=progress)
    assert (taken, ended) == (300, 300)


async def test_failures_by_index(world: _World) -> None:
    """What can't be encoded, and what the server rejects, is found under its index; the others succeed."""
    world.cluster.when(WRITE, [13, "rejected"]).error(InvalidQueryError, "no")
    params = [[n, n if n % 10 == 4 else "rejected" if n == 13 else "x"] for n in range(60)]
    result = await world.many(WRITE, params, concurrency=8, raise_on_error=False)
    kinds = {index: type(error) for index, error in result.errors.items()}
    assert kinds == {13: InvalidQueryError} | dict.fromkeys(range(4, 60, 10), ParameterTypeError)
    assert result.succeeded == 53


async def test_the_first_failure_ends_the_run(world: _World) -> None:
    """Nothing is started after it; what was in flight is part of the result."""
    world.cluster.when(WRITE, [50, "x"]).error(InvalidQueryError, "no")
    with pytest.raises(ExecuteManyError, match="at index 50: InvalidQueryError"):
        await world.many(WRITE, ([n, "x"] for n in range(10_000)), concurrency=4)
    assert len(world.cluster.requests) < 200


@pytest.mark.parametrize("before", [0, 5])
async def test_invalid_parameters_end_the_run(world: _World, before: int) -> None:
    """Nothing is sent after parameters that can't be encoded, and a first failure leaves nothing applied."""
    params = [*([n, "before"] for n in range(before)), [0, 1], *([n, "after"] for n in range(5))]
    with pytest.raises(ExecuteManyError, match=f"at index {before}: ParameterTypeError") as caught:
        await world.many(WRITE, params, concurrency=1)
    assert caught.value.result is not None
    assert (caught.value.result.succeeded, list(caught.value.result.errors)) == (before, [before])
    assert caught.value.may_have_been_applied is bool(before)
    assert "after" not in [request.params[-1] for request in world.cluster.requests]


@pytest.mark.parametrize("where", ["source", "on_result", "on_progress"])
async def test_an_exception_of_the_program(world: _World, where: str) -> None:
    """An exception of the source or of a callback is raised, and the driver is usable."""

    def fail(*_: Any) -> None:
        raise LookupError(where)

    def parameters() -> Iterator[list[Any]]:
        yield from ([n, "x"] for n in range(40))
        if where == "source":
            fail()

    callbacks = {} if where == "source" else {where: fail}
    with pytest.raises(LookupError, match=where):
        await world.many(WRITE, parameters(), concurrency=8, **callbacks)
    assert (await world.many(WRITE, [[1, "x"]])).succeeded == 1


async def test_forgotten_statements(world: _World) -> None:
    """A statement that the node has forgotten is prepared again, and each execution succeeds."""

    def parameters() -> Iterator[list[Any]]:
        for number in range(200):
            if number == 100:
                world.cluster.forget_statements()
            yield [number, "x"]

    assert (await world.many(WRITE, parameters(), concurrency=8)).succeeded == 200


async def test_lost_connections(world: _World) -> None:
    """Each execution has an outcome, and the driver is usable once it is connected again."""

    def parameters() -> Iterator[list[Any]]:
        for number in range(300):
            if number == 100:
                world.cluster.disconnect()
            yield [number, "x"]

    result = await world.many(WRITE, parameters(), concurrency=8, raise_on_error=False)
    assert result.total == 300
    assert result.succeeded >= 92
    assert all(isinstance(error, CoodieError) for error in result.errors.values())
    while not await world.api.is_ready():
        await asyncio.sleep(0.05)
    assert (await world.many(WRITE, ([n, "x"] for n in range(50)))).succeeded == 50


async def test_timeouts(world: _World) -> None:
    """An execution without a response in time fails alone."""
    world.cluster.when(READ, [77]).rows([{"id": 77, "name": "late"}]).delay(60)
    params = [[77 if n == 5 else 1] for n in range(20)]
    began = time.monotonic()
    result = await world.many(READ, params, timeout=0.5, raise_on_error=False)
    assert {index: type(error) for index, error in result.errors.items()} == {5: RequestTimeoutError}
    assert time.monotonic() - began < 20


async def test_a_closed_driver(world: _World) -> None:
    """Executions of a driver that is closed meanwhile fail, and none is lost."""

    def parameters() -> Iterator[list[Any]]:
        for number in range(50):
            if number == 20:
                world.driver.close()
            yield [number, "x"]

    result = await world.many(WRITE, parameters(), concurrency=8, raise_on_error=False)
    assert result.total == 50
    assert all(isinstance(error, DriverClosedError) for error in result.errors.values())
    assert len(result.errors) >= 30


async def test_cancellation(world: _World) -> None:
    """A cancelled run takes no more parameters, leaves no task, and the driver is usable."""
    world.api = Api(world.driver, is_async=True)
    world.cluster.when(READ, [78]).rows([]).delay(60)
    taken = 0

    def parameters() -> Iterator[list[Any]]:
        nonlocal taken
        while True:
            taken += 1
            yield [78]

    run = asyncio.ensure_future(world.many(READ, parameters(), concurrency=8))
    while taken < 8:
        await asyncio.sleep(0.01)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await asyncio.sleep(0.01)
    assert taken == 8
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert await world.api.execute(READ, [1]) == [{"id": 1, "name": "a"}]


async def test_a_new_statement_and_an_async_source(world: _World) -> None:
    """The first executions of a statement need the pipeline, and so does an async source."""
    stmt = READ.replace("name FROM", "name  FROM")
    for number in range(10):
        world.cluster.when(stmt, [number]).rows([{"id": number, "name": "b"}])
    result = await world.many(stmt, ([n % 10] for n in range(200)), concurrency=8)
    assert [result.rows(n)[0]["id"] for n in range(200)] == [n % 10 for n in range(200)]
    assert world.windowed > 100
    if world.api.is_async:

        async def parameters() -> AsyncIterator[list[int]]:
            for number in range(10):
                await asyncio.sleep(0)
                yield [number]

        assert (await world.many(READ, parameters())).succeeded == 10
