"""ClientDriver: the contract as a few lines around generators, for any client."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from coodie.capabilities import Capability
from coodie.consistency import parse_consistency
from coodie.contract.driver import AbstractDriver
from coodie.drivers._lastpage import last_page_of, note_page
from coodie.drivers._lifetime import Lifetime
from coodie.drivers.client._requests import ClientRequests
from coodie.effects import run_async, run_sync
from coodie.exceptions import ConfigurationError
from coodie.observers.connections import tell_closed
from coodie.requests import BatchType, check_timeout
from coodie.schema.sync import SchemaSyncMixin
from coodie.waiting import on_loop, start_thread

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future

    from coodie.batch import BatchItem
    from coodie.drivers.client.client import Client
    from coodie.options.request_options import RequestOptions
    from coodie.rows import Rows

__all__ = ["ClientDriver"]

#: Prepared statements that a driver keeps unless told otherwise.
_STATEMENTS = 1000


class ClientDriver(SchemaSyncMixin, AbstractDriver):
    """A driver around a client; subclass it to declare ``capabilities``.

    Whatever a caller asks for that they don't list is refused, so that a client needn't look.

    Args:
        client: Connected, and the driver's own from now on: close() closes it.
        default_keyspace: What object mappers are told.
        request_timeout: Seconds for requests that name none; None means 10.
        consistency: The level of requests that name none; None means the client's.
        statement_cache_size: How many prepared statements to keep, 1 or more.
        statement_lifetime: Seconds after which a statement is prepared anew, since others may have
            changed the schema; None for a client that notices by itself.

    Raises:
        ConfigurationError: An argument is of the wrong kind.
    """

    def __init__(
        self,
        client: Client,
        default_keyspace: str | None = None,
        *,
        request_timeout: float | None = None,
        consistency: str | None = None,
        statement_cache_size: int = _STATEMENTS,
        statement_lifetime: float | None = None,
    ) -> None:
        size = statement_cache_size
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            message = f"statement_cache_size={size!r} is not a positive whole number."
            raise ConfigurationError(message, option="statement_cache_size")
        self._client = client
        self._default_keyspace = default_keyspace
        self._lifetime = Lifetime()
        self._closing_lock = threading.Lock()
        self._closing: Future[None] | None = None
        self._requests = ClientRequests(
            client,
            self._lifetime,
            self.capabilities,
            name=type(self).__name__,
            request_timeout=request_timeout,
            consistency=None if consistency is None else parse_consistency(consistency),
            statement_cache_size=size,
            statement_lifetime=check_timeout(statement_lifetime, "statement_lifetime"),
        )

    def __repr__(self) -> str:
        state = "closed" if self._lifetime.closed else "open"
        return f"<{type(self).__name__}: {state}, keyspace {self._default_keyspace!r}>"

    @property
    def client(self) -> Client:
        """The client: the way down, outside coodie's contract."""
        return self._client

    @property
    def _last_paging_state(self) -> bytes | None:
        """Where the next page of this task's or thread's last request starts, for object mappers."""
        return last_page_of(self)

    # --- requests -----------------------------------------------------------------------

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
    ) -> Rows:
        """Execute *stmt* with *params*; return rows as a list of dicts."""
        note_page(self, None)
        rows = run_sync(
            self._requests.rows(self, stmt, params, consistency, timeout, fetch_size, paging_state, options)
        )
        note_page(self, rows.paging_state)
        return rows

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
    ) -> Rows:
        """Async version of :meth:`execute`."""
        note_page(self, None)
        rows = await run_async(
            self._requests.rows(self, stmt, params, consistency, timeout, fetch_size, paging_state, options)
        )
        note_page(self, rows.paging_state)
        return rows

    def execute_one(
        self,
        stmt: str,
        params: list[Any],
        consistency: str | None = None,
        timeout: float | None = None,
        *,
        options: RequestOptions | None = None,
    ) -> Any:
        """Execute *stmt* and return the first column of the first row, or None."""
        note_page(self, None)
        return run_sync(self._requests.first_value(self, stmt, params, consistency, timeout, options))

    async def execute_one_async(
        self,
        stmt: str,
        params: list[Any],
        consistency: str | None = None,
        timeout: float | None = None,
        *,
        options: RequestOptions | None = None,
    ) -> Any:
        """Async version of :meth:`execute_one`."""
        note_page(self, None)
        return await run_async(self._requests.first_value(self, stmt, params, consistency, timeout, options))

    def execute_batch(
        self,
        statements: Iterable[BatchItem],
        batch_type: BatchType | str = BatchType.LOGGED,
        *,
        consistency: str | None = None,
        timeout: float | None = None,
        options: RequestOptions | None = None,
    ) -> list[dict[str, Any]]:
        """Execute several writes as one batch, sent as one text."""
        self._requests.check(Capability.BATCHES, "execute_batch")
        return super().execute_batch(
            statements, batch_type, consistency=consistency, timeout=timeout, options=options
        )

    async def execute_batch_async(
        self,
        statements: Iterable[BatchItem],
        batch_type: BatchType | str = BatchType.LOGGED,
        *,
        consistency: str | None = None,
        timeout: float | None = None,
        options: RequestOptions | None = None,
    ) -> list[dict[str, Any]]:
        """Async version of :meth:`execute_batch`."""
        self._requests.check(Capability.BATCHES, "execute_batch")
        return await super().execute_batch_async(
            statements, batch_type, consistency=consistency, timeout=timeout, options=options
        )

    # --- closing ------------------------------------------------------------------------

    def close(self) -> None:
        """Release sync resources; twice is fine. Requests in flight end, with a result or an error."""
        self._start_closing().result()

    async def close_async(self) -> None:
        """Release async resources; as :meth:`close`, without blocking the loop."""
        await on_loop(self._start_closing())

    def _start_closing(self) -> Future[None]:
        """Close in a thread, once; all who close wait for the same end."""
        # In a fork the client's threads are missing, and its sockets are the parent's.
        if self._lifetime.forked:
            return self._lifetime.forget()
        with self._closing_lock:
            if self._closing is None:
                self._lifetime.closed = True
                self._requests.statements.clear()
                self._closing = start_thread(self._close_client, "coodie-close")
            return self._closing

    def _close_client(self) -> None:
        try:
            self._client.close()
        except BaseException as exc:
            tell_closed(self, exc)
            raise
        tell_closed(self)
