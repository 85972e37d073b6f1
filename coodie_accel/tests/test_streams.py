"""Streams in C: what they do beside what ``coodie_core/tests/protocol/test_connection.py`` shows of both."""

from __future__ import annotations

import gc
from math import inf
from struct import pack
from typing import TYPE_CHECKING, Any
from weakref import ref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coodie.protocol.connection import connection_class
from coodie.protocol.frames import EXECUTE, Frame, Frames

if TYPE_CHECKING:
    from collections.abc import Callable

native = pytest.importorskip("coodie_accel._native", reason="coodie-accel isn't built here")


def _refused(value: Any) -> bytes:
    raise LookupError(value)


_ENCODER = native.ParameterEncoder(("int", "text"), (_refused, _refused))


class _Token:
    """Something that can be weakly referred to, and refer to others."""

    other: Any = None


@pytest.fixture
def connection() -> Any:
    """Make a connection that accepts requests."""
    return connection_class(native.Streams)(Frames(4), 0.0)


def _answer(stream: int, body: bytes = b"", flags: int = 0, opcode: int = 8) -> bytes:
    return pack(">BBhBi", 0x84, flags, stream, opcode, len(body)) + body


@settings(deadline=None)  # machines may be busy
@given(
    before=st.binary(max_size=20),
    after=st.binary(max_size=20),
    number=st.integers(-(2**31), 2**31 - 1),
    text=st.text(max_size=200),
    stamp=st.none() | st.integers(-(2**63), 2**63 - 1),
)
def test_a_template_s_frame(before: bytes, after: bytes, number: int, text: str, stamp: int | None) -> None:
    """It is what the Python code puts together, and the values are returned."""
    connection: Any = connection_class(native.Streams)(Frames(4), 0.0)
    connection.send(EXECUTE, b"", "first", 1.0, 0.0)
    template = native.ExecuteTemplate(_ENCODER, before, after, None if stamp is None else lambda: stamp)
    params = [number, text]
    values = connection.execute(template, params, "token", 1.0, 0.0)
    assert values == _ENCODER.encode(params)
    body = before + values + after + (b"" if stamp is None else pack(">q", stamp))
    assert connection.out[1] == Frames(4).make(EXECUTE, 1, body)
    assert connection.requests() == [("first", 1.0), ("token", 1.0)]
    assert connection.receive(_answer(1, b"rows"), 0.5) == [("token", b"rows")]


@pytest.mark.parametrize("why", ["closed", "full", "compressed"])
def test_a_template_that_isn_t_sent(why: str) -> None:
    """Where it isn't for C to decide, nothing is done: the request goes to ``send``."""
    frames = Frames(4, compress=bytes, expand=bytes) if why == "compressed" else Frames(4)
    connection: Any = connection_class(native.Streams)(frames, 0.0)
    template = native.ExecuteTemplate(_ENCODER, b"", b"")
    expected = []
    if why == "closed":
        connection.close(OSError())
    while why == "full" and connection.has_free_stream:
        connection.send(EXECUTE, b"", "one", 60.0, 0.0)
        expected.append(("one", 60.0))
    connection.data_to_send()
    assert connection.execute(template, [1, ""], "token", 1.0, 0.0) is None
    assert connection.requests() == expected
    assert not connection.has_data_to_send
    assert connection.next_deadline == (60.0 if why == "full" else inf)


@pytest.mark.parametrize("params", [[1], ["one", ""], None, {"id": 1}])
def test_parameters_that_can_t_be_encoded(connection: Any, params: Any) -> None:
    """The error comes through, and no stream is taken."""
    with pytest.raises((LookupError, TypeError, ValueError)):
        connection.execute(native.ExecuteTemplate(_ENCODER, b"", b""), params, "token", 1.0, 0.0)
    assert connection.in_flight == 0
    assert not connection.has_data_to_send


def test_another_encoder_closes_the_connection(connection: Any) -> None:
    """What is called while parameters are encoded may do anything: it is looked at afterwards."""

    def close(_: Any) -> bytes:
        connection.close(OSError())
        return b""

    encoder = native.ParameterEncoder(("other",), (close,))
    template = native.ExecuteTemplate(encoder, b"", b"")
    assert connection.execute(template, ["value"], "token", 1.0, 0.0) is None
    assert connection.in_flight == 0


def test_wrong_timestamps(connection: Any) -> None:
    """What isn't a number of 64 bits is an error, and nothing is sent."""
    for wrong in ("now", 2**63):
        template = native.ExecuteTemplate(_ENCODER, b"", b"", lambda wrong=wrong: wrong)
        with pytest.raises((OverflowError, TypeError)):
            connection.execute(template, [1, ""], "token", 1.0, 0.0)
    assert connection.in_flight == 0
    with pytest.raises(TypeError, match="can't be called"):
        native.ExecuteTemplate(_ENCODER, b"", b"", 1)


def test_what_makes_the_unusual_fails(connection: Any) -> None:
    """Its error comes through, and the responses that follow can still be matched."""
    broken: Any = Frames(4)
    broken.unusual = _refused
    connection = connection_class(native.Streams)(broken, 0.0)
    for token in ("one", "two"):
        connection.send(EXECUTE, b"", token, 1.0, 0.0)
    with pytest.raises(TypeError):
        connection.receive(_answer(0, b"error", opcode=0), 0.0)
    assert connection.receive(_answer(1), 0.0) == [("two", b"")]


def test_a_response_from_within_another(connection: Any) -> None:
    """What is called while responses are matched may close the connection: the rest finds no request."""
    frames: Any = Frames(4)
    made: list[Any] = []

    def unusual(flags: int, opcode: int, body: bytes) -> Frame:
        made.extend(connection.close(OSError()))
        return Frame(flags, opcode, body)

    frames.unusual = unusual
    connection = connection_class(native.Streams)(frames, 0.0)
    for token in ("one", "two"):
        connection.send(EXECUTE, b"", token, 1.0, 0.0)
    connection.receive(_answer(0, opcode=0) + _answer(1), 0.0)
    assert [token for token, _ in made] == ["one", "two"]
    assert connection.in_flight == 0


def test_tokens_are_collected() -> None:
    """A connection that nothing else refers to is collected with a token that refers to it."""
    token = _Token()
    token.other = connection_class(native.Streams)(Frames(4), 0.0)
    token.other.send(EXECUTE, b"", token, 1.0, 0.0)
    gone = ref(token)
    del token
    gc.collect()
    assert gone() is None


def test_a_token_is_let_go(connection: Any) -> None:
    """After its response, its deadline or the end, nothing refers to it any more."""
    ends: list[Callable[[], Any]] = [
        lambda: connection.receive(_answer(0), 0.5),
        lambda: connection.expire(2.0),
        lambda: connection.close(OSError()),
    ]
    for end in ends:
        token = _Token()
        gone = ref(token)
        connection.send(EXECUTE, b"", token, 1.0, 0.0)
        del token
        assert gone() is not None
        end()
        assert gone() is None


def test_many_streams(connection: Any) -> None:
    """All are used, in any order, and no more."""
    for number in range(32_768):
        assert connection.send(EXECUTE, b"", number, 60.0, 0.0) == number + 1
    assert not connection.has_free_stream
    assert connection.send(EXECUTE, b"", "queued", 60.0, 0.0) == 32_768
    ended = connection.receive(b"".join(_answer(stream) for stream in range(32_767, -1, -2)), 0.5)
    assert [token for token, _ in ended] == list(range(32_767, -1, -2))
    assert connection.queued == 0
    assert connection.requests()[-1] == ("queued", 60.0)


def test_it_is_made_once(connection: Any) -> None:
    """Its number of streams can't be changed once there are some, nor be anything."""
    connection.send(EXECUTE, b"", "one", 60.0, 0.0)
    with pytest.raises(RuntimeError):
        native.Streams.__init__(connection, Frames(4), 1)
    for limit in (0, 32_769):
        with pytest.raises(ValueError, match="streams"):
            native.Streams(Frames(4), limit)


def test_without_init() -> None:
    """One that was never initialised has no streams, and takes nothing."""
    streams = native.Streams.__new__(native.Streams)
    assert streams.requests() == []
    assert not streams.has_free_stream
    with pytest.raises(RuntimeError):
        streams.assign("token", 1.0, EXECUTE, b"", 0.0)
    with pytest.raises(TypeError):
        streams.match(b"", 0.0)
    streams.clear()
