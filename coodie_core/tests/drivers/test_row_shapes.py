"""``rows=`` with drivers without row shapes, with clients, and through a LazyDriver."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from coodie_core.tests.fakes import Api, Backend, DuckDriver, ListDriver, MemoryDriver, registry_of

from coodie import LazyDriver, RequestOptions, Rows, init_coodie
from coodie.capabilities import Capability
from coodie.contract.driver import AbstractDriver
from coodie.drivers.client import Client, ClientDriver, ClientRequest, Page, TupleRows
from coodie.exceptions import ConfigurationError, CoodieError, InvalidQueryError
from coodie.registry import using_registry
from coodie.row_shapes import parse_rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from coodie.drivers.client import Steps

READ = "SELECT n FROM t"


@dataclass(slots=True)
class Number:
    """A row."""

    n: int


class TupleClient(Client):
    """A client whose rows are tuples, one to a page."""

    def prepare(self, cql: str, timeout: float) -> Steps[str]:
        """Take anything."""
        yield from ()
        return cql

    def send(self, request: ClientRequest) -> Steps[Page]:
        """Answer with the next of three numbers."""
        yield from ()
        at = int(request.paging_state or b"0")
        rows = TupleRows(["n"], [[number] for number in range(at, min(at + request.page_size, 3))], ["int"])
        return Page(rows, b"%d" % (at + request.page_size) if at + request.page_size < 3 else None)

    def close(self) -> None:
        """Hold nothing."""

    def error(self, raised: Exception, stmt: str, timeout: float) -> CoodieError:
        """Keep the exception's text."""
        return CoodieError(f"{stmt}: {raised}")


class TupleDriver(ClientDriver):
    """A driver around that client."""

    capabilities = frozenset(Capability)


def _memory() -> MemoryDriver:
    return MemoryDriver(3)


def _lists() -> ListDriver:
    return ListDriver(3)


@pytest.fixture(params=["pages", "lists", "client", "lazy"])
def driver(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Return drivers with three rows."""
    made: dict[str, Any] = {"pages": _memory, "lists": _lists, "client": lambda: TupleDriver(TupleClient())}
    if request.param in made:
        yield made[request.param]()
        return
    with using_registry(registry_of(memory=Backend(_memory))):
        yield LazyDriver(None, None, None, {"driver_type": "memory"})


@pytest.fixture
def api(driver: Any, is_async: bool) -> Api:
    """Return a driver's sync or async methods."""
    return Api(driver, is_async=is_async)


NUMBERS = [Number(0), Number(1), Number(2)]


async def test_each_method_takes_rows(api: Api) -> None:
    """``execute``, ``execute_many`` and ``stream`` make the same rows, with every driver."""
    rows = await api.execute(READ, rows=Number)
    assert (rows, isinstance(rows, Rows)) == (NUMBERS, True)
    assert await api.execute(READ, [], rows="scalar") == [0, 1, 2]
    assert await api.execute(READ, [], options=RequestOptions(rows=tuple)) == [(0,), (1,), (2,)]
    assert await api.execute(READ, [], rows=dict, options=RequestOptions(rows=tuple)) == [
        {"n": 0},
        {"n": 1},
        {"n": 2},
    ]
    assert [row async for row in api.stream(READ, rows=Number, fetch_size=2)] == NUMBERS
    result = await api.execute_many(READ, [[], []], rows=Number)
    assert (result.rows(0), result.rows(1)) == (NUMBERS, NUMBERS)
    outcomes: list[Any] = []
    await api.execute_many(READ, [[]], rows=Number, on_result=lambda _, rows: outcomes.append(rows))
    assert outcomes == [NUMBERS]


async def test_a_value_and_a_ping_need_no_shape(api: Api) -> None:
    """``execute_one`` and ``ping`` work with any shape as the default."""
    assert await api.execute_one(READ, [], options=RequestOptions(rows=Number)) == 0
    api.driver._default_rows = lambda nothing: nothing
    assert await api.execute_one(READ, []) == 0
    if not isinstance(api.driver, LazyDriver):
        assert await api.ping() is True


async def test_columns_that_do_not_fit(api: Api) -> None:
    """The error names the column, and comes before the first row."""

    def other(m: int) -> int:
        raise AssertionError

    with pytest.raises(InvalidQueryError, match="unexpected 'n', missing 'm'"):
        await api.execute(READ, [], rows=other)
    with pytest.raises(InvalidQueryError, match="unexpected 'n', missing 'm'"):
        _ = [row async for row in api.stream(READ, rows=other)]
    with pytest.raises(ConfigurationError, match="Invalid rows=7"):
        await api.execute(READ, [], rows=7)


async def test_the_default_of_a_driver(is_async: bool) -> None:
    """``init_coodie(rows=…)`` is the default of requests, also with a LazyDriver."""
    with using_registry(registry_of(memory=Backend(_memory))):
        for lazy in (False, True):
            api = Api(init_coodie(driver_type="memory", rows=Number, lazy=lazy), is_async=is_async)
            assert await api.execute(READ) == NUMBERS
            assert await api.execute(READ, rows=tuple) == [(0,), (1,), (2,)]
            assert await api.execute(READ, options=RequestOptions(rows="scalar")) == [0, 1, 2]
            assert [row async for row in api.stream(READ)] == NUMBERS
        with pytest.raises(ConfigurationError, match="rows="):
            init_coodie(driver_type="memory", rows=7)


async def test_methods_of_its_own(is_async: bool) -> None:
    """A backend's own ``stream`` and ``execute_many`` without ``rows`` get the argument, too."""

    class Own(MemoryDriver):
        def stream(self, stmt: str, params: Any = (), **kwargs: Any) -> Any:
            return MemoryDriver.stream(self, stmt, params)

        def stream_async(self, stmt: str, params: Any = (), **kwargs: Any) -> Any:
            return MemoryDriver.stream_async(self, stmt, params)

        def execute_many(self, stmt: str, rows_of_params: Any, **kwargs: Any) -> Any:
            return MemoryDriver.execute_many(self, stmt, rows_of_params, **kwargs)

        async def execute_many_async(self, stmt: str, rows_of_params: Any, **kwargs: Any) -> Any:
            return await MemoryDriver.execute_many_async(self, stmt, rows_of_params, **kwargs)

    api = Api(Own(3), is_async=is_async)
    assert [row async for row in api.stream(READ, rows=Number)] == NUMBERS
    assert [row async for row in api.stream(READ)] == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert (await api.execute_many(READ, [[]], rows=Number)).rows(0) == NUMBERS
    outcomes: list[Any] = []
    await api.execute_many(READ, [[]], rows=Number, on_result=lambda _, rows: outcomes.append(rows))
    assert outcomes == [NUMBERS]


async def test_methods_that_pass_keywords_on(is_async: bool) -> None:
    """A subclass of a driver with row shapes passes ``rows`` on, also for dicts that aren't the default."""

    class Forwarding(TupleDriver):
        def execute_many(self, *args: Any, **kwargs: Any) -> Any:
            return super().execute_many(*args, **kwargs)

        async def execute_many_async(self, *args: Any, **kwargs: Any) -> Any:
            return await super().execute_many_async(*args, **kwargs)

        def stream(self, *args: Any, **kwargs: Any) -> Any:
            return super().stream(*args, **kwargs)

        def stream_async(self, *args: Any, **kwargs: Any) -> Any:
            return super().stream_async(*args, **kwargs)

    driver = Forwarding(TupleClient())
    driver._default_rows = parse_rows(tuple)
    api, dicts = Api(driver, is_async=is_async), [{"n": 0}, {"n": 1}, {"n": 2}]
    assert (await api.execute_many(READ, [[]])).rows(0) == [(0,), (1,), (2,)]
    assert [row async for row in api.stream(READ)] == [(0,), (1,), (2,)]
    for asked in ({"rows": dict}, {"options": RequestOptions(rows=dict)}):
        assert (await api.execute_many(READ, [[]], **asked)).rows(0) == dicts
        assert [row async for row in api.stream(READ, **asked)] == dicts


async def test_the_options_of_a_client_have_no_rows(is_async: bool) -> None:
    """The pipeline makes the shape, so a client that passes its options on to a driver gets dicts."""
    options: list[RequestOptions] = []

    class Recording(TupleClient):
        def send(self, request: ClientRequest) -> Steps[Page]:
            options.append(request.options)
            return super().send(request)

    api, asked = Api(TupleDriver(Recording()), is_async=is_async), RequestOptions(rows=tuple, idempotent=True)
    await api.execute(READ, [], options=asked)
    await api.execute_one(READ, [], options=asked)
    await api.execute_many(READ, [[]], options=asked)
    assert [row async for row in api.stream(READ, options=asked)] == [(0,), (1,), (2,)]
    assert set(options) == {RequestOptions(idempotent=True)}
    assert len(options) >= 4


async def test_methods_that_call_each_other(is_async: bool) -> None:
    """Rows are converted once, in the shape of the call from outside; a callback's calls have the default."""

    class Threaded(MemoryDriver):
        async def execute_async(self, stmt: str, params: Any = (), *args: Any, **kwargs: Any) -> Any:
            return await asyncio.to_thread(self.execute, stmt, params, *args, **kwargs)

        def stream(self, stmt: str, params: Any = (), **kwargs: Any) -> Any:
            yield from self.execute(stmt, params)

        def stream_async(self, stmt: str, params: Any = (), **kwargs: Any) -> Any:
            async def steps() -> AsyncIterator[Any]:
                for row in await self.execute_async(stmt, params):
                    yield row

            return steps()

        def execute_many(self, stmt: str, rows_of_params: Any, **kwargs: Any) -> Any:
            return MemoryDriver.execute_many(self, stmt, rows_of_params, **kwargs)

        async def execute_many_async(self, stmt: str, rows_of_params: Any, **kwargs: Any) -> Any:
            return await MemoryDriver.execute_many_async(self, stmt, rows_of_params, **kwargs)

    driver = Threaded(3)
    driver._default_rows = Number
    api = Api(driver, is_async=is_async)
    dicts: list[Any] = [{"n": 0}, {"n": 1}, {"n": 2}]
    for rows, expected in ((None, NUMBERS), ("scalar", [0, 1, 2]), (dict, dicts)):
        assert await api.execute(READ, rows=rows) == expected
        assert [row async for row in api.stream(READ, rows=rows)] == expected
        found: list[Any] = []

        def on_result(_: int, outcome: Any, found: list[Any] = found) -> None:
            found.extend([outcome, driver.execute(READ, [])])

        await api.execute_many(READ, [[]], rows=rows, on_result=on_result)
        assert found == [expected, NUMBERS]


async def test_options_without_rows_stay(is_async: bool) -> None:
    """A backend gets the request's other options, and none where ``rows`` was the only one."""
    driver = MemoryDriver(1)
    api = Api(driver, is_async=is_async)
    await api.execute(READ, [], options=RequestOptions(rows=tuple))
    await api.execute(READ, [], options=RequestOptions(rows=tuple, idempotent=True))
    assert [asked.get("options") for _, _, asked in driver.calls] == [None, RequestOptions(idempotent=True)]


async def test_a_driver_of_lists(is_async: bool) -> None:
    """What a backend returned as a list is ``Rows``; a stream asks it for all rows, as before."""
    api = Api(ListDriver(3), is_async=is_async)
    rows = await api.execute(READ)
    assert (type(rows), rows.first(), rows.scalars()) == (Rows, {"n": 0}, [0, 1, 2])
    assert [row async for row in api.stream(READ, fetch_size=1)] == [{"n": 0}, {"n": 1}, {"n": 2}]


async def test_a_driver_that_inherits_nothing(is_async: bool) -> None:
    """A LazyDriver converts the rows of a backend that has the six methods alone."""
    with using_registry(registry_of(duck=Backend(DuckDriver))):
        api = Api(LazyDriver(None, None, None, {"driver_type": "duck", "rows": tuple}), is_async=is_async)
    assert await api.execute(READ, [1]) == [(READ, [1])]
    assert await api.execute(READ, [1], rows="scalar") == [READ]
    assert await api.execute_one(READ, [1]) == READ


def test_the_signatures_stay() -> None:
    """The methods of a backend keep their names and signatures."""
    assert list(inspect.signature(MemoryDriver.execute).parameters) == list(
        inspect.signature(AbstractDriver.execute).parameters
    )
    assert inspect.iscoroutinefunction(MemoryDriver.execute_async)
    assert MemoryDriver.execute.__qualname__ == "MemoryDriver.execute"
