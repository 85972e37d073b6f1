"""`LocalNode`: a real Apache Cassandra on loopback, as a child process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coodie_local._places import LOG_NAME
from coodie_local.cluster import LocalCluster

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from coodie_local._plan import Profile

__all__ = ["LocalNode"]


class LocalNode(LocalCluster):
    """One Apache Cassandra node on this machine's loopback interface: a cluster of one.

    It starts, is found and ends as every LocalCluster::

        with LocalNode() as node:
            driver = init_coodie(**node.connection_options(), driver_type="scylla")

    Args:
        name: The node's name; nodes of different names run side by side.
        profile: As for LocalCluster.
        port: The port for CQL, 1 to 65535; None chooses a free one (a durable node's last).
        directory: As for LocalCluster.
        host: The loopback address to bind, IPv4.
        stop_with_process: As for LocalCluster.
        version: As for LocalCluster.
        tls: As for LocalCluster.
        mtls: As for LocalCluster.
        auth: As for LocalCluster.
        timeout: Seconds from the end of the download until it must answer CQL.

    Raises:
        ConfigurationError: An argument can't be honoured.
    """

    def __init__(
        self,
        name: str = "default",
        *,
        profile: Profile | None = None,
        port: int | None = None,
        directory: str | os.PathLike[str] | None = None,
        host: str = "127.0.0.1",
        stop_with_process: bool = True,
        version: str | None = None,
        tls: bool | None = None,
        mtls: bool | None = None,
        auth: bool | None = None,
        timeout: float = 120.0,
    ) -> None:
        super().__init__(
            name,
            nodes=1,
            profile=profile,
            port=port,
            directory=directory,
            host=host,
            stop_with_process=stop_with_process,
            version=version,
            tls=tls,
            mtls=mtls,
            auth=auth,
            timeout=timeout,
        )
        self._host = host

    @property
    def host(self) -> str:
        """The address that it listens on."""
        return self._host

    @property
    def log(self) -> Path:
        """The log file of its last start."""
        return self.directory / LOG_NAME

    @property
    def pid(self) -> int | None:
        """The process id of its JVM; None where start() hasn't succeeded."""
        return None if self._running is None else self._running.pid(0)
