"""Which driver has which name, which is the default, and who closes it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest
from coodie_core.tests.fakes import (
    Backend,
    DuckDriver,
    MemoryDriver,
    host_of,
    registry_of,
    wait_until_async,
)

import coodie
from coodie import AbstractDriver, LazyDriver, get_driver, init_coodie, init_coodie_async, register_driver
from coodie.config import build_config
from coodie.exceptions import (
    ConfigurationError,
    ConnectionFailedError,
    DriverNotFoundError,
    NotADriverError,
)
from coodie.plugins import installed_drivers, open_driver, open_driver_async
from coodie.registry import DriverRegistry, current_registry, using_registry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.usefixtures("no_thread_left", "registry")


@pytest.fixture
def init(is_async: bool) -> Callable[..., Awaitable[Any]]:
    """init_coodie or init_coodie_async on the memory backend; the test awaits either."""

    async def call(**arguments: Any) -> Any:
        arguments = {"hosts": ["a"], "driver_type": "memory"} | arguments
        return await init_coodie_async(**arguments) if is_async else init_coodie(**arguments)

    return call


# --- names --------------------------------------------------------------------------------


def test_registered_driver_is_found() -> None:
    """get_driver returns the very object, of any type, that register_driver got."""
    driver: Any = MemoryDriver()
    duck: Any = DuckDriver()
    register_driver("one", driver)
    register_driver("two", duck)
    assert get_driver("one") is driver
    assert get_driver("two") is duck
    assert current_registry().names() == ("one", "two")


@pytest.mark.parametrize("name", ["", None, 5, b"one"])
def test_wrong_name(name: Any, memory: Backend) -> None:
    """A name is a non-empty str; any other is refused before anything is opened."""
    for refused in (
        lambda: register_driver(name, MemoryDriver()),
        lambda: init_coodie(["a"], driver_type="memory", name=name),
        lambda: asyncio.run(init_coodie_async(["a"], driver_type="memory", name=name)),
    ):
        with pytest.raises(ConfigurationError) as caught:
            refused()
        assert caught.value.option == "name"
    assert memory.attempts == []


@pytest.mark.parametrize("missing", ["execute", "execute_async", "sync_table", "close_async"])
def test_not_a_driver(missing: str) -> None:
    """An object that lacks a method of drivers is refused with the method's name."""
    half: Any = type("Half", (DuckDriver,), {missing: None})()
    with pytest.raises(
        NotADriverError, match=f"Half can't be registered as a driver: it lacks {missing}\\."
    ) as caught:
        register_driver("half", half)
    assert caught.value.missing == (missing,)
    assert isinstance(caught.value, TypeError)
    assert current_registry().names() == ()


@pytest.mark.parametrize("nothing", [None, 5, object()])
def test_far_from_a_driver(nothing: Any) -> None:
    """What has none of the methods is refused with all six names."""
    with pytest.raises(
        NotADriverError, match="execute, execute_async, sync_table, sync_table_async, close, close_async"
    ):
        register_driver("nothing", nothing)


def test_nothing_registered() -> None:
    """Without any driver the error says how to get one."""
    with pytest.raises(ConfigurationError, match=r"No driver is registered\. Call init_coodie"):
        get_driver()
    with pytest.raises(ConfigurationError, match=r"No driver is registered\. Call init_coodie") as caught:
        get_driver("one")
    assert isinstance(caught.value, coodie.CoodieError)


@pytest.mark.parametrize(
    ("asked", "said"),
    [("anlytics", "Did you mean 'analytics'?"), ("zzz", "init_coodie(…, name=…)")],
)
def test_unknown_name(asked: str, said: str) -> None:
    """An unknown name brings up those that are registered, and the nearest."""
    register_driver("analytics", MemoryDriver())
    register_driver("orders", MemoryDriver())
    with pytest.raises(ConfigurationError) as caught:
        get_driver(asked)
    assert f"There is no driver named {asked!r}. Registered: analytics, orders." in str(caught.value)
    assert said in str(caught.value)
    assert caught.value.option == "name"


@pytest.mark.parametrize("asked", [5, "", [], True])
def test_no_name(asked: Any) -> None:
    """What can't be a name is said to be none, whatever its type."""
    register_driver("analytics", MemoryDriver())
    with pytest.raises(ConfigurationError, match=r"isn't a valid driver name\."):
        get_driver(asked)


# --- the default ----------------------------------------------------------------------------


def test_default_is_the_first() -> None:
    """The first one registered is the default, and stays it."""
    first: AbstractDriver = MemoryDriver()
    register_driver("one", first)
    register_driver("two", MemoryDriver())
    assert get_driver() is first


def test_default_is_the_last_one_asked_to_be() -> None:
    """With default=True the last one registered so is the default."""
    drivers: list[AbstractDriver] = [MemoryDriver() for _ in range(4)]
    register_driver("one", drivers[0])
    register_driver("two", drivers[1], default=True)
    register_driver("three", drivers[2], True)
    register_driver("four", drivers[3])
    assert get_driver() is drivers[2]


async def test_default_of_init_coodie(init: Callable[..., Any]) -> None:
    """A connection becomes the default when it is the first or is named "default", else not."""
    first = await init(name="one")
    assert get_driver() is first
    await init(name="two")
    assert get_driver() is first
    default = await init()
    assert get_driver() is get_driver("default") is default
    await init(name="three")
    assert get_driver() is default


async def test_replacing_the_default(init: Callable[..., Any]) -> None:
    """The default is a name: who replaces the driver under it is the default."""
    await init(name="one")
    await init(name="two")
    again = await init(name="one")
    assert get_driver() is again


# --- replacing ------------------------------------------------------------------------------


async def test_owned_driver_is_closed_once_the_new_one_stands(
    init: Callable[..., Any], memory: Backend
) -> None:
    """A connection that init_coodie opened is closed after the new one has taken its name, not before."""
    seen: list[Any] = []

    class Looking(MemoryDriver):
        def close(self) -> None:
            seen.append(get_driver("one"))
            super().close()

        async def close_async(self) -> None:
            self.close()

    memory._make = Looking
    old = await init(name="one")
    new = await init(name="one")
    assert (old.closings, new.closings) == (1, 0)
    assert seen == [new]
    assert get_driver("one") is new


async def test_owned_driver_replaced_by_register_driver(init: Callable[..., Any]) -> None:
    """register_driver closes the connection of init_coodie's that it replaces."""
    old = await init(name="one")
    new = MemoryDriver()
    register_driver("one", new)
    assert (old.closings, new.closings) == (1, 0)
    assert current_registry().get("one") is new


async def test_given_driver_stays_open(init: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    """A driver that register_driver was given stays open, and the log says who must close it."""
    given = MemoryDriver()
    register_driver("one", given)
    with caplog.at_level(logging.WARNING):
        new = await init(name="one")
    assert (given.closings, get_driver("one")) == (0, new)
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("coodie.registry", logging.WARNING)
    assert "'one'" in record.getMessage()
    assert "is still open" in record.getMessage()


def test_given_driver_replaced_by_another(caplog: pytest.LogCaptureFixture) -> None:
    """So it does when register_driver replaces it."""
    given = MemoryDriver()
    register_driver("one", given)
    with caplog.at_level(logging.WARNING):
        register_driver("one", MemoryDriver())
    assert given.closings == 0
    assert len(caplog.records) == 1


def test_same_driver_again(caplog: pytest.LogCaptureFixture) -> None:
    """Registering the same driver again under its name changes nothing, closes nothing, warns of nothing."""
    driver = MemoryDriver()
    register_driver("one", driver)
    with caplog.at_level(logging.WARNING):
        register_driver("one", driver)
    assert (driver.closings, caplog.records) == (0, [])


async def test_driver_under_two_names(init: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    """A connection that has a second name isn't closed when the first is given away."""
    shared = await init(name="one")
    register_driver("two", shared)
    with caplog.at_level(logging.WARNING):
        await init(name="one")
    assert (shared.closings, get_driver("two"), caplog.records) == (0, shared, [])


async def test_lazy_driver_is_owned(init: Callable[..., Any], memory: Backend) -> None:
    """A LazyDriver of init_coodie's is closed when it is replaced, and its backend's driver with it."""
    lazy = await init(name="one", lazy=True)
    lazy.execute("SELECT 1", [])
    await init(name="one")
    assert [driver.closings for driver in memory.opened] == [1, 0]


# --- opening --------------------------------------------------------------------------------


async def test_arguments_reach_the_backend(init: Callable[..., Any], memory: Backend) -> None:
    """Every argument works in both functions, whether it is in the signature or comes through kwargs."""
    policy = object()
    driver = await init(
        keyspace="ks",
        compression="lz4",
        speculative_execution_policy=policy,
        ssl_enabled=True,
        ssl_verify_flags=1,
        port=9142,
        username="u",
        password="p",
        local_dc="dc",
        request_timeout=3,
        consistency="one",
        protocol_version=5,
        colour="blue",
    )
    assert driver is memory.driver
    (config,) = memory.attempts
    assert (config.hosts, config.keyspace, config.compression, config.port) == (("a",), "ks", "lz4", 9142)
    assert config.speculative_execution_policy is policy
    assert config.ssl_context is not None
    assert config.ssl_context.check_hostname is False
    assert (config.username, config.password, config.local_dc) == ("u", "p", "dc")
    assert (config.request_timeout, config.consistency, config.protocol_version) == (3, "ONE", 5)
    assert dict(config.options) == {"colour": "blue"}


async def test_session_reaches_the_backend(init: Callable[..., Any], memory: Backend) -> None:
    """A caller's session is handed to the backend as it is."""
    session = object()
    await init(hosts=None, session=session, keyspace="ks")
    assert memory.attempts[0].session is session


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        ({"hosts": []}, "hosts"),
        ({"session": object()}, "hosts"),
        ({"hosts": None, "session": object(), "port": 9042}, "port"),
        ({"hosts": None, "session": object(), "lazy": True}, "session"),
        ({"ssl_enabled": False, "ssl_cert": "x"}, "ssl_enabled"),
        ({"compression": "zip"}, "compression"),
        ({"color": "blue"}, "color"),
        ({"colour": "grey"}, "colour"),
        ({"lazy": "yes"}, "lazy"),
        ({"lazy": None}, "lazy"),
        ({"driver_type": None}, "driver_type"),
        ({"driver_type": "memoryy"}, "driver_type"),
    ],
)
async def test_refused(
    init: Callable[..., Any], memory: Backend, arguments: dict[str, Any], option: str
) -> None:
    """What can't be honoured is refused by both functions; nothing is opened or registered."""
    with pytest.raises(ConfigurationError) as caught:
        await init(**arguments)
    assert caught.value.option == option
    assert memory.attempts == []
    assert current_registry().names() == ()


async def test_unknown_backend(init: Callable[..., Any]) -> None:
    """An unknown backend brings up the installed ones."""
    with pytest.raises(DriverNotFoundError, match="Did you mean 'memory'"):
        await init(driver_type="memry")


@pytest.mark.parametrize("before", [False, True])
async def test_failed_connect_registers_nothing(
    init: Callable[..., Any], memory: Backend, before: bool, quiet_loop: list[Any]
) -> None:
    """A connect that fails leaves the registry as it was: empty, or with the old connection, still open."""
    old = await init() if before else None
    memory.failures = [ConnectionFailedError("no host")]
    with pytest.raises(ConnectionFailedError):
        await init()
    assert current_registry().names() == (("default",) if before else ())
    if old is not None:
        assert old.closings == 0
        assert get_driver() is old


async def test_lazy(init: Callable[..., Any], memory: Backend) -> None:
    """lazy=True gives a registered LazyDriver, of the same backend and options, that hasn't connected."""
    driver = await init(lazy=True, colour="blue")
    assert isinstance(driver, LazyDriver)
    assert get_driver() is driver
    assert memory.attempts == []
    await driver.execute_async("SELECT 1", [])
    assert dict(memory.attempts[0].options) == {"colour": "blue"}


async def test_sync_in_a_running_loop(memory: Backend) -> None:
    """init_coodie may be called while a loop runs, and close() of what it opened, too."""
    driver = init_coodie(["a"], driver_type="memory")
    assert get_driver() is driver
    driver.close()
    with init_coodie(["a"], driver_type="memory", lazy=True) as lazy:
        assert lazy.execute("SELECT 1", []) == []


# --- replaceable in tests -------------------------------------------------------------------


def test_using_registry() -> None:
    """In the block the functions use the given registry, and afterwards the former, also after an error."""
    outside = current_registry()
    register_driver("outside", MemoryDriver())
    fresh = DriverRegistry(host_of())
    with pytest.raises(ValueError, match="no"), using_registry(fresh) as inside:
        assert inside is fresh is current_registry()
        register_driver("inside", MemoryDriver())
        raise ValueError("no")
    assert current_registry() is outside
    assert outside.names() == ("outside",)
    assert fresh.names() == ("inside",)


async def test_registry_at_the_start_counts(memory: Backend, quiet_loop: list[Any]) -> None:
    """A connect registers where it began, whichever registry is current when it ends."""
    began = current_registry()
    memory.gate.clear()
    task = asyncio.ensure_future(init_coodie_async(["a"], driver_type="memory"))
    await wait_until_async(memory.begun.is_set)
    with using_registry(registry_of()) as other:
        memory.gate.set()
        driver = await task
        assert other.names() == ()
    assert began.get() is driver


# --- for the authors of plug-ins --------------------------------------------------------------


async def test_open_without_registering(memory: Backend) -> None:
    """A backend can open another's driver, which stays its own: nothing is registered."""
    config = build_config(driver_type="memory", hosts=["a"])
    drivers = [open_driver(config), await open_driver_async(config)]
    assert drivers == memory.opened
    assert current_registry().names() == ()


def test_installed_drivers() -> None:
    """What is installed can be listed, without importing it."""
    assert [(entry.driver_type, entry.distribution) for entry in installed_drivers()] == [
        ("memory", "dist-memory")
    ]
