"""The connection without sockets: whatever happens in whatever order, each request ends exactly once.

``make accel`` runs these tests with the accelerator's streams, too, and with both side by side.
"""

from __future__ import annotations

from math import inf
from struct import Struct
from typing import TYPE_CHECKING, Any

import pytest
from cassandra.connection import lz4_compress, lz4_decompress
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from coodie.drivers.cassandra.fastpath.driver_internals import _blocks
from coodie.protocol import connection as room
from coodie.protocol._accelerator import accelerator
from coodie.protocol.connection import (
    NEVER_SENT,
    TIMED_OUT,
    Connection,
    ConnectionLost,
    ConnectionState,
    KeepAlive,
    TimedOut,
    connection_class,
)
from coodie.protocol.frames import (
    COMPRESSED,
    EXECUTE,
    OPTIONS,
    RESPONSE,
    RESULT,
    FrameReader,
    Frames,
    Opcode,
    RawFrame,
    encode_frame,
)
from coodie.protocol.segments import Segments
from coodie.protocol.streams import LATENCIES, Streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    #: Makes a connection from functions that make its arguments: the frames can't be shared.
    Make = Callable[..., Connection[Any]]

_HEADER = Struct(">BBhBi")

#: So few that they run out, and that a connection has too many orphans.
_STREAMS = 4
_UNANSWERED = 3

_HEARTBEAT, _HEARTBEAT_TIMEOUT, _MAX_SILENCE = 5.0, 3.0, 6.0
_KEEP_ALIVE = KeepAlive(_HEARTBEAT, _HEARTBEAT_TIMEOUT, _MAX_SILENCE)


@pytest.fixture(autouse=True, scope="module")
def small() -> Iterator[None]:
    """Have few streams."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "MAX_STREAMS", _STREAMS)
        patch.setattr(room, "MAX_UNANSWERED", _UNANSWERED)
        yield


class Twins:
    """A connection with each implementation of the streams, which must do the same.

    Args:
        connections: The connections.
    """

    def __init__(self, connections: list[Connection[Any]]) -> None:
        self._connections = connections

    def __getattr__(self, name: str) -> Any:
        values = [getattr(one, name) for one in self._connections]
        return (
            (lambda *arguments: _same(*[call(*arguments) for call in values]))
            if callable(values[0])
            else _same(*values)
        )


def _same(one: Any, other: Any) -> Any:
    # Each has its own exceptions.
    assert (
        repr(one) == repr(other)
        if isinstance(one, list)
        else bytes(one) == bytes(other)
        if isinstance(one, memoryview)
        else one == other
    )
    return one


_COMPILED = pytest.mark.skipif(accelerator() is None, reason="coodie-accel isn't on the path: make accel")


@pytest.fixture(
    params=["python", pytest.param("compiled", marks=_COMPILED), pytest.param("twins", marks=_COMPILED)]
)
def make(request: pytest.FixtureRequest) -> Make:
    """Make connections with one implementation of the streams, or with both."""
    streams: list[Any] = [Streams] if request.param != "compiled" else []
    if request.param != "python":
        streams.append(accelerator().Streams)
    classes = [connection_class(one) for one in streams]

    def make(frames: Callable[[], Frames], *arguments: Any, **options: Any) -> Any:
        made = [one(frames(), *arguments, **options) for one in classes]
        return made[0] if len(made) == 1 else Twins(made)

    return make


def _answer(version: int, stream: int, opcode: int, body: bytes) -> bytes:
    return _HEADER.pack(RESPONSE | version, 0, stream, opcode, len(body)) + body


class _Token:
    """Who waits for a request: told once, or given up by its caller."""

    def __init__(self, number: int, deadline: float) -> None:
        # Some are large enough to be compressed, and for a read to bring a part.
        self.body = b"%d;" % number * (1, 40, 2000)[number % 3]
        self.deadline = deadline
        self.is_abandoned = self.was_read = False
        self.responses: list[Any] = []


class Machine(RuleBasedStateMachine):
    """A connection, a server that answers in any order or never, and a wire that hands on any pieces.

    Args:
        version: The protocol version.
        delivered: Takes the responses that requests get.
        make: Makes the connection.
        compressed: With LZ4.
    """

    def __init__(self, version: int, delivered: list[bytes], make: Make, *, compressed: bool) -> None:
        super().__init__()
        self.version = version
        self.delivered = delivered
        #: Whether bodies are compressed; from version 5 on, segments are.
        self.compresses_bodies = compressed and version == 4
        self.now = 100.0
        segmented = version == 5
        blocks = _blocks(lz4_compress, lz4_decompress) if compressed else (None, None)
        functions = (lz4_compress, lz4_decompress) if self.compresses_bodies else (None, None)
        self.connection: Connection[_Token] = make(
            lambda: Frames(version, Segments(*blocks) if segmented else None, *functions),
            self.now,
            _KEEP_ALIVE,
            is_abandoned=lambda token: token.is_abandoned,
        )
        self.reader = FrameReader(0)
        self.seal = Segments(*blocks)
        if segmented:
            self.reader.use_segments(Segments(*blocks))
        self.tokens: list[_Token] = []
        #: What the server has to answer: by stream, the request's body.
        self.asked: dict[int, bytes] = {}
        #: What it has answered, on its way: each stream, and how many bytes come until that answer is whole.
        self.answered: list[tuple[int, int]] = []
        self.coming = b""
        self.received_at = self.now
        self.sign_by = inf

    # --- what a transport does ----------------------------------------------------------

    @rule(timeouts=st.lists(st.sampled_from([0.5, 1.0, 4.0, 20.0]), min_size=1, max_size=_STREAMS + 2))
    def send(self, timeouts: list[float]) -> None:
        """Ask."""
        for timeout in timeouts:
            self._send(timeout)

    def _send(self, timeout: float) -> None:
        token = _Token(len(self.tokens), self.now + timeout)
        takes = self.connection.takes_requests(self.now)
        assert takes == (
            self.connection.state is ConnectionState.OPEN and self.now <= self.received_at + _MAX_SILENCE
        )
        taken = self.connection.send(EXECUTE, token.body, token, timeout, self.now)
        assert bool(taken) == takes
        if taken:
            self.tokens.append(token)

    @precondition(lambda self: self.tokens)
    @rule(data=st.data())
    def abandon(self, data: st.DataObject) -> None:
        """Cancel a request, at any point of its life."""
        data.draw(st.sampled_from(self.tokens)).is_abandoned = True

    @rule(data=st.data(), whole=st.booleans())
    def write(self, data: st.DataObject, whole: bool) -> None:
        """Write all, a part or nothing; the server reads it."""
        pending = self.connection.data_to_send()
        written = len(pending) if whole else data.draw(st.integers(0, len(pending)))
        if written < len(pending):
            self.connection.put_back(pending, written)
        for frame in self.reader.feed(bytes(pending[:written])):
            # A stream is taken until its answer has come.
            assert frame.stream not in self.asked
            assert frame.stream not in [stream for stream, _ in self.answered]
            assert 0 <= frame.stream < _STREAMS
            assert frame.opcode in {EXECUTE, OPTIONS}
            is_compressed = bool(frame.flags & COMPRESSED)
            assert is_compressed == (self.compresses_bodies and frame.opcode == EXECUTE)
            body = self.asked[frame.stream] = lz4_decompress(frame.body) if is_compressed else frame.body
            if frame.opcode == EXECUTE:
                token = self.tokens[int(body.partition(b";")[0])]
                token.was_read = True
                assert all(response != NEVER_SENT for response in token.responses)

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), number=st.integers(1, _STREAMS), compressed=st.booleans())
    def answer(self, data: st.DataObject, number: int, compressed: bool) -> None:
        """Have the server answer requests, in any order; it may leave a body as it is."""
        for stream in data.draw(st.permutations(sorted(self.asked)))[:number]:
            self._answer(stream, compressed=compressed)

    def _answer(self, stream: int, *, compressed: bool) -> None:
        body = self.asked.pop(stream)
        if self.compresses_bodies and compressed:
            answer = RawFrame(RESPONSE | self.version, COMPRESSED, stream, RESULT, lz4_compress(body))
            self._put(encode_frame(answer))
        else:
            self._put(_answer(self.version, stream, RESULT, body))
        self.answered.append((stream, len(self.coming)))

    @rule(stream=st.sampled_from([-1, 30_000]))
    def unasked(self, stream: int) -> None:
        """Have it send what nobody asked for: an event, an answer to nothing."""
        self._put(_answer(self.version, stream, Opcode.EVENT, b""))

    def _put(self, frame: bytes) -> None:
        self.coming += self.seal.wrap([frame]) if self.version == 5 else frame

    @precondition(lambda self: self.coming)
    @rule(data=st.data(), whole=st.booleans())
    def read(self, data: st.DataObject, whole: bool) -> None:
        """Read what comes, cut anywhere."""
        size = len(self.coming) if whole else data.draw(st.integers(1, len(self.coming)))
        piece, self.coming = self.coming[:size], self.coming[size:]
        was_closed = self.connection.is_closed
        if not was_closed:
            self.received_at, self.sign_by = self.now, inf
        self._ended(self.connection.receive(piece, self.now))
        self.answered = [(stream, left - size) for stream, left in self.answered if left > size]
        assert self.connection.state is not ConnectionState.UNRESPONSIVE

    @rule(data=st.data(), number=st.integers(0, _STREAMS + 2), compressed=st.booleans())
    def serve(self, data: st.DataObject, number: int, compressed: bool) -> None:
        """Have all go well for a while: else hardly a request would get as far as its response."""
        for _ in range(number):
            self._send(20.0)
        while self.connection.has_data_to_send:
            self.write(data, whole=True)
        if self.asked:
            self.answer(data, _STREAMS, compressed)
        if self.coming:
            self.read(data, whole=True)

    @rule(seconds=st.sampled_from([0.3, 0.7, 2.0, 7.0]))
    def pass_time(self, seconds: float) -> None:
        """Wait; what is due happens then, as late as that may be."""
        self.now += seconds
        due = [token for token in self.tokens if not token.responses and token.deadline <= self.now]
        if due and not self.connection.is_closed:
            assert self.connection.next_deadline <= self.now
        self._ended(self.connection.expire(self.now))
        assert self.connection.next_deadline > self.now
        assert all(token.responses for token in due)

    @rule()
    def expire_early(self) -> None:
        """Look too early: nothing happens."""
        if self.now < self.connection.next_deadline:
            assert self.connection.expire(self.now) == []

    @precondition(lambda self: len(self.tokens) > 15)
    @rule()
    def retire(self) -> None:
        """Have another connection take its place."""
        self._ended(self.connection.retire())

    @precondition(lambda self: len(self.tokens) > 15)
    @rule(how=st.sampled_from(["end", "nonsense", "error"]))
    def end(self, how: str) -> None:
        """End it, in each way."""
        if how == "end":
            self._ended(self.connection.receive(b"", self.now))
        elif how == "nonsense":
            if self.coming:
                return
            self._ended(self.connection.receive(b"HTTP/1.1 400 Bad Request\r\n", self.now))
        else:
            self._ended(self.connection.close(OSError("reset")))
        if how != "nonsense" or self.version == 5:
            assert self.connection.is_closed

    # --- what must hold -----------------------------------------------------------------

    def _ended(self, ended: list[tuple[_Token, Any]]) -> None:
        for token, response in ended:
            assert not token.responses, "a request ended twice"
            token.responses.append(response)
            if isinstance(response, TimedOut):
                assert token.deadline <= self.now or token.is_abandoned
                assert response.sent or not token.was_read
            elif isinstance(response, ConnectionLost):
                assert self.connection.is_closed
                assert response.sent or not token.was_read
            else:
                assert response == token.body, "another request's response"
                self.delivered.append(response)

    @invariant()
    def nothing_is_lost(self) -> None:
        """Who hasn't ended is waited for, and ends with the connection."""
        waiting = sum(not token.responses for token in self.tokens)
        assert self.connection.waiting == waiting
        assert self.connection.in_flight >= waiting
        if self.connection.is_closed:
            assert waiting == 0
            assert not self.connection.data_to_send()
        if self.connection.state is ConnectionState.DRAINING:
            assert any(not token.responses for token in self.tokens)
        assert self.connection.needs_replacement == (
            self.connection.state is not ConnectionState.OPEN
            or self.connection.in_flight - waiting >= _UNANSWERED
        )

    def teardown(self) -> None:
        """Close it: all requests that are left end."""
        self._ended(self.connection.close(OSError("closed")))
        assert all(len(token.responses) == 1 for token in self.tokens)


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "lz4"])
@pytest.mark.parametrize("version", [4, 5])
def test_whatever_happens(version: int, compressed: bool, make: Make) -> None:
    """Run the machine many times; and enough requests get their response for that to mean something."""
    answered: list[bytes] = []
    for _ in range(3):  # once nearly always; how many get one is up to chance
        run_state_machine_as_test(  # type: ignore[no-untyped-call]  # hypothesis has no type for it
            lambda: Machine(version, answered, make, compressed=compressed),
            settings=settings(max_examples=50, stateful_step_count=40, deadline=None),
        )
        if len(answered) >= 50:
            return
    pytest.fail(f"{len(answered)} requests got a response")


def _frames() -> Frames:
    return Frames(4)


def test_silence_past_a_deadline(make: Make) -> None:
    """No more requests are taken, the server is asked for a sign, and any bytes open it again."""
    connection = make(_frames, 0.0, _KEEP_ALIVE)
    assert connection.send(EXECUTE, b"", "one", 1.0, 0.5) == 1
    connection.data_to_send()
    assert connection.expire(1.5) == [("one", TIMED_OUT)]
    assert connection.state is ConnectionState.UNRESPONSIVE
    assert connection.needs_replacement
    assert connection.send(EXECUTE, b"", "two", 1.0, 1.6) == 0
    assert connection.data_to_send()[4] == OPTIONS
    assert connection.receive(_answer(4, -1, Opcode.EVENT, b""), 1.7) == []
    assert connection.state.name == "OPEN"
    assert connection.send(EXECUTE, b"", "two", 1.0, 1.8) == 1


def test_no_silence_past_a_deadline(make: Make) -> None:
    """Where other answers come, one that doesn't is no reason to doubt the server."""
    connection = make(_frames, 0.0, _KEEP_ALIVE)
    connection.send(EXECUTE, b"", "one", 1.0, 0.5)
    connection.receive(_answer(4, -1, Opcode.EVENT, b""), 0.6)
    assert connection.expire(1.5) == [("one", TIMED_OUT)]
    assert connection.state is ConnectionState.OPEN


def test_a_heartbeat(make: Make) -> None:
    """It is asked for after silence, again after the next; without a sign it ends the connection."""
    connection = make(_frames, 0.0, _KEEP_ALIVE)
    assert connection.next_deadline == _HEARTBEAT
    assert connection.expire(5.0) == []
    assert connection.data_to_send()[4] == OPTIONS
    assert connection.receive(_answer(4, 0, Opcode.SUPPORTED, b""), 5.5) == []
    assert connection.in_flight == 0
    assert connection.next_deadline <= 10.5
    connection.expire(10.5)
    connection.send(EXECUTE, b"", "one", 60.0, 10.6)
    ((token, lost),) = connection.expire(13.5)
    assert token == "one"
    assert isinstance(lost, ConnectionLost)
    assert str(lost.error) == "The server sent nothing for 3 s"
    assert connection.is_closed


def test_a_long_pause(make: Make) -> None:
    """A request after too long a silence isn't taken before the server gives a sign."""
    connection = make(_frames, 0.0, KeepAlive(timeout=3.0, max_silence=6.0))
    assert connection.send(EXECUTE, b"", "one", 1.0, 6.5) == 0
    assert connection.state is ConnectionState.UNRESPONSIVE
    assert connection.data_to_send()[4] == OPTIONS
    assert connection.next_deadline == 9.5
    assert connection.expire(9.5) == []
    assert connection.is_closed


def test_a_late_answer_frees_its_stream(make: Make) -> None:
    """It isn't handed out, and not before it has come is the stream used again."""
    connection = make(_frames, 0.0, KeepAlive())
    connection.send(EXECUTE, b"", "one", 1.0, 0.0)
    connection.expire(1.0)
    connection.send(EXECUTE, b"", "two", 1.0, 1.0)
    assert connection.in_flight == 2
    assert connection.receive(_answer(4, 0, RESULT, b"late"), 1.1) == []
    assert connection.receive(_answer(4, 1, RESULT, b"two"), 1.2) == [("two", b"two")]
    assert connection.in_flight == 0
    connection.data_to_send()
    for token in ("three", "four"):
        connection.send(EXECUTE, b"", token, 1.0, 1.3)
    assert sorted(frame.stream for frame in FrameReader(0).feed(bytes(connection.data_to_send()))) == [0, 1]


def test_the_queue(make: Make) -> None:
    """As streams become free, it sends what has time and is waited for; closing ends the rest, once."""
    abandoned = {"given up"}
    connection: Connection[str] = make(_frames, 0.0, is_abandoned=abandoned.__contains__)
    for number in range(_STREAMS):
        connection.send(EXECUTE, b"", str(number), 60.0, 0.0)
    for token, timeout in (("overdue", 1.0), ("given up", 60.0), ("sent", 60.0), ("left", 60.0)):
        connection.send(EXECUTE, b"", token, timeout, 0.0)
    connection.data_to_send()
    responses = connection.receive(_answer(4, 2, RESULT, b"2"), 1.5)
    assert responses == [("2", b"2"), ("overdue", NEVER_SENT), ("given up", NEVER_SENT)]
    assert [frame.stream for frame in FrameReader(0).feed(bytes(connection.data_to_send()))] == [2]
    ended = [(token, getattr(lost, "sent", None)) for token, lost in connection.close(OSError())]
    assert ended == [("0", True), ("1", True), ("3", True), ("sent", True), ("left", False)]
    assert connection.close(OSError()) == []
    assert connection.waiting == 0


def test_retiring(make: Make) -> None:
    """It takes nothing more, also when bytes come, and closes when nobody waits any more."""
    abandoned: set[str] = set()
    connection: Connection[str] = make(_frames, 0.0, is_abandoned=abandoned.__contains__)
    for token in ("one", "two"):
        connection.send(EXECUTE, b"", token, 60.0, 0.0)
    assert connection.retire() == []
    assert connection.receive(_answer(4, 0, RESULT, b"1"), 1.0) == [("one", b"1")]
    assert connection.state is ConnectionState.DRAINING
    assert connection.send(EXECUTE, b"", "three", 60.0, 1.1) == 0
    abandoned.add("two")
    ((token, lost),) = connection.retire()
    assert (token, type(lost)) == ("two", ConnectionLost)
    assert connection.is_closed


def test_response_times(make: Make) -> None:
    """One of each read is kept, and the oldest gives way."""
    connection: Connection[int] = make(_frames, 0.0)
    assert connection.latencies == []
    for token in (0, 1):
        connection.send(EXECUTE, b"", token, 10.0, 0.0)
    both = b"".join(_answer(4, stream, RESULT, b"") for stream in (0, 1))
    assert len(connection.receive(both, 0.5)) == 2
    assert connection.latencies == [0.5]
    for number in range(1, LATENCIES + 1):
        connection.send(EXECUTE, b"", number, 10.0, float(number))
        frame = list(FrameReader(0).feed(bytes(connection.data_to_send())))[-1]
        assert len(connection.receive(_answer(4, frame.stream, RESULT, b""), 2.0 * number)) == 1
    assert sorted(connection.latencies) == [float(number) for number in range(1, LATENCIES + 1)]
    assert connection.queued == 0
