"""Segments of protocol version 5: ours are the driver's, and damage is noticed."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from cassandra.connection import lz4_compress, lz4_decompress
from cassandra.segment import CrcException, Segment, SegmentCodec, compute_crc24
from coodie_core.tests.cassandra.fastpath.arbitrary import quickly, scattered
from hypothesis import example, given
from hypothesis import strategies as st

from coodie.drivers.cassandra.fastpath.driver_internals import _blocks
from coodie.protocol.errors import BrokenFrameError
from coodie.protocol.segments import MAX_PAYLOAD, Segments, crc24

#: Payloads: of any content, and of much the same.
_PAYLOADS = st.one_of(
    st.binary(min_size=1, max_size=300),
    st.builds(bytes.__mul__, st.binary(min_size=1, max_size=8), st.integers(1, 100)),
)


def _ours(*, compressed: bool) -> Segments:
    return Segments(*_blocks(lz4_compress, lz4_decompress)) if compressed else Segments()


def _theirs(*, compressed: bool) -> Any:
    return SegmentCodec(lz4_compress, lz4_decompress) if compressed else SegmentCodec()


def _unwrapped_by_driver(codec: Any, data: bytes) -> bytes:
    buffer = BytesIO(data)
    payloads = []
    while buffer.tell() < len(data):
        payloads.append(codec.decode(buffer, codec.decode_header(buffer)).payload)
    return b"".join(payloads)


@quickly
@given(st.binary(min_size=3, max_size=5))
def test_the_headers_checksum_is_the_drivers(header: bytes) -> None:
    """The table gives what doing it bit by bit does."""
    assert crc24(header) == compute_crc24(int.from_bytes(header, "little"), len(header))


@pytest.mark.parametrize("compressed", [False, True])
@quickly
@given(payload=_PAYLOADS)
@example(payload=b"x" * MAX_PAYLOAD)
@example(payload=b"x" * (MAX_PAYLOAD + 1))
def test_the_driver_takes_what_we_wrap(compressed: bool, payload: bytes) -> None:
    """Byte for byte what the driver would send, whatever its size, compressed or not."""
    wrapped = _ours(compressed=compressed).wrap([payload])
    codec = _theirs(compressed=compressed)
    expected = BytesIO()
    codec.encode(expected, payload)
    assert wrapped == expected.getvalue()
    assert _unwrapped_by_driver(codec, wrapped) == payload


@quickly
@given(st.lists(st.sampled_from([1, 5000, 70_000, MAX_PAYLOAD, MAX_PAYLOAD + 1, 300_000]), min_size=1))
@example([5000] * 30)
@example([5000, 300_000, 5000])
def test_a_frame_has_a_segment_or_several_of_its_own(sizes: list[int]) -> None:
    """A segment that stands alone holds whole frames; the parts of a large one hold nothing else."""
    frames = [bytes([number % 256]) * size for number, size in enumerate(sizes)]
    buffer = BytesIO(_ours(compressed=False).wrap(frames))
    whole: list[bytes] = []
    parts = b""
    codec = _theirs(compressed=False)
    left = list(frames)
    while buffer.tell() < len(buffer.getvalue()):
        header = codec.decode_header(buffer)
        payload = codec.decode(buffer, header).payload
        if header.is_self_contained:
            assert not parts
            while payload:
                assert payload.startswith(left[0])
                payload = payload[len(left[0]) :]
                whole.append(left.pop(0))
        else:
            parts += payload
            if parts == left[0]:
                whole.append(left.pop(0))
                parts = b""
    assert (whole, parts, left) == (frames, b"", [])


@pytest.mark.parametrize("compressed", [False, True])
@quickly
@given(payloads=st.lists(_PAYLOADS, min_size=1, max_size=3), data=st.data())
def test_we_take_what_the_driver_wraps(compressed: bool, payloads: list[bytes], data: st.DataObject) -> None:
    """However the bytes arrive: in pieces, or several segments at once."""
    stream = BytesIO()
    for payload in payloads:
        _theirs(compressed=compressed).encode(stream, payload)
    segments = _ours(compressed=compressed)
    pieces = data.draw(scattered(stream.getvalue()))
    assert b"".join([segments.feed(piece) for piece in pieces]) == b"".join(payloads)


@pytest.mark.parametrize("compressed", [False, True])
@quickly
@given(payload=st.binary(min_size=40, max_size=60) | st.just(b"a" * 400), data=st.data())
def test_a_flipped_bit_is_noticed(compressed: bool, payload: bytes, data: st.DataObject) -> None:
    """Wherever it is, in the header, the payload or a checksum, nothing of the segment is handed out."""
    whole = bytearray(_ours(compressed=compressed).wrap([payload]))
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    whole[bit // 8] ^= 1 << bit % 8
    with pytest.raises(CrcException):
        _unwrapped_by_driver(_theirs(compressed=compressed), bytes(whole))
    with pytest.raises(BrokenFrameError, match="wrong checksum"):
        _ours(compressed=compressed).feed(bytes(whole))


def test_a_block_that_cannot_be_expanded() -> None:
    """Checksums that fit don't make LZ4 of what isn't: that ends the connection, too."""
    wrong = Segments(lambda data: b"\xff" * 5, lambda block, length: block)
    with pytest.raises(BrokenFrameError, match="decompressed"):
        _ours(compressed=True).feed(wrong.wrap([b"something longer"]))


def test_the_largest_payload_is_the_drivers() -> None:
    """As many bytes to a segment as the driver puts into one."""
    assert MAX_PAYLOAD == Segment.MAX_PAYLOAD_LENGTH
