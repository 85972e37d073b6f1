"""Facts about scylla-driver or cassandra-driver and its connections, for ``coodie doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["inspect_cassandra"]


def inspect_cassandra(driver: Any) -> Mapping[str, str]:
    """Return facts by name: about a driver's connections; without a driver, about the installed package.

    Args:
        driver: A CassandraDriver, or None.
    """
    import cassandra
    from cassandra import ProtocolVersion
    from cassandra.cluster import Cluster
    from cassandra.connection import locally_supported_compressions

    if driver is None:
        return {
            "cassandra package": cassandra.__version__,
            "reactor": Cluster.connection_class.__name__,
            "newest protocol": str(ProtocolVersion.MAX_SUPPORTED),
            "compressions": ", ".join(sorted(locally_supported_compressions)) or "none",
        }
    cluster = driver.session.cluster
    hosts = list(cluster.metadata.all_hosts())
    return {
        "reactor": cluster.connection_class.__name__,
        "protocol": str(cluster.protocol_version),
        "compression": _compression(cluster),
        "TLS": "yes" if cluster.ssl_context or cluster.ssl_options else "no",
        "server": ", ".join(sorted({str(host.release_version) for host in hosts})),
        "hosts up": f"{sum(bool(host.is_up) for host in hosts)} of {len(hosts)}",
    }


def _compression(cluster: Any) -> str:
    """Return the names of the connections' compressions."""
    from cassandra.connection import locally_supported_compressions

    names = {
        name
        for holder in cluster.get_connection_holders()
        for connection in holder.get_connections()
        for name, (_, expand) in locally_supported_compressions.items()
        if connection.decompressor is expand
    }
    return ", ".join(sorted(names)) or "none"
