"""Frames: cut out of any stream of bytes, made as the driver makes them, and refused where broken."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from cassandra.connection import frame_header_v3, lz4_compress, lz4_decompress
from cassandra.protocol import OptionsMessage, ProtocolHandler, get_registered_classes
from cassandra.segment import SegmentCodec
from coodie_core.tests.cassandra.fastpath.arbitrary import quickly, scattered
from hypothesis import given
from hypothesis import strategies as st

from coodie.drivers.cassandra.fastpath.driver_internals import _blocks, _features
from coodie.protocol import frames as frames_module
from coodie.protocol.errors import BrokenFrameError
from coodie.protocol.frames import (
    COMPRESSED,
    EXECUTE,
    OPTIONS,
    RESPONSE,
    RESULT,
    Frame,
    FrameReader,
    Frames,
    Opcode,
    RawFrame,
    encode_frame,
)
from coodie.protocol.segments import MAX_PAYLOAD, Segments

if TYPE_CHECKING:
    from collections.abc import Callable

_BODIES = st.one_of(
    st.binary(max_size=200),
    st.builds(bytes.__mul__, st.binary(min_size=1, max_size=8), st.integers(1, 100)),
)

#: Stream, flags, opcode and body of an answer.
_Sent = tuple[int, int, int, bytes]

#: Most answers are a RESULT, and most of these have no flags.
_FRAMES = st.lists(
    st.tuples(
        st.integers(-32_768, 32_767),
        st.sampled_from([0, 0, 2, 8]),
        st.just(RESULT) | st.integers(0, 16),
        _BODIES,
    ),
    min_size=1,
    max_size=4,
)


def _header(version: int, flags: int, stream: int, opcode: int, length: int) -> bytes:
    """Return an answer's header, written with the driver's own struct."""
    return bytes([version | 0x80]) + bytes(frame_header_v3.pack(flags, stream, opcode, length))


def _answers(frames: list[_Sent], version: int, compress: Callable[[bytes], bytes] | None = None) -> bytes:
    """Return answers as a server sends them."""
    out = BytesIO()
    for stream, flags, opcode, body in frames:
        if compress is not None and body:
            body, flags = compress(body), flags | COMPRESSED  # noqa: PLW2901 - as it is sent
        out.write(_header(version, flags, stream, opcode, len(body)) + body)
    return out.getvalue()


def _found(frames: list[_Sent]) -> list[tuple[int, bytes | Frame]]:
    """Return what is to be found of answers: of a RESULT without flags its body."""
    return [
        (stream, body if (flags, opcode) == (0, RESULT) else Frame(flags, opcode, body))
        for stream, flags, opcode, body in frames
    ]


@pytest.mark.parametrize(("version", "compressed"), [(4, False), (4, True), (5, False)])
@quickly
@given(frames=_FRAMES, data=st.data())
def test_answers_are_cut_out_of_the_stream(
    version: int, compressed: bool, frames: list[_Sent], data: st.DataObject
) -> None:
    """Each comes whole, in order and expanded, however the bytes were scattered."""
    compress, expand = (lz4_compress, lz4_decompress) if compressed else (None, None)
    stream = _answers(frames, version, compress)
    if version == 5:
        stream = Segments().wrap([stream])
    cutter = Frames(version, Segments() if version == 5 else None, compress, expand)
    found = [answer for piece in data.draw(scattered(stream)) for answer in cutter.feed(piece)]
    assert found == _found(frames)
    assert all(type(answer) in {bytes, Frame} for _, answer in found)


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("compressed", [False, True])
@quickly
@given(body=_BODIES, stream=st.integers(0, 32_767))
def test_requests_are_what_a_server_reads(version: int, compressed: bool, body: bytes, stream: int) -> None:
    """Header and body are the protocol's; an empty body is never compressed."""
    compress = lz4_compress if compressed else None
    made = Frames(version, None, compress, lz4_decompress).make(EXECUTE, stream, body)
    flags, number, opcode, length = frame_header_v3.unpack(made[1:9])
    assert (made[0], flags) == (version, COMPRESSED if compressed and body else 0)
    assert (number, opcode, length) == (stream, EXECUTE, len(made) - 9)
    assert (lz4_decompress(made[9:]) if flags else made[9:]) == body


@pytest.mark.parametrize("compressed", [False, True])
def test_a_body_larger_than_a_segment(compressed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes in several segments and many reads, and is put together once."""
    looked_at = []

    def cut(data: bytes, version: int, cut: Any = frames_module.cut) -> Any:
        looked_at.append(len(data))
        return cut(data, version)

    monkeypatch.setattr(frames_module, "cut", cut)
    frames = [(n, 0, RESULT, bytes([n]) * 3 * MAX_PAYLOAD) for n in range(2)]
    blocks = _blocks(lz4_compress, lz4_decompress) if compressed else (None, None)
    stream = Segments(*blocks).wrap([_answers([frame], 5) for frame in frames])
    cutter = Frames(5, Segments(*blocks))
    pieces = [stream[at : at + 1000] for at in range(0, len(stream), 1000)]
    assert [answer for piece in pieces for answer in cutter.feed(piece)] == _found(frames)
    # Of each its beginning, and the whole.
    assert len([size for size in looked_at if size]) == 2 * len(frames)


def test_what_goes_over_the_wire() -> None:
    """Frames go as they are up to version 4, and in segments from version 5 on."""
    plain, segmented = Frames(4), Frames(5, Segments())
    assert plain.wire([plain.make(OPTIONS, 7, b"")]) == b"\x04\0\0\x07\x05\0\0\0\0"
    two = [segmented.make(OPTIONS, 1, b""), segmented.make(OPTIONS, 2, b"")]
    assert Segments().feed(segmented.wire(two)) == b"".join(two)


@pytest.mark.parametrize(
    "sizes",
    [
        [3000] * 64,
        [100, 3 * MAX_PAYLOAD, 100],
        [MAX_PAYLOAD - 9] * 2,
        [MAX_PAYLOAD] * 2,
        [9] * 30_000,
    ],
    ids=["many", "a large one among small ones", "just one to a segment", "each a little too large", "tiny"],
)
def test_segments_carry_whole_frames(sizes: list[int]) -> None:
    """Of many that are sent together, none is cut but one that is larger than a segment: so servers read."""
    frames = Frames(5, Segments())
    made = [frames.make(EXECUTE, n, bytes(size)) for n, size in enumerate(sizes)]
    buffer, codec = BytesIO(frames.wire(made)), SegmentCodec()
    sent: list[bytes] = []
    large = b""
    while header := buffer.read(1):
        buffer.seek(-len(header), 1)
        segment = codec.decode(buffer, codec.decode_header(buffer))
        if segment.is_self_contained:
            assert large == b""
            at = 0
            while at < len(segment.payload):
                stop = at + 9 + int.from_bytes(segment.payload[at + 5 : at + 9], "big")
                sent.append(segment.payload[at:stop])
                at = stop
        else:
            large += segment.payload
            if len(large) == 9 + int.from_bytes(large[5:9], "big"):
                sent.append(large)
                large = b""
    assert sent == made


@pytest.mark.parametrize(
    "header",
    [
        _header(5, 0, 0, RESULT, 0),
        b"\x04" + _header(4, 0, 0, RESULT, 0)[1:],
        b"HTTP/1.1 400 Bad Request",
        _header(4, 0, 0, RESULT, -1),
        _header(4, 0, 0, RESULT, 256 * 1024 * 1024 + 1),
    ],
    ids=["another version", "a request", "another protocol", "a negative length", "a huge length"],
)
def test_broken_headers(header: bytes) -> None:
    """What isn't a frame of the version agreed on is refused, and no such body is waited for."""
    with pytest.raises(BrokenFrameError, match="isn't a frame"):
        Frames(4).feed(_answers([(0, 0, RESULT, b"fine")], 4) + header)


def test_compressed_bodies_have_to_be_agreed_on() -> None:
    """A body that says it is compressed, where nothing was agreed on, is refused."""
    with pytest.raises(BrokenFrameError, match="without compression"):
        Frames(4).feed(_answers([(0, 0, RESULT, b"body")], 4, lz4_compress))


def test_a_body_that_cannot_be_expanded() -> None:
    """It ends the connection as other broken frames do: nothing else escapes to the event loop."""
    broken = _answers([(0, COMPRESSED, RESULT, b"\0\0\0\x10 no LZ4")], 4)
    with pytest.raises(BrokenFrameError, match="decompressed"):
        Frames(4, None, lz4_compress, lz4_decompress).feed(broken)


@quickly
@given(st.binary(min_size=9, max_size=100))
def test_any_bytes_are_frames_or_refused(data: bytes) -> None:
    """Whatever a peer sends, there is a frame, a wait for more, or one kind of error."""
    for frames in (Frames(4, None, lz4_compress, lz4_decompress), Frames(5, Segments())):
        with suppress(BrokenFrameError):
            frames.feed(bytes([0x84]) + data)


@pytest.mark.parametrize("direction", [0, RESPONSE])
@pytest.mark.parametrize("version", [3, 4, 5])
@quickly
@given(frames=_FRAMES, bare=st.integers(0, 4), data=st.data())
def test_either_direction_from_its_first_byte(
    direction: int, version: int, frames: list[_Sent], bare: int, data: st.DataObject
) -> None:
    """Each frame comes whole, with its header, also where segments begin behind one of them."""
    sent = [
        RawFrame(direction | version, flags, stream, opcode, body) for stream, flags, opcode, body in frames
    ]
    bare = bare if version >= 5 else len(sent)
    stream = b"".join(map(encode_frame, sent[:bare]))
    if sent[bare:]:
        stream += Segments().wrap([encode_frame(frame) for frame in sent[bare:]])
    reader = FrameReader(direction)
    if bare == 0:
        reader.use_segments(Segments())
    found = []
    for piece in data.draw(scattered(stream)):
        for frame in reader.feed(piece):
            found.append(frame)
            if len(found) == bare < len(sent):
                reader.use_segments(Segments())
    assert found == sent
    assert not reader.has_more
    assert {frame.protocol for frame in found} == {version}


@quickly
@given(st.integers(0, 32_767), st.sampled_from([4, 5]))
def test_a_frame_is_the_drivers(stream: int, version: int) -> None:
    """Header and body of a request are what the driver's protocol handler writes, before any segments."""
    after = () if _features() is None else (_features(),)
    message = OptionsMessage()
    theirs = ProtocolHandler.encode_message(message, stream, version, None, False, *after)
    assert encode_frame(RawFrame(version, 0, stream, OPTIONS, b"")) == theirs


def test_an_answer_to_a_request() -> None:
    """It has the request's stream and version, and goes in the other direction."""
    request = RawFrame(4, 2, 7, Opcode.QUERY, b"query")
    assert request.answer(Opcode.RESULT, b"rows") == RawFrame(0x84, 0, 7, Opcode.RESULT, b"rows")


@pytest.mark.parametrize(
    ("direction", "data", "said"),
    [
        (0, b"\x84", "direction"),
        (RESPONSE, b"\x04", "direction"),
        (0, b"\4\0\0\0\5\xff\xff\xff\xff", "-1 bytes"),
        (0, b"\4\0\0\0\5\x10\0\0\1", "268435457 bytes"),
    ],
)
def test_no_frame_of_this_direction(direction: int, data: bytes, said: str) -> None:
    """It's refused at its first byte, and no such body is waited for."""
    with pytest.raises(BrokenFrameError, match=said):
        list(FrameReader(direction).feed(data))


def test_opcodes_are_the_drivers() -> None:
    """Each has the number of the driver's message."""
    theirs = {message.name: opcode for opcode, message in get_registered_classes().items()}
    assert {opcode.name: theirs[opcode.name] for opcode in Opcode} == {code.name: code for code in Opcode}
