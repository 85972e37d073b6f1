"""Drivers and a backend made of memory, for the tests of what is the same for every backend."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from coodie import Rows
from coodie.drivers import AbstractDriver
from coodie.exceptions import ConfigurationError
from coodie.observers import Host, observe_request
from coodie.plugins import Capability, DriverDescription, OptionDescription, hookimpl
from coodie.plugins.discovery import DriverIndex
from coodie.plugins.host import PluginHost
from coodie.registry import DriverRegistry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from typing_extensions import Self

    from coodie import RequestOptions
    from coodie.observers import ObservedRequest
    from coodie.plugins import ConnectionConfig

#: Seconds after which a wait that should have ended fails its test.
PATIENCE = 10.0


_HOST = Host(address="memory")


class Page(Rows):
    """Rows that a weak reference can point to."""


class MemoryDriver(AbstractDriver):
    """A driver that pages through the rows it was given, and notes what it was asked."""

    capabilities = frozenset(Capability)

    def __init__(self, rows: int | list[dict[str, Any]] = 0) -> None:
        self.rows = [{"n": n} for n in range(rows)] if isinstance(rows, int) else rows
        #: (statement, parameters, what else was asked for) of each execution.
        self.calls: list[tuple[str, Any, dict[str, Any]]] = []
        #: What an execution does instead of answering, given its parameters; None lets it answer.
        self.fault: Callable[[Any], BaseException | None] = lambda _: None
        #: What a server warns of, with each page.
        self.warnings: tuple[str, ...] = ()
        #: Seconds that an execution takes.
        self.delay = 0.0
        self.closings = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self._lock = threading.Lock()

    def _answer(self, fetch_size: int | None, paging_state: bytes | None) -> list[dict[str, Any]]:
        start = 0 if paging_state is None else int(paging_state)
        if fetch_size is None:
            return Page(self.rows[start:])
        end = start + fetch_size
        state = str(end).encode() if end < len(self.rows) else None
        return Page(self.rows[start:end], paging_state=state)

    @contextmanager
    def _noted(self, stmt: str, params: Any, asked: dict[str, Any]) -> Iterator[ObservedRequest]:
        with self._lock:
            self.calls.append(
                (stmt, params, {name: value for name, value in asked.items() if value is not None})
            )
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        known = {name: value for name, value in asked.items() if name != "paging_state"}
        try:
            with observe_request(self, stmt, params, **known) as request:
                error = self.fault(params)
                if error is not None:
                    raise error
                yield request
        finally:
            with self._lock:
                self.in_flight -= 1

    def execute(
        self,
        stmt: str,
        params: Any,
        consistency: str | None = None,
        timeout: float | None = None,
        fetch_size: int | None = None,
        paging_state: bytes | None = None,
        *,
        options: RequestOptions | None = None,
    ) -> list[dict[str, Any]]:
        """Answer with the rows, whatever the statement."""
        asked = {"consistency": consistency, "timeout": timeout, "fetch_size": fetch_size}
        with self._noted(
            stmt, params, {**asked, "paging_state": paging_state, "options": options}
        ) as request:
            if self.delay:
                time.sleep(self.delay)
            page = self._answer(fetch_size, paging_state)
            request.add_page(len(page), _HOST, self.warnings)
            return page

    async def execute_async(
        self,
        stmt: str,
        params: Any,
        consistency: str | None = None,
        timeout: float | None = None,
        fetch_size: int | None = None,
        paging_state: bytes | None = None,
        *,
        options: RequestOptions | None = None,
    ) -> list[dict[str, Any]]:
        """As execute; gives way to other tasks at least once."""
        asked = {"consistency": consistency, "timeout": timeout, "fetch_size": fetch_size}
        with self._noted(
            stmt, params, {**asked, "paging_state": paging_state, "options": options}
        ) as request:
            await asyncio.sleep(self.delay)
            page = self._answer(fetch_size, paging_state)
            request.add_page(len(page), _HOST, self.warnings)
            return page

    def sync_table(self, table: str, keyspace: str, cols: Any, *args: Any, **kwargs: Any) -> list[str]:
        """Return a statement made of the arguments."""
        return [f"sync {keyspace}.{table} {cols} {args} {kwargs}"]

    async def sync_table_async(
        self, table: str, keyspace: str, cols: Any, *args: Any, **kwargs: Any
    ) -> list[str]:
        """As sync_table."""
        return self.sync_table(table, keyspace, cols, *args, **kwargs)

    def close(self) -> None:
        """Count."""
        self.closings += 1

    async def close_async(self) -> None:
        """Count."""
        self.closings += 1


class ListDriver(MemoryDriver):
    """A driver that returns plain lists and cuts them at fetch_size, as one that can't page might."""

    def _answer(self, fetch_size: int | None, paging_state: bytes | None) -> list[dict[str, Any]]:
        return list(self.rows[:fetch_size])


class DuckDriver:
    """The six methods and nothing else: no base class, no options."""

    def __init__(self) -> None:
        self.closings = 0

    def execute(self, stmt: str, params: Any, *args: Any) -> list[dict[str, Any]]:
        """Answer with one row that has the statement."""
        return [{"stmt": stmt, "params": params}]

    async def execute_async(self, stmt: str, params: Any, *args: Any) -> list[dict[str, Any]]:
        """As execute."""
        return self.execute(stmt, params, *args)

    def sync_table(self, *args: Any) -> list[str]:
        """Do nothing."""
        return []

    async def sync_table_async(self, *args: Any) -> list[str]:
        """Do nothing."""
        return []

    def close(self) -> None:
        """Count."""
        self.closings += 1

    async def close_async(self) -> None:
        """Count."""
        self.closings += 1


class Api:
    """A driver through its sync or its async methods; either way the test awaits."""

    def __init__(self, driver: Any, *, is_async: bool) -> None:
        self.driver = driver
        self.is_async = is_async

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            if self.is_async:
                return await getattr(self.driver, f"{name}_async")(*args, **kwargs)
            return getattr(self.driver, name)(*args, **kwargs)

        return call

    async def stream(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        """Yield the rows of ``stream`` or ``stream_async``."""
        if self.is_async:
            async for row in self.driver.stream_async(*args, **kwargs):
                yield row
        else:
            for row in self.driver.stream(*args, **kwargs):
                yield row


class Backend:
    """A plug-in whose connecting the test holds in its hands."""

    def __init__(self, make: Callable[[], Any] = MemoryDriver) -> None:
        self._make = make
        self._lock = threading.Lock()
        #: Connecting waits for this; set unless a test clears it.
        self.gate = threading.Event()
        self.gate.set()
        #: Set when connecting has begun.
        self.begun = threading.Event()
        #: Errors for the next attempts, in order.
        self.failures: list[Exception] = []
        #: The configuration of each attempt.
        self.attempts: list[ConnectionConfig] = []
        #: The drivers that were opened.
        self.opened: list[Any] = []
        self.threads: set[str] = set()

    @hookimpl
    def coodie_describe_driver(self) -> DriverDescription:
        """Take one option of its own."""
        return DriverDescription(
            summary="in memory",
            options=(OptionDescription(name="colour"),),
            capabilities=frozenset(Capability),
        )

    @hookimpl
    def coodie_check_config(self, config: ConnectionConfig) -> None:
        """Refuse a colour."""
        if config.options.get("colour") == "grey":
            raise ConfigurationError("colour='grey' can't be used.", hint="Give another.", option="colour")

    @hookimpl
    def coodie_open_driver(self, config: ConnectionConfig) -> Any:
        """Connect, when the gate is open."""
        with self._lock:
            self.attempts.append(config)
            self.threads.add(threading.current_thread().name)
            failure = self.failures.pop(0) if self.failures else None
        self.begun.set()
        assert self.gate.wait(PATIENCE), "the test never opened the gate"
        if failure is not None:
            raise failure
        driver = self._make()
        self.opened.append(driver)
        return driver

    @property
    def driver(self) -> Any:
        """The one driver that was opened."""
        (driver,) = self.opened
        return driver


class AsyncBackend(Backend):
    """Opens natively async."""

    @hookimpl
    async def coodie_open_driver_async(self, config: ConnectionConfig) -> Any:
        """Connect, when the gate is open, without a thread."""
        self.attempts.append(config)
        self.threads.add(threading.current_thread().name)
        self.begun.set()
        await wait_until_async(self.gate.is_set)
        if self.failures:
            raise self.failures.pop(0)
        self.opened.append(self._make())
        return self.driver


class InMemoryDistribution:
    """An installed distribution whose entry points are objects."""

    def __init__(self, name: str, plugins: dict[str, object], *, api_version: int = 1) -> None:
        self.name = name
        self.version = "1.0"
        self._plugins = plugins
        self._groups = ("coodie.drivers", f"coodie.driver_api.{api_version}")

    @property
    def entry_points(self) -> Any:
        """What EntryPoints would hold."""
        return [
            SimpleNamespace(
                name=name,
                group=group,
                value=f"memory:{name}",
                module="memory",
                load=lambda plugin=plugin: plugin,
            )
            for name, plugin in self._plugins.items()
            for group in self._groups
        ]

    def read_text(self, filename: str, /) -> str | None:
        """Return what a dist-info directory would hold."""
        if filename == "METADATA":
            return f"Metadata-Version: 2.1\nName: {self.name}\nVersion: {self.version}\n"
        return "\n".join(f"[{group}]" for group in self._groups) if filename == "entry_points.txt" else None

    def locate_file(self, path: Any, /) -> Path:
        """Return a place where nothing is."""
        return Path("nowhere") / str(path)


def host_of(**plugins: object) -> PluginHost:
    """Return a plug-in host that knows these backends, driver_type → plug-in, and no other."""
    installed = [InMemoryDistribution(f"dist-{name}", {name: plugin}) for name, plugin in plugins.items()]
    installed.append(InMemoryDistribution("coodie-core", {}))
    return PluginHost(DriverIndex(source=lambda **_: installed))


def registry_of(**plugins: object) -> DriverRegistry:
    """Return a registry that knows these backends, driver_type → plug-in, and no other."""
    return DriverRegistry(host_of(**plugins))


def wait_until(condition: Callable[[], object]) -> None:
    """Wait until the condition holds; fail the test when it takes too long."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


async def wait_until_async(condition: Callable[[], object]) -> None:
    """Wait until the condition holds, giving way to the loop's other tasks."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        await asyncio.sleep(0.002)


class LoopWatch:
    """Measures how long the event loop is kept from its other tasks, in seconds."""

    def __init__(self) -> None:
        self.longest_stall = 0.0

    async def __aenter__(self) -> Self:
        self._task = asyncio.ensure_future(self._tick())
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await asyncio.sleep(0)
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _tick(self) -> None:
        before = time.perf_counter()
        while True:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            self.longest_stall = max(self.longest_stall, now - before)
            before = now


async def open_once(begun: threading.Event, gate: threading.Event) -> None:
    """Open the gate at which a thread waits once it has begun; a blocked event loop can't."""
    await wait_until_async(begun.is_set)
    gate.set()


def run_threads(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Run the work in so many threads, all let go at once; return results or exceptions in order."""
    outcomes: list[Any] = [None] * count
    start = threading.Barrier(count)

    def run(number: int) -> None:
        start.wait(PATIENCE)
        try:
            outcomes[number] = work(number)
        except BaseException as exc:  # noqa: BLE001 - the test looks at it
            outcomes[number] = exc

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "a thread hangs"
    return outcomes
