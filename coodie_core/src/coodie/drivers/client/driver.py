"""ClientDriver: the contract for any client, on the one pipeline."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from coodie.contract.request_driver import RequestDriver
from coodie.drivers._last_page import remember_paging_state, remembered_paging_state
from coodie.drivers._lifecycle import Lifecycle
from coodie.drivers.client.pipeline import Pipeline, PipelineOptions
from coodie.observers.connections import tell_closed
from coodie.rows import Rows
from coodie.schema.sync import SchemaSyncMixin
from coodie.waiting import on_loop, start_thread

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future

    from coodie.batch import BatchItem
    from coodie.drivers.client.client import Client
    from coodie.effects import Steps
    from coodie.requests import BatchType, Request

__all__ = ["ClientDriver"]

#: Prepared statements that a driver keeps by default.
_STATEMENTS = 1000


class ClientDriver(SchemaSyncMixin, RequestDriver[Rows]):
    """A driver around a client; subclass it to declare ``capabilities``.

    Whatever a caller asks for that they don't list is refused, so that a client needn't look.

    Args:
        client: Connected, and the driver's own from now on: close() closes it.
        default_keyspace: What object mappers are told.
        request_timeout: Seconds for requests that name none; None for the client's default.
        consistency: The level of requests that name none; None for the client's default.
        statement_cache_size: How many prepared statements to keep, 1 or more.
        statement_lifetime: Seconds after which a statement is prepared again, since others may have
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
        options = PipelineOptions(
            name=type(self).__name__,
            capabilities=self.capabilities,
            timeout=request_timeout,
            consistency=consistency,
            statement_cache_size=statement_cache_size,
            statement_lifetime=statement_lifetime,
        )
        self._set_up(client, default_keyspace, Lifecycle(), options)

    def _set_up(
        self, client: Client, default_keyspace: str | None, lifecycle: Lifecycle, options: PipelineOptions
    ) -> None:
        self._client = client
        self._default_keyspace = default_keyspace
        self._lifecycle = lifecycle
        self._closing_lock = threading.Lock()
        self._closing: Future[None] | None = None
        self._pipeline = Pipeline(client, lifecycle, options)

    def __repr__(self) -> str:
        state = "closed" if self._lifecycle.closed else "open"
        return f"<{type(self).__name__}: {state}, keyspace {self._default_keyspace!r}>"

    @property
    def client(self) -> Client:
        """The client: the way down, outside coodie's contract."""
        return self._client

    @property
    def _last_paging_state(self) -> bytes | None:
        """Where the next page of this task's or thread's last request starts, for object mappers.

        It is not seen across ``create_task``, ``gather`` or ``wait_for``: ``Rows.paging_state`` is.
        """
        return remembered_paging_state(self)

    # --- requests -----------------------------------------------------------------------

    def _rows(self, request: Request) -> Steps[Rows]:
        remember_paging_state(self, None)
        return self._pipeline.rows(self, request)

    def _first_value(self, request: Request) -> Steps[Any]:
        remember_paging_state(self, None)
        return self._pipeline.first_value(self, request)

    def _batch(
        self, statements: Iterable[BatchItem], batch_type: BatchType | str, request: Request
    ) -> Steps[Rows]:
        remember_paging_state(self, None)
        return self._pipeline.batch(self, statements, batch_type, request)

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
        if self._lifecycle.forked:
            return self._lifecycle.forget()
        with self._closing_lock:
            if self._closing is None:
                self._lifecycle.closed = True
                self._pipeline.statements.clear()
                self._closing = start_thread(self._close_client, "coodie-close")
            return self._closing

    def _close_client(self) -> None:
        try:
            self._client.close()
        except BaseException as exc:
            tell_closed(self, exc)
            raise
        tell_closed(self)
