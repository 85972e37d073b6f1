"""FakeCluster: in-memory nodes that listen on local ports, for unit tests without a server."""

from __future__ import annotations

import asyncio
import threading
from math import inf
from typing import TYPE_CHECKING, Any

from coodie.observers.events import RequestFinished
from coodie.observers.hub import current_observers
from coodie.observers.recorder import Recorder
from coodie_testing.fake.cqltypes import parse_type
from coodie_testing.fake.node import Nodes, password_login
from coodie_testing.fake.replies import SchemaChanged, status_event
from coodie_testing.fake.schema import Table
from coodie_testing.fake.script import ANY, FakeRequest, Script, Stub
from coodie_testing.listener import Listener

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from coodie.observers.hub import Observers
    from coodie_testing.fake.node import FakeNode, Login, NodeConnection

__all__ = ["FakeCluster"]

_ADDRESS = "127.0.0.1"
#: Seconds to wait for a call in the loop's thread.
_LOOP_TIMEOUT = 10.0


class FakeCluster:
    """A server of the native protocol in this process, without a CQL engine: tests script the responses.

    A context manager: its nodes listen inside the ``with`` block, or from ``start`` to ``close``, on free
    ports of 127.0.0.1. Supports protocol versions 4 and 5, without TLS and compression. A statement without a
    script raises an ``InvalidQueryError``.

    Args:
        nodes: The number of nodes.
        username: The user that clients have to log in as; None for no login.
        password: The user's password.
        login: The server's side of another login, a function. It gets a list of all responses that the client
            has sent on the connection, and returns the next challenge, or None to accept; it raises a
            PermissionError to reject.
        max_protocol: The newest supported protocol version, 4 or 5.

    Raises:
        ValueError: ``nodes`` is less than 1, ``max_protocol`` isn't 4 or 5, or ``username`` and ``login`` are
            both given.
        OSError: When entered: no port is available.
    """

    def __init__(
        self,
        nodes: int = 1,
        *,
        username: str | None = None,
        password: str = "",
        login: Login | None = None,
        max_protocol: int = 5,
    ) -> None:
        if nodes < 1:
            raise ValueError(f"nodes: expected 1 or more, got {nodes}.")
        if max_protocol not in {4, 5}:
            raise ValueError(f"max_protocol: expected 4 or 5, got {max_protocol}.")
        if username is not None and login is not None:
            raise ValueError("username and login exclude each other: login decides who may log in.")
        self._script = Script()
        self._credentials = {} if username is None else {"username": username, "password": password}
        if username is not None:
            login = password_login(username, password)
        self._nodes = self._script.cluster = Nodes(self._script, login)
        for _ in range(nodes):
            self._nodes.add(_ADDRESS, 0).max_protocol = max_protocol
        self._listeners: dict[int, Listener] = {}
        self._recorder = Recorder()
        self._observers: Observers
        #: Of the running cluster; None before ``start`` and after ``close``.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread

    def start(self) -> FakeCluster:
        """Start listening, and return the cluster; without ``with``, call ``close`` at the end.

        Raises:
            RuntimeError: The cluster is running.
            OSError: No port is available.
        """
        if self._loop is not None:
            raise RuntimeError("The FakeCluster is running already. Close it first, or create another one.")
        self._loop = asyncio.SelectorEventLoop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fake-cluster", daemon=True)
        self._thread.start()
        try:
            self._call(self._listen)
        except BaseException:
            self._stop()
            raise
        self._observers = current_observers()
        self._observers.add(self._recorder)
        return self

    def close(self) -> None:
        """Close all connections, and stop listening; can be called twice, and ``start`` again afterwards."""
        if self._loop is not None:
            self._observers.remove(self._recorder)
            self._stop()

    def __enter__(self) -> FakeCluster:  # noqa: PYI034 - nothing derives from it
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- its address --------------------------------------------------------------------

    @property
    def hosts(self) -> list[str]:
        """The contact points to connect to."""
        return [_ADDRESS]

    @property
    def port(self) -> int:
        """The port of the first node; drivers discover the others.

        Raises:
            RuntimeError: The cluster isn't running.
        """
        self._running()
        return self._nodes.nodes[0].port

    def connection_options(self) -> dict[str, Any]:
        """Return the options of ``init_coodie`` for connecting to the cluster.

        Raises:
            RuntimeError: The cluster isn't running.
        """
        return {"hosts": self.hosts, "port": self.port, **self._credentials}

    # --- scripts and requests -----------------------------------------------------------

    def table(
        self,
        name: str,
        columns: Mapping[str, str],
        *,
        partition_key: Sequence[str] | None = None,
        clustering_key: Sequence[str] = (),
    ) -> None:
        """Add a table to the schema that drivers read; ``when`` uses its types.

        Args:
            name: The keyspace and the table: ``shop.orders``.
            columns: The CQL type of each column.
            partition_key: The columns of the partition key; default: the first column.
            clustering_key: The clustering columns.

        Raises:
            ValueError: A type is unknown, a key column is missing, or the name has no keyspace.
        """
        keyspace, dot, table = name.partition(".")
        if not dot:
            raise ValueError(f"{name!r} has no keyspace. Write keyspace.table.")
        before = self._nodes.schema.find(keyspace, table)
        types = {column: parse_type(text) for column, text in columns.items()}
        key = tuple(partition_key or list(columns)[:1])
        version = 0 if before is None else before.version + 1
        made = Table(keyspace, table, types, key, tuple(clustering_key), version)
        change = SchemaChanged("CREATED" if before is None else "UPDATED", "TABLE", keyspace, table)

        def put() -> None:
            self._nodes.schema.put(made)
            for node in self._nodes.nodes:
                node.tell("SCHEMA_CHANGE", change.event())

        put() if self._loop is None else self._call(put)

    def when(self, statement: str, params: Any = ANY, *, types: Sequence[str] | None = None) -> Stub:
        """Script the response to a statement; if several scripts match, the last one is used.

        Args:
            statement: The CQL text. White space, case outside of quotes, and the names of bind markers
                are ignored; each statement of a batch is matched separately.
            params: The values to match: a list, or a dict for named markers; ``ANY`` matches all values, or
                any single one.
            types: The CQL type of each marker; required if it can't be derived from a table or a value.

        Raises:
            ConfigurationError: A marker's type is unknown.
        """
        return self._script.add(statement, params, types)

    @property
    def requests(self) -> list[FakeRequest]:
        """The received requests, in order, without those that drivers send to read the cluster's metadata."""
        return self._script.requests

    @property
    def calls(self) -> list[RequestFinished]:
        """The finished calls of coodie drivers since the cluster was started, with their timeouts and more.

        They are the events that observers get, of all drivers in this process.
        """
        return self._recorder.of(RequestFinished)

    def clear(self) -> None:
        """Remove all scripts and recorded requests."""
        self._script.clear()
        self._recorder.events.clear()

    # --- faults -------------------------------------------------------------------------

    def forget_statements(self) -> None:
        """Remove the prepared statements of all nodes, as a restart does."""
        for node in self._nodes.nodes:
            node.prepared.clear()

    def disconnect(self) -> None:
        """Close all connections."""
        self._call(lambda: [self._end(node) for node in self._nodes.nodes])

    def stop_node(self, node: int, *, drain: bool = False) -> None:
        """Stop a node, and close its connections; the other nodes send an event.

        Args:
            node: Its number, from 0.
            drain: Close each connection after the response to its last request.

        Raises:
            ValueError: There is no such node.
            RuntimeError: The cluster isn't running.
        """
        stopped = self._node(node)

        async def stop() -> None:
            await self._stop_listening(node)
            for connection in tuple(stopped.connections):
                connection.drain() if drain else connection.close()
            self._tell(node, "DOWN")

        self._call(stop)

    def start_node(self, node: int) -> None:
        """Start a stopped node again; its prepared statements are lost.

        Args:
            node: Its number, from 0.

        Raises:
            ValueError: There is no such node, or it isn't stopped.
            RuntimeError: The cluster isn't running.
        """
        started = self._node(node)
        if node in self._listeners:
            raise ValueError(f"Node {node} isn't stopped. Call stop_node({node}) first.")
        started.prepared.clear()
        self._call(lambda: self._serve(node))
        self._call(lambda: self._tell(node, "UP"))

    def _node(self, number: int) -> FakeNode:
        """Return a node of the running cluster by its number."""
        self._running()
        if number not in range(len(self._nodes.nodes)):
            raise ValueError(f"There is no node {number}: the nodes are 0 to {len(self._nodes.nodes) - 1}.")
        return self._nodes.nodes[number]

    def _tell(self, number: int, change: str) -> None:
        node = self._nodes.nodes[number]
        for other in self._nodes.nodes:
            if other is not node:
                other.tell("STATUS_CHANGE", status_event("STATUS_CHANGE", change, node.address, node.port))

    @staticmethod
    def _end(node: FakeNode) -> None:
        for connection in tuple(node.connections):
            connection.close()

    # --- sockets ------------------------------------------------------------------------

    def _running(self) -> asyncio.AbstractEventLoop:
        """Return the event loop of the running cluster.

        Raises:
            RuntimeError: The cluster isn't running.
        """
        if self._loop is None:
            raise RuntimeError("The FakeCluster isn't running. Use it inside a `with` block, or start() it.")
        return self._loop

    def _call(self, work: Callable[[], object]) -> None:
        """Call a function in the loop's thread, and wait for it.

        Raises:
            RuntimeError: The cluster isn't running.
        """
        loop = self._running()

        async def run() -> None:
            result = work()
            if asyncio.iscoroutine(result):
                await result

        asyncio.run_coroutine_threadsafe(run(), loop).result(_LOOP_TIMEOUT)

    def _listen(self) -> None:
        for node in self._nodes.nodes:
            self._serve(node.number)

    def _serve(self, number: int) -> None:
        node, loop = self._nodes.nodes[number], self._running()
        listener = self._listeners[number] = Listener(
            loop, (node.address, node.port), lambda: _Served(node, loop)
        )
        node.port = listener.port

    async def _stop_listening(self, number: int) -> None:
        """Stop listening on a node; afterwards, all of its accepted connections are known."""
        listener = self._listeners.pop(number, None)
        if listener is not None:
            await listener.close()

    async def _close(self) -> None:
        for node in self._nodes.nodes:
            await self._stop_listening(node.number)
            self._end(node)
        await asyncio.sleep(0)  # transports close in the loop's next turn

    def _stop(self) -> None:
        loop = self._running()
        self._call(self._close)
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join(_LOOP_TIMEOUT)
        loop.close()
        self._loop = None


class _Served(asyncio.Protocol):
    """The transport of one connection."""

    def __init__(self, node: FakeNode, loop: asyncio.AbstractEventLoop) -> None:
        self._connection: NodeConnection = node.connect()
        self._connection.on_change = self._flush
        self._loop = loop
        # None until the loop's next turn: disconnect() can come in between.
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Pass the received bytes on."""
        self._connection.receive(data, self._loop.time())
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        if self._timer is not None:
            self._timer.cancel()
        self._connection.close()

    def _flush(self) -> None:
        """Send what is due, and schedule the next response."""
        if self._transport is None:
            return
        data = self._connection.data_to_send(self._loop.time())
        if data:
            self._transport.write(data)
        if self._connection.is_closed:
            self._transport.close()
            return
        if self._timer is not None:
            self._timer.cancel()
        deadline = self._connection.next_deadline
        self._timer = None if deadline == inf else self._loop.call_at(deadline, self._flush)
