"""Frames of the native protocol, out of a stream of bytes and into one; no I/O.

Versions 3 and 4 send frames as they are. Version 5 does so until STARTUP has been answered, and wraps them
in checksummed segments from then on (native_protocol_v5.spec, section 2).
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ANSWER", "Frame", "FrameStream", "Opcode", "encode_frame", "encode_segments"]

_HEADER = struct.Struct(">BBhBi")
_CRC24_INITIAL = 0x875060
_CRC24_POLYNOMIAL = 0x1974F0B
_CRC32_INITIAL = zlib.crc32(b"\xfa\x2d\x55\xca")
_MOST_PAYLOAD = (1 << 17) - 1
_SELF_CONTAINED = 1 << 17

#: The direction bit of the version byte.
ANSWER = 0x80


class Opcode(IntEnum):
    """What a frame is (native_protocol_v5.spec, section 3.2.4)."""

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


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame.

    Args:
        version: The version byte, with the direction bit for an answer.
        flags: The flags byte.
        stream: The stream id.
        opcode: What it is.
        body: The rest.
    """

    version: int
    flags: int
    stream: int
    opcode: int
    body: bytes

    @property
    def protocol(self) -> int:
        """The protocol's version."""
        return self.version & ~ANSWER

    def answer(self, opcode: Opcode, body: bytes) -> Frame:
        """Make an answer to this request."""
        return Frame(self.version | ANSWER, 0, self.stream, opcode, body)

    def with_body(self, body: bytes) -> Frame:
        """Return the frame with another body."""
        return replace(self, body=body)


class FrameStream:
    """The frames of one direction of a connection, from its bytes.

    Set ``segmented`` once this direction has begun to send segments.
    """

    def __init__(self) -> None:
        self.segmented = False
        self._raw = bytearray()
        self._frames = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take bytes in; yield the frames that are complete, and look at ``segmented`` before each."""
        self._raw += data
        while True:
            if self.segmented:
                self._open_segments()
            else:
                self._frames += self._raw
                self._raw.clear()
            frame = self._next()
            if frame is None:
                return
            if not self.segmented:
                # What follows may have to be read as segments.
                self._raw += self._frames
                self._frames.clear()
            yield frame

    def _next(self) -> Frame | None:
        if len(self._frames) < _HEADER.size:
            return None
        version, flags, stream, opcode, length = _HEADER.unpack_from(self._frames)
        end = _HEADER.size + length
        if len(self._frames) < end:
            return None
        body = bytes(self._frames[_HEADER.size : end])
        del self._frames[:end]
        return Frame(version, flags, stream, opcode, body)

    def _open_segments(self) -> None:
        while len(self._raw) >= 6:
            header = int.from_bytes(self._raw[:3], "little")
            length = header & _MOST_PAYLOAD
            end = 6 + length + 4
            if len(self._raw) < end:
                return
            assert int.from_bytes(self._raw[3:6], "little") == _crc24(bytes(self._raw[:3]))
            payload = bytes(self._raw[6 : 6 + length])
            assert int.from_bytes(self._raw[6 + length : end], "little") == _crc32(payload)
            self._frames += payload
            del self._raw[:end]


def encode_frame(frame: Frame) -> bytes:
    """Return the frame's bytes."""
    header = _HEADER.pack(frame.version, frame.flags, frame.stream, frame.opcode, len(frame.body))
    return header + frame.body


def encode_segments(data: bytes) -> bytes:
    """Wrap a frame's bytes in segments, uncompressed."""
    parts = [data[start : start + _MOST_PAYLOAD] for start in range(0, len(data), _MOST_PAYLOAD)]
    whole = _SELF_CONTAINED if len(parts) == 1 else 0
    segments = b""
    for part in parts:
        header = (len(part) | whole).to_bytes(3, "little")
        segments += header + _crc24(header).to_bytes(3, "little")
        segments += part + _crc32(part).to_bytes(4, "little")
    return segments


def _crc24(data: bytes) -> int:
    crc = _CRC24_INITIAL
    for byte in data:
        crc ^= byte << 16
        for _ in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= _CRC24_POLYNOMIAL
    return crc


def _crc32(data: bytes) -> int:
    return zlib.crc32(data, _CRC32_INITIAL)
