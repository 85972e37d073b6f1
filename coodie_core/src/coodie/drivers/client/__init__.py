"""``ClientDriver``: a driver for any client; implement the client's calls, and inherit the contract.

``ClientDriver`` has the part that is the same for all clients, sync and async: it validates arguments,
orders parameters, caches prepared statements, collects pages, seals paging states, and handles the
lifecycle. A ``Client`` implements the rest: ``prepare``, ``send``, ``close`` and ``error``.
"""

from __future__ import annotations

from coodie.drivers.client.client import (
    Client,
    ClientRequest,
    Page,
    StaleStatementError,
    Steps,
    TupleRows,
    UndecodedRows,
)
from coodie.drivers.client.driver import ClientDriver
from coodie.drivers.client.outcomes import Blocking, DriverCall

__all__ = [
    "Blocking",
    "Client",
    "ClientDriver",
    "ClientRequest",
    "DriverCall",
    "Page",
    "StaleStatementError",
    "Steps",
    "TupleRows",
    "UndecodedRows",
]
