"""Subclasses of the drivers' connections: undecodable responses, and closed connections."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakSet, ref

from coodie._points import point
from coodie._version import __version__
from coodie._wakeups import waking_once
from coodie.drivers.cassandra.values.lenient_decoding import exact_protocol_handler
from coodie.protocol.frames import Opcode

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ConnectionListener",
    "NamedClient",
    "PartialHeaders",
    "attend",
    "attentive",
    "refused_login",
    "startup_options",
    "with_connect_errors",
]

#: Modules of connection classes that miss the end of a connection, see ``attentive``.
_READERS = ("cassandra.io.libevreactor", "cassandra.io.asyncorereactor")


class PartialHeaders:
    """A mixin for the drivers' connections: keep a part of a segment's header until the rest arrives.

    In protocol version 5, data arrives in segments with checksums. If a read ends within a segment's header,
    the drivers drop that part of it. The next bytes are then taken for a header, its checksum doesn't match,
    and the connection is closed with all its requests, in scylla-driver 3.29 and cassandra-driver 3.30.
    """

    _io_buffer: Any

    def _process_segment_buffer(self) -> None:
        super()._process_segment_buffer()  # type: ignore[misc]  # of the drivers' connections
        if not self._io_buffer.has_consumed_segment and self._io_buffer.io_buffer.tell():
            point("read ended within the header of a segment")
            self._io_buffer.io_buffer.seek(0)  # the driver keeps what follows the position


class NamedClient:
    """A mixin for the drivers' connections: who the client is, and who the server has to be.

    It adds options to STARTUP, by which servers list their clients; only scylla-driver has a parameter for
    this. Each connection logs in with the current credentials, see ``CurrentCredentials``, and verifies the
    name of its node, see ``ServerNames``.
    """

    #: The options; a Cluster may replace them. The driver's own take precedence.
    startup_options: Mapping[str, str] = MappingProxyType({"COODIE_VERSION": __version__})

    #: The names to verify; a Cluster may set them.
    server_names: Any = None

    def __init__(self, endpoint: Any, *args: Any, named_as: Any = None, **kwargs: Any) -> None:
        names = getattr(named_as, "server_names", self.server_names)
        if names is not None:
            endpoint = names.named(endpoint)
        if getattr(endpoint, "socket_family", 0) == getattr(socket, "AF_UNIX", None):
            options = kwargs.get("sockopts") or ()
            kwargs["sockopts"] = [option for option in options if option[0] != socket.IPPROTO_TCP]
        renewed = getattr(kwargs.get("authenticator"), "renewed", None)
        if renewed is not None:
            kwargs["authenticator"] = renewed()
        super().__init__(endpoint, *args, **kwargs)  # type: ignore[call-arg]  # of the drivers' connections
        #: Another connection class with these options; the driver's own has none.
        self.startup_options = getattr(named_as, "startup_options", self.startup_options)

    def send_msg(self, message: Any, *args: Any, **kwargs: Any) -> Any:
        """Send a message; called by the driver."""
        if message.opcode == Opcode.STARTUP:
            message.options = {**self.startup_options, **message.options}
        return super().send_msg(message, *args, **kwargs)  # type: ignore[misc]  # of the drivers' connections


def startup_options(application: str | None) -> Mapping[str, str]:
    """Return the STARTUP options for ``application=``, ``name`` or ``name/version``."""
    name, _, version = (application or "").partition("/")
    named = {"APPLICATION_NAME": name, "APPLICATION_VERSION": version}
    return {**NamedClient.startup_options, **{key: text for key, text in named.items() if text}}


def attentive(connection_class: Any) -> Any:
    """Return a subclass of the driver's connection class with these differences.

    The loss of the control connection is handled at once, for clusters that are passed to ``attend``. The
    drivers detect it with the next heartbeat, half a minute later, and miss all schema and topology changes
    until then.

    Listeners that are passed to ``attend`` are notified of connections, and of schema changes that servers
    announce.

    The last connect error of each node is kept, for ``with_connect_errors``: the drivers log it, and later
    only report that the node is down.

    A failed login is handled as other connect errors, also in response to STARTUP: after an
    ``AuthenticationFailed`` the drivers never try the node again, although its roles may have been
    unavailable only temporarily.

    A response that can't be decoded fails its request only: the drivers close the connection, and fail all
    requests on it. Our protocol handler also decodes the responses to the drivers' PREPARE requests.

    ``close_all`` closes all connections. When a cluster is shut down while a pool is being created for a node
    that is back, the drivers forget that pool, and never close it.

    A read may end within the header of a segment, see ``PartialHeaders``. STARTUP contains more options, see
    ``NamedClient``.

    EOF is detected in the middle of a frame or a handshake, too. If the peer closes after a part of a frame,
    scylla-driver 3.29 and cassandra-driver 3.30 wait for more bytes: the requests on the connection time out,
    the connection isn't replaced, and the reactor's thread spins until a heartbeat fails. If the peer closes
    before the end of the handshake, as for a missing client certificate, cassandra-driver's libev reactor
    doesn't report it, and connecting takes until the timeout. Connections of gevent, eventlet, Twisted and
    asyncio aren't affected.

    Args:
        connection_class: The driver's.
    """
    made = _closable(_persistent(_observable(_sheltered(connection_class))))
    if connection_class.__module__ in _READERS:
        made = _watchful(made)
    made.__name__ = made.__qualname__ = connection_class.__name__
    # The fast path recognises the default handshake by the module.
    made.__module__ = connection_class.__module__
    return made


@cache
def refused_login() -> type[Exception]:
    """Return the class of the error of a failed login; its cause is the driver's exception."""
    from cassandra import DriverException

    class RefusedLoginError(DriverException):  # type: ignore[misc]  # the drivers have no types
        """A failed login; not an AuthenticationFailed, after which the drivers give the node up."""

    return RefusedLoginError


def with_connect_errors(exc: Any, cluster: Any) -> Any:
    """Add the connect error of each node to a ``NoHostAvailable``.

    The drivers list the nodes that were up recently, or none, without the reasons of failed connections.
    Other exceptions are returned unchanged.

    Args:
        exc: The driver's exception.
        cluster: The cluster; its connection class may be an ``attentive`` one.
    """
    from cassandra.cluster import NoHostAvailable
    from cassandra.connection import ConnectionException
    from cassandra.pool import NoConnectionsAvailable

    if not isinstance(exc, NoHostAvailable):
        return exc
    # A list of addresses while a session connects.
    found = exc.errors if isinstance(exc.errors, dict) else {}
    errors = {str(getattr(host, "endpoint", host)): error for host, error in found.items()}
    failures = getattr(cluster.connection_class, "connect_errors", {})
    for host in cluster.metadata.all_hosts():
        endpoint = str(host.endpoint)
        if endpoint in failures:
            # Don't replace a server's error.
            if isinstance(errors.get(endpoint), (ConnectionException, NoConnectionsAvailable, type(None))):
                errors[endpoint] = failures[endpoint]
        elif endpoint not in errors and host.is_up is False:
            errors[endpoint] = ConnectionException("The driver has marked the host down")
    named = NoHostAvailable(exc.args[0], errors)
    named.__cause__ = exc
    return named


def attend(cluster: Any, listener: ConnectionListener) -> list[Any]:
    """Attend to a cluster, if its connection class is ``attentive``; return its open connections.

    The loss of its control connection is handled at once. The listener, to which only a weak reference is
    kept, is notified of its connections and of schema changes.
    """
    made = cluster.connection_class
    listeners = getattr(made, "listeners", None)
    if not isinstance(listeners, _Listeners):
        return []
    made.attend(cluster)
    return listeners.add(listener)


class ConnectionListener(Protocol):
    """Methods that are called for connections and schema changes."""

    def connection_opened(self, connection: Any) -> None:
        """Handle a connection that is ready."""

    def connection_closed(self, connection: Any) -> None:
        """Handle the end of a connection that was ready."""

    def schema_changed(self, announced: Mapping[str, Any]) -> None:
        """Handle a schema change that the server announces."""


def _sheltered(connection_class: Any) -> Any:
    from cassandra.protocol import ProtocolHandler

    default = ProtocolHandler.decode_message
    ours = exact_protocol_handler().decode_message
    clusters: WeakSet[Any] = WeakSet()

    class ShelteredConnection(NamedClient, PartialHeaders, connection_class):  # type: ignore[misc]  # the drivers have no types
        @classmethod
        def initialize_reactor(cls) -> None:
            # Some classes keep the reactor's state: keep it once, not per subclass.
            connection_class.initialize_reactor()

        @classmethod
        def attend(cls, cluster: Any) -> None:
            clusters.add(cluster)

        def close(self) -> None:
            was_open = not self.is_closed
            super().close()
            if was_open and self.is_control_connection:
                for cluster in tuple(clusters):
                    # As the heartbeat does; ignore a former control connection.
                    if self in cluster.control_connection.get_connections():
                        with suppress(RuntimeError):  # the interpreter is shutting down
                            cluster.control_connection.return_connection(self)

        def send_msg(self, *args: Any, decoder: Any = default, **kwargs: Any) -> Any:
            return super().send_msg(*args, decoder=ours if decoder == default else decoder, **kwargs)

    return ShelteredConnection


class _Listeners:
    """Notify listeners of the connections of one class; from any thread."""

    def __init__(self) -> None:
        # Copy both in one step before reading them: other threads change them.
        self._listeners: list[ref[ConnectionListener]] = []
        self._open: dict[int, ref[Any]] = {}

    def add(self, listener: ConnectionListener) -> list[Any]:
        """Add a listener; return the connections that are open."""
        found = [one() for one in tuple(self._open.values())]
        living = [one for one in tuple(self._listeners) if one() is not None]
        self._listeners = [*living, ref(listener)]
        return [connection for connection in found if connection is not None]

    def opened(self, connection: Any) -> None:
        """Notify listeners of a connection that is ready."""
        self._open[id(connection)] = ref(connection)
        for listener in self._living():
            listener.connection_opened(connection)

    def closed(self, connection: Any) -> None:
        """Notify listeners of the end of a connection, once."""
        if self._open.pop(id(connection), None) is not None:
            for listener in self._living():
                listener.connection_closed(connection)

    def schema_changed(self, announced: Mapping[str, Any]) -> None:
        """Notify listeners of a schema change that a server announces."""
        for listener in self._living():
            listener.schema_changed(announced)

    def _living(self) -> list[ConnectionListener]:
        return [listener for one in self._listeners if (listener := one()) is not None]


def _observable(connection_class: Any) -> Any:
    found = _Listeners()

    class ObservableConnection(connection_class):  # type: ignore[misc]  # the drivers have no types
        listeners = found

        @classmethod
        def factory(cls, *args: Any, **kwargs: Any) -> Any:
            connection = super().factory(*args, **kwargs)
            found.opened(connection)
            return connection

        def handle_pushed(self, response: Any) -> None:
            super().handle_pushed(response)
            if response.event_type == "SCHEMA_CHANGE":
                found.schema_changed(response.event_args)

        def close(self) -> None:
            super().close()
            found.closed(self)

    return ObservableConnection


def _persistent(connection_class: Any) -> Any:
    from cassandra import AuthenticationFailed
    from cassandra.protocol import BadCredentials

    failures: dict[str, Exception] = {}

    class PersistentConnection(connection_class):  # type: ignore[misc]  # the drivers have no types
        #: The last connect error by endpoint; removed after a success.
        connect_errors = failures

        @staticmethod
        def on_failure() -> None:
            """Do nothing; a Cluster may replace this hook for failed connections."""

        @staticmethod
        def on_responses(connection: Any, responses: Any) -> None:
            """Do nothing; a Cluster may replace this hook for responses that a thread has waited for."""

        def wait_for_responses(self, *messages: Any, **kwargs: Any) -> Any:
            responses = super().wait_for_responses(*messages, **kwargs)
            found = responses if kwargs.get("fail_on_error", True) else [one for _, one in responses]
            self.on_responses(self, found)
            return responses

        @classmethod
        def factory(cls, endpoint: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                connection = super().factory(endpoint, *args, **kwargs)
            except AuthenticationFailed as exc:
                failures[str(endpoint)] = exc
                raise refused_login()(str(exc)) from exc
            except Exception as exc:  # reported by the next request that needs the node
                failures[str(endpoint)] = exc
                cls.on_failure()
                raise
            failures.pop(str(endpoint), None)
            return connection

        def _handle_startup_response(self, startup_response: Any, did_authenticate: bool = False) -> None:  # noqa: FBT001, FBT002 - as the driver's
            # A client certificate may be refused in response to STARTUP (CASSANDRA-18857).
            refused = isinstance(startup_response, BadCredentials)
            super()._handle_startup_response(startup_response, did_authenticate or refused)

    return PersistentConnection


def _closable(connection_class: Any) -> Any:
    opened: WeakSet[Any] = WeakSet()
    lock = threading.Lock()

    class ClosableConnection(connection_class):  # type: ignore[misc]  # the drivers have no types
        @classmethod
        def factory(cls, *args: Any, **kwargs: Any) -> Any:
            connection = super().factory(*args, **kwargs)
            with lock:
                opened.add(connection)
            return connection

        @classmethod
        def close_all(cls) -> None:
            """Close all connections; called when their cluster has been shut down, and its threads."""
            with lock:
                found = tuple(opened)
            for connection in found:
                if not connection.is_closed:
                    point("connection left open by the driver's shutdown")
                    connection.close()

    return ClosableConnection


def _watchful(connection_class: Any) -> Any:
    class WatchfulConnection(connection_class):  # type: ignore[misc]  # the drivers have no types
        last_error: Exception | None

        def handle_read(self, *args: Any, **kwargs: Any) -> None:
            with waking_once:
                super().handle_read(*args, **kwargs)
            if not self.is_closed and not self.is_defunct and _ended(self._socket):
                from cassandra.connection import ConnectionShutdown

                message = f"Connection to {self.endpoint} was closed by server in the middle of a frame"
                self.defunct(ConnectionShutdown(message))

        def close(self) -> None:
            super().close()
            if not self.connected_event.is_set():
                from cassandra.connection import ConnectionShutdown

                message = f"Connection to {self.endpoint} was closed by server before it was ready"
                if self.last_error is None:
                    self.last_error = ConnectionShutdown(message)
                self.connected_event.set()

    return WatchfulConnection


def _ended(sock: Any) -> bool:
    """Return whether the peer has closed the connection, and all data has been read."""
    if getattr(sock, "pending", int)():  # decrypted data
        return False
    try:
        # Not the TLS socket's recv, which supports no flags, and decrypts.
        return not socket.socket.recv(sock, 1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except (BlockingIOError, InterruptedError):
        return False
    except OSError:
        return False  # the driver's next read raises it
