"""A blocking method on the thread of an event loop: a line in the log says which method to use."""

from __future__ import annotations

import ast
import asyncio
import logging
from contextlib import suppress
from types import FunctionType
from typing import TYPE_CHECKING, Any

import pytest
from coodie_core.tests.drivers.memory import MemoryClient, MemoryDriver

import coodie
from coodie._event_loop import _known
from coodie.exceptions import CoodieError
from coodie.schema import ColumnDefinition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

READ = "SELECT n FROM t WHERE k = ?"
WRITE = "INSERT INTO t (k) VALUES (?)"


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Return a function that returns what was logged."""
    caplog.set_level(logging.WARNING, "coodie.event_loop")
    return lambda: [record.getMessage() for record in caplog.records]


@pytest.fixture
def driver() -> Iterator[MemoryDriver]:
    """Open a driver that no warning was logged for."""
    opened = MemoryDriver(MemoryClient())
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("execute", lambda driver: driver.execute(READ, [1])),
        ("execute_one", lambda driver: driver.execute_one(READ, [1])),
        ("execute_batch", lambda driver: driver.execute_batch([(WRITE, [1])])),
        ("execute_many", lambda driver: driver.execute_many(WRITE, [[1]])),
        ("stream", lambda driver: list(driver.stream(READ, [1]))),
        ("scan", lambda driver: driver.scan("ks.t")),
        ("describe", lambda driver: driver.describe("ks.t")),
        ("is_ready", lambda driver: driver.is_ready()),
        ("warm", lambda driver: driver.warm([READ])),
        ("sync_table", lambda driver: driver.sync_table("t", "ks", [ColumnDefinition("k", "int", True)])),
    ],
)
def test_the_async_method_is_named(
    driver: MemoryDriver, lines: Callable[[], list[str]], name: str, call: Callable[[Any], object]
) -> None:
    """Each blocking method of a driver names its async version and its caller, and only once."""

    async def handler() -> None:
        for _ in range(2):
            with suppress(CoodieError):  # there is no such table in memory
                call(driver)

    asyncio.run(handler())
    (line,) = lines()
    assert line.startswith(f"{name}() blocks the event loop: it was called on the loop's thread, by ")
    assert f"{__file__}:" in line
    assert f"Use {name}_async()." in line


def test_each_driver_has_its_line(lines: Callable[[], list[str]]) -> None:
    """A function that the coroutine calls is named, and a callback of the loop; each driver counts."""
    drivers = [MemoryDriver(MemoryClient()) for _ in range(2)]

    def read(driver: MemoryDriver) -> None:
        driver.execute(READ, [1])

    async def main() -> None:
        read(drivers[0])
        asyncio.get_running_loop().call_soon(read, drivers[1])
        await asyncio.sleep(0)

    asyncio.run(main())
    assert [" by read at " in line for line in lines()] == [True, True]


def test_nothing_is_logged_without_a_loop(driver: MemoryDriver, lines: Callable[[], list[str]]) -> None:
    """Not in a thread beside the loop, not for the async methods, and not without a loop."""

    async def main() -> None:
        await driver.execute_async(READ, [1])
        assert [row async for row in driver.stream_async(READ, [1])] == []
        await asyncio.to_thread(driver.execute, READ, [1])

    driver.execute(READ, [1])
    asyncio.run(main())
    driver.execute(READ, [1])
    assert lines() == []


@pytest.mark.parametrize("code", ["read()", "await pause(0); read()"])
def test_a_prompt_may_block(driver: MemoryDriver, lines: Callable[[], list[str]], code: str) -> None:
    """``python -m asyncio`` and notebooks run what is typed on their loop, where blocking is no mistake."""

    def read() -> None:
        driver.execute(READ, [1])

    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    typed = compile(code, "<stdin>", "single", flags=flags)

    async def console() -> None:
        found = FunctionType(typed, {"read": read, "pause": asyncio.sleep})()
        if found is not None:
            await found

    asyncio.run(console())
    assert lines() == []


def test_opening_a_driver_blocks(backend: str, lines: Callable[[], list[str]]) -> None:
    """``connect`` names ``connect_async``; a lazy driver connects later, and so blocks nothing."""
    for function in (coodie.connect, coodie.init_coodie):
        _known.discard(function)

    async def main() -> None:
        coodie.connect(f"{backend}://nowhere?lazy=true")
        assert lines() == []
        for _ in range(2):
            with pytest.raises(CoodieError):
                coodie.connect("nosuchbackend://nowhere")
            with pytest.raises(CoodieError):
                coodie.init_coodie(["nowhere"], driver_type="nosuchbackend")

    asyncio.run(main())
    assert [line.partition("(")[0] for line in lines()] == ["connect", "init_coodie"]


def test_a_driver_that_cannot_be_remembered_works(lines: Callable[[], list[str]]) -> None:
    """A driver without a hash is used as any other, without a line."""

    class Unhashable(MemoryDriver):
        __hash__ = None  # type: ignore[assignment]

    async def main() -> None:
        assert Unhashable(MemoryClient(rows=1)).execute_one(READ, [1]) == 0

    asyncio.run(main())
    assert lines() == []


def test_a_wrapper_of_a_driver(driver: MemoryDriver, lines: Callable[[], list[str]]) -> None:
    """Code of coodie's that calls a driver isn't taken for one, and may have no weak references."""

    class Call:
        __slots__ = ()
        run_async = None

        def run(self) -> Any:
            return driver.execute(READ, [1])

    code: Any = Call.run
    run = FunctionType(
        code.__code__, {"__name__": "coodie.calls", "READ": READ}, None, None, code.__closure__
    )

    async def main() -> None:
        assert run(Call()) == []

    asyncio.run(main())
    (line,) = lines()
    assert line.startswith("execute() blocks the event loop")
