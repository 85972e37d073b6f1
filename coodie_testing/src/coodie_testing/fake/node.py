"""A node of a fake cluster: a state machine for each of its connections, without I/O.

A transport passes the clients' bytes to ``NodeConnection.receive``, sends what ``data_to_send`` returns, and
calls it again at ``next_deadline``: ``FakeCluster`` with sockets, a simulation without. ``Answers`` has the
responses to statements.
"""

from __future__ import annotations

import hashlib
import heapq
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from math import inf
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from coodie.cql import used_keyspace
from coodie.protocol.codec import Reader, encode_bytes, encode_string, encode_string_multimap
from coodie.protocol.error_codes import ErrorCode
from coodie.protocol.errors import BrokenFrameError, BrokenMessageError
from coodie.protocol.frames import Opcode, RawFrame
from coodie.protocol.messages import plain_token
from coodie_testing.fake.replies import Failed, Prepared, Reply, Spoken, keyspace_set
from coodie_testing.fake.requests import Query, read_prepare, read_query
from coodie_testing.fake.schema import Schema
from coodie_testing.fake.systemtables import SystemRead, read_of_system
from coodie_testing.faults.direction import Direction

__all__ = ["Answers", "FakeNode", "Login", "NodeConnection", "Nodes", "Statement", "password_login"]

#: The server's side of a login: takes all responses of the client so far, and returns the next challenge, or
#: None to accept; raises PermissionError to reject.
Login = Callable[[Sequence[bytes]], bytes | None]

_SEGMENTS_FROM = 5
_RELEASE = "5.0.2"
_PARTITIONER = "org.apache.cassandra.dht.Murmur3Partitioner"
_BEFORE_LOGIN = frozenset({Opcode.OPTIONS, Opcode.STARTUP, Opcode.AUTH_RESPONSE})
_AUTHENTICATOR = "org.apache.cassandra.auth.PasswordAuthenticator"


def _nothing() -> None:
    """Do nothing."""


class Statement(NamedTuple):
    """The text of a statement, and the keyspace of its unqualified names."""

    text: str
    keyspace: str | None


def password_login(username: str, password: str) -> Login:
    """Return the login with a user name and a password."""

    def login(tokens: Sequence[bytes]) -> None:
        if tokens[-1] != plain_token(username, password):
            raise PermissionError("Provided username or password is wrong")

    return login


class Answers(Protocol):
    """The responses to statements, system tables aside."""

    def prepare(self, statement: Statement, identity: bytes, node: FakeNode) -> Reply:
        """Return a ``Prepared``, or the error."""
        ...

    def execute(self, query: Query, statements: Sequence[Statement], node: FakeNode) -> Reply:
        """Return the response to a request, whose statements are passed separately."""
        ...


@dataclass
class Nodes:
    """The shared state of a cluster's nodes.

    Args:
        answers: The responses to statements.
        login: Checks the logins of clients; None for no authentication.
    """

    answers: Answers
    login: Login | None = None
    schema: Schema = field(default_factory=Schema)
    nodes: list[FakeNode] = field(default_factory=list)

    def add(self, address: str, port: int) -> FakeNode:
        """Add a node."""
        node = FakeNode(self, len(self.nodes), address, port)
        self.nodes.append(node)
        return node


class FakeNode:
    """A node.

    Args:
        cluster: The shared state.
        number: Its number in the cluster, from 0.
        address: Its address.
        port: Its port.
    """

    def __init__(self, cluster: Nodes, number: int, address: str, port: int) -> None:
        self.cluster = cluster
        self.number = number
        self.address = address
        self.port = port
        self.datacenter = "datacenter1"
        self.host_id = UUID(int=number + 1)
        self.token = -(2**63) + 1 + number * (2**64 // 64)
        #: The newest supported protocol version, 4 or 5.
        self.max_protocol = 5
        #: Whether other nodes list it as a peer.
        self.is_member = True
        #: The prepared statements by id.
        self.prepared: dict[bytes, Statement] = {}
        #: Its connections.
        self.connections: set[NodeConnection] = set()
        #: The response to OPTIONS.
        self.supported: dict[str, list[str]] = {
            "COMPRESSION": [],
            "CQL_VERSION": ["3.4.7"],
            "PROTOCOL_VERSIONS": ["4/v4", "5/v5"],
        }

    def connect(self) -> NodeConnection:
        """Return the node's side of a new connection."""
        connection = NodeConnection(self)
        self.connections.add(connection)
        return connection

    def tell(self, kind: str, body: bytes) -> None:
        """Send an event to the clients that have registered for it.

        Args:
            kind: STATUS_CHANGE, TOPOLOGY_CHANGE or SCHEMA_CHANGE.
            body: The body of the EVENT message.
        """
        for connection in tuple(self.connections):
            connection.tell(kind, body)

    # --- requests -----------------------------------------------------------------------

    def prepare(self, statement: Statement) -> Reply:
        """Prepare a statement, and store it."""
        identity = hashlib.md5(f"{statement.keyspace or ''}{statement.text}".encode()).digest()  # noqa: S324 - as Cassandra
        read = read_of_system(statement.text)
        if isinstance(read, SystemRead):
            reply: Reply = Prepared(identity, read.table, read.markers, (), read.columns)
        else:
            reply = read or self.cluster.answers.prepare(statement, identity, self)
        if isinstance(reply, Prepared):
            self.prepared[identity] = statement
        return reply

    def execute(self, query: Query, keyspace: str | None) -> Reply:
        """Execute a request.

        Args:
            query: The request.
            keyspace: The connection's keyspace.
        """
        statements = []
        for text, identity, _, _ in query.parts:
            known = self.prepared.get(identity) if identity is not None else None
            if identity is not None and known is None:
                what = f"Prepared query with ID {identity.hex()} not found"
                return Failed(ErrorCode.UNPREPARED, what, {"statement": identity})
            statements.append(known or Statement(text or "", query.keyspace or keyspace))
        if len(statements) == 1:
            read = read_of_system(statements[0].text)
            if isinstance(read, SystemRead):
                return read.answer(
                    self._system_rows(read.table), query.parts[0].values, bare=query.skips_metadata
                )
            if read is not None:
                return read
        return self.cluster.answers.execute(query, statements, self)

    def _system_rows(self, table: tuple[str, str]) -> list[dict[str, Any]]:
        keyspace, name = table
        if keyspace == "system_schema":
            return self.cluster.schema.rows(name)
        if keyspace != "system":
            return []
        if name == "local":
            return [self.about()]
        return [other.about() for other in self.cluster.nodes if other is not self and other.is_member]

    def about(self) -> dict[str, Any]:
        """Return its row of ``system.local`` and ``system.peers``."""
        address = ip_address(self.address)
        row = dict.fromkeys(
            ("peer", "broadcast_address", "listen_address", "rpc_address", "native_address", "preferred_ip"),
            address,
        )
        return row | {
            "key": "local",
            "bootstrapped": "COMPLETED",
            "cluster_name": "fake",
            "cql_version": "3.4.7",
            "data_center": self.datacenter,
            "rack": "rack1",
            "host_id": self.host_id,
            "native_protocol_version": str(self.max_protocol),
            "partitioner": _PARTITIONER,
            "release_version": _RELEASE,
            "schema_version": self.cluster.schema.version,
            "tokens": {str(self.token)},
            "rpc_port": self.port,
            "native_port": self.port,
            "peer_port": 7000 + self.number,
            "listen_port": 7000 + self.number,
            "broadcast_port": 7000 + self.number,
            "preferred_port": 7000 + self.number,
            "gossip_generation": 1,
        }


class NodeConnection:
    """A node's side of one connection.

    Args:
        node: The node.
    """

    def __init__(self, node: FakeNode) -> None:
        self.node = node
        self.keyspace: str | None = None
        #: Whether it is closed, or will be when all data is sent.
        self.is_closed = False
        self._is_draining = False
        self._direction = Direction(0)
        self._events: set[str] = set()
        self._version = 0
        # Frames by the time at which they are due.
        self._later: list[tuple[float, int, RawFrame | None]] = []
        self._order = itertools.count()
        self._out: list[bytes] = []
        self._logged_in = node.cluster.login is None
        self._tokens: list[bytes] = []
        #: The stream ids of unanswered requests, and those that the client has used twice at a time.
        self.streams: set[int] = set()
        self.reused_streams: list[int] = []
        #: Called when there is something to send, or the connection was closed, without received data.
        self.on_change: Callable[[], object] = _nothing

    def receive(self, data: bytes, now: float) -> None:
        """Process bytes from the client; no bytes mean that it has closed the connection.

        Args:
            data: The bytes.
            now: The time in seconds, on any clock.
        """
        if not data or self.is_closed:
            self.close()
            return
        try:
            for request in self._direction.frames.feed(data):
                self._request(request, now)
        except (BrokenFrameError, BrokenMessageError):
            self.close()

    def close(self) -> None:
        """Close the connection; afterwards, only what is due is sent."""
        if not self.is_closed:
            self.is_closed = True
            self._later.clear()
            self.node.connections.discard(self)
            self.on_change()

    def drain(self) -> None:
        """Close the connection after the response to its last request."""
        self._is_draining = True
        self.on_change()

    @property
    def next_deadline(self) -> float:
        """The time of the next bytes to send; infinity if there are none."""
        return self._later[0][0] if self._later else inf

    def data_to_send(self, now: float) -> bytes:
        """Return the bytes that are due."""
        while self._later and self._later[0][0] <= now:
            frame = heapq.heappop(self._later)[2]
            if frame is None:
                self.close()
            else:
                self._answer(frame)
        if self._is_draining and not self._later:
            self.close()
        data = b"".join(self._out)
        self._out.clear()
        return data

    def tell(self, kind: str, body: bytes) -> None:
        """Send an event, if the client has registered for it."""
        if kind in self._events:
            event = RawFrame(self._version | 0x80, 0, -1, Opcode.EVENT, body)
            self._out.append(self._direction.encoded(event))
            self.on_change()

    def _request(self, request: RawFrame, now: float) -> None:
        if request.protocol > self.node.max_protocol:
            self._too_new(request)
            return
        self._version = request.protocol
        if request.stream in self.streams:
            self.reused_streams.append(request.stream)
        self.streams.add(request.stream)
        reply = self._reply(request)
        if reply.silent:
            return
        frame = None if reply.closes else reply.frame(request)
        if frame is not None and not reply.delay:
            self._answer(frame)
        else:
            heapq.heappush(self._later, (now + reply.delay, next(self._order), frame))
        if request.opcode == Opcode.STARTUP and request.protocol >= _SEGMENTS_FROM:
            self._direction.use_segments()

    def _answer(self, frame: RawFrame) -> None:
        self.streams.discard(frame.stream)
        self._out.append(self._direction.encoded(frame))

    def _too_new(self, request: RawFrame) -> None:
        most = self.node.max_protocol
        said = f"Invalid or unsupported protocol version ({request.protocol}); the greatest is {most}"
        answer = request._replace(version=most).answer(
            Opcode.ERROR, Failed(ErrorCode.PROTOCOL_ERROR, said).body(most)
        )
        self._out.append(self._direction.encoded(answer))

    def _reply(self, request: RawFrame) -> Reply:
        opcode = request.opcode
        if not self._logged_in and opcode not in _BEFORE_LOGIN:
            return Failed(ErrorCode.PROTOCOL_ERROR, "Unexpected message before the login")
        if opcode in {Opcode.QUERY, Opcode.EXECUTE, Opcode.BATCH}:
            return self._execute(read_query(opcode, request.body, request.protocol))
        if opcode == Opcode.PREPARE:
            text, keyspace = read_prepare(request.body, request.protocol)
            return self.node.prepare(Statement(text, keyspace or self.keyspace))
        return self._handshake(opcode, Reader(request.body))

    def _handshake(self, opcode: int, body: Reader) -> Reply:
        """Answer messages of the handshake."""
        if opcode == Opcode.OPTIONS:
            return Spoken(Opcode.SUPPORTED, encode_string_multimap(self.node.supported))
        if opcode == Opcode.STARTUP and not self._logged_in:
            return Spoken(Opcode.AUTHENTICATE, encode_string(_AUTHENTICATOR))
        if opcode == Opcode.AUTH_RESPONSE:
            return self._login(body.read_bytes() or b"")
        if opcode == Opcode.REGISTER:
            self._events.update(body.read_string_list())
        elif opcode != Opcode.STARTUP:
            return Failed(ErrorCode.PROTOCOL_ERROR, f"opcode {opcode} isn't a client's")
        return Spoken(Opcode.READY)

    def _login(self, token: bytes) -> Reply:
        login = self.node.cluster.login
        self._tokens.append(token)
        try:
            challenge = None if login is None else login(self._tokens)
        except PermissionError as exc:
            return Failed(ErrorCode.BAD_CREDENTIALS, str(exc))
        if challenge is not None:
            return Spoken(Opcode.AUTH_CHALLENGE, encode_bytes(challenge))
        self._logged_in = True
        return Spoken(Opcode.AUTH_SUCCESS, b"\xff\xff\xff\xff")

    def _execute(self, query: Query) -> Reply:
        keyspace = used_keyspace(query.parts[0].text or "") if len(query.parts) == 1 else None
        if keyspace is not None:
            self.keyspace = keyspace
            return keyspace_set(keyspace)
        return self.node.execute(query, self.keyspace)
