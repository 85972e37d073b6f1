"""`LocalCluster`: one or more real Apache Cassandra nodes on loopback, as child processes."""

from __future__ import annotations

import atexit
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from coodie.exceptions import CoodieError
from coodie_local._attempt import Attempt
from coodie_local._cancellation import Cancellation
from coodie_local._keyspace import create_keyspace
from coodie_local._progress import default_progress
from coodie_local._protection import certificates_of, load_access, load_credentials
from coodie_local._request import build_request, check_matches
from coodie_local._start import find_cluster, restart_node, start_cluster
from coodie_local._stop import stop_cluster
from coodie_local._tenancy import Tenancy, tenancy_of
from coodie_local._threads import in_thread
from coodie_local.errors import LocalNodeError, StorageError
from coodie_local.member import ClusterAccess, ClusterNode

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from ssl import SSLContext
    from types import TracebackType

    from typing_extensions import Self

    from coodie_local._access import Credentials
    from coodie_local._certificates import Certificates
    from coodie_local._plan import Profile, Security
    from coodie_local._progress import Progress
    from coodie_local._running import RunningCluster

__all__ = ["LocalCluster"]


class LocalCluster:
    """An Apache Cassandra cluster on this machine's loopback interface.

    Starting it downloads what is missing (once for all clusters of this user), runs the JVMs and
    returns when every node answers CQL and sees the others. A cluster that runs already in the same
    directory is found and used instead; nodes of it that died are started. Once the last object
    in this process is done with it, a cluster that this process started ends; one that another
    process started goes on. Both kinds of context manager start and stop it::

        with LocalCluster(nodes=3) as cluster:
            driver = init_coodie(**cluster.connection_options(), driver_type="scylla")

    It is for development and tests, whatever protects it: nothing is written with fsync, and the
    Java runtime isn't kept up to date.

    Args:
        name: The cluster's name; clusters of different names run side by side.
        nodes: How many nodes, 1 to 9; None takes what runs, or the durable data that is there,
            and starts one.
        profile: "ephemeral" (data in memory where there is room, gone when it stops) or "durable"
            (data in ``directory``, kept; a killed process loses no acknowledged write). None
            takes the cluster that runs as it is, and starts an ephemeral one.
        port: The port for CQL of every node, 1 to 65535; None chooses a free one (a durable
            cluster's last).
        directory: Where the cluster keeps its locks, logs and durable data; by default a directory
            of that name in the user's data directory, or under COODIE_LOCAL_HOME.
        host: The first node's loopback address, IPv4; the others' follow it. By default 127.0.0.1
            for one node, and a block of its own, 127.0.X.1 and so on, for more.
        stop_with_process: Whether the nodes end with this process, however that ends (on
            Linux; elsewhere a killed process leaves them). False lets them go on until stop().
        version: The Cassandra version; None takes what runs, or the durable data's, or the default.
        tls: Whether CQL is spoken over TLS alone, by certificates made for this cluster (needs the
            extra ``coodie-local[tls]``). None takes what runs, or the durable cluster's last, or no.
        mtls: Whether clients have to show a certificate, too; implies ``tls``.
        auth: Whether clients have to log in, and roles need rights; see ``credentials``.
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
        timeout: float = 120.0,
    ) -> None:
        self._request = build_request(
            name,
            directory=directory,
            nodes=nodes,
            host=host,
            port=port,
            profile=profile,
            version=version,
            tls=tls,
            mtls=mtls,
            auth=auth,
            stop_with_process=stop_with_process,
            timeout=timeout,
        )
        self._running: RunningCluster | None = None
        self._starting: Cancellation | None = None

    def __repr__(self) -> str:
        """Tell the name, and the addresses where it runs."""
        running = self._running
        where = "not started" if running is None else f"{', '.join(running.state.hosts)} port {self.port}"
        return f"<{type(self).__name__} {self.name!r} {where}>"

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self._request.name

    @property
    def directory(self) -> Path:
        """Where it keeps its locks, its logs and, durable, its data."""
        return self._request.directory

    @property
    def hosts(self) -> tuple[str, ...]:
        """The addresses that the nodes listen on.

        Raises:
            LocalNodeError: It isn't started.
        """
        return self._found.state.hosts

    @property
    def port(self) -> int:
        """The port that answers CQL, the same on every node.

        Raises:
            LocalNodeError: The port is chosen at the start, and it isn't started.
        """
        if self._running is None and self._request.port is not None:
            return self._request.port
        return self._found.state.ports.native

    @property
    def security(self) -> Security:
        """What protects it: ``tls``, ``mtls``, ``auth``.

        Raises:
            LocalNodeError: It isn't started.
        """
        return self._found.state.security

    @property
    def credentials(self) -> Credentials | None:
        """The role that may do everything, with its password; None without ``auth``.

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
        """Make the context of a client that trusts this cluster alone; None without ``tls``.

        It checks the address, and has the client's certificate where the nodes want one.

        Raises:
            LocalNodeError: It isn't started.
        """
        return load_access(self.directory, self.security).ssl_context

    def connection_options(self) -> dict[str, Any]:
        """Say how to connect, as arguments of ``init_coodie`` for any backend.

        Returns:
            ``hosts`` and ``port``; where they're asked for, ``username``, ``password`` and the paths
            ``ssl_trusted_cert``, ``ssl_cert``, ``ssl_private_key``.

        Raises:
            LocalNodeError: It isn't started.
        """
        options: dict[str, Any] = {"hosts": list(self.hosts), "port": self.port}
        if (login := self.credentials) is not None:
            options |= {"username": login.username, "password": login.password}
        if (files := self.certificates) is not None:
            options["ssl_trusted_cert"] = str(files.ca)
            if self.security.mtls:
                options |= {"ssl_cert": str(files.client), "ssl_private_key": str(files.client_key)}
        return options

    @property
    def nodes(self) -> tuple[ClusterNode, ...]:
        """The nodes, each of which can be killed, paused and started anew.

        Raises:
            LocalNodeError: It isn't started.
        """
        access = ClusterAccess(self.directory, lambda: self._found, self._change, self._restart)
        return tuple(ClusterNode(access, index) for index in range(self._found.count))

    @property
    def profile(self) -> Profile | None:
        """The profile that it runs with, or that was asked for."""
        return self._request.profile if self._running is None else self._running.state.profile

    @property
    def version(self) -> str | None:
        """The Cassandra version that runs, or that was asked for."""
        return self._request.version if self._running is None else self._running.state.version

    @property
    def started_here(self) -> bool:
        """Whether its nodes are children of this process, and weren't found running."""
        return self._running is not None and self._running.started_here

    @property
    def running(self) -> bool:
        """Whether a node of the cluster that start() started or found is still alive."""
        return self._running is not None and bool(self._running.living)

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
            PortInUseError: Somebody else listens on the port.
            StartCancelledError: stop() was called meanwhile.
        """
        self._start(progress, Cancellation())
        return self

    def find(self) -> bool:
        """Look for the cluster, and start nothing; where it runs, it can be used as after start().

        Returns:
            Whether it runs.

        Raises:
            NodeInUseError: It runs with other options.
        """
        with self._tenancy.held():
            if not self.running:
                self._leave()
                shared = self._shared()
                found = find_cluster(self._request) if shared is None else shared
                if found is not None:
                    self._join(found)
            return self.running

    def stop(self, *, found: bool = False) -> None:
        """Be done with the cluster; it ends where this process started it and nobody else here uses it.

        A start of this object that is under way in another thread is ended.

        Args:
            found: End it also where start() found it running.
        """
        starting = self._starting
        if starting is not None:
            starting.cancel()
        elif self._running is None:
            return
        with self._tenancy.held():
            self._leave(found=found)

    def create_keyspace(self, keyspace: str) -> None:
        """Create a keyspace where it is missing, with a replica on each node, three at most.

        Args:
            keyspace: Its plain name.

        Raises:
            ConfigurationError: The cluster refuses it.
            ConnectionFailedError: No node answers.
            LocalNodeError: It isn't started.
        """
        create_keyspace(self._found, keyspace)

    async def start_async(self, *, progress: Progress | None = None) -> Self:
        """Do as start() does, without blocking the event loop.

        A cancelled task takes the JVMs down with it, and is cancelled when that is done.

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
            await in_thread(lambda: self._start(progress, cancellation), cancellation.cancel)
        except asyncio.CancelledError:
            # the start may have succeeded in the moment when it was cancelled
            await in_thread(self.stop)
            raise
        return self

    async def stop_async(self, *, found: bool = False) -> None:
        """Do as stop() does, without blocking the event loop.

        Args:
            found: Stop it also where it was found running.
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

    @property
    def _tenancy(self) -> Tenancy:
        return tenancy_of(self.directory)

    @property
    def _found(self) -> RunningCluster:
        if self._running is None:
            msg = f"The local node {self.name!r} isn't started, so it has no address yet."
            raise LocalNodeError(msg, hint="Call start() first, or use it as a context manager.")
        return self._running

    def _start(self, progress: Progress | None, cancellation: Cancellation) -> None:
        with self._tenancy.held(cancellation):
            self._starting = cancellation
            try:
                known = self._running
                if known is None or not known.living:
                    self._leave()
                    known = self._shared()
                if known is None or len(known.living) < known.count:
                    with self._attempt(progress, cancellation) as attempt:
                        known = start_cluster(attempt, known)
                if known is not self._running:
                    self._join(known)
            finally:
                self._starting = None

    def _change(
        self, act: Callable[[RunningCluster, Attempt], None], cancellation: Cancellation | None = None
    ) -> None:
        """Do something to a cluster that runs, alone in this process."""
        cancellation = Cancellation() if cancellation is None else cancellation
        with self._tenancy.held(cancellation), self._attempt(None, cancellation) as attempt:
            act(self._found, attempt)

    def _restart(self, index: int, cancellation: Cancellation | None = None) -> None:
        self._change(lambda running, attempt: restart_node(running, index, attempt), cancellation)

    @contextmanager
    def _attempt(self, progress: Progress | None, cancellation: Cancellation) -> Iterator[Attempt]:
        """Make an attempt; what the system refuses meanwhile becomes our error."""
        shown = default_progress() if progress is None else progress
        request = self._request
        try:
            yield Attempt(request, shown, cancellation, time.monotonic() + request.timeout)
        except CoodieError:
            # some of them are OSErrors, too
            raise
        except OSError as exc:
            msg = f"The node {self.name!r} can't be started: {exc}."
            hint = "Make room or mend the permissions there, or give another directory=."
            raise StorageError(msg, hint=hint, path=self.directory) from exc
        finally:
            shown.end()

    def _shared(self) -> RunningCluster | None:
        """Return what this process has started in the directory; for the lock's holder."""
        shared = self._tenancy.alive()
        if shared is not None:
            check_matches(self._request, shared.state)
        return shared

    def _join(self, running: RunningCluster) -> None:
        """Be one of its users; for the lock's holder."""
        self._running = running
        if running.started_here:
            if self._tenancy.running is not running:
                self._tenancy.running, self._tenancy.users = running, 0
            self._tenancy.users += 1
            if self._request.stop_with_process:
                atexit.register(self._at_exit)

    def _leave(self, *, found: bool = False) -> None:
        """Give it up, and end it after its last user; for the lock's holder."""
        running, self._running = self._running, None
        if running is None:
            return
        atexit.unregister(self._at_exit)
        if not running.started_here:
            if found:
                stop_cluster(running)
        elif self._tenancy.running is running:
            # not so in a fork, which has a copy of this object while the JVMs are its parent's children
            self._tenancy.users -= 1
            if self._tenancy.users == 0:
                self._tenancy.running = None
                stop_cluster(running)

    def _at_exit(self) -> None:
        self.stop()
