"""A connection that a thread has for a request: what becomes of that, and whether another may follow."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from coodie_core.tests.cassandra.fastpath.socketed import LARGE, LONG, Server, await_state

from coodie.drivers.cassandra.fastpath import sync_connection as room
from coodie.protocol.connection import TIMED_OUT, ConnectionLost
from coodie.protocol.frames import EXECUTE, RESULT
from coodie_testing.interrupts import Interrupting

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=[4, 5])
def version(request: pytest.FixtureRequest) -> int:
    """Name the protocol's version; 5 is with LZ4."""
    found: int = request.param
    return found


@pytest.fixture
def server(version: int) -> Iterator[Server]:
    """Give what answers."""
    made = Server(version)
    yield made
    made.close()


def _cut(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Have each read bring so many bytes at most."""
    monkeypatch.setattr(room, "READ_SIZE", size)
    monkeypatch.setattr(room, "LARGE_READ_SIZE", size)


@pytest.mark.parametrize("size", [1, 7, 65_536])
def test_one_after_the_other(server: Server, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request gets its response, however the bytes are cut, and its stream is used again."""
    _cut(monkeypatch, size)
    connection = server.connection()
    for number in range(3):
        assert connection.send(EXECUTE, b"%d" % number * 50, LONG) is None
        (request,) = server.receive()
        assert request.stream == 0
        server.answer([request])
        assert connection.receive() == b"%d" % number * 50
    assert connection.is_usable()


def test_a_large_one(server: Server) -> None:
    """What the socket doesn't take at once is written as it takes more; so it is with what is read."""
    connection = server.connection()
    thread = server.in_background(lambda: server.answer(server.receive()))
    assert connection.send(EXECUTE, LARGE, LONG) is None
    assert connection.receive() == LARGE
    thread.join()


def test_an_event_in_between(server: Server) -> None:
    """Frames that nobody asked for are no response; those that came while it was idle do no harm."""
    connection = server.connection()
    server.send_event()
    time.sleep(room._FRESH * 2)
    assert connection.is_usable()
    assert connection.send(EXECUTE, b"one", LONG) is None
    server.send_event()
    server.answer(server.receive())
    assert connection.receive() == b"one"


def test_no_response_in_time(server: Server) -> None:
    """It costs the connection: what comes late would be taken for another request's."""
    connection = server.connection()
    started = time.monotonic()
    assert connection.send(EXECUTE, b"one", 0.05) is None
    assert connection.receive() is TIMED_OUT
    assert 0.05 <= time.monotonic() - started < 5
    assert connection.is_closed
    assert connection.sock.fileno() == -1
    with pytest.raises(ConnectionError):  # nobody is there for a late answer
        server.answer(server.receive())


def test_a_part_of_a_response_in_time(server: Server) -> None:
    """The deadline is the request's, not that of each read."""
    connection = server.connection()
    ended = threading.Event()

    def trickle() -> None:
        (request,) = server.receive()
        response = server.encoded([request.answer(RESULT, LARGE)])
        for at in range(len(response)):
            if ended.wait(0.01):
                return
            with suppress(OSError):  # its time is over just now
                server.sock.sendall(response[at : at + 1])

    thread = server.in_background(trickle)
    assert connection.send(EXECUTE, b"one", 0.1) is None
    assert connection.receive() is TIMED_OUT
    ended.set()
    thread.join()
    assert connection.is_closed


def test_a_server_that_reads_nothing(server: Server) -> None:
    """The deadline holds while a request is being written, too."""
    connection = server.connection()
    assert connection.send(EXECUTE, LARGE, 0.05) is TIMED_OUT
    assert connection.is_closed


@pytest.mark.parametrize("answered", [0, 5])
def test_the_end_of_the_connection(server: Server, answered: int) -> None:
    """In place of the response or in the middle of it, it is the request's end, too."""
    connection = server.connection()
    assert connection.send(EXECUTE, b"one", LONG) is None
    (request,) = server.receive()
    server.sock.sendall(server.encoded([request.answer(RESULT, b"two")])[:answered])
    server.sock.close()
    lost = connection.receive()
    assert isinstance(lost, ConnectionLost)
    assert "closed the connection" in str(lost.error)
    assert connection.is_closed


def test_the_end_while_a_request_is_written(server: Server) -> None:
    """The error of the socket is the reason."""
    connection = server.connection()

    def leave() -> None:
        server.sock.recv(1000)
        server.sock.close()

    thread = server.in_background(leave)
    lost = connection.send(EXECUTE, LARGE, LONG)
    thread.join()
    assert isinstance(lost, ConnectionLost)
    assert isinstance(lost.error, OSError)
    assert connection.is_closed


def test_what_is_no_response(server: Server) -> None:
    """A server that speaks something else is left."""
    connection = server.connection()
    assert connection.send(EXECUTE, b"one", LONG) is None
    server.sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    lost = connection.receive()
    assert isinstance(lost, ConnectionLost)
    assert connection.sock.fileno() == -1


def test_an_end_while_it_was_idle(server: Server) -> None:
    """It is noticed before the next request is sent."""
    connection = server.connection()
    assert connection.is_usable()
    server.sock.close()
    await_state(lambda: not connection.is_usable())
    assert connection.is_closed


def test_too_long_idle(server: Server) -> None:
    """What lies between may have forgotten it."""
    connection = server.connection(max_idle=0.02)
    assert not connection.is_stale
    await_state(lambda: connection.is_stale)
    assert not connection.is_usable()
    assert not connection.is_closed


def test_ended_by_another_thread(server: Server) -> None:
    """The waiting thread gets the error, and closes the connection."""
    connection = server.connection()
    assert connection.send(EXECUTE, b"one", LONG) is None
    timer = threading.Timer(0.05, connection.abort)
    timer.start()
    assert isinstance(connection.receive(), ConnectionLost)
    timer.join()
    assert connection.sock.fileno() == -1
    connection.abort()  # does nothing by now


@pytest.mark.parametrize("sends", [True, False])
def test_an_interrupt(server: Server, sends: bool) -> None:
    """Ctrl-C costs the connection, whether the request is being written or waited for."""
    connection = server.connection()
    if not sends:
        assert connection.send(EXECUTE, b"one", LONG) is None
    with pytest.raises(KeyboardInterrupt), Interrupting():
        if sends:
            connection.send(EXECUTE, LARGE, LONG)
        else:
            connection.receive()
    assert connection.is_closed
    assert connection.sock.fileno() == -1
