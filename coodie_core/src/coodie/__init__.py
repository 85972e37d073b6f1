"""One contract for sync and async code over Apache Cassandra and ScyllaDB, any backend behind it.

What is slow to import and few programs need at their start is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coodie._late import late
from coodie._version import __version__
from coodie.config.loading import connect, connect_async, load_config
from coodie.drivers import (
    AbstractDriver,
    Driver,
    LazyDriver,
    get_driver,
    init_coodie,
    init_coodie_async,
    register_driver,
)
from coodie.exceptions import CoodieError
from coodie.requests import BatchType, RequestOptions
from coodie.rows import Rows

if TYPE_CHECKING:
    from coodie.options.credentials import Credentials
    from coodie.options.profiles import RequestProfile
    from coodie.types import UNSET

__all__ = [
    "UNSET",
    "AbstractDriver",
    "BatchType",
    "CoodieError",
    "Credentials",
    "Driver",
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

if not TYPE_CHECKING:  # with it, any name would pass for one of ours
    __getattr__, __dir__ = late(
        globals(),
        {"Credentials": "options.credentials", "RequestProfile": "options.profiles", "UNSET": "types"},
        ("cql", "types"),
    )
