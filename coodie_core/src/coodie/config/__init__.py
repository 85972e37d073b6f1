"""Configuration of connections in files, URLs and environment variables.

The options are in ``coodie.options``; its names are re-exported here, and imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coodie._lazy_imports import lazy_attributes

if TYPE_CHECKING:
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

if not TYPE_CHECKING:  # type checkers would accept any name
    _HOMES = dict.fromkeys(__all__, ".options.connection") | {"RequestProfile": ".options.profiles"}
    __getattr__, __dir__ = lazy_attributes(globals(), _HOMES, ("configuration", "settings", "url"))
