"""A client in memory, and a driver around it."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING

from coodie.capabilities import Capability
from coodie.drivers.client import (
    Client,
    ClientDriver,
    ClientRequest,
    Page,
)
from coodie.exceptions import (
    CoodieError,
    InvalidQueryError,
    RequestTimeoutError,
)
from coodie.waiting import Wait

if TYPE_CHECKING:
    from coodie.drivers.client import Steps

__all__ = ["ClientError", "MemoryClient", "MemoryDriver"]


class ClientError(Exception):
    """What the client raises by itself."""


class MemoryClient(Client):
    """A client that pages through numbers, and notes what it is asked."""

    def __init__(self, rows: int = 0) -> None:
        self.rows = rows
        self.prepared: list[str] = []
        self.sent: list[ClientRequest] = []
        self.closings = 0
        #: What a prepare or a request waits for; done unless a test says otherwise.
        self.gate: Future[None] = Future()
        self.gate.set_result(None)
        #: What the next requests raise instead of answering.
        self.faults: list[Exception] = []

    def prepare(self, cql: str, timeout: float) -> Steps[str]:
        """Count, and answer with the text in capitals."""
        self.prepared.append(cql)
        yield Wait(self.gate, timeout)
        if cql.startswith("SELEC "):
            raise ClientError("no CQL")
        return f"prepared {len(self.prepared)}"

    def send(self, request: ClientRequest) -> Steps[Page]:
        """Answer with a page of numbers."""
        self.sent.append(request)
        yield Wait(self.gate, request.timeout)
        if self.faults:
            raise self.faults.pop()
        start = int(request.paging_state or b"0")
        end = min(start + request.page_size, self.rows)
        state = b"%d" % end if end < self.rows else None
        return Page(
            rows=[{"n": n} for n in range(start, end)], paging_state=state, warnings=("w", f"row {start}")
        )

    def close(self) -> None:
        """Count."""
        self.closings += 1

    def error(self, raised: Exception, stmt: str, timeout: float) -> CoodieError:
        """Translate what is raised here."""
        if isinstance(raised, ClientError):
            return InvalidQueryError(str(raised), statement=stmt)
        return RequestTimeoutError("Late.", statement=stmt, timeout=timeout)


class MemoryDriver(ClientDriver):
    """Declares all that the client takes."""

    capabilities = frozenset({Capability.PAGING, Capability.BATCHES, Capability.CONSISTENCY})
