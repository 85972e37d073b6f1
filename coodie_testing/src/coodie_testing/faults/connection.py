"""One client's connection through a proxy, and its twin to the node; faults act on it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from coodie.protocol.frames import RESPONSE, Opcode, RawFrame
from coodie_testing.faults.direction import Direction

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["PendingRequest", "ProxiedConnection"]

#: Seconds of a limited bandwidth that are sent at once.
_SLICE = 0.02
#: The first version whose frames travel in segments, from the response to STARTUP on.
_SEGMENTS_FROM = 5


class PendingRequest(NamedTuple):
    """A request that the node has, and hasn't answered.

    Attributes:
        request: The request.
        statement: Its CQL; None where it has none.
        respond: Takes the node's response and says what becomes of it; None: the client gets it.
    """

    request: RawFrame
    statement: str | None = None
    respond: Callable[[RawFrame], Coroutine[Any, Any, None]] | None = None

    @property
    def starts_segments(self) -> bool:
        """Whether frames travel in segments behind this request, and behind its response."""
        return self.request.opcode == Opcode.STARTUP and self.request.protocol >= _SEGMENTS_FROM


@dataclass(eq=False)
class ProxiedConnection:
    """One client's connection, and its twin to the node.

    Args:
        number: Which of the proxy's connections it is, from 0.
        client: Writes to the client.
        node: Writes to the node.
        bandwidth: Returns how many bytes a second the client gets at this moment; None for no limit.
    """

    number: int
    client: asyncio.StreamWriter
    node: asyncio.StreamWriter
    bandwidth: Callable[[], float | None]
    requests: Direction = field(default_factory=lambda: Direction(0))
    responses: Direction = field(default_factory=lambda: Direction(RESPONSE))
    #: Held while a frame is written to the client.
    write_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    #: Stream → the request that waits for the node's response there.
    pending: dict[int, PendingRequest] = field(default_factory=dict)
    #: The shard where it seems to end; None where the node seems to have none.
    shard: int | None = None
    #: Whether the client asked for events.
    registered: bool = False
    #: Set by ``abort``, and when nothing is forwarded any more.
    aborted: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def client_port(self) -> int:
        """The client's own port."""
        return int(self.client.get_extra_info("peername")[1])

    def encoded(self, response: RawFrame) -> bytes:
        """Return a response's bytes as they go over this connection now."""
        return self.responses.encoded(response)

    async def send_response(self, response: RawFrame) -> None:
        """Send a response to the client, as fast as the bandwidth is at each moment.

        Args:
            response: The frame; ``request.answer(opcode, body)`` makes one.

        Raises:
            ConnectionError: The client has gone.
        """
        data = self.encoded(response)
        async with self.write_lock:
            sent = 0
            while sent < len(data):
                rate = self.bandwidth()
                piece = data[sent:] if rate is None else data[sent : sent + max(1, int(rate * _SLICE))]
                self.client.write(piece)
                await self.client.drain()
                sent += len(piece)
                if rate is not None:
                    await asyncio.sleep(len(piece) / rate)

    async def send_request(self, pending: PendingRequest) -> None:
        """Send a request to the node.

        Args:
            pending: The request, and what becomes of the response.

        Raises:
            ConnectionError: The node has gone.
        """
        self.pending[pending.request.stream] = pending
        self.node.write(self.requests.encoded(pending.request))
        if pending.starts_segments:
            self.requests.use_segments()
        await self.node.drain()

    def abort(self) -> None:
        """End both sides at once, without sending what is still buffered."""
        self.aborted.set()
        for writer in (self.client, self.node):
            writer.transport.abort()
