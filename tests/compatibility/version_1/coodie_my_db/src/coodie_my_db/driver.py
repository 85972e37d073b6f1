"""What the driver can do; how is ``ClientDriver``'s business."""

from __future__ import annotations

from coodie.capabilities import Capability
from coodie.drivers.client import ClientDriver

__all__ = ["MyDbDriver"]


class MyDbDriver(ClientDriver):
    """Driver backed by TODO."""

    # TODO: keep those that your client has, and add others of coodie.capabilities.Capability.
    capabilities = frozenset(
        {
            Capability.PAGING,
            Capability.BATCHES,
            Capability.LIGHTWEIGHT_TRANSACTIONS,
            Capability.CONSISTENCY,
            Capability.UNSET_VALUES,
            Capability.AUTHENTICATION,
            Capability.SCHEMA_SYNC,
            Capability.MATERIALIZED_VIEWS,
            Capability.VECTORS,
            Capability.USER_DEFINED_TYPES,
        }
    )
