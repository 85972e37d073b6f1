"""What can go wrong between a request and its answer."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.faults.messages import example_error_body, tablet_payload

from coodie.protocol.frames import CUSTOM_PAYLOAD, Opcode
from coodie.protocol.messages import statement_id

if TYPE_CHECKING:
    from uuid import UUID

    from tests.faults.proxy import Link

    from coodie.protocol.frames import RawFrame

__all__ = [
    "Close",
    "Corrupt",
    "CutAnswer",
    "Delay",
    "DelayRequest",
    "Fault",
    "ServerError",
    "Silence",
    "TellTablet",
    "Trickle",
    "WrongStream",
]


@dataclass(frozen=True, kw_only=True)
class Fault(ABC):
    """What a proxy does instead of handing an answer on.

    Args:
        reaches_node: Whether the node gets the request, and may apply it.
    """

    reaches_node: bool = True

    @abstractmethod
    async def answer(self, link: Link, request: RawFrame, answer: RawFrame | None) -> None:
        """Do it.

        Args:
            link: The connection.
            request: What the client sent.
            answer: What the node answered; None where the request doesn't reach it.
        """


@dataclass(frozen=True, kw_only=True)
class ServerError(Fault):
    """An ERROR frame."""

    name: str
    reaches_node: bool = False
    write_type: str = "SIMPLE"

    async def answer(self, link: Link, request: RawFrame, answer: RawFrame | None) -> None:
        """Answer with the error."""
        # An EXECUTE begins with its statement's id, which UNPREPARED repeats.
        statement = statement_id(request.body) if request.opcode == Opcode.EXECUTE else b""
        body = example_error_body(
            self.name, request.protocol, write_type=self.write_type, statement=statement
        )
        await link.to_client(request.answer(Opcode.ERROR, body))


@dataclass(frozen=True, kw_only=True)
class Silence(Fault):
    """No answer."""

    async def answer(self, link: Link, request: RawFrame, answer: RawFrame | None) -> None:
        """Do nothing."""


@dataclass(frozen=True, kw_only=True)
class Close(Fault):
    """The connection ends in the place of an answer."""

    async def answer(self, link: Link, request: RawFrame, answer: RawFrame | None) -> None:
        """Close."""
        link.abort()


@dataclass(frozen=True, kw_only=True)
class CutAnswer(Fault):
    """The connection ends in the middle of the answer."""

    async def answer(self, link: Link, request: RawFrame, answer: RawFrame | None) -> None:
        """Send half of the frame, and close; another answer behind it would be taken for the rest."""
        assert answer is not None
        data = link.encoded(answer)
        async with link.turn:
            link.client.write(data[: max(1, len(data) // 2)])
            await link.client.drain()
            await asyncio.sleep(0.05)
            link.abort()


@dataclass(frozen=True, kw_only=True)
class Delay(Fault):
    """The answer comes late, and alone: what follows isn't held up."""

    seconds: float

    async def answer(self, link: Link, request: RawFrame, answer: RawFrame | None) -> None:
        """Wait."""
        assert answer is not None
        await asyncio.sleep(self.seconds)
        await link.to_client(answer)


@dataclass(frozen=True, kw_only=True)
class DelayRequest(Fault):
    """The request reaches the node late; what was sent after it comes before it."""

    seconds: float
    reaches_node: bool = False

    async def answer(self, link: Link, request: RawFrame, answer: RawFrame | None) -> None:
        """Wait, and hand the request on."""
        await asyncio.sleep(self.seconds)
        link.waiting[request.stream] = (request, None, None)
        await link.to_node(request)


@dataclass(frozen=True, kw_only=True)
class Trickle(Fault):
    """The answer comes a few bytes at a time, whole in the end."""

    chunk: int = 7
    pause: float = 0.002

    async def answer(self, link: Link, request: RawFrame, answer: RawFrame | None) -> None:
        """Send it in pieces; nothing else may come between them."""
        assert answer is not None
        data = link.encoded(answer)
        async with link.turn:
            for start in range(0, len(data), self.chunk):
                link.client.write(data[start : start + self.chunk])
                await link.client.drain()
                await asyncio.sleep(self.pause)


@dataclass(frozen=True, kw_only=True)
class WrongStream(Fault):
    """The answer carries a stream id that nobody waits on."""

    async def answer(self, link: Link, request: RawFrame, answer: RawFrame | None) -> None:
        """Send it to another stream."""
        assert answer is not None
        await link.to_client(answer._replace(stream=answer.stream ^ 0x3FFF))


@dataclass(frozen=True, kw_only=True)
class Corrupt(Fault):
    """The answer's body is broken where it says what it is; its frame is whole."""

    async def answer(self, link: Link, request: RawFrame, answer: RawFrame | None) -> None:
        """Break the kind of the result, and what follows."""
        assert answer is not None
        broken = bytes(byte ^ 0xFF for byte in answer.body[:24]) + answer.body[24:]
        await link.to_client(answer._replace(body=broken))


@dataclass(frozen=True, kw_only=True)
class TellTablet(Fault):
    """The answer comes with the tablet that the request should have gone to: one of all tokens."""

    replicas: tuple[tuple[UUID, int], ...]

    async def answer(self, link: Link, request: RawFrame, answer: RawFrame | None) -> None:
        """Put a custom payload before the rest, as ScyllaDB does."""
        assert answer is not None
        body = tablet_payload(self.replicas) + answer.body
        await link.to_client(answer._replace(flags=answer.flags | CUSTOM_PAYLOAD, body=body))
