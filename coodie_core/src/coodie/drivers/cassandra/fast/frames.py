"""Frames of the native protocol, versions 4 and 5: made, and cut out of a stream of bytes."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from coodie.drivers.cassandra.fast.errors import BrokenFrameError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from coodie.drivers.cassandra.fast.segments import Segments

__all__ = ["BATCH", "COMPRESSED", "EXECUTE", "OPTIONS", "RESULT", "STREAMS", "Frame", "Frames"]

#: Opcodes (native_protocol_v5.spec, section 2.4.4).
OPTIONS = 0x05
RESULT = 0x08
EXECUTE = 0x0A
BATCH = 0x0D

#: Requests in flight on one connection: streams are numbered by 15 bits.
STREAMS = 32_768

#: The flag of a frame whose body is compressed, up to version 4.
COMPRESSED = 0x01

#: Version, flags, stream, opcode, length of the body (section 2.1).
_HEADER = Struct(">BBhBi")
_HEADER_SIZE = _HEADER.size

#: What a server's version byte has that a client's hasn't.
_RESPONSE = 0x80

#: A body is of 256 MB at most (section 2.1).
_LARGEST_BODY = 256 * 1024 * 1024


class Frame(NamedTuple):
    """An answer, as it came."""

    stream: int
    flags: int
    opcode: int
    body: bytes


#: Makes a frame of its parts in half the time that a named tuple's own constructor takes.
_new_frame = tuple.__new__


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
        self._answer_version = version | _RESPONSE
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

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes off the wire; return the answers that are complete by now.

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
        found = []
        at, end = 0, len(data)
        need = _HEADER_SIZE
        while end - at >= _HEADER_SIZE:
            version, flags, stream, opcode, length = _HEADER.unpack_from(data, at)
            if version != self._answer_version or not 0 <= length <= _LARGEST_BODY:
                message = "The server sent what isn't a frame of the protocol version that was agreed on."
                raise BrokenFrameError(message)
            start = at + _HEADER_SIZE
            stop = start + length
            if stop > end:
                need = _HEADER_SIZE + length
                break
            body = data[start:stop]
            if flags & COMPRESSED and self._segments is None:
                body = self._expanded(body)
                flags &= ~COMPRESSED
            found.append(_new_frame(Frame, (stream, flags, opcode, body)))
            at = stop
        if at < end:
            self._parts.append(data[at:] if at else data)
            self._have = end - at
            self._need = need
        return found

    def _expanded(self, body: bytes) -> bytes:
        if self._expand is None:
            message = "The server sent a compressed body on a connection without compression."
            raise BrokenFrameError(message)
        try:
            return self._expand(body)
        except Exception as exc:
            message = "The server sent a compressed body that can't be expanded."
            raise BrokenFrameError(message) from exc
