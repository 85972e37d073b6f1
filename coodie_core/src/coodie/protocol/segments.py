"""Segments: what frames travel in from version 5 on, with checksums (section 2, which calls them frames).

A segment carries whole frames, or a part of one that is larger; nothing here looks at what it carries. The
header of three bytes (five with LZ4) has the payload's length and whether it stands alone. Behind it stands
a checksum of the header, behind the payload one of that. A checksum that doesn't fit ends the connection:
lengths can't be believed any more, so that nobody knows where the next segment begins.
"""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import TYPE_CHECKING

from coodie.protocol._accelerator import accelerator
from coodie.protocol.errors import BrokenFrameError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["LARGEST_PAYLOAD", "Segments", "crc24"]

#: Bytes that a segment carries at most.
LARGEST_PAYLOAD = 128 * 1024 - 1

#: Polynomial and first value of the header's checksum; the payload's is zlib's, begun with four bytes.
_CRC24_START = 0x875060
_CRC24_POLYNOMIAL = 0x1974F0B
_CRC32_START = zlib.crc32(b"\xfa\x2d\x55\xca")

#: Bytes of a segment's checksums, of its header and of its payload.
_HEADER_CRC = 3
_PAYLOAD_CRC = 4

#: Headers whose checksums are kept.
_HEADERS = 4096

#: Bits that a length takes in a header.
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
    """Return the checksum of a segment's header; by table, an eighth of the work of doing it bit by bit.

    Most are known: a header says little but lengths, and requests that are alike are as long.
    """
    crc = _CRC24_START
    for byte in data:
        crc = (crc << 8 & 0xFFFFFF) ^ _CRC24_TABLE[crc >> 16 ^ byte]
    return crc


def _chosen_crc24() -> Callable[[bytes], int]:
    """Return the accelerator's, where it is installed."""
    module = accelerator()
    return _crc24_by_table if module is None else module.crc24


#: Return the checksum of a segment's header.
crc24 = _chosen_crc24()


class Segments:
    """Wrap bytes into segments, and take those that arrive apart; knows nothing of what they carry.

    Args:
        compress: Makes LZ4 blocks; None on a connection without compression.
        expand: Takes a block and the length of what was compressed.
    """

    def __init__(
        self,
        compress: Callable[[bytes], bytes] | None = None,
        expand: Callable[[bytes, int], bytes] | None = None,
    ) -> None:
        self._compress = compress
        self._expand = expand
        self._header = 3 if compress is None else 5
        self._rest = b""

    def wrap(self, frames: Sequence[bytes]) -> bytes:
        """Return the segments of whole frames: as many as one holds, and several for a larger frame.

        The segments of a large frame hold that one alone: a server overlooks what else is in them.
        """
        data = b"".join(frames)
        if len(data) <= LARGEST_PAYLOAD:
            return self._segment(data, alone=True)
        segments: list[bytes] = []
        together: list[bytes] = []
        room = LARGEST_PAYLOAD
        for frame in frames:
            if len(frame) > room and together:
                segments.append(self._segment(b"".join(together), alone=True))
                together, room = [], LARGEST_PAYLOAD
            if len(frame) > room:
                parts = range(0, len(frame), LARGEST_PAYLOAD)
                segments += [self._segment(frame[at : at + LARGEST_PAYLOAD], alone=False) for at in parts]
            else:
                together.append(frame)
                room -= len(frame)
        if together:
            segments.append(self._segment(b"".join(together), alone=True))
        return b"".join(segments)

    def _segment(self, payload: bytes, *, alone: bool) -> bytes:
        bits = len(payload)
        shift = _LENGTH_BITS
        if self._compress is not None:
            packed = self._compress(payload)
            # A length of 0 says that the payload isn't compressed after all.
            if len(packed) < len(payload):
                bits = len(packed) | len(payload) << shift
                payload = packed
            shift += _LENGTH_BITS
        header = (bits | alone << shift).to_bytes(self._header, "little")
        header_crc = crc24(header).to_bytes(_HEADER_CRC, "little")
        payload_crc = zlib.crc32(payload, _CRC32_START).to_bytes(_PAYLOAD_CRC, "little")
        return b"".join((header, header_crc, payload, payload_crc))

    def feed(self, data: bytes) -> bytes:
        """Take bytes off the wire; return what the segments that are complete by now carry.

        Raises:
            BrokenFrameError: A checksum doesn't fit, or what was compressed can't be expanded.
        """
        if self._rest:
            data = self._rest + data
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
        message = "A segment's payload can't be expanded."
        raise BrokenFrameError(message) from exc
