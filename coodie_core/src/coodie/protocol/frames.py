"""Frames, a header of nine bytes and a body (section 2.4.1): encoding, and splitting of received data.

``Frames`` is the client's side of a connection after the handshake: it encodes requests, and splits responses
with little overhead. ``FrameReader`` reads either direction of a connection from the first byte on, in any
version: for handshakes and proxies.

The specification of version 5 uses the word frame for segments, too. Here both have the drivers' names.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from coodie.protocol._accelerator import accelerator
from coodie.protocol.errors import BrokenFrameError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from coodie.protocol.segments import Segments

    #: Takes data that begins with a response, and the version byte of responses; returns the complete
    #: responses with their stream ids, and the position of the first incomplete one. Raises ValueError for
    #: invalid data.
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
    """Opcodes of frames (section 2.4.1.4)."""

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


#: Plain ints, which are compared and packed faster; one of these is used per request.
OPTIONS = int(Opcode.OPTIONS)
RESULT = int(Opcode.RESULT)
EXECUTE = int(Opcode.EXECUTE)
BATCH = int(Opcode.BATCH)

#: Flags of a frame (section 2.4.1.2): the body is compressed, up to version 4; the body starts with a trace
#: id, a custom payload, warnings.
COMPRESSED = 0x01
TRACING = 0x02
CUSTOM_PAYLOAD = 0x04
WARNING = 0x08

#: Version, flags, stream, opcode, length of the body (section 2.4.1).
_HEADER = Struct(">BBhBi")
_HEADER_SIZE = _HEADER.size

#: The bit of the version byte that is set in responses (section 2.4.1.1).
RESPONSE = 0x80

#: Versions with a header of nine bytes: 3 to 6, and two of DataStax Enterprise.
_VERSIONS = frozenset({3, 4, 5, 6, 0x41, 0x42})

#: Maximum size of a body: 256 MB (section 2.4.1.5).
_MAX_BODY = 256 * 1024 * 1024


class Frame(NamedTuple):
    """A response other than a RESULT without flags, undecoded."""

    flags: int
    opcode: int
    body: bytes


def _cut(data: bytes, version: int) -> tuple[list[tuple[int, bytes | Frame]], int]:
    """Split data into responses, see ``_Cut``."""
    found: list[tuple[int, bytes | Frame]] = []
    at, end = 0, len(data)
    while end - at >= _HEADER_SIZE:
        its_version, flags, stream, opcode, length = _HEADER.unpack_from(data, at)
        if its_version != version or not 0 <= length <= _MAX_BODY:
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
    """Return the accelerator's function if it is installed."""
    module = accelerator()
    if module is None:
        return _cut
    cut = module.cut_answers
    return lambda data, version: cut(data, version, Frame)


#: Splits data into responses.
cut: _Cut = _chosen_cut()


class Frames:
    """Encode and split the frames of one connection.

    Args:
        version: The protocol version, 4 or 5.
        segments: The segment layer, from version 5 on.
        compress: Compresses bodies, up to version 4.
        expand: Decompresses bodies.
    """

    #: Makes a response other than a RESULT without flags.
    unusual: ClassVar = Frame

    def __init__(
        self,
        version: int,
        segments: Segments | None = None,
        compress: Callable[[bytes], bytes] | None = None,
        expand: Callable[[bytes], bytes] | None = None,
    ) -> None:
        #: The protocol version.
        self.version = version
        self._answer_version = version | RESPONSE
        self._segments = segments
        self._compress = compress
        self._expand = expand
        self._parts: list[bytes] = []
        self._have = 0
        self._need = _HEADER_SIZE

    @property
    def compresses(self) -> bool:
        """Whether bodies are compressed, separately."""
        return self._compress is not None

    def make(self, opcode: int, stream: int, body: bytes) -> bytes:
        """Return the frame of a request."""
        flags = 0
        if self._compress is not None and body:
            body = self._compress(body)
            flags = COMPRESSED
        return _HEADER.pack(self.version, flags, stream, opcode, len(body)) + body

    def wire(self, frames: Sequence[bytes]) -> bytes:
        """Return the data to send for frames."""
        return b"".join(frames) if self._segments is None else self._segments.wrap(frames)

    def feed(self, data: bytes) -> list[tuple[int, bytes | Frame]]:
        """Process received data; return the complete responses, each with its stream id.

        For a RESULT without flags, return only the body.

        Raises:
            BrokenFrameError: The data isn't a valid frame.
        """
        return self.split(self.join(data))

    def split(self, data: bytes) -> list[tuple[int, bytes | Frame]]:
        """Return the complete responses in the result of ``join``, and keep the rest.

        Raises:
            BrokenFrameError: The data isn't a valid frame.
        """
        try:
            found, at = cut(data, self._answer_version)
        except ValueError as exc:
            raise self.invalid() from exc
        if at < len(data):
            self.keep(data[at:] if at else data)
        if self._segments is None:
            # No call for plain bodies, which are nearly all.
            return [
                (stream, answer if answer.__class__ is bytes else self._expanded(answer))
                for stream, answer in found
            ]
        return found

    def join(self, data: bytes) -> bytes:
        """Return received data from the beginning of a response on; empty if that is incomplete.

        Raises:
            BrokenFrameError: The data isn't a valid segment.
        """
        if self._segments is not None:
            data = self._segments.feed(data)
        if self._parts:
            # A large body arrives in many parts: join them once, after the last one.
            self._parts.append(data)
            self._have += len(data)
            if self._have < self._need:
                return b""
            data = b"".join(self._parts)
            self._parts.clear()
        return data

    @staticmethod
    def invalid() -> BrokenFrameError:
        """Return the exception for data that isn't a frame."""
        message = "The server sent data that isn't a frame of the negotiated protocol version."
        return BrokenFrameError(message)

    def keep(self, rest: bytes) -> None:
        """Keep the beginning of a response, and its expected size."""
        self._parts.append(rest)
        self._have = len(rest)
        self._need = _HEADER_SIZE
        if self._have >= _HEADER_SIZE:
            self._need += _HEADER.unpack_from(rest)[-1]

    def _expanded(self, answer: bytes | Frame) -> bytes | Frame:
        """Decompress a response; up to version 4, bodies are compressed separately."""
        if isinstance(answer, bytes) or not answer.flags & COMPRESSED:
            return answer
        if self._expand is None:
            message = "The server sent a compressed body on a connection without compression."
            raise BrokenFrameError(message)
        try:
            body = self._expand(answer.body)
        except Exception as exc:
            message = "The server sent a compressed body that can't be decompressed."
            raise BrokenFrameError(message) from exc
        flags = answer.flags & ~COMPRESSED
        return body if answer.opcode == RESULT and not flags else Frame(flags, answer.opcode, body)


class RawFrame(NamedTuple):
    """A frame with its whole header.

    Attributes:
        version: The version byte, with the bit ``RESPONSE`` for responses.
        flags: The flags.
        stream: The stream id.
        opcode: The opcode.
        body: The body, undecoded.
    """

    version: int
    flags: int
    stream: int
    opcode: int
    body: bytes

    @property
    def protocol(self) -> int:
        """The protocol version."""
        return self.version & ~RESPONSE

    def answer(self, opcode: int, body: bytes) -> RawFrame:
        """Return a response to this request."""
        return RawFrame(self.version | RESPONSE, 0, self.stream, opcode, body)


def encode_frame(frame: RawFrame) -> bytes:
    """Encode a frame."""
    version, flags, stream, opcode, body = frame
    return _HEADER.pack(version, flags, stream, opcode, len(body)) + body


class FrameReader:
    """Split one direction of a connection into frames, from the first byte on.

    Args:
        direction: ``RESPONSE`` for data of a server; 0 for data of a client.
    """

    def __init__(self, direction: int) -> None:
        self._direction = direction
        self._segments: Segments | None = None
        self._data = bytearray()

    @property
    def has_more(self) -> bool:
        """Whether there is an incomplete frame."""
        return bool(self._data)

    def use_segments(self, segments: Segments) -> None:
        """Read segments from now on, including data that was received after the last frame."""
        self._segments = segments
        self._data[:] = segments.feed(bytes(self._data))

    def feed(self, data: bytes) -> Iterator[RawFrame]:
        """Process received data, and yield the complete frames; call ``use_segments`` between two of them.

        Raises:
            BrokenFrameError: The data isn't a valid frame of this direction.
        """
        self._data += data if self._segments is None else self._segments.feed(data)
        while (frame := self._next()) is not None:
            yield frame

    def _next(self) -> RawFrame | None:
        # Check the first byte: a TLS record, for example, would have an arbitrary length.
        if self._data and self._data[0] ^ self._direction not in _VERSIONS:
            raise BrokenFrameError("The data isn't a frame of the expected direction and version.")
        if len(self._data) < _HEADER_SIZE:
            return None
        version, flags, stream, opcode, length = _HEADER.unpack_from(self._data)
        if not 0 <= length <= _MAX_BODY:
            raise BrokenFrameError(f"A frame's length is {length} bytes; the maximum is {_MAX_BODY}.")
        end = _HEADER_SIZE + length
        if len(self._data) < end:
            return None
        body = bytes(self._data[_HEADER_SIZE:end])
        del self._data[:end]
        return RawFrame(version, flags, stream, opcode, body)
