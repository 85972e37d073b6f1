"""Frames: a header of nine bytes and a body (section 2.4.1); made, and cut out of a stream of bytes.

``Frames`` is a client's side of a connection whose handshake is over: it makes requests, and cuts answers
as cheaply as it can, for it does so with each request. ``FrameReader`` reads either direction of a connection
from its first byte on, whichever version is spoken: for handshakes, and for a proxy.

The specification of version 5 calls the segments frames, too, which frames travel in. Here both have the
names that the drivers give them.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from coodie.protocol._accelerator import accelerator
from coodie.protocol.errors import BrokenFrameError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from coodie.protocol.segments import Segments

    #: Takes bytes that begin with an answer, and the version byte of answers; returns the answers that are
    #: complete with their streams, and where the first begins that isn't. Raises ValueError for what is no
    #: answer.
    _Cut = Callable[[bytes, int], tuple[list[tuple[int, "bytes | Frame"]], int]]

__all__ = [
    "BATCH",
    "COMPRESSED",
    "CUSTOM_PAYLOAD",
    "EXECUTE",
    "OPTIONS",
    "RESPONSE",
    "RESULT",
    "TRACING",
    "WARNING",
    "Frame",
    "FrameReader",
    "Frames",
    "Opcode",
    "RawFrame",
    "encode_frame",
]


class Opcode(IntEnum):
    """What a frame is (section 2.4.1.4)."""

    ERROR = 0x00
    STARTUP = 0x01
    READY = 0x02
    AUTHENTICATE = 0x03
    OPTIONS = 0x05
    SUPPORTED = 0x06
    QUERY = 0x07
    RESULT = 0x08
    PREPARE = 0x09
    EXECUTE = 0x0A
    REGISTER = 0x0B
    EVENT = 0x0C
    BATCH = 0x0D
    AUTH_CHALLENGE = 0x0E
    AUTH_RESPONSE = 0x0F
    AUTH_SUCCESS = 0x10


#: As plain ints, which are compared and packed faster: with each request, one of these is.
OPTIONS = int(Opcode.OPTIONS)
RESULT = int(Opcode.RESULT)
EXECUTE = int(Opcode.EXECUTE)
BATCH = int(Opcode.BATCH)

#: Flags of a frame (section 2.4.1.2): its body is compressed, up to version 4; before the message, the body
#: has the id of a trace, a custom payload, warnings.
COMPRESSED = 0x01
TRACING = 0x02
CUSTOM_PAYLOAD = 0x04
WARNING = 0x08

#: Version, flags, stream, opcode, length of the body (section 2.4.1).
_HEADER = Struct(">BBhBi")
_HEADER_SIZE = _HEADER.size

#: The bit of the version byte that a server sets and a client doesn't (section 2.4.1.1).
RESPONSE = 0x80

#: The versions that a header of nine bytes may begin with: version 3 to 6, and two of DataStax Enterprise.
_VERSIONS = frozenset({3, 4, 5, 6, 0x41, 0x42})

#: A body is of 256 MB at most (section 2.4.1.5).
_LARGEST_BODY = 256 * 1024 * 1024


class Frame(NamedTuple):
    """An answer that isn't just the body of a RESULT, as it came."""

    flags: int
    opcode: int
    body: bytes


def _cut(data: bytes, version: int) -> tuple[list[tuple[int, bytes | Frame]], int]:
    """Cut answers out of bytes, as ``_Cut`` says."""
    found: list[tuple[int, bytes | Frame]] = []
    at, end = 0, len(data)
    while end - at >= _HEADER_SIZE:
        its_version, flags, stream, opcode, length = _HEADER.unpack_from(data, at)
        if its_version != version or not 0 <= length <= _LARGEST_BODY:
            raise ValueError(its_version, length)
        start = at + _HEADER_SIZE
        stop = start + length
        if stop > end:
            break
        body = data[start:stop]
        found.append((stream, body if opcode == RESULT and not flags else Frame(flags, opcode, body)))
        at = stop
    return found, at


def _chosen_cut() -> _Cut:
    """Return the accelerator's, where it is installed."""
    module = accelerator()
    if module is None:
        return _cut
    cut = module.cut_answers
    return lambda data, version: cut(data, version, Frame)


#: Cuts answers out of bytes.
cut: _Cut = _chosen_cut()


class Frames:
    """Make and cut the frames of one connection; without any I/O.

    Args:
        version: The protocol version, 4 or 5.
        segments: What they travel in, from version 5 on.
        compress: Compresses bodies, up to version 4.
        expand: Expands them.
    """

    def __init__(
        self,
        version: int,
        segments: Segments | None = None,
        compress: Callable[[bytes], bytes] | None = None,
        expand: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self._version = version
        self._answer_version = version | RESPONSE
        self._segments = segments
        self._compress = compress
        self._expand = expand
        self._parts: list[bytes] = []
        self._have = 0
        self._need = _HEADER_SIZE

    def make(self, opcode: int, stream: int, body: bytes) -> bytes:
        """Return a request's frame; several of them may be sent at once."""
        flags = 0
        if self._compress is not None and body:
            body = self._compress(body)
            flags = COMPRESSED
        return _HEADER.pack(self._version, flags, stream, opcode, len(body)) + body

    def wire(self, frames: Sequence[bytes]) -> bytes:
        """Return what is to be sent for frames."""
        return b"".join(frames) if self._segments is None else self._segments.wrap(frames)

    def feed(self, data: bytes) -> list[tuple[int, bytes | Frame]]:
        """Take bytes off the wire; return the answers that are complete by now, each behind its stream.

        Of a RESULT that nothing else comes with it's the body alone.

        Raises:
            BrokenFrameError: These aren't frames.
        """
        if self._segments is not None:
            data = self._segments.feed(data)
        if self._parts:
            # A large body comes in many parts: joined once, when the last is here.
            self._parts.append(data)
            self._have += len(data)
            if self._have < self._need:
                return []
            data = b"".join(self._parts)
            self._parts.clear()
        try:
            found, at = cut(data, self._answer_version)
        except ValueError as exc:
            message = "The server sent what isn't a frame of the protocol version that was agreed on."
            raise BrokenFrameError(message) from exc
        if at < len(data):
            self._keep(data[at:] if at else data)
        if self._segments is None:
            # No call for those that are nothing but a body: nearly all.
            return [
                (stream, answer if answer.__class__ is bytes else self._expanded(answer))
                for stream, answer in found
            ]
        return found

    def _keep(self, rest: bytes) -> None:
        """Note the beginning of an answer, and how long it is to be."""
        self._parts.append(rest)
        self._have = len(rest)
        self._need = _HEADER_SIZE
        if self._have >= _HEADER_SIZE:
            self._need += _HEADER.unpack_from(rest)[-1]

    def _expanded(self, answer: bytes | Frame) -> bytes | Frame:
        """Return an answer that isn't compressed, as bodies of their own may be up to version 4."""
        if isinstance(answer, bytes) or not answer.flags & COMPRESSED:
            return answer
        if self._expand is None:
            message = "The server sent a compressed body on a connection without compression."
            raise BrokenFrameError(message)
        try:
            body = self._expand(answer.body)
        except Exception as exc:
            message = "The server sent a compressed body that can't be expanded."
            raise BrokenFrameError(message) from exc
        flags = answer.flags & ~COMPRESSED
        return body if answer.opcode == RESULT and not flags else Frame(flags, answer.opcode, body)


class RawFrame(NamedTuple):
    """A frame with its whole header.

    Attributes:
        version: The version byte, with the bit ``RESPONSE`` of an answer.
        flags: The flags.
        stream: The stream's id.
        opcode: What it is.
        body: Its body, as it came.
    """

    version: int
    flags: int
    stream: int
    opcode: int
    body: bytes

    @property
    def protocol(self) -> int:
        """The protocol's version."""
        return self.version & ~RESPONSE

    def answer(self, opcode: int, body: bytes) -> RawFrame:
        """Make an answer to this request."""
        return RawFrame(self.version | RESPONSE, 0, self.stream, opcode, body)


def encode_frame(frame: RawFrame) -> bytes:
    """Return a frame's bytes."""
    version, flags, stream, opcode, body = frame
    return _HEADER.pack(version, flags, stream, opcode, len(body)) + body


class FrameReader:
    """Cut one direction of a connection into frames, from its first byte on.

    Args:
        direction: ``RESPONSE`` where a server sends; 0 where a client does.
    """

    def __init__(self, direction: int) -> None:
        self._direction = direction
        self._segments: Segments | None = None
        self._data = bytearray()

    @property
    def has_more(self) -> bool:
        """Whether bytes are left of what isn't a whole frame yet."""
        return bool(self._data)

    def use_segments(self, segments: Segments) -> None:
        """Take what follows for segments: also what has arrived by now behind the last frame."""
        self._segments = segments
        self._data[:] = segments.feed(bytes(self._data))

    def feed(self, data: bytes) -> Iterator[RawFrame]:
        """Take bytes in, and yield the frames that are complete; ``use_segments`` may be called between two.

        Raises:
            BrokenFrameError: These aren't frames, or go in the other direction.
        """
        self._data += data if self._segments is None else self._segments.feed(data)
        while (frame := self._next()) is not None:
            yield frame

    def _next(self) -> RawFrame | None:
        # The first byte tells what isn't the protocol: the length of a TLS record would be waited for.
        if self._data and self._data[0] ^ self._direction not in _VERSIONS:
            raise BrokenFrameError("What arrived isn't a frame of this direction.")
        if len(self._data) < _HEADER_SIZE:
            return None
        version, flags, stream, opcode, length = _HEADER.unpack_from(self._data)
        if not 0 <= length <= _LARGEST_BODY:
            raise BrokenFrameError(f"A frame of {length} bytes.")
        end = _HEADER_SIZE + length
        if len(self._data) < end:
            return None
        body = bytes(self._data[_HEADER_SIZE:end])
        del self._data[:end]
        return RawFrame(version, flags, stream, opcode, body)
