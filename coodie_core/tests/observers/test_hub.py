"""Registering observers, and what becomes of those that raise."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import TYPE_CHECKING, Any

import pytest
from coodie_core.tests.fakes import Api, MemoryDriver

import coodie
from coodie.exceptions import ConfigurationError, InvalidQueryError, NotAnObserverError
from coodie.observers import (
    RequestFinished,
    RequestStarted,
    observing,
    register_observer,
    unregister_observer,
)
from coodie.observers.hooks import OBSERVER_HOOKS
from coodie.observers.hub import current_observers, request_observers
from coodie.observers.recorder import Recorder
from coodie.plugins import hookimpl
from coodie.registry import DriverRegistry, using_registry

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("registry")

STMT = "SELECT n FROM t WHERE k = ?"


class Raising(Recorder):
    """Raises in each hook."""

    def __init__(self, error: Callable[[], BaseException] = lambda: ZeroDivisionError("broken")) -> None:
        super().__init__(self._raise)
        self._error = error

    def _raise(self, event: object) -> None:
        raise self._error()


def test_registered_until_unregistered() -> None:
    """An observer is told from its registration on until it's taken off."""
    driver, observer = MemoryDriver(), Recorder()
    driver.execute(STMT, [1])
    register_observer(observer)
    driver.execute(STMT, [2])
    unregister_observer(observer)
    driver.execute(STMT, [3])
    assert [event.parameters for event in observer.of(RequestStarted)] == [[2]]
    assert len(observer.pairs()) == 1


def test_twice_is_an_error() -> None:
    """Nobody counts twice by accident, and what isn't registered can't be taken off."""
    observer = Recorder()
    with observing(observer):
        with pytest.raises(ConfigurationError, match="registered already"):
            register_observer(observer)
        with pytest.raises(ConfigurationError, match="isn't registered"):
            unregister_observer(Recorder())
    with pytest.raises(ConfigurationError, match="isn't registered"):
        unregister_observer(observer)


def test_a_block_that_fails_halfway_leaves_nobody() -> None:
    """When one of several can't be registered, none is."""
    with pytest.raises(NotAnObserverError), observing(Recorder(), object()):
        pytest.fail("never entered")
    assert current_observers().all == ()


class Unmarked:
    """Has a hook by name alone."""

    def coodie_request_finished(self, event: Any) -> None:
        """Never called."""


class Misspelt:
    """Has a hook that there isn't."""

    @hookimpl
    def coodie_request_ended(self, event: Any) -> None:
        """Never called."""


class WrongArguments:
    """Wants what isn't given."""

    @hookimpl
    def coodie_request_finished(self, event: Any, session: Any) -> None:
        """Never called."""


@pytest.mark.parametrize(
    ("observer", "said"),
    [
        (object(), "it implements no hook"),
        (None, "it implements no hook"),
        (Unmarked(), "coodie_request_finished isn't marked"),
        (Misspelt(), "coodie_request_ended"),
        (WrongArguments(), "session"),
        (Recorder, "is a class"),
    ],
)
def test_what_is_no_observer_is_refused(observer: object, said: str) -> None:
    """An observer that would never be called, or not as it thinks, is refused with the reason."""
    with pytest.raises(NotAnObserverError, match=said) as caught:
        register_observer(observer)
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, ImportError)
    assert caught.value.hint
    assert request_observers() == ()


def test_a_module_is_an_observer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions of a module do as well as methods, and may leave the argument out."""
    told = []

    @hookimpl
    def coodie_request_started() -> None:
        told.append(1)

    module = type(sys)("observing_module")
    module.coodie_request_started = coodie_request_started  # type: ignore[attr-defined]  # a module made here
    with observing(module):
        MemoryDriver().execute(STMT, [])
    assert told == [1]


async def test_one_that_raises_harms_nobody(is_async: bool, caplog: pytest.LogCaptureFixture) -> None:
    """The request gets its answer, and those who observe it, too, are told everything."""
    first, raising, last = Recorder(), Raising(), Recorder()
    api = Api(MemoryDriver(3), is_async=is_async)
    with observing(first, raising, last):
        assert len(await api.execute(STMT, [1])) == 3
        assert len(await api.execute(STMT, [1])) == 3
    assert first.events == raising.events == last.events
    assert len(first.pairs()) == 2


async def test_it_is_logged_once(is_async: bool, caplog: pytest.LogCaptureFixture) -> None:
    """The first failure is logged with its traceback, further ones at DEBUG and without."""
    api = Api(MemoryDriver(3), is_async=is_async)
    caplog.set_level(logging.DEBUG, "coodie.observers")
    with observing(Raising()):
        for _ in range(3):
            await api.execute(STMT, [1])
    error, *rest = caplog.records
    assert (error.levelname, len(rest)) == ("ERROR", 5)
    assert "Raising raised an exception in coodie_request_started" in error.getMessage()
    assert "ZeroDivisionError: broken" in caplog.text
    assert {(record.levelname, record.exc_info) for record in rest} == {("DEBUG", None)}
    assert rest[-1].getMessage().endswith("failure 6.")


async def test_its_traceback_says_nothing_of_the_request(
    is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """What the server said of a statement, which may quote it, isn't logged with an observer's failure."""
    driver = MemoryDriver()
    driver.fault = lambda _: InvalidQueryError("no viable alternative at 'hunter2'")
    api = Api(driver, is_async=is_async)

    def act(event: Any) -> None:
        if isinstance(event, RequestFinished):
            try:
                vars()["nothing"]
            except KeyError:
                _ = event.rows / 0

    with observing(Recorder(act)), pytest.raises(InvalidQueryError) as caught:
        await api.execute(STMT, [1])
    assert "ZeroDivisionError: division by zero" in caplog.text
    assert "hunter2" not in caplog.text
    assert "hunter2" in str(caught.value)


@pytest.mark.parametrize("error", [KeyboardInterrupt, asyncio.CancelledError, SystemExit])
@pytest.mark.parametrize("hook", [RequestStarted, RequestFinished])
async def test_an_interrupt_goes_through(
    is_async: bool, error: type[BaseException], hook: type, caplog: pytest.LogCaptureFixture
) -> None:
    """Ctrl-C, an exit or a cancellation in a hook ends the request; its end is told all the same."""

    def act(event: Any) -> None:
        if type(event) is hook:
            raise error

    first, interrupted = Recorder(), Recorder(act)
    with observing(first, interrupted), pytest.raises(error):
        await Api(MemoryDriver(3), is_async=is_async).execute(STMT, [1])
    assert len(first.pairs()) == 1
    assert len(interrupted.pairs()) == 1
    assert caplog.records == []


async def test_what_a_hook_asks_for_is_not_told(is_async: bool) -> None:
    """An observer that writes to the database doesn't observe itself, for ever."""
    driver, journal = MemoryDriver(1), MemoryDriver()
    observer = Recorder(lambda event: journal.execute("INSERT", [type(event).__name__]))
    with observing(observer):
        await Api(driver, is_async=is_async).execute(STMT, [1])
    assert [params for _, params, _ in journal.calls] == [["RequestStarted"], ["RequestFinished"]]
    assert len(observer.pairs()) == 1


def test_taken_off_meanwhile_it_is_owed_the_end() -> None:
    """Who was told the start is told the end, and who wasn't isn't."""
    driver, early, late = MemoryDriver(), Recorder(), Recorder()

    def swap(_: Any) -> None:
        unregister_observer(early)
        register_observer(late)

    driver.fault = swap
    with using_registry(DriverRegistry()):
        register_observer(early)
        driver.execute(STMT, [])
    assert early.names() == ["RequestStarted", "RequestFinished"]
    assert late.events == []


def test_each_registry_has_its_own() -> None:
    """In a test's own registry nobody else observes."""
    outer, inner = Recorder(), Recorder()
    with observing(outer):
        with using_registry(DriverRegistry()) as registry:
            register_observer(inner)
            assert [one.observer for one in registry.observers.all] == [inner]
            MemoryDriver().execute(STMT, [])
        assert outer.events == []
        coodie.register_driver("m", MemoryDriver())
    assert inner.names() == ["RequestStarted", "RequestFinished"]
    assert outer.names() == ["DriverRegistered"]


def test_the_recorder_has_every_hook() -> None:
    """What these tests observe with misses no hook."""
    with observing(observer := Recorder()):
        (one,) = current_observers().all
        assert one.observer is observer
        assert one.hooks == OBSERVER_HOOKS
