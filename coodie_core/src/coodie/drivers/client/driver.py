"""``ClientDriver``: the driver contract on the request pipeline, for any client."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from coodie.capabilities import Capability
from coodie.contract.request_driver import RequestDriver
from coodie.cql import inspect_statement
from coodie.drivers._last_page import last_page, remembered_paging_state
from coodie.drivers._lifecycle import Lifecycle
from coodie.drivers.client.client import UNPREPARED
from coodie.drivers.client.keyspaces import qualified_items
from coodie.drivers.client.pipeline import Pipeline
from coodie.drivers.client.pipeline_options import PipelineOptions
from coodie.effects import gather, run_async, run_sync
from coodie.exceptions import ConfigurationError
from coodie.observers.connections import tell_closed
from coodie.requests import RequestOptions, check_timeout
from coodie.rows import Rows
from coodie.schema.sync import SchemaSyncMixin
from coodie.waiting import start_thread, wrap_future

if TYPE_CHECKING:
    from concurrent.futures import Future

    from coodie.batch import BatchItem
    from coodie.drivers.client.client import Client
    from coodie.drivers.client.statements import CachedStatement
    from coodie.effects import Steps
    from coodie.observers.stats import DriverStats
    from coodie.requests import BatchType, Request
    from coodie.rows import Rows

__all__ = ["ClientDriver"]

#: The default size of a driver's statement cache.
_STATEMENTS = 1000

#: Seconds between checks whether requests are in progress, and the number of idle checks before closing.
_POLL_INTERVAL = 0.01
_IDLE_POLLS = 2

#: The number of requests that ``warm`` sends: the second one uses what the first one has cached.
_REHEARSALS = 3

#: The number of statements that ``warm`` prepares concurrently.
_MAX_CONCURRENT = 16


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
        max_in_flight: The maximum number of requests in flight; None for no limit.
        max_queued: The maximum number of queued requests; more raise OverloadedError. None for
            *max_in_flight*.

    Raises:
        ConfigurationError: An argument is invalid.
    """

    _provided = frozenset({Capability.KEYSPACE, Capability.TOTAL_TIMEOUT})

    def __init__(
        self,
        client: Client,
        default_keyspace: str | None = None,
        *,
        request_timeout: float | None = None,
        consistency: str | None = None,
        statement_cache_size: int = _STATEMENTS,
        statement_lifetime: float | None = None,
        max_in_flight: int | None = None,
        max_queued: int | None = None,
    ) -> None:
        options = PipelineOptions(
            name=type(self).__name__,
            capabilities=self.capabilities | self._provided,
            timeout=request_timeout,
            consistency=consistency,
            statement_cache_size=statement_cache_size,
            statement_lifetime=statement_lifetime,
            max_in_flight=max_in_flight,
            max_queued=max_queued,
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
        #: When ``close`` stops waiting for requests, on the monotonic clock.
        self._drain_until = math.inf
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
        last_page.set(None)
        return self._pipeline.rows(self, request)

    def _first_value(self, request: Request) -> Steps[Any]:
        last_page.set(None)
        return self._pipeline.first_value(self, request)

    def _batch(
        self, statements: Iterable[BatchItem], batch_type: BatchType | str, request: Request
    ) -> Steps[Rows]:
        last_page.set(None)
        return self._pipeline.batch(self, statements, batch_type, request)

    def _probe(self, timeout: float | None) -> None:
        if self._pipeline.gate is not None:
            run_sync(self._pipeline.probe(self, timeout))
        else:  # as later requests, which ``warm`` rehearses
            super()._probe(timeout)

    async def _probe_async(self, timeout: float | None) -> None:
        if self._pipeline.gate is not None:
            await run_async(self._pipeline.probe(self, timeout))
        else:
            await super()._probe_async(timeout)

    def warm(
        self,
        statements: Iterable[str] = (),
        *,
        connections: int = 1,
        timeout: float | None = None,
        keyspace: str | None = None,
    ) -> None:
        """Open connections and prepare statements before the first request needs them.

        The first request afterwards takes about as long as later ones. For that, a few requests of
        ``is_ready`` are sent, which use the same code.

        Args:
            statements: The CQL texts to prepare, exactly as they will be executed.
            connections: The number of threads that will send requests at the same time; each needs a
                connection to each node. An event loop needs one per node: await ``warm_async`` on it.
            timeout: The timeout in seconds, of all connections and statements; None for the connection's
                default.
            keyspace: The keyspace of unqualified table names, for statements that will be executed with
                ``RequestOptions(keyspace=…)``.

        Raises:
            ConfigurationError: An argument is invalid, or the client can't open as many connections.
            RequestTimeoutError: Connecting or preparing took longer.
            CoodieError: A statement couldn't be prepared.
        """
        run_sync(self._warm_steps(_checked_statements(statements, keyspace), connections, timeout))
        for _ in range(_REHEARSALS):
            if not self.is_ready():
                break

    async def warm_async(
        self, statements: Iterable[str] = (), *, timeout: float | None = None, keyspace: str | None = None
    ) -> None:
        """Async version of :meth:`warm`, for the running event loop."""
        await run_async(self._warm_steps(_checked_statements(statements, keyspace), 1, timeout))
        for _ in range(_REHEARSALS):
            if not await self.is_ready_async():
                break

    def _warm_steps(self, texts: list[str], connections: int, timeout: float | None) -> Steps[None]:
        self._lifecycle.admit()
        if not isinstance(connections, int) or isinstance(connections, bool) or connections < 1:
            message = f"connections={connections!r} isn't a positive integer."
            raise ConfigurationError(message, hint="Give the number of threads.", option="connections")
        seconds = check_timeout(timeout) or self._pipeline.default_timeout()
        deadline = time.monotonic() + seconds
        for start in range(0, len(texts), _MAX_CONCURRENT):
            left = max(deadline - time.monotonic(), 0.001)
            some = [self._pipeline.prepared(stmt, left) for stmt in texts[start : start + _MAX_CONCURRENT]]
            for stmt, statement in zip(texts[start:], (yield from gather(some)), strict=False):
                self._warm_statement(stmt, statement)
        yield from self._client.warm(connections, max(deadline - time.monotonic(), 0.001))

    def _warm_statement(self, stmt: str, statement: CachedStatement) -> None:  # noqa: ARG002 - for subclasses
        """Do what the first execution of a statement would do before it is sent, and after the response."""
        self._client.warm_statement(statement.prepared)

    def is_live(self) -> bool:
        """Return whether the driver can serve requests now or later, without a request to the server."""
        return not self._lifecycle.closed and not self._lifecycle.forked

    def stats(self) -> DriverStats:
        """Return the driver's statistics, without a request to the server; never blocks."""
        nodes = () if self._lifecycle.closed else tuple(self._client.node_stats())
        gate = self._pipeline.gate
        return replace(
            super().stats(),
            nodes=nodes,
            unconnected=self._client.unconnected(),
            statements=self._pipeline.statements.stats(),
            limit=None if gate is None else gate.stats(),
        )

    # --- closing ------------------------------------------------------------------------

    def close(self, *, drain: float | None = None) -> None:
        """Close the driver; can be called twice. Requests in flight end, with a result or an error.

        Args:
            drain: Seconds in which requests in flight may finish, while new ones raise DriverClosedError.
                The next page of a ``stream`` and the next execution of an ``execute_many`` are new requests.
                On an event loop, await ``close_async``: this method would block the requests. Ctrl-C, or the
                cancellation of ``close_async``, ends the time.

        Raises:
            ConfigurationError: *drain* isn't a positive number.
        """
        closing = self._start_closing(drain)
        try:
            closing.result()
        except BaseException:
            self._drain_until = -math.inf
            raise

    async def close_async(self, *, drain: float | None = None) -> None:
        """Close the driver as :meth:`close` does, without blocking the event loop."""
        closing = self._start_closing(drain)
        try:
            await wrap_future(closing)
        except BaseException:
            self._drain_until = -math.inf
            raise

    def _start_closing(self, drain: float | None) -> Future[None]:
        """Close in a thread, once; all callers wait for the same future."""
        seconds = check_timeout(drain, "drain") or 0.0
        # In a fork the client's threads are missing, and its sockets are the parent's.
        if self._lifecycle.forked:
            return self._lifecycle.forget()
        with self._closing_lock:
            # A later call may shorten the time, also to zero.
            self._drain_until = min(self._drain_until, time.monotonic() + seconds)
            if self._closing is None:
                self._lifecycle.draining = True
                self._pipeline.statements.clear()
                if seconds:
                    self._client.drain()
                else:
                    self._lifecycle.closed = True
                self._closing = start_thread(self._close_client, "coodie-close")
            return self._closing

    def _close_client(self) -> None:
        idle = 0
        # A request may be between two round trips: check twice.
        while idle < _IDLE_POLLS and time.monotonic() < self._drain_until:
            time.sleep(_POLL_INTERVAL)
            idle = 0 if self._pipeline.is_busy else idle + 1
        self._lifecycle.closed = True
        self._pipeline.statements.clear()
        if self._pipeline.gate is not None:
            self._pipeline.gate.close(self._lifecycle.error())
        try:
            self._client.close()
        except BaseException as exc:
            tell_closed(self, exc)
            raise
        tell_closed(self)


def _checked_statements(statements: Iterable[str], keyspace: str | None) -> list[str]:
    """Return the statements that can be prepared, qualified by a keyspace, without duplicates.

    Raises:
        ConfigurationError: A statement isn't a str, or the keyspace is invalid.
    """
    is_list = isinstance(statements, Iterable) and not isinstance(statements, (str, bytes))
    texts: list[Any] = list(statements) if is_list else [None]
    if not all(isinstance(text, str) for text in texts):
        message = f"statements: expected a list of str, got {type(statements).__name__}."
        raise ConfigurationError(message, hint="Give a list of str.", option="statements")
    options = None if keyspace is None else RequestOptions(keyspace=keyspace)
    kept = [text for text in texts if inspect_statement(text).kind not in UNPREPARED]
    return list(dict.fromkeys(stmt for stmt, _ in qualified_items([(text, ()) for text in kept], options)))
