"""A driver around any client: write the client's calls, and the contract is kept for you.

``ClientDriver`` has all of what is the same for every client: it checks arguments, puts parameters in
order, keeps prepared statements, collects pages, seals paging states, opens and closes once, and does all
of it sync and async. A ``Client`` has the rest, in three methods: prepare, send, close.
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
