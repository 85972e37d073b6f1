"""The methods of the contract, for drivers that take a request as a value."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from coodie.contract.typed_driver import Driver
from coodie.effects import run_async, run_sync
from coodie.requests import BatchType, Request

if TYPE_CHECKING:
    from collections.abc import Iterable

    from coodie.batch import BatchItem
    from coodie.effects import Steps
    from coodie.requests import Params, RequestOptions
    from coodie.rows import Rows

__all__ = ["RequestDriver"]


class RequestDriver(Driver):
    """Create a ``Request`` from each call's arguments, and run its steps in a thread or on an event loop.

    A subclass implements the steps of three types of requests, for sync and async callers.
    """

    @abstractmethod
    def _rows(self, request: Request) -> Steps[Rows[Any]]:
        """Return the steps of ``execute``."""

    @abstractmethod
    def _first_value(self, request: Request) -> Steps[Any]:
        """Return the steps of ``execute_one``."""

    @abstractmethod
    def _batch(
        self, statements: Iterable[BatchItem], batch_type: BatchType | str, request: Request
    ) -> Steps[Rows[Any]]:
        """Return the steps of ``execute_batch``; the request has no statement and no values."""

    def execute(  # type: ignore[override]  # Driver has the type of rows="arrow"
        self,
        stmt: str,
        params: Params = (),
        consistency: str | None = None,
        timeout: float | None = None,
        fetch_size: int | None = None,
        paging_state: bytes | str | None = None,
        *,
        options: RequestOptions | None = None,
        rows: Any = None,
    ) -> Rows[Any]:
        """Execute *stmt* with *params*; return rows as a list of dicts."""
        request = Request(stmt, params, consistency, timeout, fetch_size, paging_state, options, rows)
        return run_sync(self._rows(request))

    async def execute_async(  # type: ignore[override]  # Driver has the type of rows="arrow"
        self,
        stmt: str,
        params: Params = (),
        consistency: str | None = None,
        timeout: float | None = None,
        fetch_size: int | None = None,
        paging_state: bytes | str | None = None,
        *,
        options: RequestOptions | None = None,
        rows: Any = None,
    ) -> Rows[Any]:
        """Async version of :meth:`execute`."""
        request = Request(stmt, params, consistency, timeout, fetch_size, paging_state, options, rows)
        return await run_async(self._rows(request))

    def execute_one(
        self,
        stmt: str,
        params: Params = (),
        consistency: str | None = None,
        timeout: float | None = None,
        *,
        options: RequestOptions | None = None,
    ) -> Any:
        """Execute *stmt* and return the first column of the first row, or None."""
        request = Request(stmt, params, consistency, timeout, options=options)
        return run_sync(self._first_value(request))

    async def execute_one_async(
        self,
        stmt: str,
        params: Params = (),
        consistency: str | None = None,
        timeout: float | None = None,
        *,
        options: RequestOptions | None = None,
    ) -> Any:
        """Async version of :meth:`execute_one`."""
        request = Request(stmt, params, consistency, timeout, options=options)
        return await run_async(self._first_value(request))

    def execute_batch(
        self,
        statements: Iterable[BatchItem],
        batch_type: BatchType | str = BatchType.LOGGED,
        *,
        consistency: str | None = None,
        timeout: float | None = None,
        options: RequestOptions | None = None,
    ) -> Rows:
        """Execute several writes as one batch."""
        request = Request("", (), consistency, timeout, options=options)
        return run_sync(self._batch(statements, batch_type, request))

    async def execute_batch_async(
        self,
        statements: Iterable[BatchItem],
        batch_type: BatchType | str = BatchType.LOGGED,
        *,
        consistency: str | None = None,
        timeout: float | None = None,
        options: RequestOptions | None = None,
    ) -> Rows:
        """Async version of :meth:`execute_batch`."""
        request = Request("", (), consistency, timeout, options=options)
        return await run_async(self._batch(statements, batch_type, request))
