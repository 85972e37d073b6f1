"""A real Apache Cassandra as a child process, installed with pip, for development and tests.

Names are imported lazily, because pytest imports this package in every run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coodie_local._certificates import Certificates
    from coodie_local._security import Credentials, Security
    from coodie_local.cluster import LocalCluster, LocalNode
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
    from coodie_local.node import ClusterNode
    from coodie_local.testserver import CassandraServer

__all__ = [
    "CassandraServer",
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

_MODULES = {
    "CassandraServer": "testserver",
    "Certificates": "_certificates",
    "ClusterNode": "node",
    "Credentials": "_security",
    "LocalCluster": "cluster",
    "LocalNode": "cluster",
    "Security": "_security",
}


def __getattr__(name: str) -> object:
    """Import a name on first use."""
    if name not in __all__:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    from importlib import import_module

    found: object = getattr(import_module(f"{__name__}.{_MODULES.get(name, 'errors')}"), name)
    globals()[name] = found
    return found
