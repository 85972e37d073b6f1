"""One connection's configuration: validated once, at the border, and frozen."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from coodie.exceptions import ConfigurationError
from coodie.options.declarations import OPTIONS
from coodie.options.profiles import RequestProfile, build_profiles
from coodie.options.tls import build_ssl_context
from coodie.options.valuetypes import check_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from ssl import SSLContext

__all__ = [
    "NOT_OF_THE_CONNECTION",
    "TLS_OPTIONS",
    "ConnectionConfig",
    "build_config",
    "check_driver_type",
    "check_option",
]

#: The options that make up ``ssl_context``.
TLS_OPTIONS = ("ssl_enabled", "ssl_trusted_cert", "ssl_cert", "ssl_private_key", "ssl_verify_flags")

#: Fields that core itself honours, and ``options``, which are the backend's own.
NOT_OF_THE_CONNECTION = frozenset({"driver_type", "distribution", "options", "profiles"})


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectionConfig:
    """What a backend is told of the connection to open; made by ``build_config`` alone.

    Its repr shows no password and no option's value, since an option may hold a secret.

    Args:
        driver_type: The backend's name.
        distribution: The distribution that it is pinned to; None where the name says it all.
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
        serial_consistency: The same for the Paxos phase of lightweight transactions.
        retry_policy: The name of a policy, or a policy object of the backend's.
        protocol_version: The native protocol's version; None negotiates.
        compression: True (any), False (none), ``"lz4"``, ``"snappy"``; None is the backend's default.
        speculative_execution_policy: ``"0.1x2"``, or a policy object of the backend's.
        options: The backend's own options.
        profiles: Name → what requests that name it get where they give nothing themselves.
    """

    driver_type: str
    distribution: str | None = None
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
    serial_consistency: str | None = None
    retry_policy: Any = None
    protocol_version: int | None = None
    compression: str | bool | None = None
    speculative_execution_policy: Any = None
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    profiles: Mapping[str, RequestProfile] = field(default_factory=dict)

    def given(self) -> tuple[str, ...]:
        """Return the names of the fields that were set, and that the backend has to honour."""
        names = (entry.name for entry in fields(self) if entry.name not in NOT_OF_THE_CONNECTION)
        return tuple(name for name in names if getattr(self, name) is not None)


def build_config(*, driver_type: str = "scylla", **arguments: Any) -> ConnectionConfig:
    """Validate the arguments of ``init_coodie`` and freeze them.

    Args:
        driver_type: The backend's name; ``"name@distribution"`` pins it, as ``distribution=`` does.
        arguments: The other fields of ``ConnectionConfig`` but ``options``, and the ``ssl_…`` options;
            whatever is none of them becomes an option of the backend's, which refuses those that it
            doesn't know.

    Raises:
        ConfigurationError: A value is of the wrong kind, or two contradict each other.
    """
    profiles = arguments.pop("profiles", None)
    profiles = MappingProxyType({}) if profiles is None else build_profiles(profiles)
    driver_type, distribution = _split_pin(driver_type, arguments.pop("distribution", None))
    tls = _taken(arguments, TLS_OPTIONS)
    named = _taken(
        arguments,
        [entry.name for entry in fields(ConnectionConfig) if entry.name not in NOT_OF_THE_CONNECTION],
    )
    if tls or "ssl_context" in named:
        named["ssl_context"] = build_ssl_context(ssl_context=named.get("ssl_context"), **tls)
    config = ConnectionConfig(
        driver_type=driver_type,
        distribution=distribution,
        options=MappingProxyType(arguments),
        profiles=profiles,
        **named,
    )
    _check_combinations(config, list(tls))
    return config


def check_option(name: str, value: Any) -> Any:
    """Return the value of one of core's options as it is kept.

    Raises:
        ConfigurationError: It isn't of the option's type.
    """
    option = OPTIONS[name]
    return check_value(name, option.type, value, secret=option.secret)


def _taken(arguments: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Take what was given under these names out of the arguments, checked; None is nothing given."""
    taken = {}
    for name in names:
        value = arguments.pop(name, None)
        if value is not None:
            option = OPTIONS[name]
            taken[name] = check_value(name, option.type, value, secret=option.secret)
    return taken


def check_driver_type(driver_type: object) -> None:
    """Refuse what can't be a backend's name.

    Raises:
        ConfigurationError: It isn't a non-empty str without "@".
    """
    if not isinstance(driver_type, str) or not driver_type or "@" in driver_type:
        raise _no_driver_type(driver_type, "'scylla'")


def _no_driver_type(driver_type: object, example: str) -> ConfigurationError:
    message = f"driver_type={driver_type!r} can't be used."
    return ConfigurationError(
        message, hint=f"Give a backend's name, such as {example}.", option="driver_type"
    )


def _split_pin(driver_type: object, distribution: Any) -> tuple[str, str | None]:
    """Take ``"scylla@coodie-scylla"`` apart, and check it against ``distribution=``."""
    name, at, pinned = driver_type.partition("@") if isinstance(driver_type, str) else ("", "", "")
    pinned = pinned.strip()
    if not name or (at and not pinned):
        raise _no_driver_type(driver_type, "'scylla' or 'scylla@coodie-scylla'")
    if distribution is None:
        return name, pinned or None
    asked: str = check_option("distribution", distribution).strip()
    if pinned and pinned != asked:
        message = f"driver_type={driver_type!r} beside distribution={distribution!r}."
        raise ConfigurationError(message, hint="Pin it once.", option="distribution")
    return name, asked


def _check_combinations(config: ConnectionConfig, tls: list[str]) -> None:
    if (config.username is None) != (config.password is None):
        lacking = "password" if config.password is None else "username"
        message = f"{'username' if lacking == 'password' else 'password'}= without {lacking}=."
        raise ConfigurationError(message, hint="Give both, or neither.", option=lacking)
    if config.session is None:
        return
    beside = tls + [name for name in config.given() if OPTIONS[name].connecting]
    beside += ["profiles"] if config.profiles else []
    if beside:
        message = f"session= beside {', '.join(f'{name}=' for name in beside)}."
        hint = "A session is connected already: give it alone, or let coodie connect without session=."
        raise ConfigurationError(message, hint=hint, option=beside[0])
