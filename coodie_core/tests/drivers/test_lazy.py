"""A driver that connects when it is first used."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, cast

import pytest
from coodie_core.tests.fakes import (
    PATIENCE,
    Api,
    AsyncBackend,
    Backend,
    DuckDriver,
    LoopWatch,
    MemoryDriver,
    registry_of,
    run_threads,
    wait_until,
    wait_until_async,
)

from coodie import RequestOptions
from coodie.drivers import AbstractDriver, LazyDriver
from coodie.exceptions import (
    ConfigurationError,
    ConnectionFailedError,
    DriverClosedError,
    DriverNotFoundError,
    UnsupportedError,
)
from coodie.plugins import hookimpl
from coodie.registry import using_registry
from coodie.schema import SyncOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from coodie.registry import DriverRegistry

pytestmark = pytest.mark.usefixtures("no_thread_left")

STMT = "SELECT n FROM t"


@pytest.fixture(autouse=True)
def _registry(registry: DriverRegistry) -> DriverRegistry:
    return registry


def lazy_driver(**kwargs: Any) -> LazyDriver:
    """Return one on the memory backend."""
    return LazyDriver(["a"], "ks", None, {"driver_type": "memory"} | kwargs)


@pytest.fixture
def lazy(memory: Backend) -> Iterator[LazyDriver]:
    """A driver that isn't connected."""
    driver = lazy_driver()
    yield driver
    memory.gate.set()
    driver.close()


def asked(memory: Backend) -> list[str]:
    """Return the statements that reached the one driver."""
    return [call[0] for call in memory.driver.calls]


# --- at creation ------------------------------------------------------------------------


def test_creation_connects_to_nothing(lazy: LazyDriver, memory: Backend) -> None:
    """Creating one opens nothing."""
    assert memory.attempts == []
    assert lazy.driver is None
    assert repr(lazy) == "<LazyDriver for 'memory': not connected>"


def test_driver_type_is_scylla_by_default() -> None:
    """Without a driver_type it is scylla, which this registry doesn't know."""
    with pytest.raises(DriverNotFoundError, match="driver_type='scylla'"):
        LazyDriver(["a"], None, None, {})


@pytest.mark.parametrize(
    ("hosts", "kwargs", "option"),
    [
        ([], {}, "hosts"),
        ("a", {}, "hosts"),
        (["a"], {"port": "x"}, "port"),
        (["a"], {"color": 1}, "color"),
        (["a"], {"colour": "grey"}, "colour"),
        (["a"], {"ssl_enabled": False, "ssl_verify_flags": 1}, "ssl_enabled"),
        (None, {"session": object()}, "session"),
        (["a"], {"hosts": ["b"]}, "hosts"),
        (["a"], {"keyspace": "b"}, "keyspace"),
    ],
)
def test_arguments_are_checked_at_creation(
    memory: Backend, hosts: Any, kwargs: dict[str, Any], option: str
) -> None:
    """What can't be honoured is refused at creation, by the backend's own check too."""
    with pytest.raises(ConfigurationError) as caught:
        LazyDriver(hosts, None, None, {"driver_type": "memory"} | kwargs)
    assert caught.value.option == option
    assert memory.attempts == []


async def test_every_option_is_honoured(memory: Backend, is_async: bool) -> None:
    """All arguments reach the backend, whichever way the first request comes."""
    kwargs = {
        "driver_type": "memory",
        "port": 9142,
        "username": "u",
        "password": "p",
        "consistency": "one",
        "compression": "lz4",
        "ssl_enabled": True,
        "colour": "blue",
    }
    before = dict(kwargs)
    driver = LazyDriver(["a", "b"], "ks", None, kwargs)
    assert kwargs == before
    assert driver._default_keyspace == "ks"
    await Api(driver, is_async=is_async).execute(STMT, [])
    (config,) = memory.attempts
    assert (config.driver_type, config.hosts, config.keyspace, config.port) == (
        "memory",
        ("a", "b"),
        "ks",
        9142,
    )
    assert (config.username, config.password, config.consistency, config.compression) == (
        "u",
        "p",
        "ONE",
        "lz4",
    )
    assert config.ssl_context is not None
    assert dict(config.options) == {"colour": "blue"}


def test_registry_of_its_creation(lazy: LazyDriver, memory: Backend) -> None:
    """It connects with the plug-ins of the registry it was created under, whichever is current later."""
    other = Backend()
    with using_registry(registry_of(memory=other)):
        lazy.execute(STMT, [])
    assert (len(memory.opened), other.opened) == (1, [])


# --- what goes through ----------------------------------------------------------------------


async def _streamed(api: Api) -> Any:
    return [row async for row in api.stream(STMT, fetch_size=2)]


REQUESTS: dict[str, Callable[[Api], Any]] = {
    "execute": lambda api: api.execute(STMT, []),
    "execute_one": lambda api: api.execute_one(STMT, []),
    "execute_many": lambda api: api.execute_many(STMT, [[1]]),
    "execute_batch": lambda api: api.execute_batch(["DELETE FROM t WHERE a = 1"]),
    "sync_table": lambda api: api.sync_table("t", "ks", []),
    "stream": _streamed,
}


@pytest.mark.parametrize("request_name", REQUESTS)
async def test_any_first_request_connects(
    lazy: LazyDriver, memory: Backend, is_async: bool, request_name: str
) -> None:
    """Whatever comes first connects, once; what comes next uses that connection."""
    api = Api(lazy, is_async=is_async)
    await REQUESTS[request_name](api)
    await REQUESTS[request_name](api)
    assert len(memory.attempts) == 1
    assert lazy.driver is memory.driver
    assert repr(lazy) == "<LazyDriver for 'memory': connected>"


async def test_arguments_go_through(lazy: LazyDriver, memory: Backend, is_async: bool) -> None:
    """All arguments of execute and sync_table reach the backend's driver, and its answers come back."""
    api = Api(lazy, is_async=is_async)
    options = RequestOptions(trace=True)
    await api.execute(STMT, [1], "ONE", 2.5, 10, b"0", options=options)
    assert memory.driver.calls == [
        (
            STMT,
            [1],
            {
                "consistency": "ONE",
                "timeout": 2.5,
                "fetch_size": 10,
                "paging_state": b"0",
                "options": options,
            },
        )
    ]
    assert await api.sync_table("t", "ks", [], {"a": 1}, True, True) == [
        "sync ks.t [] ({'a': 1}, True, True) {}"
    ]
    (said,) = await api.sync_table("t", "ks", [], options=SyncOptions(timeout=3))
    assert "(None, False, False) {'options': SyncOptions(" in said


async def test_in_the_backends_way(is_async: bool) -> None:
    """What the backend's driver does better than the contract's defaults is what runs."""
    calls: list[str] = []

    def noting(name: str) -> Any:
        if name.endswith("_async"):

            async def note_async(self: Any, *args: Any, **kwargs: Any) -> str:
                calls.append(f"{name} {args} {kwargs}")
                return name

            return note_async

        def note(self: Any, *args: Any, **kwargs: Any) -> str:
            calls.append(f"{name} {args} {kwargs}")
            return name

        return note

    names = ("execute_one", "execute_many", "execute_batch", "ping")
    twins = [name + ending for name in names for ending in ("", "_async")]
    better = type("Better", (MemoryDriver,), {name: noting(name) for name in twins})
    with using_registry(registry_of(memory=Backend(better))):
        driver = lazy_driver()
    api = Api(driver, is_async=is_async)
    await api.execute(STMT, [])
    for name in names:
        expected = f"{name}_async" if is_async else name
        arguments = {"timeout": 1} if name == "ping" else {"colour": 1}
        positional = () if name == "ping" else (1, 2)
        assert await getattr(api, name)(*positional, **arguments) in (expected, True)
        assert calls.pop() == f"{expected} {positional} {arguments}"


async def test_stream_in_the_backends_way(is_async: bool) -> None:
    """A stream of the backend's own is what a lazy one iterates over, and is closed with it."""
    ended: list[bool] = []

    class Streaming(MemoryDriver):
        def stream(self, *args: Any, **kwargs: Any) -> Any:
            try:
                yield {"own": args}
                yield {}
            finally:
                ended.append(True)

        async def stream_async(self, *args: Any, **kwargs: Any) -> Any:
            for row in self.stream(*args, **kwargs):
                yield row

    with using_registry(registry_of(memory=Backend(Streaming))):
        driver = lazy_driver()
    if is_async:
        async with aclosing(driver.stream_async(STMT, [1])) as rows:
            assert await anext(rows) == {"own": (STMT, [1])}
    else:
        some = driver.stream(STMT, [1])
        assert next(some) == {"own": (STMT, [1])}
        some.close()
    assert ended == [True]


async def test_duck_typed_driver(is_async: bool) -> None:
    """A backend whose driver has the six methods alone gets the contract's defaults, and no options."""
    with using_registry(registry_of(memory=Backend(DuckDriver))):
        driver = lazy_driver()
    api = Api(driver, is_async=is_async)
    assert await api.execute_one(STMT, [1]) == STMT
    assert [row async for row in api.stream(STMT, [1])] == [{"stmt": STMT, "params": [1]}]
    assert (await api.execute_many(STMT, [[1], [2]])).succeeded == 2
    assert (await api.execute_batch(["DELETE FROM t WHERE a = 1"]))[0]["stmt"].startswith("BEGIN BATCH")
    assert await api.ping() is True
    with pytest.raises(UnsupportedError, match=r"DuckDriver\.execute(_async)?\(\) takes no options="):
        await api.execute(STMT, [], options=RequestOptions(trace=True))
    with pytest.raises(UnsupportedError, match="so that SyncOptions can't be honoured"):
        await api.sync_table("t", "ks", [], options=SyncOptions(timeout=3))


def test_what_mappers_read(memory: Backend) -> None:
    """Object mappers see the wrapped driver's last paging state and whether its rows need validation."""

    class Mapped(MemoryDriver):
        needs_row_validation = True
        _last_paging_state = b"state"

    with using_registry(registry_of(memory=Backend(Mapped))):
        driver = lazy_driver()
    assert (driver._last_paging_state, driver.needs_row_validation) == (None, False)
    driver.execute(STMT, [])
    assert (driver._last_paging_state, driver.needs_row_validation) == (b"state", True)
    assert LazyDriver.needs_row_validation is False


# --- connecting once ------------------------------------------------------------------------


def test_32_threads(lazy: LazyDriver, memory: Backend) -> None:
    """32 threads that come first together connect once, and each gets its answer."""
    memory.gate.clear()
    threading.Timer(0.05, memory.gate.set).start()
    outcomes = run_threads(32, lambda _: lazy.execute(STMT, []))
    assert all(outcome == [] for outcome in outcomes)
    assert len(memory.attempts) == 1
    assert len(asked(memory)) == 32


@pytest.mark.parametrize("round_", range(20))
def test_threads_that_come_as_it_connects(lazy: LazyDriver, memory: Backend, round_: int) -> None:
    """A thread that comes at the very moment the connection stands uses that connection."""

    def work(number: int) -> Any:
        time.sleep(number * 0.0001)
        return lazy.execute(STMT, [])

    outcomes = run_threads(8, work)
    assert all(outcome == [] for outcome in outcomes)
    assert len(memory.attempts) == 1


def test_connected_between_look_and_join(
    lazy: LazyDriver, memory: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One who saw no driver, and comes to join when there is one, gets that one."""
    join = lazy._join

    def late_join(loop: Any) -> Any:
        monkeypatch.undo()
        lazy.execute("other", [])
        return join(loop)

    monkeypatch.setattr(lazy, "_join", late_join)
    assert lazy.execute(STMT, []) == []
    assert asked(memory) == ["other", STMT]
    assert len(memory.attempts) == 1


async def test_100_tasks(lazy: LazyDriver, memory: Backend, quiet_loop: list[Any]) -> None:
    """100 tasks that come first together connect once, off the loop, and each gets its answer."""
    memory.gate.clear()
    threading.Timer(0.3, memory.gate.set).start()
    async with LoopWatch() as watch:
        outcomes = await asyncio.gather(*(lazy.execute_async(STMT, []) for _ in range(100)))
    assert outcomes == [[]] * 100
    assert len(memory.attempts) == 1
    assert watch.longest_stall < 0.25


@pytest.mark.parametrize("kind", [Backend, AsyncBackend])
def test_threads_and_tasks_mixed(kind: type[Backend]) -> None:
    """16 threads, and 4 event loops with 10 tasks each, connect once, whoever of them carries it."""
    backend = kind()
    with using_registry(registry_of(memory=backend)):
        driver = lazy_driver()
    backend.gate.clear()
    threading.Timer(0.1, backend.gate.set).start()

    async def many() -> Any:
        return await asyncio.gather(*(driver.execute_async(STMT, []) for _ in range(10)))

    def work(number: int) -> Any:
        return asyncio.run(many()) if number % 5 == 0 else driver.execute(STMT, [])

    outcomes = run_threads(20, work)
    assert [outcome for outcome in outcomes if outcome not in ([], [[]] * 10)] == []
    assert len(backend.opened) == 1
    assert len(backend.driver.calls) == 16 + 40


# --- failing --------------------------------------------------------------------------------


async def test_failure_is_shared_and_then_retried(
    lazy: LazyDriver, memory: Backend, is_async: bool, quiet_loop: list[Any]
) -> None:
    """All who waited for an attempt get its error; the next request tries again."""
    memory.gate.clear()
    memory.failures = [ConnectionFailedError("no host")]
    threading.Timer(0.5, memory.gate.set).start()
    if is_async:
        outcomes = await asyncio.gather(
            *(lazy.execute_async(STMT, []) for _ in range(20)), return_exceptions=True
        )
    else:
        outcomes = run_threads(20, lambda _: lazy.execute(STMT, []))
    assert len(memory.attempts) == 1
    assert all(isinstance(outcome, ConnectionFailedError) for outcome in outcomes)
    assert lazy.driver is None
    assert await Api(lazy, is_async=is_async).execute(STMT, []) == []
    assert len(memory.attempts) == 2


def test_interrupt_is_for_the_one_it_hit(
    lazy: LazyDriver, memory: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the thread that connects ends that one; those who wait with it can try again."""
    begun = threading.Event()

    def interrupted(_: Any, name: str | None = None) -> Any:
        begun.set()
        time.sleep(0.05)
        raise KeyboardInterrupt

    monkeypatch.setattr(lazy._plugins, "open", interrupted)

    def work(number: int) -> Any:
        if number:
            assert begun.wait(PATIENCE)
        return lazy.execute(STMT, [])

    first, *others = run_threads(4, work)
    assert isinstance(first, KeyboardInterrupt)
    for other in others:
        assert isinstance(other, ConnectionFailedError)
        assert isinstance(other.__cause__, KeyboardInterrupt)
    monkeypatch.undo()
    assert lazy.execute(STMT, []) == []


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
    with pytest.raises(ConfigurationError, match="Await the async form"):
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
    assert repr(driver) == "<LazyDriver for 'memory': closed>"


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


# --- ping -----------------------------------------------------------------------------------


async def test_ping_does_not_connect(lazy: LazyDriver, memory: Backend, is_async: bool) -> None:
    """Before the first use a ping is False, without connecting; afterwards it asks the backend."""
    api = Api(lazy, is_async=is_async)
    assert await api.ping(timeout=1) is False
    assert memory.attempts == []
    await api.execute(STMT, [])
    assert await api.ping(timeout=1) is True
    assert memory.driver.calls[-1][2] == {"timeout": 1}


def test_is_a_driver(lazy: LazyDriver) -> None:
    """It's an AbstractDriver, whatever it wraps."""
    assert isinstance(lazy, AbstractDriver)
