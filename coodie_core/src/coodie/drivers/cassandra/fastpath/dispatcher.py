"""The fast path of one driver: build requests, choose nodes and connections, and send."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from time import time
from typing import TYPE_CHECKING, Any
from weakref import ref

from cassandra.cluster import EXEC_PROFILE_DEFAULT
from cassandra.policies import HostStateListener, NoSpeculativeExecutionPolicy
from cassandra.timestamps import MonotonicTimestampGenerator

from coodie.consistency import CONSISTENCY_LEVELS
from coodie.cql import Kind
from coodie.drivers.cassandra._retries import SafeRetryPolicy
from coodie.drivers.cassandra._server_errors import on_servers
from coodie.drivers.cassandra.fastpath.accelerated import template_gate
from coodie.drivers.cassandra.fastpath.driver_internals import (
    are_ours,
    decode,
    in_legacy_mode,
    request_listeners,
    state_reader,
    unsupported_reason,
    user_types,
)
from coodie.drivers.cassandra.fastpath.pool import AsyncPool, SyncPool
from coodie.drivers.cassandra.fastpath.request import ExecuteRequest, FastRequest, PendingResponse
from coodie.drivers.cassandra.fastpath.routing import Router
from coodie.drivers.cassandra.fastpath.shards import Shards
from coodie.drivers.cassandra.fastpath.statement import ExecuteOptions, FastStatement, routing_statement
from coodie.drivers.cassandra.fastpath.template import BoundTemplate, is_complete, keep_template
from coodie.observers.request import UNOBSERVED
from coodie.protocol.error_codes import Write
from coodie.protocol.frames import BATCH
from coodie.protocol.messages import BATCH_LIMIT, batch_body

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Hashable, Iterator, Sequence

    from cassandra.cluster import Session
    from cassandra.pool import Host

    from coodie.drivers._lifecycle import Lifecycle
    from coodie.drivers.cassandra._instrumentation import Instrumentation
    from coodie.drivers.cassandra._nodes import NodeWatch
    from coodie.drivers.cassandra._prepared import SessionStatement
    from coodie.drivers.cassandra._session import ExecutionSettings
    from coodie.drivers.cassandra.fastpath.request import Exchange
    from coodie.drivers.cassandra.fastpath.routing import Route
    from coodie.drivers.cassandra.fastpath.template import RequestTemplate, TemplatedRequest
    from coodie.drivers.cassandra.values.codecs import ValueOptions
    from coodie.drivers.client.client import ClientRequest
    from coodie.protocol.connection import Connection, Response
    from coodie.protocol.frames import Frame

__all__ = ["FastPath"]

log = logging.getLogger("coodie.drivers.cassandra.fastpath")


class FastPath:
    """Send common requests on connections of our own, beside the driver's.

    Args:
        session: The backend's session.
        lifecycle: The driver's lifecycle.
        nodes: Counts errors by node.
        instrumentation: The wrappers of the session's methods.
        values: The driver's options for values.
    """

    def __init__(
        self,
        session: Session,
        lifecycle: Lifecycle,
        nodes: NodeWatch,
        instrumentation: Instrumentation,
        values: ValueOptions,
    ) -> None:
        self._session = session
        self._cluster = session.cluster
        self._lifecycle = lifecycle
        self._nodes = nodes
        self._values = values
        self._version = self._cluster.protocol_version
        self._router = Router(session)
        self._shards = Shards(session)
        self._instrumentation = instrumentation
        self._listeners = request_listeners(session)
        self.session_state = state_reader(session)
        # The listeners when none was a user's.
        self._own_listeners: list[Any] = []
        self._loops: dict[ref[asyncio.AbstractEventLoop], AsyncPool] = {}
        self._threads: dict[Any, SyncPool] = {}
        self._adding = threading.Lock()
        self.running_loop: Callable[[], asyncio.AbstractEventLoop] = self._find_running_loop
        #: Sends a request by a template of the current tick; None without the accelerator.
        self.send_through_gate = template_gate(self, self._loops)
        #: Why the fast path is off; None while it is on.
        self.disabled_reason: str | None = None
        self._listener = _Listener(self)
        reason = unsupported_reason(session)
        self._listening = reason is None
        if reason is None:
            self._cluster.register_listener(self._listener)
        else:
            self.disable(reason)

    def disable(self, reason: str) -> None:
        """Turn the fast path off: the driver sends all later requests."""
        if self.disabled_reason is None:
            self.disabled_reason = reason
            self.drop_templates()
            log.info("The fast path is off, so the driver's session sends all requests: %s.", reason)

    def drain(self) -> None:
        """Accept no new requests, since the driver is being closed; those in flight continue."""
        self.disabled_reason = self.disabled_reason or "the driver is being closed"
        self.drop_templates()

    @property
    def reason_to_decline(self) -> str | None:
        """Why requests don't use the fast path now; None if they do."""
        return self.disabled_reason or self._instrumentation.wants_requests()

    @property
    def in_flight(self) -> int:
        """The number of requests on event loops without a response, abandoned ones included."""
        return sum([pool.in_flight for pool in list(self._loops.values())])

    def connections(self) -> dict[Any, list[Connection[Any]]]:
        """Return the open connections by endpoint, for ``driver.stats()``; from any thread."""
        found: defaultdict[Any, list[Connection[Any]]] = defaultdict(list)
        for pool in list(self._loops.values()):
            for endpoint, connection in pool.connections():
                found[endpoint].append(connection)
        for endpoint, host_pool in list(self._threads.items()):
            found[endpoint] += host_pool.connections()
        return found

    # --- building requests --------------------------------------------------------------

    def build_request(self, request: ClientRequest, settings: ExecutionSettings) -> FastRequest | None:
        """Return a request for a prepared statement; None if the session has to send it.

        Args:
            request: The client's request.
            settings: The execution settings.
        """
        entry, values = request.prepared, request.values
        statement = entry.compiled or self.compiled(entry)
        level, shape = request.asked.consistency, request.rows
        key = level if shape is None else (level, shape)
        is_first = _fits_a_template(request) and not is_complete(statement, key, request.asked.timeout)
        state = self.session_state() if is_first else ()
        profile = self._profile(settings)
        if profile is None:
            return None
        if values.encoded is None:
            try:
                values.encoded = statement.encode(values.given)
            except Exception:  # noqa: BLE001 - the session's path reports the error
                return None
        level = request.consistency
        options = ExecuteOptions(
            profile.consistency_level if level is None else CONSISTENCY_LEVELS[level],
            _serial(profile, settings),
            # A read has no timestamp.
            None if settings.kind is Kind.READ else self._timestamp(settings),
            request.page_size,
        )
        policy, start = profile.load_balancing_policy, request.paging_state
        exchange = ExecuteRequest(self, settings, policy, statement, values.encoded, options, start)
        if shape is not None:
            exchange.results = statement.results_in(shape)
        if is_first:
            keep_template(self, exchange, key, state, has_timeout=request.asked.timeout is not None)
        return exchange

    def build_batch(
        self,
        kind: int,
        parts: Sequence[tuple[SessionStatement, Any]],
        settings: ExecutionSettings,
        level: str | None,
    ) -> FastRequest | None:
        """Return a request for a batch of prepared statements; None if the session has to send it.

        Args:
            kind: The batch type's code.
            parts: The statements, each with its parameters.
            settings: The execution settings.
            level: The consistency level; None for the session's.
        """
        profile = self._profile(settings)
        if profile is None or not 0 < len(parts) <= BATCH_LIMIT:
            return None
        statements = [entry.compiled or self.compiled(entry) for entry, _ in parts]
        try:
            values = [
                statement.encode(params) for statement, (_, params) in zip(statements, parts, strict=True)
            ]
        except Exception:  # noqa: BLE001 - the session's path reports the error
            return None
        code = profile.consistency_level if level is None else CONSISTENCY_LEVELS[level]
        written = [statement.batch_part_of(data) for statement, data in zip(statements, values, strict=True)]
        body = batch_body(
            kind, written, code, _serial(profile, settings), self._timestamp(settings), self._version
        )
        policy = profile.load_balancing_policy
        leader = routing_statement(statements)
        return FastRequest(self, BATCH, body, settings, policy, statements[leader], values[leader], code)

    def _profile(self, settings: ExecutionSettings) -> Any:
        """Return the session's execution profile; None if the session has to send the request."""
        options = settings.options
        if self.disabled_reason is not None or in_legacy_mode(self._cluster):
            return None
        if self._listeners != self._own_listeners and self._has_listeners():
            return None
        if self._instrumentation.wants_requests() is not None:
            return None
        if options is not None and (
            options.trace
            or options.node is not None
            or options.custom_payload
            or options.retry_policy is not None
            or options.speculative_execution_policy is not None
        ):
            return None
        profile: Any = self._session.get_execution_profile(EXEC_PROFILE_DEFAULT)
        speculation = profile.speculative_execution_policy
        if settings.repeatable and speculation.__class__ is not NoSpeculativeExecutionPolicy and speculation:
            return None
        return profile

    def _has_listeners(self) -> bool:
        """Return whether a user's listener observes the driver's requests."""
        listeners = list(self._listeners)
        if not are_ours(listeners):
            return True
        self._own_listeners = listeners
        return False

    def _timestamp(self, settings: ExecutionSettings) -> int | None:
        """Return the request's write timestamp, or the session's generator's; None if the server sets it."""
        if settings.options is not None and settings.options.timestamp is not None:
            return settings.options.timestamp
        return self.timestamps() if self._session.use_client_timestamp else None

    def compiled(self, entry: SessionStatement) -> FastStatement:
        """Compile a prepared statement, and keep the result on it."""
        if entry.compiled is not None:
            known: FastStatement = entry.compiled
            return known
        types = user_types(self._cluster)
        made = FastStatement(entry, self._version, types, self._values)
        entry.compiled = made
        return made

    def check_open(self, settings: ExecutionSettings) -> None:
        """Raise if the driver has been closed, for a request whose connection was lost.

        Raises:
            DriverClosedError: The driver has been closed.
        """
        if self._lifecycle.closed:
            raise self._lifecycle.cut_off(writes=settings.write is not Write.NONE)

    def retry_policy(self, settings: ExecutionSettings) -> SafeRetryPolicy:
        """Return the policy that decides whether a failed request is retried."""
        profile: Any = self._session.get_execution_profile(EXEC_PROFILE_DEFAULT)
        write = on_servers(self._cluster, settings.write)
        return SafeRetryPolicy(profile.retry_policy, repeatable=settings.repeatable, write=write)

    def count_error(self, host: Host | None) -> None:
        """Count an error response, a lost connection or a timeout."""
        self._nodes.failed(host)

    def decoded(self, response: bytes | Frame, exchange: Exchange) -> Any:
        """Return the driver's message object for a response, and learn tablets from its payload."""
        message = decode(self._session, self._version, response, self._shards.features(exchange.host))
        payload = getattr(message, "custom_payload", None)
        if payload:
            self._shards.learn(exchange.route(), payload)
        return message

    # --- sending ------------------------------------------------------------------------

    def send(self, exchange: Exchange) -> PendingResponse | None:
        """Send from the calling thread; return None if no connection is available yet."""
        exchange.host, shard = self.find_node(exchange.policy, exchange.route)
        if exchange.host is None:
            return None
        pool = self.sync_pool(exchange.host)
        connection = pool.acquire(shard)
        if connection is None:
            return None
        failed = connection.send(exchange.opcode, exchange.body, exchange.timeout)
        return PendingResponse(connection, pool, failed)

    def sync_pool(self, host: Host) -> SyncPool:
        """Return the threads' connection pool of a node."""
        return self._threads.get(host.endpoint) or self._new_sync_pool(host)

    def async_pool(self) -> AsyncPool:
        """Return the connection pool of the running event loop."""
        loop = self.running_loop()
        return self._loops.get(ref(loop)) or self._new_async_pool(loop)

    def shard_numbers(self, host: Host) -> Sequence[int | None]:
        """Return the numbers of a node's shards; one None if it has none."""
        return self._shards.numbers(host)

    def send_async(self, exchange: Exchange) -> asyncio.Future[Response] | None:
        """Send from the running event loop; return None if it has no connection yet."""
        pool = self.async_pool()
        exchange.host, shard = self.find_node(exchange.policy, exchange.route)
        connection = None if exchange.host is None else pool.connection(exchange.host, shard)
        if connection is None:
            return None
        return connection.send(exchange.opcode, exchange.body, exchange.timeout)

    # --- templates ----------------------------------------------------------------------

    def send_bound(self, key: Hashable, params: Any) -> TemplatedRequest | Awaitable[Any] | None:
        """Send a request by a template of the current event-loop tick, by its key; None if there is none.

        With the accelerator, return an awaitable of all rows, or of an unusual response.
        """
        try:
            bound = self._loops[ref(self.running_loop())].templates.get(key)
        except (KeyError, RuntimeError):
            return None  # the first request on this loop, or a fork
        return None if bound is None else bound.send(params)

    def send_first(
        self, key: Hashable, template: RequestTemplate, params: Any, timeout: float | None
    ) -> TemplatedRequest | Awaitable[Any] | None:
        """Send the first request by a template in the current event-loop tick, as ``send_bound``.

        Args:
            key: The template's key.
            template: The template.
            params: The parameters.
            timeout: The timeout in seconds; None for the default.
        """
        pool, seconds = self._loops.get(ref(self.running_loop())), template.seconds(timeout)
        if pool is None or seconds is None:
            return None
        bound = BoundTemplate(template, pool, seconds)
        sender = bound if bound.compiled is None else bound.compiled
        sent: TemplatedRequest | Awaitable[Any] | None = sender.send(params)
        # The tick's templates are dropped when its requests are flushed.
        if sent is not None and bound.connection is not None and bound.connection.has_unsent_requests:
            pool.templates[key] = sender
        return sent

    def timestamps(self) -> int:
        """Return a write timestamp of the session's generator."""
        generator = self._cluster.timestamp_generator
        if generator.__class__ is MonotonicTimestampGenerator:
            # What it does while the clock moves on, inlined.
            with generator.lock:
                now = int(time() * 1e6)
                if now > generator.last:
                    generator.last = now
                    return now
        stamp: int = generator()
        return stamp

    def find_node(
        self, policy: Any, make_route: Callable[..., Route], *arguments: Any
    ) -> tuple[Host | None, int | None]:
        """Return the node and the shard that a request is routed to; None for each if there is none.

        Args:
            policy: The load-balancing policy.
            make_route: Returns the request's routing information; called only if it is needed.
            *arguments: Its arguments.
        """
        only = self._router.only_host(policy)
        if only is not None and not self._shards.known:
            return only, None
        route = make_route(*arguments)
        host = only or self._router.first_host(policy, route)
        return host, None if host is None or not self._shards.known else self._shards.of(host, route)

    def only_node(self, policy: Any) -> Host | None:
        """Return the node of a cluster that has no other, and no shards; None for other clusters."""
        return None if self._shards.known else self._router.only_host(policy)

    def drop_templates(self) -> None:
        """Drop the templates of the current tick on all event loops; from any thread."""
        for pool in list(self._loops.values()):
            pool.templates.clear()

    def _hosts(self, policy: Any, route: Route) -> Iterator[Host]:
        hosts = self._router.hosts(policy, route)
        return (host for host in hosts if host.is_up)

    def has_others(self, exchange: Exchange, excluded: Host) -> bool:
        """Return whether the policy has another node that is up."""
        return any(host != excluded for host in self._hosts(exchange.policy, exchange.route()))

    def _find_running_loop(self) -> asyncio.AbstractEventLoop:
        from asyncio import get_running_loop  # sync programs don't pay for the import

        self.running_loop = get_running_loop
        return get_running_loop()

    def _new_async_pool(self, loop: asyncio.AbstractEventLoop) -> AsyncPool:
        with self._adding:
            for known, other in list(self._loops.items()):
                if other.is_over:
                    self._loops.pop(known).close()
                else:
                    other.rest()
            pool = AsyncPool(loop, self._cluster, self._shards, self.disable, self._nodes.events)
            if self._lifecycle.closed:
                pool.close()
            self._loops[ref(loop)] = pool
            return pool

    def _new_sync_pool(self, host: Host) -> SyncPool:
        with self._adding:
            pool = self._threads.get(host.endpoint)
            if pool is None:
                pool = SyncPool(self._cluster, self._shards, host, self.disable, self._nodes.events)
                self._threads[host.endpoint] = pool
                if self._lifecycle.closed:
                    pool.close()
            return pool

    # --- changes ------------------------------------------------------------------------

    def host_changed(self, host: Host, *, is_up: bool) -> None:
        """Handle a node that went up or down; do nothing in a fork, whose connections are the parent's."""
        if self._lifecycle.forked:
            return
        self._router.forget()
        self._shards.forget(host)
        self.drop_templates()
        for pool in list(self._loops.values()):
            pool.host_changed(host, is_up=is_up)
        threads = self._threads.get(host.endpoint)
        if threads is not None:
            threads.host_changed(is_up=is_up)

    def close(self) -> None:
        """Close all connections; requests in flight fail. Called when the driver is closed."""
        self.drop_templates()
        if self._listening:
            self._cluster.unregister_listener(self._listener)
        with self._adding:
            loops, threads = list(self._loops.values()), list(self._threads.values())
        self._shards.close()
        for pool in loops:
            pool.close()
        for host_pool in threads:
            host_pool.close()


def _fits_a_template(request: ClientRequest) -> bool:
    """Return whether a request is for all rows, has no options, and isn't observed."""
    _, _, _, _, fetch_size, paging_state, options, _ = request.asked
    is_plain = fetch_size is None and paging_state is None and options is None
    return is_plain and request.paging_state is None and request.observed is UNOBSERVED


def _serial(profile: Any, settings: ExecutionSettings) -> int | None:
    """Return the code of the serial consistency level: the request's, or else the session's."""
    if settings.options is not None and settings.options.serial_consistency is not None:
        return CONSISTENCY_LEVELS[settings.options.serial_consistency]
    code: int | None = profile.serial_consistency_level
    return code


class _Listener(HostStateListener):  # type: ignore[misc]  # the drivers have no types
    """Notify the fast path of node changes."""

    def __init__(self, path: FastPath) -> None:
        self._path = path

    def on_up(self, host: Host) -> None:
        self._path.host_changed(host, is_up=True)

    def on_down(self, host: Host) -> None:
        self._path.host_changed(host, is_up=False)

    def on_add(self, host: Host) -> None:
        self._path.host_changed(host, is_up=True)

    def on_remove(self, host: Host) -> None:
        self._path.host_changed(host, is_up=False)
