"""The configuration of a connection: validated once, and frozen.

Few connections have profiles, TLS, a bundle or credentials that change: their modules are imported then.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from coodie.exceptions import ConfigurationError
from coodie.options.declarations import OPTIONS
from coodie.options.hosts import ContactPoint, parse_host
from coodie.options.valuetypes import check_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from ssl import SSLContext

    from coodie.options.bundle import CloudBundle
    from coodie.options.credentials import CredentialsProvider
    from coodie.options.profiles import RequestProfile
    from coodie.options.tls import CertificateFiles

__all__ = [
    "NOT_OF_THE_CONNECTION",
    "TLS_OPTIONS",
    "ConnectionConfig",
    "build_config",
    "check_driver_type",
    "check_option",
]

#: The options that are combined to ``ssl_context``.
TLS_OPTIONS = (
    "ssl_enabled",
    "ssl_trusted_cert",
    "ssl_cert",
    "ssl_private_key",
    "ssl_key_password",
    "ssl_verify_flags",
)

#: The options that a bundle stands for, beside those of certificates.
_BUNDLED = ("hosts", "port", "address_map", "ssl_context", "ssl_hostname")

#: Fields that coodie-core implements, and ``options``, which the backend validates.
NOT_OF_THE_CONNECTION = frozenset(
    {
        "driver_type",
        "distribution",
        "host_ports",
        "credentials",
        "certificate_files",
        "options",
        "profiles",
        "rows",
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectionConfig:
    """The configuration of a connection, for the backend that opens it; created only by ``build_config``.

    Its repr contains neither the password nor values of options, which may be secret.

    Args:
        driver_type: The backend's name.
        distribution: The distribution that has to provide the backend; None for the one with the name.
        hosts: Contact points: names or addresses, without a port; or, for backends with
            ``Capability.UNIX_SOCKETS``, absolute paths.
        host_ports: The port of each host, None for ``port``; None if ``port`` is that of all hosts. Backends
            with ``Capability.HOST_PORTS`` read ``contact_points`` instead.
        bundle: A cloud's bundle, instead of hosts; ``ssl_context`` is from it.
        address_map: The addresses that nodes announce, optionally with a port → the hosts to connect to,
            optionally with a port; as text for ``parse_host``.
        session: A session of the backend's driver, from the caller.
        keyspace: The default keyspace's plain name.
        ssl_context: The TLS context; None for unencrypted connections.
        certificate_files: The context's files, for ``current_ssl_context``; None if it has none.
        ssl_hostname: The name that the certificates of all nodes have; None for their names in ``hosts``, or
            else their addresses.
        port: The port of the native protocol, for hosts without a port of their own; None for the backend's
            default, 9042.
        username: The user name for password authentication; with ``credentials``, the current one when the
            driver is opened.
        password: The password; as above.
        credentials: Returns the current credentials, or an authenticator, for each further login; may block.
            None if they never change.
        local_dc: The preferred data centre.
        local_rack: The preferred rack of that data centre.
        application: The program's name, or its name and version, as ``name/version``.
        request_timeout: The default timeout of requests in seconds.
        consistency: The default consistency level.
        serial_consistency: The default level of the Paxos phase of lightweight transactions.
        retry_policy: The name of a policy, or a policy object of the backend's driver.
        protocol_version: The version of the native protocol; None negotiates it.
        compression: True (any), False (none), ``"lz4"``, ``"snappy"``; None for the backend's default.
        speculative_execution_policy: ``"0.1x2"``, or a policy object of the backend's driver.
        options: The backend's options.
        profiles: Request profiles by name.
        rows: The shape of rows if a request doesn't set it; None for dicts.
    """

    driver_type: str
    distribution: str | None = None
    hosts: tuple[str, ...] | None = None
    host_ports: tuple[int | None, ...] | None = None
    bundle: CloudBundle | None = None
    address_map: Mapping[str, str] | None = None
    session: Any = field(default=None, repr=False)
    keyspace: str | None = None
    ssl_context: SSLContext | None = None
    certificate_files: CertificateFiles | None = field(default=None, repr=False, compare=False)
    ssl_hostname: str | None = None
    port: int | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    credentials: CredentialsProvider | None = field(default=None, repr=False)
    local_dc: str | None = None
    local_rack: str | None = None
    application: str | None = None
    request_timeout: float | None = None
    consistency: str | None = None
    serial_consistency: str | None = None
    retry_policy: Any = None
    protocol_version: int | None = None
    compression: str | bool | None = None
    speculative_execution_policy: Any = None
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    profiles: Mapping[str, RequestProfile] = field(default_factory=dict)
    rows: Any = None

    @property
    def contact_points(self) -> tuple[ContactPoint, ...]:
        """The hosts with their ports; a port is None if neither the host nor the connection has one."""
        hosts = self.hosts or ()
        ports = self.host_ports or (None,) * len(hosts)
        points = (ContactPoint(host, port or self.port) for host, port in zip(hosts, ports, strict=True))
        return tuple(point._replace(port=None) if point.is_path else point for point in points)

    @property
    def host_names(self) -> tuple[str, ...]:
        """The hosts for messages and events: with their ports if these differ; a bundle's service."""
        if self.bundle is not None:
            return (str(self.bundle.metadata_service),)
        hosts = self.hosts or ()
        return hosts if self.host_ports is None else tuple(map(str, self.contact_points))

    @property
    def target(self) -> str:
        """The backend and the hosts, for representations: ``'scylla' at db1, db2``."""
        hosts = f" at {', '.join(self.host_names)}" if self.host_names else ""
        return f"{self.driver_type!r}{hosts}"

    def given(self) -> tuple[str, ...]:
        """Return the names of the fields that were set and that the backend has to implement."""
        names = (entry.name for entry in fields(self) if entry.name not in NOT_OF_THE_CONNECTION)
        login = ("username", "password") if self.credentials is not None else ()
        return tuple(name for name in names if name in login or getattr(self, name) is not None)

    def current_ssl_context(self) -> SSLContext | None:
        """Return the TLS context for a new connection, with the current contents of its files."""
        return self.ssl_context if self.certificate_files is None else self.certificate_files.current()

    def with_current_credentials(self) -> ConnectionConfig:
        """Return the configuration with the current user name and password; may block.

        They stay None if ``credentials`` returns an authenticator.

        Raises:
            CoodieError: As in ``current_credentials``.
        """
        if self.credentials is None:
            return self
        from coodie.options.credentials import Credentials, current_credentials

        login = current_credentials(self.credentials)
        if not isinstance(login, Credentials):
            return self
        return replace(self, username=login.username, password=login.password)


def build_config(*, driver_type: str = "scylla", **arguments: Any) -> ConnectionConfig:
    """Validate the arguments of ``init_coodie`` and freeze them.

    Args:
        driver_type: The backend's name; ``"name@distribution"`` pins the distribution, as ``distribution=``
            does.
        arguments: The other fields of ``ConnectionConfig`` except ``options``, and the ``ssl_…`` options; any
            other becomes an option of the backend, which rejects unknown ones.

    Raises:
        ConfigurationError: A value is invalid, or options are contradictory.
    """
    profiles = _profiles(arguments.pop("profiles", None))
    driver_type, distribution = _split_pin(driver_type, arguments.pop("distribution", None))
    tls = _taken(arguments, TLS_OPTIONS)
    of_connection = [
        entry.name for entry in fields(ConnectionConfig) if entry.name not in NOT_OF_THE_CONNECTION
    ]
    named = _taken(arguments, [*of_connection, "credentials", "rows"])
    if "bundle" in named:
        named |= _bundled(named, tls)
    elif tls or "ssl_context" in named:
        from coodie.options.tls import build_ssl_context, certificate_files

        named["ssl_context"] = build_ssl_context(ssl_context=named.get("ssl_context"), **tls)
        named["certificate_files"] = certificate_files(named["ssl_context"], tls)
    if isinstance(named.get("credentials"), str):
        from coodie.options.credentials import ProviderName

        named["credentials"] = ProviderName(named["credentials"])
    if "hosts" in named:
        named |= _hosts_and_ports(named["hosts"], named.get("port"))
    config = ConnectionConfig(
        driver_type=driver_type,
        distribution=distribution,
        options=MappingProxyType(arguments),
        profiles=profiles,
        **named,
    )
    _check_combinations(config, list(tls))
    return config


def _profiles(given: Any) -> Mapping[str, RequestProfile]:
    if given is None:
        return MappingProxyType({})
    from coodie.options.profiles import build_profiles

    return build_profiles(given)


def _bundled(named: Mapping[str, Any], tls: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a bundle; raise for options that it stands for."""
    beside = [name for name in (*_BUNDLED, *TLS_OPTIONS) if name in named or name in tls]
    if beside:
        message = f"bundle= can't be combined with {', '.join(f'{name}=' for name in beside)}."
        hint = "The bundle has the addresses and the certificates: leave the others out."
        raise ConfigurationError(message, hint=hint, option=beside[0])
    from coodie.options.bundle import read_bundle

    bundle = read_bundle(named["bundle"])
    found: dict[str, Any] = {
        "bundle": bundle,
        "ssl_context": bundle.files.current(),
        "certificate_files": bundle.files,
    }
    if bundle.username is not None and not {"username", "password", "credentials"} & set(named):
        found |= {"username": bundle.username, "password": bundle.password}
    return found


def _hosts_and_ports(hosts: Iterable[str], port: int | None) -> dict[str, Any]:
    """Return the fields ``hosts``, ``port`` and ``host_ports``; the last one only if the ports differ."""
    points = [parse_host(host) for host in hosts]
    names = tuple(point.host for point in points)
    ports = {point.port or port for point in points if not point.is_path} or {port}
    (only, *more) = ports
    if not more and port in (None, only):
        return {"hosts": names, "port": only}
    return {"hosts": names, "port": port, "host_ports": tuple(point.port for point in points)}


def check_option(name: str, value: Any) -> Any:
    """Validate and normalize the value of an option of coodie-core.

    Raises:
        ConfigurationError: The value has the wrong type.
    """
    option = OPTIONS[name]
    return check_value(name, option.type, value, secret=option.secret)


def _taken(arguments: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Remove these options from the arguments, and return them validated, without those that are None."""
    taken = {}
    for name in names:
        value = arguments.pop(name, None)
        if value is not None:
            option = OPTIONS[name]
            taken[name] = check_value(name, option.type, value, secret=option.secret)
    return taken


def check_driver_type(driver_type: object) -> None:
    """Validate the name of a backend.

    Raises:
        ConfigurationError: The name isn't a non-empty str without "@".
    """
    if not isinstance(driver_type, str) or not driver_type or "@" in driver_type:
        raise _no_driver_type(driver_type, "'scylla'")


def _no_driver_type(driver_type: object, example: str) -> ConfigurationError:
    message = f"driver_type={driver_type!r} can't be used."
    return ConfigurationError(
        message, hint=f"Give a backend's name, such as {example}.", option="driver_type"
    )


def _split_pin(driver_type: object, distribution: Any) -> tuple[str, str | None]:
    """Split ``"scylla@coodie-scylla"``; raise if ``distribution=`` is another one."""
    name, at, pinned = driver_type.partition("@") if isinstance(driver_type, str) else ("", "", "")
    pinned = pinned.strip()
    if not name or (at and not pinned):
        raise _no_driver_type(driver_type, "'scylla' or 'scylla@coodie-scylla'")
    if distribution is None:
        return name, pinned or None
    asked: str = check_option("distribution", distribution).strip()
    if pinned and pinned != asked:
        message = f"driver_type={driver_type!r} conflicts with distribution={distribution!r}."
        raise ConfigurationError(message, hint="Pin the distribution once.", option="distribution")
    return name, asked


def _check_combinations(config: ConnectionConfig, tls: list[str]) -> None:
    if (config.username is None) != (config.password is None):
        lacking = "password" if config.password is None else "username"
        message = f"{'username' if lacking == 'password' else 'password'}= without {lacking}=."
        raise ConfigurationError(message, hint="Give both, or neither.", option=lacking)
    if config.credentials is not None and config.username is not None:
        message = "credentials= can't be combined with username= and password=."
        raise ConfigurationError(message, hint="Give either, not both.", option="credentials")
    if config.local_rack is not None and config.local_dc is None:
        message = "local_rack= without local_dc=."
        raise ConfigurationError(message, hint="Give the rack's data centre, too.", option="local_dc")
    if config.ssl_hostname is not None and not getattr(config.ssl_context, "check_hostname", False):
        message = "ssl_hostname= without TLS that verifies names."
        hint = "Give ssl_enabled=True or ssl_trusted_cert=, without ssl_verify_flags=, or leave it out."
        raise ConfigurationError(message, hint=hint, option="ssl_hostname")
    if config.session is None:
        return
    beside = tls + [name for name in config.given() if OPTIONS[name].connecting]
    beside += ["profiles"] if config.profiles else []
    if beside:
        message = f"session= can't be combined with {', '.join(f'{name}=' for name in beside)}."
        hint = "A session is already connected: set its options on its Cluster, or leave session= out."
        raise ConfigurationError(message, hint=hint, option=beside[0])
