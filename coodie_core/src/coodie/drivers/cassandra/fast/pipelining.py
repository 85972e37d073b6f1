"""Many requests of one thread at once: on connections that it has to itself, written and read together."""

from __future__ import annotations

import select
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from cassandra.connection import ConnectionShutdown

from coodie.drivers.cassandra.fast.answers import Lost
from coodie.drivers.cassandra.fast.sockets import RECEIVE, RETRY, receive
from coodie.protocol.errors import BrokenFrameError
from coodie.protocol.frames import MAX_UNANSWERED, STREAMS

if TYPE_CHECKING:
    from coodie.drivers.cassandra.fast.answers import Answer
    from coodie.drivers.cassandra.fast.blocking import BlockingConnection
    from coodie.drivers.cassandra.fast.exchange import Exchange
    from coodie.drivers.cassandra.fast.lanes import ThreadLane
    from coodie.drivers.cassandra.fast.path import FastPath

__all__ = ["Pipeline", "Place"]

T = TypeVar("T")


class Place(NamedTuple):
    """Where a request waits for its answer."""

    pipe: _Pipe[Any]
    stream: int


class Pipeline(Generic[T]):
    """Send, and take the answers as they come; used in one thread.

    Args:
        path: The driver's fast path.
    """

    def __init__(self, path: FastPath) -> None:
        self._path = path
        self._poll = select.poll()
        # By file number; and those that end where requests belong, by node and shard.
        self._pipes: dict[int, _Pipe[T]] = {}
        self._ways: dict[tuple[ThreadLane, int | None], _Pipe[T]] = {}

    @property
    def in_flight(self) -> int:
        """How many requests have no answer yet, but for those that were given up."""
        return sum([len(pipe.in_flight) for pipe in self._pipes.values()])

    def send(self, exchange: Exchange, token: T) -> Place | None:
        """Take a request; return where it waits, or None where there is no connection for it.

        Args:
            exchange: The request.
            token: What its answer is to be handed out with.
        """
        lane = self._path.thread_lane(exchange)
        if lane is None:
            return None
        shard = self._path.shard(exchange)
        pipe = self._ways.get((lane, shard))
        if pipe is not None and pipe.is_old():
            self._forget(pipe)
            pipe = None
        if pipe is None:
            # Another shard's serves until there is a connection to this one.
            others = (other for other in self._pipes.values() if other.lane is lane and not other.is_old())
            pipe = next(others, None)
            connection = lane.take(shard, borrow=pipe is None)
            if connection is not None:
                pipe = self._pipes[connection.sock.fileno()] = _Pipe(connection, lane)
                self._ways[lane, connection.shard] = pipe
        if pipe is None:
            return None
        stream = pipe.add(exchange, token)
        return None if stream is None else Place(pipe, stream)

    def give_up(self, place: Place, sent_at: float) -> None:
        """Wait for an answer no more: its time is over.

        A connection that has been silent since the request was sent gets no more of them, nor does one where
        too many answers are overdue; others that wait there go on to do so.

        Args:
            place: Where the request waits.
            sent_at: When it was sent, on the monotonic clock.
        """
        pipe = place.pipe
        pipe.give_up(place.stream, sent_at)
        if pipe.is_retired:
            self._forget(pipe)

    def answers(self, timeout: float) -> list[tuple[T, Answer]]:
        """Send what was taken, and return the answers that have come.

        Args:
            timeout: Seconds to wait for the first, at most.
        """
        for number, pipe in self._pipes.items():
            pipe.flush()
            self._poll.register(number, select.POLLIN | (select.POLLOUT if pipe.unsent else 0))
        found: list[tuple[T, Answer]] = []
        for number, _ in self._poll.poll(timeout * 1000):
            found += self._pipes[number].receive()
        for number, pipe in list(self._pipes.items()):
            if pipe.error is not None:
                found += [(token, Lost(pipe.error)) for token in pipe.in_flight.values()]
                pipe.in_flight.clear()
                self._release(number)
            elif pipe.is_retired and not pipe.in_flight:
                self._release(number)
        return found

    def close(self) -> None:
        """Give the connections back; those with answers outstanding are closed."""
        for number in list(self._pipes):
            self._release(number)

    def _release(self, number: int) -> None:
        pipe = self._pipes.pop(number)
        self._forget(pipe)
        with suppress(KeyError):  # never polled
            self._poll.unregister(number)
        if pipe.in_flight or pipe.given_up or pipe.unsent or pipe.error is not None:
            pipe.lane.drop(pipe.connection)
        else:
            pipe.lane.give(pipe.connection)

    def _forget(self, pipe: _Pipe[T]) -> None:
        """Send no more requests to a connection."""
        way = pipe.lane, pipe.connection.shard
        if self._ways.get(way) is pipe:
            del self._ways[way]


class _Pipe(Generic[T]):
    """One of its connections."""

    def __init__(self, connection: BlockingConnection, lane: ThreadLane) -> None:
        self.connection = connection
        self.lane = lane
        self.in_flight: dict[int, T] = {}
        #: Streams of requests that nobody waits for any more; taken until their answers come.
        self.given_up: set[int] = set()
        #: It gets no more requests.
        self.is_retired = False
        self.unsent = b""
        #: What ended the connection.
        self.error: Exception | None = None
        self._free: list[int] = []
        self._next = 0
        self._out: list[bytes] = []
        self._received_at = monotonic()

    def add(self, exchange: Exchange, token: T) -> int | None:
        """Take a request; return its stream, or None where there is none."""
        if self.error is not None or (not self._free and self._next == STREAMS):
            return None
        if self._free:
            stream = self._free.pop()
        else:
            stream = self._next
            self._next += 1
        self.in_flight[stream] = token
        self._out.append(self.connection.frames.make(exchange.opcode, stream, exchange.body))
        return stream

    def is_old(self) -> bool:
        """Tell whether it gets no more requests, for one because nothing has come for too long."""
        self.is_retired = self.is_retired or self._received_at + self.lane.oldest < monotonic()
        return self.is_retired

    def give_up(self, stream: int, sent_at: float) -> None:
        """Note that nobody waits for an answer any more."""
        if self.in_flight.pop(stream, None) is not None:
            self.given_up.add(stream)
        self.is_retired |= self._received_at < sent_at or len(self.given_up) >= MAX_UNANSWERED

    def flush(self) -> None:
        if self._out:
            self.unsent += self.connection.frames.wire(self._out)
            self._out.clear()
        if self.unsent:
            try:
                self.unsent = self.unsent[self.connection.sock.send(self.unsent) :]
            except RETRY:
                return
            except OSError as exc:
                self.error = exc

    def receive(self) -> list[tuple[T, Answer]]:
        try:
            data = receive(self.connection.sock, RECEIVE)
            answers = self.connection.frames.feed(data)
        except RETRY:
            return []
        except OSError as exc:
            self.error = exc
            return []
        except BrokenFrameError as exc:
            self.error = ConnectionShutdown(str(exc))
            return []
        self._received_at = monotonic()
        if not data:
            self.error = ConnectionShutdown("The server closed the connection")
        found: list[tuple[T, Answer]] = []
        for stream, answer in answers:
            if stream in self.in_flight:
                self._free.append(stream)
                found.append((self.in_flight.pop(stream), answer))
            elif stream in self.given_up:
                self.given_up.remove(stream)
                self._free.append(stream)
        return found
