"""The handshake: what is sent, what comes, when it is ready and why it isn't; however the bytes arrive."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO

import pytest
from cassandra.protocol import AuthResponseMessage, StartupMessage
from cassandra.segment import SegmentCodec
from coodie_core.tests.cassandra.fastpath.arbitrary import quickly, scattered
from coodie_core.tests.protocol.drivers_codec import body_of
from hypothesis import given
from hypothesis import strategies as st

from coodie.protocol.errors import BrokenFrameError, BrokenMessageError, HandshakeError
from coodie.protocol.frames import RESULT, Opcode
from coodie.protocol.handshake import Handshake, HandshakeState
from coodie.protocol.messages import plain_token

_VERSIONS = pytest.mark.parametrize("version", [4, 5])
_PROTOCOL_ERROR = b"\0\0\0\x0a" + b"\0\x04no 9"


def _answer(version: int, opcode: int, body: bytes = b"") -> bytes:
    return bytes([0x80 | version, 0, 0, 0, opcode]) + len(body).to_bytes(4, "big") + body


def _request(version: int, opcode: int, body: bytes) -> bytes:
    return bytes([version, 0, 0, 0, opcode]) + len(body).to_bytes(4, "big") + body


def _segment(version: int, frame: bytes) -> bytes:
    """Return a frame as it travels after STARTUP, written with the driver's codec."""
    if version < 5:
        return frame
    out = BytesIO()
    SegmentCodec().encode(out, frame)
    return out.getvalue()


def _sent(handshake: Handshake, pieces: list[bytes]) -> bytes:
    return b"".join([handshake.receive(piece) for piece in pieces])


@_VERSIONS
@quickly
@given(data=st.data())
def test_without_a_login(version: int, data: st.DataObject) -> None:
    """STARTUP and READY; from then on requests and answers travel as the version wants it."""
    handshake = Handshake(version)
    assert handshake.start() == _request(version, 1, body_of(StartupMessage("3.0.0", {}), version))
    with pytest.raises(RuntimeError, match="STARTING, not READY"):
        handshake.frames()
    assert _sent(handshake, data.draw(scattered(_answer(version, Opcode.READY)))) == b""
    assert handshake.is_ready
    frames = handshake.frames()
    result = _segment(version, _answer(version, RESULT, b"body"))
    pieces = data.draw(scattered(result))
    assert [answer for piece in pieces for answer in frames.feed(piece)] == [(0, b"body")]
    wire = frames.wire([frames.make(Opcode.OPTIONS, 0, b"")])
    assert wire == _segment(version, _request(version, 5, b""))


@_VERSIONS
@quickly
@given(data=st.data())
def test_with_a_login(version: int, data: st.DataObject) -> None:
    """The token goes out when it is asked for, in a segment from version 5 on; then it is ready."""
    token = plain_token("me", "secret")
    handshake = Handshake(version, token, {"DRIVER_NAME": "coodie"})
    assert b"DRIVER_NAME" in handshake.start()
    asked = _answer(version, Opcode.AUTHENTICATE, b"\0\x05a.B.C")
    response = _request(version, 15, body_of(AuthResponseMessage(token), version))
    assert _sent(handshake, data.draw(scattered(asked))) == _segment(version, response)
    assert handshake.state is HandshakeState.AUTHENTICATING
    success = _segment(version, _answer(version, Opcode.AUTH_SUCCESS, b"\xff\xff\xff\xff"))
    assert _sent(handshake, data.draw(scattered(success))) == b""
    assert handshake.is_ready


def _authenticating(version: int) -> Handshake:
    handshake = Handshake(version, b"token")
    handshake.receive(_answer(version, Opcode.AUTHENTICATE, b"\0\1a"))
    return handshake


@_VERSIONS
@pytest.mark.parametrize("opcode", [*Opcode, 0x77])
def test_all_other_answers_fail(version: int, opcode: int) -> None:
    """In each state there are the answers of the table, and failure; a failed one stays failed."""
    for handshake, wrap, fine in (
        (Handshake(version, b"token"), _unwrapped, {Opcode.READY, Opcode.AUTHENTICATE}),
        (_authenticating(version), _segment, {Opcode.AUTH_SUCCESS}),
    ):
        answer = wrap(version, _answer(version, opcode, _PROTOCOL_ERROR))
        if opcode in fine:
            handshake.receive(answer)
            continue
        with pytest.raises(HandshakeError, match="no 9" if opcode == Opcode.ERROR else f"opcode {opcode}"):
            handshake.receive(answer)
        assert handshake.state is HandshakeState.FAILED
        with pytest.raises(RuntimeError, match="FAILED"):
            handshake.frames()
        with pytest.raises(HandshakeError, match="FAILED"):
            handshake.receive(wrap(version, _answer(version, Opcode.READY)))


def _unwrapped(version: int, frame: bytes) -> bytes:
    return frame


def test_a_password_that_nobody_has() -> None:
    """The server asks for one: that is the reason, before anything is sent."""
    handshake = Handshake(4)
    with pytest.raises(HandshakeError, match="requires credentials"):
        handshake.receive(_answer(4, Opcode.AUTHENTICATE, b"\0\1a"))
    assert handshake.state is HandshakeState.FAILED


@pytest.mark.parametrize(("answered", "told"), [(5, None), (4, 4)])
def test_a_server_that_refuses(answered: int, told: int | None) -> None:
    """Its words and its code; and which version it speaks, where that is older than what was asked for."""
    handshake = Handshake(5)
    with pytest.raises(HandshakeError, match="no 9") as caught:
        handshake.receive(_answer(answered, Opcode.ERROR, _PROTOCOL_ERROR))
    assert (caught.value.code, caught.value.version) == (0x0A, told)


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (_answer(5, Opcode.READY), BrokenFrameError, "version 4, got 5"),
        (_answer(4, Opcode.READY) + b"\x84", BrokenFrameError, "sent data after the handshake"),
        (_answer(4, Opcode.READY) * 2, HandshakeError, "unexpected opcode 2 in the state READY"),
        (_answer(4, Opcode.ERROR, b"\0"), BrokenMessageError, "more bytes, got"),
        (b"HTTP/1.1 400 Bad Request", BrokenFrameError, "direction"),
        (b"\x84\0\0\0\2\xff\xff\xff\xff", BrokenFrameError, "-1 bytes"),
    ],
    ids=["another version", "more", "twice", "a broken error", "another protocol", "a negative length"],
)
def test_what_is_no_answer(answer: bytes, error: type[Exception], said: str) -> None:
    """Each has its reason."""
    handshake = Handshake(4)
    with pytest.raises(error, match=said):
        handshake.receive(answer)
    assert handshake.state is HandshakeState.FAILED


@_VERSIONS
@quickly
@given(pieces=st.lists(st.binary(max_size=20), max_size=4), begins=st.booleans())
def test_any_bytes(version: int, pieces: list[bytes], begins: bool) -> None:
    """Whatever a stranger sends: a wait for more, or one of three errors."""
    handshake = _authenticating(version) if begins else Handshake(version)
    with suppress(BrokenFrameError, BrokenMessageError, HandshakeError):
        for piece in pieces:
            handshake.receive(bytes([0x80 | version]) + piece)
