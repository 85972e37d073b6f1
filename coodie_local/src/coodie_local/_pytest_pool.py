"""The servers of one test process: started, found or named, one for each kind of settings."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from coodie_local._pytest_sharing import ask_for_cluster, make_cluster
from coodie_local.cluster import LocalCluster
from coodie_local.errors import NodeInUseError
from coodie_local.testserver import CassandraServer, ServerSettings

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["ServerPool"]

_DEFAULT_PORT = 9042


class ServerPool:
    """Give a server for settings; those that were started here end with it.

    Args:
        factory: Makes the directories of clusters that are started here.
        node: The name of a local node that runs already, where the user gave one.
        host: Where the process that started this one is asked for clusters; None: they're started here.
    """

    def __init__(self, factory: pytest.TempPathFactory, node: str | None, host: str | None) -> None:
        self._factory = factory
        self._node = node
        self._host = host
        self._servers: dict[ServerSettings | None, CassandraServer] = {}
        self._ends = ExitStack()

    def __enter__(self) -> Self:
        """Return the pool itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what was started here."""
        self._ends.close()

    def get(self, settings: ServerSettings | None) -> CassandraServer:
        """Give the server for these settings; None for any plain one.

        Raises:
            LocalNodeError: It can't be started.
        """
        server = self._servers.get(settings)
        if server is None:
            server = self._servers[settings] = self._open(settings)
        return server

    def _open(self, settings: ServerSettings | None) -> CassandraServer:
        if named := os.environ.get("COODIE_HOSTS"):
            if settings not in (None, ServerSettings()):
                pytest.skip(f"needs a local Cassandra ({settings}), and COODIE_HOSTS names a server")
            hosts = tuple(host.strip() for host in named.split(","))
            port = int(os.environ.get("COODIE_PORT", str(_DEFAULT_PORT)))
            return CassandraServer(hosts, port, cluster=None)
        if self._node is not None and (found := _running(self._node, settings)) is not None:
            return _server(self._join(found))
        wanted = ServerSettings() if settings is None else settings
        if self._host is not None:
            # it belongs to the process that runs the workers
            return _server(self._join(ask_for_cluster(self._host, wanted)))
        cluster = make_cluster(wanted, self._factory.mktemp("cassandra"))
        return _server(self._join(cluster.start()))

    def _join(self, cluster: LocalCluster) -> LocalCluster:
        self._ends.callback(cluster.stop)
        return cluster


def _running(name: str, settings: ServerSettings | None) -> LocalCluster | None:
    """Find the user's node; None where it runs with other settings than a mark asks for."""
    wanted = {} if settings is None else asdict(settings)
    # a node of whichever profile does, unless a mark asks for one
    if wanted.get("profile") == "ephemeral":
        del wanted["profile"]
    cluster = LocalCluster(name, **wanted)
    try:
        if cluster.find():
            return cluster
    except NodeInUseError:
        return None
    pytest.exit(
        f"--coodie-local={name}: no local node of that name runs. Start it: coodie local up {name}", 4
    )


def _server(cluster: LocalCluster) -> CassandraServer:
    return CassandraServer(cluster.hosts, cluster.port, cluster)
