"""What the driver can do; how is ``ClientDriver``'s business."""

from __future__ import annotations

from coodie.capabilities import Capability
from coodie.drivers.client import ClientDriver

__all__ = ["RustDriver"]


class RustDriver(ClientDriver):
    """Driver backed by scylladb-rs-driver.

    User-defined types aren't declared: a complete one can be bound and read, one with a null inside can't.
    """

    capabilities = frozenset(
        {
            Capability.PAGING,
            Capability.BATCHES,
            Capability.LIGHTWEIGHT_TRANSACTIONS,
            Capability.CONSISTENCY,
            Capability.COMPRESSION,
            Capability.AUTHENTICATION,
            Capability.SCHEMA_SYNC,
            Capability.MATERIALIZED_VIEWS,
            Capability.VECTORS,
            Capability.NATIVE_ASYNC,
        }
    )
