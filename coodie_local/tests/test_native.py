"""The minimal CQL client for starts."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

from coodie_local._native import RefusedError, conversation, is_ready, run_statement
from coodie_local._security import Credentials


def _frame(opcode: int, body: bytes = b"", flags: int = 0) -> bytes:
    return bytes([0x84, flags, 0, 0, opcode]) + len(body).to_bytes(4, "big") + body


#: A RESULT: rows, without metadata, two columns, one row.
_RESULT = bytes.fromhex("00000002 00000004 00000002 00000001 00000002 6162 ffffffff")


@pytest.mark.parametrize(
    "answer",
    [_frame(0x08, _RESULT), _frame(0x08, b"\0\1\0\4oh, " + _RESULT, flags=0x08)],
    ids=["plain", "with a warning"],
)
def test_the_frames_are_those_of_the_specification(answer: bytes) -> None:
    """STARTUP with the CQL version, then QUERY with the statement at consistency ONE."""
    talk = conversation("SELECT 1")
    startup = next(talk)
    assert startup == b"\x04\x00\x00\x00\x01\x00\x00\x00\x16\x00\x01\x00\x0bCQL_VERSION\x00\x053.0.0"
    query = talk.send(_frame(0x02))
    assert query == b"\x04\x00\x00\x00\x07\x00\x00\x00\x0f\x00\x00\x00\x08SELECT 1\x00\x01\x02"
    assert talk.send(answer[:10]) == b""
    with pytest.raises(StopIteration) as end:
        talk.send(answer[10:])
    assert end.value.value == [(b"ab", None)]


@pytest.mark.parametrize("is_ready", [False, True], ids=["to STARTUP", "to QUERY"])
def test_an_error_frame_becomes_its_text(is_ready: bool) -> None:
    """The error has the server's message."""
    talk = conversation("SELECT")
    next(talk)
    if is_ready:
        talk.send(_frame(0x02))
    text = b"Server is bootstrapping"
    with pytest.raises(RefusedError, match=r"^Server is bootstrapping$"):
        talk.send(_frame(0x00, b"\0\0\x10\x02" + len(text).to_bytes(2, "big") + text))


def test_another_answer_isnt_taken_for_ready() -> None:
    """A node that requires authentication (AUTHENTICATE) isn't ready for a client without a password."""
    talk = conversation("SELECT")
    next(talk)
    with pytest.raises(RefusedError, match="requires credentials"):
        talk.send(_frame(0x03))
    talk = conversation("SELECT")
    next(talk)
    with pytest.raises(RefusedError, match="opcode 8"):
        talk.send(_frame(0x08))
    talk = conversation("SELECT")
    next(talk)
    talk.send(_frame(0x02))
    with pytest.raises(RefusedError, match="expected opcode 8, got 2"):
        talk.send(_frame(0x02))


def test_a_password_goes_out_as_plain_sasl() -> None:
    """AUTH_RESPONSE has both, and the statement is sent after AUTH_SUCCESS."""
    talk = conversation("SELECT 1", Credentials("me", "secret"))
    next(talk)
    assert talk.send(_frame(0x03)).endswith(b"\x00\x00\x00\x0a\x00me\x00secret")
    assert b"SELECT 1" in talk.send(_frame(0x10, b"\xff\xff\xff\xff"))
    assert "secret" not in repr(Credentials("me", "secret"))


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x84\x00"])
def test_a_stranger_on_the_port_isnt_ready(answer: bytes) -> None:
    """A server that closes, uses another protocol or stops in a frame isn't ready."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        assert not is_ready("127.0.0.1", server.getsockname()[1], timeout=2)
        thread.join()


def test_silence_isnt_ready_within_the_timeout() -> None:
    """A server that accepts connections without responding causes a timeout."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not is_ready("127.0.0.1", server.getsockname()[1], timeout=0.1)


@pytest.mark.server
def test_a_real_server_understands_it(cassandra_node: Any) -> None:
    """A statement succeeds; an invalid one raises the server's message."""
    assert is_ready(cassandra_node.host, cassandra_node.port)
    run_statement(cassandra_node.host, cassandra_node.port, "SELECT * FROM system.peers")
    with pytest.raises(RefusedError, match="no viable alternative"):
        run_statement(cassandra_node.host, cassandra_node.port, "SELEKT")
