"""What every backend gets for its six methods."""

from __future__ import annotations

import asyncio
import gc
import inspect
import weakref
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any

import pytest
from coodie_core.tests.fakes import PATIENCE, Api, DuckDriver, ListDriver, MemoryDriver, wait_until_async

from coodie import BatchType, RequestOptions, Rows
from coodie.drivers import AbstractDriver
from coodie.exceptions import (
    ConfigurationError,
    ConnectionFailedError,
    DriverClosedError,
    ParameterError,
    RequestTimeoutError,
    UnauthorizedError,
    UnsupportedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

STMT = "SELECT n FROM t"
OPTIONS = RequestOptions(idempotent=True)


class OldDriver(MemoryDriver):
    """A driver made before RequestOptions: its execute and execute_async take none."""

    def execute(self, stmt: str, params: Any, *args: Any) -> list[dict[str, Any]]:  # type: ignore[override]
        """As the first contract had it."""
        return super().execute(stmt, params, *args)

    async def execute_async(self, stmt: str, params: Any, *args: Any) -> list[dict[str, Any]]:  # type: ignore[override]
        """As the first contract had it."""
        return await super().execute_async(stmt, params, *args)


async def collect(api: Api, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
    """Return all rows of a stream."""
    return [row async for row in api.stream(*args, **kwargs)]


# --- the class --------------------------------------------------------------------------


def test_six_abstract_methods() -> None:
    """A backend has six methods to implement, and no more."""
    six = {"execute", "execute_async", "sync_table", "sync_table_async", "close", "close_async"}
    assert AbstractDriver.__abstractmethods__ == six
    with pytest.raises(TypeError, match="abstract"):
        AbstractDriver()  # type: ignore[abstract]


def test_every_method_has_its_twin() -> None:
    """What can be done sync can be done async, with the same parameters."""
    methods = {name: member for name, member in vars(AbstractDriver).items() if inspect.isfunction(member)}
    for name, method in methods.items():
        if not name.startswith("_") and not name.endswith("_async"):
            twin = methods[f"{name}_async"]
            parameters, twins = (inspect.signature(m).parameters for m in (method, twin))
            assert list(parameters) == list(twins)
            for one, other in zip(parameters.values(), twins.values(), strict=True):
                assert (one.default, one.kind) == (other.default, other.kind)


# --- one value --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "value"),
    [([{"a": 1, "b": 2}, {"a": 3, "b": 4}], 1), ([{"a": None}], None), ([], None), ([{}], None)],
)
async def test_execute_one(is_async: bool, rows: list[dict[str, Any]], value: Any) -> None:
    """It's the first column of the first row, or None."""
    driver = MemoryDriver(rows)
    assert await Api(driver, is_async=is_async).execute_one(STMT, [5], "ONE", 2.5, options=OPTIONS) == value
    assert driver.calls == [(STMT, [5], {"consistency": "ONE", "timeout": 2.5, "options": OPTIONS})]


# --- streams ----------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [0, 1, 9, 10, 11, 25, 30])
async def test_stream(is_async: bool, rows: int) -> None:
    """A stream yields every row once, in order, and asks for the pages it needs."""
    driver = MemoryDriver(rows)
    api = Api(driver, is_async=is_async)
    assert (
        await collect(api, STMT, [7], fetch_size=10, consistency="ONE", timeout=3, options=OPTIONS)
        == driver.rows
    )
    assert len(driver.calls) == max(1, -(-rows // 10))
    asked = {"consistency": "ONE", "timeout": 3, "fetch_size": 10, "options": OPTIONS}
    for number, call in enumerate(driver.calls):
        state = {"paging_state": str(number * 10).encode()} if number else {}
        assert call == (STMT, [7], asked | state)


async def test_stream_by_default(is_async: bool) -> None:
    """Without a page size there is one, of 1000; parameters may be left out."""
    driver = MemoryDriver(2500)
    assert len(await collect(Api(driver, is_async=is_async), STMT)) == 2500
    assert [asked["fetch_size"] for _, _, asked in driver.calls] == [1000, 1000, 1000]


class Watched(MemoryDriver):
    """Knows which of its pages somebody still holds."""

    def __init__(self, rows: int) -> None:
        super().__init__(rows)
        self.pages: list[weakref.ref[Any]] = []

    def _answer(self, fetch_size: int | None, paging_state: bytes | None) -> list[dict[str, Any]]:
        page = super()._answer(fetch_size, paging_state)
        self.pages.append(weakref.ref(page))
        return page

    def held(self) -> int:
        """Return how many pages are held."""
        return sum(page() is not None for page in self.pages)


def test_stream_holds_one_page() -> None:
    """A stream lets go of a page before it asks for the next, so that one is held at any time."""
    driver = Watched(100)
    held_when_asked: list[int] = []

    def look(_: Any) -> None:
        held_when_asked.append(driver.held())

    driver.fault = look
    for _ in driver.stream(STMT, fetch_size=10):
        assert driver.held() == 1
    assert held_when_asked == [0] * 10
    assert driver.held() == 0


async def test_stream_async_holds_two_pages() -> None:
    """An async stream holds the page that is consumed, and the one that is read ahead."""
    driver = Watched(100)
    most = 0
    async for _ in driver.stream_async(STMT, fetch_size=10):
        await asyncio.sleep(0.001)
        most = max(most, driver.held())
    assert most == 2
    gc.collect()
    assert driver.held() == 0


async def test_stream_async_holds_none_while_it_waits() -> None:
    """A page that has been consumed is let go of before the next one is there."""
    driver = Watched(20)
    rows = driver.stream_async(STMT, fetch_size=10)
    await anext(rows)
    driver.delay = 0.05
    for _ in range(9):
        await anext(rows)
    next_row = asyncio.ensure_future(rows.__anext__())
    await wait_until_async(lambda: driver.in_flight == 1)
    assert driver.held() == 0
    assert await next_row == {"n": 10}
    await rows.aclose()


async def test_stream_async_reads_ahead() -> None:
    """While a page is consumed, the next one is under way, and no more than that."""
    driver = MemoryDriver(100)
    rows = driver.stream_async(STMT, fetch_size=10)
    await anext(rows)
    await wait_until_async(lambda: len(driver.calls) == 2)
    await asyncio.sleep(0.01)
    assert len(driver.calls) == 2
    for _ in range(10):
        await anext(rows)
    await wait_until_async(lambda: len(driver.calls) == 3)
    await rows.aclose()


async def test_left_early(is_async: bool, quiet_loop: list[Any]) -> None:
    """A stream that is left and closed asks for no more; what was read ahead is cancelled."""
    driver = MemoryDriver(100)
    if is_async:
        async with aclosing(driver.stream_async(STMT, fetch_size=10)) as rows:
            async for _ in rows:
                driver.delay = 3600
                await wait_until_async(lambda: driver.in_flight == 1)
                break
    else:
        with closing(driver.stream(STMT, fetch_size=10)) as some:
            next(some)
    assert driver.in_flight == 0
    assert len(driver.calls) == (2 if is_async else 1)


async def test_cancelled_while_waiting_for_a_page(quiet_loop: list[Any]) -> None:
    """Cancelling the consumer cancels the page that it waits for."""
    driver = MemoryDriver(100)

    async def consume() -> None:
        async with aclosing(driver.stream_async(STMT, fetch_size=10)) as rows:
            async for _ in rows:
                driver.delay = 3600

    task = asyncio.ensure_future(consume())
    await wait_until_async(lambda: driver.in_flight == 1 and len(driver.calls) == 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, PATIENCE)
    assert driver.in_flight == 0


async def test_read_ahead_fails_unseen(quiet_loop: list[Any]) -> None:
    """A page that was read ahead and failed is nobody's business when the stream is left before it."""
    driver = MemoryDriver(100)
    async with aclosing(driver.stream_async(STMT, fetch_size=10)) as rows:
        await anext(rows)
        driver.fault = lambda _: ValueError("no")
        await wait_until_async(lambda: len(driver.calls) == 2)
        await asyncio.sleep(0)


async def test_read_ahead_fails_as_it_is_cancelled(quiet_loop: list[Any]) -> None:
    """A driver that answers a cancellation with an error of its own doesn't make the loop log it."""

    class Clumsy(MemoryDriver):
        async def execute_async(self, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
            try:
                return await super().execute_async(*args, **kwargs)
            except asyncio.CancelledError:
                raise ValueError("cancelled") from None

    driver = Clumsy(100)
    async with aclosing(driver.stream_async(STMT, fetch_size=10)) as rows:
        await anext(rows)
        driver.delay = 3600
        await wait_until_async(lambda: driver.in_flight == 1)


async def test_a_later_page_fails(is_async: bool, quiet_loop: list[Any]) -> None:
    """The rows before come first, then the error, where the iteration reaches it."""
    driver = MemoryDriver(30)
    pages = 0

    def fail(_: Any) -> Exception | None:
        nonlocal pages
        pages += 1
        return ValueError("no") if pages == 3 else None

    driver.fault = fail
    seen: list[int] = []
    with pytest.raises(ValueError, match="no"):
        async for row in Api(driver, is_async=is_async).stream(STMT, fetch_size=10):
            seen.append(row["n"])  # noqa: PERF401 - what came before the error counts
    assert seen == list(range(20))


async def test_driver_of_plain_lists(is_async: bool) -> None:
    """A driver that returns plain lists is asked again without a page size, and none of its rows is lost."""
    driver = ListDriver(25)
    assert await collect(Api(driver, is_async=is_async), STMT, fetch_size=10, timeout=3) == driver.rows
    assert [asked for _, _, asked in driver.calls] == [{"timeout": 3, "fetch_size": 10}, {"timeout": 3}]


async def test_driver_that_forgets_to_page(is_async: bool) -> None:
    """A plain list after Rows can't be told from the end, and is refused."""

    class Forgetful(MemoryDriver):
        def _answer(self, fetch_size: int | None, paging_state: bytes | None) -> list[dict[str, Any]]:
            page = super()._answer(fetch_size, paging_state)
            return list(page) if paging_state is not None else page

    with pytest.raises(UnsupportedError) as caught:
        await collect(Api(Forgetful(25), is_async=is_async), STMT, fetch_size=10)
    assert caught.value.feature == "paging"


@pytest.mark.parametrize("size", [0, -1, True, 1.5, "10", None, 2**31])
@pytest.mark.parametrize("way", ["stream", "stream_async"])
def test_page_size(way: str, size: Any) -> None:
    """The page size is a positive whole number; it's checked at the call, not at the first row."""
    driver = MemoryDriver(5)
    with pytest.raises(ConfigurationError) as caught:
        getattr(driver, way)(STMT, fetch_size=size)
    assert caught.value.option == "fetch_size"
    assert driver.calls == []


async def test_streams_side_by_side(is_async: bool) -> None:
    """Two streams of one driver don't know of each other."""
    driver = MemoryDriver(25)
    api = Api(driver, is_async=is_async)
    first, second = (aiter(api.stream(STMT, fetch_size=10)) for _ in range(2))
    for n in range(25):
        assert (await anext(first), await anext(second)) == ({"n": n}, {"n": n})


# --- batches ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["unlogged", BatchType.UNLOGGED])
async def test_execute_batch(is_async: bool, kind: Any) -> None:
    """A batch goes as one text, BEGIN … APPLY BATCH, with the parameters of all its statements."""
    driver = MemoryDriver(1)
    items = [
        "DELETE FROM t WHERE a = 1",
        ("INSERT INTO t (a) VALUES (:a)", {"a": 2}),
        ("UPDATE t SET b = ?", [3]),
    ]
    api = Api(driver, is_async=is_async)
    rows = await api.execute_batch(items, kind, consistency="ONE", timeout=2.5, options=OPTIONS)
    assert rows == driver.rows
    ((stmt, params, asked),) = driver.calls
    assert stmt.split("\n") == [
        "BEGIN UNLOGGED BATCH",
        "DELETE FROM t WHERE a = 1",
        "INSERT INTO t (a) VALUES (?)",
        "UPDATE t SET b = ?",
        "APPLY BATCH",
    ]
    assert params == [2, 3]
    assert asked == {"consistency": "ONE", "timeout": 2.5, "options": OPTIONS}


async def test_batch_is_logged_by_default(is_async: bool) -> None:
    """Without a kind it is a logged batch."""
    driver = MemoryDriver()
    await Api(driver, is_async=is_async).execute_batch(["DELETE FROM t WHERE a = 1"])
    assert driver.calls[0][0].startswith("BEGIN BATCH\n")


@pytest.mark.parametrize(
    ("items", "kind", "error"),
    [
        ([], "LOGGED", ConfigurationError),
        (["SELECT 1"], "LOGGED", ParameterError),
        (["DELETE FROM t WHERE a = 1"], "SOME", ConfigurationError),
        ([("DELETE FROM t WHERE a = ?", [])], "LOGGED", ParameterError),
    ],
)
async def test_wrong_batch(is_async: bool, items: Any, kind: str, error: type[Exception]) -> None:
    """A batch that can't be one is refused before anything is sent."""
    driver = MemoryDriver()
    with pytest.raises(error):
        await Api(driver, is_async=is_async).execute_batch(items, kind)
    assert driver.calls == []


# --- options ----------------------------------------------------------------------------

CALLS: dict[str, Callable[[Api, Any], Any]] = {
    "execute_one": lambda api, options: api.execute_one(STMT, [], options=options),
    "stream": lambda api, options: collect(api, STMT, options=options),
    "execute_many": lambda api, options: api.execute_many(STMT, [[1]], options=options),
    "execute_batch": lambda api, options: api.execute_batch(["DELETE FROM t WHERE a = 1"], options=options),
}


@pytest.mark.parametrize("call", CALLS)
async def test_options_reach_the_driver(is_async: bool, call: str) -> None:
    """Options go with each execution that a method makes."""
    driver = MemoryDriver(1)
    await CALLS[call](Api(driver, is_async=is_async), OPTIONS)
    assert [asked["options"] for _, _, asked in driver.calls] == [OPTIONS]


@pytest.mark.parametrize("call", CALLS)
async def test_options_that_a_driver_does_not_know(is_async: bool, call: str) -> None:
    """A driver whose execute takes no options says so when some are asked for, and works without."""
    driver = OldDriver(1)
    api = Api(driver, is_async=is_async)
    with pytest.raises(
        UnsupportedError, match=r"OldDriver\.execute(_async)?\(\) has no parameter options="
    ) as caught:
        await CALLS[call](api, OPTIONS)
    assert caught.value.feature == "options"
    assert isinstance(caught.value, NotImplementedError)
    assert driver.calls == []
    await CALLS[call](api, None)
    assert len(driver.calls) == 1


def test_options_through_kwargs() -> None:
    """A driver whose execute takes any keyword is given the options."""

    class Anything(MemoryDriver):
        def execute(self, stmt: str, params: Any, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
            return [{"asked": kwargs}]

    assert Anything().execute_one(STMT, [], options=OPTIONS) == {"options": OPTIONS}


# --- ping -------------------------------------------------------------------------------


async def test_ping(is_async: bool) -> None:
    """A ping is a small read, with the timeout it was given."""
    driver = MemoryDriver()
    assert await Api(driver, is_async=is_async).ping(timeout=1.5) is True
    ((stmt, params, asked),) = driver.calls
    assert "system.local" in stmt
    assert (params, asked) == ([], {"timeout": 1.5})


@pytest.mark.parametrize("error", [ConnectionFailedError("no host"), RequestTimeoutError("no answer")])
async def test_ping_without_an_answer(is_async: bool, error: Exception) -> None:
    """Where no host can be reached or none answers in time, the ping is False."""
    driver = MemoryDriver()
    driver.fault = lambda _: error
    assert await Api(driver, is_async=is_async).ping() is False


@pytest.mark.parametrize("error", [UnauthorizedError("no"), DriverClosedError("closed")])
async def test_ping_that_fails_otherwise(is_async: bool, error: Exception) -> None:
    """Any other failure is no answer to the question, and is raised."""
    driver = MemoryDriver()
    driver.fault = lambda _: error
    with pytest.raises(type(error)):
        await Api(driver, is_async=is_async).ping()


# --- with -------------------------------------------------------------------------------


def test_with() -> None:
    """The end of a ``with`` block closes the driver once, whatever happens in it."""
    driver = MemoryDriver()
    with driver as inside:
        assert inside is driver
        assert driver.closings == 0
    assert driver.closings == 1
    with pytest.raises(ValueError, match="no"), MemoryDriver() as broken:
        raise ValueError("no")
    assert broken.closings == 1


async def test_async_with() -> None:
    """So does the end of an ``async with`` block, through close_async()."""

    class Async(MemoryDriver):
        def close(self) -> None:
            raise AssertionError("close() blocks the loop")

    driver = Async()
    async with driver as inside:
        assert inside is driver
    with pytest.raises(ValueError, match="no"):
        async with driver:
            raise ValueError("no")
    assert driver.closings == 2


# --- what the contract doesn't take away --------------------------------------------------


def test_subclass_may_return_rows() -> None:
    """A Rows passes through unchanged: what the server said beside the rows isn't lost."""
    rows = Rows([{"n": 1}], warnings=["w"])

    class Warning_(MemoryDriver):  # noqa: N801 - a warning that isn't one
        def _answer(self, fetch_size: int | None, paging_state: bytes | None) -> list[dict[str, Any]]:
            return rows

    assert Warning_().execute_batch(["DELETE FROM t WHERE a = 1"]) is rows


def test_duck_driver_has_only_six() -> None:
    """The fake that the registry's tests use has the six methods and none of the others."""
    assert not isinstance(DuckDriver(), AbstractDriver)
    assert not hasattr(DuckDriver(), "stream")
