"""A connection on an event loop: read there, and written once for all that is sent in one tick."""

from __future__ import annotations

from collections import deque
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any

from cassandra.connection import ConnectionShutdown

from coodie.drivers.cassandra.fast.answers import LATE, Lost
from coodie.drivers.cassandra.fast.sockets import RECEIVE, RECEIVE_MUCH, RETRY, receive
from coodie.protocol.errors import BrokenFrameError
from coodie.protocol.frames import MAX_UNANSWERED, OPTIONS, STREAMS

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from coodie.drivers.cassandra.fast.answers import Answer
    from coodie.drivers.cassandra.fast.internals import Link
    from coodie.protocol.frames import Frame

    #: The future of an answer, its deadline, and when the request was sent.
    _Waiting = tuple[asyncio.Future[Answer], float, float]

__all__ = ["LoopConnection"]

#: Seconds between two looks for requests whose time is over.
_SWEEP = 0.1

#: Seconds beyond the heartbeat's interval that its answer may take.
_HEARTBEAT_GRACE = 1.0


class LoopConnection:
    """Send requests and hand out their answers; used in the loop's own thread alone.

    Args:
        link: The connection, which belongs to this object from now on.
        loop: The loop.
        heartbeat: Seconds of silence after which the server is asked for a sign; 0 for never.
        patience: Seconds that it has for that.
        ended: Called once, when the connection can't be used any more.
        flushing: Called before what a turn of the loop has collected is sent.
    """

    def __init__(
        self,
        link: Link,
        loop: asyncio.AbstractEventLoop,
        *,
        heartbeat: float,
        patience: float,
        ended: Callable[[LoopConnection], None],
        flushing: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._create_future: Callable[[], asyncio.Future[Answer]] = loop.create_future
        self._sock = link.sock
        self._sock.settimeout(0)
        self._frames = link.frames
        self._frame = link.frames.make
        self._ended = ended
        self._flushing = flushing
        self._heartbeat = heartbeat
        self._patience = patience
        # By stream; cancelled and late ones stay until they are answered.
        self._in_flight: dict[int, _Waiting] = {}
        self._free: list[int] = []
        self._next_stream = 0
        # More than there are streams for; each waits for its turn.
        self._queue: deque[tuple[asyncio.Future[Answer], float, int, bytes]] = deque()
        self._out: list[bytes] = []
        self._unsent = b""
        self._receive = RECEIVE
        # The answers that came last were several: whoever they woke will ask in the same turn again.
        self._several = False
        self._received_at = monotonic()
        # One without a sign for longer may have been forgotten by what lies between: the loop was blocked.
        self._oldest = heartbeat + _HEARTBEAT_GRACE if heartbeat else inf
        self._too_old_at = self._received_at + self._oldest
        self._sweeping: asyncio.TimerHandle | None = None
        self._beating: asyncio.TimerHandle | None = None
        # The answer to the last heartbeat.
        self._sign: asyncio.Future[Answer] | None = None
        #: Closed, or broken.
        self.is_closed = False
        #: A request got no answer in time, and nothing else has come since it was sent.
        self.is_silent = False
        #: It is silent, or has too many streams whose answers never came: another one should take its place.
        self.needs_replacement = False
        self._is_retired = False
        loop.add_reader(self._sock, self._readable)
        self._schedule_heartbeat()

    @property
    def in_flight(self) -> int:
        """How many requests have no answer yet; those that nobody waits for are among them."""
        return len(self._in_flight) + len(self._queue)

    @property
    def is_collecting(self) -> bool:
        """Whether requests of this turn of the loop wait to be sent together."""
        return bool(self._out)

    # --- sending ------------------------------------------------------------------------

    def send(self, opcode: int, body: bytes, timeout: float) -> asyncio.Future[Answer] | None:
        """Send a request before the loop's next turn; return the future of its answer.

        None where nothing was sent: the connection is too old to be used before the server has given a sign.
        """
        now = monotonic()
        if now > self._too_old_at and not self._answers_still():
            return None
        future = self._create_future()
        try:
            stream = self._free.pop()
        except IndexError:
            stream = self._next_stream
            if stream == STREAMS:
                self._queue.append((future, now + timeout, opcode, body))
                return future
            self._next_stream += 1
        self._start(stream, opcode, body, (future, now + timeout, now))
        return future

    def _start(self, stream: int, opcode: int, body: bytes, waiting: _Waiting) -> None:
        out = self._out
        self._in_flight[stream] = waiting
        out.append(self._frame(opcode, stream, body))
        if len(out) > 1:
            return
        if len(self._in_flight) == 1 and not self._several:
            # Nothing to wait for: whoever has one request at a time wants it to be sent now.
            self._flush()
        else:
            self._loop.call_soon(self._flush)
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(_SWEEP, self._sweep)

    def _flush(self) -> None:
        """Send what has been collected, as one write."""
        self._flushing()
        if not self._out or self.is_closed:
            return
        data = self._frames.wire(self._out)
        self._out.clear()
        if self._unsent:
            self._unsent += data
        else:
            self._write(data)

    def _write(self, data: bytes) -> None:
        try:
            sent = self._sock.send(data)
        except RETRY:
            sent = 0
        except OSError as exc:
            self.close(exc)
            return
        if sent < len(data):
            if not self._unsent:
                self._loop.add_writer(self._sock, self._writable)
            self._unsent = data[sent:]
        elif self._unsent:
            self._unsent = b""
            self._loop.remove_writer(self._sock)

    def _writable(self) -> None:
        self._write(self._unsent)

    # --- receiving ----------------------------------------------------------------------

    def _readable(self) -> None:
        try:
            data = receive(self._sock, self._receive)
        except RETRY:
            return
        except OSError as exc:
            self.close(exc)
            return
        if not data:
            message = "The server closed the connection"
            self.close(ConnectionShutdown(message))
            return
        self._receive = RECEIVE_MUCH if len(data) >= RECEIVE else RECEIVE
        try:
            answers = self._frames.feed(data)
        except BrokenFrameError as exc:
            self.close(ConnectionShutdown(str(exc)))
        else:
            self._received(answers)

    def _received(self, answers: list[tuple[int, bytes | Frame]]) -> None:
        """Hand answers to those who wait, and their streams to those who queue."""
        self._received_at = monotonic()
        self._too_old_at = self._received_at + self._oldest
        if self.is_silent:
            self.is_silent = self.needs_replacement = False  # the next sweep counts what has no answer
        self._several = len(answers) > 1
        in_flight, free = self._in_flight, self._free
        for stream, answer in answers:
            waiting = in_flight.pop(stream, None)
            if waiting is None:
                continue  # on a stream where nothing was asked: whoever it was for will run out of time
            free.append(stream)
            future = waiting[0]
            if not future.done():
                future.set_result(answer)
        while self._queue and free:
            future, deadline, opcode, body = self._queue.popleft()
            if future.done():
                continue
            if deadline < self._received_at:
                future.set_result(LATE)
            else:
                self._start(free.pop(), opcode, body, (future, deadline, self._received_at))

    # --- time ---------------------------------------------------------------------------

    def _sweep(self) -> None:
        """Tell the requests whose time is over; their streams stay taken until the answers come."""
        now = monotonic()
        if any(
            deadline < now and (not future.done() or self._received_at < sent_at)
            for future, deadline, sent_at in self._in_flight.values()
        ):
            # The loop may have been busy for long: what has come meanwhile isn't late.
            self._readable()
        silent, unanswered = False, 0
        for future, deadline, sent_at in self._in_flight.values():
            if deadline < now:
                # A request that its caller has cancelled counts, too: its answer should have come by now.
                unanswered += 1
                silent = silent or self._received_at < sent_at
                if not future.done():
                    future.set_result(LATE)
        for future, deadline, _, _ in self._queue:
            if deadline < now and not future.done():
                future.set_result(LATE)
        if silent and not self.is_silent:
            self.is_silent = True
            self._probe()
        self.needs_replacement = self.is_silent or unanswered >= MAX_UNANSWERED
        if self._is_retired:
            self._close_unless_awaited()
        busy = not self.is_closed and (self._in_flight or self._queue)
        self._sweeping = self._loop.call_later(_SWEEP, self._sweep) if busy else None

    def _schedule_heartbeat(self) -> None:
        if self._heartbeat:
            idle = monotonic() - self._received_at
            self._beating = self._loop.call_later(max(0.0, self._heartbeat - idle), self._beat)

    def _beat(self) -> None:
        now = monotonic()
        if self._received_at + self._heartbeat > now:
            self._schedule_heartbeat()
        elif now > self._too_old_at:
            self._answers_still()
        else:
            self._probe()

    def _answers_still(self) -> bool:
        """Tell whether something has come meanwhile; if not, send nothing before the server gives a sign."""
        before = self._received_at
        self._readable()
        if self.is_closed or self._received_at > before:
            return not self.is_closed
        self.is_silent = self.needs_replacement = True
        self._probe()
        return False

    def _probe(self) -> None:
        """Ask the server for a sign; without one, the connection is closed."""
        if self._beating is not None:
            self._beating.cancel()
        if self.is_silent:
            self._too_old_at = inf  # nothing else is sent
        sign = self.send(OPTIONS, b"", self._patience)
        if sign is not None:
            self._sign = sign
            sign.add_done_callback(self._probed)

    def _probed(self, sign: asyncio.Future[Answer]) -> None:
        if self.is_closed:
            return
        if sign.result() is LATE:
            self.close(ConnectionShutdown(f"The server gave no sign for {self._patience:g} s"))
        else:
            self._schedule_heartbeat()

    # --- the end ------------------------------------------------------------------------

    def retire(self) -> None:
        """Close as soon as nobody waits for an answer any more: another connection has taken its place."""
        self._is_retired = True
        self._close_unless_awaited()

    def _close_unless_awaited(self) -> None:
        waiting = [*[entry[0] for entry in self._in_flight.values()], *[entry[0] for entry in self._queue]]
        if all(future.done() or future is self._sign for future in waiting):
            self.close(ConnectionShutdown("Too many requests got no answer on this connection"))

    def close(self, error: Exception) -> None:
        """Close, and tell all who wait why; does nothing where it is closed."""
        if self.is_closed:
            return
        self.is_closed = True
        for timer in (self._sweeping, self._beating):
            if timer is not None:
                timer.cancel()
        if not self._loop.is_closed():
            self._loop.remove_reader(self._sock)
            self._loop.remove_writer(self._sock)
        self._sock.close()
        waiting: list[Any] = [entry[0] for entry in (*self._in_flight.values(), *self._queue)]
        self._in_flight.clear()
        self._queue.clear()
        self._out.clear()
        lost = Lost(error)
        for future in waiting:
            # On a closed loop nobody waits any more, and nothing can be told.
            if not future.done() and not self._loop.is_closed():
                future.set_result(lost)
        self._ended(self)
