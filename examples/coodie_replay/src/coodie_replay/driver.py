"""The drivers: one that passes requests to another one and records them, and one that replays them.

Both derive from ``AbstractDriver``, which builds ``stream``, ``execute_many``, ``ping`` and others on these
methods: a recording has the requests of which they consist.
"""

from __future__ import annotations

import asyncio
import threading
from abc import abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from coodie import AbstractDriver, BatchType, DriverClosedError
from coodie.observers import Part, RequestKind, batch_part, observe_request, tell_closed
from coodie.plugins import Capability
from coodie_replay.calls import batch_call, execute_call, sync_call

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from coodie import RequestOptions
    from coodie.schema import SyncOptions
    from coodie_replay.calls import Call, Result
    from coodie_replay.recording import Player, Recorder

__all__ = ["RecordingDriver", "ReplayingDriver"]


class _CallDriver(AbstractDriver):
    """The contract's methods, each as a ``Call``; subclasses return the outcome."""

    def __init__(self) -> None:
        #: Held by the first call of ``close``.
        self._first_close = threading.Lock()

    @contextmanager
    def _closing(self) -> Iterator[None]:
        """Notify observers after the driver was closed, once."""
        is_first = self._first_close.acquire(blocking=False)
        error: BaseException | None = None
        try:
            yield
        except BaseException as exc:
            error = exc
            raise
        finally:
            if is_first:
                tell_closed(self, error)

    @abstractmethod
    def _outcome(self, call: Call, method: str, *args: Any, **kwargs: Any) -> Result:
        """Return the result of a call, or raise its error.

        Args:
            call: The call.
            method: The name of the driver's method.
            args: Its positional arguments.
            kwargs: Its keyword arguments.
        """

    @abstractmethod
    async def _outcome_async(self, call: Call, method: str, *args: Any, **kwargs: Any) -> Result:
        """Async version of ``_outcome``."""

    def execute(
        self,
        stmt: str,
        params: Any,
        consistency: str | None = None,
        timeout: float | None = None,
        fetch_size: int | None = None,
        paging_state: bytes | str | None = None,
        *,
        options: RequestOptions | None = None,
    ) -> list[dict[str, Any]]:
        """Execute a request."""
        call = execute_call(stmt, params, consistency, fetch_size, paging_state, options)
        arguments = (stmt, params, consistency, timeout, fetch_size, paging_state)
        terms: dict[str, Any] = {"consistency": consistency, "fetch_size": fetch_size, "timeout": timeout}
        with observe_request(self, stmt, params, options=options, **terms) as request:
            rows = self._outcome(call, "execute", *arguments, **_given(options))
            request.add_page(len(rows), warnings=getattr(rows, "warnings", ()))
            return rows

    async def execute_async(
        self,
        stmt: str,
        params: Any,
        consistency: str | None = None,
        timeout: float | None = None,
        fetch_size: int | None = None,
        paging_state: bytes | str | None = None,
        *,
        options: RequestOptions | None = None,
    ) -> list[dict[str, Any]]:
        """Async version of :meth:`execute`."""
        call = execute_call(stmt, params, consistency, fetch_size, paging_state, options)
        arguments = (stmt, params, consistency, timeout, fetch_size, paging_state)
        terms: dict[str, Any] = {"consistency": consistency, "fetch_size": fetch_size, "timeout": timeout}
        with observe_request(self, stmt, params, options=options, **terms) as request:
            rows = await self._outcome_async(call, "execute_async", *arguments, **_given(options))
            request.add_page(len(rows), warnings=getattr(rows, "warnings", ()))
            return rows

    def execute_batch(
        self,
        statements: Iterable[Any],
        batch_type: BatchType | str = BatchType.LOGGED,
        *,
        consistency: str | None = None,
        timeout: float | None = None,
        options: RequestOptions | None = None,
    ) -> list[dict[str, Any]]:
        """Execute a batch."""
        statements = _repeatable(statements)
        call = batch_call(statements, batch_type, consistency, options)
        terms: dict[str, Any] = {"consistency": consistency, "timeout": timeout}
        part = _part(statements)
        with observe_request(self, call.statement, (), options=options, part=part, **terms) as request:
            rows = self._outcome(call, "execute_batch", statements, batch_type, **terms, **_given(options))
            request.add_page(len(rows), warnings=getattr(rows, "warnings", ()))
            return rows

    async def execute_batch_async(
        self,
        statements: Iterable[Any],
        batch_type: BatchType | str = BatchType.LOGGED,
        *,
        consistency: str | None = None,
        timeout: float | None = None,
        options: RequestOptions | None = None,
    ) -> list[dict[str, Any]]:
        """Async version of :meth:`execute_batch`."""
        statements = _repeatable(statements)
        call = batch_call(statements, batch_type, consistency, options)
        terms: dict[str, Any] = {"consistency": consistency, "timeout": timeout}
        part = _part(statements)
        with observe_request(self, call.statement, (), options=options, part=part, **terms) as request:
            more = terms | _given(options)
            rows = await self._outcome_async(call, "execute_batch_async", statements, batch_type, **more)
            request.add_page(len(rows), warnings=getattr(rows, "warnings", ()))
            return rows

    def sync_table(
        self,
        table: str,
        keyspace: str,
        cols: list[Any],
        table_options: dict[str, Any] | None = None,
        dry_run: bool = False,  # noqa: FBT001, FBT002 - the contract's signature
        drop_removed_indexes: bool = False,  # noqa: FBT001, FBT002 - the contract's signature
        *,
        options: SyncOptions | None = None,
    ) -> list[str]:
        """Create or alter a table."""
        call = sync_call(table, keyspace, cols, (table_options, dry_run, drop_removed_indexes), options)
        arguments = (table, keyspace, cols, table_options, dry_run, drop_removed_indexes)
        return self._outcome(call, "sync_table", *arguments, **_given(options))

    async def sync_table_async(
        self,
        table: str,
        keyspace: str,
        cols: list[Any],
        table_options: dict[str, Any] | None = None,
        dry_run: bool = False,  # noqa: FBT001, FBT002 - the contract's signature
        drop_removed_indexes: bool = False,  # noqa: FBT001, FBT002 - the contract's signature
        *,
        options: SyncOptions | None = None,
    ) -> list[str]:
        """Async version of :meth:`sync_table`."""
        call = sync_call(table, keyspace, cols, (table_options, dry_run, drop_removed_indexes), options)
        arguments = (table, keyspace, cols, table_options, dry_run, drop_removed_indexes)
        return await self._outcome_async(call, "sync_table_async", *arguments, **_given(options))


class RecordingDriver(_CallDriver):
    """Passes requests to another driver, and records them.

    Args:
        inner: The other driver, which is closed with this one.
        recorder: Records the requests; written when the driver is closed.
    """

    def __init__(self, inner: AbstractDriver, recorder: Recorder) -> None:
        super().__init__()
        self._inner = inner
        self._recorder = recorder
        self.capabilities = inner.capabilities
        self.needs_row_validation = inner.needs_row_validation
        self._default_keyspace = getattr(inner, "_default_keyspace", None)
        recorder.about = {
            "capabilities": sorted(capability.value for capability in inner.capabilities),
            "keyspace": self._default_keyspace,
            "needs_row_validation": inner.needs_row_validation,
        }

    def _outcome(self, call: Call, method: str, *args: Any, **kwargs: Any) -> Result:
        with self._recorder.call(call) as slot:
            return slot.put(getattr(self._inner, method)(*args, **kwargs))

    async def _outcome_async(self, call: Call, method: str, *args: Any, **kwargs: Any) -> Result:
        with self._recorder.call(call) as slot:
            return slot.put(await getattr(self._inner, method)(*args, **kwargs))

    def is_live(self) -> bool:
        """Return what the other driver returns."""
        return self._inner.is_live()

    def warm(self, statements: Iterable[str] = (), **terms: Any) -> None:
        """Warm up the other driver; nothing is recorded."""
        self._inner.warm(statements, **terms)

    async def warm_async(self, statements: Iterable[str] = (), **terms: Any) -> None:
        """Async version of :meth:`warm`."""
        await self._inner.warm_async(statements, **terms)

    def stats(self) -> Any:
        """Return the statistics of the other driver."""
        return self._inner.stats()

    def close(self) -> None:
        """Close the other driver, and write the recording."""
        with self._closing():
            try:
                self._inner.close()
            finally:
                self._recorder.close()

    async def close_async(self) -> None:
        """Async version of :meth:`close`."""
        with self._closing():
            try:
                await self._inner.close_async()
            finally:
                await asyncio.to_thread(self._recorder.close)


class ReplayingDriver(_CallDriver):
    """Responds from a recording, without a server.

    Args:
        player: Has the recorded calls.
    """

    def __init__(self, player: Player) -> None:
        super().__init__()
        self._player = player
        self._is_closed = False
        about = player.about
        known = {capability.value: capability for capability in Capability}
        self.capabilities = frozenset(known[name] for name in about["capabilities"] if name in known)
        self.needs_row_validation = bool(about["needs_row_validation"])
        self._default_keyspace = about["keyspace"]

    def _outcome(self, call: Call, method: str, *args: Any, **kwargs: Any) -> Result:  # noqa: ARG002 - the caller's
        if self._is_closed:
            raise DriverClosedError("The driver is closed.", hint="Open another one with init_coodie.")
        return self._player.play(call)

    async def _outcome_async(self, call: Call, method: str, *args: Any, **kwargs: Any) -> Result:
        await asyncio.sleep(0)  # other tasks run meanwhile, as during a request
        return self._outcome(call, method, *args, **kwargs)

    def is_live(self) -> bool:
        """Return whether the driver is open."""
        return not self._is_closed

    def warm(self, statements: Iterable[str] = (), **terms: Any) -> None:
        """Do nothing: there are no connections."""

    async def warm_async(self, statements: Iterable[str] = (), **terms: Any) -> None:
        """Do nothing: there are no connections."""

    def close(self) -> None:
        """Close the driver."""
        with self._closing():
            self._is_closed = True

    async def close_async(self) -> None:
        """Close the driver."""
        with self._closing():
            self._is_closed = True


def _part(statements: Any) -> Part:
    """Return the part of a request for the statements of a batch."""
    return batch_part(statements) if isinstance(statements, list) else Part(RequestKind.BATCH)


def _repeatable(statements: Any) -> Any:
    """Return the statements of a batch as a list: they are read twice."""
    is_iterable = hasattr(statements, "__iter__") and not isinstance(statements, str)
    return list(statements) if is_iterable else statements


def _given(options: Any) -> dict[str, Any]:
    return {} if options is None else {"options": options}
