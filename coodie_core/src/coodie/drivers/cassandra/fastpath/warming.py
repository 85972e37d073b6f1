"""Open the fast path's connections before the first request needs them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from coodie.drivers.cassandra.fastpath.request import Immediately
from coodie.effects import Sleep
from coodie.exceptions import RequestTimeoutError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from cassandra.pool import Host

    from coodie.drivers.cassandra.fastpath.dispatcher import FastPath
    from coodie.drivers.cassandra.fastpath.sync_connection import SyncConnection
    from coodie.effects import Steps

__all__ = ["open_connections"]

#: Seconds between checks whether connections are open.
_LOOK_AGAIN = 0.005


def open_connections(path: FastPath, connections: int, timeout: float) -> Steps[None]:
    """Open connections to all nodes in use, for threads or for the running event loop.

    Args:
        path: The fast path; if it is disabled, no connections are opened.
        connections: The number of threads; an event loop uses one connection.
        timeout: The timeout in seconds.

    Raises:
        RequestTimeoutError: Connecting to a node took longer.
    """
    deadline = time.monotonic() + timeout
    while path.disabled_reason is None:
        missing = []
        for host, shards in path.used_hosts():
            for shard in shards:
                if not (yield _Opened(path, host, shard, connections)):
                    missing.append(host)
                    break
        if not missing or path.disabled_reason is not None:
            return
        if time.monotonic() > deadline:
            names = ", ".join(str(host.endpoint) for host in missing)
            message = f"Not all connections were opened within {timeout:g} s; missing: {names}."
            hint = "Requests work without them, but more slowly; connecting continues in the background."
            raise RequestTimeoutError(message, hint=hint, timeout=timeout, may_have_been_applied=False)
        yield Sleep(_LOOK_AGAIN)


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
