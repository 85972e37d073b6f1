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

    start() downloads Cassandra if necessary (once for all clusters of this user), runs the JVMs and
    returns when every node answers CQL and sees the others. If the cluster already runs in the same
    directory, start() uses it, and restarts nodes of it that died. When the last object in this
    process releases it, a cluster that this process started ends; one that another process started
    keeps running. Both kinds of context manager start and stop it::

        with LocalCluster(nodes=3) as cluster:
            driver = init_coodie(**cluster.connection_options(), driver_type="scylla")

    It is for development and tests, with or without TLS and passwords: nothing is written with fsync,
    and the Java runtime isn't kept up to date.

    Args:
        name: The cluster's name; clusters of different names run side by side.
        nodes: How many nodes, 1 to 9. None: as many as run or have durable data, else one.
        profile: "ephemeral" (data in memory if there is room, deleted when it stops) or "durable"
            (data in ``directory``, kept; a killed process loses no acknowledged write). None: that of the
            running cluster, else ephemeral.
        port: The port for CQL of every node, 1 to 65535. None: a durable cluster's last, else a free one.
        directory: Where the cluster's locks, logs and durable data are; by default a directory
            of that name in the user's data directory, or under COODIE_LOCAL_HOME.
        host: The first node's loopback address, IPv4; the others' follow it. By default 127.0.0.1
            for one node, and a block of its own, 127.0.X.1 and so on, for more.
        stop_with_process: Whether the nodes end with this process, however that ends (on
            Linux; elsewhere they outlive a killed process). False: they run until stop().
        version: The Cassandra version. None: that of the running cluster or of the durable data, else the
            default.
        tls: Whether CQL is encrypted, with certificates made for this cluster (needs the extra
            ``coodie-local[tls]``). None: as the running cluster or the last durable start, else no.
        mtls: Whether clients need a certificate, too; implies ``tls``.
        auth: Whether clients have to log in, and roles need permissions; see ``credentials``.
        heap: The size in MiB to which each node's heap may grow, 256 or more. None: that of the running
            cluster or of the last durable start, else by the machine's memory, 384 to 1,024.
        timeout: Seconds from the end of the download until every node must answer CQL.

    Raises:
        ConfigurationError: An argument can't be honoured.
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
        """Where its locks, its logs and its durable data are."""
        return self._lease.request.directory

    @property
    def hosts(self) -> tuple[str, ...]:
        """The addresses that the nodes listen on.

        Raises:
            LocalNodeError: It isn't started.
        """
        return self._lease.cluster.state.hosts

    @property
    def port(self) -> int:
        """The port for CQL, the same on every node.

        Raises:
            LocalNodeError: It isn't started, and no port was given.
        """
        if self._lease.running is None and self._lease.request.port is not None:
            return self._lease.request.port
        return self._lease.cluster.state.ports.native

    @property
    def security(self) -> Security:
        """The security settings: ``tls``, ``mtls``, ``auth``.

        Raises:
            LocalNodeError: It isn't started.
        """
        return self._lease.cluster.state.security

    @property
    def credentials(self) -> Credentials | None:
        """The role with all rights and its password; None without ``auth``.

        Raises:
            LocalNodeError: It isn't started.
        """
        return load_credentials(self.directory) if self.security.auth else None

    @property
    def certificates(self) -> Certificates | None:
        """The files that a client needs; None without ``tls``.

        Raises:
            LocalNodeError: It isn't started.
        """
        return certificates_of(self.directory) if self.security.tls else None

    def ssl_context(self) -> SSLContext | None:
        """Return the context of a client that trusts this cluster alone; None without ``tls``.

        It checks the address, and has the client's certificate if ``mtls`` asks for one.

        Raises:
            LocalNodeError: It isn't started.
        """
        return load_access(self.directory, self.security).ssl_context

    def connection_options(self) -> dict[str, Any]:
        """Return what a driver needs to connect, as arguments of ``init_coodie`` for any backend.

        Returns:
            ``hosts`` and ``port``; with ``auth``, ``username`` and ``password``; with ``tls``, the paths
            ``ssl_trusted_cert`` and, with ``mtls``, ``ssl_cert`` and ``ssl_private_key``.

        Raises:
            LocalNodeError: It isn't started.
        """
        options: dict[str, Any] = {"hosts": list(self.hosts), "port": self.port}
        if (login := self.credentials) is not None:
            options |= {"username": login.username, "password": login.password}
        return options | tls_options(self.directory, self.security)

    @property
    def nodes(self) -> tuple[ClusterNode, ...]:
        """The nodes, each of which can be killed, paused and restarted.

        Raises:
            LocalNodeError: It isn't started.
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
        """Whether this process started the nodes, instead of finding them running."""
        return self._lease.running is not None and self._lease.running.started_here

    @property
    def running(self) -> bool:
        """Whether a node of the cluster that start() started or found is still alive."""
        return self._lease.running is not None and bool(self._lease.running.living)

    def start(self, *, progress: Progress | None = None) -> Self:
        """Start the cluster, or find it running; return when every node answers CQL.

        Args:
            progress: Where the steps are shown; by default a bar on standard error where that is
                a terminal, else the logger ``coodie_local`` at INFO.

        Returns:
            The cluster itself.

        Raises:
            UnsupportedPlatformError: There is no runtime, or no jars, for this machine.
            DownloadError: A jar can't be fetched.
            ChecksumError: A jar isn't what the lock file names.
            StorageError: A directory isn't usable.
            NodeInUseError: It runs already with other options.
            NodeStartError: A JVM died (with its last log lines), or wasn't ready in time.
            PortInUseError: Another process listens on the port.
            StartCancelledError: stop() was called meanwhile.
        """
        self._lease.start(progress, Cancellation())
        return self

    def find(self) -> bool:
        """Find the running cluster without starting it; if it runs, it can be used as after start().

        Returns:
            Whether it runs.

        Raises:
            NodeInUseError: It runs with other options.
        """
        return self._lease.find()

    def restart_dead(self) -> tuple[ClusterNode, ...]:
        """Start the nodes that died again, at the same addresses and port; return when they answer CQL.

        A single ephemeral node has lost its data; other nodes have theirs.

        Returns:
            The nodes that had died; none if all live.

        Raises:
            LocalNodeError: As for start().
        """
        dead = tuple(
            index for index in range(self._lease.cluster.count) if not self._lease.cluster.alive(index)
        )
        if dead:
            self._lease.cluster.warn_of_deaths()
            self._lease.change(lambda running, attempt: restart_nodes(running, dead, attempt))
        return tuple(ClusterNode(self._lease, index) for index in dead)

    def stop(self, *, found: bool = False) -> None:
        """Release the cluster; it ends if this process started it and no other object here uses it.

        A start of this object that is under way in another thread is cancelled.

        Args:
            found: End it also if start() found it running.
        """
        self._lease.release(found=found)

    def create_keyspace(self, keyspace: str) -> None:
        """Create a keyspace if it doesn't exist, with a replica on each node, three at most.

        Args:
            keyspace: Its plain name.

        Raises:
            ConfigurationError: The cluster refuses it.
            ConnectionFailedError: No node answers.
            LocalNodeError: It isn't started.
        """
        create_keyspace(self._lease.cluster, keyspace)

    async def start_async(self, *, progress: Progress | None = None) -> Self:
        """Do as start() does, without blocking the event loop.

        If the task is cancelled, the JVMs end first.

        Args:
            progress: As for start(); it is called from other threads.

        Returns:
            The cluster itself.

        Raises:
            LocalNodeError: As for start().
        """
        import asyncio

        cancellation = Cancellation()
        try:
            await in_thread(lambda: self._lease.start(progress, cancellation), cancellation.cancel)
        except asyncio.CancelledError:
            # the start may have succeeded at the moment when it was cancelled
            await in_thread(self.stop)
            raise
        return self

    async def stop_async(self, *, found: bool = False) -> None:
        """Do as stop() does, without blocking the event loop.

        Args:
            found: End it also if start() found it running.
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
    """One Apache Cassandra node on this machine's loopback interface: a cluster of one.

    It starts, is found and ends like every LocalCluster::

        with LocalNode() as node:
            driver = init_coodie(**node.connection_options(), driver_type="scylla")

    Args:
        name: The node's name; nodes of different names run side by side.
        profile: As for LocalCluster.
        port: The port for CQL, 1 to 65535. None: a durable node's last, else a free one.
        directory: As for LocalCluster.
        host: The loopback address to bind, IPv4.
        stop_with_process: As for LocalCluster.
        version: As for LocalCluster.
        tls: As for LocalCluster.
        mtls: As for LocalCluster.
        auth: As for LocalCluster.
        heap: As for LocalCluster.
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
        """The address that it listens on."""
        return self._host

    @property
    def log(self) -> Path:
        """The log file of its last start."""
        return self.directory / LOG_NAME

    @property
    def pid(self) -> int | None:
        """The process id of its JVM; None before start() has succeeded."""
        return None if self._lease.running is None else self._lease.running.pid(0)
