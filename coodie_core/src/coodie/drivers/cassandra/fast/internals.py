"""All that requests use of the drivers' insides: private attributes are touched here and nowhere else.

The drivers' own code opens our connections, so that TLS, authentication, compression and whatever else
a handshake takes are theirs and as configured; what is ours begins after it.
"""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import cassandra
from cassandra.connection import Connection, ConnectionShutdown

from coodie.drivers.cassandra._protocol import is_plain_handler
from coodie.drivers.cassandra.fast.frames import Frame, Frames
from coodie.drivers.cassandra.fast.segments import Segments
from coodie.drivers.cassandra.fast.sockets import RECEIVE

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from cassandra.cluster import Cluster, ResponseFuture, Session

__all__ = [
    "Link",
    "RefusedError",
    "adopt_metadata",
    "decode",
    "forget_result",
    "in_legacy_mode",
    "open_link",
    "refusal",
    "user_types",
    "watchers",
]

#: Releases whose insides are known: scylla-driver 3.29, cassandra-driver 3.29 and 3.30.
_KNOWN = ((3, 29), (3, 30))

#: Protocol versions that are spoken here.
_VERSIONS = (4, 5)

#: Where the connections are that have nothing of their own in the handshake; the last are ours.
_CONNECTIONS = (
    "cassandra.io.libevreactor",
    "cassandra.io.asyncorereactor",
    "cassandra.io.asyncioreactor",
    "coodie.drivers.cassandra._connection",
)

#: How both drivers mark a cluster with legacy parameters (``cassandra.cluster._ConfigMode``).
_LEGACY = 1


class RefusedError(Exception):
    """The fast path doesn't know how to serve this; its text says why."""


class Link(NamedTuple):
    """A connection after its handshake.

    Attributes:
        sock: The socket, or TLS socket.
        frames: Makes and cuts its frames.
    """

    sock: socket.socket
    frames: Frames


def refusal(session: Session) -> str | None:
    """Return why the fast path can't serve a session; None where it can."""
    cluster = session.cluster
    version = tuple(int(part) for part in cassandra.__version__.split(".")[:2])
    opens = cluster.connection_class
    reasons = {
        f"version {cassandra.__version__} of the package cassandra isn't known": version not in _KNOWN,
        f"protocol version {cluster.protocol_version} isn't known": cluster.protocol_version not in _VERSIONS,
        "a beta version of the protocol is allowed": cluster.allow_beta_protocol_version,
        "the cluster is configured with legacy parameters": in_legacy_mode(cluster),
        "the driver's metrics would miss its requests": cluster.metrics_enabled,
        "the session decodes with a protocol handler of its own": not is_plain_handler(
            session.client_protocol_handler
        ),
        f"connection_class={opens.__name__} may have a handshake of its own": (
            opens.__module__ not in _CONNECTIONS
        ),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def in_legacy_mode(cluster: Cluster) -> bool:
    """Tell whether a cluster has legacy parameters; it has them from the first that is set on a session."""
    return getattr(cluster, "_config_mode", None) == _LEGACY


def watchers(session: Session) -> Sequence[Any]:
    """Return the session's listeners that want to see each request as the driver's object; it may change."""
    listeners: Sequence[Any] = session._request_init_callbacks  # noqa: SLF001 - this module's purpose
    return listeners


def adopt_metadata(prepared: Any, message: Any) -> None:
    """Have a prepared statement know the result metadata that came with a new id, as the driver does."""
    new = getattr(message, "result_metadata_id", None)
    if new is None or not message.column_metadata:
        return
    if hasattr(prepared, "update_result_metadata"):
        prepared.update_result_metadata(message.column_metadata, new)
    else:
        prepared.result_metadata = message.column_metadata
        prepared.result_metadata_id = new


def user_types(cluster: Cluster) -> Any:
    """Return the classes that the cluster's user registered for user types."""
    return cluster._user_types  # noqa: SLF001 - this module's purpose


def decode(session: Session, version: int, frame: Frame) -> Any:
    """Return the driver's object of an answer, as the session's protocol handler makes it."""
    handler = session.client_protocol_handler
    before = () if _features() is None else (_features(),)
    return handler.decode_message(
        version,
        *before,
        session.cluster._user_types,  # noqa: SLF001 - this module's purpose
        frame.stream,
        frame.flags,
        frame.opcode,
        frame.body,
        None,
        None,
    )


@cache
def _features() -> Any:
    """Return what scylla-driver wants to know of a connection; None for cassandra-driver."""
    try:
        from cassandra.protocol_features import ProtocolFeatures
    except ImportError:
        return None
    return ProtocolFeatures()


def forget_result(response: ResponseFuture) -> None:
    """Open the cycles that the driver's future of an answer is in, with its callbacks and its timer.

    So the rows go as soon as nobody holds them, and needn't wait for the garbage collector.
    """
    response.clear_callbacks()
    response._final_result = None  # noqa: SLF001 - nothing public forgets it


def open_link(cluster: Cluster, endpoint: Any) -> Link:
    """Connect, blocking the calling thread for the driver's connect timeout at most.

    Args:
        cluster: Its settings are used, all of them.
        endpoint: Where to.

    Raises:
        RefusedError: The server is one that the fast path doesn't know.
        Exception: What the driver raises where it can't connect.
    """
    options = cluster._make_connection_kwargs(endpoint, {})  # noqa: SLF001 - this module's purpose
    connection = _Handshake.factory(endpoint, cluster.connect_timeout, **options)
    try:
        return _detached(connection)
    except BaseException:
        connection.close()
        raise


def _detached(connection: Any) -> Link:
    """Take the socket out of a connection that is ready."""
    features = getattr(connection, "features", None)
    if getattr(features, "sharding_info", None) is not None:
        message = "the server has shards, which the driver's own connections are spread over"
        raise RefusedError(message)
    if connection._iobuf.tell():  # noqa: SLF001 - this module's purpose
        message = "the server sent more than the handshake takes"
        raise RefusedError(message)
    compress, expand = connection.compressor, connection.decompressor
    version = connection.protocol_version
    connection._socket.settimeout(None)  # noqa: SLF001 - this module's purpose
    if not connection._is_checksumming_enabled:  # noqa: SLF001 - this module's purpose
        return Link(connection._socket, Frames(version, None, compress, expand))  # noqa: SLF001
    if compress is None:
        return Link(connection._socket, Frames(version, Segments()))  # noqa: SLF001
    return Link(connection._socket, Frames(version, Segments(*_blocks(compress, expand))))  # noqa: SLF001


def _blocks(
    compress: Callable[[bytes], bytes], expand: Callable[[bytes], bytes]
) -> tuple[Callable[[bytes], bytes], Callable[[bytes, int], bytes]]:
    """Return the drivers' LZ4 functions without the length in front, which a segment has in its header."""
    return (
        lambda data: compress(data)[4:],
        lambda data, length: expand(length.to_bytes(4, "big") + data),
    )


class _Handshake(Connection):  # type: ignore[misc]  # the drivers have no types
    """The drivers' connection on a blocking socket: their handshake, without their reactor."""

    is_closed: bool = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline = time.monotonic() + self.connect_timeout
        self._connect_socket()
        try:
            self._send_options_message()
            self._receive()
        except BaseException:
            self.close()
            raise

    def push(self, data: bytes) -> None:
        """Send; called by the driver."""
        self._socket.sendall(data)

    def close(self) -> None:
        """Close; called by the driver where the handshake fails."""
        with self.lock:
            if self.is_closed:
                return
            self.is_closed = True
        if self._socket is not None:
            self._socket.close()
        self.connected_event.set()

    def _receive(self) -> None:
        """Feed what arrives to the driver's state machine, until that is ready or has failed."""
        while not self.connected_event.is_set():
            self._socket.settimeout(max(0.001, self._deadline - time.monotonic()))
            try:
                data = self._socket.recv(RECEIVE)
            except OSError as exc:
                self.defunct(exc)
                return
            if not data:
                self.defunct(ConnectionShutdown(f"Connection to {self.endpoint} was closed by server"))
                return
            self._iobuf.write(data)
            self.process_io_buffer()
