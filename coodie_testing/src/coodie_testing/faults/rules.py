"""Rules for applying faults to requests, and the records of requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from coodie.protocol.frames import Opcode

if TYPE_CHECKING:
    from coodie_testing.faults.fault import Fault

__all__ = ["RecordedRequest", "Rule"]


@dataclass
class Rule:
    """A fault and the requests to apply it to.

    Args:
        fault: The fault.
        opcodes: The opcodes.
        contains: Part of the statement; ignored for requests without one, such as batches.
        times: The number of requests; None for all.
        after: The number of matching requests that are forwarded before.
    """

    fault: Fault
    opcodes: tuple[Opcode, ...] = (Opcode.QUERY, Opcode.EXECUTE, Opcode.BATCH)
    contains: str = ""
    times: int | None = 1
    after: int = 0
    #: The number of requests that it was applied to.
    hits: int = 0

    def matches(self, opcode: int, statement: str | None) -> bool:
        """Return whether the fault is to be applied to this request, and count it.

        Args:
            opcode: The request's opcode.
            statement: The CQL; None if it has none.
        """
        if opcode not in self.opcodes or self.hits == self.times:
            return False
        if statement is not None and self.contains not in statement:
            return False
        if self.after:
            self.after -= 1
            return False
        self.hits += 1
        return True


@dataclass(frozen=True)
class RecordedRequest:
    """A request that was received by a proxy.

    Args:
        connection: The connection's number, from 0.
        opcode: The opcode.
        statement: The CQL, without the keyspace that drivers add to the names of tables; None for a batch.
        body: The frame's body, without a custom payload.
        reached_node: Whether it was forwarded to the node.
        shard: The simulated shard of the connection; None without shards.
        protocol: The protocol version.
        is_traced: Whether the client requested a trace.
        custom_payload: The custom payload; None without one.
    """

    connection: int
    opcode: int
    statement: str | None
    body: bytes
    reached_node: bool
    shard: int | None = None
    protocol: int = 5
    is_traced: bool = False
    custom_payload: dict[str, bytes | None] | None = None
