"""A driver that connects when it is first used."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

from coodie._forks import forget_in_children
from coodie.contract.driver import AbstractDriver, options_argument
from coodie.exceptions import ConfigurationError, ConnectionFailedError, CoodieError, DriverClosedError
from coodie.observers.connections import DriverIdentity, identify, identity_of
from coodie.registry.registry import current_registry
from coodie.waiting import Wait, start_thread

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, Generator, Sequence
    from ssl import SSLContext

    from coodie.options.request_options import RequestOptions
    from coodie.rows import ManyResult
    from coodie.schema.syncoptions import SyncOptions

__all__ = ["LazyDriver"]

#: Seconds after which those who wait for another's event loop look whether it still runs.
_LOOK_AGAIN = 0.5


class _StillConnecting(Exception):  # noqa: N818 - no error: a reason to look again
    """An attempt hasn't ended yet."""


class _Attempt:
    """One attempt to connect, whose outcome all who came meanwhile share."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None) -> None:
        self.outcome: Future[AbstractDriver] = Future()
        #: The event loop that carries it, or None where a thread does.
        self.loop = loop
        self.task: asyncio.Task[AbstractDriver] | None = None

    @property
    def stalled(self) -> bool:
        """Whether its loop has stopped or been closed, so that nobody carries it any more."""
        return self.loop is not None and not self.loop.is_running()

    def wait(self, here: asyncio.AbstractEventLoop | None) -> Wait:
        """Return the wait for its outcome; on another loop, a while of it."""
        patience = None if self.loop is None or self.loop is here else _LOOK_AGAIN
        return Wait(self.outcome, patience, _StillConnecting)


class LazyDriver(AbstractDriver):
    """Driver proxy that defers Cassandra/ScyllaDB connection until first use.

    Created by ``init_coodie(..., lazy=True)``. It wraps any backend. The arguments are validated
    here, without connecting; the first request connects, once however many threads and tasks come
    first. When that fails, all of them get the error, and the next request tries again.

    Args:
        hosts: Contact points.
        keyspace: The default keyspace.
        ssl_context: TLS.
        kwargs: All other arguments of ``init_coodie``; ``driver_type`` is "scylla" unless given.
            ``profiles`` are what ``RequestOptions(profile=…)`` names.

    Raises:
        ConfigurationError: An argument can't be honoured.
        DriverLoadError: The backend can't be used.
    """

    def __init__(
        self,
        hosts: list[str] | None,
        keyspace: str | None,
        ssl_context: SSLContext | None,
        kwargs: dict[str, Any],
    ) -> None:
        if not isinstance(kwargs, dict) or not all(isinstance(name, str) for name in kwargs):
            kind = "a dict with keys that aren't str" if isinstance(kwargs, dict) else type(kwargs).__name__
            hint = "Give a dict of init_coodie's other arguments; {} for none."
            raise ConfigurationError(f"kwargs is {kind}.", hint=hint, option="kwargs")
        twice = [name for name in ("hosts", "keyspace", "ssl_context") if name in kwargs]
        if twice:
            message = f"kwargs holds {twice[0]!r}, which is a parameter of its own."
            raise ConfigurationError(message, hint="Give it once.", option=twice[0])
        from coodie.options.connection import build_config  # slow, and needed where something is opened

        self._config = build_config(hosts=hosts, keyspace=keyspace, ssl_context=ssl_context, **kwargs)
        if self._config.session is not None:
            message = "A LazyDriver can't be given a session=, which is connected already."
            raise ConfigurationError(message, hint="Leave lazy=True out.", option="session")
        self._plugins = current_registry().plugins
        self._plugins.check(self._config)
        self._lock = threading.Lock()
        self._driver: AbstractDriver | None = None
        self._known_as = DriverIdentity(driver_type=self._config.driver_type)
        self._attempt: _Attempt | None = None
        self._closed = False
        #: The process that connected it.
        self._process: int | None = None
        forget_in_children(self, LazyDriver._forget)

    def _forget(self) -> None:
        """In a fork: another thread's attempt goes on in the parent alone; this process makes its own."""
        self._lock = threading.Lock()
        self._attempt = None

    def __repr__(self) -> str:
        state = "closed" if self._closed else "connected" if self._driver is not None else "not connected"
        return f"<LazyDriver for {self._config.driver_type!r}: {state}>"

    @property
    def driver(self) -> AbstractDriver | None:
        """The backend's driver, or None before the first use."""
        return self._driver

    @property
    def closed(self) -> bool:
        """Whether it serves no request any more: it was closed, or this is a fork of its process."""
        return self._closed or self._is_parents

    @property
    def _is_parents(self) -> bool:
        """Whether another process connected it, which this one is a fork of."""
        return self._process not in (None, os.getpid())

    @property
    def _default_keyspace(self) -> str | None:
        """The default keyspace, for object mappers."""
        return self._config.keyspace

    @property
    def _last_paging_state(self) -> bytes | None:
        """The wrapped driver's, for object mappers."""
        return getattr(self._driver, "_last_paging_state", None)

    @property
    def _identity(self) -> DriverIdentity:
        """What events call it, and the wrapped driver, which tells of the requests."""
        return self._known_as

    @_identity.setter
    def _identity(self, identity: DriverIdentity) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        self._known_as = identity
        identify(self._driver, name=identity.name)

    # --- connecting ---------------------------------------------------------------------

    def connect(self) -> None:
        """Connect now, where that hasn't happened yet: at a program's start, not in its first request.

        Raises:
            CoodieError: As ``init_coodie``.
        """
        self._connected()

    async def connect_async(self) -> None:
        """Async version of :meth:`connect`."""
        await self._connected_async()

    def _join(self, loop: asyncio.AbstractEventLoop | None) -> tuple[_Attempt, bool]:
        """Return the attempt under way, or a new one, which the caller then has to carry out."""
        with self._lock:
            if self._closed:
                raise _closed()
            if self._driver is not None:
                # Another connected between the caller's look and this one.
                done = _Attempt(None)
                done.outcome.set_result(self._driver)
                return done, False
            if self._attempt is not None and not self._attempt.stalled:
                return self._attempt, False
            self._attempt = _Attempt(loop)
            return self._attempt, True

    def _settle(self, attempt: _Attempt, outcome: AbstractDriver | BaseException) -> None:
        """Publish what came of an attempt."""
        unwanted: AbstractDriver | None = None
        with self._lock:
            if self._attempt is attempt:
                self._attempt = None
            if not isinstance(outcome, BaseException):
                if self._closed:
                    unwanted, outcome = outcome, _closed()
                elif self._driver is not None:
                    # A stalled attempt went on after another had taken its place.
                    unwanted, outcome = outcome, self._driver
                else:
                    self._process = os.getpid()
                    self._driver = outcome
                    identify(outcome, name=self._identity.name)
                    self.needs_row_validation = getattr(outcome, "needs_row_validation", False)
                    self.capabilities = getattr(outcome, "capabilities", frozenset())
        if not isinstance(outcome, BaseException):
            attempt.outcome.set_result(outcome)
        elif isinstance(outcome, Exception):
            attempt.outcome.set_exception(outcome)
        else:
            # A cancellation or Ctrl-C is for the one it hit, not for those who wait with it.
            error = _closed() if self._closed else _interrupted()
            error.__cause__ = outcome
            attempt.outcome.set_exception(error)
        if unwanted is not None:
            if attempt.loop is None:
                unwanted.close()
            else:
                start_thread(unwanted.close, "coodie-close")

    def _connected(self) -> AbstractDriver:
        if self._driver is not None and not self._closed:
            return self._driver
        while True:
            attempt, mine = self._join(None)
            if mine:
                try:
                    driver = self._plugins.open(self._config, identity_of(self).name)
                except BaseException as exc:
                    self._settle(attempt, exc)
                    raise
                self._settle(attempt, driver)
            elif attempt.loop is not None:
                _refuse_deadlock(attempt.loop)
            with suppress(_StillConnecting):
                connected: AbstractDriver = attempt.wait(None).run()
                return connected

    async def _connected_async(self) -> AbstractDriver:
        if self._driver is not None and not self._closed:
            return self._driver
        import asyncio  # keeps it out of the import of coodie.drivers

        loop = asyncio.get_running_loop()
        while True:
            attempt, mine = self._join(loop)
            if mine:
                self._carry(attempt)
            with suppress(_StillConnecting):
                connected: AbstractDriver = await attempt.wait(loop).run_async()
                return connected

    def _carry(self, attempt: _Attempt) -> None:
        """Connect in a task of its own: the cancellation of one who waits must not end it for the others."""
        import asyncio  # keeps it out of the import of coodie.drivers

        attempt.task = asyncio.ensure_future(self._plugins.open_async(self._config, identity_of(self).name))
        attempt.task.add_done_callback(lambda task: self._settle(attempt, _outcome(task)))

    def _shut(self) -> AbstractDriver | None:
        """Mark the driver closed, end an attempt under way, and return what there is to close."""
        with self._lock:
            self._closed = True
            attempt, self._attempt = self._attempt, None
        if attempt is not None and attempt.task is not None and attempt.loop is not None:
            try:
                attempt.loop.call_soon_threadsafe(attempt.task.cancel)
            except RuntimeError:
                if not attempt.loop.is_closed():
                    raise
        return None if self._is_parents else self._driver

    # --- the contract -------------------------------------------------------------------

    def execute(
        self,
        stmt: str,
        params: list[Any],
        consistency: str | None = None,
        timeout: float | None = None,
        fetch_size: int | None = None,
        paging_state: bytes | None = None,
        *,
        options: RequestOptions | None = None,
    ) -> list[dict[str, Any]]:
        """Execute *stmt* with *params*; return rows as a list of dicts."""
        terms, named = self._filled((stmt, params, consistency, timeout), {"options": options})
        driver = self._connected()
        extra = options_argument(driver.execute, named["options"])
        stmt, params, consistency, timeout = terms
        return driver.execute(stmt, params, consistency, timeout, fetch_size, paging_state, **extra)

    def sync_table(
        self,
        table: str,
        keyspace: str,
        cols: list[Any],
        table_options: dict[str, Any] | None = None,
        dry_run: bool = False,  # noqa: FBT001, FBT002 - the published signature
        drop_removed_indexes: bool = False,  # noqa: FBT001, FBT002 - the published signature
        *,
        options: SyncOptions | None = None,
    ) -> list[str]:
        """Idempotent CREATE TABLE + ALTER TABLE ADD for new columns.

        Returns the list of CQL statements that were (or would be) executed. When *dry_run* is True
        the database is not modified.
        """
        driver = self._connected()
        extra = options_argument(driver.sync_table, options)
        return driver.sync_table(table, keyspace, cols, table_options, dry_run, drop_removed_indexes, **extra)

    def close(self) -> None:
        """Release sync resources; before the first use, and in a fork, there are none."""
        driver = self._shut()
        if driver is not None:
            driver.close()

    async def execute_async(
        self,
        stmt: str,
        params: list[Any],
        consistency: str | None = None,
        timeout: float | None = None,
        fetch_size: int | None = None,
        paging_state: bytes | None = None,
        *,
        options: RequestOptions | None = None,
    ) -> list[dict[str, Any]]:
        """Async version of :meth:`execute`."""
        terms, named = self._filled((stmt, params, consistency, timeout), {"options": options})
        driver = await self._connected_async()
        extra = options_argument(driver.execute_async, named["options"])
        stmt, params, consistency, timeout = terms
        return await driver.execute_async(
            stmt, params, consistency, timeout, fetch_size, paging_state, **extra
        )

    async def sync_table_async(
        self,
        table: str,
        keyspace: str,
        cols: list[Any],
        table_options: dict[str, Any] | None = None,
        dry_run: bool = False,  # noqa: FBT001, FBT002 - the published signature
        drop_removed_indexes: bool = False,  # noqa: FBT001, FBT002 - the published signature
        *,
        options: SyncOptions | None = None,
    ) -> list[str]:
        """Async version of :meth:`sync_table`."""
        driver = await self._connected_async()
        extra = options_argument(driver.sync_table_async, options)
        return await driver.sync_table_async(
            table, keyspace, cols, table_options, dry_run, drop_removed_indexes, **extra
        )

    async def close_async(self) -> None:
        """Release async resources; as :meth:`close`."""
        driver = self._shut()
        if driver is not None:
            await driver.close_async()

    # --- what the backend may do better than the defaults ---------------------------------

    def _better(self, driver: AbstractDriver) -> AbstractDriver:
        """Return the backend's driver, or the defaults of the contract for one that has none."""
        return driver if isinstance(driver, AbstractDriver) else super()  # duck types are drivers, too

    def _filled(self, args: Sequence[Any], kwargs: dict[str, Any], *, paged: bool = False) -> Any:
        """Return the arguments with what the request's profile says; one that isn't known is refused."""
        from coodie.options.profiles import apply_profile  # imported by then, for the configuration

        return apply_profile(self._config.profiles, args, kwargs, paged=paged)

    def execute_one(self, *args: Any, **kwargs: Any) -> Any:
        """As ``AbstractDriver.execute_one``, in the backend's way."""
        args, kwargs = self._filled(args, kwargs)
        return self._better(self._connected()).execute_one(*args, **kwargs)

    async def execute_one_async(self, *args: Any, **kwargs: Any) -> Any:
        """As ``AbstractDriver.execute_one_async``, in the backend's way."""
        args, kwargs = self._filled(args, kwargs)
        return await self._better(await self._connected_async()).execute_one_async(*args, **kwargs)

    def execute_many(self, *args: Any, **kwargs: Any) -> ManyResult:
        """As ``AbstractDriver.execute_many``, in the backend's way."""
        args, kwargs = self._filled(args, kwargs)
        return self._better(self._connected()).execute_many(*args, **kwargs)

    async def execute_many_async(self, *args: Any, **kwargs: Any) -> ManyResult:
        """As ``AbstractDriver.execute_many_async``, in the backend's way."""
        args, kwargs = self._filled(args, kwargs)
        return await self._better(await self._connected_async()).execute_many_async(*args, **kwargs)

    def execute_batch(self, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
        """As ``AbstractDriver.execute_batch``, in the backend's way."""
        args, kwargs = self._filled(args, kwargs)
        return self._better(self._connected()).execute_batch(*args, **kwargs)

    async def execute_batch_async(self, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
        """As ``AbstractDriver.execute_batch_async``, in the backend's way."""
        args, kwargs = self._filled(args, kwargs)
        return await self._better(await self._connected_async()).execute_batch_async(*args, **kwargs)

    def stream(self, *args: Any, **kwargs: Any) -> Generator[dict[str, Any], None, None]:
        """As ``AbstractDriver.stream``, in the backend's way."""
        args, kwargs = self._filled(args, kwargs, paged=True)
        return self._better(self._connected()).stream(*args, **kwargs)

    async def stream_async(self, *args: Any, **kwargs: Any) -> AsyncGenerator[dict[str, Any], None]:
        """As ``AbstractDriver.stream_async``, in the backend's way; the first row connects."""
        args, kwargs = self._filled(args, kwargs, paged=True)
        async with aclosing(
            self._better(await self._connected_async()).stream_async(*args, **kwargs)
        ) as rows:
            async for row in rows:
                yield row

    def ping(self, *, timeout: float | None = None) -> bool:
        """Tell whether the server answers; False before the first use, without connecting."""
        if self._closed:
            raise _closed()
        driver = self._driver
        return driver is not None and self._better(driver).ping(timeout=timeout)

    async def ping_async(self, *, timeout: float | None = None) -> bool:
        """Async version of :meth:`ping`."""
        if self._closed:
            raise _closed()
        driver = self._driver
        return driver is not None and await self._better(driver).ping_async(timeout=timeout)


def _outcome(task: asyncio.Task[AbstractDriver]) -> AbstractDriver | BaseException:
    import asyncio  # keeps it out of the import of coodie.drivers

    if task.cancelled():
        return asyncio.CancelledError()
    return task.exception() or task.result()


def _closed() -> CoodieError:
    return DriverClosedError("This LazyDriver has been closed.", hint="Open a new one with init_coodie(…).")


def _interrupted() -> CoodieError:
    message = "The attempt to connect was interrupted."
    return ConnectionFailedError(message, hint="The next request tries again.")


def _refuse_deadlock(loop: asyncio.AbstractEventLoop) -> None:
    """Refuse to block the very event loop that is connecting."""
    import asyncio  # keeps it out of the import of coodie.drivers

    try:
        here = asyncio.get_running_loop()
    except RuntimeError:
        return
    if here is loop:
        message = "A blocking call on the event loop that connects this LazyDriver would never return."
        raise ConfigurationError(message, hint="Await the async form here.")
