"""`LocalCluster` and `LocalNode`: real Apache Cassandra nodes on loopback, as child processes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from coodie_local._cancellation import Cancellation, in_thread
from coodie_local._leases import Lease
from coodie_local._paths import LOG_NAME, cluster_directory
from coodie_local._queries import create_keyspace
from coodie_local._request import StartRequest
from coodie_local._security import certificates_of, load_access, load_credentials, tls_options
from coodie_local._start import restart_nodes
from coodie_local.node import ClusterNode

if TYPE_CHECKING:
    import os
    from ssl import SSLContext
    from types import TracebackType

    from typing_extensions import Self

    from coodie_local._certificates import Certificates
    from coodie_local._progress import Progress
    from coodie_local._security import Credentials, Security
    from coodie_local._state import Profile

__all__ = ["LocalCluster", "LocalNode"]


class LocalCluster:
    """An Apache Cassandra cluster on this machine's loopback interface.

    start() downloads Cassandra if necessary (once for all clusters of this user), starts the JVMs, and
    returns when each node accepts CQL requests and knows the others. If the cluster is already running in
    the same directory, start() uses it, and restarts dead nodes. When the last object in this process
    releases a cluster, it is stopped if this process started it; otherwise it keeps running. Use it as a
    context manager, sync or async::

        with LocalCluster(nodes=3) as cluster:
            driver = init_coodie(**cluster.connection_options(), driver_type="scylla")

    It is for development and tests, even with TLS and passwords: data isn't written with fsync, and the
    Java runtime isn't updated.

    Args:
        name: The cluster's name; clusters with different names run concurrently.
        nodes: The number of nodes, 1 to 9. None: as in the running cluster or the durable data, else one.
        profile: "ephemeral" (data in memory if enough is free, deleted at the end) or "durable"
            (data in ``directory``, kept; a killed process loses no acknowledged write). None: that of the
            running cluster, else ephemeral.
        port: The CQL port of each node, 1 to 65535. None: a durable cluster's last one, else a free one.
        directory: The directory for locks, logs and durable data; by default, a directory of the cluster's
            name in the user's data directory, or in COODIE_LOCAL_HOME.
        host: The first node's loopback address, IPv4; the others' follow it. By default 127.0.0.1
            for one node, and an unused block (127.0.X.1 and so on) for more.
        stop_with_process: Whether the nodes stop with this process, even if it is killed (only on Linux:
            elsewhere, they survive a killed process). False: they run until stop().
        version: The Cassandra version. None: that of the running cluster or of the durable data, else the
            default.
        tls: Whether CQL is encrypted, with certificates created for this cluster (requires the extra
            ``coodie-local[tls]``). None: as in the running cluster or the last durable start, else false.
        mtls: Whether clients need a certificate; implies ``tls``.
        auth: Whether authentication and authorization are enabled; see ``credentials``.
        heap: The maximum heap size of each node in MiB, 256 or more. None: that of the running cluster or of
            the last durable start, else 384 to 1,024, depending on the machine's memory.
        timeout: The timeout in seconds until each node accepts CQL requests, without the download.

    Raises:
        ConfigurationError: An argument is invalid.
    """

    def __init__(
        self,
        name: str = "default",
        *,
        nodes: int | None = None,
        profile: Profile | None = None,
        port: int | None = None,
        directory: str | os.PathLike[str] | None = None,
        host: str | None = None,
        stop_with_process: bool = True,
        version: str | None = None,
        tls: bool | None = None,
        mtls: bool | None = None,
        auth: bool | None = None,
        heap: int | None = None,
        timeout: float = 120.0,
    ) -> None:
        self._lease = Lease(
            StartRequest(
                name=name,
                directory=cluster_directory(name) if directory is None else Path(directory),
                nodes=nodes,
                host=host,
                port=port,
                profile=profile,
                version=version,
                tls=tls,
                mtls=mtls,
                auth=auth,
                heap=heap,
                stop_with_process=stop_with_process,
                timeout=timeout,
            )
        )

    def __repr__(self) -> str:
        """Show the name, and the addresses if it runs."""
        running = self._lease.running
        where = "not started" if running is None else f"{', '.join(running.state.hosts)} port {self.port}"
        return f"<{type(self).__name__} {self.name!r} {where}>"

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self._lease.request.name

    @property
    def directory(self) -> Path:
        """The directory of locks, logs and durable data."""
        return self._lease.request.directory

    @property
    def hosts(self) -> tuple[str, ...]:
        """The addresses of the nodes.

        Raises:
            LocalNodeError: The cluster isn't started.
        """
        return self._lease.cluster.state.hosts

    @property
    def port(self) -> int:
        """The CQL port, the same for all nodes.

        Raises:
            LocalNodeError: The cluster isn't started, and no port was requested.
        """
        if self._lease.running is None and self._lease.request.port is not None:
            return self._lease.request.port
        return self._lease.cluster.state.ports.native

    @property
    def security(self) -> Security:
        """The security settings: ``tls``, ``mtls``, ``auth``.

        Raises:
            LocalNodeError: The cluster isn't started.
        """
        return self._lease.cluster.state.security

    @property
    def credentials(self) -> Credentials | None:
        """The superuser and its password; None without ``auth``.

        Raises:
            LocalNodeError: The cluster isn't started.
        """
        return load_credentials(self.directory) if self.security.auth else None

    @property
    def certificates(self) -> Certificates | None:
        """The files that a client needs; None without ``tls``.

        Raises:
            LocalNodeError: The cluster isn't started.
        """
        return certificates_of(self.directory) if self.security.tls else None

    def ssl_context(self) -> SSLContext | None:
        """Return an SSL context that only trusts this cluster; None without ``tls``.

        It verifies the nodes' addresses, and contains the client's certificate with ``mtls``.

        Raises:
            LocalNodeError: The cluster isn't started.
        """
        return load_access(self.directory, self.security).ssl_context

    def connection_options(self) -> dict[str, Any]:
        """Return the arguments of ``init_coodie`` for connecting, with any backend.

        Returns:
            ``hosts`` and ``port``; with ``auth``, ``username`` and ``password``; with ``tls``, the paths
            ``ssl_trusted_cert`` and, with ``mtls``, ``ssl_cert`` and ``ssl_private_key``.

        Raises:
            LocalNodeError: The cluster isn't started.
        """
        options: dict[str, Any] = {"hosts": list(self.hosts), "port": self.port}
        if (login := self.credentials) is not None:
            options |= {"username": login.username, "password": login.password}
        return options | tls_options(self.directory, self.security)

    @property
    def nodes(self) -> tuple[ClusterNode, ...]:
        """The nodes, each of which can be killed, paused and restarted.

        Raises:
            LocalNodeError: The cluster isn't started.
        """
        return tuple(ClusterNode(self._lease, index) for index in range(self._lease.cluster.count))

    @property
    def profile(self) -> Profile | None:
        """The profile of the running cluster, or the requested one."""
        lease = self._lease
        return lease.request.profile if lease.running is None else lease.running.state.profile

    @property
    def version(self) -> str | None:
        """The Cassandra version of the running cluster, or the requested one."""
        lease = self._lease
        return lease.request.version if lease.running is None else lease.running.state.version

    @property
    def started_here(self) -> bool:
        """Whether this process started the nodes."""
        return self._lease.running is not None and self._lease.running.started_here

    @property
    def running(self) -> bool:
        """Whether a node of the started cluster is alive."""
        return self._lease.running is not None and bool(self._lease.running.living)

    def start(self, *, progress: Progress | None = None) -> Self:
        """Start the cluster, or use the running one; return when each node accepts CQL requests.

        Args:
            progress: Receives the steps; by default, a progress bar on standard error if that is a terminal,
                else the logger ``coodie_local`` at INFO.

        Returns:
            The cluster.

        Raises:
            UnsupportedPlatformError: There is no Java runtime, or no list of jars, for this machine.
            DownloadError: A jar can't be downloaded.
            ChecksumError: A jar differs from the lock file.
            StorageError: A directory isn't usable.
            NodeInUseError: It is already running with other options.
            NodeStartError: A JVM has died (with its last log lines), or wasn't ready in time.
            PortInUseError: Another process listens on the port.
            StartCancelledError: stop() was called in the meantime.
        """
        self._lease.start(progress, Cancellation())
        return self

    def find(self) -> bool:
        """Use the cluster if it is running, as start() does, but don't start it.

        Returns:
            Whether it is running.

        Raises:
            NodeInUseError: It is running with other options.
        """
        return self._lease.find()

    def restart_dead(self) -> tuple[ClusterNode, ...]:
        """Restart dead nodes, with the same addresses and port; return when they accept CQL requests.

        A single ephemeral node loses its data; other nodes keep theirs.

        Returns:
            The restarted nodes.

        Raises:
            LocalNodeError: As in start().
        """
        dead = tuple(
            index for index in range(self._lease.cluster.count) if not self._lease.cluster.alive(index)
        )
        if dead:
            self._lease.cluster.warn_of_deaths()
            self._lease.change(lambda running, attempt: restart_nodes(running, dead, attempt))
        return tuple(ClusterNode(self._lease, index) for index in dead)

    def stop(self, *, found: bool = False) -> None:
        """Release the cluster; stop it if this process started it and no other object uses it.

        If another thread is starting this object, the start is cancelled.

        Args:
            found: Also stop it if start() found it running.
        """
        self._lease.release(found=found)

    def create_keyspace(self, keyspace: str) -> None:
        """Create a keyspace if it doesn't exist, with a replica on each node, three at most.

        Args:
            keyspace: The plain name.

        Raises:
            ConfigurationError: The server rejected it.
            ConnectionFailedError: No node responds.
            LocalNodeError: The cluster isn't started.
        """
        create_keyspace(self._lease.cluster, keyspace)

    async def start_async(self, *, progress: Progress | None = None) -> Self:
        """Async version of :meth:`start`; never blocks the event loop.

        If the call is cancelled, it stops the JVMs first.

        Args:
            progress: As in start(); called from other threads.

        Returns:
            The cluster.

        Raises:
            LocalNodeError: As in start().
        """
        import asyncio

        cancellation = Cancellation()
        try:
            await in_thread(lambda: self._lease.start(progress, cancellation), cancellation.cancel)
        except asyncio.CancelledError:
            # the start may have succeeded just before the cancellation
            await in_thread(self.stop)
            raise
        return self

    async def stop_async(self, *, found: bool = False) -> None:
        """Async version of :meth:`stop`; never blocks the event loop.

        Args:
            found: Also stop it if start() found it running.
        """
        await in_thread(lambda: self.stop(found=found))

    def __enter__(self) -> Self:
        """Start it."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it if it was started here."""
        self.stop()

    async def __aenter__(self) -> Self:
        """Start it."""
        return await self.start_async()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it if it was started here."""
        await self.stop_async()


class LocalNode(LocalCluster):
    """An Apache Cassandra node on this machine's loopback interface: a cluster with one node.

    It is used like a LocalCluster::

        with LocalNode() as node:
            driver = init_coodie(**node.connection_options(), driver_type="scylla")

    Args:
        name: The node's name; nodes with different names run concurrently.
        profile: As in LocalCluster.
        port: The CQL port, 1 to 65535. None: a durable node's last one, else a free one.
        directory: As in LocalCluster.
        host: The loopback address to bind, IPv4.
        stop_with_process: As in LocalCluster.
        version: As in LocalCluster.
        tls: As in LocalCluster.
        mtls: As in LocalCluster.
        auth: As in LocalCluster.
        heap: As in LocalCluster.
        timeout: The timeout in seconds until the node accepts CQL requests, without the download.

    Raises:
        ConfigurationError: An argument is invalid.
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
        heap: int | None = None,
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
            heap=heap,
            timeout=timeout,
        )
        self._host = host

    @property
    def host(self) -> str:
        """The node's address."""
        return self._host

    @property
    def log(self) -> Path:
        """The log file of the last start."""
        return self.directory / LOG_NAME

    @property
    def pid(self) -> int | None:
        """The process id of the JVM; None before start() has succeeded."""
        return None if self._lease.running is None else self._lease.running.pid(0)
