"""A proxy of native-protocol frames in front of a node, with faults where a test wants them."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.faults.messages import example_error_body, without_timeout

from coodie.protocol.codec import Reader, encode_string_multimap
from coodie.protocol.frames import RESPONSE, FrameReader, Opcode, RawFrame, encode_frame
from coodie.protocol.messages import statement_id, statement_text
from coodie.protocol.results import prepared_id
from coodie.protocol.segments import Segments

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Coroutine
    from types import TracebackType

    from tests.faults.faults import Fault

__all__ = ["FaultProxy", "Link", "Rule", "Seen"]

_CHUNK = 65536
#: Seconds of a limited bandwidth that are sent at once.
_SLICE = 0.02
_STATEMENTS = (Opcode.QUERY, Opcode.PREPARE, Opcode.EXECUTE, Opcode.BATCH)


@dataclass
class Rule:
    """A fault, and the requests that it befalls.

    Args:
        fault: What happens to them.
        opcodes: The kinds of request.
        contains: Part of the statement; BATCH has none, and is taken whatever this is.
        times: How many requests; None for all.
        after: How many matching requests pass unharmed before.
    """

    fault: Fault
    opcodes: tuple[Opcode, ...] = (Opcode.QUERY, Opcode.EXECUTE, Opcode.BATCH)
    contains: str = ""
    times: int | None = 1
    after: int = 0
    #: How many requests it has befallen.
    hits: int = 0

    def takes(self, opcode: int, text: str | None) -> bool:
        """Tell whether it befalls this request, and count it."""
        if opcode not in self.opcodes or self.hits == self.times:
            return False
        if text is not None and self.contains not in text:
            return False
        if self.after:
            self.after -= 1
            return False
        self.hits += 1
        return True


@dataclass(frozen=True)
class Seen:
    """A request that came by.

    Args:
        connection: The connection's number, from 0.
        opcode: Its kind.
        text: The statement; None for BATCH.
        body: The frame's body.
        reached_node: Whether the node got it.
        shard: The shard where the connection seems to end.
    """

    connection: int
    opcode: int
    text: str | None
    body: bytes
    reached_node: bool
    shard: int | None = None


class Direction:
    """The frames that go one way over a connection.

    Args:
        bit: ``RESPONSE`` for the server's.
    """

    def __init__(self, bit: int) -> None:
        self.frames = FrameReader(bit)
        self._segments: Segments | None = None

    def use_segments(self) -> None:
        """Read and write segments from now on, without compression."""
        self._segments = Segments()
        self.frames.use_segments(self._segments)

    def encoded(self, frame: RawFrame) -> bytes:
        """Return a frame's bytes as they go over the connection now."""
        data = encode_frame(frame)
        return data if self._segments is None else self._segments.wrap([data])


@dataclass(eq=False)
class Link:
    """One client's connection, and its twin to the node."""

    proxy: FaultProxy
    number: int
    client: asyncio.StreamWriter
    node: asyncio.StreamWriter
    requests: Direction = field(default_factory=lambda: Direction(0))
    answers: Direction = field(default_factory=lambda: Direction(RESPONSE))
    #: Held while a frame is written to the client.
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    #: Stream → the request that waits there, its statement, and its fault.
    waiting: dict[int, tuple[RawFrame, str | None, Fault | None]] = field(default_factory=dict)
    #: The shard where it seems to end.
    shard: int | None = None
    #: The client asked for events.
    registered: bool = False

    @property
    def client_port(self) -> int:
        """The client's own port."""
        return int(self.client.get_extra_info("peername")[1])

    def encoded(self, answer: RawFrame) -> bytes:
        """Return an answer's bytes as they go over this connection now."""
        return self.answers.encoded(answer)

    async def write_client(self, data: bytes) -> None:
        """Write bytes to the client, as fast as the proxy's bandwidth is at each moment."""
        async with self.turn:
            sent = 0
            while sent < len(data):
                rate = self.proxy.bandwidth
                piece = data[sent:] if rate is None else data[sent : sent + max(1, int(rate * _SLICE))]
                self.client.write(piece)
                await self.client.drain()
                sent += len(piece)
                if rate is not None:
                    await asyncio.sleep(len(piece) / rate)

    async def to_client(self, answer: RawFrame) -> None:
        """Send an answer to the client."""
        await self.write_client(self.encoded(answer))

    async def to_node(self, request: RawFrame) -> None:
        """Send a request to the node."""
        self.node.write(self.requests.encoded(request))
        await self.node.drain()

    def abort(self) -> None:
        """End both sides at once."""
        for writer in (self.client, self.node):
            writer.transport.abort()


class FaultProxy:
    """Forward frames to a node, from a thread of its own; rules say where that goes wrong.

    Compression is never negotiated through it: it reads what comes by.

    Args:
        host: The node's address.
        port: The node's port.
        listen: The address to listen on.
        listen_port: The port to listen on; 0 for a free one.
        most_protocol: The newest protocol version that the node is to seem to speak.
        supported: Changes what the node says that it supports, for one of its connections.
        beside: Another proxy of the node, through which statements are prepared, too.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        listen: str = "127.0.0.1",
        listen_port: int = 0,
        most_protocol: int = 5,
        supported: Callable[[Link, dict[str, list[str]]], None] | None = None,
        beside: FaultProxy | None = None,
    ) -> None:
        self._target = (host, port)
        self._most_protocol = most_protocol
        self._supported = supported
        self._loop = asyncio.new_event_loop()
        self._links: set[Link] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._statements: dict[bytes, str] = {} if beside is None else beside._statements
        self._started = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="fault-proxy")
        self.host = listen
        self.port = listen_port
        #: Bytes per second to each client; None for all there is.
        self.bandwidth: float | None = None
        #: Connections are closed as soon as they are accepted.
        self.refusing = False
        #: Nothing passes in either direction, and connections stay open.
        self.partitioned = False
        #: The numbers of connections on which nothing passes, while all others work.
        self.black_holes: set[int] = set()
        #: Events wait here until they are let go.
        self.holding_events = False
        self._held: list[tuple[Link, RawFrame]] = []
        #: What befalls which request; the first that takes it is applied.
        self.rules: list[Rule] = []
        #: All requests with a statement that came by.
        self.seen: list[Seen] = []
        #: Connections accepted so far.
        self.accepted = 0
        #: How often a client has asked for events.
        self.registered = 0

    def __enter__(self) -> FaultProxy:  # noqa: PYI034 - nothing derives from it
        self._thread.start()
        self._started.wait(10)
        if self._failed is not None:
            raise self._failed
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def add(self, fault: Fault, **terms: Any) -> Rule:
        """Add a rule, and return it; its ``hits`` tell what it did."""
        rule = Rule(fault, **terms)
        self.rules.append(rule)
        return rule

    def connections_of(self, text: str) -> list[int]:
        """Return the connections on which requests with a statement came, in their order.

        Other requests pass, too: a driver reads the schema whenever somebody changes it.

        Args:
            text: The statement.
        """
        return [seen.connection for seen in tuple(self.seen) if seen.text == text]

    def sent(self, contains: str, *opcodes: Opcode) -> int:
        """Count the requests that the node got with this in their statement."""
        wanted = opcodes or (Opcode.QUERY, Opcode.EXECUTE)
        return sum(
            seen.reached_node and seen.opcode in wanted and contains in (seen.text or "")
            for seen in tuple(self.seen)
        )

    @property
    def open(self) -> int:
        """How many clients are connected."""
        return len(self._links)

    @property
    def open_numbers(self) -> set[int]:
        """The numbers of the connections that are open."""
        return {link.number for link in tuple(self._links)}

    def cut(self, client_ports: Container[int] | None = None, *, only_registered: bool = False) -> None:
        """End all connections, or those of these clients.

        Args:
            client_ports: The clients' own ports; None for all.
            only_registered: Those alone on which the client asked for events.
        """

        def abort() -> None:
            for link in tuple(self._links):
                wanted = client_ports is None or link.client_port in client_ports
                if wanted and (link.registered or not only_registered):
                    link.abort()

        self._loop.call_soon_threadsafe(abort)

    def release_events(self) -> None:
        """Let events go, those that wait first."""

        async def send() -> None:
            self.holding_events = False
            while self._held:
                link, event = self._held.pop(0)
                await link.to_client(event)

        self._loop.call_soon_threadsafe(lambda: self._later(send()))

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            server = self._loop.run_until_complete(asyncio.start_server(self._serve, self.host, self.port))
        except OSError as exc:
            self._failed = exc
            self._started.set()
            return
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        self._loop.run_forever()
        server.close()
        # A client may connect up to the last moment, and aborted transports close in the turns that follow.
        for _ in range(5):
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self._loop.run_until_complete(asyncio.sleep(0.01))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, self.accepted = self.accepted, self.accepted + 1
        link: Link | None = None
        try:
            if self.refusing:
                return
            node_reader, node_writer = await asyncio.open_connection(*self._target)
            link = Link(self, number, writer, node_writer)
            self._links.add(link)
            await asyncio.gather(
                self._pump(reader, link, link.requests, self._request),
                self._pump(node_reader, link, link.answers, self._answer),
            )
        except (asyncio.CancelledError, ConnectionError, OSError):
            # The end of the proxy, of the node or of the client.
            return
        finally:
            if link is not None:
                self._links.discard(link)
                link.abort()
            writer.transport.abort()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        link: Link,
        direction: Direction,
        handle: Callable[[Link, RawFrame], Coroutine[Any, Any, None]],
    ) -> None:
        while data := await reader.read(_CHUNK):
            while self.partitioned or link.number in self.black_holes:
                await asyncio.sleep(0.02)
            for frame in direction.frames.feed(data):
                await handle(link, frame)
        link.abort()

    async def _request(self, link: Link, request: RawFrame) -> None:
        if request.protocol > self._most_protocol:
            await link.to_client(self._too_new(request))
            return
        if request.opcode == Opcode.STARTUP and request.protocol >= 5:
            await link.to_node(request)
            link.requests.use_segments()
            link.waiting[request.stream] = (request, None, None)
            return
        if request.opcode == Opcode.REGISTER:
            link.registered = True
            self.registered += 1
        text = self._text(request)
        fault = next((rule.fault for rule in self.rules if rule.takes(request.opcode, text)), None)
        reaches = fault is None or fault.reaches_node
        if request.opcode in _STATEMENTS:
            self.seen.append(Seen(link.number, request.opcode, text, request.body, reaches, link.shard))
        if fault is not None and not reaches:
            self._later(fault.answer(link, request, None))
            return
        link.waiting[request.stream] = (request, text, fault)
        if self._supported is not None and request.opcode == Opcode.QUERY:
            request = request._replace(body=without_timeout(request.body))
        await link.to_node(request)

    def _too_new(self, request: RawFrame) -> RawFrame:
        """Answer as a node does that is older than the client."""
        most = self._most_protocol
        said = f"Invalid or unsupported protocol version ({request.protocol}); the greatest is {most}"
        body = example_error_body("protocol error", most, message=said)
        return request._replace(version=most).answer(Opcode.ERROR, body)

    def _text(self, request: RawFrame) -> str | None:
        if request.opcode in (Opcode.QUERY, Opcode.PREPARE):
            return statement_text(request.body)
        if request.opcode == Opcode.EXECUTE:
            return self._statements.get(statement_id(request.body), "")
        return None

    async def _answer(self, link: Link, answer: RawFrame) -> None:
        if answer.opcode == Opcode.EVENT and self.holding_events:
            self._held.append((link, answer))
            return
        request, text, fault = link.waiting.pop(answer.stream, (None, None, None))
        if answer.opcode == Opcode.SUPPORTED:
            options = Reader(answer.body).read_string_multimap()
            options["COMPRESSION"] = []
            if self._supported is not None:
                self._supported(link, options)
            answer = answer._replace(body=encode_string_multimap(options))
        elif answer.opcode == Opcode.RESULT and request is not None and request.opcode == Opcode.PREPARE:
            identity = prepared_id(answer.body)
            if identity is not None and text is not None:
                self._statements[identity] = text
        if fault is not None and request is not None:
            self._later(fault.answer(link, request, answer))
            return
        await link.to_client(answer)
        if request is not None and request.opcode == Opcode.STARTUP and request.protocol >= 5:
            link.answers.use_segments()

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        """Let a fault take its time beside the rest of the connection."""

        async def guarded() -> None:
            try:
                await work
            except ConnectionError:
                return  # the client has gone meanwhile

        task = self._loop.create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
