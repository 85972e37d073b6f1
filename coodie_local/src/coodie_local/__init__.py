"""A real Apache Cassandra as a child process, with nothing but pip: for development and tests."""

from __future__ import annotations

from coodie_local.errors import (
    ChecksumError,
    DownloadError,
    LocalNodeError,
    NodeInUseError,
    NodeStartError,
    PortInUseError,
    StartCancelledError,
    StorageError,
    UnsupportedPlatformError,
)
from coodie_local.node import LocalNode

__all__ = [
    "ChecksumError",
    "DownloadError",
    "LocalNode",
    "LocalNodeError",
    "NodeInUseError",
    "NodeStartError",
    "PortInUseError",
    "StartCancelledError",
    "StorageError",
    "UnsupportedPlatformError",
]
