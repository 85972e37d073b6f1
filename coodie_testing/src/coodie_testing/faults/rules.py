"""Which requests a fault applies to, and what a proxy notes of each request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from coodie.protocol.frames import Opcode

if TYPE_CHECKING:
    from coodie_testing.faults.fault import Fault

__all__ = ["RecordedRequest", "Rule"]


@dataclass
class Rule:
    """A fault, and the requests that it applies to.

    Args:
        fault: What happens to them.
        opcodes: The kinds of request.
        contains: Part of the statement. A request without one, such as a batch, matches whatever this is.
        times: How many requests; None for all.
        after: How many matching requests pass unharmed before.
    """

    fault: Fault
    opcodes: tuple[Opcode, ...] = (Opcode.QUERY, Opcode.EXECUTE, Opcode.BATCH)
    contains: str = ""
    times: int | None = 1
    after: int = 0
    #: How many requests it has applied to.
    hits: int = 0

    def matches(self, opcode: int, statement: str | None) -> bool:
        """Tell whether the fault applies to this request, and count it.

        Args:
            opcode: The request's kind.
            statement: Its CQL; None where it has none.
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
    """A request that went through a proxy.

    Args:
        connection: The connection's number, from 0.
        opcode: Its kind.
        statement: Its CQL; None for a batch.
        body: The frame's body.
        reached_node: Whether the node got it.
        shard: The shard where the connection seems to end; None where the node seems to have none.
    """

    connection: int
    opcode: int
    statement: str | None
    body: bytes
    reached_node: bool
    shard: int | None = None
