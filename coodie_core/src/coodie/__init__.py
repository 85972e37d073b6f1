"""One contract for sync and async code over Apache Cassandra and ScyllaDB, any backend behind it.

What is slow to import and few programs need at their start is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coodie.configfile import load_config
from coodie.drivers import (
    AbstractDriver,
    LazyDriver,
    get_driver,
    init_coodie,
    init_coodie_async,
    register_driver,
)
from coodie.exceptions import CoodieError
from coodie.requests import BatchType, RequestOptions
from coodie.rows import Rows
from coodie.urls import connect, connect_async

if TYPE_CHECKING:
    from coodie.config import RequestProfile
    from coodie.types import UNSET

__version__ = "0.1.0"

__all__ = [
    "UNSET",
    "AbstractDriver",
    "BatchType",
    "CoodieError",
    "LazyDriver",
    "RequestOptions",
    "RequestProfile",
    "Rows",
    "__version__",
    "connect",
    "connect_async",
    "get_driver",
    "init_coodie",
    "init_coodie_async",
    "load_config",
    "register_driver",
]

#: What is imported when it is first used → its module.
_HOMES = {"RequestProfile": "config", "UNSET": "types"}

#: Modules that the import leaves out, and that are there when they are asked for.
_MODULES = ("config", "cql", "tls", "types")

if not TYPE_CHECKING:  # with it, any name would pass for one of ours

    def __getattr__(name: str) -> object:
        """Import what is asked for: a name of another module, or that module itself."""
        from importlib import import_module

        if name in _MODULES:
            return import_module(f"{__name__}.{name}")
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__, *_MODULES})
