"""`LocalNode`: a real Apache Cassandra on loopback, as a child process."""

from __future__ import annotations

import atexit
import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING

from coodie.exceptions import ConfigurationError
from coodie_local._cancellation import Cancellation
from coodie_local._manifest import DEFAULT_VERSION
from coodie_local._places import check_name, node_directory
from coodie_local._plan import PROFILES
from coodie_local._progress import default_progress
from coodie_local._start import RunningNode, StartRequest, check_matches, start_node
from coodie_local._stop import is_running, stop_node
from coodie_local._tenancy import Tenancy, tenancy_of
from coodie_local._threads import in_thread
from coodie_local.errors import LocalNodeError

if TYPE_CHECKING:
    import os
    from types import TracebackType

    from typing_extensions import Self

    from coodie_local._plan import Profile
    from coodie_local._progress import Progress

__all__ = ["LocalNode"]

_LAST_PORT = 65_535


class LocalNode:
    """One Apache Cassandra node on this machine's loopback interface.

    Starting it downloads what is missing (once for all nodes of this user), runs the JVM and
    returns when CQL is answered. A node that runs already in the same directory is found and
    used instead. Once the last object in this process is done with it, a node that this process
    started ends; one that another process started goes on. Both kinds of context manager start
    and stop it::

        with LocalNode() as node:
            driver = init_coodie(hosts=[node.host], port=node.port)

    It is for development and tests: nothing is written with fsync, there is no
    authentication, and the Java runtime isn't kept up to date.

    Args:
        name: The node's name; nodes of different names run side by side.
        profile: "ephemeral" (data in memory where there is room, gone when it stops) or "durable"
            (data in ``directory``, kept; a killed process loses no acknowledged write). None
            takes the node that runs as it is, and starts an ephemeral one.
        port: The port for CQL, 1 to 65535; None chooses a free one (a durable node's last).
        directory: Where the node keeps its lock, log and durable data; by default a directory
            of that name in the user's data directory, or under COODIE_LOCAL_HOME.
        host: The loopback address to bind, IPv4.
        stop_with_process: Whether the node ends with this process, however that ends (on
            Linux; elsewhere a killed process leaves it). False lets it go on until stop().
        version: The Cassandra version.
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
        version: str = DEFAULT_VERSION,
        timeout: float = 120.0,
    ) -> None:
        _check(profile, port, host, timeout)
        check_name(name)
        self._request = StartRequest(
            name=name,
            directory=node_directory(name) if directory is None else Path(directory).expanduser().absolute(),
            host=host,
            port=port,
            profile=profile,
            version=version,
            stop_with_process=stop_with_process,
            timeout=timeout,
        )
        self._running: RunningNode | None = None
        self._starting: Cancellation | None = None

    def __repr__(self) -> str:
        """Tell the name, and the address where it runs."""
        running = self._running
        where = f"{running.state.host}:{running.state.ports.native}" if running is not None else "not started"
        return f"<LocalNode {self.name!r} {where}>"

    @property
    def name(self) -> str:
        """The node's name."""
        return self._request.name

    @property
    def host(self) -> str:
        """The address that it listens on."""
        return self._request.host

    @property
    def port(self) -> int:
        """The port that answers CQL.

        Raises:
            LocalNodeError: The port is chosen at the start, and it isn't started.
        """
        if self._running is not None:
            return self._running.state.ports.native
        if self._request.port is not None:
            return self._request.port
        msg = f"The local node {self.name!r} isn't started, so it has no port yet."
        raise LocalNodeError(msg, hint="Call start() first, or use it as a context manager.")

    @property
    def directory(self) -> Path:
        """Where it keeps its lock, its log and, durable, its data."""
        return self._request.directory

    @property
    def log(self) -> Path:
        """The log file of its last start."""
        return self._request.log

    @property
    def profile(self) -> Profile | None:
        """The profile that it runs with, or that was asked for."""
        return self._request.profile if self._running is None else self._running.state.profile

    @property
    def pid(self) -> int | None:
        """The process id of its JVM; None where start() hasn't succeeded."""
        return None if self._running is None else self._running.state.pid

    @property
    def started_here(self) -> bool:
        """Whether it is a child of this process, and wasn't found running."""
        return self._running is not None and self._running.jvm is not None

    @property
    def running(self) -> bool:
        """Whether the node that start() started or found is still alive."""
        running = self._running
        if running is None:
            return False
        if running.jvm is not None:
            return running.jvm.exit_code is None
        return is_running(self.directory)

    def start(self, *, progress: Progress | None = None) -> Self:
        """Start the node, or find it running; return when it answers CQL.

        Args:
            progress: Where the steps are shown; by default a bar on standard error where that is
                a terminal, else the logger ``coodie_local`` at INFO.

        Returns:
            The node itself.

        Raises:
            UnsupportedPlatformError: There is no runtime, or no jars, for this machine.
            DownloadError: A jar can't be fetched.
            ChecksumError: A jar isn't what the lock file names.
            StorageError: A directory isn't usable.
            NodeInUseError: It runs already with other options.
            NodeStartError: The JVM died (with its last log lines), or wasn't ready in time.
            PortInUseError: Somebody else listens on the port.
            StartCancelledError: stop() was called meanwhile.
        """
        self._start(progress, Cancellation())
        return self

    def stop(self, *, found: bool = False) -> None:
        """Be done with the node; it ends where this process started it and nobody else here uses it.

        A start of this object that is under way in another thread is ended.

        Args:
            found: End it also where start() found it running.
        """
        starting = self._starting
        if starting is not None:
            starting.cancel()
        elif self._running is None:
            return
        self._tenancy.acquire()
        try:
            self._leave(found=found)
        finally:
            self._tenancy.release()

    async def start_async(self, *, progress: Progress | None = None) -> Self:
        """Do as start() does, without blocking the event loop.

        A cancelled task takes the JVM down with it, and is cancelled when that is done.

        Args:
            progress: As for start(); it is called from other threads.

        Returns:
            The node itself.

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

    def _start(self, progress: Progress | None, cancellation: Cancellation) -> None:
        self._tenancy.acquire(cancellation)
        try:
            if self.running:
                return
            self._leave()
            self._starting = cancellation
            self._enter(progress, cancellation)
        finally:
            self._starting = None
            self._tenancy.release()

    def _enter(self, progress: Progress | None, cancellation: Cancellation) -> None:
        """Join the node that this process has, or start or find one; for the lock's holder."""
        shared = self._tenancy.alive()
        if shared is not None:
            check_matches(self._request, shared.state)
            self._running = shared
        else:
            shown = default_progress() if progress is None else progress
            self._running = start_node(self._request, shown, cancellation)
        if self._running.jvm is not None:
            if self._tenancy.running is not self._running:
                self._tenancy.running, self._tenancy.users = self._running, 0
            self._tenancy.users += 1
            if self._request.stop_with_process:
                atexit.register(self._at_exit)

    def _leave(self, *, found: bool = False) -> None:
        """Give up the node, and end it after its last user; for the lock's holder."""
        running, self._running = self._running, None
        if running is None:
            return
        atexit.unregister(self._at_exit)
        if running.jvm is None:
            if found:
                stop_node(self.directory, running)
        elif self._tenancy.running is running:
            # not so in a fork, which has a copy of this object while the JVM is its parent's child
            self._tenancy.users -= 1
            if self._tenancy.users == 0:
                self._tenancy.running = None
                stop_node(self.directory, running)

    def _at_exit(self) -> None:
        self.stop()


def _check(profile: str | None, port: int | None, host: str, timeout: float) -> None:
    if profile is not None and profile not in PROFILES:
        msg = f"profile={profile!r} isn't one."
        raise ConfigurationError(msg, hint=f"Give {' or '.join(map(repr, PROFILES))}.", option="profile")
    if port is not None and not 0 < port <= _LAST_PORT:
        msg = f"port={port!r} isn't a TCP port."
        raise ConfigurationError(msg, hint="Give 1 to 65535, or leave it out.", option="port")
    if timeout <= 0:
        msg = f"timeout={timeout!r} leaves no time to start."
        raise ConfigurationError(msg, hint="Give seconds above 0.", option="timeout")
    try:
        address = ipaddress.IPv4Address(host)
    except ValueError as exc:
        msg = f"host={host!r} isn't an IPv4 address."
        raise ConfigurationError(msg, hint="Give one such as 127.0.0.1.", option="host") from exc
    if not address.is_loopback:
        msg = f"host={host!r} is reachable from other machines; a local node has no protection against them."
        raise ConfigurationError(msg, hint="Give a loopback address, 127.x.y.z.", option="host")
