"""One owner of clusters for all pytest-xdist workers: the process that runs them, asked over a socket.

What starts a cluster is imported when a worker asks for one.
"""

from __future__ import annotations

import json
import shutil
import socket
import socketserver
import tempfile
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from coodie_local.testserver import ServerSettings

if TYPE_CHECKING:
    from coodie_local.cluster import LocalCluster

__all__ = ["ClusterHost", "ask_for_cluster", "make_cluster"]

#: Seconds for which a worker waits: a download and a start.
_PATIENCE = 600.0
_NAME = "pytest"


def make_cluster(settings: ServerSettings, directory: Path) -> LocalCluster:
    """Make a cluster with these settings; it isn't started.

    Args:
        settings: What a test asks for.
        directory: The cluster's own.
    """
    from coodie_local.cluster import LocalCluster

    return LocalCluster(_NAME, directory=directory, **asdict(settings))


def ask_for_cluster(address: str, settings: ServerSettings) -> LocalCluster:
    """Ask the process that runs the workers for a cluster, and find it.

    Args:
        address: Of its socket.
        settings: What a test asks for.

    Raises:
        LocalNodeError: It can't be started; the text says why.
    """
    from coodie_local.errors import LocalNodeError

    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_PATIENCE)
        connection.connect(address)
        connection.sendall(json.dumps(asdict(settings)).encode() + b"\n")
        with connection.makefile() as lines:
            answer = json.loads(lines.readline())
    if "error" in answer:
        raise LocalNodeError(answer["error"])
    cluster = make_cluster(settings, Path(answer["directory"]))
    if not cluster.find():
        msg = "The test session's Cassandra has ended."
        raise LocalNodeError(msg, hint=f"Its log is in {cluster.directory}.")
    return cluster


class ClusterHost:
    """Starts clusters for workers, and ends them with itself; it is one thread until one asks."""

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
        """Start a cluster unless it runs; return what the worker is told."""
        with self._lock:
            try:
                cluster = self._clusters.get(settings)
                if cluster is None:
                    cluster = make_cluster(settings, self._directory / f"cluster{len(self._clusters)}")
                    self._clusters[settings] = cluster.start()
            except Exception as error:  # noqa: BLE001 - raised again in the worker
                return {"error": str(error)}
            return {"directory": str(cluster.directory)}

    def close(self) -> None:
        """End the clusters."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        for cluster in self._clusters.values():
            cluster.stop()
        shutil.rmtree(self._directory, ignore_errors=True)
