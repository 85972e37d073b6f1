"""The few frames of CQL that a start speaks."""

from __future__ import annotations

import socket
import struct
import threading
from typing import Any

import pytest

from coodie_local._native import Frame, RefusedError, conversation, is_ready, run_statement


def test_the_frames_are_those_of_the_specification() -> None:
    """STARTUP with the CQL version, then QUERY with the statement at consistency ONE."""
    talk = conversation("SELECT 1")
    startup = next(talk)
    assert startup == b"\x04\x00\x00\x00\x01\x00\x00\x00\x16\x00\x01\x00\x0bCQL_VERSION\x00\x053.0.0"
    query = talk.send(Frame(opcode=0x02, body=b""))
    assert query == b"\x04\x00\x00\x00\x07\x00\x00\x00\x0f\x00\x00\x00\x08SELECT 1\x00\x01\x00"
    with pytest.raises(StopIteration):
        talk.send(Frame(opcode=0x08, body=b""))


def test_an_error_frame_becomes_its_text() -> None:
    """What the server says is what the user reads."""
    talk = conversation("SELECT")
    next(talk)
    text = b"Server is bootstrapping"
    with pytest.raises(RefusedError, match=r"^Server is bootstrapping$"):
        talk.send(Frame(opcode=0x00, body=struct.pack("!ih", 0x1002, len(text)) + text))


def test_another_answer_isnt_taken_for_ready() -> None:
    """A node that wants a login (AUTHENTICATE) isn't one of ours."""
    talk = conversation("SELECT")
    next(talk)
    with pytest.raises(RefusedError, match="opcode 3"):
        talk.send(Frame(opcode=0x03, body=b""))


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x84\x00"])
def test_a_stranger_on_the_port_isnt_ready(answer: bytes) -> None:
    """A server that closes, speaks something else or stops half-way is simply not ready."""
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
    """A server that accepts and says nothing holds nobody up."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not is_ready("127.0.0.1", server.getsockname()[1], timeout=0.1)


@pytest.mark.server
def test_a_real_server_understands_it(cassandra_node: Any) -> None:
    """A statement runs, and a wrong one comes back with the server's own words."""
    assert is_ready(cassandra_node.host, cassandra_node.port)
    run_statement(cassandra_node.host, cassandra_node.port, "SELECT * FROM system.peers")
    with pytest.raises(RefusedError, match="no viable alternative"):
        run_statement(cassandra_node.host, cassandra_node.port, "SELEKT")
