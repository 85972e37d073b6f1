"""Request profiles: what a call's profile fills, whichever method is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from coodie_core.tests.fakes import Api, Backend, DuckDriver, MemoryDriver, registry_of

import coodie
from coodie import LazyDriver, RequestOptions, RequestProfile
from coodie.exceptions import ConfigurationError
from coodie.registry import using_registry

if TYPE_CHECKING:
    from coodie.registry import DriverRegistry

PROFILES = {
    "reports": RequestProfile(
        consistency="one", timeout=60, fetch_size=3, idempotent=True, retry_policy="never"
    ),
    "plain": {"timeout": 5},
}
REPORTS = RequestOptions(profile="reports")
FILLED = RequestOptions(idempotent=True, retry_policy="never")


@pytest.fixture
def driver(registry: DriverRegistry) -> LazyDriver:
    """A lazy driver with profiles."""
    return LazyDriver(["a"], None, None, {"driver_type": "memory", "profiles": PROFILES})


@pytest.fixture
def api(driver: LazyDriver, is_async: bool) -> Api:
    """The same, either way."""
    return Api(driver, is_async=is_async)


def asked(memory: Backend) -> Any:
    """Return what the backend's driver was asked for beside the statement."""
    return memory.driver.calls[-1][2]


async def test_execute(api: Api, memory: Backend) -> None:
    """The profile fills consistency, timeout and options; it never makes execute return one page."""
    await api.execute("SELECT", [], options=REPORTS)
    assert asked(memory) == {"consistency": "ONE", "timeout": 60, "options": FILLED}


async def test_execute_one(api: Api, memory: Backend) -> None:
    """The same for one value."""
    await api.execute_one("SELECT", [], options=REPORTS)
    assert asked(memory) == {"consistency": "ONE", "timeout": 60, "options": FILLED}


async def test_execute_many_and_batch(api: Api, memory: Backend) -> None:
    """The same for many, and for a batch."""
    await api.execute_many("INSERT", [[1]], options=REPORTS)
    assert asked(memory) == {"consistency": "ONE", "timeout": 60, "options": FILLED}
    await api.execute_batch(["INSERT"], options=REPORTS)
    assert asked(memory) == {"consistency": "ONE", "timeout": 60, "options": FILLED}


async def test_stream(api: Api, memory: Backend) -> None:
    """A profile's fetch_size is the size of stream's pages."""
    assert [row async for row in api.stream("SELECT", options=REPORTS)] == []
    assert asked(memory)["fetch_size"] == 3
    assert [row async for row in api.stream("SELECT", fetch_size=2, options=REPORTS)] == []
    assert asked(memory) == {"consistency": "ONE", "timeout": 60, "fetch_size": 2, "options": FILLED}


async def test_the_call_wins(api: Api, memory: Backend) -> None:
    """What the call gives itself stays, by position or by name."""
    await api.execute("SELECT", [], "ALL", timeout=1, options=RequestOptions(profile="reports", trace=True))
    assert asked(memory) == {
        "consistency": "ALL",
        "timeout": 1,
        "options": RequestOptions(idempotent=True, retry_policy="never", trace=True),
    }
    await api.execute_one("SELECT", [], None, 2, options=REPORTS)
    assert (asked(memory)["consistency"], asked(memory)["timeout"]) == ("ONE", 2)


async def test_unknown_profile(api: Api, memory: Backend) -> None:
    """A slip in the name is answered with the name, and nothing is connected for it."""
    for call in (api.execute, api.execute_one, api.execute_many):
        with pytest.raises(ConfigurationError, match="Did you mean 'reports'") as caught:
            await call("SELECT", [], options=RequestOptions(profile="report"))
        assert caught.value.option == "profile"
    assert memory.attempts == []


def test_a_driver_without_options_serves_a_plain_profile() -> None:
    """Where the profile leaves no options, a driver that takes none is enough."""
    with using_registry(registry_of(duck=Backend(DuckDriver))):
        driver = LazyDriver(None, None, None, {"driver_type": "duck", "profiles": PROFILES})
        assert driver.execute("SELECT", [], options=RequestOptions(profile="plain"))


async def test_profiles_without_lazy(registry: DriverRegistry, memory: Backend, is_async: bool) -> None:
    """init_coodie with profiles connects at once; the driver that knows them stands around the backend's."""
    if is_async:
        driver = await coodie.init_coodie_async(driver_type="memory", profiles=PROFILES)
    else:
        driver = coodie.init_coodie(driver_type="memory", profiles=PROFILES)
    assert len(memory.attempts) == 1
    assert isinstance(driver, LazyDriver)
    assert isinstance(driver.driver, MemoryDriver)
    assert registry.get() is driver


async def test_a_failed_connect_registers_nothing(
    registry: DriverRegistry, memory: Backend, is_async: bool
) -> None:
    """Profiles change nothing about that."""
    memory.failures.append(ConfigurationError("no"))
    with pytest.raises(ConfigurationError, match="no"):
        if is_async:
            await coodie.init_coodie_async(driver_type="memory", profiles=PROFILES)
        else:
            coodie.init_coodie(driver_type="memory", profiles=PROFILES)
    assert registry.names() == ()


def test_speculation_needs_idempotence() -> None:
    """Said of a profile as of a request; but a request may rely on its profile for it."""
    with pytest.raises(ConfigurationError, match="idempotent"):
        RequestProfile(speculative_execution_policy="0.1x2")
    request = RequestOptions(profile="reports", speculative_execution_policy="0.1x2")
    assert RequestProfile(idempotent=True).over(request).speculative_execution_policy == "0.1x2"
    with pytest.raises(ConfigurationError, match="idempotent"):
        RequestProfile().over(request)


def test_profiles_are_checked_where_the_driver_is_made(registry: DriverRegistry) -> None:
    """A slip in a profile's option names the profile and the option that was meant."""
    with pytest.raises(ConfigurationError, match=r"profile 'reports' has no option 'timout'.*'timeout'"):
        LazyDriver(None, None, None, {"driver_type": "memory", "profiles": {"reports": {"timout": 5}}})
