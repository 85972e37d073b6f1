"""Open a session of scylla-driver or cassandra-driver from a ConnectionConfig."""

from __future__ import annotations

import logging
import socket
from inspect import signature
from typing import TYPE_CHECKING, Any, NamedTuple

from coodie._forks import forget_in_children
from coodie.consistency import CONSISTENCY_LEVELS
from coodie.exceptions import ConfigurationError, ConnectionFailedError, CoodieError
from coodie.options.hosts import parse_host

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from coodie.drivers.cassandra.driver import CassandraDriver
    from coodie.hooks import DriverDescription, OptionDescription
    from coodie.options.connection import ConnectionConfig

__all__ = ["cassandra_description", "check_cassandra_config", "driver_options", "open_cassandra"]

_log = logging.getLogger("coodie.drivers.cassandra")

#: The options of CassandraDriver: name → (type, default, help).
_DRIVER_OPTIONS = {
    "aware_timestamps": ("bool", False, "Return timestamps as aware datetimes in UTC."),
    "codecs": ("codecs", (), "Conversions between CQL types and other Python types."),
    "fast_path": ("bool", True, "Send common requests on connections of coodie's own."),
    "statement_cache_size": ("count", 1000, "The number of cached prepared statements."),
    "max_in_flight": ("count", None, "The maximum number of requests in flight."),
    "max_queued": ("int", None, "The maximum number of queued requests; more raise OverloadedError."),
}

#: Parameters of Cluster that are set by a field of ConnectionConfig: name → the option to use instead.
_STOOD_FOR = {
    "contact_points": "hosts=",
    "ssl_options": "ssl_context= or the ssl_… options",
    "auth_provider": "",
}

#: Parameters of Cluster that are set in its default execution profile → the profile's parameter.
_PROFILE_OPTIONS = {"load_balancing_policy": "load_balancing_policy", "default_retry_policy": "retry_policy"}

#: Fields of ConnectionConfig that are set in the default execution profile.
_PROFILE_FIELDS = (
    "local_dc",
    "local_rack",
    "consistency",
    "serial_consistency",
    "request_timeout",
    "retry_policy",
    "speculative_execution_policy",
)

#: Parameters of Cluster that determine the nodes' endpoints.
_ENDPOINT_OPTIONS = ("endpoint_factory", "client_routes_config", "cloud")

#: Seconds between attempts to reconnect to a node that is down.
_RECONNECT = 1.0

#: The maximum number of threads of a Cluster's executor, which opens connections.
_EXECUTOR_THREADS = 16

_PIP = {"lz4": "lz4", "snappy": "python-snappy"}


def driver_options() -> tuple[OptionDescription, ...]:
    """Return the options of ``CassandraDriver``, without those of the driver's Cluster."""
    from coodie.hooks import OptionDescription

    return tuple(
        OptionDescription(name=name, type=kind, default=default, help=text)
        for name, (kind, default, text) in _DRIVER_OPTIONS.items()
    )


def cassandra_description(summary: str, *, distribution: str) -> DriverDescription:
    """Describe a backend of the package ``cassandra``; its plug-in has checked the package's distribution.

    Args:
        summary: One line.
        distribution: The required distribution.
    """
    from coodie.drivers.cassandra._reactors import import_cluster
    from coodie.hooks import DriverDescription, OptionDescription

    cluster_class = import_cluster()  # before what else imports it

    from coodie.drivers.cassandra.driver import CassandraDriver

    # Fields of ConnectionConfig aren't passed as options.
    parameters = (p for name, p in signature(cluster_class.__init__).parameters.items() if name != "self")
    cluster = tuple(
        OptionDescription(name=p.name, default=p.default, help="A parameter of the driver's Cluster.")
        for p in parameters
        if p.name not in ("port", "compression", "protocol_version", "ssl_context")
    )
    return DriverDescription(
        summary=summary,
        options=driver_options() + cluster,
        capabilities=CassandraDriver.capabilities,
        needs=(distribution,),
    )


def check_cassandra_config(config: ConnectionConfig) -> None:
    """Validate a configuration before connecting.

    Raises:
        ConfigurationError: An option is unsupported, or conflicts with another.
    """
    from coodie.drivers.cassandra._reactors import check_patching, import_cluster

    cluster_options = [name for name in config.options if name not in _DRIVER_OPTIONS]
    if config.session is not None:
        if cluster_options:
            message = f"{cluster_options[0]}= can't be combined with session=, which has a Cluster already."
            raise ConfigurationError(message, hint="Set it on your Cluster.", option=cluster_options[0])
        return
    if config.hosts is None and config.bundle is None and not _has_contact_points(config.options):
        message = f"driver_type={config.driver_type!r} needs hosts=, bundle= or session=."
        raise ConfigurationError(message, hint="Give hosts=['127.0.0.1'], for example.", option="hosts")
    check_patching(config.options.get("connection_class") or import_cluster().connection_class)
    _check_options(config)
    if config.retry_policy is not None:
        _check_retry_policy(config)
    _check_compression(config.compression)


def _has_contact_points(options: Mapping[str, Any]) -> bool:
    """Return whether an option of the driver replaces hosts; otherwise, the driver would use 127.0.0.1."""
    return options.get("cloud") is not None or bool(_proxies(options))


def _proxies(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the addresses of the proxies of ``client_routes_config``, which are contact points."""
    proxies = getattr(options.get("client_routes_config"), "proxies", ())
    return tuple(proxy.connection_addr_override for proxy in proxies if proxy.connection_addr_override)


def _check_options(config: ConnectionConfig) -> None:
    """Reject options of the driver that conflict with those of coodie-core."""
    for name, instead in _STOOD_FOR.items():
        if name in config.options and (instead or "username" in config.given()):
            together = "" if instead else " together with username= and password=, or credentials="
            message = f"{name}= can't be used{together}."
            raise ConfigurationError(message, hint=f"Give {instead or 'one of them'}.", option=name)
    if config.options.get("execution_profiles"):
        beside = [name for name in _PROFILE_FIELDS if getattr(config, name) is not None]
        beside += [name for name in _PROFILE_OPTIONS if name in config.options]
        if beside:
            others = ", ".join(f"{name}=" for name in beside)
            message = f"execution_profiles= can't be combined with {others}."
            raise ConfigurationError(message, hint="Set it in your profiles.", option="execution_profiles")
    if config.local_dc is not None and "load_balancing_policy" in config.options:
        message = "local_dc= can't be combined with load_balancing_policy=."
        raise ConfigurationError(message, hint="Set the data centre in the policy.", option="local_dc")
    if config.application is not None and "application_info" in config.options:
        raise _one_of("application", "application_info")
    _check_endpoints(config)


def _check_endpoints(config: ConnectionConfig) -> None:
    """Reject several options that determine the nodes' addresses."""
    for name in (*_ENDPOINT_OPTIONS, "address_translator"):
        for option in ("address_map", "bundle"):
            if getattr(config, option) is not None and config.options.get(name) is not None:
                raise _one_of(option, name)
    if config.options.get("client_routes_config") is not None and getattr(
        config.ssl_context, "check_hostname", False
    ):
        message = "client_routes_config= can't be combined with TLS that verifies names."
        hint = "Give ssl_verify_flags=1: the addresses of proxies aren't in the nodes' certificates."
        raise ConfigurationError(message, hint=hint, option="client_routes_config")
    _check_unix_sockets(config)
    for option in ("hosts", "port", "ssl_context"):
        if getattr(config, option) is not None and config.options.get("cloud") is not None:
            raise _one_of(option, "cloud")


def _check_unix_sockets(config: ConnectionConfig) -> None:
    """Reject paths of Unix sockets that can't be connected to, or whose certificates couldn't be verified."""
    places = [("hosts", host) for host in config.hosts or ()]
    places += [("address_map", host) for host in (config.address_map or {}).values()]
    option = next((option for option, host in places if parse_host(host).is_path), None)
    if option is None:
        return
    if not hasattr(socket, "AF_UNIX"):
        message = f"{option}= has a path, but this platform's Python has no Unix sockets."
        raise ConfigurationError(message, hint="Give names or addresses.", option=option)
    if getattr(config.ssl_context, "check_hostname", False) and config.ssl_hostname is None:
        message = f"{option}= has a path, which no certificate can be verified for."
        hint = "Give the name in the certificates as ssl_hostname=, or ssl_verify_flags=1."
        raise ConfigurationError(message, hint=hint, option="ssl_hostname")


def _one_of(option: str, other: str) -> ConfigurationError:
    message = f"{option}= can't be combined with {other}=."
    return ConfigurationError(message, hint="Give one of them.", option=option)


def _check_retry_policy(config: ConnectionConfig) -> None:
    from coodie.drivers.cassandra._policies import retry_policy

    if "default_retry_policy" in config.options:
        raise _one_of("retry_policy", "default_retry_policy")
    retry_policy(config.retry_policy)


def open_cassandra(config: ConnectionConfig) -> CassandraDriver:
    """Return a driver for a new session, or for the caller's.

    Args:
        config: A configuration that ``check_cassandra_config`` accepts.

    Raises:
        ConnectionFailedError: No host could be reached.
        AuthenticationError: The server rejected the credentials.
        ConfigurationError: The keyspace doesn't exist, or the server doesn't support the compression.
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
    """Return a session of a new Cluster; shut the Cluster down if that fails."""
    from cassandra import UnresolvableContactPoints

    from coodie.drivers.cassandra._connection import with_connect_errors
    from coodie.drivers.cassandra._exit import end_event_loop_at_exit
    from coodie.drivers.cassandra.fastpath.driver_internals import abandon
    from coodie.drivers.cassandra.values.lenient_decoding import exact_protocol_handler

    end_event_loop_at_exit()
    try:
        cluster = _cluster(config)
    except CoodieError:
        raise
    except UnresolvableContactPoints as exc:  # its text names no host
        raise _unresolvable(config.host_names or _proxies(config.options)) from exc
    except Exception as exc:
        message = f"The driver rejected the configuration: {exc}."
        raise ConfigurationError(message) from exc
    forget_in_children(cluster, abandon)
    try:
        session = cluster.connect(config.keyspace)
        session.client_protocol_handler = exact_protocol_handler(session.client_protocol_handler)
        _check_negotiated(cluster, config)
        _check_rack(cluster, config)
    except BaseException as exc:
        from coodie.drivers.cassandra._errors import translate

        named = with_connect_errors(exc, cluster)
        known = _known(cluster)
        cluster.shutdown()
        if not isinstance(exc, Exception):
            raise
        raise _connect_error(translate(named), config, known) from exc
    return session


def _check_rack(cluster: Any, config: ConnectionConfig) -> None:
    """Log a warning if no node is in the preferred rack: it may be gone, or misspelt."""
    hosts = cluster.metadata.all_hosts()
    racks = sorted({str(host.rack) for host in hosts if host.datacenter == config.local_dc})
    if config.local_rack is not None and config.local_rack not in racks:
        text = "The data centre %r has no rack local_rack=%r; it has %s. Names are case-sensitive."
        _log.warning(text, config.local_dc, config.local_rack, ", ".join(map(repr, racks)))


class _Known(NamedTuple):
    """The metadata of a cluster after a failed connect; empty if no node was reached.

    Attributes:
        keyspaces: The keyspaces; empty if schema metadata are disabled.
        data_centres: The nodes' data centres, by address and port.
        elsewhere: None of these addresses is a contact point.
        given: The contact points.
    """

    keyspaces: frozenset[str]
    data_centres: dict[str, str | None]
    elsewhere: bool
    given: tuple[str, ...]


def _known(cluster: Any) -> _Known:
    given = tuple(sorted({str(endpoint) for endpoint in cluster.endpoints_resolved}))
    centres = {str(host.endpoint): host.datacenter for host in cluster.metadata.all_hosts()}
    return _Known(frozenset(cluster.metadata.keyspaces), centres, set(given).isdisjoint(centres), given)


def _unresolvable(hosts: Sequence[str]) -> ConnectionFailedError:
    return ConnectionFailedError(
        f"Could not resolve {'any of the hosts' if len(hosts) > 1 else 'the host'}: {', '.join(hosts)}.",
        hint="Check hosts= and DNS.",
        hosts=dict.fromkeys(hosts, "the name could not be resolved"),
    )


def _connect_error(error: CoodieError, config: ConnectionConfig, known: _Known) -> CoodieError:
    """Return the error to raise; for most mistakes, the driver only reports that no host is available."""
    if known.keyspaces and config.keyspace is not None and config.keyspace not in known.keyspaces:
        message = f"The keyspace {config.keyspace!r} doesn't exist."
        hint = "Create it first (CREATE KEYSPACE … WITH replication = …), or connect without keyspace=."
        return ConfigurationError(message, hint=hint, option="keyspace")
    centres = sorted({centre for centre in known.data_centres.values() if centre is not None})
    if centres and config.local_dc is not None and config.local_dc not in centres:
        message = f"The cluster has no data centre {config.local_dc!r}."
        hint = f"It has {', '.join(map(repr, centres))}; names are case-sensitive."
        return ConfigurationError(message, hint=hint, option="local_dc")
    if type(error) is ConnectionFailedError and known.data_centres:
        return _unused_nodes(known) if not error.hosts else _nodes_elsewhere(error, known)
    if isinstance(error, (ConnectionFailedError, ConfigurationError)):
        return error
    hosts = config.host_names or known.given  # of cloud= or client_routes_config=
    message = f"Connecting to {', '.join(hosts)} failed: {error}"
    return ConnectionFailedError(message, hosts=dict.fromkeys(hosts, str(error)))


def _unused_nodes(known: _Known) -> ConnectionFailedError:
    """Return the error for a policy that excludes all nodes."""
    nodes = {host: f"in {centre!r}, not used" for host, centre in sorted(known.data_centres.items())}
    listed = ", ".join(f"{host} in {centre!r}" for host, centre in sorted(known.data_centres.items()))
    message = f"The load-balancing policy uses none of the nodes: {listed}."
    hint = "Check local_dc= and load_balancing_policy=."
    return ConnectionFailedError(message, hint=hint, hosts=nodes)


def _nodes_elsewhere(error: ConnectionFailedError, known: _Known) -> ConnectionFailedError:
    """Return the nodes' error, or a better one if their advertised addresses aren't the contact points."""
    if not known.elsewhere:
        return error
    tried = "; ".join(f"{host} ({said})" for host, said in error.hosts.items())
    message = f"The nodes advertise other addresses than hosts=, which can't be reached: {tried}."
    hint = "Set broadcast_rpc_address in cassandra.yaml, or give address_map=."
    return ConnectionFailedError(message, hint=hint, hosts=error.hosts)


def _cluster(config: ConnectionConfig) -> Any:
    """Return an unconnected Cluster; all options of execution profiles are set in a profile."""
    from cassandra.auth import PlainTextAuthProvider
    from cassandra.cluster import EXEC_PROFILE_DEFAULT
    from cassandra.policies import ConstantReconnectionPolicy

    from coodie.drivers.cassandra._cluster import cluster_class
    from coodie.drivers.cassandra._connection import attentive, startup_options

    options = {name: value for name, value in config.options.items() if name not in _DRIVER_OPTIONS}
    moved = {name: options.pop(name) for name in _PROFILE_OPTIONS if name in options}
    if not options.get("execution_profiles"):
        options["execution_profiles"] = {EXEC_PROFILE_DEFAULT: _profile(config, moved)}
    if config.credentials is not None:
        from coodie.drivers.cassandra._authentication import CurrentCredentials

        options["auth_provider"] = CurrentCredentials(config.credentials)
    elif config.username is not None:
        options["auth_provider"] = PlainTextAuthProvider(config.username, config.password)
    for name in ("port", "ssl_context", "protocol_version", "compression"):
        if (value := getattr(config, name)) is not None:
            options[name] = value
    # By default, the driver waits a random time of up to two seconds before it refreshes a changed table.
    options.setdefault("schema_event_refresh_window", 0)
    # The default policy waits up to ten minutes, even if a node is back or its login works again.
    options.setdefault("reconnection_policy", ConstantReconnectionPolicy(_RECONNECT, max_attempts=None))
    # The drivers send more than 4,096 bytes in pieces; Nagle's algorithm would delay the last by 40 ms.
    options["sockopts"] = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), *(options.get("sockopts") or ())]
    # Each unresponsive node repeatedly occupies a thread for connect_timeout. With the default of two, a node
    # that is back would have to wait for others. Threads are started on demand.
    options.setdefault("executor_threads", _EXECUTOR_THREADS)
    # coodie prepares unprepared statements again itself, and checks whether their tables have changed.
    options.setdefault("reprepare_on_up", False)
    cluster = cluster_class(negotiates=config.protocol_version is None)
    options["connection_class"] = attentive(options.get("connection_class") or cluster.connection_class)
    options["connection_class"].startup_options = startup_options(config.application)
    options |= _endpoints(config, options)
    made = cluster(**options)
    if config.ssl_context is not None:
        made.current_ssl_context = config.current_ssl_context
    return made


def _endpoints(config: ConnectionConfig, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of Cluster about contact points and endpoints; configure the connection class."""
    from coodie.drivers.cassandra._endpoints import NodeEndPoints, contact_endpoint

    if config.bundle is not None:
        from coodie.drivers.cassandra._cloud import cloud_endpoints

        factory, nodes = cloud_endpoints(config.bundle)
        return {"endpoint_factory": factory, "contact_points": nodes}
    points = [contact_endpoint(point) for point in config.contact_points]
    found: dict[str, Any] = {"contact_points": points} if points else {}
    mapped = {
        parse_host(announced): parse_host(host) for announced, host in (config.address_map or {}).items()
    }
    if not any(options.get(name) for name in _ENDPOINT_OPTIONS):
        endpoints = found["endpoint_factory"] = NodeEndPoints(config.port, mapped)
        options["connection_class"].on_responses = endpoints.note
    if config.ssl_context is not None and config.ssl_context.check_hostname:
        from coodie.drivers.cassandra._server_names import ServerNames

        options["connection_class"].server_names = ServerNames(
            (*config.contact_points, *mapped.values()), config.ssl_hostname
        )
    return found


def _profile(config: ConnectionConfig, moved: dict[str, Any]) -> Any:
    from cassandra.cluster import ExecutionProfile, default_lbp_factory

    from coodie.drivers.cassandra._policies import local_policy, retry_policy, speculation_policy

    # The drivers' default, set explicitly: without it, cassandra-driver logs a warning.
    parameters = {"load_balancing_policy": default_lbp_factory()}
    parameters |= {_PROFILE_OPTIONS[name]: value for name, value in moved.items()}
    if config.local_dc is not None:
        parameters["load_balancing_policy"] = local_policy(config.local_dc, config.local_rack)
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
    """Reject a compression whose Python module isn't installed."""
    if wanted in (None, False):
        return
    from cassandra.connection import locally_supported_compressions as have

    if (wanted is True and not have) or (isinstance(wanted, str) and wanted not in have):
        name = "lz4" if wanted is True else str(wanted)
        message = f"compression={wanted!r} needs a Python module that isn't installed."
        raise ConfigurationError(message, hint=f"Run: pip install {_PIP[name]}", option="compression")


def _check_negotiated(cluster: Any, config: ConnectionConfig) -> None:
    """Reject a connection without the requested compression."""
    wanted = config.compression
    if wanted in (None, False):
        return
    from cassandra.connection import locally_supported_compressions as have

    for holder in cluster.get_connection_holders():
        for connection in holder.get_connections():
            got = [name for name, (_, expand) in have.items() if connection.decompressor is expand]
            used = got[0] if got and (connection.compressor or connection.decompressor) else None
            if used is None or wanted not in (True, used):
                message = f"compression={wanted!r}: the negotiated compression is {used or 'none'}."
                hint = "Protocol version 5 only has lz4. Run: pip install lz4, or give protocol_version=4."
                raise ConfigurationError(message, hint=hint, option="compression")
