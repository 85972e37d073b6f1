"""A driver that connects when it is first used."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest
from coodie_core.tests.drivers.lazily import REQUESTS, STMT, asked, lazy_driver
from coodie_core.tests.fakes import (
    PATIENCE,
    Api,
    AsyncBackend,
    Backend,
    DuckDriver,
    MemoryDriver,
    open_once,
    registry_of,
    run_threads,
)

from coodie import RequestOptions
from coodie.drivers import AbstractDriver, LazyDriver
from coodie.exceptions import (
    ConfigurationError,
    ConnectionFailedError,
    DriverNotFoundError,
    UnsupportedError,
)
from coodie.registry import using_registry
from coodie.schema import SyncOptions

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

pytestmark = pytest.mark.usefixtures("no_thread_left", "registry")


# --- at creation ------------------------------------------------------------------------


def test_creation_connects_to_nothing(lazy: LazyDriver, memory: Backend) -> None:
    """Creating one opens nothing."""
    assert memory.attempts == []
    assert lazy.driver is None
    assert repr(lazy) == "<LazyDriver for 'memory' at a: not connected>"


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
    assert repr(lazy) == "<LazyDriver for 'memory' at a: connected>"


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
        arguments = {"timeout": 1}
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

        async def stream_async(self, *args: Any, **kwargs: Any) -> AsyncGenerator[dict[str, Any], None]:
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
    with pytest.raises(UnsupportedError, match=r"DuckDriver\.execute(_async)?\(\) has no parameter options="):
        await api.execute(STMT, [], options=RequestOptions(trace=True))
    with pytest.raises(UnsupportedError, match="so SyncOptions isn't supported"):
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
    requests = [lazy.execute_async(STMT, []) for _ in range(100)]
    *outcomes, _ = await asyncio.gather(*requests, open_once(memory.begun, memory.gate))
    assert outcomes == [[]] * 100
    assert len(memory.attempts) == 1


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
