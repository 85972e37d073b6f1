"""The options of backends whose client connects to hosts within a timeout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coodie.exceptions import ConfigurationError
from coodie.hooks import OptionDescription
from coodie.requests import check_timeout

if TYPE_CHECKING:
    from coodie.options.connection import ConnectionConfig

__all__ = ["CONNECT_TIMEOUT", "PORT", "check_connect_options", "connect_timeout"]

#: The default port.
PORT = 9042

_DEFAULT_TIMEOUT = 10.0

#: The option ``connect_timeout``.
CONNECT_TIMEOUT = OptionDescription(
    name="connect_timeout", type="seconds", default=_DEFAULT_TIMEOUT, help="The timeout of connecting."
)


def check_connect_options(config: ConnectionConfig) -> None:
    """Reject an invalid timeout, and a connection without hosts, before anything is connected.

    Raises:
        ConfigurationError: An option is invalid or missing.
    """
    check_timeout(config.options.get(CONNECT_TIMEOUT.name), CONNECT_TIMEOUT.name)
    if config.hosts is None:
        message = f"driver_type={config.driver_type!r} requires hosts=."
        raise ConfigurationError(message, hint="Give hosts=['127.0.0.1'].", option="hosts")


def connect_timeout(config: ConnectionConfig) -> float:
    """Return the timeout of connecting in seconds."""
    timeout: float = config.options.get(CONNECT_TIMEOUT.name, _DEFAULT_TIMEOUT)
    return timeout
