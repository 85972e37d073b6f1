"""The optional features of backends, and the known backends with their capabilities."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from coodie._in_use import in_use
from coodie.exceptions import ConfigurationError, UnsupportedError
from coodie_doctor.pip_commands import pip_command

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "KNOWN",
    "Capability",
    "KnownBackend",
    "backends_with",
    "check_capabilities",
    "refuse_option",
    "require",
]


class Capability(str, Enum):
    """An optional feature of a backend; declared by its driver class and its plug-in.

    Required features aren't capabilities: executing, binding, returning all rows without a fetch_size, and
    the error classes.
    """

    #: One page at a time: ``fetch_size``, ``paging_state``, ``stream`` in constant memory.
    PAGING = "paging"
    #: ``execute_batch`` as one atomic request.
    BATCHES = "batches"
    #: Lightweight transactions: ``[applied]`` and ``serial_consistency``.
    LIGHTWEIGHT_TRANSACTIONS = "lightweight transactions"
    #: A consistency level for each request.
    CONSISTENCY = "consistency"
    #: ``coodie.UNSET`` as a parameter.
    UNSET_VALUES = "unset values"
    #: ``RequestOptions.trace``.
    TRACING = "tracing"
    #: ``RequestOptions.custom_payload``.
    CUSTOM_PAYLOAD = "custom payload"
    #: ``RequestOptions.retry_policy``.
    RETRY_POLICY = "retry policy"
    #: ``speculative_execution_policy``, for a connection or a request.
    SPECULATIVE_EXECUTION = "speculative execution"
    #: ``RequestOptions.routing_token``.
    ROUTING = "routing by token"
    #: ``compression`` of frames.
    COMPRESSION = "compression"
    #: ``protocol_version``, the choice of the protocol's version.
    PROTOCOL_VERSION = "protocol version"
    #: ``ssl_context`` and the ``ssl_…`` options.
    TLS = "TLS"
    #: ``ssl_hostname``.
    TLS_NAME = "TLS server name"
    #: ``application``, the program's name for the server.
    APPLICATION = "application name"
    #: ``local_rack``, the preferred rack.
    RACKS = "preferred rack"
    #: ``hosts`` with different ports.
    HOST_PORTS = "different ports of hosts"
    #: Paths of Unix sockets in ``hosts`` and ``address_map``.
    UNIX_SOCKETS = "Unix sockets"
    #: ``bundle``.
    CLOUD_BUNDLE = "cloud bundle"
    #: ``address_map``.
    ADDRESS_MAP = "address map"
    #: ``username`` and ``password``.
    AUTHENTICATION = "authentication"
    #: ``credentials`` that returns an authenticator.
    AUTHENTICATORS = "authenticators"
    #: A connected ``session`` of the caller.
    SESSION = "session"
    #: ``sync_table``.
    SCHEMA_SYNC = "schema sync"
    #: Reads of materialized views.
    MATERIALIZED_VIEWS = "materialized views"
    #: Columns of type ``vector``.
    VECTORS = "vectors"
    #: Columns of user-defined types.
    USER_DEFINED_TYPES = "user-defined types"
    #: ``RequestOptions.node``.
    NODE = "node of a request"
    #: ``RequestOptions.timestamp``.
    TIMESTAMP = "write timestamp"
    #: ``RequestOptions.keyspace``; supported by each ``ClientDriver``.
    KEYSPACE = "keyspace of a request"
    #: ``RequestOptions.total_timeout``; supported by each ``ClientDriver``.
    TOTAL_TIMEOUT = "total timeout"
    #: Async methods without threads.
    NATIVE_ASYNC = "native async"

    def __str__(self) -> str:
        return self.value


class KnownBackend:
    """A backend of this project, with an extra of coodie-core.

    Args:
        driver_type: Its name, which is reserved for its distribution.
        distribution: The distribution that provides it.
        capabilities: The capabilities in its description.
    """

    __slots__ = ("capabilities", "distribution", "driver_type")

    def __init__(self, driver_type: str, distribution: str, capabilities: frozenset[Capability]) -> None:
        self.driver_type = driver_type
        self.distribution = distribution
        self.capabilities = capabilities

    @property
    def install(self) -> str:
        """The command that installs it."""
        return pip_command("install", self.distribution)


#: The capabilities of CassandraDriver, which the first three backends use; a test compares the declarations.
_OF_CASSANDRA = frozenset(Capability) - {Capability.NATIVE_ASYNC}

#: The capabilities of all backends on native clients.
_OF_NATIVE_CLIENTS = frozenset(
    {
        Capability.PAGING,
        Capability.BATCHES,
        Capability.LIGHTWEIGHT_TRANSACTIONS,
        Capability.CONSISTENCY,
        Capability.AUTHENTICATION,
        Capability.SCHEMA_SYNC,
        Capability.MATERIALIZED_VIEWS,
        Capability.KEYSPACE,
        Capability.TOTAL_TIMEOUT,
        Capability.NATIVE_ASYNC,
    }
)

#: The backends of this project by driver_type, installed or not.
KNOWN = {
    backend.driver_type: backend
    for backend in (
        KnownBackend("scylla", "coodie-scylla", _OF_CASSANDRA),
        KnownBackend("cassandra", "coodie-cassandra", _OF_CASSANDRA),
        KnownBackend(
            "local",
            "coodie-local",
            _OF_CASSANDRA
            - {
                Capability.CLOUD_BUNDLE,
                Capability.SESSION,
                Capability.TLS,
                Capability.AUTHENTICATION,
                Capability.AUTHENTICATORS,
            },
        ),
        KnownBackend(
            "rust", "coodie-rust", _OF_NATIVE_CLIENTS | {Capability.COMPRESSION, Capability.VECTORS}
        ),
        KnownBackend(
            "acsylla",
            "coodie-acsylla",
            _OF_NATIVE_CLIENTS
            | {Capability.UNSET_VALUES, Capability.USER_DEFINED_TYPES, Capability.TIMESTAMP},
        ),
    )
}


def backends_with(capability: Capability) -> tuple[str, ...]:
    """Return the driver_types with a capability, without importing any.

    These are the backends of this project, installed or not, and those that were loaded in this process.
    """
    loaded: Mapping[str, frozenset[Capability]] = in_use.registry.loaded_capabilities()
    capable = {name: backend.capabilities for name, backend in KNOWN.items()} | dict(loaded)
    return tuple(sorted(name for name, has in capable.items() if capability in has))


#: The capabilities that options of requests need.
_OF_REQUESTS = {
    "serial_consistency": Capability.LIGHTWEIGHT_TRANSACTIONS,
    "trace": Capability.TRACING,
    "custom_payload": Capability.CUSTOM_PAYLOAD,
    "retry_policy": Capability.RETRY_POLICY,
    "speculative_execution_policy": Capability.SPECULATIVE_EXECUTION,
    "routing_token": Capability.ROUTING,
    "node": Capability.NODE,
    "timestamp": Capability.TIMESTAMP,
    "keyspace": Capability.KEYSPACE,
    "total_timeout": Capability.TOTAL_TIMEOUT,
}


def check_capabilities(
    have: frozenset[Capability],
    who: str,
    *,
    consistency: str | None = None,
    fetch_size: int | None = None,
    paging_state: bytes | str | None = None,
    options: object = None,
) -> None:
    """Check that a driver supports the arguments of a request.

    Args:
        have: The driver's capabilities.
        who: The driver's name in the message: ``"driver_type='acme'"``, or its class.
        consistency: The argument of ``execute``, like the others.
        fetch_size: As above.
        paging_state: As above.
        options: A ``RequestOptions``, or a ``SyncOptions``, or None.

    Raises:
        UnsupportedError: An argument isn't supported; the error lists the backends that support it.
    """
    if consistency is not None:
        require(have, Capability.CONSISTENCY, "consistency", who)
    if fetch_size is not None:
        require(have, Capability.PAGING, "fetch_size", who)
    if paging_state is not None:
        require(have, Capability.PAGING, "paging_state", who)
    if options is None:
        return
    for name, need in _OF_REQUESTS.items():
        value = getattr(options, name, None)
        # A token or timestamp may be 0.
        if value or value.__class__ is int:
            require(have, need, f"RequestOptions.{name}", who)


def require(have: frozenset[Capability], need: Capability, asked: str, who: str) -> None:
    """Check that a driver has a capability.

    Args:
        have: The driver's capabilities.
        need: The required capability.
        asked: The argument that needs it, as the caller wrote it.
        who: As in ``check_capabilities``.

    Raises:
        UnsupportedError: The driver doesn't have it.
    """
    if need not in have:
        raise UnsupportedError(**_refusal(need, asked, who), feature=need.value)


def refuse_option(need: Capability, option: str, asked: str, who: str) -> ConfigurationError:
    """Return the error for an option of a connection that needs a capability the backend doesn't have."""
    return ConfigurationError(**_refusal(need, asked, who), option=option)


def _refusal(need: Capability, asked: str, who: str) -> dict[str, Any]:
    able = backends_with(need)
    hint = f"Leave it out, or use one that supports it: {', '.join(able)}." if able else "Leave it out."
    return {
        "message": f"{who} doesn't support {need.value}, which {asked} requires.",
        "hint": hint,
        "alternatives": able,
    }
