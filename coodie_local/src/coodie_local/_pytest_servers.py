"""The Cassandra servers of a test run: one for each combination of settings, shared by all processes.

With pytest-xdist, the controller process owns the clusters. Workers request them over a socket, so a cluster
survives the worker that requested it.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import socketserver
import tempfile
import threading
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from coodie_local.cluster import LocalCluster
from coodie_local.errors import LocalNodeError, NodeInUseError
from coodie_local.testserver import CassandraServer, ServerSettings

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["ClusterHost", "ServerPool"]

_DEFAULT_PORT = 9042
_NAME = "pytest"
#: Seconds that a worker waits for a download and a start.
_RESPONSE_TIMEOUT = 600.0


class ServerPool:
    """The servers that a test process uses; the pool stops those that it started.

    Args:
        factory: Creates the directories of clusters that this process starts.
        node: The name of the running local node of ``--coodie-local``, or None.
        version: The version for settings without a version; None: the default.
        host: The socket of the process that owns the clusters; None: this process starts them.
    """

    def __init__(
        self, factory: pytest.TempPathFactory, node: str | None, version: str | None, host: str | None
    ) -> None:
        self._factory = factory
        self._node = node
        self._version = version
        self._host = host
        self._servers: dict[ServerSettings | None, CassandraServer] = {}
        #: The settings of the servers that this test run started.
        self._owned: list[ServerSettings | None] = []
        self._exit_stack = ExitStack()

    def __enter__(self) -> Self:
        """Return the pool."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the clusters that this process started."""
        self._exit_stack.close()

    def get(self, settings: ServerSettings | None) -> CassandraServer:
        """Return the server for these settings; None means any server.

        Raises:
            LocalNodeError: It can't be started.
        """
        server = self._servers.get(settings)
        if server is None:
            server = self._servers[settings] = self._open(settings)
        return server

    def restart_dead(self) -> None:
        """Restart dead nodes in the clusters of this test run, but not the user's nodes."""
        for settings in self._owned:
            cluster = self._servers[settings].cluster
            if cluster is not None and not all(node.alive for node in cluster.nodes):
                if self._host is None:
                    cluster.restart_dead()
                else:
                    _request_cluster(self._host, self._with_version(settings))

    def _open(self, settings: ServerSettings | None) -> CassandraServer:
        if named := os.environ.get("COODIE_HOSTS"):
            if settings not in (None, ServerSettings()):
                pytest.skip(f"needs a local Cassandra ({settings}), and COODIE_HOSTS names a server")
            hosts = tuple(host.strip() for host in named.split(","))
            port = int(os.environ.get("COODIE_PORT", str(_DEFAULT_PORT)))
            return CassandraServer(hosts, port, cluster=None)
        if self._node is not None and (found := _running(self._node, settings)) is not None:
            return _server(self._stop_at_exit(found))
        wanted = self._with_version(settings)
        if self._host is not None:
            cluster = _request_cluster(self._host, wanted)
        else:
            cluster = _make_cluster(wanted, self._factory.mktemp("cassandra")).start()
        self._owned.append(settings)
        return _server(self._stop_at_exit(cluster))

    def _with_version(self, settings: ServerSettings | None) -> ServerSettings:
        """Return the settings for starting a server."""
        settings = settings or ServerSettings()
        return replace(settings, version=settings.version or self._version)

    def _stop_at_exit(self, cluster: LocalCluster) -> LocalCluster:
        self._exit_stack.callback(cluster.stop)
        return cluster


def _running(name: str, settings: ServerSettings | None) -> LocalCluster | None:
    """Find the user's node; None if its settings differ from a mark's."""
    wanted = {} if settings is None else asdict(settings)
    # a durable node is also usable
    if wanted.get("profile") == "ephemeral":
        del wanted["profile"]
    cluster = LocalCluster(name, **wanted)
    try:
        if cluster.find():
            return cluster
    except NodeInUseError:
        return None
    pytest.exit(
        f"--coodie-local={name}: no local node of that name is running. Run: coodie local up {name}", 4
    )


def _server(cluster: LocalCluster) -> CassandraServer:
    return CassandraServer(cluster.hosts, cluster.port, cluster)


def _make_cluster(settings: ServerSettings, directory: Path) -> LocalCluster:
    return LocalCluster(_NAME, directory=directory, **asdict(settings))


def _request_cluster(address: str, settings: ServerSettings) -> LocalCluster:
    """Request a cluster from its owner over a socket.

    Raises:
        LocalNodeError: It can't be started.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_RESPONSE_TIMEOUT)
        connection.connect(address)
        connection.sendall(json.dumps(asdict(settings)).encode() + b"\n")
        with connection.makefile() as lines:
            response = json.loads(lines.readline())
    if "error" in response:
        raise LocalNodeError(response["error"])
    cluster = _make_cluster(settings, Path(response["directory"]))
    if not cluster.find():
        msg = "The test session's Cassandra has stopped."
        raise LocalNodeError(msg, hint=f"Its log is in {cluster.directory}.")
    return cluster


class ClusterHost:
    """The owner of the clusters of a test run: starts them when other processes request them over its socket.

    Until then, it only runs one thread.
    """

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="coodie-pytest-"))
        self._lock = threading.Lock()
        self._clusters: dict[ServerSettings, LocalCluster] = {}
        host = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                settings = ServerSettings(**json.loads(self.rfile.readline()))
                self.wfile.write(json.dumps(host.start(settings)).encode() + b"\n")

        self.address = str(self._directory / "socket")
        self._server = socketserver.ThreadingUnixStreamServer(self.address, Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="coodie-local-host", daemon=True
        )
        self._thread.start()

    def start(self, settings: ServerSettings) -> dict[str, str]:
        """Start a cluster, or restart its dead nodes; return the response."""
        with self._lock:
            try:
                cluster = self._clusters.get(settings)
                if cluster is not None:
                    cluster.restart_dead()
                else:
                    cluster = _make_cluster(settings, self._directory / f"cluster{len(self._clusters)}")
                    self._clusters[settings] = cluster.start()
            except Exception as error:  # noqa: BLE001 - raised again in the worker
                return {"error": str(error)}
            return {"directory": str(cluster.directory)}

    def close(self) -> None:
        """Stop the clusters."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        for cluster in self._clusters.values():
            cluster.stop()
        shutil.rmtree(self._directory, ignore_errors=True)
