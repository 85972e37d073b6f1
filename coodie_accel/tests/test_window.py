"""Executions of one statement in C: each is sent once, and its outcome counted or listed."""

from __future__ import annotations

import asyncio
from math import inf
from struct import pack
from typing import TYPE_CHECKING, Any

import pytest

from coodie.protocol.connection import TIMED_OUT, ConnectionLost, connection_class
from coodie.protocol.frames import Frame, Frames
from coodie.rows import Rows, new_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

native = pytest.importorskip("coodie_accel._native", reason="coodie-accel isn't built here")

_VOID = pack(">i", 1)
_BEGINNING = b"a result begins"
_SENT = ("template", "host", 2.0)


def _refused(value: Any) -> bytes:
    raise LookupError(value)


class _Results:
    """A statement's reader of results."""

    new_rows = staticmethod(new_rows)
    single_page: Any = (native.RowDecoder(("id",), ("int",), (None,), new_rows), _BEGINNING, 100, ())

    @staticmethod
    def read_single_page(_: bytes) -> None:
        return None


class _Connection:
    """What a window needs of a connection.

    Args:
        loop: Its event loop; None if it is a thread's.
    """

    def __init__(self, loop: Any = None) -> None:
        states = connection_class(native.Streams)
        self.protocol: Any = states(Frames(4), 0.0, is_abandoned=lambda token: token.done())
        self.has_unsent_requests = False
        self.accepted_requests = 0
        encoder = native.ParameterEncoder(("int",), (_refused,))
        template = native.ExecuteTemplate(encoder, b"before", b"after", None, _Results())
        self.sender = native.BoundTemplate(template, self, loop, lambda: 0.25, _SENT)

    def accepted(self) -> None:
        self.accepted_requests += 1
        self.has_unsent_requests = True

    def responses(self, *bodies: bytes, opcode: int = 8) -> list[Any]:
        """Receive responses for the first streams."""
        frames = [pack(">BBhBi", 0x84, 0, n, opcode, len(body)) + body for n, body in enumerate(bodies)]
        found: list[Any] = self.protocol.receive(b"".join(frames), 0.5)
        return found


def _window(count: int, most: int = 64, *, lists_all: bool = False) -> Any:
    return native.Window(iter([[n] for n in range(count)]), most, lists_all)


def _body(*ids: int) -> bytes:
    return _BEGINNING + pack(">i", len(ids)) + b"".join(pack(">ii", 4, one) for one in ids)


def test_no_more_than_wanted() -> None:
    """As many as wanted are in flight, those of others included; each end makes room for another."""
    connection, window = _Connection(), _window(7, 3)
    assert window.fill(connection.sender, 1) is None
    assert (window.in_flight, window.index, window.is_exhausted) == (2, 2, False)
    frames = [Frames(4).make(10, n, b"before" + pack(">ii", 4, n) + b"after") for n in range(2)]
    assert connection.protocol.out == frames
    assert window.end(connection.responses(_VOID)) == []
    assert window.take() == (1, [], [])
    window.fill(connection.sender)
    assert (window.in_flight, window.index) == (3, 4)
    for _ in range(2):
        window.end(connection.responses(_VOID, _VOID, _VOID))
        window.fill(connection.sender)
    assert (window.in_flight, window.index, window.is_exhausted) == (0, 7, True)
    assert window.take() == (6, [], [])
    assert connection.accepted_requests == 0


def test_outcomes() -> None:
    """Successes without rows are counted, rows are listed by index, and all else with what was sent."""
    connection, window = _Connection(), _window(4)
    window.index = 10
    window.fill(connection.sender)
    other = object()
    assert window.end([(other, b""), *connection.responses(_VOID, _body(5), _body(), b"page")]) == [
        (other, b"")
    ]
    number, ended, unusual = window.take()
    assert (number, ended) == (2, [(11, [{"id": 5}])])
    assert type(ended[0][1]) is Rows
    assert unusual == [(13, [3], (*_SENT, pack(">ii", 4, 3), b"page"))]
    assert window.take() == (0, [], [])


def test_all_outcomes() -> None:
    """If each success has to be reported, those without rows are listed, too."""
    connection, window = _Connection(), _window(2, lists_all=True)
    window.fill(connection.sender)
    window.end(connection.responses(_VOID, _body()))
    assert window.take() == (0, [(0, []), (1, [])], [])


def test_failures() -> None:
    """An error, a timeout and a lost connection are listed with the parameters."""
    connection, window = _Connection(), _window(3)
    window.fill(connection.sender)
    window.end(connection.responses(b"error", opcode=0))
    connection.protocol.next_deadline = 0.0
    window.end(connection.protocol.expire(3.0))
    assert window.in_flight == 0
    found = [(index, params, response[-1]) for index, params, response in window.take()[2]]
    assert found == [(0, [0], Frame(0, 0, b"error")), (1, [1], TIMED_OUT), (2, [2], TIMED_OUT)]
    connection = _Connection()
    window = _window(1)
    window.fill(connection.sender)
    window.end(connection.protocol.close(OSError("lost")))
    assert isinstance(window.take()[2][0][-1][-1], ConnectionLost)


@pytest.mark.parametrize("wrong", ["unusable", "compressed", "parameters"])
def test_executions_that_are_not_sent(wrong: str) -> None:
    """One that needs another way is returned, once, and the next call goes on behind it."""
    connection, window = _Connection(), _window(3)
    if wrong == "unusable":
        connection.protocol.usable_until = -inf
    elif wrong == "parameters":
        window = native.Window(iter([["x"], [2]]), 64, False)
    else:
        frames = Frames(4, None, lambda body: body, lambda body: body)
        connection.protocol = connection_class(native.Streams)(frames, 0.0)
        encoder = native.ParameterEncoder(("int",), (_refused,))
        template = native.ExecuteTemplate(encoder, b"", b"", None, None)
        connection.sender = native.BoundTemplate(template, connection, None, lambda: 0.25, _SENT)
    first = window.fill(connection.sender)
    assert first == (0, ["x"] if wrong == "parameters" else [0])
    assert window.in_flight == 0
    if wrong == "parameters":
        assert window.fill(connection.sender) is None
        assert (window.in_flight, window.is_exhausted) == (1, True)
    else:
        assert window.fill(connection.sender) == (1, [1])


def test_parameters_that_fail() -> None:
    """The iterator's exception is raised, and what was sent before is still in flight, and announced."""

    def parameters() -> Iterator[list[int]]:
        yield [1]
        raise LookupError("the source")

    async def run() -> None:
        connection = _Connection(asyncio.get_running_loop())
        window = native.Window(parameters(), 64, False)
        with pytest.raises(LookupError, match="the source"):
            window.fill(connection.sender)
        assert (window.in_flight, connection.accepted_requests) == (1, 1)

    asyncio.run(run())


def test_a_task_is_woken_once_for_all() -> None:
    """A task that waits runs after all responses of a read have ended, in the read; then others run."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        connection, window, seen = _Connection(loop), _window(3), []
        window.fill(connection.sender)
        assert connection.accepted_requests == 1

        async def wait() -> None:
            await window.wait(loop)
            seen.append(window.take())

        task = loop.create_task(wait())
        await asyncio.sleep(0)
        ended = connection.responses(_VOID, _VOID, _VOID)

        def read() -> None:
            native.deliver(ended, True)
            seen.append("read")

        loop.call_soon(read)
        await task
        await asyncio.sleep(0)
        assert seen == [(3, [], []), "read"]
        # What has ended before the wait, and wake().
        connection, window = _Connection(loop), _window(1)
        window.fill(connection.sender)
        native.deliver(connection.responses(_VOID), False)
        await window.wait(loop)
        window.take()
        loop.call_soon(window.wake)
        await window.wait(loop)

    asyncio.run(run(), debug=True)


def test_a_closed_window() -> None:
    """It sends nothing more, its executions count as abandoned, and their responses are dropped."""
    connection, window = _Connection(), _window(9, 2)
    window.fill(connection.sender)
    tokens = [token for token, _ in connection.protocol.requests()]
    assert [token.done() for token in tokens] == [False, False]
    window.close()
    assert [token.done() for token in tokens] == [True, True]
    window.end(connection.responses(_VOID, _body(1)))
    assert (window.take(), window.in_flight, window.fill(connection.sender)) == ((0, [], []), 0, None)


def test_wrong_arguments() -> None:
    """What isn't an iterator, a template or a list of responses is an error, and not a crash."""
    wrong: Any
    for wrong in (None, [], 1):
        with pytest.raises(TypeError):
            native.Window(wrong, 1, False)
    window = _window(1)
    for wrong in (None, object()):
        with pytest.raises(TypeError):
            window.fill(wrong)
    for wrong in ([1], [None], None):
        with pytest.raises(TypeError):
            window.end(wrong)
