"""``ClientDriver``: the driver contract on the request pipeline, for any client."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from coodie.contract.request_driver import RequestDriver
from coodie.drivers._last_page import remember_paging_state, remembered_paging_state
from coodie.drivers._lifecycle import Lifecycle
from coodie.drivers.client.pipeline import Pipeline, PipelineOptions
from coodie.observers.connections import tell_closed
from coodie.schema.sync import SchemaSyncMixin
from coodie.waiting import on_loop, start_thread

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future

    from coodie.batch import BatchItem
    from coodie.drivers.client.client import Client
    from coodie.effects import Steps
    from coodie.observers.stats import DriverStats
    from coodie.requests import BatchType, Request
    from coodie.rows import Rows

__all__ = ["ClientDriver"]

#: The default size of a driver's statement cache.
_STATEMENTS = 1000


class ClientDriver(SchemaSyncMixin, RequestDriver):
    """A driver for a client; subclass it to declare ``capabilities``.

    Requests that need another capability raise UnsupportedError, so that a client needn't check.

    Args:
        client: The connected client; the driver owns and closes it.
        default_keyspace: The keyspace for object mappers.
        request_timeout: The default timeout in seconds; None for the client's default.
        consistency: The default consistency level; None for the client's default.
        statement_cache_size: The number of cached prepared statements, 1 or more.
        statement_lifetime: Seconds after which a statement is prepared again, since other clients may have
            changed the schema; None for a client that detects this.

    Raises:
        ConfigurationError: An argument is invalid.
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
        """The underlying client, outside coodie's contract."""
        return self._client

    @property
    def _last_paging_state(self) -> bytes | None:
        """The paging state of the last request of this task or thread, for object mappers.

        It isn't visible across ``create_task``, ``gather`` or ``wait_for``; ``Rows.paging_state`` is.
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

    def stats(self) -> DriverStats:
        """Return how the driver is doing, without asking the server; it never blocks."""
        nodes = () if self._lifecycle.closed else tuple(self._client.node_stats())
        return replace(super().stats(), nodes=nodes, statements=self._pipeline.statements.stats())

    # --- closing ------------------------------------------------------------------------

    def close(self) -> None:
        """Close the driver; can be called twice. Requests in flight end, with a result or an error."""
        self._start_closing().result()

    async def close_async(self) -> None:
        """Close the driver as :meth:`close` does, without blocking the event loop."""
        await on_loop(self._start_closing())

    def _start_closing(self) -> Future[None]:
        """Close in a thread, once; all callers wait for the same future."""
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
