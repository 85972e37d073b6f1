"""The streams of a connection: number requests, encode them, and match responses with them.

``Streams`` is the part of a connection through which each request passes. coodie-accel has the same class in
C, which is used where it is installed; ``ConnectionStates`` extends either of them by everything that is
rare, and implements the methods that both call: ``refuse``, ``enqueue`` and ``received_late``.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from coodie.protocol._accelerator import accelerator

if TYPE_CHECKING:
    from coodie.protocol.frames import Frame, Frames

__all__ = ["LATENCIES", "Streams", "best_streams"]

T = TypeVar("T")

#: The number of response times that a connection keeps; a power of two, for a cheap index.
LATENCIES = 128
_LATENCY_MASK = LATENCIES - 1


class Streams(Generic[T]):
    """The requests in flight of one connection.

    Args:
        frames: Encodes and splits the connection's frames.
        limit: The number of streams.
    """

    def __init__(self, frames: Frames, limit: int) -> None:
        self._make_frame = frames.make
        self._feed = frames.feed
        self._limit = limit
        # By stream id: the token, its deadline, and when it was sent. Ordered by the last.
        self._in_flight: dict[int, tuple[T, float, float]] = {}
        # Streams of timed-out requests and of heartbeats.
        self._orphaned: set[int] = set()
        self._free: list[int] = []
        self._next_stream = 0
        # A ring of the last response times in seconds, one for each read.
        self._latencies = [0.0] * LATENCIES
        self._measured = 0
        #: Frames to be sent.
        self.out: list[bytes] = []
        #: Until when requests are accepted: one comparison is the only check per request.
        self.usable_until = -inf
        #: When to call ``expire``; infinity for never. Never later than the first deadline, but possibly
        #: earlier: an exact value would cost more per request than an occasional needless call.
        self.next_deadline = inf

    # --- implemented by the connection --------------------------------------------------

    def refuse(self, now: float) -> int:
        """Handle a request after ``usable_until``, and return 0."""
        raise NotImplementedError

    def enqueue(self, token: T, deadline: float, opcode: int, body: bytes) -> None:
        """Queue a request until a stream is free."""
        raise NotImplementedError

    def received_late(self) -> None:
        """Handle a response whose request has timed out."""
        raise NotImplementedError

    # --- requests -----------------------------------------------------------------------

    def send(self, opcode: int, body: bytes, token: T, timeout: float, now: float) -> int:
        """Accept a request; return the number of requests in flight, or 0 if it wasn't accepted.

        It isn't accepted if the state isn't OPEN, or if nothing has been received for ``max_silence``. A
        transport that may have been paused itself reads once, and tries again.

        Args:
            opcode: The frame's opcode.
            body: The frame's body.
            token: Returned with the response.
            timeout: The request's timeout in seconds.
            now: The time.
        """
        if now > self.usable_until:
            return self.refuse(now)
        deadline = now + timeout
        if deadline < self.next_deadline:  # noqa: PLR1730 - min() would be a call per request
            self.next_deadline = deadline
        try:
            stream = self._free.pop()
        except IndexError:
            stream = self._next_stream
            if stream == self._limit:
                self.enqueue(token, deadline, opcode, body)
                return stream
            self._next_stream += 1
        in_flight = self._in_flight
        in_flight[stream] = (token, deadline, now)
        self.out.append(self._make_frame(opcode, stream, body))
        return len(in_flight)

    def assign(self, token: T, deadline: float, opcode: int, body: bytes, now: float) -> None:
        """Send a queued request; there is a free stream (``has_free_stream``)."""
        stream = self._take_stream()
        self._in_flight[stream] = (token, deadline, now)
        self.out.append(self._make_frame(opcode, stream, body))

    def send_orphan(self, opcode: int, body: bytes) -> None:
        """Send a request whose response isn't awaited; there is a free stream."""
        stream = self._take_stream()
        self._orphaned.add(stream)
        self.out.append(self._make_frame(opcode, stream, body))

    def _take_stream(self) -> int:
        if self._free:
            return self._free.pop()
        self._next_stream += 1
        return self._next_stream - 1

    @property
    def has_free_stream(self) -> bool:
        """Whether a request can be sent without being queued."""
        return bool(self._free) or self._next_stream < self._limit

    # --- responses ----------------------------------------------------------------------

    def match(self, data: bytes, now: float) -> list[tuple[T, bytes | Frame]]:
        """Process received data; return the requests whose responses are complete.

        Raises:
            BrokenFrameError: The data isn't a valid frame.
        """
        in_flight, free = self._in_flight, self._free
        responses: list[tuple[T, bytes | Frame]] = []
        request: tuple[T, float, float] | None = None
        for stream, answer in self._feed(data):
            request = in_flight.pop(stream, None)
            if request is not None:
                free.append(stream)
                responses.append((request[0], answer))
            elif stream in self._orphaned:
                self._orphaned.remove(stream)
                free.append(stream)
                if isinstance(answer, bytes):  # not a heartbeat's
                    self.received_late()
            # Other frames are events on stream -1 (section 4.2.6), which no client has registered for, or
            # have a stream id without a request. Both show that the server is alive.
        if request is not None:
            # Only the last response is measured, which keeps the overhead of a busy connection low.
            self._latencies[self._measured & _LATENCY_MASK] = now - request[2]
            self._measured += 1
        return responses

    @property
    def latencies(self) -> list[float]:
        """The last response times in seconds, one for each read."""
        return self._latencies[: self._measured]

    # --- the requests in flight ---------------------------------------------------------

    def requests(self) -> list[tuple[T, float]]:
        """Return the requests in flight with their deadlines, in the order in which they were sent."""
        return [request[:2] for request in self._in_flight.values()]

    def orphan_overdue(self, now: float) -> list[tuple[T, float]]:
        """Orphan the streams of overdue requests; return these, each with the time when it was sent."""
        overdue = [(stream, one) for stream, one in self._in_flight.items() if one[1] <= now]
        for stream, _ in overdue:
            del self._in_flight[stream]
            self._orphaned.add(stream)
        return [(one[0], one[2]) for _, one in overdue]

    def clear(self) -> None:
        """Forget all requests, and the frames to be sent."""
        self._in_flight.clear()
        self._orphaned.clear()
        self.out.clear()

    @property
    def assigned(self) -> int:
        """The number of requests that have a stream, without orphaned ones."""
        return len(self._in_flight)

    @property
    def orphaned(self) -> int:
        """The number of orphaned streams."""
        return len(self._orphaned)


def best_streams() -> type[Streams[Any]]:
    """Return the accelerator's class if it is installed."""
    module = accelerator()
    found: type[Streams[Any]] = Streams if module is None else module.Streams
    return found
