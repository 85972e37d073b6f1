"""The drivers' connection, but for what it makes of answers that it can't decode, and of its end."""

from __future__ import annotations

import socket
from contextlib import suppress
from functools import cache
from typing import Any
from weakref import WeakSet

from coodie.drivers.cassandra.values.lenient_decoding import exact_protocol_handler

__all__ = ["attend", "attentive", "refused_login", "with_connect_errors"]

#: Where the connections are that read as described below.
_READERS = ("cassandra.io.libevreactor", "cassandra.io.asyncorereactor")


def attentive(connection_class: Any) -> Any:
    """Return a connection class that is the driver's, but for what follows.

    The end of the control connection is noticed at once, for clusters that ``attend`` was told of. The
    drivers notice it with the next heartbeat, half a minute later, and hear of no change until then: of
    tables, of nodes, or of their state.

    The last failure to connect to each node is kept, for ``with_connect_errors``: the drivers log it, and
    later say no more than that the node is down.

    A login that a node refuses is an error like others: after one that is their ``AuthenticationFailed`` the
    drivers never try the node again, though its roles may have been out of reach for a moment.

    An answer that can't be decoded ends its request alone: the drivers close the connection, with
    all requests on it. Statements that they prepare are read by our protocol handler.

    The peer's end is noticed also in the midst of a frame or handshake. When the peer closes while a part
    of a frame has been read, scylla-driver 3.29 and cassandra-driver 3.30 take the end for "no more bytes
    yet": the requests on the connection run into their timeouts, no new connection is made, and the
    reactor's thread spins until a heartbeat fails. And when it closes before the handshake is over, as for
    want of a client certificate, cassandra-driver's libev reactor tells nobody: who connects waits until
    the timeout. Connections of gevent, eventlet, Twisted and asyncio read in another way.

    Args:
        connection_class: The driver's.
    """
    made = _persistent(_sheltered(connection_class))
    if connection_class.__module__ in _READERS:
        made = _watchful(made)
    made.__name__ = made.__qualname__ = connection_class.__name__
    # What is known of the driver's handshake is told by the module.
    made.__module__ = connection_class.__module__
    return made


@cache
def refused_login() -> type[Exception]:
    """Return the class of the error of a connection whose login was refused; its cause is the driver's."""
    from cassandra import DriverException

    class RefusedLoginError(DriverException):  # type: ignore[misc]  # the drivers have no types
        """Not an AuthenticationFailed, after which the drivers give up."""

    return RefusedLoginError


def with_connect_errors(exc: Any, cluster: Any) -> Any:
    """Return the error of a request that no node could be asked, with what is wrong at each node.

    The drivers then list the nodes that were up a moment ago, or none, and leave out why no connection could
    be opened. Other errors are returned as they are.

    Args:
        exc: What the driver raised.
        cluster: The cluster, whose connections may be attentive.
    """
    from cassandra.cluster import NoHostAvailable
    from cassandra.connection import ConnectionException
    from cassandra.pool import NoConnectionsAvailable

    if not isinstance(exc, NoHostAvailable):
        return exc
    # While a session connects it is a list of addresses.
    found = exc.errors if isinstance(exc.errors, dict) else {}
    errors = {str(getattr(host, "endpoint", host)): error for host, error in found.items()}
    failures = getattr(cluster.connection_class, "connect_errors", {})
    for host in cluster.metadata.all_hosts():
        endpoint = str(host.endpoint)
        if endpoint in failures:
            # Not in the place of what a server has answered.
            if isinstance(errors.get(endpoint), (ConnectionException, NoConnectionsAvailable, type(None))):
                errors[endpoint] = failures[endpoint]
        elif endpoint not in errors and host.is_up is False:
            errors[endpoint] = ConnectionException("The driver has marked the host down")
    named = NoHostAvailable(exc.args[0], errors)
    named.__cause__ = exc
    return named


def attend(cluster: Any) -> None:
    """Have the end of a cluster's control connection noticed at once, where its connections are attentive."""
    tell = getattr(cluster.connection_class, "attend", None)
    if tell is not None:
        tell(cluster)


def _sheltered(connection_class: Any) -> Any:
    from cassandra.protocol import ProtocolHandler

    default = ProtocolHandler.decode_message
    ours = exact_protocol_handler().decode_message
    clusters: WeakSet[Any] = WeakSet()

    class ShelteredConnection(connection_class):  # type: ignore[misc]  # the drivers have no types
        @classmethod
        def initialize_reactor(cls) -> None:
            # Some keep the reactor's state in the class: it is to be there once, not for each subclass.
            connection_class.initialize_reactor()

        @classmethod
        def attend(cls, cluster: Any) -> None:
            clusters.add(cluster)

        def close(self) -> None:
            was_open = not self.is_closed
            super().close()
            if was_open and self.is_control_connection:
                for cluster in tuple(clusters):
                    # As the heartbeat does; what is the control connection no more is left alone.
                    if self in cluster.control_connection.get_connections():
                        with suppress(RuntimeError):  # the interpreter is shutting down
                            cluster.control_connection.return_connection(self)

        def send_msg(self, *args: Any, decoder: Any = default, **kwargs: Any) -> Any:
            return super().send_msg(*args, decoder=ours if decoder == default else decoder, **kwargs)

    return ShelteredConnection


def _persistent(connection_class: Any) -> Any:
    from cassandra import AuthenticationFailed

    failures: dict[str, Exception] = {}

    class PersistentConnection(connection_class):  # type: ignore[misc]  # the drivers have no types
        #: Why the last attempt to connect failed, by endpoint; nothing where it didn't.
        connect_errors = failures

        @staticmethod
        def on_failure() -> None:
            """Do nothing more about a connection that couldn't be opened; a Cluster may replace this."""

        @classmethod
        def factory(cls, endpoint: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                connection = super().factory(endpoint, *args, **kwargs)
            except AuthenticationFailed as exc:
                failures[str(endpoint)] = exc
                raise refused_login()(str(exc)) from exc
            except Exception as exc:  # whatever the reason is, the next request that needs the node names it
                failures[str(endpoint)] = exc
                cls.on_failure()
                raise
            failures.pop(str(endpoint), None)
            return connection

    return PersistentConnection


def _watchful(connection_class: Any) -> Any:
    class WatchfulConnection(connection_class):  # type: ignore[misc]  # the drivers have no types
        last_error: Exception | None

        def handle_read(self, *args: Any, **kwargs: Any) -> None:
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
    """Tell whether the peer has closed, and everything that it sent has been read."""
    if getattr(sock, "pending", int)():  # decrypted, and not read yet
        return False
    try:
        # The socket's own recv: that of TLS sockets takes no flags, and decrypts.
        return not socket.socket.recv(sock, 1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except (BlockingIOError, InterruptedError):
        return False
    except OSError:
        return False  # the driver's next read gets this one, and ends the connection
