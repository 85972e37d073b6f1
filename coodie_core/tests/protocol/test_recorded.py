"""What a driver and a real Cassandra said to each other (``record.py``): read, and written again."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
from coodie_core.tests.cassandra.fastpath.arbitrary import quickly, scattered
from coodie_core.tests.protocol.drivers_codec import read_by_driver
from hypothesis import given
from hypothesis import strategies as st

from coodie.protocol import messages
from coodie.protocol.codec import INT, Consistency, Reader, encode_bytes, encode_string_multimap
from coodie.protocol.error_codes import ErrorCode
from coodie.protocol.errors import HandshakeError
from coodie.protocol.frames import (
    RESPONSE,
    WARNING,
    FrameReader,
    Opcode,
    RawFrame,
    encode_frame,
)
from coodie.protocol.handshake import Handshake
from coodie.protocol.results import (
    VOID_BODY,
    ResultKind,
    bare_message,
    next_paging_state,
    prepared_id,
)
from coodie.protocol.segments import Segments
from coodie.protocol.server_errors import error_body, read_error

_FILE = Path(__file__).with_name("recorded.txt")
_VERSIONS = pytest.mark.parametrize("version", [4, 5])


class _Said(NamedTuple):
    """One message on the wire."""

    version: int
    direction: int
    title: str
    wire: bytes


def _read(line: str) -> _Said:
    head, _, data = line.rpartition(": ")
    version, sign, title = head.split(" ", 2)
    return _Said(int(version), 0 if sign == ">" else RESPONSE, title, bytes.fromhex(data))


_CONNECTIONS = [
    [_read(line) for line in connection.splitlines()]
    for connection in _FILE.read_text(encoding="utf-8").split("\n\n")
]
_LONG = {connection[0].version: connection for connection in _CONNECTIONS if len(connection) > 10}


def _frames(version: int) -> list[tuple[_Said, RawFrame]]:
    """Return the messages of the longest connection in a version, each with its frame."""
    found = []
    readers = {0: FrameReader(0), RESPONSE: FrameReader(RESPONSE)}
    for said in _LONG[version]:
        (frame,) = readers[said.direction].feed(said.wire)
        found.append((said, frame))
        if said.title == "STARTUP" and version >= 5:
            readers[said.direction].use_segments(Segments())
    return found


def _body(version: int, direction: int, title: str, place: int = 0) -> bytes:
    bodies = [f.body for said, f in _frames(version) if (said.direction, said.title) == (direction, title)]
    return bodies[place]


def _request(version: int, title: str) -> bytes:
    return _body(version, 0, title)


def _answer(version: int, title: str, place: int = 0) -> bytes:
    return _body(version, RESPONSE, title, place)


@_VERSIONS
@pytest.mark.parametrize("direction", [0, RESPONSE], ids=["client", "server"])
@quickly
@given(data=st.data())
def test_frames_are_cut_and_made(version: int, direction: int, data: st.DataObject) -> None:
    """Cut anywhere, the frames are the same; made again, so are the bytes, with their checksums."""
    said = [(one, frame) for one, frame in _frames(version) if one.direction == direction]
    reader = FrameReader(direction)
    found: list[RawFrame] = []
    for piece in data.draw(scattered(b"".join([one.wire for one, _ in said]))):
        for frame in reader.feed(piece):
            found.append(frame)
            if len(found) == 2 and version >= 5:  # OPTIONS and STARTUP
                reader.use_segments(Segments())
    assert found == [frame for _, frame in said]
    assert not reader.has_more
    for number, (one, frame) in enumerate(said):
        encoded = encode_frame(frame)
        assert one.wire == (encoded if number < 2 or version < 5 else Segments().wrap([encoded]))


@_VERSIONS
def test_requests(version: int) -> None:
    """What the driver sent and the server took is what we make."""
    assert _request(version, "STARTUP") == messages.startup_body()
    assert _request(version, "syntax error") == messages.query_body("SELEKT", Consistency.ONE, version)
    insert = "INSERT INTO rec.t (k, v) VALUES (?, ?)"
    assert messages.statement_text(_request(version, "PREPARE")) == insert
    prepared = _answer(version, "PREPARE")
    statement = prepared_id(prepared)
    assert statement is not None
    metadata = Reader(prepared, 6 + len(statement)).read_short_bytes() if version >= 5 else None
    values = encode_bytes(b"\0\0\0\1") + encode_bytes("é".encode())
    head = messages.execute_head(statement, metadata, 2, Consistency.ONE, 0, version)
    assert _request(version, "EXECUTE") == head + values
    assert messages.statement_id(_request(version, "EXECUTE")) == statement
    part = messages.batch_part(statement, 2)
    parts = [
        part + encode_bytes(INT.pack(2)) + encode_bytes(b"b"),
        part + encode_bytes(INT.pack(3)) + b"\xff" * 4,
    ]
    assert _request(version, "BATCH") == messages.batch_body(1, parts, Consistency.ONE, None, 1, version)


@_VERSIONS
def test_supported(version: int) -> None:
    """Read, and written again as it was."""
    body = _answer(version, "OPTIONS")
    options = Reader(body).read_string_multimap()
    assert "lz4" in options["COMPRESSION"]
    assert encode_string_multimap(options) == body


@_VERSIONS
def test_results(version: int) -> None:
    """Kinds, the id of a statement, and the state of the next page."""
    assert _answer(version, "EXECUTE") == _answer(version, "BATCH") == VOID_BODY
    assert prepared_id(_answer(version, "rows")) is None
    assert next_paging_state(_answer(version, "rows")) is None
    page = _answer(version, "page")
    assert next_paging_state(page) == read_by_driver(Opcode.RESULT, page, version).paging_state is not None
    kinds = {title: _answer(version, title)[:4] for title in ("rows", "USE", "PREPARE", "EXECUTE")}
    expected = (ResultKind.ROWS, ResultKind.SET_KEYSPACE, ResultKind.PREPARED, ResultKind.VOID)
    assert list(kinds.values()) == [INT.pack(kind) for kind in expected]


@_VERSIONS
def test_a_warning(version: int) -> None:
    """It stands before the result, and the frame says so."""
    frame = next(frame for said, frame in _frames(version) if frame.flags & WARNING)
    message = bare_message(frame.flags, frame.body)
    assert frame.body.endswith(message)
    assert message.startswith(INT.pack(ResultKind.ROWS))
    assert Reader(frame.body).read_string_list() == [
        "Aggregation query used without partition key",
    ]


@_VERSIONS
def test_events(version: int) -> None:
    """An EVENT has no stream."""
    event = next(frame for _, frame in _frames(version) if frame.opcode == Opcode.EVENT)
    assert event.stream == -1


@_VERSIONS
def test_errors(version: int) -> None:
    """Each code with its details; written again as it was."""
    found = {}
    for said, frame in _frames(version):
        if frame.opcode == Opcode.ERROR:
            error = found[said.title] = read_error(frame.body, version)
            assert error_body(error, version) == frame.body
    assert {title: (error.code, error.details) for title, error in found.items()} == {
        "already exists": (ErrorCode.ALREADY_EXISTS, {"keyspace": "rec", "table": ""}),
        "syntax error": (ErrorCode.SYNTAX_ERROR, {}),
        "invalid": (ErrorCode.INVALID, {}),
        "unavailable": (ErrorCode.UNAVAILABLE, {"consistency": 3, "required": 3, "alive": 1}),
        "unprepared": (ErrorCode.UNPREPARED, {"statement": b"?" * 16}),
    }
    assert found["syntax error"].message.startswith("line 1:0 no viable alternative at input 'SELEKT'")


@pytest.mark.parametrize(
    "connection",
    [one for one in _CONNECTIONS if one[-1].title in {"login", "bad credentials"}],
    ids=lambda one: f"{one[-1].title} {one[-1].version}",
)
def test_logins(connection: list[_Said]) -> None:
    """Our handshake sends what the driver sent, and is let in, or told why not."""
    startup, authenticate, response, answer = connection
    password = "rec" if answer.title == "login" else "wrong"
    handshake = Handshake(startup.version, messages.plain_token("rec", password))
    assert handshake.start() == startup.wire
    sent = handshake.receive(authenticate.wire)
    # The driver's stream is another, and with it the checksum.
    assert messages.plain_token("rec", password) in sent
    assert len(sent) == len(response.wire)
    if answer.title == "login":
        assert handshake.receive(answer.wire) == b""
        assert handshake.is_ready
        return
    with pytest.raises(HandshakeError, match="username rec and/or password are incorrect") as caught:
        handshake.receive(answer.wire)
    assert (caught.value.code, caught.value.version) == (ErrorCode.BAD_CREDENTIALS, None)


def test_a_version_that_is_too_new() -> None:
    """The server names those that it speaks, in its newest."""
    (connection,) = [one for one in _CONNECTIONS if one[0].title == "too new"]
    handshake = Handshake(7)
    assert handshake.start() == connection[0].wire
    with pytest.raises(HandshakeError, match="protocol version") as caught:
        handshake.receive(connection[1].wire)
    assert (caught.value.code, caught.value.version) == (ErrorCode.PROTOCOL_ERROR, 5)
