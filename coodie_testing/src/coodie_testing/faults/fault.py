"""What can go wrong between a request and its response; tests may derive others from ``Fault``."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coodie.protocol.frames import CUSTOM_PAYLOAD, Opcode
from coodie.protocol.messages import statement_id
from coodie_testing.faults.connection import PendingRequest
from coodie_testing.faults.messages import example_error_body, tablet_payload

if TYPE_CHECKING:
    from uuid import UUID

    from coodie.protocol.error_codes import ErrorCode
    from coodie.protocol.frames import RawFrame
    from coodie_testing.faults.connection import ProxiedConnection

__all__ = [
    "Close",
    "Corrupt",
    "Delay",
    "DelayRequest",
    "Fault",
    "ServerError",
    "Silence",
    "TabletInfo",
    "Trickle",
    "Truncate",
    "WrongStream",
]


@dataclass(frozen=True, kw_only=True)
class Fault(ABC):
    """What a proxy does with a request instead of forwarding the response.

    Args:
        reaches_node: Whether the node gets the request, and may apply it: the fault then comes in place
            of the response, else in place of the request.
    """

    reaches_node: bool = True

    @abstractmethod
    async def respond(
        self, connection: ProxiedConnection, request: RawFrame, response: RawFrame | None
    ) -> None:
        """Do it, on the proxy's event loop; other requests of the connection go on meanwhile.

        Args:
            connection: The connection.
            request: What the client sent.
            response: What the node responded; None where the request doesn't reach it.

        Raises:
            ConnectionError: The client has gone; the proxy ignores that.
        """


@dataclass(frozen=True, kw_only=True)
class ServerError(Fault):
    """An ERROR response, with example details: one of two replicas, keyspace ``ks``, table ``t``.

    Args:
        code: The error.
        write_type: For write timeouts and failures: SIMPLE, BATCH, UNLOGGED_BATCH, COUNTER, BATCH_LOG, CAS.
        message: What the server says; without one, what this is.
        by_coordinator: For ScyllaDB's rate limit: whether the coordinator rejects, not replicas.
    """

    code: ErrorCode
    reaches_node: bool = False
    write_type: str = "SIMPLE"
    message: str = ""
    by_coordinator: bool = True

    async def respond(
        self, connection: ProxiedConnection, request: RawFrame, response: RawFrame | None
    ) -> None:
        """Answer with the error."""
        # An EXECUTE begins with its statement's id, which UNPREPARED repeats.
        statement = statement_id(request.body) if request.opcode == Opcode.EXECUTE else b""
        body = example_error_body(
            self.code,
            request.protocol,
            message=self.message,
            write_type=self.write_type,
            statement=statement,
            by_coordinator=self.by_coordinator,
        )
        await connection.send_response(request.answer(Opcode.ERROR, body))


@dataclass(frozen=True, kw_only=True)
class Silence(Fault):
    """No response."""

    async def respond(
        self, connection: ProxiedConnection, request: RawFrame, response: RawFrame | None
    ) -> None:
        """Do nothing."""


@dataclass(frozen=True, kw_only=True)
class Close(Fault):
    """The connection ends in place of the response."""

    async def respond(
        self, connection: ProxiedConnection, request: RawFrame, response: RawFrame | None
    ) -> None:
        """Close."""
        connection.abort()


@dataclass(frozen=True, kw_only=True)
class Truncate(Fault):
    """The connection ends in the middle of the response."""

    async def respond(
        self, connection: ProxiedConnection, request: RawFrame, response: RawFrame | None
    ) -> None:
        """Send half of the frame, and close; another response behind it would be taken for the rest."""
        assert response is not None
        data = connection.encoded(response)
        async with connection.write_lock:
            connection.client.write(data[: max(1, len(data) // 2)])
            await connection.client.drain()
            await asyncio.sleep(0.05)
            connection.abort()


@dataclass(frozen=True, kw_only=True)
class Delay(Fault):
    """The response comes late; others of the connection don't wait for it."""

    #: How late.
    seconds: float

    async def respond(
        self, connection: ProxiedConnection, request: RawFrame, response: RawFrame | None
    ) -> None:
        """Wait."""
        assert response is not None
        await asyncio.sleep(self.seconds)
        await connection.send_response(response)


@dataclass(frozen=True, kw_only=True)
class DelayRequest(Fault):
    """The request reaches the node late; what was sent after it comes before it."""

    #: How late.
    seconds: float
    reaches_node: bool = False

    async def respond(
        self, connection: ProxiedConnection, request: RawFrame, response: RawFrame | None
    ) -> None:
        """Wait, and hand the request on."""
        await asyncio.sleep(self.seconds)
        await connection.send_request(PendingRequest(request))


@dataclass(frozen=True, kw_only=True)
class Trickle(Fault):
    """The response comes a few bytes at a time, whole in the end."""

    #: Bytes at a time.
    chunk: int = 7
    #: Seconds between two chunks.
    pause: float = 0.002

    async def respond(
        self, connection: ProxiedConnection, request: RawFrame, response: RawFrame | None
    ) -> None:
        """Send it in pieces; nothing else may come between them."""
        assert response is not None
        data = connection.encoded(response)
        async with connection.write_lock:
            for start in range(0, len(data), self.chunk):
                connection.client.write(data[start : start + self.chunk])
                await connection.client.drain()
                await asyncio.sleep(self.pause)


@dataclass(frozen=True, kw_only=True)
class WrongStream(Fault):
    """The response carries a stream id that nobody waits on."""

    async def respond(
        self, connection: ProxiedConnection, request: RawFrame, response: RawFrame | None
    ) -> None:
        """Send it to another stream."""
        assert response is not None
        await connection.send_response(response._replace(stream=response.stream ^ 0x3FFF))


@dataclass(frozen=True, kw_only=True)
class Corrupt(Fault):
    """The response's body is broken where it says what it is; its frame is whole."""

    async def respond(
        self, connection: ProxiedConnection, request: RawFrame, response: RawFrame | None
    ) -> None:
        """Break the kind of the result, and what follows."""
        assert response is not None
        broken = bytes(byte ^ 0xFF for byte in response.body[:24]) + response.body[24:]
        await connection.send_response(response._replace(body=broken))


@dataclass(frozen=True, kw_only=True)
class TabletInfo(Fault):
    """The response comes with the tablet that the request should have gone to: one of all tokens."""

    replicas: tuple[tuple[UUID, int], ...]

    async def respond(
        self, connection: ProxiedConnection, request: RawFrame, response: RawFrame | None
    ) -> None:
        """Put a custom payload before the rest, as ScyllaDB does."""
        assert response is not None
        body = tablet_payload(self.replicas) + response.body
        await connection.send_response(response._replace(flags=response.flags | CUSTOM_PAYLOAD, body=body))
