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
        host_id: The node's host id.
    """

    address: str
    port: int | None = None
    datacenter: str | None = None
    rack: str | None = None
    host_id: UUID | None = None


# --- connections ------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectionEvent:
    """The fields of all events of a driver.

    Args:
        driver_name: The name under which the driver is or will be registered, or None.
        driver_type: The backend's name; None for a driver that no backend opened.
        keyspace: The default keyspace.
    """

    driver_name: str | None
    driver_type: str | None
    keyspace: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectionOpened(ConnectionEvent):
    """A backend has opened a driver.

    Args:
        hosts: The given contact points, with their ports if these differ; empty if the backend chooses
            them.
        port: The given port.
        duration: The time in seconds.
        borrowed: The driver uses a session of the caller, which stays open.
    """

    hosts: tuple[str, ...]
    port: int | None
    duration: float
    borrowed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectionFailed(ConnectionEvent):
    """A backend failed to open a driver.

    Args:
        hosts: The given contact points, with their ports if these differ.
        port: The given port.
        duration: The time in seconds until the failure.
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
        error: The exception that closing raised, or None.
    """

    error: BaseException | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DriverRegistered(ConnectionEvent):
    """A driver was registered under a name, by ``init_coodie`` or ``register_driver``.

    Args:
        default: Whether ``get_driver()`` now returns it.
        replaced: Whether it replaced another driver of that name.
    """

    default: bool
    replaced: bool


# --- nodes ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeEvent:
    """The fields of all events of a node.

    Args:
        driver_name: The name under which the driver is registered, or None.
        driver_type: The backend's name, or None.
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
        request_id: A number that is unique in this process; the same in the request's start and end.
        driver_name: The name under which the driver is registered, or None.
        driver_type: The backend's name; None for a driver that no backend opened.
        keyspace: The keyspace of unqualified names: ``RequestOptions.keyspace``, or the driver's default.
        kind: The method that was called.
        statement: The given CQL text, **including its literals**; for a batch, each different text once,
            separated by ``"; "``.
        statements: The CQL texts: each different one of a batch, or the only one.
        parameter_count: The number of given values; for a batch, of all its statements.
        batch_size: The number of statements of a batch; 0 for other requests, and for a batch that was
            given as one text.
        consistency: The consistency level; None if the driver doesn't know it.
        fetch_size: The number of rows per page, if one page was requested; otherwise None.
        timeout: The call's timeout in seconds, for ``sync_table`` that of its ``SyncOptions``; None for the
            connection's default.
        idempotent: Whether the request was marked as idempotent.
        parameters: The caller's object: read it, don't store it. It isn't part of the event's repr.
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
    """A request was made; its arguments aren't validated yet."""


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
    """A request has ended, with a result or an error.

    Args:
        duration: The time in seconds since the start, including preparing and all pages.
        rows: The number of received rows.
        pages: The number of received pages; 0 without a response.
        host: The coordinator of the last page, or without a response, the last node that was tried; None
            if the driver doesn't know it.
        error: The raised ``CoodieError``, cancellation or interrupt; None if the request succeeded.
        warnings: The server's warnings for all pages, each once. Servers **quote statements including their
            literals**. ``stream`` and ``execute_one`` don't return the warnings.
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
        """Whether the caller stopped waiting: a cancellation, Ctrl-C, or an abandoned ``execute_many``."""
        return self.error is not None and not isinstance(self.error, Exception)


@dataclass(frozen=True, kw_only=True, slots=True)
class SchemaChanged:
    """The schema was changed, through a driver of this process or by another client.

    A statement of this process with ``IF EXISTS`` or ``IF NOT EXISTS`` may have changed nothing, since
    servers don't report that. Changes by other clients are reported by drivers that receive the server's
    events: those of the backends ``scylla`` and ``cassandra``, unless they were created with ``session=``.

    Args:
        driver_name: The name under which the driver is registered, or None.
        driver_type: The backend's name, or None.
        change: What was done.
        target: The kind of the object: "keyspace", "table", "type", "index", "materialized view",
            "function", "aggregate" or "trigger".
        keyspace: The keyspace in the statement, or else the driver's default; None if neither is
            known.
        name: The object's name, as the server stores it; None for an index without a name.
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
