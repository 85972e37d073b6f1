"""Faults between a request and its response; tests may define others by subclassing ``Fault``."""

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
    """An action of a proxy instead of forwarding the response.

    Args:
        reaches_node: Whether the request is forwarded to the node, which may apply it; the fault then
            replaces the response.
    """

    reaches_node: bool = True

    @abstractmethod
    async def respond(
        self, connection: ProxiedConnection, request: RawFrame, response: RawFrame | None
    ) -> None:
        """Apply the fault, on the proxy's event loop, concurrently with other requests of the connection.

        Args:
            connection: The connection.
            request: The client's frame.
            response: The node's response; None if the request wasn't forwarded.

        Raises:
            ConnectionError: The client has disconnected; the proxy ignores that.
        """


@dataclass(frozen=True, kw_only=True)
class ServerError(Fault):
    """An ERROR response, with example details: one of two replicas, keyspace ``ks``, table ``t``.

    Args:
        code: The error.
        write_type: For write timeouts and failures: SIMPLE, BATCH, UNLOGGED_BATCH, COUNTER, BATCH_LOG, CAS.
        message: The message; default: the name of the error.
        by_coordinator: For ScyllaDB's rate limit: the coordinator rejected the request, not a replica.
    """

    code: ErrorCode
    reaches_node: bool = False
    write_type: str = "SIMPLE"
    message: str = ""
    by_coordinator: bool = True

    async def respond(
        self, connection: ProxiedConnection, request: RawFrame, response: RawFrame | None
    ) -> None:
        """Respond with the error."""
        # An EXECUTE begins with its statement's id, which is part of UNPREPARED.
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
    """The connection is closed instead of the response."""

    async def respond(
        self, connection: ProxiedConnection, request: RawFrame, response: RawFrame | None
    ) -> None:
        """Close."""
        connection.abort()


@dataclass(frozen=True, kw_only=True)
class Truncate(Fault):
    """The connection is closed in the middle of the response."""

    async def respond(
        self, connection: ProxiedConnection, request: RawFrame, response: RawFrame | None
    ) -> None:
        """Send half of the frame, and close; a later response would be taken for the rest."""
        assert response is not None
        data = connection.encoded(response)
        async with connection.write_lock:
            connection.client.write(data[: max(1, len(data) // 2)])
            await connection.client.drain()
            await asyncio.sleep(0.05)
            connection.abort()


@dataclass(frozen=True, kw_only=True)
class Delay(Fault):
    """The response is delayed, without delaying others of the connection."""

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
    """The request is delayed; later ones overtake it."""

    #: How late.
    seconds: float
    reaches_node: bool = False

    async def respond(
        self, connection: ProxiedConnection, request: RawFrame, response: RawFrame | None
    ) -> None:
        """Wait, and forward the request."""
        await asyncio.sleep(self.seconds)
        await connection.send_request(PendingRequest(request))


@dataclass(frozen=True, kw_only=True)
class Trickle(Fault):
    """The response is sent a few bytes at a time."""

    #: Bytes at a time.
    chunk: int = 7
    #: Seconds between two chunks.
    pause: float = 0.002

    async def respond(
        self, connection: ProxiedConnection, request: RawFrame, response: RawFrame | None
    ) -> None:
        """Send it in pieces, without other frames in between."""
        assert response is not None
        data = connection.encoded(response)
        async with connection.write_lock:
            for start in range(0, len(data), self.chunk):
                connection.client.write(data[start : start + self.chunk])
                await connection.client.drain()
                await asyncio.sleep(self.pause)


@dataclass(frozen=True, kw_only=True)
class WrongStream(Fault):
    """The response has the stream id of no request."""

    async def respond(
        self, connection: ProxiedConnection, request: RawFrame, response: RawFrame | None
    ) -> None:
        """Send it with another stream id."""
        assert response is not None
        await connection.send_response(response._replace(stream=response.stream ^ 0x3FFF))


@dataclass(frozen=True, kw_only=True)
class Corrupt(Fault):
    """The response has an invalid body in a valid frame."""

    async def respond(
        self, connection: ProxiedConnection, request: RawFrame, response: RawFrame | None
    ) -> None:
        """Replace the kind of the result, and the rest."""
        assert response is not None
        broken = bytes(byte ^ 0xFF for byte in response.body[:24]) + response.body[24:]
        await connection.send_response(response._replace(body=broken))


@dataclass(frozen=True, kw_only=True)
class TabletInfo(Fault):
    """The response has the custom payload of a tablet, which contains all tokens."""

    replicas: tuple[tuple[UUID, int], ...]

    async def respond(
        self, connection: ProxiedConnection, request: RawFrame, response: RawFrame | None
    ) -> None:
        """Add a custom payload, as ScyllaDB does."""
        assert response is not None
        body = tablet_payload(self.replicas) + response.body
        await connection.send_response(response._replace(flags=response.flags | CUSTOM_PAYLOAD, body=body))
