"""Private attributes of the drivers: the only module of the fast path that uses them.

The drivers' own code opens our connections, so that TLS, authentication and compression work as configured.
The fast path takes a connection over after the handshake.
"""

from __future__ import annotations

import os
import select
import socket
import sys
import threading
import time
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import cassandra
from cassandra.cluster import EXEC_PROFILE_DEFAULT
from cassandra.connection import Connection, ConnectionShutdown
from cassandra.policies import TokenAwarePolicy
from cassandra.protocol import PrepareMessage

from coodie.drivers.cassandra._connection import NamedClient, PartialHeaders
from coodie.drivers.cassandra._nonblocking import SendListener
from coodie.drivers.cassandra.fastpath.driver_probe import unknown_internals
from coodie.drivers.cassandra.fastpath.sockets import READ_SIZE
from coodie.drivers.cassandra.values.lenient_decoding import is_plain_handler, undecodable_answer
from coodie.protocol.frames import RESULT, Frame, Frames
from coodie.protocol.segments import Segments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cassandra.cluster import Cluster, ResponseFuture, Session
    from cassandra.pool import Host

    from coodie.drivers.cassandra.fastpath.sockets import Handshakes

__all__ = [
    "EstablishedConnection",
    "UnsupportedServerError",
    "abandon",
    "abandon_reactors",
    "adopt_metadata",
    "are_ours",
    "child_of_token_aware",
    "decode",
    "establish",
    "forget_result",
    "in_legacy_mode",
    "prepare_at",
    "request_listeners",
    "state_reader",
    "tablets_of",
    "unsupported_reason",
    "user_types",
]

#: Supported releases: scylla-driver 3.29, cassandra-driver 3.29 and 3.30.
_KNOWN = ((3, 29), (3, 30))

#: Supported protocol versions.
_VERSIONS = (4, 5)

#: Modules of the drivers' event loops that are shared by all connections of a process.
_REACTORS = ("cassandra.io.libevreactor", "cassandra.io.asyncorereactor")

#: Modules of connection classes with the default handshake.
_CONNECTIONS = (*_REACTORS, "cassandra.io.asyncioreactor")

#: Event loops of a parent process, which must not be garbage-collected.
_left_alone: list[Any] = []

#: Both drivers' mark of a cluster with legacy parameters (``cassandra.cluster._ConfigMode``).
_LEGACY = 1

#: The payload key of a response's tablet hint, and the hint's type.
_TABLET = "tablets-routing-v1"
_TABLET_TYPE = "TupleType(LongType, LongType, ListType(TupleType(UUIDType, Int32Type)))"


class UnsupportedServerError(Exception):
    """The fast path doesn't support this server or driver; the text is the reason."""


class Extensions(NamedTuple):
    """The protocol extensions negotiated between ScyllaDB and scylla-driver.

    Attributes:
        features: The driver's object, which its decoder needs.
        sharding: The driver's object that maps tokens to shards.
        shard: The connection's shard; None if the Cluster disables shard awareness.
        tablets: The server sends tablet hints.
    """

    features: Any
    sharding: Any
    shard: int | None
    tablets: bool


def state_reader(session: Session) -> Callable[[], tuple[Any, ...]]:
    """Return a function that reads the session's state, which requests depend on and that changes silently.

    If two states are equal, requests are sent in the same way. The state includes the process id: a fork
    can't use its parent's connections.
    """
    cluster, listeners, in_session = session.cluster, request_listeners(session), vars(session)
    classes = map(vars, type(session).__mro__)
    in_class: Mapping[str, Any] = next((one for one in classes if "execute_async" in one), {})

    def read() -> tuple[Any, ...]:
        profile: Any = cluster.profile_manager.profiles.get(EXEC_PROFILE_DEFAULT)
        return (
            os.getpid(),
            getattr(cluster, "_config_mode", None),
            in_class.get("execute_async"),
            in_session.get("execute_async"),
            in_class.get("execute"),  # see Instrumentation
            *listeners,
            profile,
            profile.consistency_level,
            profile.serial_consistency_level,
            profile.request_timeout,
            profile.load_balancing_policy,
            profile.speculative_execution_policy,
            session.use_client_timestamp,
            cluster.timestamp_generator,
        )

    return read


class EstablishedConnection(NamedTuple):
    """A connection after its handshake.

    Attributes:
        sock: The socket, or TLS socket.
        frames: Encodes and splits the connection's frames.
        extensions: The extensions of a server with shards; None for any other.
    """

    sock: socket.socket
    frames: Frames
    extensions: Extensions | None = None

    @property
    def shard(self) -> int | None:
        """The connection's shard; None if the node has no shards."""
        return None if self.extensions is None else self.extensions.shard


def unsupported_reason(session: Session) -> str | None:
    """Return why the fast path doesn't support a session; None if it does."""
    cluster = session.cluster
    version = tuple(int(part) for part in cassandra.__version__.split(".")[:2])
    opens = cluster.connection_class
    reasons = {
        "this platform has no select.poll": not hasattr(select, "poll"),
        f"version {cassandra.__version__} of the package cassandra isn't known": version not in _KNOWN,
        f"protocol version {cluster.protocol_version} isn't known": cluster.protocol_version not in _VERSIONS,
        "a beta version of the protocol is allowed": cluster.allow_beta_protocol_version,
        "the cluster is configured with legacy parameters": in_legacy_mode(cluster),
        "the driver's metrics would miss its requests": cluster.metrics_enabled,
        "the session has a custom protocol handler": not is_plain_handler(session.client_protocol_handler),
        f"connection_class={opens.__name__} may have a custom handshake": (
            opens.__module__ not in _CONNECTIONS
        ),
    }
    return next((reason for reason, holds in reasons.items() if holds), None) or unknown_internals(session)


def in_legacy_mode(cluster: Cluster) -> bool:
    """Return whether a cluster has legacy parameters; setting one on a session is enough."""
    return getattr(cluster, "_config_mode", None) == _LEGACY


def request_listeners(session: Session) -> list[Any]:
    """Return the session's live list of request listeners, ours included.

    The list is empty for a session without that attribute, which ``unsupported_reason`` reports.
    """
    listeners: list[Any] = getattr(session, "_request_init_callbacks", [])
    return listeners


def are_ours(listeners: Iterable[Any]) -> bool:
    """Return whether all listeners are of coodie's own drivers."""
    return all(isinstance(listener, SendListener) for listener, _, _ in listeners)


def prepare_at(session: Session, host: Host, text: str) -> Any:
    """Prepare a statement on one node only; return the driver's message object.

    Args:
        session: The backend's session.
        host: The node.
        text: The CQL text.

    Raises:
        Exception: The driver's exception.
    """
    from cassandra.cluster import ResponseFuture as Base

    timeout = session.default_timeout
    response = Base(session, PrepareMessage(query=text), query=None, timeout=timeout, host=host)
    response.send_request()
    return response.result().one()


def adopt_metadata(prepared: Any, message: Any) -> None:
    """Update a prepared statement's result metadata if the response has a new id, as the driver does."""
    new = getattr(message, "result_metadata_id", None)
    if new is None or not message.column_metadata:
        return
    if hasattr(prepared, "update_result_metadata"):
        prepared.update_result_metadata(message.column_metadata, new)
    else:
        prepared.result_metadata = message.column_metadata
        prepared.result_metadata_id = new


def user_types(cluster: Cluster) -> Any:
    """Return the classes that are registered on the cluster for user-defined types."""
    return cluster._user_types  # noqa: SLF001 - this module's purpose


def decode(session: Session, version: int, answer: bytes | Frame, features: Any = None) -> Any:
    """Decode a response with the session's protocol handler; return the driver's message object.

    Args:
        session: The backend's session.
        version: The protocol version.
        answer: The response; bytes are the body of a RESULT.
        features: scylla-driver's features of the connection; None for a server without extensions.

    Raises:
        Exception: The response can't be decoded.
    """
    frame = Frame(0, RESULT, answer) if isinstance(answer, bytes) else answer
    handler = session.client_protocol_handler
    before = () if _features() is None else (features or _features(),)
    message = handler.decode_message(
        version,
        *before,
        session.cluster._user_types,  # noqa: SLF001 - this module's purpose
        0,  # the stream id, which the decoder ignores
        frame.flags,
        frame.opcode,
        frame.body,
        None,
        None,
    )
    if isinstance(message, undecodable_answer()):
        raise message
    return message


@cache
def _features() -> Any:
    """Return scylla-driver's default features of a connection; None for cassandra-driver."""
    try:
        from cassandra.protocol_features import ProtocolFeatures
    except ImportError:
        return None
    return ProtocolFeatures()


def forget_result(response: ResponseFuture) -> None:
    """Break the reference cycles of a ``ResponseFuture``: it and its rows need no garbage collector."""
    response.clear_callbacks()
    response._final_result = response._timer = None  # noqa: SLF001 - there is no public way


def abandon(cluster: Cluster) -> None:
    """Detach the parent's cluster from the driver; called first in a forked child.

    Otherwise the driver closes its copies of the connections when the child connects, exits or drops a
    session: it takes locks that the parent's threads may have held, and retries the parent's requests.
    """
    part: Any
    for part in (cluster, *cluster.sessions):
        part._lock = threading.RLock()  # noqa: SLF001 - this module's purpose
        part.is_shutdown = True
    abandon_reactors(cluster)


def abandon_reactors(_: Cluster) -> None:
    """Make the driver create new event loops in a forked child; don't change the cluster."""
    for reactor in _REACTORS:
        loop: Any = getattr(sys.modules.get(reactor), "_global_loop", None)
        if loop is not None and loop._pid != os.getpid():  # noqa: SLF001 - this module's purpose
            loop._thread = None  # noqa: SLF001 - as if it had never been started
    _abandon_asyncio(getattr(sys.modules.get("cassandra.io.asyncioreactor"), "AsyncioConnection", None))


def _abandon_asyncio(connection_class: Any) -> None:
    """Make the driver create a new asyncio loop in this child: cassandra-driver would never start one."""
    if connection_class is None or connection_class._loop in (None, *_left_alone):  # noqa: SLF001 - as above
        return
    # A garbage-collected loop unregisters its wake-up socket, also from the epoll of the parent's loop.
    _left_alone.append(connection_class._loop)  # noqa: SLF001 - as above
    connection_class._lock = threading.Lock()  # noqa: SLF001 - as above
    connection_class._loop = connection_class._loop_thread = None  # noqa: SLF001 - as above
    connection_class._pid = os.getpid()  # noqa: SLF001 - as above


def shard_aware_endpoint(session: Session, host: Any) -> Any:
    """Return a node's shard-aware endpoint, as the driver's pool does; None if there is none."""
    pool = next((pool for pool in session.get_pools() if pool.host is host), None)
    if pool is None or host.sharding_info is None:
        return None  # the driver doesn't know the shards yet
    return pool._get_shard_aware_endpoint()  # noqa: SLF001 - this module's purpose


def child_of_token_aware(policy: Any) -> Any:
    """Return the policy inside of a TokenAwarePolicy; None of any other, also of a subclass."""
    return getattr(policy, "_child_policy", None) if policy.__class__ is TokenAwarePolicy else None


def tablets_of(metadata: Any) -> Any:
    """Return what scylla-driver knows of tablets; None of cassandra-driver."""
    return getattr(metadata, "_tablets", None)


def tablet_shard(metadata: Any, keyspace: str | None, table: str, token: Any, host: Any) -> int | None:
    """Return the shard that has a token's tablet on a node; None if no tablet is known."""
    tablets = metadata._tablets  # noqa: SLF001 - this module's purpose
    tablet = tablets.get_tablet_for_key(keyspace, table, token)
    replicas = () if tablet is None else tablet.replicas
    return next((shard for node, shard in replicas if node == host.host_id), None)


def learn_tablet(session: Session, keyspace: str | None, table: str | None, payload: Any) -> None:
    """Add the tablet hint of a response to the driver's metadata, as the driver does."""
    data = payload.get(_TABLET)
    keyspace = keyspace or session.keyspace
    if data is None or not keyspace or not table:
        return
    from cassandra.cqltypes import lookup_casstype  # scylla-driver alone has tablets
    from cassandra.tablets import Tablet

    row = lookup_casstype(_TABLET_TYPE).from_binary(data, session.cluster.protocol_version)
    tablet = Tablet.from_row(*row)
    if tablet is not None:
        tablets = session.cluster.metadata._tablets  # noqa: SLF001 - this module's purpose
        tablets.add_tablet(keyspace, table, tablet)


def establish(
    cluster: Cluster, endpoint: Any, handshakes: Handshakes, shard: int | None = None, shards: int = 0
) -> EstablishedConnection:
    """Connect; block the calling thread for the driver's connect timeout at most.

    Args:
        cluster: The cluster, whose settings are used.
        endpoint: The address to connect to.
        handshakes: The connections being opened, of which this becomes one.
        shard: The shard to connect to through ``shard_aware_endpoint``.
        shards: The node's number of shards.

    Raises:
        UnsupportedServerError: The fast path doesn't support the server or the driver.
        Exception: The driver's exception if the connection fails.
    """
    options = cluster._make_connection_kwargs(endpoint, {"named_as": cluster.connection_class})  # noqa: SLF001 - this module's purpose
    if shard is not None:
        options |= {"shard_id": shard, "total_shards": shards}
    try:
        connection = _Handshake.factory(endpoint, cluster.connect_timeout, handshakes=handshakes, **options)
        try:
            return _take_socket(connection, cluster)
        except BaseException:
            connection.close()
            raise
    except (AttributeError, TypeError) as exc:
        # Caused by the driver's code, not by the server or the network: a retry wouldn't help.
        message = f"the driver's handshake differs from the expected one ({exc!r})"
        raise UnsupportedServerError(message) from exc


def _take_socket(connection: Any, cluster: Cluster) -> EstablishedConnection:
    """Take over the socket of a connection after its handshake."""
    if connection._iobuf.tell():  # noqa: SLF001 - this module's purpose
        message = "the server sent data after the handshake"
        raise UnsupportedServerError(message)
    compress, expand = connection.compressor, connection.decompressor
    version = connection.protocol_version
    sock = connection._socket  # noqa: SLF001 - this module's purpose
    sock.settimeout(None)
    if not connection._is_checksumming_enabled:  # noqa: SLF001 - this module's purpose
        frames = Frames(version, None, compress, expand)
    elif compress is None:
        frames = Frames(version, Segments())
    else:
        frames = Frames(version, Segments(*_blocks(compress, expand)))
    features = connection.features
    sharding = getattr(features, "sharding_info", None)
    if sharding is None:
        return EstablishedConnection(sock, frames)
    options = getattr(cluster, "shard_aware_options", None)
    shard = None if options is not None and options.disable else features.shard_id
    tablets = connection.tells_tablets
    return EstablishedConnection(sock, frames, Extensions(features, sharding, shard, tablets))


def _blocks(
    compress: Callable[[bytes], bytes], expand: Callable[[bytes], bytes]
) -> tuple[Callable[[bytes], bytes], Callable[[bytes, int], bytes]]:
    """Return the drivers' LZ4 functions without the length prefix, which is in a segment's header."""
    return (
        lambda data: compress(data)[4:],
        lambda data, length: expand(length.to_bytes(4, "big") + data),
    )


class _Handshake(NamedClient, PartialHeaders, Connection):  # type: ignore[misc]  # the drivers have no types
    """The drivers' connection on a blocking socket: the handshake without the reactor."""

    is_closed: bool = False
    tells_tablets: bool = False
    _agreed: Any = None

    def __init__(self, *args: Any, handshakes: Handshakes, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline = time.monotonic() + self.connect_timeout
        self._tls_sessions = handshakes.tls_sessions
        handshakes.add(self)
        try:
            self._connect_socket()
            self._send_options_message()
            self._receive()
            self._tls_sessions.keep(self._socket, self.endpoint)
        except BaseException:
            self.close()
            raise
        finally:
            handshakes.remove(self)

    def stop(self) -> None:
        """Make the handshake fail at once; called in another thread."""
        self._deadline = 0.0
        if self._socket is not None:
            with suppress(OSError):  # not connected, or closed in the meantime
                # TLS's own shutdown would take its state away from the thread that is using it.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _wrap_socket_from_context(self) -> Any:
        return self._tls_sessions.offer(super()._wrap_socket_from_context(), self.endpoint)

    @property
    def features(self) -> Any:
        """The features that scylla-driver negotiates with STARTUP; None for cassandra-driver."""
        return self._agreed

    @features.setter
    def features(self, offered: Any) -> None:
        # Two features change the format of requests, which the fast path doesn't support: decline them.
        second = bool(getattr(offered, "tablets_routing_v2", False))
        self.tells_tablets = second or bool(getattr(offered, "tablets_routing_v1", False))
        offered.tablets_routing_v2 = offered.use_metadata_id = False
        if offered.sharding_info is None:
            offered.rate_limit_error = None  # kept per node with shards only; this node sends CONFIG_ERROR
        self._agreed = offered

    def push(self, data: bytes) -> None:
        """Send data; called by the driver."""
        self._socket.sendall(data)

    def close(self) -> None:
        """Close the socket; called by the driver if the handshake fails."""
        with self.lock:
            if self.is_closed:
                return
            self.is_closed = True
        if self._socket is not None:
            self._socket.close()
        self.connected_event.set()

    def _receive(self) -> None:
        """Feed received data to the driver's handshake until it has finished or failed."""
        while not self.connected_event.is_set():
            self._socket.settimeout(max(0.001, self._deadline - time.monotonic()))
            try:
                data = self._socket.recv(READ_SIZE)
            except OSError as exc:
                self.defunct(exc)
                return
            if not data:
                self.defunct(ConnectionShutdown(f"Connection to {self.endpoint} was closed by server"))
                return
            self._iobuf.write(data)
            self.process_io_buffer()
