"""A sync and async client for Apache Cassandra and ScyllaDB, with pluggable backends.

``init_coodie`` opens a driver from keyword arguments, ``connect`` from a URL. Modules that are slow to import
are imported when a name of theirs is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coodie._lazy_imports import lazy_attributes
from coodie._version import __version__
from coodie.drivers import (
    AbstractDriver,
    Driver,
    get_driver,
    init_coodie,
    init_coodie_async,
    register_driver,
)
from coodie.exceptions import (
    AlreadyExistsError,
    AuthenticationError,
    ConfigurationError,
    ConnectionFailedError,
    CoodieError,
    DriverClosedError,
    ExecuteManyError,
    InvalidQueryError,
    OverloadedError,
    ParameterError,
    ReadTimeoutError,
    RequestError,
    RequestTimeoutError,
    RowCountError,
    SchemaError,
    ServerError,
    UnauthorizedError,
    UnavailableError,
    UnsupportedError,
    WriteTimeoutError,
)
from coodie.requests import BatchType, RequestOptions
from coodie.rows import Rows

if TYPE_CHECKING:
    from coodie.codecs import Codec
    from coodie.config.loading import connect, connect_async, load_config
    from coodie.options.credentials import Credentials
    from coodie.options.profiles import RequestProfile
    from coodie.registry.lazy import LazyDriver
    from coodie.schema.definitions import ColumnDefinition
    from coodie.types import UNSET

__all__ = [
    "UNSET",
    "AbstractDriver",
    "AlreadyExistsError",
    "AuthenticationError",
    "BatchType",
    "Codec",
    "ColumnDefinition",
    "ConfigurationError",
    "ConnectionFailedError",
    "CoodieError",
    "Credentials",
    "Driver",
    "DriverClosedError",
    "ExecuteManyError",
    "InvalidQueryError",
    "LazyDriver",
    "OverloadedError",
    "ParameterError",
    "ReadTimeoutError",
    "RequestError",
    "RequestOptions",
    "RequestProfile",
    "RequestTimeoutError",
    "RowCountError",
    "Rows",
    "SchemaError",
    "ServerError",
    "UnauthorizedError",
    "UnavailableError",
    "UnsupportedError",
    "WriteTimeoutError",
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
    __getattr__, __dir__ = lazy_attributes(
        globals(),
        {
            "Codec": "codecs",
            "ColumnDefinition": "schema.definitions",
            "Credentials": "options.credentials",
            "LazyDriver": "registry.lazy",
            "RequestProfile": "options.profiles",
            "UNSET": "_unset",
            **dict.fromkeys(("connect", "connect_async", "load_config"), "config.loading"),
        },
        ("codecs", "config", "cql", "types"),
    )
