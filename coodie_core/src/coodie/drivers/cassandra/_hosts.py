"""Convert the drivers' nodes to the observers' type, and find nodes by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coodie.exceptions import ConfigurationError

if TYPE_CHECKING:
    from cassandra.cluster import Cluster
    from cassandra.pool import Host

    from coodie.observers.events import Host as ObservedHost

__all__ = ["described", "node_named", "observed_host", "place"]


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


def node_named(name: str, cluster: Cluster) -> Host:
    """Return the node with an address, ``address:port`` or host id.

    Args:
        name: The address, ``address:port`` or host id; of IPv6, also ``[address]`` and ``[address]:port``.
        cluster: The driver's cluster.

    Raises:
        ConfigurationError: No node or several nodes match.
    """
    hosts = cluster.metadata.all_hosts()
    found = [host for host in hosts if name.lower() in _names(host)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(sorted(place(host.endpoint) for host in hosts))
    what = "matches several nodes" if found else "doesn't match a known node"
    message = f"node={name!r} {what}."
    raise ConfigurationError(message, hint=f"Give one of {known}, or a host id.", option="node")


def place(endpoint: Any) -> str:
    """Return a node's address and port, or the path of its Unix socket."""
    return str(endpoint.address) if endpoint.port is None else f"{endpoint.address}:{endpoint.port}"


def _names(host: Host) -> tuple[str, ...]:
    endpoint = host.endpoint
    address, port = str(endpoint.address).lower(), endpoint.port
    if port is None:  # a Unix socket
        return address, str(host.host_id)
    return address, f"{address}:{port}", f"[{address}]", f"[{address}]:{port}", str(host.host_id)
