"""A proxy in front of a node that reads the frames of the CQL native protocol, and applies faults to them.

Its event loop runs in a thread of the proxy; a test changes its attributes from any other thread.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from coodie.cql import unqualified, used_keyspace
from coodie.protocol.codec import Reader, encode_string_multimap
from coodie.protocol.error_codes import ErrorCode
from coodie.protocol.errors import BrokenFrameError
from coodie.protocol.frames import CUSTOM_PAYLOAD, TRACING, Opcode, RawFrame
from coodie.protocol.messages import statement_id, statement_text
from coodie.protocol.results import bare_message, prepared_id
from coodie_testing.faults.connection import PendingRequest, ProxiedConnection
from coodie_testing.faults.messages import example_error_body, without_timeout
from coodie_testing.faults.rules import RecordedRequest, Rule
from coodie_testing.listener import Listener

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Coroutine
    from ssl import SSLContext
    from types import TracebackType

    from coodie_testing.faults.direction import Direction
    from coodie_testing.faults.fault import Fault

__all__ = ["FaultProxy"]

_CHUNK = 65536
#: Seconds between two checks of whether forwarding has been resumed.
_POLL_INTERVAL = 0.005
#: Seconds to wait for a call in the proxy's loop.
_LOOP_TIMEOUT = 10.0
#: Seconds to wait, at the end, for connections to the node that are being opened.
_OPENING_TIMEOUT = 5.0
_STATEMENTS = (Opcode.QUERY, Opcode.PREPARE, Opcode.EXECUTE, Opcode.BATCH)


class FaultProxy:
    """Forward the frames of a node's clients, and apply faults.

    A context manager: it listens inside the ``with`` block. Supports protocol versions 4 and 5, without
    compression. A client whose first byte isn't a protocol version is disconnected, for example one that
    uses TLS with a proxy without TLS.

    Args:
        host: The node's address.
        port: The node's port.
        listen: The address and the port to listen on; port 0 for a free one. Or the path of a Unix socket,
            and port 0.
        max_protocol: The newest protocol version that the node seems to support, 4 or 5.
        ssl_context: A server-side context with a certificate, for TLS to the clients.
        node_ssl_context: A client-side context, for TLS to the node.

    Raises:
        OSError: When entered: the address isn't available.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        listen: tuple[str, int] = ("127.0.0.1", 0),
        max_protocol: int = 5,
        ssl_context: SSLContext | None = None,
        node_ssl_context: SSLContext | None = None,
    ) -> None:
        self._target = (host, port)
        self._max_protocol = max_protocol
        self._ssl_context = ssl_context
        self._node_ssl_context = node_ssl_context
        self._loop = asyncio.new_event_loop()
        self._connections: set[ProxiedConnection] = set()
        self._opening: set[asyncio.Future[Any]] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._started = threading.Event()
        self._failed: BaseException | None = None
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="fault-proxy")
        #: The listening address; with port 0, the port is known once it is entered.
        self.host, self.port = listen
        #: Edits the options of SUPPORTED for a connection; None for no change.
        self.edit_supported: Callable[[ProxiedConnection, dict[str, list[str]]], None] | None = None
        #: The CQL of prepared statements by id. Proxies of the same node may share a dict.
        self.statements: dict[bytes, str] = {}
        #: Drop the node's responses and events.
        self.mute = False
        #: Hold the node's responses and events back until this is False again.
        self.hold = False
        #: Seconds by which the node's responses and events are delayed.
        self.delay = 0.0
        #: Bytes per second to each client; None for no limit.
        self.bandwidth: float | None = None
        #: Close connections as soon as they are accepted.
        self.refusing = False
        #: Forward nothing in either direction, with open connections.
        self.partitioned = False
        #: The numbers of connections on which nothing is forwarded.
        self.black_holes: set[int] = set()
        #: Hold events back until ``release_events``.
        self.holding_events = False
        self._held_events: list[tuple[ProxiedConnection, RawFrame]] = []
        #: The rules; the first matching one is applied to a request.
        self.rules: list[Rule] = []
        #: All requests with a statement or a batch, in order; may be cleared at any time.
        self.requests: list[RecordedRequest] = []
        #: The number of accepted connections.
        self.accepted = 0
        #: The number of REGISTER requests.
        self.registered = 0

    def __enter__(self) -> FaultProxy:  # noqa: PYI034 - nothing derives from it
        self._thread.start()
        self._started.wait(_LOOP_TIMEOUT)
        if self._failed is not None:
            self._thread.join(_LOOP_TIMEOUT)
            raise self._failed
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_LOOP_TIMEOUT)

    def add(
        self,
        fault: Fault,
        *,
        opcodes: tuple[Opcode, ...] = (Opcode.QUERY, Opcode.EXECUTE, Opcode.BATCH),
        contains: str = "",
        times: int | None = 1,
        after: int = 0,
    ) -> Rule:
        """Append a rule, and return it; its ``hits`` count the requests that it was applied to.

        Args:
            fault: The fault.
            opcodes: The opcodes.
            contains: Part of the statement; ignored for batches.
            times: The number of requests; None for all.
            after: The number of matching requests that are forwarded before.
        """
        rule = Rule(fault, opcodes, contains, times, after)
        self.rules.append(rule)
        return rule

    def connections_of(self, statement: str) -> list[int]:
        """Return the connections of the requests with a statement, in order.

        Drivers also send requests of their own, for example after schema changes.

        Args:
            statement: The complete CQL.
        """
        return [one.connection for one in tuple(self.requests) if one.statement == statement]

    def count(self, contains: str, *opcodes: Opcode) -> int:
        """Count the requests that reached the node, by a part of their statement.

        Args:
            contains: Part of the statement.
            opcodes: The opcodes; default: QUERY and EXECUTE.
        """
        wanted = opcodes or (Opcode.QUERY, Opcode.EXECUTE)
        return sum(
            one.reached_node and one.opcode in wanted and contains in (one.statement or "")
            for one in tuple(self.requests)
        )

    @property
    def open_connections(self) -> set[int]:
        """The numbers of the connections that are open, counted from 0 in the order of ``accepted``."""
        return {connection.number for connection in tuple(self._connections)}

    def cut(self, client_ports: Container[int] | None = None, *, only_registered: bool = False) -> None:
        """Close all connections, or some; afterwards, they forward nothing.

        Must not be called in the proxy's thread: use ``ProxiedConnection.abort`` in a fault.

        Args:
            client_ports: The clients' local ports; None for all.
            only_registered: Only connections that have registered for events.

        Raises:
            TimeoutError: They weren't closed within ten seconds.
        """

        async def end() -> None:
            chosen = [
                connection
                for connection in self._connections
                if (client_ports is None or connection.client_port in client_ports)
                and (connection.registered or not only_registered)
            ]
            for connection in chosen:
                connection.abort()
            for connection in chosen:
                await connection.closed.wait()

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(_LOOP_TIMEOUT)

    def heal(self) -> None:
        """Stop all faults: remove rules, reset the attributes above, release events.

        Counts, records and ``edit_supported`` are kept.
        """
        self.rules.clear()
        self.black_holes.clear()
        self.mute = self.hold = self.refusing = self.partitioned = False
        self.delay, self.bandwidth = 0.0, None
        self.release_events()

    def release_events(self) -> None:
        """Forward events again, starting with those that were held back."""
        self.holding_events = False

        async def send() -> None:
            while self._held_events and not self.holding_events:
                connection, event = self._held_events.pop(0)
                with suppress(ConnectionError):  # this client has disconnected; others are waiting
                    await connection.send_response(event)

        self._loop.call_soon_threadsafe(lambda: self._later(send()))

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            listener = Listener(self._loop, (self.host, self.port), self._make_protocol, self._ssl_context)
        except OSError as exc:
            self._failed = exc
            self._loop.close()
            self._started.set()
            return
        self.port = listener.port
        self._started.set()
        self._loop.run_forever()
        self._is_closing = True
        self._loop.run_until_complete(listener.close())
        if opening := list(self._opening):
            # If one is cancelled at the end of its TLS handshake, asyncio waits for the node to close it.
            self._loop.run_until_complete(asyncio.wait(opening, timeout=_OPENING_TIMEOUT))
        # A task that is cancelled before its first turn closes nothing, and aborted transports close later.
        for _ in range(5):
            self._loop.run_until_complete(asyncio.sleep(0.01))
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    def _make_protocol(self) -> asyncio.Protocol:
        reader = asyncio.StreamReader(loop=self._loop)
        return asyncio.StreamReaderProtocol(reader, self._serve, loop=self._loop)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, self.accepted = self.accepted, self.accepted + 1
        try:
            if self.refusing or self._is_closing:
                return
            opening = asyncio.ensure_future(
                asyncio.open_connection(*self._target, ssl=self._node_ssl_context)
            )
            self._opening.add(opening)
            opening.add_done_callback(self._opening.discard)
            node_reader, node_writer = await opening
            connection = ProxiedConnection(number, writer, node_writer, lambda: self.bandwidth)
            self._connections.add(connection)
            try:
                await self._forward(connection, reader, node_reader)
            finally:
                self._connections.discard(connection)
                connection.abort()
                connection.closed.set()
        except (asyncio.CancelledError, OSError, BrokenFrameError):
            # The connection was closed by the proxy, the node or the client, or isn't the protocol's.
            return
        finally:
            writer.transport.abort()

    async def _forward(
        self, connection: ProxiedConnection, reader: asyncio.StreamReader, node_reader: asyncio.StreamReader
    ) -> None:
        """Forward both directions until one of them ends, or a fault closes the connection."""
        work = [
            asyncio.ensure_future(self._pump(reader, connection, connection.requests, self._request)),
            asyncio.ensure_future(self._pump(node_reader, connection, connection.responses, self._response)),
            asyncio.ensure_future(connection.aborted.wait()),
        ]
        try:
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in work:
                each.cancel()
            await asyncio.gather(*work, return_exceptions=True)
        for each in done:
            each.result()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        connection: ProxiedConnection,
        direction: Direction,
        handle: Callable[[ProxiedConnection, RawFrame], Coroutine[Any, Any, None]],
    ) -> None:
        is_response = direction is connection.responses
        while data := await reader.read(_CHUNK):
            if is_response and self.delay:
                await asyncio.sleep(self.delay)
            while self.partitioned or connection.number in self.black_holes or (is_response and self.hold):  # noqa: ASYNC110 - another thread changes these
                await asyncio.sleep(_POLL_INTERVAL)
            for frame in direction.frames.feed(data):
                await handle(connection, frame)

    async def _request(self, connection: ProxiedConnection, request: RawFrame) -> None:
        if request.protocol > self._max_protocol:
            await connection.send_response(self._too_new(request))
            return
        if request.opcode == Opcode.REGISTER:
            connection.registered = True
            self.registered += 1
        payload, bare = _without_payload(request)
        text = self._statement_of(connection, bare)
        fault = next((rule.fault for rule in self.rules if rule.matches(request.opcode, text)), None)
        reaches = fault is None or fault.reaches_node
        if request.opcode in _STATEMENTS:
            self.requests.append(
                RecordedRequest(
                    connection.number,
                    request.opcode,
                    text,
                    bare.body,
                    reaches,
                    connection.shard,
                    request.protocol,
                    bool(request.flags & TRACING),
                    payload,
                )
            )
        if fault is not None and not reaches:
            self._later(fault.respond(connection, request, None))
            return
        if self.edit_supported is not None and request.opcode == Opcode.QUERY:
            request = request._replace(body=without_timeout(request.body))
        respond = None if fault is None else partial(fault.respond, connection, request)
        await connection.send_request(PendingRequest(request, text, respond))

    def _too_new(self, request: RawFrame) -> RawFrame:
        """Respond like a node that is older than the client."""
        most = self._max_protocol
        said = f"Invalid or unsupported protocol version ({request.protocol}); the greatest is {most}"
        body = example_error_body(ErrorCode.PROTOCOL_ERROR, most, message=said)
        return request._replace(version=most).answer(Opcode.ERROR, body)

    def _statement_of(self, connection: ProxiedConnection, request: RawFrame) -> str | None:
        """Return the CQL, without the connection's keyspace, which drivers add to the names of tables."""
        if request.opcode == Opcode.PREPARE:
            text, keyspace = statement_text(request.body), connection.keyspace
            return text if keyspace is None else unqualified(text, keyspace)
        if request.opcode == Opcode.QUERY:
            text = statement_text(request.body)
            connection.keyspace = used_keyspace(text) or connection.keyspace
            return text
        if request.opcode == Opcode.EXECUTE:
            return self.statements.get(statement_id(request.body), "")
        return None

    async def _response(self, connection: ProxiedConnection, response: RawFrame) -> None:
        pending = connection.pending.pop(response.stream, None)
        if response.opcode == Opcode.SUPPORTED:
            response = self._edited(connection, response)
        if pending is not None:
            self._learn(pending, response)
        if self.mute:
            pass
        elif response.opcode == Opcode.EVENT and (self.holding_events or self._held_events):
            self._held_events.append((connection, response))
        elif pending is None or pending.respond is None:
            await connection.send_response(response)
        elif pending.starts_segments:  # the response to STARTUP is the last one outside of segments
            await pending.respond(response)
        else:
            self._later(pending.respond(response))
        if pending is not None and pending.starts_segments:
            connection.responses.use_segments()

    def _edited(self, connection: ProxiedConnection, supported: RawFrame) -> RawFrame:
        """Return SUPPORTED without compression, and edited by ``edit_supported``."""
        options = Reader(supported.body).read_string_multimap()
        options["COMPRESSION"] = []
        if self.edit_supported is not None:
            self.edit_supported(connection, options)
        return supported._replace(body=encode_string_multimap(options))

    def _learn(self, pending: PendingRequest, response: RawFrame) -> None:
        """Store the text of a prepared statement."""
        if pending.request.opcode != Opcode.PREPARE or response.opcode != Opcode.RESULT:
            return
        # A statement without its keyspace is prepared with a warning, which stands before the message.
        identity = prepared_id(bare_message(response.flags, response.body))
        if identity is not None and pending.statement is not None:
            self.statements[identity] = pending.statement

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a task concurrently with the rest of the connection."""

        async def guarded() -> None:
            with suppress(ConnectionError):  # the client has disconnected
                await work

        task = self._loop.create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())  # the task was cancelled before it began


def _without_payload(request: RawFrame) -> tuple[dict[str, bytes | None] | None, RawFrame]:
    """Return a request's custom payload, which precedes the message, and the request without it."""
    if not request.flags & CUSTOM_PAYLOAD:
        return None, request
    reader = Reader(request.body)
    payload = reader.read_bytes_map()
    return payload, request._replace(flags=request.flags & ~CUSTOM_PAYLOAD, body=reader.rest())
