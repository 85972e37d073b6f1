"""The drivers' nodes as the observers' type."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cassandra.pool import Host

    from coodie.observers.events import Host as ObservedHost

__all__ = ["described", "observed_host"]


def described(host: Host | None) -> ObservedHost | None:
    """Return a node as the observers' type."""
    return None if host is None else observed_host(host)


def observed_host(host: Host) -> ObservedHost:
    """Return a node as the observers' type."""
    from coodie.observers.events import Host as ObservedHost  # a slow import, needed by observers only

    return ObservedHost(
        address=str(host.endpoint.address),
        port=host.endpoint.port,
        datacenter=host.datacenter,
        rack=host.rack,
        host_id=host.host_id,
    )
