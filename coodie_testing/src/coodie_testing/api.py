"""A driver through its sync or its async methods, so that one check tests both."""

from __future__ import annotations

import asyncio
import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from coodie.cql import tokens
from coodie.schema.syncoptions import SyncOptions
from coodie_testing.loop import CheckLoop, run_without_loop

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable

    from coodie.contract.driver import AbstractDriver

__all__ = ["SCHEMA_TIMEOUT", "Api", "Openers"]

T = TypeVar("T")

#: Seconds that a schema change of the kit's own may take: a busy server needs long, such as for dropping
#: sixty tables, and all checks that need the change would fail.
SCHEMA_TIMEOUT = 60.0

#: The first words of statements that change the schema, or take as long.
_SCHEMA_CHANGES = ("CREATE", "ALTER", "DROP", "TRUNCATE")

#: The number of arguments of ``execute`` up to the timeout, without the statement.
_BEFORE_TIMEOUT = 3

#: The maximum number of threads of a sync check.
_THREADS = 64

#: More rows than in any result of the kit.
_ENDLESS = 20_000


class Openers:
    """Open further drivers of a suite, and close them.

    Args:
        open_driver: Opens a driver; takes options of ``init_coodie``.
        open_driver_async: The same, returning an awaitable; None if the suite has none.
    """

    def __init__(
        self,
        open_driver: Callable[..., AbstractDriver],
        open_driver_async: Callable[..., Coroutine[Any, Any, AbstractDriver]] | None,
    ) -> None:
        self.open_driver = open_driver
        self.open_driver_async = open_driver_async
        self.opened: list[AbstractDriver] = []

    async def open(self, *, is_async: bool, **options: Any) -> AbstractDriver:
        """Open a driver with the sync or the async function; it is closed at the end of the check."""
        if not is_async:
            driver = self.open_driver(**options)
        elif self.open_driver_async is not None:
            driver = await self.open_driver_async(**options)
        else:
            driver = await asyncio.to_thread(self.open_driver, **options)
        self.opened.append(driver)
        return driver

    def close_all(self) -> None:
        """Close all opened drivers."""
        while self.opened:
            self.opened.pop().close()


class Api:
    """A driver whose sync or async methods are called; the check awaits in both cases.

    Each method of the driver has its plain name, and returns an awaitable: ``await api.execute(…)`` is
    ``driver.execute(…)`` in one run, and ``await driver.execute_async(…)`` in the other. Schema changes
    without a timeout have ``SCHEMA_TIMEOUT``.

    Args:
        driver: The driver.
        loop: The loop of the async run; None for the sync one.
        openers: Opens further drivers.
    """

    def __init__(self, driver: Any, loop: CheckLoop | None, openers: Openers) -> None:
        self.driver = driver
        self.openers = openers
        self._loop = loop

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        if name.startswith("_"):
            raise AttributeError(name)

        return partial(self._call, name)

    async def _call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        if self.is_async:
            return await getattr(self.driver, f"{name}_async")(*args, **kwargs)
        return getattr(self.driver, name)(*args, **kwargs)

    async def execute(self, stmt: Any, *args: Any, **kwargs: Any) -> Any:
        """Call ``execute``."""
        if len(args) < _BEFORE_TIMEOUT and "timeout" not in kwargs and _changes_schema(stmt):
            kwargs["timeout"] = SCHEMA_TIMEOUT
        return await self._call("execute", stmt, *args, **kwargs)

    async def sync_table(self, *args: Any, **kwargs: Any) -> Any:
        """Call ``sync_table``; with ``options=None``, it has the connection's timeout."""
        kwargs.setdefault("options", SyncOptions(timeout=SCHEMA_TIMEOUT))
        return await self._call("sync_table", *args, **kwargs)

    @property
    def is_async(self) -> bool:
        """Whether the async methods are tested."""
        return self._loop is not None

    def run(self, check: Coroutine[Any, Any, T]) -> T:
        """Run a check, on the event loop or without one."""
        return run_without_loop(check) if self._loop is None else self._loop.run(check)

    def of(self, driver: Any) -> Api:
        """Return an Api for another driver."""
        return Api(driver, self._loop, self.openers)

    def name_of(self, method: str) -> str:
        """Return the name of the sync or the async method."""
        return f"{method}_async" if self.is_async else method

    def method(self, name: str) -> Any:
        """Return the driver's sync or async method."""
        return getattr(self.driver, self.name_of(name))

    async def open(self, **options: Any) -> Api:
        """Open another driver, with options of ``init_coodie``; it is closed at the end of the check."""
        return self.of(await self.openers.open(is_async=self.is_async, **options))

    async def stream(self, *args: Any, **kwargs: Any) -> AsyncGenerator[dict[str, Any], None]:
        """Yield the rows of ``stream`` or ``stream_async``.

        Raises:
            AssertionError: There are more rows than in any result of the kit.
        """
        count = itertools.count()
        if self.is_async:
            async for row in self.driver.stream_async(*args, **kwargs):
                assert next(count) < _ENDLESS, "the stream doesn't end"
                yield row
        else:
            for row in self.driver.stream(*args, **kwargs):
                assert next(count) < _ENDLESS, "the stream doesn't end"
                yield row

    async def read_stream(self, *args: Any, **kwargs: Any) -> list[Any]:
        """Return all rows of ``stream`` or ``stream_async``."""
        return [row async for row in self.stream(*args, **kwargs)]

    async def read_many(self, stmt: str, params: Any, **kwargs: Any) -> list[Any]:
        """Execute a statement once with ``execute_many``; return its rows, or raise its error."""
        result = await self.execute_many(stmt, [params], raise_on_error=False, **kwargs)
        if result.errors:
            raise result.errors[0]
        rows: list[Any] = result.rows(0)
        return rows

    async def together(self, calls: Iterable[Callable[[], Coroutine[Any, Any, T]]]) -> list[T]:
        """Run calls concurrently, in tasks or in threads; return their results, in order."""
        if self.is_async:
            return list(await asyncio.gather(*(call() for call in calls)))
        calls = list(calls)
        with ThreadPoolExecutor(min(len(calls), _THREADS)) as pool:
            return list(pool.map(lambda call: run_without_loop(call()), calls))

    async def pause(self, seconds: float) -> None:
        """Sleep."""
        if self.is_async:
            await asyncio.sleep(seconds)
        else:
            time.sleep(seconds)  # noqa: ASYNC251 - there is no event loop here

    async def until(
        self, condition: Callable[[], Coroutine[Any, Any, bool]], what: str, seconds: float = 20
    ) -> None:
        """Wait until a condition holds.

        Args:
            condition: Called repeatedly.
            what: A description of the condition, for the error.
            seconds: The timeout in seconds.

        Raises:
            AssertionError: The condition doesn't hold in time.
        """
        deadline = time.monotonic() + seconds
        while not await condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"Timeout after {seconds:g} s: {what}")
            await self.pause(0.05)


def _changes_schema(stmt: object) -> bool:
    """Return whether a statement changes the schema."""
    if not isinstance(stmt, str):
        return False
    _, word = next(tokens(stmt), ("", ""))
    return word.upper() in _SCHEMA_CHANGES
