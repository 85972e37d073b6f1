"""``AcsyllaDriver``: ``ClientDriver`` with the capabilities of acsylla."""

from __future__ import annotations

from coodie.capabilities import KNOWN
from coodie.drivers.client.driver import ClientDriver

__all__ = ["AcsyllaDriver"]


class AcsyllaDriver(ClientDriver):
    """Driver backed by acsylla."""

    capabilities = KNOWN["acsylla"].capabilities
