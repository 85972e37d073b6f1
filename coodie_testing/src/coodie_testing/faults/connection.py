"""A client's connection through a proxy, and the proxy's connection to the node."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from coodie.protocol.frames import RESPONSE, Opcode, RawFrame
from coodie_testing.faults.direction import Direction

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["PendingRequest", "ProxiedConnection"]

#: Data for this number of seconds is sent at once if the bandwidth is limited.
_SLICE = 0.02
#: The first version with segments, after the response to STARTUP.
_SEGMENTS_FROM = 5


class PendingRequest(NamedTuple):
    """A request that was forwarded to the node, and hasn't been answered.

    Attributes:
        request: The request.
        statement: The CQL; None if it has none.
        respond: Called with the node's response; None to forward it to the client.
    """

    request: RawFrame
    statement: str | None = None
    respond: Callable[[RawFrame], Coroutine[Any, Any, None]] | None = None

    @property
    def starts_segments(self) -> bool:
        """Whether frames after this request, and after its response, are in segments."""
        return self.request.opcode == Opcode.STARTUP and self.request.protocol >= _SEGMENTS_FROM


@dataclass(eq=False)
class ProxiedConnection:
    """A client's connection, and the proxy's connection to the node.

    Args:
        number: Its number in the proxy, from 0.
        client: Writes to the client.
        node: Writes to the node.
        bandwidth: Returns the current number of bytes per second to the client; None for no limit.
    """

    number: int
    client: asyncio.StreamWriter
    node: asyncio.StreamWriter
    bandwidth: Callable[[], float | None]
    requests: Direction = field(default_factory=lambda: Direction(0))
    responses: Direction = field(default_factory=lambda: Direction(RESPONSE))
    #: Held while a frame is written to the client.
    write_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    #: The unanswered requests by stream id.
    pending: dict[int, PendingRequest] = field(default_factory=dict)
    #: The simulated shard; None without shards.
    shard: int | None = None
    #: The keyspace of the last USE.
    keyspace: str | None = None
    #: Whether the client has registered for events.
    registered: bool = False
    #: Set by ``abort``, and when forwarding has ended.
    aborted: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def client_port(self) -> int:
        """The client's local port."""
        return int(self.client.get_extra_info("peername")[1])

    def encoded(self, response: RawFrame) -> bytes:
        """Return a response as bytes."""
        return self.responses.encoded(response)

    async def send_response(self, response: RawFrame) -> None:
        """Send a response to the client, within the bandwidth.

        Args:
            response: The frame; ``request.answer(opcode, body)`` makes one.

        Raises:
            ConnectionError: The client has disconnected.
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
            pending: The request, and the function for its response.

        Raises:
            ConnectionError: The node has closed the connection.
        """
        self.pending[pending.request.stream] = pending
        self.node.write(self.requests.encoded(pending.request))
        if pending.starts_segments:
            self.requests.use_segments()
        await self.node.drain()

    def abort(self) -> None:
        """Close both connections immediately, without sending buffered data."""
        self.aborted.set()
        for writer in (self.client, self.node):
            writer.transport.abort()
