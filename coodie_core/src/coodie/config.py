"""One connection's configuration: validated once, at the border, and frozen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from coodie.consistency import parse_consistency
from coodie.exceptions import ConfigurationError
from coodie.tls import build_ssl_context

if TYPE_CHECKING:
    from ssl import SSLContext

__all__ = ["TLS_OPTIONS", "ConnectionConfig", "build_config"]

_MOST_PORT = 65535

#: What only makes sense where the connection is made; a session has been connected already.
_CONNECTING = (
    "hosts",
    "port",
    "ssl_context",
    "username",
    "password",
    "local_dc",
    "protocol_version",
    "compression",
    "speculative_execution_policy",
)

#: The options that make up ``ssl_context``.
TLS_OPTIONS = ("ssl_enabled", "ssl_trusted_cert", "ssl_cert", "ssl_private_key", "ssl_verify_flags")


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectionConfig:
    """What a backend is told of the connection to open; made by ``build_config`` alone.

    Its repr shows no password and no option's value, since an option may hold a secret.

    Args:
        driver_type: The backend's name.
        hosts: Contact points, names or addresses, without a port.
        session: A session of the backend's that the caller made.
        keyspace: The default keyspace's plain name.
        ssl_context: TLS, or None for plain text.
        port: The native protocol's port; None means the backend's default, 9042.
        username: For password authentication, with ``password``.
        password: Its secret.
        local_dc: The data centre to prefer.
        request_timeout: Seconds that a request may take unless it says otherwise.
        consistency: The level of requests that name none.
        protocol_version: The native protocol's version; None negotiates.
        compression: True (any), False (none), ``"lz4"``, ``"snappy"``; None is the backend's default.
        speculative_execution_policy: A policy object of the backend's.
        options: The backend's own options.
    """

    driver_type: str
    hosts: tuple[str, ...] | None = None
    session: Any = field(default=None, repr=False)
    keyspace: str | None = None
    ssl_context: SSLContext | None = None
    port: int | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    local_dc: str | None = None
    request_timeout: float | None = None
    consistency: str | None = None
    protocol_version: int | None = None
    compression: str | bool | None = None
    speculative_execution_policy: Any = None
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def given(self) -> tuple[str, ...]:
        """Return the names of the fields that were set, ``driver_type`` and ``options`` aside."""
        names = (entry.name for entry in fields(self) if entry.name not in ("driver_type", "options"))
        return tuple(name for name in names if getattr(self, name) is not None)


def build_config(
    *,
    driver_type: str = "scylla",
    hosts: Sequence[str] | None = None,
    ssl_context: SSLContext | None = None,
    **arguments: Any,
) -> ConnectionConfig:
    """Validate the arguments of ``init_coodie`` and freeze them.

    Args:
        driver_type: The backend's name.
        hosts: Contact points.
        ssl_context: TLS; or the ``ssl_…`` options among the arguments.
        arguments: The other fields of ``ConnectionConfig`` but ``options``; whatever isn't one of
            them becomes an option of the backend's, which refuses those that it doesn't know.

    Raises:
        ConfigurationError: A value is of the wrong kind, or two contradict each other.
    """
    tls = {name: arguments.pop(name) for name in TLS_OPTIONS if name in arguments}
    named = {
        entry.name: arguments.pop(entry.name)
        for entry in fields(ConnectionConfig)
        if entry.name in arguments and entry.name != "options"
    }
    if not isinstance(driver_type, str) or not driver_type:
        raise _refuse("driver_type", driver_type, "a backend's name, such as 'scylla'")
    config = ConnectionConfig(
        driver_type=driver_type,
        hosts=_checked_hosts(hosts),
        ssl_context=build_ssl_context(ssl_context=ssl_context, **tls),
        options=MappingProxyType(arguments),
        **named,
    )
    if config.consistency is not None:
        object.__setattr__(config, "consistency", parse_consistency(config.consistency))
    _check_values(config)
    _check_combinations(config, [name for name, value in tls.items() if value is not None])
    return config


def _refuse(option: str, value: object, wanted: str) -> ConfigurationError:
    return ConfigurationError(f"{option}={value!r} can't be used.", hint=f"Give {wanted}.", option=option)


def _checked_hosts(hosts: object) -> tuple[str, ...] | None:
    if hosts is None:
        return None
    if isinstance(hosts, str) or not isinstance(hosts, Sequence):
        raise _refuse("hosts", hosts, "a list, such as hosts=['127.0.0.1']")
    if not hosts:
        raise _refuse("hosts", hosts, "at least one host, or leave hosts out")
    for host in hosts:
        if not isinstance(host, str) or not host.strip():
            raise _refuse("hosts", hosts, "names or addresses, each a non-empty str")
        if host.count(":") == 1:
            raise _refuse("hosts", hosts, f"the port apart, as port={host.rpartition(':')[2]}")
    return tuple(hosts)


def _is_number(value: object, kinds: tuple[type, ...]) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)


def _check_values(config: ConnectionConfig) -> None:
    for name in ("keyspace", "username", "local_dc"):
        value = getattr(config, name)
        if value is not None and (not isinstance(value, str) or not value):
            raise _refuse(name, value, "a non-empty str")
    if config.password is not None and not isinstance(config.password, str):
        message = f"password= is of type {type(config.password).__name__}."
        raise ConfigurationError(message, hint="Give a str.", option="password")
    if config.port is not None and not (_is_number(config.port, (int,)) and 0 < config.port <= _MOST_PORT):
        raise _refuse("port", config.port, f"a whole number from 1 to {_MOST_PORT}")
    timeout = config.request_timeout
    if timeout is not None and not (_is_number(timeout, (int, float)) and 0 < timeout < float("inf")):
        raise _refuse("request_timeout", timeout, "seconds, more than 0")
    version = config.protocol_version
    if version is not None and not (_is_number(version, (int,)) and version > 0):
        raise _refuse("protocol_version", version, "a whole number, such as 4 or 5")
    # 1 == True, and a bool is what the backends look for.
    if not isinstance(config.compression, bool) and config.compression not in (None, "lz4", "snappy"):
        raise _refuse("compression", config.compression, "True, False, 'lz4' or 'snappy'")


def _check_combinations(config: ConnectionConfig, tls: list[str]) -> None:
    if (config.username is None) != (config.password is None):
        lacking = "password" if config.password is None else "username"
        message = f"{'username' if lacking == 'password' else 'password'}= without {lacking}=."
        raise ConfigurationError(message, hint="Give both, or neither.", option=lacking)
    if config.session is None:
        return
    beside = tls + [name for name in _CONNECTING if getattr(config, name) is not None]
    if beside:
        message = f"session= beside {', '.join(f'{name}=' for name in beside)}."
        hint = "A session is connected already: give it alone, or let coodie connect without session=."
        raise ConfigurationError(message, hint=hint, option=beside[0])
