"""The connection of a client as a state machine, from its handshake to its end, without I/O.

A transport has the socket and the clock. It gives requests to ``send`` and writes what ``data_to_send``
returns, or puts it back; gives what it reads to ``receive``; and calls ``expire`` when ``next_deadline``
has come. A request goes in with a token, and comes out once, as the token with its response: of ``receive``,
``expire``, ``retire`` or ``close``. Nothing here waits, and ``now`` is always given: seconds on any clock
that only goes forward.

    state          what happens                                               what is next
    -------------  ---------------------------------------------------------  -----------------------------
    OPEN           a request times out, and nothing came since it was sent    UNRESPONSIVE, asks for a sign
    OPEN           a request comes after a silence that is too long           UNRESPONSIVE, asks for a sign
    OPEN           silence for a heartbeat's interval                         OPEN, asks for a sign
    UNRESPONSIVE   any bytes come                                             OPEN
    OPEN,          ``retire``: another connection has taken its place         DRAINING
    UNRESPONSIVE
    DRAINING       nobody waits for a response any more                       CLOSED
    any            no bytes come within the heartbeat's timeout               CLOSED
    any            ``close``; the server closes; what comes is no frame       CLOSED

Only OPEN takes requests. CLOSED has ended all of them.

A request has its stream from ``send`` on, or waits in a queue until one is free. Its response or its deadline
ends it. After a deadline the stream stays taken: the response may still come, and would be taken for that of
another request (section 2.4.1.3). Such a stream is orphaned; who has many of them ``needs_replacement``.
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto
from math import inf
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from coodie.protocol.errors import BrokenFrameError
from coodie.protocol.frames import OPTIONS, Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from coodie.protocol.frames import Frames

__all__ = [
    "NEVER_SENT",
    "TIMED_OUT",
    "Connection",
    "ConnectionLost",
    "ConnectionState",
    "KeepAlive",
    "Response",
    "TimedOut",
]

T = TypeVar("T")

#: Requests in flight on one connection: clients number streams with the 15 bits that aren't the sign
#: (section 2.4.1.3).
MAX_STREAMS = 32_768

#: Orphaned streams that a connection may have before another is to take its place.
MAX_UNANSWERED = 1024


class ConnectionState(Enum):
    """What a connection does with requests."""

    OPEN = auto()
    UNRESPONSIVE = auto()
    DRAINING = auto()
    CLOSED = auto()


# A member that is looked up in its class costs more than the comparison.
_OPEN = ConnectionState.OPEN
_UNRESPONSIVE = ConnectionState.UNRESPONSIVE
_DRAINING = ConnectionState.DRAINING
_CLOSED = ConnectionState.CLOSED


class KeepAlive(NamedTuple):
    """When a connection is doubted on which nothing arrives; in seconds.

    Attributes:
        heartbeat: Silence after which the server is asked for a sign.
        timeout: How long it may take to give one. It isn't asked where that is for ever.
        max_silence: Silence after which no request is sent before a sign: what lies between may have
            forgotten the connection, and would swallow the request.
    """

    heartbeat: float = inf
    timeout: float = inf
    max_silence: float = inf


class TimedOut(NamedTuple):
    """No response came before the request's deadline.

    Attributes:
        sent: The request may have been sent; else it waited for a stream all the time.
    """

    sent: bool = True


TIMED_OUT = TimedOut()
NEVER_SENT = TimedOut(sent=False)


class ConnectionLost(NamedTuple):
    """The connection ended before the response came.

    Attributes:
        error: Why.
        sent: The request may have been sent; else it still waited for a stream.
    """

    error: Exception
    sent: bool = True


#: What ends a request. Bytes are the body of a RESULT that nothing else comes with.
Response = bytes | Frame | TimedOut | ConnectionLost


def _is_never_abandoned(_token: object) -> bool:
    return False


class Connection(Generic[T]):
    """One connection after its handshake.

    Args:
        frames: Makes and cuts its frames.
        now: The time.
        keep_alive: When it is doubted.
        error: Makes an exception of what ends it, where no exception is given to ``close``.
        is_abandoned: Tells whether nobody waits for a token's response any more. Such a request isn't sent
            any more, and keeps no connection from being closed.
    """

    def __init__(
        self,
        frames: Frames,
        now: float,
        keep_alive: KeepAlive | None = None,
        *,
        error: Callable[[str], Exception] = ConnectionError,
        is_abandoned: Callable[[T], bool] = _is_never_abandoned,
    ) -> None:
        self._make_frame = frames.make
        self._wire = frames.wire
        self._feed = frames.feed
        self._heartbeat, self._heartbeat_timeout, self._max_silence = keep_alive or KeepAlive()
        self._error = error
        self._is_abandoned = is_abandoned
        self.state = _OPEN
        #: When something arrived last; at first, when the handshake was over.
        self.received_at = now
        # By stream: the token, its deadline, and when it was sent. By rising ``sent_at``.
        self._in_flight: dict[int, tuple[T, float, float]] = {}
        # Streams whose answers nobody waits for: of requests that timed out, and of heartbeats.
        self._orphaned: set[int] = set()
        self._free: list[int] = []
        self._next_stream = 0
        # Requests for which there was no stream: the token, its deadline, opcode and body.
        self._queue: deque[tuple[T, float, int, bytes]] = deque()
        # Frames that aren't part of the data yet that is being sent, and what of that is left.
        self._out: list[bytes] = []
        self._unsent: bytes | memoryview = b""
        # Until when requests are taken, unless something arrives; in the past unless it is OPEN. One look
        # at this is all that an ordinary request costs.
        self._usable_until = now + self._max_silence
        # When it ends unless something arrives; never, where the server hasn't been asked for a sign.
        self._sign_by = inf
        #: When ``expire`` is to be called; infinity for never. It is never later than the first deadline, but
        #: may be earlier: to keep it exact would cost each request more than a look for nothing now and then.
        self.next_deadline = now + self._heartbeat

    # --- requests -----------------------------------------------------------------------

    def send(self, opcode: int, body: bytes, token: T, timeout: float, now: float) -> int:
        """Take a request; return how many are in flight with it, or 0 where it wasn't taken.

        It wasn't where the connection isn't OPEN, or has been silent for so long that the server has to
        give a sign first. Who finds that out after a pause of its own reads once, and tries again.

        Args:
            opcode: What it is.
            body: Its body.
            token: What its response comes with.
            timeout: Seconds that it has.
            now: The time.
        """
        if now > self._usable_until:
            self._doubt(now)
            return 0
        deadline = now + timeout
        if deadline < self.next_deadline:  # noqa: PLR1730 - a call for each request
            self.next_deadline = deadline
        try:
            stream = self._free.pop()
        except IndexError:
            stream = self._next_stream
            if stream == MAX_STREAMS:
                self._queue.append((token, deadline, opcode, body))
                return stream
            self._next_stream += 1
        in_flight = self._in_flight
        in_flight[stream] = (token, deadline, now)
        self._out.append(self._make_frame(opcode, stream, body))
        return len(in_flight)

    def data_to_send(self) -> bytes | memoryview:
        """Return what is to be written next; nothing, where there is nothing.

        What isn't written then is given back to ``put_back``, and comes first the next time. Requests that
        are taken meanwhile travel together behind it: in version 5, in one segment (section 2.2).
        """
        data = self._unsent
        if data:
            self._unsent = b""
        elif self._out:
            data = self._wire(self._out)
            self._out.clear()
        return data

    def put_back(self, data: bytes | memoryview, written: int) -> None:
        """Take back what ``data_to_send`` returned, as far as it couldn't be written."""
        # A view: each rest of something large would be a copy of nearly all of it.
        self._unsent = memoryview(data)[written:]

    @property
    def has_data_to_send(self) -> bool:
        """Whether anything is to be written."""
        return bool(self._unsent or self._out)

    # --- responses ----------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> list[tuple[T, Response]]:
        """Take what was read, nothing being the end; return the requests that it ends."""
        if not data:
            return self.close(self._error("The server closed the connection"))
        state = self.state
        if state is _CLOSED:
            return []
        try:
            answers = self._feed(data)
        except BrokenFrameError as exc:
            return self.close(self._error(str(exc)))
        self.received_at = now
        self._sign_by = inf
        if state is not _DRAINING:
            self.state = _OPEN
            self._usable_until = now + self._max_silence
        in_flight, free = self._in_flight, self._free
        responses: list[tuple[T, Response]] = []
        for stream, answer in answers:
            request = in_flight.pop(stream, None)
            if request is not None:
                free.append(stream)
                responses.append((request[0], answer))
            elif stream in self._orphaned:
                self._orphaned.remove(stream)
                free.append(stream)
            # Other frames are events on stream -1 (section 4.2.6), which no client has registered for, or
            # have a stream without a request. Both show that the server is alive.
        if self._queue:
            self._send_queued(now, responses)
        return responses if state is not _DRAINING else self._end_if_drained(responses)

    def _send_queued(self, now: float, responses: list[tuple[T, Response]]) -> None:
        """Give streams that are free to requests that wait for one."""
        queue, free = self._queue, self._free
        while queue and free:
            token, deadline, opcode, body = queue.popleft()
            if self._is_abandoned(token) or deadline <= now:
                responses.append((token, NEVER_SENT))
                continue
            stream = free.pop()
            self._in_flight[stream] = (token, deadline, now)
            self._out.append(self._make_frame(opcode, stream, body))

    # --- time ---------------------------------------------------------------------------

    def expire(self, now: float) -> list[tuple[T, Response]]:
        """Do what is due; return the requests that it ends.

        Before, read what has arrived: who was busy with other things for long would take for late what came
        in time.
        """
        if now < self.next_deadline or self.state is _CLOSED:
            return []
        responses = self._end_overdue(now)
        if self._sign_by <= now:
            message = f"The server gave no sign for {self._heartbeat_timeout:g} s"
            return responses + self.close(self._error(message))
        heartbeat = self.received_at + self._heartbeat
        if heartbeat <= now:
            if now > self._usable_until:
                self._doubt(now)
            self._ask_for_sign(now)
            heartbeat = now + self._heartbeat
        deadlines = [request[1] for request in self._in_flight.values()]
        deadlines += [request[1] for request in self._queue]
        self.next_deadline = min(heartbeat, self._sign_by, *deadlines)
        return responses if self.state is not _DRAINING else self._end_if_drained(responses)

    def _end_overdue(self, now: float) -> list[tuple[T, Response]]:
        """End the requests whose deadlines have passed, and doubt the server where it was silent since."""
        overdue = [(stream, one) for stream, one in self._in_flight.items() if one[1] <= now]
        is_silent = False
        for stream, (_, _, sent_at) in overdue:
            del self._in_flight[stream]
            self._orphaned.add(stream)
            # One that was abandoned before counts, too: its answer should have come by now.
            is_silent = is_silent or self.received_at < sent_at
        responses: list[tuple[T, Response]] = [(one[0], TIMED_OUT) for _, one in overdue]
        if self._queue:
            responses += [(one[0], NEVER_SENT) for one in self._queue if one[1] <= now]
            self._queue = deque([one for one in self._queue if one[1] > now])
        if is_silent:
            self._doubt(now)
        return responses

    def _doubt(self, now: float) -> None:
        """Take no requests until the server gives a sign, and ask it for one."""
        if self.state is _OPEN:
            self.state = _UNRESPONSIVE
            self._usable_until = -inf
            self._ask_for_sign(now)

    def _ask_for_sign(self, now: float) -> None:
        """Have it end unless something arrives; every server answers OPTIONS (section 4.1.3)."""
        if self._heartbeat_timeout == inf or self._sign_by < inf:
            return
        self._sign_by = now + self._heartbeat_timeout
        self.next_deadline = min(self.next_deadline, self._sign_by)
        if self._free or self._next_stream < MAX_STREAMS:
            stream = self._free.pop() if self._free else self._next_stream
            self._next_stream = max(self._next_stream, stream + 1)
            self._orphaned.add(stream)
            self._out.append(self._make_frame(OPTIONS, stream, b""))
        # Where no stream is free, an answer to any of the requests in flight will be the sign.

    # --- the end ------------------------------------------------------------------------

    def takes_requests(self, now: float) -> bool:
        """Tell whether ``send`` would take a request."""
        return now <= self._usable_until

    @property
    def in_flight(self) -> int:
        """How many requests have no answer yet, waited for or not."""
        return self.waiting + len(self._orphaned)

    @property
    def waiting(self) -> int:
        """How many requests haven't ended yet."""
        return len(self._in_flight) + len(self._queue)

    @property
    def is_closed(self) -> bool:
        """Whether it has ended."""
        return self.state is _CLOSED

    @property
    def needs_replacement(self) -> bool:
        """Whether another connection is to take its place, since it is silent or runs out of streams."""
        return self.state is not _OPEN or len(self._orphaned) >= MAX_UNANSWERED

    def retire(self) -> list[tuple[T, Response]]:
        """Take no more requests, and end as soon as nobody waits; return the requests that this ends."""
        if self.state is _CLOSED:
            return []
        self.state = _DRAINING
        self._usable_until = -inf
        return self._end_if_drained([])

    def _end_if_drained(self, responses: list[tuple[T, Response]]) -> list[tuple[T, Response]]:
        if not all(map(self._is_abandoned, self._tokens())):
            return responses
        return responses + self.close(self._error("Another connection has taken this one's place"))

    def _tokens(self) -> Iterator[T]:
        """Give what has no response yet."""
        for request in self._in_flight.values():
            yield request[0]
        for queued in self._queue:
            yield queued[0]

    def close(self, error: Exception) -> list[tuple[T, Response]]:
        """End; return all requests that hadn't ended."""
        self.state = _CLOSED
        self._usable_until = -inf
        self.next_deadline = inf
        lost, unsent = ConnectionLost(error), ConnectionLost(error, sent=False)
        responses: list[tuple[T, Response]] = [(one[0], lost) for one in self._in_flight.values()]
        responses += [(one[0], unsent) for one in self._queue]
        self._in_flight.clear()
        self._queue.clear()
        self._orphaned.clear()
        self._out.clear()
        self._unsent = b""
        return responses
