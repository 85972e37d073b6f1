"""Segments: the checksummed envelopes of frames from version 5 on (section 2, which calls them frames).

A segment contains complete frames, or a part of a larger one; this module doesn't inspect the payload. The
header of three bytes (five with LZ4) has the payload's length, and whether it is self-contained. A checksum
follows the header, and another one the payload. A wrong checksum ends the connection: the lengths can't be
trusted any more, so that the start of the next segment is unknown.
"""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import TYPE_CHECKING

from coodie.protocol._accelerator import accelerator
from coodie.protocol.errors import BrokenFrameError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["MAX_PAYLOAD", "Segments", "crc24"]

#: Maximum size of a payload in bytes.
MAX_PAYLOAD = 128 * 1024 - 1

#: Initial value and polynomial of the header's checksum; the payload's is zlib's CRC-32 with a prefix.
_CRC24_START = 0x875060
_CRC24_POLYNOMIAL = 0x1974F0B
_CRC32_START = zlib.crc32(b"\xfa\x2d\x55\xca")

#: Sizes of the checksums of header and payload in bytes.
_HEADER_CRC = 3
_PAYLOAD_CRC = 4

#: Cached checksums of headers.
_HEADERS = 4096

#: Bits of a length in a header.
_LENGTH_BITS = 17
_LENGTH = (1 << _LENGTH_BITS) - 1


def _crc24_of(byte: int) -> int:
    crc = byte << 16
    for _ in range(8):
        crc <<= 1
        if crc & 0x1000000:
            crc ^= _CRC24_POLYNOMIAL
    return crc


_CRC24_TABLE = tuple([_crc24_of(byte) for byte in range(256)])


@lru_cache(_HEADERS)
def _crc24_by_table(data: bytes) -> int:
    """Return the checksum of a segment's header, by table, which is eight times as fast as bit by bit.

    Most are cached: a header has little more than lengths, and similar requests have the same length.
    """
    crc = _CRC24_START
    for byte in data:
        crc = (crc << 8 & 0xFFFFFF) ^ _CRC24_TABLE[crc >> 16 ^ byte]
    return crc


def _chosen_crc24() -> Callable[[bytes], int]:
    """Return the accelerator's function if it is installed."""
    module = accelerator()
    return _crc24_by_table if module is None else module.crc24


#: Return the checksum of a segment's header.
crc24 = _chosen_crc24()


class Segments:
    """Encode and decode the segments of one connection.

    Args:
        compress: Compresses to an LZ4 block; None on a connection without compression.
        expand: Decompresses a block, given the uncompressed length.
    """

    def __init__(
        self,
        compress: Callable[[bytes], bytes] | None = None,
        expand: Callable[[bytes, int], bytes] | None = None,
    ) -> None:
        self._compress = compress
        self._expand = expand
        self._compiled = accelerator() if compress is None and expand is None else None
        self._header = 3 if compress is None else 5
        self._rest = b""

    def wrap(self, frames: Sequence[bytes]) -> bytes:
        """Return segments for complete frames: many frames per segment, and several for a large frame.

        The segments of a large frame contain nothing else: a server ignores further frames in them.
        """
        data = b"".join(frames)
        if len(data) <= MAX_PAYLOAD:
            return self._segment(data, alone=True)
        segments: list[bytes] = []
        together: list[bytes] = []
        room = MAX_PAYLOAD
        for frame in frames:
            if len(frame) > room and together:
                segments.append(self._segment(b"".join(together), alone=True))
                together, room = [], MAX_PAYLOAD
            if len(frame) > room:
                parts = range(0, len(frame), MAX_PAYLOAD)
                segments += [self._segment(frame[at : at + MAX_PAYLOAD], alone=False) for at in parts]
            else:
                together.append(frame)
                room -= len(frame)
        if together:
            segments.append(self._segment(b"".join(together), alone=True))
        return b"".join(segments)

    def _segment(self, payload: bytes, *, alone: bool) -> bytes:
        if self._compiled is not None:
            sealed: bytes = self._compiled.seal_segment(payload, alone)
            return sealed
        bits = len(payload)
        shift = _LENGTH_BITS
        if self._compress is not None:
            packed = self._compress(payload)
            # An uncompressed length of 0 means that the payload isn't compressed.
            if len(packed) < len(payload):
                bits = len(packed) | len(payload) << shift
                payload = packed
            shift += _LENGTH_BITS
        header = (bits | alone << shift).to_bytes(self._header, "little")
        header_crc = crc24(header).to_bytes(_HEADER_CRC, "little")
        payload_crc = zlib.crc32(payload, _CRC32_START).to_bytes(_PAYLOAD_CRC, "little")
        return b"".join((header, header_crc, payload, payload_crc))

    def feed(self, data: bytes) -> bytes:
        """Process received data; return the payloads of the complete segments.

        Raises:
            BrokenFrameError: A checksum is wrong, or a payload can't be decompressed.
        """
        if self._rest:
            data = self._rest + data
        if self._compiled is not None:
            try:
                found, at = self._compiled.open_segments(data)
            except ValueError as exc:
                raise BrokenFrameError(str(exc)) from exc
            self._rest = data[at:] if at else data
            payload: bytes = found
            return payload
        payloads = []
        at, end = 0, len(data)
        head = self._header + _HEADER_CRC
        while end - at >= head:
            header = data[at : at + self._header]
            if crc24(header) != int.from_bytes(data[at + self._header : at + head], "little"):
                message = "A segment's header has a wrong checksum."
                raise BrokenFrameError(message)
            bits = int.from_bytes(header, "little")
            start = at + head
            stop = start + (bits & _LENGTH)
            if stop + _PAYLOAD_CRC > end:
                break
            payload = data[start:stop]
            at = stop + _PAYLOAD_CRC
            if zlib.crc32(payload, _CRC32_START) != int.from_bytes(data[stop:at], "little"):
                message = "A segment's payload has a wrong checksum."
                raise BrokenFrameError(message)
            length = bits >> _LENGTH_BITS & _LENGTH
            if self._expand is not None and length:
                payload = _expanded(self._expand, payload, length)
            payloads.append(payload)
        self._rest = data[at:] if at else data
        return payloads[0] if len(payloads) == 1 else b"".join(payloads)


def _expanded(expand: Callable[[bytes, int], bytes], payload: bytes, length: int) -> bytes:
    try:
        return expand(payload, length)
    except Exception as exc:
        message = "A segment's payload can't be decompressed."
        raise BrokenFrameError(message) from exc
