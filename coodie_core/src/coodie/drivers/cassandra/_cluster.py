"""Subclasses of the drivers' Cluster: protocol negotiation, and resolving contact points again."""

from __future__ import annotations

import logging
import socket
import time
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any
from weakref import ref

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor

__all__ = ["cluster_class"]

_log = logging.getLogger("coodie.drivers.cassandra")

#: Minimum seconds between two resolutions of the contact points.
_RESOLVE_INTERVAL = 1.0


@cache
def cluster_class(*, negotiates: bool) -> Any:
    """Return a subclass of the driver's Cluster.

    It resolves the contact points again if no node is up: all nodes may have new addresses. scylla-driver
    does this itself, after it has tried all known nodes; cassandra-driver doesn't.

    No connection is left open after ``shutdown``, see ``attentive``. At the interpreter's exit, its scheduler
    drops what is due, see ``_SchedulerExecutor``.

    cassandra-driver first tries two protocol versions that only DSE supports, which takes two connections and
    logs two warnings for any other server. The subclass starts with version 5, and doesn't log warnings.

    Args:
        negotiates: The protocol version isn't configured.
    """
    from cassandra import ProtocolVersion
    from cassandra.cluster import Cluster

    class ResolvingCluster(_closing_cluster()):  # type: ignore[misc]  # the drivers have no types
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            if not hasattr(Cluster, "_resolve_hostnames"):  # scylla-driver's
                this = ref(self)
                self.next_resolution = 0.0
                self.connection_class.on_failure = lambda: resolve_contact_points(this())

    def resolve_contact_points(cluster: Any) -> None:
        """Resolve the contact points, and add the nodes at new addresses, if no node is up."""
        # Without a session, the contact points have just been resolved.
        if cluster is None or cluster.is_shutdown or not cluster.sessions:
            return
        hosts = cluster.metadata.all_hosts()
        now = time.monotonic()
        if now < cluster.next_resolution or any(host.is_up for host in hosts):
            return
        cluster.next_resolution = now + _RESOLVE_INTERVAL
        known = {host.endpoint for host in hosts}
        for endpoint in _endpoints(cluster):
            if endpoint not in known:
                _log.info("No node is up; trying the contact point %s.", endpoint)
                cluster.add_host(endpoint, refresh_nodes=False)

    class NegotiatingCluster(ResolvingCluster):
        protocol_version = min(Cluster.protocol_version, ProtocolVersion.V5)

        def protocol_downgrade(self, host_endpoint: Any, previous_version: int) -> None:
            lower = ProtocolVersion.get_lower_supported(previous_version)
            if lower < ProtocolVersion.MIN_SUPPORTED:
                super().protocol_downgrade(host_endpoint, previous_version)  # which raises
                return
            _log.debug("%s doesn't support protocol version %d.", host_endpoint, previous_version)
            self.protocol_version = lower

    return NegotiatingCluster if negotiates else ResolvingCluster


class _SchedulerExecutor:
    """The executor for the thread of the driver's scheduler.

    The refreshes of the schema metadata, one for each event of a changed table, have a thread of their own.
    They wait for each other anyway. In the Cluster's executor, they would occupy all threads while somebody
    changes many tables, and retries, reconnections and prepares would wait for them, for seconds to minutes.

    The interpreter ends the executor before the exit handler that ends the scheduler. A task that is due in
    between is dropped; the scheduler's thread would end with a traceback on stderr.

    Args:
        executor: The Cluster's executor.
        refresh: The function that refreshes the schema metadata.
    """

    def __init__(self, executor: Executor, refresh: Callable[..., Any]) -> None:
        self._executor = executor
        self._refresh = refresh
        self._refreshes = ThreadPoolExecutor(1, thread_name_prefix="coodie-schema-refresh")

    def shutdown(self) -> None:
        """Wait for the refreshes, which end at once on a closed connection."""
        self._refreshes.shutdown()

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Submit a task; return a future that never ends if the executor has been shut down."""
        executor = self._refreshes if function == self._refresh else self._executor
        try:
            return executor.submit(function, *args, **kwargs)
        except RuntimeError as exc:
            _log.debug("A task of the scheduler was dropped: %s.", exc)
            return Future()


@cache
def _closing_cluster() -> Any:
    """Return a subclass of the driver's Cluster that leaves nothing behind when it ends.

    ``current_ssl_context`` may be replaced by a function that returns the TLS context for each new
    connection: the drivers read ``ssl_context`` whenever they open one.
    """
    from cassandra.cluster import Cluster

    class ClosingCluster(Cluster):  # type: ignore[misc]  # the drivers have no types
        current_ssl_context: Callable[[], Any]

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.scheduled = _SchedulerExecutor(self.executor, self.control_connection.refresh_schema)
            self.scheduler._executor = self.scheduled  # noqa: SLF001 - the driver's thread reads it

        @property
        def ssl_context(self) -> Any:
            return self.current_ssl_context()

        @ssl_context.setter
        def ssl_context(self, context: Any) -> None:
            self.current_ssl_context = lambda: context

        def shutdown(self) -> None:
            if self.is_shutdown:  # perhaps the parent's, in a forked child: leave its connections alone
                return
            try:
                super().shutdown()
                self.scheduled.shutdown()
            finally:
                self.connection_class.close_all()

    return ClosingCluster


def _endpoints(cluster: Any) -> Iterator[Any]:
    """Yield the endpoints of the contact points that can be resolved."""
    from cassandra.connection import DefaultEndPoint, UnixSocketEndPoint

    for point in cluster.contact_points:
        if isinstance(point, UnixSocketEndPoint):
            yield point
        if isinstance(point, (str, tuple)):
            host, port = (point, cluster.port) if isinstance(point, str) else point
            try:
                found = socket.getaddrinfo(host, port, socket.AF_UNSPEC, socket.SOCK_STREAM)
            except OSError as exc:
                _log.debug("Could not resolve the contact point %s: %s.", host, exc)
                continue
            for *_, address in found:
                yield DefaultEndPoint(address[0], port)
