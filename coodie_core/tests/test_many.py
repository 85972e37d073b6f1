"""One statement, many times."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from coodie_core.tests.fakes import PATIENCE, Api, MemoryDriver, wait_until, wait_until_async

from coodie.exceptions import ConfigurationError, ExecuteManyError
from coodie.many import ManyResult
from coodie.rows import Rows
from coodie_testing.interrupts import Interrupting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.usefixtures("no_thread_left")

STMT = "INSERT INTO t (a) VALUES (?)"


class EchoDriver(MemoryDriver):
    """Answers with a row that holds the parameters; a write, given None, has no rows."""

    def execute(self, stmt: str, params: Any, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
        """Echo."""
        super().execute(stmt, params, *args, **kwargs)
        return [{"echo": params}] if params is not None else []

    async def execute_async(self, stmt: str, params: Any, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
        """Echo."""
        await super().execute_async(stmt, params, *args, **kwargs)
        return [{"echo": params}] if params is not None else []


class Source:
    """An endless or long stream of parameters that knows how far it has been drawn."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.drawn = 0

    def __iter__(self) -> Iterator[list[int]]:
        while self.drawn < self.length:
            self.drawn += 1
            yield [self.drawn - 1]

    async def stream(self) -> AsyncIterator[list[int]]:
        """As iteration, async."""
        for params in self:
            await asyncio.sleep(0)
            yield params


@pytest.fixture
def driver() -> EchoDriver:
    """A driver that echoes."""
    return EchoDriver()


@pytest.fixture
def api(driver: EchoDriver, is_async: bool) -> Api:
    """The driver, one way or the other."""
    return Api(driver, is_async=is_async)


# --- outcomes ---------------------------------------------------------------------------


async def test_rows_by_index(api: Api) -> None:
    """Each execution's rows are found under the position of its parameters."""
    result = await api.execute_many(STMT, ([n] for n in range(200)), concurrency=16)
    assert isinstance(result, ManyResult)
    assert (result.total, result.succeeded, result.errors) == (200, 200, {})
    assert [result.rows(n) for n in range(200)] == [[{"echo": [n]}] for n in range(200)]
    assert repr(result) == "<ManyResult: 200 succeeded, 0 failed>"


async def test_nothing_to_do(api: Api, driver: EchoDriver) -> None:
    """No parameters, no executions."""
    result = await api.execute_many(STMT, [])
    assert (result.total, driver.calls) == (0, [])


async def test_mappings_go_through(api: Api, driver: EchoDriver) -> None:
    """Each set of parameters may be a mapping, and what else was asked for goes to each execution."""
    result = await api.execute_many(STMT, [{"a": 1}], consistency="ONE", timeout=2.5)
    assert result.rows(0) == [{"echo": {"a": 1}}]
    assert driver.calls == [(STMT, {"a": 1}, {"consistency": "ONE", "timeout": 2.5})]


async def test_errors_by_index(api: Api, driver: EchoDriver) -> None:
    """Without raise_on_error all are executed, and each failure is found under its index."""
    driver.fault = lambda params: ValueError(params[0]) if params[0] % 10 == 3 else None
    result = await api.execute_many(STMT, ([n] for n in range(100)), concurrency=8, raise_on_error=False)
    assert sorted(result.errors) == list(range(3, 100, 10))
    assert all(result.errors[index].args == (index,) for index in result.errors)
    assert (result.succeeded, result.total) == (90, 100)
    assert result.rows(4) == [{"echo": [4]}]
    with pytest.raises(ValueError, match="13"):
        result.rows(13)


async def test_raise_on_error(api: Api, driver: EchoDriver) -> None:
    """After the first failure nothing more is started; the error has the outcomes and the cause."""
    source = Source(10_000)
    driver.delay = 0.001
    driver.fault = lambda params: ValueError("no") if params == [50] else None
    with pytest.raises(ExecuteManyError) as caught:
        await api.execute_many(STMT, source, concurrency=8)
    error = caught.value
    assert error.statement == STMT
    assert "at index 50: ValueError: no" in str(error)
    assert isinstance(error.__cause__, ValueError)
    assert error.result is not None
    assert list(error.result.errors) == [50]
    assert error.result.total == len(driver.calls) == source.drawn <= 50 + 8
    assert error.result.rows(49) == [{"echo": [49]}]


async def test_writes_take_no_memory(api: Api, driver: EchoDriver) -> None:
    """An execution without rows is counted and leaves nothing behind."""
    result = await api.execute_many(STMT, itertools.repeat(None, 500), concurrency=8)
    assert (result.succeeded, result.errors, result._rows) == (500, {}, {})
    assert result.rows(499) == []


class DetailedDriver(EchoDriver):
    """Answers without rows: with warnings and the trace id that the parameters are, or as a plain list."""

    def execute(self, stmt: str, params: Any, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
        """Answer."""
        super().execute(stmt, params, *args, **kwargs)
        return [] if params is None else Rows(warnings=params[0], trace_id=params[1])

    async def execute_async(self, stmt: str, params: Any, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
        """Answer."""
        await super().execute_async(stmt, params, *args, **kwargs)
        return [] if params is None else Rows(warnings=params[0], trace_id=params[1])


async def test_details_of_no_rows(is_async: bool) -> None:
    """Warnings and trace ids are kept without rows, too, with each shape; other executions take no memory."""
    api, trace_id = Api(DetailedDriver(), is_async=is_async), uuid.uuid4()
    for shape in (None, tuple):
        params = [[["slow"], None], [[], trace_id], [[], None], None]
        result: Any = await api.execute_many(STMT, params, rows=shape)
        found = [result.rows(n) for n in range(4)]
        assert found == [[]] * 4
        assert [rows.warnings for rows in found] == [("slow",), (), (), ()]
        assert [rows.trace_id for rows in found] == [None, trace_id, None, None]
        assert sorted(result._rows) == [0, 1]


async def test_on_result(api: Api, driver: EchoDriver) -> None:
    """on_result hears of each outcome once; the rows aren't kept in the result, and the exceptions are."""
    driver.fault = lambda params: ValueError("no") if params == [7] else None
    heard: dict[int, Any] = {}

    def hear(index: int, outcome: Any) -> None:
        assert index not in heard
        heard[index] = outcome

    result = await api.execute_many(
        STMT, ([n] for n in range(50)), concurrency=8, on_result=hear, raise_on_error=False
    )
    assert sorted(heard) == list(range(50))
    assert result.errors == {7: heard.pop(7)}
    assert all(heard[n] == [{"echo": [n]}] for n in heard)
    assert result._rows == {}
    assert (result.succeeded, result.total, result.rows(0)) == (49, 50, [])
    with pytest.raises(ValueError, match="no"):
        result.rows(7)


async def test_on_progress(api: Api) -> None:
    """on_progress counts up, one at a time, to the number of executions."""
    counted: list[int] = []
    await api.execute_many(STMT, ([n] for n in range(100)), concurrency=16, on_progress=counted.append)
    assert counted == list(range(1, 101))


# --- how many at once -------------------------------------------------------------------


@pytest.mark.parametrize("concurrency", [1, 5])
async def test_bounded_in_flight(api: Api, driver: EchoDriver, concurrency: int) -> None:
    """As many as asked for are in flight at once, and never more."""
    driver.delay = 0.002
    await api.execute_many(STMT, ([n] for n in range(60)), concurrency=concurrency)
    assert driver.most_in_flight == concurrency


def test_bounded_threads(driver: EchoDriver) -> None:
    """However many are allowed, a backend that only blocks gets no more than 32 threads."""
    driver.delay = 0.2  # a busy machine takes a while to start so many
    driver.execute_many(STMT, ([n] for n in range(64)), concurrency=1000)
    assert driver.most_in_flight == 32


class SilentDriver(MemoryDriver):
    """Counts what it has executed; the rest would take the time of 100,000 notes."""

    done = 0

    def execute(self, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
        """Count."""
        with self._lock:
            self.done += 1
        return []

    async def execute_async(self, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
        """Count, after other tasks had their turn."""
        await asyncio.sleep(0)
        self.done += 1
        return []


async def test_long_generator_is_drawn_as_needed(is_async: bool) -> None:
    """100,000 parameters are drawn one by one, never more than the concurrency ahead of what is done."""
    driver = SilentDriver()
    concurrency = 16
    most_ahead = 0

    def source() -> Iterator[list[int]]:
        nonlocal most_ahead
        for drawn in range(100_000):
            most_ahead = max(most_ahead, drawn + 1 - driver.done)
            yield [drawn]

    result = await Api(driver, is_async=is_async).execute_many(STMT, source(), concurrency=concurrency)
    assert (result.total, result._rows) == (100_000, {})
    assert most_ahead <= concurrency


# --- where the parameters come from -------------------------------------------------------


async def test_async_source(driver: EchoDriver) -> None:
    """The async form takes async generators; each set of parameters is used once, in order of index."""
    result = await driver.execute_many_async(STMT, Source(100).stream(), concurrency=8)
    assert [result.rows(n) for n in range(100)] == [[{"echo": [n]}] for n in range(100)]


async def test_async_iterable(driver: EchoDriver) -> None:
    """An object that is only async iterable, not an iterator, will do."""

    class Table:
        def __aiter__(self) -> AsyncIterator[list[int]]:
            return Source(10).stream()

    result = await driver.execute_many_async(STMT, Table(), concurrency=3)
    assert result.succeeded == 10


def test_sync_form_refuses_async_sources(driver: EchoDriver) -> None:
    """The sync form can't draw from an async iterable and says where it belongs."""
    with pytest.raises(ConfigurationError, match="execute_many_async") as caught:
        driver.execute_many(STMT, Source(3).stream())  # type: ignore[arg-type]
    assert caught.value.option == "rows_of_params"


@pytest.mark.parametrize("wrong", [None, 5])
async def test_wrong_source(api: Api, wrong: Any) -> None:
    """What can't be iterated over is refused."""
    with pytest.raises(ConfigurationError) as caught:
        await api.execute_many(STMT, wrong)
    assert caught.value.option == "rows_of_params"


async def test_a_huge_concurrency(driver: EchoDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of tasks is limited, so that no concurrency exhausts the memory."""
    monkeypatch.setattr("coodie.contract.many.MAX_TASKS", 3)
    result = await driver.execute_many_async(STMT, ([n] for n in range(20)), concurrency=10**6)
    assert (result.total, driver.most_in_flight) == (20, 3)


@pytest.mark.parametrize("wrong", [0, -1, True, 1.5, "4", None])
async def test_wrong_concurrency(api: Api, wrong: Any) -> None:
    """The concurrency is a positive whole number."""
    with pytest.raises(ConfigurationError) as caught:
        await api.execute_many(STMT, [], concurrency=wrong)
    assert caught.value.option == "concurrency"
    assert repr(wrong) in str(caught.value)


async def test_source_fails(api: Api, driver: EchoDriver, quiet_loop: list[Any]) -> None:
    """An error of the parameters' generator is the caller's; nothing more is started and nothing hangs."""
    driver.delay = 0.001

    def source() -> Iterator[list[int]]:
        yield from ([n] for n in range(20))
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        await asyncio.wait_for(api.execute_many(STMT, source(), concurrency=4), PATIENCE)
    assert driver.in_flight == 0
    assert len(driver.calls) == 20


async def test_source_fails_with_executions_under_way(driver: EchoDriver, quiet_loop: list[Any]) -> None:
    """The async form doesn't wait for what is in flight when the generator fails, but cancels it."""
    driver.delay = 3600

    async def source() -> AsyncIterator[list[int]]:
        yield [1]
        yield [2]
        await wait_until_async(lambda: driver.in_flight == 2)
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        await asyncio.wait_for(driver.execute_many_async(STMT, source(), concurrency=4), PATIENCE)
    assert driver.in_flight == 0


async def test_async_source_fails(driver: EchoDriver, quiet_loop: list[Any]) -> None:
    """An error of an async generator is the caller's, too."""

    async def source() -> AsyncIterator[list[int]]:
        async for params in Source(20).stream():
            yield params
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        await asyncio.wait_for(driver.execute_many_async(STMT, source(), concurrency=4), PATIENCE)
    assert driver.in_flight == 0


async def test_source_waits_for_outcomes(api: Api) -> None:
    """Parameters may depend on earlier outcomes: the generator may wait for on_result."""
    heard = [threading.Event() for _ in range(30)]

    def source() -> Iterator[list[int]]:
        for number in range(30):
            # On a loop, waiting like this would block it.
            if number and not api.is_async:
                assert heard[number - 1].wait(1), "the generator keeps the outcome from being told"
            yield [number]

    result = await api.execute_many(
        STMT, source(), concurrency=2, on_result=lambda index, _: heard[index].set()
    )
    assert result.succeeded == 30


# --- ends -------------------------------------------------------------------------------


@pytest.mark.parametrize("callback", ["on_result", "on_progress"])
async def test_callback_that_is_async(api: Api, driver: EchoDriver, callback: str) -> None:
    """An async function as a callback is refused, since nothing would await it; so is what isn't callable."""

    class Callback:
        """An object."""

        async def __call__(self, *_: Any) -> None:
            raise AssertionError

    for wrong in (Callback().__call__, partial(Callback().__call__, 1), Callback(), 5):
        with pytest.raises(ConfigurationError) as caught:
            await api.execute_many(STMT, [[1]], **{callback: wrong})
        assert caught.value.option == callback


@pytest.mark.parametrize("callback", ["on_result", "on_progress"])
async def test_callback_fails(api: Api, driver: EchoDriver, callback: str) -> None:
    """An error of a callback is the caller's, and ends the run early."""
    source = Source(100_000)
    driver.delay = 0.0005

    failures = iter([LookupError("callback")])

    def fail(*_: Any) -> None:
        if source.drawn > 20:
            # Once: what is in flight is still recorded, and must not be what ends the other workers.
            for failure in failures:
                raise failure

    with pytest.raises(LookupError, match="callback"):
        await api.execute_many(STMT, source, concurrency=4, **{callback: fail})
    assert source.drawn < 60
    assert driver.in_flight == 0


def test_interrupt_in_a_thread_ends_the_run(driver: EchoDriver) -> None:
    """What isn't an Exception ends the run and comes out as it is."""
    source = Source(100_000)
    driver.fault = lambda params: KeyboardInterrupt() if params == [40] else None
    driver.delay = 0.0005
    with pytest.raises(KeyboardInterrupt):
        driver.execute_many(STMT, source, concurrency=4)
    assert source.drawn < 60


def test_ctrl_c_ends_the_call_at_once(driver: EchoDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller doesn't wait for the responses in flight, which call no callback any more."""
    started, may_end, told = threading.Semaphore(0), threading.Event(), []

    def execute(*_: Any, **__: Any) -> list[dict[str, Any]]:
        started.release()
        assert may_end.wait(PATIENCE)
        return []

    monkeypatch.setattr(driver, "execute", execute)
    source = Source(100_000)
    try:
        with Interrupting() as interrupting, pytest.raises(KeyboardInterrupt):
            driver.execute_many(STMT, source, concurrency=4, on_result=lambda *_: told.append(1))
        assert time.monotonic() - interrupting.sent_at < PATIENCE / 2
        assert all(started.acquire(timeout=0) for _ in range(4))
    finally:
        may_end.set()
    wait_until(lambda: not [one for one in threading.enumerate() if one.name.startswith("coodie-many")])
    assert (source.drawn, told) == (4, [])


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_cancellation(driver: EchoDriver, quiet_loop: list[Any], asynchronous: bool) -> None:
    """A cancellation ends what is in flight, draws nothing more, and leaves no task."""
    driver.delay = 3600
    source = Source(100_000)
    task = asyncio.ensure_future(
        driver.execute_many_async(STMT, source.stream() if asynchronous else source, concurrency=8)
    )
    await wait_until_async(lambda: driver.in_flight == 8)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, PATIENCE)
    assert driver.in_flight == 0
    assert source.drawn <= 9


async def test_timeout_around_it(driver: EchoDriver, quiet_loop: list[Any]) -> None:
    """asyncio.wait_for ends a run that takes too long, without a word in the log."""
    driver.delay = 3600
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(driver.execute_many_async(STMT, Source(100)), 0.05)
    assert driver.in_flight == 0


@pytest.mark.parametrize("terms", [{"consistency": "MOST"}, {"timeout": -1}, {"options": {"trace": True}}])
async def test_terms_are_refused_once(terms: dict[str, Any], driver: EchoDriver, api: Api) -> None:
    """What every execution would fail with is refused before the first, and nothing is drawn."""
    source = Source(3)
    with pytest.raises(ConfigurationError):
        await api.execute_many(STMT, source, raise_on_error=False, **terms)
    assert source.drawn == 0
