"""The fault proxy between a socket and a node of a few lines: what it does to all responses, and TLS."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import threading
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from coodie.protocol.codec import encode_string_multimap
from coodie.protocol.frames import RESPONSE, FrameReader, RawFrame, encode_frame
from coodie.protocol.segments import Segments
from coodie_testing.faults import Delay, ErrorCode, FaultProxy, Opcode, ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Seconds within which what has to happen happens, on a busy machine.
_TIMEOUT = 10.0
#: Seconds that the client waits for what mustn't come.
_GLANCE = 0.2

#: RESULT: void.
_VOID = b"\x00\x00\x00\x01"
_ANSWERS = {
    Opcode.OPTIONS: (Opcode.SUPPORTED, encode_string_multimap({"COMPRESSION": ["lz4"]})),
    Opcode.STARTUP: (Opcode.READY, b""),
    Opcode.REGISTER: (Opcode.READY, b""),
    Opcode.QUERY: (Opcode.RESULT, _VOID),
}


class Node:
    """Answers requests, in their order, from a thread; with an event before the response to REGISTER."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._context = context
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._listen()))
        #: The requests that arrived, by their streams.
        self.streams: list[int] = []
        self.port = 0

    def __enter__(self) -> Node:  # noqa: PYI034 - nothing derives from it
        self._thread.start()
        assert self._started.wait(_TIMEOUT)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(_TIMEOUT)

    async def _listen(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._ended.wait()
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames, segments = FrameReader(0), None
        try:
            while data := await reader.read(65536):
                for request in frames.feed(data):
                    self.streams.append(request.stream)
                    opcode, body = _ANSWERS[Opcode(request.opcode)]
                    sent = encode_frame(request.answer(opcode, body))
                    if request.opcode == Opcode.REGISTER:
                        event = RawFrame(request.version | RESPONSE, 0, -1, Opcode.EVENT, b"")
                        sent = encode_frame(event) + sent
                    writer.write(sent if segments is None else segments.wrap([sent]))
                    if request.opcode == Opcode.STARTUP and request.protocol == 5:
                        segments = Segments()
                        frames.use_segments(Segments())
        except (asyncio.CancelledError, ConnectionError):
            return
        finally:
            writer.transport.abort()


class Client:
    """A socket that sends requests and reads responses."""

    def __init__(self, proxy: FaultProxy, version: int = 4, context: ssl.SSLContext | None = None) -> None:
        self.socket = socket.create_connection((proxy.host, proxy.port), timeout=_TIMEOUT)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_hostname=proxy.host)
        self._version = version
        self._frames = FrameReader(RESPONSE)
        self._segments: Segments | None = None

    def send(self, opcode: Opcode, stream: int = 0, body: bytes = b"") -> None:
        """Send a request."""
        data = encode_frame(RawFrame(self._version, 0, stream, opcode, body))
        self.socket.sendall(data if self._segments is None else self._segments.wrap([data]))

    def query(self, stream: int = 0) -> None:
        """Send a QUERY."""
        self.send(Opcode.QUERY, stream, b"\x00\x00\x00\x08SELECT 1\x00\x01\x00")

    def use_segments(self) -> None:
        """Go on as version 5 does behind the response to STARTUP."""
        self._segments = Segments()
        self._frames.use_segments(Segments())

    def receive(self, number: int = 1) -> list[RawFrame]:
        """Wait for responses."""
        found: list[RawFrame] = []
        while len(found) < number:
            data = self.socket.recv(65536)
            assert data, "the connection ended"
            found += self._frames.feed(data)
        return found

    def gets_nothing(self) -> bool:
        """Tell whether nothing comes for a moment."""
        self.socket.settimeout(_GLANCE)
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(_TIMEOUT)
        return False

    def is_closed(self) -> bool:
        """Wait until the connection ends; tell whether nothing came before."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True


@pytest.fixture
def node() -> Iterator[Node]:
    """Give a node."""
    with Node() as running:
        yield running


@pytest.fixture
def proxy(node: Node) -> Iterator[FaultProxy]:
    """Put a proxy in front of it."""
    with FaultProxy("127.0.0.1", node.port) as running:
        yield running


@pytest.fixture
def connect(proxy: FaultProxy) -> Iterator[Callable[..., Client]]:
    """Give what connects to the proxy; connections are closed in the end."""
    with ExitStack() as stack:

        def new(version: int = 4) -> Client:
            client = Client(proxy, version)
            stack.callback(client.socket.close)
            return client

        yield new


def _await(holds: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + _TIMEOUT
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


def test_mute_throws_responses_away(proxy: FaultProxy, node: Node, connect: Callable[..., Client]) -> None:
    """The node gets the requests, and the client no response to them, not even after heal()."""
    client = connect()
    proxy.mute = True
    client.query(1)
    client.send(Opcode.REGISTER, 2)
    assert client.gets_nothing()
    _await(lambda: node.streams == [1, 2], "the node got the requests")
    proxy.heal()
    client.query(3)
    assert [frame.stream for frame in client.receive()] == [3]


def test_hold_keeps_responses(proxy: FaultProxy, connect: Callable[..., Client]) -> None:
    """Responses come once it is False again, in their order, each once."""
    client = connect()
    proxy.hold = True
    for stream in range(5):
        client.query(stream)
    assert client.gets_nothing()
    proxy.hold = False
    assert [frame.stream for frame in client.receive(5)] == list(range(5))
    assert client.gets_nothing()


def test_delay_is_for_all_responses(proxy: FaultProxy, connect: Callable[..., Client]) -> None:
    """A response is that late at least."""
    client = connect()
    proxy.delay = 0.1
    for stream in range(3):
        started = time.monotonic()
        client.query(stream)
        client.receive()
        assert time.monotonic() - started >= 0.1


def test_heal_ends_every_fault(proxy: FaultProxy, connect: Callable[..., Client]) -> None:
    """Rules, attributes and events that were kept back; what was counted stays."""
    client = connect()
    rule = proxy.add(ServerError(code=ErrorCode.OVERLOADED), times=None)
    proxy.holding_events = True
    client.send(Opcode.REGISTER, 1)
    assert client.receive()[0].opcode == Opcode.READY
    client.query(2)
    assert client.receive()[0].opcode == Opcode.ERROR
    proxy.mute = proxy.hold = proxy.refusing = proxy.partitioned = True
    proxy.delay, proxy.bandwidth = 60.0, 1.0
    proxy.black_holes.add(0)
    proxy.heal()
    assert client.receive()[0].opcode == Opcode.EVENT
    client.query(3)
    assert client.receive()[0].body == _VOID
    another = connect()
    another.query()
    another.receive()
    assert (rule.hits, proxy.rules, proxy.registered) == (1, [], 1)


@pytest.mark.parametrize("stuck", ["hold", "partitioned", "delay"])
def test_cut_is_waited_for(stuck: str, proxy: FaultProxy, node: Node, connect: Callable[..., Client]) -> None:
    """When it returns, the connections are gone, and nothing that was on its way passes any more."""
    clients = [connect() for _ in range(3)]
    for client in clients:
        client.query()
        client.receive()
    assert proxy.open_connections == {0, 1, 2}
    setattr(proxy, stuck, 60.0 if stuck == "delay" else True)
    for client in clients:
        client.query(7)
    if stuck != "partitioned":
        _await(lambda: node.streams.count(7) == 3, "the node got the requests")
    proxy.cut()
    assert proxy.open_connections == set()
    proxy.heal()
    assert [client.is_closed() for client in clients] == [True] * 3


def test_cut_of_some(proxy: FaultProxy, connect: Callable[..., Client]) -> None:
    """By the client's port, or those that asked for events; others go on, and the numbers say which."""
    clients = [connect() for _ in range(3)]
    for client in clients:
        client.query()
        client.receive()
    clients[1].send(Opcode.REGISTER)
    clients[1].receive(2)
    proxy.cut(only_registered=True)
    assert proxy.open_connections == {0, 2}
    proxy.cut({clients[2].socket.getsockname()[1]})
    assert proxy.open_connections == {0}
    clients[0].query()
    clients[0].receive()


@pytest.mark.parametrize("data", [b"\x16", b"GET / HTTP/1.1", b"\x84", b"\x00", b"\x01"])
def test_what_is_not_the_protocol_is_disconnected(
    data: bytes, proxy: FaultProxy, connect: Callable[..., Client]
) -> None:
    """The first byte is enough: a TLS record's, a letter, a response's, no version's."""
    client = connect()
    client.socket.sendall(data)
    assert client.is_closed()
    _await(lambda: not proxy.open_connections, "it isn't open any more")


def test_a_client_with_tls_at_a_port_without(proxy: FaultProxy) -> None:
    """Its handshake fails at once."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with pytest.raises(OSError, match=r"EOF|reset|unexpected"):
        Client(proxy, context=context)


@contextmanager
def _with_tls() -> Iterator[tuple[ssl.SSLContext, ssl.SSLContext]]:
    """Give a server's context and a client's that trusts it."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    yield server, client


@pytest.mark.parametrize("to_node", [False, True])
@pytest.mark.parametrize("to_client", [False, True])
def test_tls_on_either_side(to_client: bool, to_node: bool) -> None:
    """Towards the client, the node, both or none; faults work the same."""
    with (
        _with_tls() as (server, client),
        Node(server if to_node else None) as node,
        FaultProxy(
            "127.0.0.1",
            node.port,
            ssl_context=server if to_client else None,
            node_ssl_context=client if to_node else None,
        ) as proxy,
    ):
        through = Client(proxy, context=client if to_client else None)
        with through.socket:
            through.query(1)
            assert through.receive()[0].body == _VOID
            proxy.add(ServerError(code=ErrorCode.OVERLOADED))
            through.query(2)
            assert through.receive()[0].opcode == Opcode.ERROR
            proxy.cut()
            assert through.is_closed()


def test_a_node_that_is_not_trusted(node: Node) -> None:
    """Where the node's TLS fails, the client is disconnected."""
    with _with_tls() as (_, client), FaultProxy("127.0.0.1", node.port, node_ssl_context=client) as proxy:
        through = Client(proxy)
        with through.socket:
            assert through.is_closed()
        assert proxy.open_connections == set()


def test_the_end_while_clients_connect() -> None:
    """Connections that are being opened on either side are closed, too; pytest fails on one that isn't."""
    with _with_tls() as (server, trusting), Node(server) as node:
        for _ in range(20):
            with FaultProxy("127.0.0.1", node.port, node_ssl_context=trusting) as proxy:
                clients = [socket.create_connection((proxy.host, proxy.port)) for _ in range(4)]
            for client in clients:
                client.close()
    gc.collect()


@pytest.mark.parametrize("version", [4, 5])
def test_rules_for_startup(version: int, connect: Callable[..., Client], proxy: FaultProxy) -> None:
    """A fault may apply to it, in place of the response or before it; what follows is read as ever."""
    proxy.add(ServerError(code=ErrorCode.OVERLOADED), opcodes=(Opcode.STARTUP,))
    refused = connect(version)
    refused.send(Opcode.STARTUP)
    assert refused.receive()[0].opcode == Opcode.ERROR
    rule = proxy.add(Delay(seconds=0.05), opcodes=(Opcode.STARTUP,))
    client = connect(version)
    client.send(Opcode.STARTUP)
    assert client.receive()[0].opcode == Opcode.READY
    if version == 5:
        client.use_segments()
    client.query(3)
    assert [frame.stream for frame in client.receive()] == [3]
    assert rule.hits == 1


def test_an_address_that_is_taken(proxy: FaultProxy) -> None:
    """Entering raises what listening raised."""
    with (
        pytest.raises(OSError, match="in use"),
        FaultProxy("127.0.0.1", 1, listen=(proxy.host, proxy.port)),
    ):
        pass
