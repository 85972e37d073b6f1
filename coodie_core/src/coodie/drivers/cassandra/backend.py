"""Open a session of scylla-driver or cassandra-driver as a ConnectionConfig has it."""

from __future__ import annotations

import socket
from inspect import signature
from typing import TYPE_CHECKING, Any, NamedTuple

from coodie._forks import forget_in_children
from coodie.consistency import CONSISTENCY_LEVELS
from coodie.exceptions import ConfigurationError, ConnectionFailedError, CoodieError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coodie.drivers.cassandra.driver import CassandraDriver
    from coodie.hooks import DriverDescription
    from coodie.options.connection import ConnectionConfig

__all__ = ["cassandra_description", "check_cassandra_config", "open_cassandra"]

#: Options of CassandraDriver's own: name → (type, default, help).
_DRIVER_OPTIONS = {
    "aware_timestamps": ("bool", False, "Timestamps as aware datetimes in UTC."),
    "fast_path": ("bool", True, "Send common requests on connections of coodie's own."),
    "statement_cache_size": ("count", 1000, "How many prepared statements to keep."),
}

#: Parameters of Cluster that a field of ConnectionConfig stands for: name → what to give instead.
_STOOD_FOR = {
    "contact_points": "hosts=",
    "ssl_options": "ssl_context= or the ssl_… options",
    "auth_provider": "",
}

#: Parameters of Cluster that belong into its default execution profile → the profile's parameter.
_PROFILE_OPTIONS = {"load_balancing_policy": "load_balancing_policy", "default_retry_policy": "retry_policy"}

#: Fields of ConnectionConfig that go into the default execution profile.
_PROFILE_FIELDS = (
    "local_dc",
    "consistency",
    "serial_consistency",
    "request_timeout",
    "retry_policy",
    "speculative_execution_policy",
)

#: Seconds between two attempts to reach a node that is down.
_RECONNECT = 1.0

#: Threads in which a Cluster connects, to this many nodes at once.
_EXECUTOR_THREADS = 16

_PIP = {"lz4": "lz4", "snappy": "python-snappy"}


def cassandra_description(summary: str, *, distribution: str) -> DriverDescription:
    """Describe a backend on the package ``cassandra``; its plug-in has checked whose files that package has.

    Args:
        summary: One line.
        distribution: The distribution that it needs.
    """
    from coodie.drivers.cassandra._reactors import import_cluster
    from coodie.hooks import DriverDescription, OptionDescription

    cluster_class = import_cluster()  # before what else imports it

    from coodie.drivers.cassandra.driver import CassandraDriver

    # What ConnectionConfig names never arrives as an option.
    parameters = (p for name, p in signature(cluster_class.__init__).parameters.items() if name != "self")
    own = tuple(
        OptionDescription(name=name, type=kind, default=default, help=text)
        for name, (kind, default, text) in _DRIVER_OPTIONS.items()
    )
    cluster = tuple(
        OptionDescription(name=p.name, default=p.default, help="A parameter of the driver's Cluster.")
        for p in parameters
        if p.name not in ("port", "compression", "protocol_version", "ssl_context")
    )
    return DriverDescription(
        summary=summary,
        options=own + cluster,
        capabilities=CassandraDriver.capabilities,
        needs=(distribution,),
    )


def check_cassandra_config(config: ConnectionConfig) -> None:
    """Refuse what can't be honoured, before anything is connected.

    Raises:
        ConfigurationError: The error names the option.
    """
    from coodie.drivers.cassandra._reactors import check_patching, import_cluster

    cluster_options = [name for name in config.options if name not in _DRIVER_OPTIONS]
    if config.session is not None:
        if cluster_options:
            message = f"session= beside {cluster_options[0]}=: the session has its Cluster already."
            raise ConfigurationError(message, hint="Give it to your Cluster.", option=cluster_options[0])
        return
    if config.hosts is None:
        message = f"driver_type={config.driver_type!r} has neither hosts= nor session=."
        raise ConfigurationError(message, hint="Give hosts=['127.0.0.1'], for example.", option="hosts")
    check_patching(config.options.get("connection_class") or import_cluster().connection_class)
    for name, instead in _STOOD_FOR.items():
        if name in config.options and (instead or config.username is not None):
            message = f"{name}= beside or instead of {instead or 'username= and password='}."
            raise ConfigurationError(message, hint=f"Give {instead or 'one of them'}.", option=name)
    if config.options.get("execution_profiles"):
        beside = [name for name in _PROFILE_FIELDS if getattr(config, name) is not None]
        beside += [name for name in _PROFILE_OPTIONS if name in config.options]
        if beside:
            message = f"execution_profiles= beside {', '.join(f'{name}=' for name in beside)}."
            raise ConfigurationError(message, hint="Set it in your profiles.", option="execution_profiles")
    if config.local_dc is not None and "load_balancing_policy" in config.options:
        message = "local_dc= beside load_balancing_policy=."
        raise ConfigurationError(message, hint="Tell the policy its data centre.", option="local_dc")
    if config.retry_policy is not None:
        _check_retry_policy(config)
    _check_compression(config.compression)


def _check_retry_policy(config: ConnectionConfig) -> None:
    from coodie.drivers.cassandra._policies import retry_policy

    if "default_retry_policy" in config.options:
        message = "retry_policy= beside default_retry_policy=."
        raise ConfigurationError(message, hint="Give one of them.", option="retry_policy")
    retry_policy(config.retry_policy)


def open_cassandra(config: ConnectionConfig) -> CassandraDriver:
    """Connect, or take the caller's session, and return a driver.

    Args:
        config: As ``check_cassandra_config`` let it through.

    Raises:
        ConnectionFailedError: No host could be reached.
        AuthenticationError: The server refused the credentials.
        ConfigurationError: The keyspace doesn't exist, or the server has no such compression.
    """
    from coodie.drivers.cassandra.driver import CassandraDriver

    own = {name: config.options[name] for name in _DRIVER_OPTIONS if name in config.options}
    if config.session is not None:
        return CassandraDriver(
            config.session,
            config.keyspace,
            request_timeout=config.request_timeout,
            consistency=config.consistency,
            **own,
        )
    return CassandraDriver(_connect(config), config.keyspace, owns_session=True, **own)


def _connect(config: ConnectionConfig) -> Any:
    """Return a session of a Cluster of our own; a failure leaves neither thread nor socket."""
    from cassandra import UnresolvableContactPoints

    from coodie.drivers.cassandra._connection import with_connect_errors
    from coodie.drivers.cassandra._errors import translate
    from coodie.drivers.cassandra._exit import end_event_loop_at_exit
    from coodie.drivers.cassandra.fastpath.driver_internals import abandon
    from coodie.drivers.cassandra.values.lenient_decoding import exact_protocol_handler

    end_event_loop_at_exit()
    try:
        cluster = _cluster(config)
    except CoodieError:
        raise
    except UnresolvableContactPoints as exc:  # which names no host
        raise _unresolvable(config.hosts or ()) from exc
    except Exception as exc:
        message = f"The driver refuses the configuration: {exc}."
        raise ConfigurationError(message) from exc
    forget_in_children(cluster, abandon)
    try:
        session = cluster.connect(config.keyspace)
        session.client_protocol_handler = exact_protocol_handler(session.client_protocol_handler)
        _check_negotiated(cluster, config)
    except BaseException as exc:
        named = with_connect_errors(exc, cluster)
        known = _known(cluster)
        cluster.shutdown()
        if not isinstance(exc, Exception):
            raise
        raise _connect_error(translate(named), config, known) from exc
    return session


class _Known(NamedTuple):
    """What a cluster knows that couldn't be connected; nothing, where it wasn't reached.

    Attributes:
        keyspaces: Its keyspaces; none where it keeps no schema metadata.
        data_centres: The nodes' data centres, by address and port.
        elsewhere: None of these addresses is one that was given.
    """

    keyspaces: frozenset[str]
    data_centres: dict[str, str | None]
    elsewhere: bool


def _known(cluster: Any) -> _Known:
    given = {str(endpoint) for endpoint in cluster.endpoints_resolved}
    centres = {str(host.endpoint): host.datacenter for host in cluster.metadata.all_hosts()}
    return _Known(frozenset(cluster.metadata.keyspaces), centres, given.isdisjoint(centres))


def _unresolvable(hosts: Sequence[str]) -> ConnectionFailedError:
    return ConnectionFailedError(
        f"No host name could be resolved: {', '.join(hosts)}.",
        hint="Look at hosts=, and at what this machine knows of these names.",
        hosts=dict.fromkeys(hosts, "the name could not be resolved"),
    )


def _connect_error(error: CoodieError, config: ConnectionConfig, known: _Known) -> CoodieError:
    """Return the error to raise; of most mistakes the driver says that no host would do."""
    if known.keyspaces and config.keyspace is not None and config.keyspace not in known.keyspaces:
        message = f"The keyspace {config.keyspace!r} doesn't exist."
        hint = "Create it first (CREATE KEYSPACE … WITH replication = …), or connect without keyspace=."
        return ConfigurationError(message, hint=hint, option="keyspace")
    centres = sorted({centre for centre in known.data_centres.values() if centre is not None})
    if centres and config.local_dc is not None and config.local_dc not in centres:
        message = f"The cluster has no data centre {config.local_dc!r}."
        hint = f"It has {', '.join(map(repr, centres))}; capitals count."
        return ConfigurationError(message, hint=hint, option="local_dc")
    if type(error) is ConnectionFailedError and known.data_centres:
        return _unused_nodes(known) if not error.hosts else _nodes_elsewhere(error, known)
    if isinstance(error, (ConnectionFailedError, ConfigurationError)):
        return error
    hosts = config.hosts or ()
    message = f"Connecting to {', '.join(hosts)} failed: {error}"
    return ConnectionFailedError(message, hosts=dict.fromkeys(hosts, str(error)))


def _unused_nodes(known: _Known) -> ConnectionFailedError:
    """Return the error where no node was tried."""
    nodes = {host: f"in {centre!r}, not used" for host, centre in sorted(known.data_centres.items())}
    listed = ", ".join(f"{host} in {centre!r}" for host, centre in sorted(known.data_centres.items()))
    message = f"The load-balancing policy uses none of the nodes: {listed}."
    hint = "Look at local_dc= and load_balancing_policy=."
    return ConnectionFailedError(message, hint=hint, hosts=nodes)


def _nodes_elsewhere(error: ConnectionFailedError, known: _Known) -> ConnectionFailedError:
    """Return the error where nodes were tried: theirs, unless the nodes announce other addresses."""
    if not known.elsewhere:
        return error
    tried = "; ".join(f"{host} ({said})" for host, said in error.hosts.items())
    message = f"The nodes announce other addresses than hosts=, and can't be reached there: {tried}."
    hint = "Set broadcast_rpc_address in cassandra.yaml, or give address_translator=."
    return ConnectionFailedError(message, hint=hint, hosts=error.hosts)


def _cluster(config: ConnectionConfig) -> Any:
    """Return an unconnected Cluster; everything of a profile goes into one, never beside it."""
    from cassandra.auth import PlainTextAuthProvider
    from cassandra.cluster import EXEC_PROFILE_DEFAULT
    from cassandra.policies import ConstantReconnectionPolicy

    from coodie.drivers.cassandra._cluster import cluster_class
    from coodie.drivers.cassandra._connection import attentive

    options = {name: value for name, value in config.options.items() if name not in _DRIVER_OPTIONS}
    moved = {name: options.pop(name) for name in _PROFILE_OPTIONS if name in options}
    if not options.get("execution_profiles"):
        options["execution_profiles"] = {EXEC_PROFILE_DEFAULT: _profile(config, moved)}
    if config.username is not None:
        options["auth_provider"] = PlainTextAuthProvider(config.username, config.password)
    for name in ("port", "ssl_context", "protocol_version", "compression"):
        if (value := getattr(config, name)) is not None:
            options[name] = value
    # The driver waits up to two seconds, at random, before it looks at a changed table.
    options.setdefault("schema_event_refresh_window", 0)
    # Theirs waits up to ten minutes: a node whose login is in order again, or that is back, waits with it.
    options.setdefault("reconnection_policy", ConstantReconnectionPolicy(_RECONNECT, max_attempts=None))
    # They send more than 4,096 bytes in pieces, of which the system would keep the last back for 40 ms.
    options["sockopts"] = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), *(options.get("sockopts") or ())]
    # Each node that hangs keeps one of them for connect_timeout, again and again: with two, as the drivers
    # have it, a node that is back waits for others. They are started when they are needed.
    options.setdefault("executor_threads", _EXECUTOR_THREADS)
    # A statement that a node has forgotten is looked at before it is sent there: StatementCache.recall.
    options.setdefault("reprepare_on_up", False)
    cluster = cluster_class(negotiates=config.protocol_version is None)
    options["connection_class"] = attentive(options.get("connection_class") or cluster.connection_class)
    return cluster(contact_points=list(config.hosts or ()), **options)


def _profile(config: ConnectionConfig, moved: dict[str, Any]) -> Any:
    from cassandra.cluster import ExecutionProfile, default_lbp_factory
    from cassandra.policies import DCAwareRoundRobinPolicy, TokenAwarePolicy

    from coodie.drivers.cassandra._policies import retry_policy, speculation_policy

    # The drivers' own default, named: cassandra-driver logs a warning where none is.
    parameters = {"load_balancing_policy": default_lbp_factory()}
    parameters |= {_PROFILE_OPTIONS[name]: value for name, value in moved.items()}
    if config.local_dc is not None:
        parameters["load_balancing_policy"] = TokenAwarePolicy(DCAwareRoundRobinPolicy(config.local_dc))
    if config.consistency is not None:
        parameters["consistency_level"] = CONSISTENCY_LEVELS[config.consistency]
    if config.request_timeout is not None:
        parameters["request_timeout"] = config.request_timeout
    if config.serial_consistency is not None:
        parameters["serial_consistency_level"] = CONSISTENCY_LEVELS[config.serial_consistency]
    if config.retry_policy is not None:
        parameters["retry_policy"] = retry_policy(config.retry_policy)
    if config.speculative_execution_policy is not None:
        parameters["speculative_execution_policy"] = speculation_policy(config.speculative_execution_policy)
    return ExecutionProfile(**parameters)


def _check_compression(wanted: str | bool | None) -> None:  # noqa: FBT001 - as the driver has it
    """Refuse a compression whose module isn't importable here."""
    if wanted in (None, False):
        return
    from cassandra.connection import locally_supported_compressions as have

    if (wanted is True and not have) or (isinstance(wanted, str) and wanted not in have):
        name = "lz4" if wanted is True else str(wanted)
        message = f"compression={wanted!r} needs a Python module that isn't installed."
        raise ConfigurationError(message, hint=f"Run: pip install {_PIP[name]}", option="compression")


def _check_negotiated(cluster: Any, config: ConnectionConfig) -> None:
    """Refuse a connection that isn't compressed as it was asked to be."""
    wanted = config.compression
    if wanted in (None, False):
        return
    from cassandra.connection import locally_supported_compressions as have

    for holder in cluster.get_connection_holders():
        for connection in holder.get_connections():
            got = [name for name, (_, expand) in have.items() if connection.decompressor is expand]
            used = got[0] if got and (connection.compressor or connection.decompressor) else None
            if used is None or wanted not in (True, used):
                message = f"compression={wanted!r} was asked for; the server agreed to {used or 'none'}."
                hint = "Protocol version 5 knows lz4 alone. Run: pip install lz4, or give protocol_version=4."
                raise ConfigurationError(message, hint=hint, option="compression")
