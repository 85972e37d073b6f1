"""A driver that connects on its first request."""

from __future__ import annotations

import os
import threading
from contextlib import aclosing, suppress
from inspect import signature
from typing import TYPE_CHECKING, Any

from coodie._forks import forget_in_children
from coodie.contract.driver import AbstractDriver, options_argument
from coodie.contract.request_driver import RequestDriver
from coodie.contract.rows_argument import rows_argument, shape_and_options
from coodie.effects import Call, run_async, run_sync
from coodie.exceptions import (
    ConfigurationError,
    CoodieError,
    DriverClosedError,
    UnsupportedError,
)
from coodie.observers.connections import DriverIdentity, identify, identity_of
from coodie.registry.attempts import Attempt, StillConnecting, interrupted, outcome_of, refuse_deadlock
from coodie.registry.registry import current_registry
from coodie.requests import Request, check_timeout
from coodie.rows import as_rows
from coodie.waiting import start_thread

if TYPE_CHECKING:
    import asyncio
    from collections.abc import (
        AsyncGenerator,
        AsyncIterable,
        Awaitable,
        Generator,
        Iterable,
        Mapping,
        Sequence,
    )
    from ssl import SSLContext

    from coodie._arrow import ArrowTable
    from coodie.batch import BatchItem
    from coodie.effects import Steps
    from coodie.observers.stats import DriverStats
    from coodie.options.profiles import RequestProfile
    from coodie.options.request_options import RequestOptions
    from coodie.requests import BatchType, Params
    from coodie.rows import ManyResult, Rows
    from coodie.schema.definitions import TableDefinition
    from coodie.schema.syncoptions import SyncOptions

__all__ = ["LazyDriver"]


class _Connected:
    """An effect: return the backend's driver; connect if necessary.

    Args:
        driver: The lazy driver.
    """

    __slots__ = ("_driver",)

    def __init__(self, driver: LazyDriver) -> None:
        self._driver = driver

    def run(self) -> AbstractDriver:
        """Connect in the calling thread."""
        return self._driver._connected()  # noqa: SLF001 - its own effect

    def run_async(self) -> Awaitable[AbstractDriver]:
        """Connect on the running loop."""
        return self._driver._connected_async()  # noqa: SLF001 - its own effect


class LazyDriver(RequestDriver):
    """A driver of any backend that connects on its first request.

    Created by ``init_coodie(..., lazy=True)``. The arguments are validated immediately, without connecting.
    The first request connects; concurrent requests of all threads and tasks share that attempt. If it fails,
    all of them get the error, and the next request tries again.

    Args:
        hosts: Contact points.
        keyspace: The default keyspace.
        ssl_context: The TLS context; None for unencrypted connections.
        kwargs: All other arguments of ``init_coodie``; the default ``driver_type`` is "scylla". ``profiles``
            are the profiles for ``RequestOptions(profile=…)``.

    Raises:
        ConfigurationError: An argument is invalid or unsupported.
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
            message = f"kwargs holds {twice[0]!r}, which is a separate parameter."
            raise ConfigurationError(message, hint="Give it once.", option=twice[0])
        from coodie.options.connection import build_config  # a slow import, only needed to connect

        self._config = build_config(hosts=hosts, keyspace=keyspace, ssl_context=ssl_context, **kwargs)
        if self._config.session is not None:
            message = "A LazyDriver doesn't accept session=, which is already connected."
            raise ConfigurationError(message, hint="Leave lazy=True out.", option="session")
        self._default_rows = self._config.rows
        self._default_keyspace = self._config.keyspace
        self._plugins = current_registry().plugins
        self._plugins.check(self._config)
        self._lock = threading.Lock()
        self._driver: AbstractDriver | None = None
        self._known_as = DriverIdentity(driver_type=self._config.driver_type)
        self._attempt: Attempt | None = None
        self._closed = False
        #: The process that connected it.
        self._process: int | None = None
        forget_in_children(self, LazyDriver._forget)

    def _forget(self) -> None:
        """In a fork, forget the attempt of the parent's thread; this process connects itself."""
        self._lock = threading.Lock()
        self._attempt = None

    def __repr__(self) -> str:
        state = "closed" if self._closed else "connected" if self._driver is not None else "not connected"
        return f"<LazyDriver for {self._config.target}: {state}>"

    @property
    def driver(self) -> AbstractDriver | None:
        """The backend's driver; None before the first request."""
        return self._driver

    @property
    def closed(self) -> bool:
        """Whether the driver can't be used any more: it was closed, or this process is a fork."""
        return self._closed or self._is_parents

    @property
    def _is_parents(self) -> bool:
        """Whether the parent process has connected it."""
        return self._process not in (None, os.getpid())

    @property
    def _last_paging_state(self) -> bytes | None:
        """The wrapped driver's last paging state, for object mappers."""
        return getattr(self._driver, "_last_paging_state", None)

    @property
    def _identity(self) -> DriverIdentity:
        """The driver's identity in events, also of the wrapped driver, which emits those of requests."""
        return self._known_as

    @_identity.setter
    def _identity(self, identity: DriverIdentity) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        self._known_as = identity
        identify(self._driver, name=identity.name)

    # --- connecting ---------------------------------------------------------------------

    def connect(self) -> None:
        """Connect now, if the driver isn't connected yet.

        Raises:
            CoodieError: As in ``init_coodie``.
        """
        self._connected()

    async def connect_async(self) -> None:
        """Async version of :meth:`connect`."""
        await self._connected_async()

    def _join(self, loop: asyncio.AbstractEventLoop | None) -> tuple[Attempt, bool]:
        """Return the current attempt, or a new one, which the caller has to run."""
        with self._lock:
            if self._closed:
                raise _closed()
            if self._driver is not None:
                # Another thread has connected since the caller's check.
                done = Attempt(None)
                done.outcome.set_result(self._driver)
                return done, False
            if self._attempt is not None and not self._attempt.stalled:
                return self._attempt, False
            self._attempt = Attempt(loop)
            return self._attempt, True

    def _publish(self, attempt: Attempt, outcome: AbstractDriver | BaseException) -> None:
        """Publish the outcome of an attempt."""
        unwanted: AbstractDriver | None = None
        with self._lock:
            if self._attempt is attempt:
                self._attempt = None
            if not isinstance(outcome, BaseException):
                if self._closed:
                    unwanted, outcome = outcome, _closed()
                elif self._driver is not None:
                    # A stalled attempt has continued after it was replaced.
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
            # A cancellation or Ctrl-C only affects its own caller, not the others that wait.
            error = _closed() if self._closed else interrupted()
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
                    self._publish(attempt, exc)
                    raise
                self._publish(attempt, driver)
            elif attempt.loop is not None:
                refuse_deadlock(attempt.loop)
            with suppress(StillConnecting):
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
                self._connect_in_task(attempt)
            with suppress(StillConnecting):
                connected: AbstractDriver = await attempt.wait(loop).run_async()
                return connected

    def _connect_in_task(self, attempt: Attempt) -> None:
        """Connect in a separate task, since the cancellation of one caller mustn't cancel the others."""
        import asyncio  # keeps it out of the import of coodie.drivers

        attempt.task = asyncio.ensure_future(self._plugins.open_async(self._config, identity_of(self).name))
        attempt.task.add_done_callback(lambda task: self._publish(attempt, outcome_of(task)))

    def _mark_closed(self) -> AbstractDriver | None:
        """Mark the driver as closed, end the current attempt, and return the driver to close."""
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

    # --- requests -----------------------------------------------------------------------

    def _rows(self, request: Request) -> Steps[Rows[Any]]:
        request = self._filled(request)
        driver = yield _Connected(self)
        if isinstance(driver, AbstractDriver):
            extra = options_argument(driver.execute, request.options) | rows_argument(request.rows)
            return as_rows((yield Call(driver, "execute", *request[:6], **extra)))
        shape, options = shape_and_options(request.rows, request.options, self._default_rows)
        extra = options_argument(driver.execute, options)
        rows = as_rows((yield Call(driver, "execute", *request[:6], **extra)))
        return rows if shape is None else shape.of_dicts(rows)

    def _first_value(self, request: Request) -> Steps[Any]:
        request = self._filled(request)
        driver = self._with_defaults((yield _Connected(self)))
        terms = _given_terms(driver.execute_one, request)
        return (yield Call(driver, "execute_one", request.stmt, request.params, **terms))

    def _batch(
        self, statements: Iterable[BatchItem], batch_type: BatchType | str, request: Request
    ) -> Steps[Rows[Any]]:
        request = self._filled(request)
        driver = self._with_defaults((yield _Connected(self)))
        terms = _given_terms(driver.execute_batch, request)
        return as_rows((yield Call(driver, "execute_batch", statements, batch_type, **terms)))

    def _with_defaults(self, driver: Any) -> Any:
        """Return the backend's driver; with the contract's default methods if it lacks some."""
        return driver if isinstance(driver, AbstractDriver) else super(RequestDriver, self)

    def _filled(self, request: Request) -> Request:
        """Return the request with its profile's defaults; raise for an unknown profile."""
        profile = self._profile(request.options)
        return request if profile is None else request.with_profile(profile)

    def _profile(self, options: RequestOptions | None) -> RequestProfile | None:
        if options is None:
            return None
        from coodie.options.profiles import named_profile  # already imported, for the configuration

        return named_profile(self._config.profiles, options)

    def execute_many(
        self, stmt: str, rows_of_params: Iterable[Params] | ArrowTable, *, rows: Any = None, **kwargs: Any
    ) -> ManyResult[Any]:
        """Call the backend's ``execute_many``, after connecting."""
        return run_sync(self._many(stmt, rows_of_params, kwargs | rows_argument(rows)))

    async def execute_many_async(
        self,
        stmt: str,
        rows_of_params: Iterable[Params] | AsyncIterable[Params] | ArrowTable,
        *,
        rows: Any = None,
        **kwargs: Any,
    ) -> ManyResult[Any]:
        """Async version of :meth:`execute_many`."""
        return await run_async(self._many(stmt, rows_of_params, kwargs | rows_argument(rows)))

    def _many(self, stmt: str, rows_of_params: Any, kwargs: dict[str, Any]) -> Steps[ManyResult[Any]]:
        filled = self._filled_arguments(stmt, kwargs)
        driver = self._with_defaults((yield _Connected(self)))
        result: ManyResult[Any] = yield Call(driver, "execute_many", stmt, rows_of_params, **filled)
        return result

    def stream(
        self, stmt: str, params: Params = (), *, rows: Any = None, **kwargs: Any
    ) -> Generator[Any, None, None]:
        """Call the backend's ``stream``, after connecting."""
        filled = self._filled_arguments(stmt, kwargs | rows_argument(rows), paged=True)
        found: Generator[Any, None, None]
        found = self._with_defaults(self._connected()).stream(stmt, params, **filled)
        return found

    async def stream_async(
        self, stmt: str, params: Params = (), *, rows: Any = None, **kwargs: Any
    ) -> AsyncGenerator[Any, None]:
        """Async version of :meth:`stream`; connects when the first row is requested."""
        filled = self._filled_arguments(stmt, kwargs | rows_argument(rows), paged=True)
        driver = self._with_defaults(await self._connected_async())
        async with aclosing(driver.stream_async(stmt, params, **filled)) as found:
            async for row in found:
                yield row

    def _filled_arguments(self, stmt: str, given: dict[str, Any], *, paged: bool = False) -> dict[str, Any]:
        """Return keyword arguments with the defaults of their profile; others are unchanged."""
        profile = self._profile(given.get("options"))
        if profile is None:
            return given
        request = Request(stmt, (), given.get("consistency"), given.get("timeout"), options=given["options"])
        filled = request.with_profile(profile)
        terms = {"consistency": filled.consistency, "timeout": filled.timeout, "options": filled.options}
        if paged and profile.fetch_size is not None:
            terms["fetch_size"] = given.get("fetch_size", profile.fetch_size)
        return given | terms

    def sync_table(
        self,
        table: str,
        keyspace: str,
        cols: Sequence[Any],
        table_options: Mapping[str, Any] | None = None,
        dry_run: bool = False,  # noqa: FBT001, FBT002 - the published signature
        drop_removed_indexes: bool = False,  # noqa: FBT001, FBT002 - the published signature
        *,
        options: SyncOptions | None = None,
    ) -> list[str]:
        """Call the backend's ``sync_table``, after connecting."""
        terms = (table, keyspace, cols, table_options, dry_run, drop_removed_indexes)
        return run_sync(self._table_synced(terms, options))

    async def sync_table_async(
        self,
        table: str,
        keyspace: str,
        cols: Sequence[Any],
        table_options: Mapping[str, Any] | None = None,
        dry_run: bool = False,  # noqa: FBT001, FBT002 - the published signature
        drop_removed_indexes: bool = False,  # noqa: FBT001, FBT002 - the published signature
        *,
        options: SyncOptions | None = None,
    ) -> list[str]:
        """Async version of :meth:`sync_table`."""
        terms = (table, keyspace, cols, table_options, dry_run, drop_removed_indexes)
        return await run_async(self._table_synced(terms, options))

    def _table_synced(self, terms: tuple[Any, ...], options: SyncOptions | None) -> Steps[list[str]]:
        driver = yield _Connected(self)
        extra = options_argument(driver.sync_table, options)
        statements: list[str] = yield Call(driver, "sync_table", *terms, **extra)
        return statements

    def _description(self, table: str, timeout: float | None) -> Steps[TableDefinition]:
        driver = yield _Connected(self)
        if not isinstance(driver, AbstractDriver):
            return (yield from super()._description(table, timeout))
        found: TableDefinition = yield Call(driver, "describe", table, timeout=timeout)
        return found

    def close(self, *, drain: float | None = None) -> None:
        """Close the driver; before the first request and in a fork, there is nothing to close.

        Args:
            drain: Seconds in which requests in flight may finish; only for backends that support it.
        """
        terms = self._closing_terms(drain)
        driver = self._mark_closed()
        if driver is not None:
            driver.close(**terms)

    async def close_async(self, *, drain: float | None = None) -> None:
        """Async version of :meth:`close`."""
        terms = self._closing_terms(drain)
        driver = self._mark_closed()
        if driver is not None:
            await driver.close_async(**terms)

    def _closing_terms(self, drain: float | None) -> dict[str, float]:
        """Return the arguments of the backend's ``close``; raise if it doesn't support ``drain``."""
        driver = self._driver
        if drain is None or driver is None:
            check_timeout(drain, "drain")
            return {}
        if "drain" not in signature(driver.close).parameters:
            message = f"{type(driver).__name__}.close() doesn't support drain=."
            raise UnsupportedError(message, hint="Leave it out.", feature="drain")
        return {"drain": drain}

    # --- without connecting -------------------------------------------------------------

    def ping(self, *, timeout: float | None = None) -> bool:
        """Return whether the server responds; False before the first request, without connecting."""
        if self._closed:
            raise _closed()
        driver = self._driver
        return driver is not None and bool(self._with_defaults(driver).ping(timeout=timeout))

    async def ping_async(self, *, timeout: float | None = None) -> bool:
        """Async version of :meth:`ping`."""
        if self._closed:
            raise _closed()
        driver = self._driver
        return driver is not None and bool(await self._with_defaults(driver).ping_async(timeout=timeout))

    def is_live(self) -> bool:
        """Return whether the driver can serve requests now or later, without connecting."""
        return not self.closed

    def warm(self, statements: Iterable[str] = (), **options: Any) -> None:
        """Connect, then call the backend's ``warm`` with the same arguments."""
        self._with_defaults(self._connected()).warm(statements, **options)

    async def warm_async(self, statements: Iterable[str] = (), **options: Any) -> None:
        """Async version of :meth:`warm`."""
        await self._with_defaults(await self._connected_async()).warm_async(statements, **options)

    def stats(self) -> DriverStats:
        """Return the wrapped driver's statistics; before the first request and in a fork, without nodes."""
        driver = None if self._is_parents else self._driver
        return super().stats() if driver is None else self._with_defaults(driver).stats()


def _given_terms(method: Any, request: Request) -> dict[str, Any]:
    """Return the request's other arguments as keyword arguments for a method."""
    terms = {"consistency": request.consistency, "timeout": request.timeout}
    given = {name: value for name, value in terms.items() if value is not None}
    return given | options_argument(method, request.options)


def _closed() -> CoodieError:
    return DriverClosedError("This LazyDriver is closed.", hint="Open a new one with init_coodie(…).")
