"""The Cassandras of a test run: one for each kind of settings, and one owner of them for all processes.

With pytest-xdist, the process that runs the workers owns the clusters: workers ask it over a socket, so no
worker's end takes a cluster away.
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
#: Seconds that a worker waits: a download and a start.
_ANSWER_TIMEOUT = 600.0


class ServerPool:
    """The servers that a test process uses; those that it started end with the pool.

    Args:
        factory: Makes the directories of clusters that are started here.
        node: The name of a running local node, if the user gave one.
        version: The version of the servers that are started for settings without one; None: the default.
        host: The socket of the process that owns the clusters; None: they're started here.
    """

    def __init__(
        self, factory: pytest.TempPathFactory, node: str | None, version: str | None, host: str | None
    ) -> None:
        self._factory = factory
        self._node = node
        self._version = version
        self._host = host
        self._servers: dict[ServerSettings | None, CassandraServer] = {}
        #: The settings of the servers that belong to the test run.
        self._owned: list[ServerSettings | None] = []
        self._ends = ExitStack()

    def __enter__(self) -> Self:
        """Return the pool itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop what was started here."""
        self._ends.close()

    def get(self, settings: ServerSettings | None) -> CassandraServer:
        """Return the server for these settings; None means any server.

        Raises:
            LocalNodeError: It can't be started.
        """
        server = self._servers.get(settings)
        if server is None:
            server = self._servers[settings] = self._open(settings)
        return server

    def revive(self) -> None:
        """Start nodes again that died, in the clusters of this test run, but none of the user's."""
        for settings in self._owned:
            cluster = self._servers[settings].cluster
            if cluster is not None and not all(node.alive for node in cluster.nodes):
                if self._host is None:
                    cluster.restart_dead()
                else:
                    _ask_for_cluster(self._host, self._complete(settings))

    def _open(self, settings: ServerSettings | None) -> CassandraServer:
        if named := os.environ.get("COODIE_HOSTS"):
            if settings not in (None, ServerSettings()):
                pytest.skip(f"needs a local Cassandra ({settings}), and COODIE_HOSTS names a server")
            hosts = tuple(host.strip() for host in named.split(","))
            port = int(os.environ.get("COODIE_PORT", str(_DEFAULT_PORT)))
            return CassandraServer(hosts, port, cluster=None)
        if self._node is not None and (found := _running(self._node, settings)) is not None:
            return _server(self._join(found))
        wanted = self._complete(settings)
        if self._host is not None:
            cluster = _ask_for_cluster(self._host, wanted)
        else:
            cluster = _make_cluster(wanted, self._factory.mktemp("cassandra")).start()
        self._owned.append(settings)
        return _server(self._join(cluster))

    def _complete(self, settings: ServerSettings | None) -> ServerSettings:
        """Return the settings of a server that is started."""
        settings = settings or ServerSettings()
        return replace(settings, version=settings.version or self._version)

    def _join(self, cluster: LocalCluster) -> LocalCluster:
        self._ends.callback(cluster.stop)
        return cluster


def _running(name: str, settings: ServerSettings | None) -> LocalCluster | None:
    """Find the user's node; None if it runs with other settings than a mark asks for."""
    wanted = {} if settings is None else asdict(settings)
    # a durable node serves tests, too
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


def _make_cluster(settings: ServerSettings, directory: Path) -> LocalCluster:
    return LocalCluster(_NAME, directory=directory, **asdict(settings))


def _ask_for_cluster(address: str, settings: ServerSettings) -> LocalCluster:
    """Ask the owner at a socket for a cluster, and find it.

    Raises:
        LocalNodeError: It can't be started.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_ANSWER_TIMEOUT)
        connection.connect(address)
        connection.sendall(json.dumps(asdict(settings)).encode() + b"\n")
        with connection.makefile() as lines:
            answer = json.loads(lines.readline())
    if "error" in answer:
        raise LocalNodeError(answer["error"])
    cluster = _make_cluster(settings, Path(answer["directory"]))
    if not cluster.find():
        msg = "The test session's Cassandra has ended."
        raise LocalNodeError(msg, hint=f"Its log is in {cluster.directory}.")
    return cluster


class ClusterHost:
    """The owner of the clusters of a test run: starts them when processes ask over its socket.

    It costs one thread until then.
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
        """Start a cluster, or the nodes of it that died; return the answer to the process that asks."""
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
