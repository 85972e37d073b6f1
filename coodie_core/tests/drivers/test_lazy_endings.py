"""A driver that connects when it is first used: cancelled, closed, or waited for by who can't wait."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import pytest
from coodie_core.tests.drivers.lazily import REQUESTS, STMT, lazy_driver
from coodie_core.tests.fakes import (
    PATIENCE,
    Api,
    AsyncBackend,
    Backend,
    MemoryDriver,
    registry_of,
    run_threads,
    wait_until,
    wait_until_async,
)

from coodie.exceptions import (
    ConfigurationError,
    ConnectionFailedError,
    DriverClosedError,
)
from coodie.plugins import hookimpl
from coodie.registry import using_registry

if TYPE_CHECKING:
    from coodie.drivers import LazyDriver

pytestmark = pytest.mark.usefixtures("no_thread_left", "registry")


# --- cancelling -----------------------------------------------------------------------------


async def test_first_task_cancelled(lazy: LazyDriver, memory: Backend, quiet_loop: list[Any]) -> None:
    """The cancellation of the task that came first returns at once and hurts none of the others."""
    memory.gate.clear()
    tasks = [asyncio.ensure_future(lazy.execute_async(STMT, [])) for _ in range(5)]
    await wait_until_async(memory.begun.is_set)
    tasks[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(tasks[0], 1)
    memory.gate.set()
    assert await asyncio.gather(*tasks[1:]) == [[]] * 4
    assert len(memory.attempts) == 1


async def test_all_cancelled(lazy: LazyDriver, memory: Backend, quiet_loop: list[Any]) -> None:
    """When all who waited are cancelled, the attempt goes on for whoever comes next."""
    memory.gate.clear()
    memory.failures = []
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(lazy.execute_async(STMT, []), 0.05)
    memory.gate.set()
    assert await lazy.execute_async(STMT, []) == []
    assert len(memory.attempts) == 1


async def test_all_cancelled_and_the_attempt_fails(
    lazy: LazyDriver, memory: Backend, quiet_loop: list[Any]
) -> None:
    """A failure that nobody waits for any more is nobody's: nothing is logged."""
    memory.gate.clear()
    memory.failures = [ConnectionFailedError("no host")]
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(lazy.execute_async(STMT, []), 0.05)
    memory.gate.set()
    await wait_until_async(lambda: lazy._attempt is None)
    assert await lazy.execute_async(STMT, []) == []


def test_loop_that_ends_while_it_connects(lazy: LazyDriver, memory: Backend) -> None:
    """asyncio.run that ends while it connects leaves nothing open; the next request connects anew."""
    memory.gate.clear()
    left_to_its_fate: list[Any] = []

    async def give_up() -> None:
        left_to_its_fate.append(asyncio.ensure_future(lazy.execute_async(STMT, [])))
        await wait_until_async(memory.begun.is_set)

    asyncio.run(give_up())
    memory.gate.set()
    wait_until(lambda: memory.opened and memory.driver.closings == 1)
    assert lazy.execute(STMT, []) == []
    assert len(memory.attempts) == 2


def test_loop_that_stops_while_it_connects(lazy: LazyDriver, memory: Backend) -> None:
    """A loop that stands still while it connects keeps nobody: another request takes over."""
    memory.gate.clear()
    loop = asyncio.new_event_loop()

    async def give_up() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(lazy.execute_async(STMT, []), 0.05)

    loop.run_until_complete(give_up())
    memory.gate.set()
    assert lazy.execute(STMT, []) == []
    assert len(memory.attempts) == 2
    used = cast("MemoryDriver", lazy.driver)
    wait_until(lambda: len(memory.opened) == 2)
    loop.run_until_complete(asyncio.sleep(0.01))
    wait_until(lambda: sum(driver.closings for driver in memory.opened) == 1)
    assert lazy.execute(STMT, []) == []
    assert lazy.driver is used
    assert (used.closings, len(used.calls)) == (0, 2)
    loop.close()


def test_waiting_for_a_loop_that_stops(lazy: LazyDriver, memory: Backend) -> None:
    """Threads that wait for a loop's attempt notice when it stops, and connect themselves."""
    memory.gate.clear()
    loop = asyncio.new_event_loop()
    stop = threading.Event()
    left_to_its_fate: list[Any] = []

    async def begin() -> None:
        left_to_its_fate.append(asyncio.ensure_future(lazy.execute_async(STMT, [])))
        await wait_until_async(stop.is_set)

    def work(number: int) -> Any:
        if number == 0:
            loop.run_until_complete(begin())
            memory.gate.set()
            return []
        assert memory.begun.wait(PATIENCE)
        threading.Timer(0.05, stop.set).start()
        return lazy.execute(STMT, [])

    assert run_threads(4, work) == [[]] * 4
    loop.run_until_complete(asyncio.sleep(0.05))
    loop.close()


# --- deadlocks ------------------------------------------------------------------------------


async def test_blocking_call_on_the_connecting_loop(lazy: LazyDriver, memory: Backend) -> None:
    """A sync call on the loop that connects would wait for itself: it's refused with what to do."""
    memory.gate.clear()
    waiting = asyncio.ensure_future(lazy.execute_async(STMT, []))
    await wait_until_async(memory.begun.is_set)
    with pytest.raises(ConfigurationError, match="Await the method's async version"):
        lazy.execute(STMT, [])
    memory.gate.set()
    assert await waiting == []
    assert lazy.execute(STMT, []) == []


async def test_blocking_call_in_a_running_loop(lazy: LazyDriver, memory: Backend) -> None:
    """A sync first call in a coroutine connects, as any blocking call would."""
    assert lazy.execute(STMT, []) == []
    assert len(memory.attempts) == 1


# --- closing --------------------------------------------------------------------------------


async def test_close_before_use(memory: Backend, is_async: bool) -> None:
    """Closing one that was never used is fine, twice too, and connects to nothing."""
    driver = lazy_driver()
    api = Api(driver, is_async=is_async)
    await api.close()
    await api.close()
    assert memory.attempts == []
    assert repr(driver) == "<LazyDriver for 'memory' at a: closed>"


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("request_name", [*REQUESTS, "ping"])
async def test_use_after_close(memory: Backend, is_async: bool, used: bool, request_name: str) -> None:
    """After close() every use is refused as such, whether it had been connected or not."""
    api = Api(lazy_driver(), is_async=is_async)
    if used:
        await api.execute(STMT, [])
    await api.close()
    with pytest.raises(DriverClosedError, match=r"init_coodie"):
        await (api.ping() if request_name == "ping" else REQUESTS[request_name](api))
    assert len(memory.attempts) == used


async def test_close_closes_the_backend(lazy: LazyDriver, memory: Backend, is_async: bool) -> None:
    """close() closes the driver that was opened."""
    await Api(lazy, is_async=is_async).execute(STMT, [])
    await Api(lazy, is_async=is_async).close()
    assert memory.driver.closings == 1


@pytest.mark.parametrize("is_context", ["with", "async with"])
async def test_as_context_manager(memory: Backend, is_context: str) -> None:
    """A block around it closes it."""
    if is_context == "with":
        with lazy_driver() as driver:
            driver.execute(STMT, [])
    else:
        async with lazy_driver() as driver:
            await driver.execute_async(STMT, [])
    assert memory.driver.closings == 1


async def test_close_while_tasks_connect(lazy: LazyDriver, memory: Backend, quiet_loop: list[Any]) -> None:
    """Closing while a loop connects returns at once, tells those who wait, and the late driver is closed."""
    memory.gate.clear()
    tasks = [asyncio.ensure_future(lazy.execute_async(STMT, [])) for _ in range(3)]
    await wait_until_async(memory.begun.is_set)
    await asyncio.wait_for(lazy.close_async(), 1)
    outcomes = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 1)
    assert [type(outcome) for outcome in outcomes] == [DriverClosedError] * 3
    memory.gate.set()
    await wait_until_async(lambda: memory.opened and memory.driver.closings == 1)


def test_close_while_threads_connect(lazy: LazyDriver, memory: Backend) -> None:
    """Closing while a thread connects returns at once; the late driver is closed and all are told."""
    memory.gate.clear()

    def work(number: int) -> Any:
        if number:
            return lazy.execute(STMT, [])
        assert memory.begun.wait(PATIENCE)
        lazy.close()
        memory.gate.set()
        return None

    outcomes = run_threads(4, work)
    assert [type(outcome) for outcome in outcomes[1:]] == [DriverClosedError] * 3
    assert memory.driver.closings == 1


def test_close_from_a_thread_while_a_loop_connects(lazy: LazyDriver, memory: Backend) -> None:
    """A thread can close what another thread's loop is connecting."""
    memory.gate.clear()

    def work(number: int) -> Any:
        if number:
            return asyncio.run(lazy.execute_async(STMT, []))
        assert memory.begun.wait(PATIENCE)
        lazy.close()
        return None

    assert isinstance(run_threads(2, work)[1], DriverClosedError)
    memory.gate.set()
    wait_until(lambda: memory.opened and memory.driver.closings == 1)


async def test_late_driver_is_not_closed_on_the_loop() -> None:
    """A driver that arrives on the loop after close() is closed in a thread, since that may block."""
    closed_in: list[str] = []

    class Slow(MemoryDriver):
        def close(self) -> None:
            closed_in.append(threading.current_thread().name)

    class Stubborn(AsyncBackend):
        @hookimpl
        async def coodie_open_driver_async(self, config: Any) -> Any:
            self.begun.set()
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(3600)
            return Slow()

    backend = Stubborn()
    with using_registry(registry_of(memory=backend)):
        driver = lazy_driver()
    task = asyncio.ensure_future(driver.execute_async(STMT, []))
    await wait_until_async(backend.begun.is_set)
    await driver.close_async()
    with pytest.raises(DriverClosedError):
        await task
    await wait_until_async(lambda: closed_in)
    assert closed_in[0].startswith("coodie-close")
