"""The drivers' Cluster, but for how it negotiates the protocol's version."""

from __future__ import annotations

import logging
from functools import cache
from typing import Any

__all__ = ["negotiating_cluster"]

_log = logging.getLogger("coodie.drivers.cassandra")


@cache
def negotiating_cluster() -> Any:
    """Return the Cluster's class for connections whose protocol version is negotiated.

    cassandra-driver begins with two versions that DSE alone knows, so that any other server costs it two
    connections and two warnings. Neither driver's warning is of use: an older server is no mistake.
    """
    from cassandra import ProtocolVersion
    from cassandra.cluster import Cluster

    class NegotiatingCluster(Cluster):  # type: ignore[misc]  # the drivers have no types
        protocol_version = min(Cluster.protocol_version, ProtocolVersion.V5)

        def protocol_downgrade(self, host_endpoint: Any, previous_version: int) -> None:
            lower = ProtocolVersion.get_lower_supported(previous_version)
            if lower < ProtocolVersion.MIN_SUPPORTED:
                super().protocol_downgrade(host_endpoint, previous_version)  # which raises
                return
            _log.debug("%s doesn't speak version %d of the protocol.", host_endpoint, previous_version)
            self.protocol_version = lower

    return NegotiatingCluster
