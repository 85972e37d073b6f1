"""``RustDriver``: ``ClientDriver`` with the capabilities of scylladb-rs-driver."""

from __future__ import annotations

from coodie.capabilities import KNOWN
from coodie.drivers.client.driver import ClientDriver

__all__ = ["RustDriver"]


class RustDriver(ClientDriver):
    """Driver backed by scylladb-rs-driver.

    User-defined types aren't declared: values without null can be bound and read, others only read.
    """

    capabilities = KNOWN["rust"].capabilities
