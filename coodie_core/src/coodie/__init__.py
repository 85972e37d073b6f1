"""One contract for sync and async code over Apache Cassandra and ScyllaDB, any backend behind it."""

from __future__ import annotations

from coodie.config import RequestProfile
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
from coodie.types import UNSET
from coodie.urls import connect, connect_async

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
