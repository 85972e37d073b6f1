"""A real Apache Cassandra as a child process, with nothing but pip: for development and tests."""

from __future__ import annotations

from coodie_local._access import Credentials
from coodie_local._certificates import Certificates
from coodie_local._plan import Security
from coodie_local.cluster import LocalCluster
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
from coodie_local.member import ClusterNode
from coodie_local.node import LocalNode

__all__ = [
    "Certificates",
    "ChecksumError",
    "ClusterNode",
    "Credentials",
    "DownloadError",
    "LocalCluster",
    "LocalNode",
    "LocalNodeError",
    "NodeInUseError",
    "NodeStartError",
    "PortInUseError",
    "Security",
    "StartCancelledError",
    "StorageError",
    "UnsupportedPlatformError",
]
