"""Connections and names: each is told once, whichever way it came about."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from coodie_core.tests.fakes import (
    Api,
    AsyncBackend,
    Backend,
    DuckDriver,
    MemoryDriver,
    registry_of,
    wait_until,
    wait_until_async,
)

import coodie
from coodie.exceptions import ConfigurationError, ConnectionFailedError
from coodie.observers import (
    ConnectionClosed,
    ConnectionFailed,
    ConnectionOpened,
    DriverRegistered,
    observing,
    tell_closed,
)
from coodie.observers.recorder import Recorder
from coodie.plugins import DriverDescription, hookimpl, open_driver, open_driver_async
from coodie.registry import using_registry
from coodie.waiting import start_thread, wrap_future

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coodie.plugins import ConnectionConfig
    from coodie.registry import DriverRegistry


class ClosingDriver(MemoryDriver):
    """Tells of its end, as a driver has to."""

    def close(self) -> None:
        """Tell."""
        tell_closed(self)

    async def close_async(self) -> None:
        """Tell."""
        tell_closed(self)


class Wrapper:
    """A backend that opens another one's driver."""

    @hookimpl
    def coodie_describe_driver(self) -> DriverDescription:
        """Take everything."""
        return DriverDescription(summary="wraps")

    @hookimpl
    def coodie_open_driver(self, config: ConnectionConfig) -> Any:
        """Open the other one's."""
        return open_driver(_other(config))

    @hookimpl
    async def coodie_open_driver_async(self, config: ConnectionConfig) -> Any:
        """Open the other one's."""
        return await open_driver_async(_other(config))


def _other(config: ConnectionConfig) -> ConnectionConfig:
    from dataclasses import replace

    return replace(config, driver_type="memory")


@pytest.fixture(params=[Backend, AsyncBackend])
def memory(request: pytest.FixtureRequest) -> Backend:
    """A backend that opens its drivers in a thread, or natively async."""
    made: Backend = request.param(ClosingDriver)
    return made


@pytest.fixture
def registry(memory: Backend) -> Iterator[DriverRegistry]:
    """Know the backend, and one that wraps it."""
    with using_registry(registry_of(memory=memory, wrapper=Wrapper())) as fresh:
        yield fresh
        memory.gate.set()


async def init(is_async: bool, **arguments: Any) -> Any:
    """Connect, one way or the other."""
    if is_async:
        return await coodie.init_coodie_async(**arguments)
    return coodie.init_coodie(**arguments)


async def test_from_open_to_close(is_async: bool, recorder: Recorder) -> None:
    """A connection that is opened, named and closed is told as that, each field right."""
    driver = await init(is_async, hosts=["a", "b"], port=9, keyspace="ks", driver_type="memory", name="main")
    driver.close()
    opened, registered, closed = recorder.events
    assert 0 <= opened.duration < 10
    assert opened == ConnectionOpened(
        driver_name="main",
        driver_type="memory",
        keyspace="ks",
        hosts=("a", "b"),
        port=9,
        duration=opened.duration,
        borrowed=False,
    )
    assert registered == DriverRegistered(
        driver_name="main", driver_type="memory", keyspace=None, default=True, replaced=False
    )
    assert closed == ConnectionClosed(driver_name="main", driver_type="memory", keyspace=None)


async def test_a_session_of_the_callers_is_borrowed(is_async: bool, recorder: Recorder) -> None:
    """On a session that was open before, the event says so."""
    await init(is_async, session=object(), driver_type="memory")
    (opened,) = recorder.of(ConnectionOpened)
    assert (opened.borrowed, opened.hosts) == (True, ())


async def test_a_failure_is_told(is_async: bool, memory: Backend, recorder: Recorder) -> None:
    """The event has the error that the caller gets; nothing is registered."""
    memory.failures.append(ConnectionFailedError("nobody there"))
    with pytest.raises(ConnectionFailedError) as caught:
        await init(is_async, hosts=["a"], driver_type="memory", name="main")
    (failed,) = recorder.events
    assert type(failed) is ConnectionFailed
    assert failed.error is caught.value
    assert (failed.driver_name, failed.driver_type, failed.hosts) == ("main", "memory", ("a",))


async def test_what_isnt_tried_isnt_told(is_async: bool, recorder: Recorder) -> None:
    """Where the arguments can't be honoured, no connection has failed."""
    with pytest.raises(ConfigurationError):
        await init(is_async, driver_type="memory", colour="grey")
    with pytest.raises(ConfigurationError):
        await init(is_async, driver_type="nothing")
    assert recorder.events == []


async def test_a_backend_in_a_backend_is_one_connection(is_async: bool, recorder: Recorder) -> None:
    """A backend that opens another's driver is told once, as what the caller named."""
    driver = await init(is_async, driver_type="wrapper")
    driver.execute("SELECT", [])
    assert recorder.names() == ["ConnectionOpened", "DriverRegistered", "RequestStarted", "RequestFinished"]
    assert {event.driver_type for event in recorder.events} == {"wrapper"}


class Delegating(ClosingDriver):
    """Wraps another driver, and tells itself."""

    def __init__(self, inner: Any) -> None:
        super().__init__(1)
        self.fault = self._hand_on
        self._inner = inner

    def _hand_on(self, params: Any) -> None:
        self._inner.execute("SELECT inner", params)

    def close(self) -> None:
        """Close both."""
        self._inner.close()
        super().close()


class Around(Wrapper):
    """A backend whose driver is another object than the one that it opens."""

    @hookimpl
    def coodie_open_driver(self, config: ConnectionConfig) -> Any:
        """Wrap it."""
        return Delegating(open_driver(_other(config)))

    @hookimpl
    async def coodie_open_driver_async(self, config: ConnectionConfig) -> Any:
        """Wrap it, from another thread."""
        return Delegating(await wrap_future(start_thread(lambda: open_driver(_other(config)), "opens")))


async def test_a_driver_around_another_tells_alone(is_async: bool, memory: Backend) -> None:
    """Of a request that goes through two drivers, of their connections and of their ends, one is told."""
    with using_registry(registry_of(memory=memory, around=Around())), observing(recorder := Recorder()):
        driver = await init(is_async, driver_type="around", name="main")
        await Api(driver, is_async=is_async).execute("SELECT outer", [])
        driver.close()
    assert memory.driver.calls
    assert recorder.names() == [
        "ConnectionOpened",
        "DriverRegistered",
        "RequestStarted",
        "RequestFinished",
        "ConnectionClosed",
    ]
    assert recorder.request().statement == "SELECT outer"
    assert {event.driver_type for event in recorder.events} == {"around"}


async def test_a_cancelled_connect(memory: Backend, recorder: Recorder) -> None:
    """A connect that nobody waits for any more fails, or ends opened and closed; nothing is left open."""
    memory.gate.clear()
    task = asyncio.ensure_future(coodie.init_coodie_async(driver_type="memory"))
    await wait_until_async(memory.begun.is_set)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    memory.gate.set()
    if isinstance(memory, AsyncBackend):
        (failed,) = recorder.events
        assert isinstance(failed.error, asyncio.CancelledError)
    else:
        wait_until(lambda: recorder.names() == ["ConnectionOpened", "ConnectionClosed"])


async def test_a_lazy_driver_connects_later(is_async: bool, recorder: Recorder) -> None:
    """A lazy driver is named at once and opened with its first request, which starts afterwards."""
    driver = await init(is_async, driver_type="memory", lazy=True, name="lazy")
    assert recorder.names() == ["DriverRegistered"]
    assert recorder.events[0].driver_type == "memory"
    await (driver.execute_async("SELECT", []) if is_async else asyncio.sleep(0, driver.execute("SELECT", [])))
    driver.close()
    assert recorder.names()[1:] == [
        "ConnectionOpened",
        "RequestStarted",
        "RequestFinished",
        "ConnectionClosed",
    ]
    assert {event.driver_name for event in recorder.events} == {"lazy"}


async def test_a_lazy_driver_that_was_never_used(recorder: Recorder) -> None:
    """What was never opened isn't closed, either."""
    coodie.init_coodie(driver_type="memory", lazy=True).close()
    assert recorder.names() == ["DriverRegistered"]


def test_names_and_defaults(recorder: Recorder) -> None:
    """Registering tells of the name, of the default, and of a driver that is replaced."""
    first, second = MemoryDriver(), MemoryDriver()
    coodie.register_driver("a", first)
    coodie.register_driver("b", second)
    coodie.register_driver("b", first, default=True)
    coodie.register_driver("b", first)
    told = [(event.driver_name, event.default, event.replaced) for event in recorder.of(DriverRegistered)]
    assert told == [("a", True, False), ("b", False, False), ("b", True, True), ("b", True, False)]
    coodie.register_driver("duck", DuckDriver())  # any object with the methods
    assert recorder.events[-1].driver_name == "duck"


def test_the_registry_can_be_used_in_a_hook(recorder: Recorder) -> None:
    """No lock is held while a hook runs."""
    seen: list[Any] = []
    recorder._act = lambda event: seen.append(coodie.get_driver(event.driver_name))
    coodie.register_driver("a", driver := MemoryDriver())
    assert seen == [driver]


def test_a_backend_may_observe() -> None:
    """Hooks of an observer in a backend's plug-in are called from when the backend is first named."""

    class Observing(Backend):
        told: list[Any] = []  # noqa: RUF012 - one test's own class

        @hookimpl
        def coodie_connection_opened(self, event: ConnectionOpened) -> None:
            self.told.append(event.driver_name)

    plugin = Observing()
    with using_registry(registry_of(memory=Backend(), own=plugin)) as registry:
        coodie.init_coodie(driver_type="memory", name="before")
        assert registry.observers.all == ()
        coodie.init_coodie(driver_type="own", name="own")
        coodie.init_coodie(driver_type="memory", name="after")
        coodie.init_coodie(driver_type="own", name="again")
    assert plugin.told == ["own", "after", "again"]


async def test_closing_may_fail(recorder: Recorder) -> None:
    """What closing raised is in the event."""
    tell_closed(MemoryDriver(), error := OSError("stuck"))
    (closed,) = recorder.of(ConnectionClosed)
    assert closed.error is error


async def test_nobody_is_told_of_another_registrys(recorder: Recorder) -> None:
    """Connections of one registry are told to its observers."""
    with using_registry(registry_of(memory=Backend())), observing():
        coodie.init_coodie(driver_type="memory")
    assert recorder.events == []
