"""Configuration: what a connection and a request may be told, wherever that is written down."""

from __future__ import annotations

from coodie.options.connection import (
    NOT_OF_THE_CONNECTION,
    TLS_OPTIONS,
    ConnectionConfig,
    build_config,
    check_driver_type,
)
from coodie.options.profiles import RequestProfile

__all__ = [
    "NOT_OF_THE_CONNECTION",
    "TLS_OPTIONS",
    "ConnectionConfig",
    "RequestProfile",
    "build_config",
    "check_driver_type",
]
