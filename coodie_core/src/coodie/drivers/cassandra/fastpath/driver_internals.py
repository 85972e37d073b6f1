"""All that requests use of the drivers' insides: private attributes are touched here and nowhere else.

The drivers' own code opens our connections, so that TLS, authentication, compression and whatever else
a handshake takes are theirs and as configured; what is ours begins after it.
"""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import cassandra
from cassandra.cluster import EXEC_PROFILE_DEFAULT
from cassandra.connection import Connection, ConnectionShutdown
from cassandra.policies import TokenAwarePolicy
from cassandra.protocol import PrepareMessage

from coodie.drivers.cassandra._nonblocking import SendListener
from coodie.drivers.cassandra.fastpath.driver_probe import unknown_internals
from coodie.drivers.cassandra.fastpath.sockets import READ_SIZE
from coodie.drivers.cassandra.values.lenient_decoding import is_plain_handler, undecodable_answer
from coodie.protocol.frames import RESULT, Frame, Frames
from coodie.protocol.segments import Segments

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Mapping

    from cassandra.cluster import Cluster, ResponseFuture, Session
    from cassandra.pool import Host

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
    "refusal",
    "request_listeners",
    "state_reader",
    "tablets_of",
    "user_types",
]

#: Releases whose insides are known: scylla-driver 3.29, cassandra-driver 3.29 and 3.30.
_KNOWN = ((3, 29), (3, 30))

#: Protocol versions that are spoken here.
_VERSIONS = (4, 5)

#: Where the connections are that have nothing of their own in the handshake.
_CONNECTIONS = (
    "cassandra.io.libevreactor",
    "cassandra.io.asyncorereactor",
    "cassandra.io.asyncioreactor",
)

#: The drivers' event loops that serve all connections of a process.
_REACTORS = ("cassandra.io.libevreactor", "cassandra.io.asyncorereactor")

#: Those of a parent's, kept from being collected.
_left_alone: list[Any] = []

#: How both drivers mark a cluster with legacy parameters (``cassandra.cluster._ConfigMode``).
_LEGACY = 1

#: What an answer tells of the tablet that a request should have gone to, and the type of that.
_TABLET = "tablets-routing-v1"
_TABLET_TYPE = "TupleType(LongType, LongType, ListType(TupleType(UUIDType, Int32Type)))"


class UnsupportedServerError(Exception):
    """The fast path doesn't know how to serve this; its text says why."""


class Extensions(NamedTuple):
    """What a server with shards said of itself, and what was agreed with it: ScyllaDB, to scylla-driver.

    Attributes:
        features: The driver's object, which its decoder asks for.
        sharding: The driver's object that knows a token's shard.
        shard: The shard where the connection ends; None where the Cluster's connections disregard shards.
        tablets: The server tells of tablets, which have nodes and shards of their own.
    """

    features: Any
    sharding: Any
    shard: int | None
    tablets: bool


def state_reader(session: Session) -> Callable[[], tuple[Any, ...]]:
    """Return what reads the session's state: all that a request depends on and that changes unannounced.

    Where two states are equal, a request is sent in the same way. The process is a part of it: connections
    of another one aren't ours.
    """
    cluster, listeners = session.cluster, request_listeners(session)
    sends = "execute_async"
    in_class: Mapping[str, Any] = next((vars(one) for one in type(session).__mro__ if sends in vars(one)), {})
    in_session = vars(session)

    def read() -> tuple[Any, ...]:
        profile: Any = cluster.profile_manager.profiles.get(EXEC_PROFILE_DEFAULT)
        return (
            os.getpid(),
            in_legacy_mode(cluster),
            in_class.get(sends),
            in_session.get(sends),
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
        frames: Makes and cuts its frames.
        extensions: What a server with shards said; None of any other.
    """

    sock: socket.socket
    frames: Frames
    extensions: Extensions | None = None

    @property
    def shard(self) -> int | None:
        """The shard where it ends; None where there are none."""
        return None if self.extensions is None else self.extensions.shard


def refusal(session: Session) -> str | None:
    """Return why the fast path can't serve a session; None where it can."""
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
        "the session decodes with a protocol handler of its own": not is_plain_handler(
            session.client_protocol_handler
        ),
        f"connection_class={opens.__name__} may have a handshake of its own": (
            opens.__module__ not in _CONNECTIONS
        ),
    }
    return next((reason for reason, holds in reasons.items() if holds), None) or unknown_internals(session)


def in_legacy_mode(cluster: Cluster) -> bool:
    """Tell whether a cluster has legacy parameters; it has them from the first that is set on a session."""
    return getattr(cluster, "_config_mode", None) == _LEGACY


def request_listeners(session: Session) -> list[Any]:
    """Return the session's listeners, ours too, which see each request as the driver's object; live.

    None of a session that has no such attribute, which ``refusal`` refuses.
    """
    listeners: list[Any] = getattr(session, "_request_init_callbacks", [])
    return listeners


def are_ours(listeners: Iterable[Any]) -> bool:
    """Tell whether nobody but coodie's own drivers listens, which need not see what they send themselves."""
    return all(isinstance(listener, SendListener) for listener, _, _ in listeners)


def prepare_at(session: Session, host: Host, text: str) -> Any:
    """Have one node prepare a statement, and no other; return the driver's object of its answer.

    Args:
        session: The backend's session.
        host: The node.
        text: The statement.

    Raises:
        Exception: What the driver raises.
    """
    from cassandra.cluster import ResponseFuture as Base

    timeout = session.default_timeout
    response = Base(session, PrepareMessage(query=text), query=None, timeout=timeout, host=host)
    response.send_request()
    return response.result().one()


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


def decode(session: Session, version: int, answer: bytes | Frame, features: Any = None) -> Any:
    """Return the driver's object of an answer, as the session's protocol handler makes it.

    Args:
        session: The backend's session.
        version: The protocol version.
        answer: The answer; bytes are the body of a RESULT.
        features: What scylla-driver knows of the server; None for one without extensions.

    Raises:
        Exception: It can't be decoded.
    """
    frame = Frame(0, RESULT, answer) if isinstance(answer, bytes) else answer
    handler = session.client_protocol_handler
    before = () if _features() is None else (features or _features(),)
    message = handler.decode_message(
        version,
        *before,
        session.cluster._user_types,  # noqa: SLF001 - this module's purpose
        0,  # the stream, of which the answer's object makes nothing
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


def abandon(cluster: Cluster) -> None:
    """Have the driver leave a cluster of the parent's alone; called in a forked child, before anything else.

    The driver would close its copies of the connections when the child connects for itself, ends or lets
    go of a session: then it takes locks that the parent's threads may have held, fails the requests that
    were in flight there, and tries them again, or a host that it takes for down, from here.
    """
    part: Any
    for part in (cluster, *cluster.sessions):
        part._lock = threading.RLock()  # noqa: SLF001 - this module's purpose
        part.is_shutdown = True
    abandon_reactors(cluster)


def abandon_reactors(_: Cluster) -> None:
    """Have the driver make event loops of its own in a forked child; the cluster stays as it is."""
    for reactor in _REACTORS:
        loop: Any = getattr(sys.modules.get(reactor), "_global_loop", None)
        if loop is not None and loop._pid != os.getpid():  # noqa: SLF001 - this module's purpose
            loop._thread = None  # noqa: SLF001 - as if it had never been started: there is nothing to clean up
    _abandon_asyncio(getattr(sys.modules.get("cassandra.io.asyncioreactor"), "AsyncioConnection", None))


def _abandon_asyncio(connection_class: Any) -> None:
    """Have the driver make a new loop in this child: cassandra-driver would never start one."""
    if connection_class is None or connection_class._loop in (None, *_left_alone):  # noqa: SLF001 - as above
        return
    # A loop that is collected unregisters its wake-up socket, also from the epoll of the parent's loop.
    _left_alone.append(connection_class._loop)  # noqa: SLF001 - as above
    connection_class._lock = threading.Lock()  # noqa: SLF001 - as above
    connection_class._loop = connection_class._loop_thread = None  # noqa: SLF001 - as above
    connection_class._pid = os.getpid()  # noqa: SLF001 - as above


def shard_aware_endpoint(session: Session, host: Any) -> Any:
    """Return a node's port for connections to a chosen shard, as the driver's pool does; None without one."""
    pool = next((pool for pool in session.get_pools() if pool.host is host), None)
    if pool is None or host.sharding_info is None:
        return None  # the driver doesn't know of its shards yet
    return pool._get_shard_aware_endpoint()  # noqa: SLF001 - this module's purpose


def child_of_token_aware(policy: Any) -> Any:
    """Return the policy inside of a TokenAwarePolicy; None of any other, also of a subclass."""
    return getattr(policy, "_child_policy", None) if policy.__class__ is TokenAwarePolicy else None


def tablets_of(metadata: Any) -> Any:
    """Return what scylla-driver knows of tablets; None of cassandra-driver."""
    return getattr(metadata, "_tablets", None)


def tablet_shard(metadata: Any, keyspace: str | None, table: str, token: Any, host: Any) -> int | None:
    """Return the shard that has the tablet of a token on a node; None where no tablet is known there."""
    tablets = metadata._tablets  # noqa: SLF001 - this module's purpose
    tablet = tablets.get_tablet_for_key(keyspace, table, token)
    replicas = () if tablet is None else tablet.replicas
    return next((shard for node, shard in replicas if node == host.host_id), None)


def learn_tablet(session: Session, keyspace: str | None, table: str | None, payload: Any) -> None:
    """Have the driver know the tablet that an answer told of, as it would on a connection of its own."""
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
    cluster: Cluster, endpoint: Any, shard: int | None = None, shards: int = 0
) -> EstablishedConnection:
    """Connect, blocking the calling thread for the driver's connect timeout at most.

    Args:
        cluster: Its settings are used, all of them.
        endpoint: Where to.
        shard: The shard that the port of ``shard_aware_endpoint`` is to choose.
        shards: How many there are.

    Raises:
        UnsupportedServerError: The server is one that the fast path doesn't know, or the driver is.
        Exception: What the driver raises where it can't connect.
    """
    options = cluster._make_connection_kwargs(endpoint, {})  # noqa: SLF001 - this module's purpose
    if shard is not None:
        options |= {"shard_id": shard, "total_shards": shards}
    try:
        connection = _Handshake.factory(endpoint, cluster.connect_timeout, **options)
        try:
            return _detached(connection, heeds_shards=not _disregards_shards(cluster))
        except BaseException:
            connection.close()
            raise
    except (AttributeError, TypeError) as exc:
        # No server and no network brings these about: trying again wouldn't help.
        message = f"the driver's handshake isn't the one that is known ({exc!r})"
        raise UnsupportedServerError(message) from exc


def _disregards_shards(cluster: Cluster) -> bool:
    """Tell whether the Cluster is set to have one connection to a node, whatever its shards."""
    options = getattr(cluster, "shard_aware_options", None)
    return options is not None and bool(options.disable)


def _detached(connection: Any, *, heeds_shards: bool) -> EstablishedConnection:
    """Take the socket out of a connection that is ready."""
    if connection._iobuf.tell():  # noqa: SLF001 - this module's purpose
        message = "the server sent more than the handshake takes"
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
    shard = features.shard_id if heeds_shards else None
    tablets = connection.tells_tablets
    return EstablishedConnection(sock, frames, Extensions(features, sharding, shard, tablets))


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
    tells_tablets: bool = False
    _agreed: Any = None

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

    @property
    def features(self) -> Any:
        """What scylla-driver agrees on with the server, by STARTUP; None for cassandra-driver."""
        return self._agreed

    @features.setter
    def features(self, offered: Any) -> None:
        # Two change what requests look like, for which there is nothing here: they aren't agreed on.
        second = bool(getattr(offered, "tablets_routing_v2", False))
        self.tells_tablets = second or bool(getattr(offered, "tablets_routing_v1", False))
        offered.tablets_routing_v2 = offered.use_metadata_id = False
        if offered.sharding_info is None:
            offered.rate_limit_error = None  # nothing of such a node is kept: it says it in words
        self._agreed = offered

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
                data = self._socket.recv(READ_SIZE)
            except OSError as exc:
                self.defunct(exc)
                return
            if not data:
                self.defunct(ConnectionShutdown(f"Connection to {self.endpoint} was closed by server"))
                return
            self._iobuf.write(data)
            self.process_io_buffer()
