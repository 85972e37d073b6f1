"""Open connections before the first request needs them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cassandra.policies import HostDistance

from coodie.drivers.cassandra.fastpath.pool import MAX_CONNECTIONS
from coodie.drivers.cassandra.fastpath.request import Immediately
from coodie.effects import Sleep
from coodie.exceptions import ConfigurationError, RequestTimeoutError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from cassandra.cluster import Session
    from cassandra.pool import Host

    from coodie.drivers.cassandra.fastpath.dispatcher import FastPath
    from coodie.drivers.cassandra.fastpath.sync_connection import SyncConnection
    from coodie.effects import Steps

__all__ = ["open_connections"]

#: Seconds between checks whether connections are open.
_POLL_INTERVAL = 0.005


def open_connections(
    session: Session, path: FastPath | None, connections: int, timeout: float
) -> Steps[None]:
    """Open connections to all nodes in use: the session's, and those of threads or the running event loop.

    A session connects to its other nodes in the background once it has connected to one.

    Args:
        session: The backend's session.
        path: The fast path; if it is None or disabled, only the session's connections are awaited.
        connections: The number of threads; an event loop uses one connection.
        timeout: The timeout in seconds.

    Raises:
        ConfigurationError: The fast path doesn't open as many connections.
        RequestTimeoutError: Connecting to a node took longer.
    """
    if path is not None and connections > MAX_CONNECTIONS:
        message = f"connections={connections}: at most {MAX_CONNECTIONS} threads have a connection to a node."
        hint = "Give fewer; requests of further threads use the session's connections."
        raise ConfigurationError(message, hint=hint, option="connections")
    deadline = time.monotonic() + timeout
    while True:
        state = session.get_pool_state()
        used = _used_hosts(session)
        missing = [host for host in used if not state.get(host, {}).get("open_count")]
        if path is not None and path.disabled_reason is None:
            missing += yield from _not_connected(path, used, connections)
        if not missing:
            return
        if time.monotonic() > deadline:
            names = ", ".join(sorted({str(host.endpoint) for host in missing}))
            message = f"Not all connections were opened within {timeout:g} s; missing: {names}."
            hint = "Requests work without them, but more slowly; connecting continues in the background."
            raise RequestTimeoutError(message, hint=hint, timeout=timeout, may_have_been_applied=False)
        yield Sleep(_POLL_INTERVAL)


def _not_connected(path: FastPath, hosts: list[Host], connections: int) -> Steps[list[Host]]:
    """Return the nodes to which the fast path doesn't have all connections, and start to open them."""
    missing = []
    for host in hosts:
        for shard in path.shard_numbers(host):
            if not (yield _Opened(path, host, shard, connections)):
                missing.append(host)
                break
    return missing


def _used_hosts(session: Session) -> list[Host]:
    """Return the nodes that are up and in use."""
    distance = session.cluster.profile_manager.distance
    hosts = session.cluster.metadata.all_hosts()
    return [host for host in hosts if host.is_up and distance(host) != HostDistance.IGNORED]


class _Opened:
    """An effect: return whether the connections to a node are open; if not, start to open one."""

    __slots__ = ("_connections", "_host", "_path", "_shard")

    def __init__(self, path: FastPath, host: Host, shard: int | None, connections: int) -> None:
        self._path = path
        self._host = host
        self._shard = shard
        self._connections = connections

    def run(self) -> bool:
        """Check the connections of threads."""
        pool = self._path.sync_pool(self._host)
        found: list[SyncConnection] = []
        try:
            while len(found) < self._connections:
                connection = pool.acquire(self._shard)
                if connection is None:
                    return False
                found.append(connection)
            return True
        finally:
            for connection in found:
                pool.release(connection)

    def run_async(self) -> Awaitable[bool]:
        """Check the connection of the running event loop."""
        return Immediately(self._path.async_pool().connection(self._host, self._shard) is not None)
