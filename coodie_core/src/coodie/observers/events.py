"""The events that observers receive: frozen values.

They belong to version 1 of the observers' interface. Within a version, fields and members of enums may be
added, but never changed or removed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from coodie.observers.requestkind import RequestKind
from coodie.observers.retryreason import RetryReason

if TYPE_CHECKING:
    from uuid import UUID

__all__ = [
    "ConnectionClosed",
    "ConnectionEvent",
    "ConnectionFailed",
    "ConnectionKind",
    "ConnectionOpened",
    "DriverRegistered",
    "Host",
    "NodeAdded",
    "NodeConnectionClosed",
    "NodeConnectionOpened",
    "NodeDown",
    "NodeEvent",
    "NodeRemoved",
    "NodeUp",
    "RequestEvent",
    "RequestFinished",
    "RequestKind",
    "RequestRetried",
    "RequestStarted",
    "RetryReason",
    "SchemaChange",
    "SchemaChanged",
]


class SchemaChange(str, Enum):
    """What was done to a schema object (native_protocol_v5.spec, section 4.2.5.5)."""

    CREATED = "created"
    UPDATED = "updated"
    DROPPED = "dropped"


@dataclass(frozen=True, kw_only=True, slots=True)
class Host:
    """A node of the cluster, as far as the driver knows it.

    Args:
        address: Its IP address or name.
        port: The port of its CQL service.
        datacenter: The name of its data centre.
        rack: The name of its rack.
        host_id: The id under which the cluster knows it.
    """

    address: str
    port: int | None = None
    datacenter: str | None = None
    rack: str | None = None
    host_id: UUID | None = None


# --- connections ------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectionEvent:
    """What all events of a connection have.

    Args:
        driver_name: The name under which it is or will be registered; None where there is none.
        driver_type: The backend's; None for a driver that no backend opened.
        keyspace: The default keyspace.
    """

    driver_name: str | None
    driver_type: str | None
    keyspace: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectionOpened(ConnectionEvent):
    """A backend has opened a driver.

    Args:
        hosts: The contact points that it was given, with their ports where these differ; none where it
            finds its own.
        port: The port that it was given.
        duration: Seconds that it took.
        borrowed: It works on a session of the caller's, which was open before and stays so.
    """

    hosts: tuple[str, ...]
    port: int | None
    duration: float
    borrowed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectionFailed(ConnectionEvent):
    """A backend could not open a driver.

    Args:
        hosts: The contact points that it was given, with their ports where these differ.
        port: The port that it was given.
        duration: Seconds until it failed.
        error: The exception: a ``CoodieError``, or a cancellation or interrupt.
    """

    hosts: tuple[str, ...]
    port: int | None
    duration: float
    error: BaseException


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectionClosed(ConnectionEvent):
    """A driver was closed; emitted once, after all of its connections were closed.

    Args:
        error: What closing raised, or None.
    """

    error: BaseException | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DriverRegistered(ConnectionEvent):
    """A driver has got a name, through ``init_coodie`` or ``register_driver``.

    Args:
        default: It is now what ``get_driver()`` returns.
        replaced: Another driver had the name.
    """

    default: bool
    replaced: bool


# --- nodes ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeEvent:
    """The fields of all events of a node.

    Args:
        driver_name: The name under which the driver is registered, or None.
        driver_type: The backend's, or None.
        host: The node.
    """

    driver_name: str | None
    driver_type: str | None
    host: Host


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeUp(NodeEvent):
    """A driver has marked a node up again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeDown(NodeEvent):
    """A driver has marked a node down, and sends no requests to the node until it is up again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeAdded(NodeEvent):
    """A node has joined the cluster after the driver connected."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeRemoved(NodeEvent):
    """A node has left the cluster."""


class ConnectionKind(str, Enum):
    """The purpose of a connection to a node."""

    #: A connection of the fast path, for common requests.
    FAST_PATH = "fast path"
    #: A connection of the backend's session, for all other requests.
    SESSION = "session"
    #: The control connection of the backend's driver, for schema and topology changes.
    CONTROL = "control"


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeConnectionOpened(NodeEvent):
    """A driver has opened a connection to a node.

    Args:
        kind: The purpose of the connection.
    """

    kind: ConnectionKind


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeConnectionClosed(NodeEvent):
    """A connection to a node has been closed, by either side.

    Args:
        kind: The purpose of the connection.
    """

    kind: ConnectionKind


# --- requests ---------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestEvent:
    """The fields that the start, the retries and the end of a request have in common.

    Args:
        request_id: A number of its own in this process; pairs the start with the end.
        driver_name: The name under which the driver is registered, or None.
        driver_type: The backend's, or None for a driver that no backend opened.
        keyspace: The keyspace of unqualified names: ``RequestOptions.keyspace``, or the driver's default.
        kind: Which call it belongs to.
        statement: The CQL text as it was given, **with the literals in it**; of a batch, each
            different text once, separated by ``"; "``.
        statements: The texts on their own: of a batch each different one, else the one.
        parameter_count: How many values were given; of a batch, those of all its statements.
        batch_size: How many statements a batch has; 0 for other requests, and for a batch that was
            given as one text.
        consistency: The level's name; None where the driver doesn't know.
        fetch_size: Rows to a page, where one page was asked for.
        timeout: Seconds that the call gave it; None for the connection's default.
        idempotent: The caller said that it may be sent twice.
        parameters: The caller's own object: read it, don't keep it. Never part of the event's repr.
    """

    request_id: int
    driver_name: str | None
    driver_type: str | None
    keyspace: str | None
    kind: RequestKind
    statement: str
    statements: tuple[str, ...]
    parameter_count: int
    batch_size: int
    consistency: str | None
    fetch_size: int | None
    timeout: float | None
    idempotent: bool
    parameters: Any = field(repr=False, compare=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestStarted(RequestEvent):
    """A driver has been asked for something, and has not looked at it yet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestRetried(RequestEvent):
    """A request is retried, on the same node or another one.

    Retries by the backend's session are reported when the response has arrived.

    Args:
        attempt: The number of the new attempt: 2 for the first retry.
        reason: How the previous attempt failed.
        host: The node of the previous attempt; None if unknown.
    """

    attempt: int
    reason: RetryReason
    host: Host | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestFinished(RequestEvent):
    """A request has ended, one way or another.

    Args:
        duration: Seconds since it started, preparing and the reading of all pages included.
        rows: How many rows came.
        pages: How many pages they came in; 0 where no answer came.
        host: The node that coordinated it: that of the last page, or where no answer came, the last
            one that was tried. None where the driver doesn't know.
        error: What is raised: a ``CoodieError``, or a cancellation or interrupt; None where it succeeded.
        warnings: The server's, each once, of all pages; servers **quote statements with the literals in
            them**. ``stream`` and ``execute_one`` return them nowhere else.
        attempts: 1 plus the number of retries of all pages; always 1 for a driver that doesn't report its
            client's retries. Speculative executions aren't counted.
    """

    duration: float
    rows: int
    pages: int
    host: Host | None
    error: BaseException | None
    warnings: tuple[str, ...] = ()
    attempts: int = 1

    @property
    def interrupted(self) -> bool:
        """Whether nobody waited for the answer any more: a cancellation, Ctrl-C, an abandoned run."""
        return self.error is not None and not isinstance(self.error, Exception)


@dataclass(frozen=True, kw_only=True, slots=True)
class SchemaChanged:
    """The schema was changed, through a driver of this process or by another client.

    A statement of this process with ``IF EXISTS`` or ``IF NOT EXISTS`` may have changed nothing, since
    servers don't report that. Changes by other clients are reported by drivers that receive the server's
    events: those of the backends ``scylla`` and ``cassandra``, unless they were created with ``session=``.

    Args:
        driver_name: The name under which the driver is registered, or None.
        driver_type: The backend's, or None.
        change: What was done.
        target: To what kind of thing: "keyspace", "table", "type", "index", "materialized view",
            "function", "aggregate" or "trigger".
        keyspace: The keyspace that the statement names, else the driver's default; None where neither
            is known.
        name: The thing's name, as the server stores it; None for an index without one.
        statement: The CQL text; empty for changes by other clients.
        remote: Whether another client made the change, and the server reported it. Servers report changes
            of an index or trigger as an update of its table.
    """

    driver_name: str | None
    driver_type: str | None
    change: SchemaChange
    target: str
    keyspace: str | None
    name: str | None
    statement: str
    remote: bool = False
