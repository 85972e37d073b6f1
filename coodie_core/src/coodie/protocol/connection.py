"""A client's connection after the handshake, as a state machine without I/O.

A transport owns the socket and the clock. It passes requests to ``send``, writes the result of
``data_to_send`` (and returns the unwritten rest with ``put_back``), passes received data to ``receive``, and
calls ``expire`` at ``next_deadline``. A request is passed in with a token, and is returned once, as the token
with its response, by ``receive``, ``expire``, ``retire`` or ``close``. No method waits. ``now`` is in seconds
of any monotonic clock.

    state          event                                                      next state
    -------------  ---------------------------------------------------------  -----------------------------
    OPEN           a request times out, nothing received since it was sent    UNRESPONSIVE, heartbeat
    OPEN           a request after ``max_silence`` without received data      UNRESPONSIVE, heartbeat
    OPEN           nothing received for the heartbeat interval                OPEN, heartbeat
    UNRESPONSIVE   data received                                              OPEN
    OPEN,          ``retire``: the connection has been replaced               DRAINING
    UNRESPONSIVE
    DRAINING       no response is awaited any more                            CLOSED
    any            nothing received within the heartbeat's timeout            CLOSED
    any            ``close``; EOF; an invalid frame                           CLOSED

Requests are accepted in OPEN only. In CLOSED all requests have ended.

``send`` assigns a stream id to a request, or queues the request until a stream is free. A request ends with
its response or at its deadline. After a deadline the stream isn't reused, because the response may still
arrive, and would be matched to another request (section 2.4.1.3). The stream is then orphaned; a connection
with many orphaned streams ``needs_replacement``.
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto
from math import inf
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, cast

from coodie._points import point
from coodie.protocol.errors import BrokenFrameError
from coodie.protocol.frames import OPTIONS, Frame
from coodie.protocol.streams import Streams, best_streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from coodie.protocol.frames import Frames

    _Streams = Streams
else:
    _Streams = Generic

__all__ = [
    "NEVER_SENT",
    "TIMED_OUT",
    "Connection",
    "ConnectionLost",
    "ConnectionState",
    "ConnectionStates",
    "KeepAlive",
    "Response",
    "TimedOut",
    "connection_class",
]

T = TypeVar("T")

#: Maximum number of requests in flight: a client's stream ids are non-negative, with 15 bits
#: (section 2.4.1.3).
MAX_STREAMS = 32_768

#: Number of orphaned streams from which a connection should be replaced.
MAX_UNANSWERED = 1024


class ConnectionState(Enum):
    """The states of a connection."""

    OPEN = auto()
    UNRESPONSIVE = auto()
    DRAINING = auto()
    CLOSED = auto()


# Module constants: looking a member up in its class costs more than the comparison.
_OPEN = ConnectionState.OPEN
_UNRESPONSIVE = ConnectionState.UNRESPONSIVE
_DRAINING = ConnectionState.DRAINING
_CLOSED = ConnectionState.CLOSED


class KeepAlive(NamedTuple):
    """The keep-alive settings, in seconds.

    Attributes:
        heartbeat: The idle time after which a heartbeat is sent.
        timeout: The heartbeat's timeout. Infinity turns heartbeats off.
        max_silence: The idle time after which no request is sent before data has been received: a firewall
            may have dropped the connection, and would discard the request.
    """

    heartbeat: float = inf
    timeout: float = inf
    max_silence: float = inf


class TimedOut(NamedTuple):
    """No response arrived before the request's deadline.

    Attributes:
        sent: The request may have been sent; otherwise it was still queued.
    """

    sent: bool = True


TIMED_OUT = TimedOut()
NEVER_SENT = TimedOut(sent=False)


class ConnectionLost(NamedTuple):
    """The connection was closed before the response arrived.

    Attributes:
        error: The reason.
        sent: The request may have been sent; otherwise it was still queued.
    """

    error: Exception
    sent: bool = True


#: The outcome of a request. Bytes are the body of a RESULT without flags.
Response = bytes | Frame | TimedOut | ConnectionLost


def _is_never_abandoned(_token: object) -> bool:
    return False


class ConnectionStates(_Streams[T]):
    """The states of a connection, and everything that is rare; ``Connection`` is this with its streams.

    Args:
        frames: Encodes and splits the connection's frames.
        now: The time.
        keep_alive: The keep-alive settings.
        error: Creates the exception for an end without one.
        is_abandoned: Returns whether a token's response isn't awaited any more. An abandoned request isn't
            sent if it is still queued, and doesn't keep a draining connection open.
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
        super().__init__(frames, MAX_STREAMS)
        self._wire = frames.wire
        self._heartbeat, self._heartbeat_timeout, self._max_silence = keep_alive or KeepAlive()
        self._error = error
        self._is_abandoned = is_abandoned
        self.state = _OPEN
        #: When data was received last; initially, the end of the handshake.
        self.received_at = now
        # Requests that wait for a stream: the token, its deadline, opcode and body.
        self._queue: deque[tuple[T, float, int, bytes]] = deque()
        # The unwritten rest of the data being sent.
        self._unsent: bytes | memoryview = b""
        # Extended by received data, in the past unless the state is OPEN.
        self.usable_until = now + self._max_silence
        # When the connection ends unless data is received; infinity if no heartbeat is in flight.
        self._sign_by = inf
        self.next_deadline = now + self._heartbeat

    # --- requests -----------------------------------------------------------------------

    def refuse(self, now: float) -> int:
        """Become unresponsive if nothing was received for ``max_silence``, and return 0."""
        self._doubt(now)
        return 0

    def enqueue(self, token: T, deadline: float, opcode: int, body: bytes) -> None:
        """Queue a request until a stream is free."""
        point("request queued: all streams are in use")
        self._queue.append((token, deadline, opcode, body))

    def data_to_send(self) -> bytes | memoryview:
        """Return the data to write next; empty if there is none.

        Return the unwritten rest with ``put_back``; it comes first in the next call. Requests that are
        accepted in the meantime follow together: in version 5, in one segment (section 2.2).
        """
        data = self._unsent
        if data:
            self._unsent = b""
        elif self.out:
            data = self._wire(self.out)
            self.out.clear()
        return data

    def put_back(self, data: bytes | memoryview, written: int) -> None:
        """Take back the unwritten rest of the data of ``data_to_send``."""
        point("partial write")
        # A view: slicing would copy large data after each partial write.
        self._unsent = memoryview(data)[written:]

    @property
    def has_data_to_send(self) -> bool:
        """Whether there is data to write."""
        return bool(self._unsent or self.out)

    # --- responses ----------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> list[tuple[T, Response]]:
        """Process received data, where empty data means EOF; return the requests that end."""
        if not data:
            return self.close(self._error("The server closed the connection"))
        state = self.state
        if state is _CLOSED:
            return []
        try:
            found = self.match(data, now)
        except BrokenFrameError as exc:
            point("invalid frame received")
            return self.close(self._error(str(exc)))
        self.received_at = now
        self._sign_by = inf
        responses = cast("list[tuple[T, Response]]", found)
        if state is not _DRAINING:
            self.state = _OPEN
            self.usable_until = now + self._max_silence
        if self._queue:
            self._send_queued(now, responses)
        return responses if state is not _DRAINING else self._end_if_drained(responses)

    def received_late(self) -> None:
        """Handle a response whose request has timed out."""
        point("response after its request timed out")

    def _send_queued(self, now: float, responses: list[tuple[T, Response]]) -> None:
        """Assign free streams to queued requests."""
        queue = self._queue
        while queue and self.has_free_stream:
            token, deadline, opcode, body = queue.popleft()
            if self._is_abandoned(token) or deadline <= now:
                responses.append((token, NEVER_SENT))
            else:
                self.assign(token, deadline, opcode, body, now)

    # --- time ---------------------------------------------------------------------------

    def expire(self, now: float) -> list[tuple[T, Response]]:
        """Handle expired deadlines; return the requests that end.

        Read first: after a pause of the transport, responses that arrived in time may not have been read yet.
        """
        if now < self.next_deadline or self.state is _CLOSED:
            return []
        responses = self._end_overdue(now)
        if self._sign_by <= now:
            message = f"The server sent nothing for {self._heartbeat_timeout:g} s"
            return responses + self.close(self._error(message))
        heartbeat = self.received_at + self._heartbeat
        if heartbeat <= now:
            if now > self.usable_until:
                self._doubt(now)
            self._ask_for_sign(now)
            heartbeat = now + self._heartbeat
        deadlines = [request[1] for request in self.requests()]
        deadlines += [request[1] for request in self._queue]
        self.next_deadline = min(heartbeat, self._sign_by, *deadlines)
        return responses if self.state is not _DRAINING else self._end_if_drained(responses)

    def _end_overdue(self, now: float) -> list[tuple[T, Response]]:
        """End overdue requests; become unresponsive if nothing was received since one was sent."""
        overdue = self.orphan_overdue(now)
        # An abandoned request counts, too: its response is overdue as well.
        is_silent = any(self.received_at < sent_at for _, sent_at in overdue)
        responses: list[tuple[T, Response]] = [(token, TIMED_OUT) for token, _ in overdue]
        if self._queue:
            responses += [(one[0], NEVER_SENT) for one in self._queue if one[1] <= now]
            self._queue = deque([one for one in self._queue if one[1] > now])
        if is_silent:
            self._doubt(now)
        return responses

    def _doubt(self, now: float) -> None:
        """Become unresponsive: accept no requests until data is received, and send a heartbeat."""
        if self.state is _OPEN:
            point("server unresponsive")
            self.state = _UNRESPONSIVE
            self.usable_until = -inf
            self._ask_for_sign(now)

    def _ask_for_sign(self, now: float) -> None:
        """Send a heartbeat with its timeout; every server responds to OPTIONS (section 4.1.3)."""
        if self._heartbeat_timeout == inf or self._sign_by < inf:
            return
        self._sign_by = now + self._heartbeat_timeout
        self.next_deadline = min(self.next_deadline, self._sign_by)
        if self.has_free_stream:
            self.send_orphan(OPTIONS, b"")
        # If no stream is free, a response to any request in flight serves as well.

    # --- closing ------------------------------------------------------------------------

    def takes_requests(self, now: float) -> bool:
        """Return whether ``send`` accepts requests."""
        return now <= self.usable_until

    @property
    def in_flight(self) -> int:
        """The number of requests without a response, orphaned streams included."""
        return self.waiting + self.orphaned

    @property
    def queued(self) -> int:
        """The number of requests that wait for a stream."""
        return len(self._queue)

    @property
    def waiting(self) -> int:
        """The number of requests that haven't ended."""
        return self.assigned + len(self._queue)

    @property
    def is_closed(self) -> bool:
        """Whether the connection is closed."""
        return self.state is _CLOSED

    @property
    def needs_replacement(self) -> bool:
        """Whether the connection should be replaced: it isn't OPEN, or has many orphaned streams."""
        return self.state is not _OPEN or self.orphaned >= MAX_UNANSWERED

    def retire(self) -> list[tuple[T, Response]]:
        """Accept no more requests, and close once no response is awaited; return the requests that end."""
        if self.state is _CLOSED:
            return []
        self.state = _DRAINING
        self.usable_until = -inf
        return self._end_if_drained([])

    def _end_if_drained(self, responses: list[tuple[T, Response]]) -> list[tuple[T, Response]]:
        if not all(map(self._is_abandoned, self._tokens())):
            return responses
        return responses + self.close(self._error("The connection was retired"))

    def _tokens(self) -> Iterator[T]:
        """Yield the tokens of all requests that haven't ended."""
        for request in self.requests():
            yield request[0]
        for queued in self._queue:
            yield queued[0]

    def close(self, error: Exception) -> list[tuple[T, Response]]:
        """Close the connection; return all requests that hadn't ended."""
        self.state = _CLOSED
        self.usable_until = -inf
        self.next_deadline = inf
        lost, unsent = ConnectionLost(error), ConnectionLost(error, sent=False)
        responses: list[tuple[T, Response]] = [(one[0], lost) for one in self.requests()]
        responses += [(one[0], unsent) for one in self._queue]
        self.clear()
        self._queue.clear()
        self._unsent = b""
        return responses


def connection_class(streams: type[Any]) -> type[ConnectionStates[Any]]:
    """Return the connection on an implementation of the streams: in Python, or the accelerator's."""
    return type("Connection", (ConnectionStates, streams), {"__module__": __name__})


if TYPE_CHECKING:
    #: One connection after its handshake.
    Connection = ConnectionStates
else:
    Connection = connection_class(best_streams())
