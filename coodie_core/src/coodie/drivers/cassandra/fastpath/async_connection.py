"""A connection on an event loop: read there, and written once for all that is sent in one tick."""

from __future__ import annotations

from math import inf
from time import monotonic
from typing import TYPE_CHECKING

from cassandra.connection import ConnectionShutdown

from coodie.drivers.cassandra.fastpath.sockets import LARGE_READ_SIZE, READ_SIZE, WOULD_BLOCK, receive
from coodie.protocol.connection import Connection, ConnectionState, KeepAlive

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from coodie.drivers.cassandra.fastpath.driver_internals import EstablishedConnection
    from coodie.protocol.connection import Response

    #: Requests that have ended, each as the future of its response, and the response.
    _Ended = Sequence[tuple[asyncio.Future[Response], Response]]

__all__ = ["AsyncConnection"]

_OPEN = ConnectionState.OPEN

#: Seconds between two looks for requests that have timed out, at least: each look goes through all of them.
_EXPIRY_INTERVAL = 0.1

#: Seconds beyond the heartbeat's interval that its answer may take before no other request is sent.
_HEARTBEAT_GRACE = 1.0


class AsyncConnection:
    """Send requests and hand out their responses; used in the loop's own thread alone.

    Args:
        link: The connection, which belongs to this object from now on.
        loop: The loop.
        heartbeat: Seconds of silence after which the server is asked for a sign; 0 for never.
        heartbeat_timeout: Seconds that it has for that.
        on_closed: Called once, when the connection can't be used any more.
        before_flush: Called before what a tick of the loop has collected is sent.
    """

    def __init__(
        self,
        link: EstablishedConnection,
        loop: asyncio.AbstractEventLoop,
        *,
        heartbeat: float,
        heartbeat_timeout: float,
        on_closed: Callable[[AsyncConnection], None],
        before_flush: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._create_future: Callable[[], asyncio.Future[Response]] = loop.create_future
        self._sock = link.sock
        self._sock.settimeout(0)
        keep_alive = KeepAlive(heartbeat or inf, heartbeat_timeout, (heartbeat or inf) + _HEARTBEAT_GRACE)
        self._protocol: Connection[asyncio.Future[Response]] = Connection(
            link.frames,
            monotonic(),
            keep_alive,
            error=ConnectionShutdown,
            is_abandoned=lambda future: future.done(),
        )
        self._take = self._protocol.send
        self._on_closed = on_closed
        self._before_flush = before_flush
        self._read_size = READ_SIZE
        # Whether the last read brought several responses: their tasks may send again in the same tick.
        self._read_several = False
        self._is_writing = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_deadline = inf
        self._expired_at = -inf
        #: Whether requests of this tick of the loop wait to be sent together.
        self.has_unsent_requests = False
        #: Closed, or broken.
        self.is_closed = False
        loop.add_reader(self._sock, self._readable)
        self._set_timer()

    @property
    def in_flight(self) -> int:
        """How many requests have no answer yet; those that nobody waits for are among them."""
        return self._protocol.in_flight

    @property
    def is_unresponsive(self) -> bool:
        """Whether a request timed out, or is to be sent after a long pause, and the server gives no sign."""
        return self._protocol.state is ConnectionState.UNRESPONSIVE

    @property
    def needs_replacement(self) -> bool:
        """Whether another connection is to take its place."""
        return self._protocol.needs_replacement

    # --- sending ------------------------------------------------------------------------

    def send(self, opcode: int, body: bytes, timeout: float) -> asyncio.Future[Response] | None:
        """Send a request before the loop's next tick; return the future of its response.

        None where nothing was sent: the server has to give a sign before.
        """
        future = self._create_future()
        in_flight = self._take(opcode, body, future, timeout, monotonic())
        if in_flight and self.has_unsent_requests:
            return future
        if not in_flight:
            # The loop may have been blocked for long: what has come meanwhile is a sign.
            self._readable()
            in_flight = self._take(opcode, body, future, timeout, monotonic())
        if in_flight == 1 and not self._read_several:
            # The only request in flight: there is nothing to collect it with.
            self._flush()
        else:
            self._flush_soon()
        return future if in_flight else None

    def _flush_soon(self) -> None:
        if not self.has_unsent_requests and not self.is_closed:
            self.has_unsent_requests = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Send what has been collected, as one write."""
        self.has_unsent_requests = False
        self._before_flush()
        if not self._is_writing:
            self._write()
        if self._protocol.next_deadline < self._timer_deadline:
            self._set_timer()

    def _write(self) -> None:
        protocol = self._protocol
        data = protocol.data_to_send()
        if not data:
            return
        try:
            size = self._sock.send(data)
        except WOULD_BLOCK:
            size = 0
        except OSError as exc:
            self.close(exc)
            return
        if size < len(data):
            protocol.put_back(data, size)
            if not self._is_writing:
                self._is_writing = True
                self._loop.add_writer(self._sock, self._write)
        elif self._is_writing and not protocol.has_data_to_send:
            self._is_writing = False
            self._loop.remove_writer(self._sock)

    # --- receiving ----------------------------------------------------------------------

    def _readable(self) -> None:
        try:
            data = receive(self._sock, self._read_size)
        except WOULD_BLOCK:
            return
        except OSError as exc:
            self.close(exc)
            return
        self._read_size = LARGE_READ_SIZE if len(data) >= READ_SIZE else READ_SIZE
        protocol = self._protocol
        ended = protocol.receive(data, monotonic())
        self._read_several = len(ended) > 1
        # As _deliver does it; to call that would be a call more for each read.
        for future, response in ended:
            if not future.done():
                future.set_result(response)
        if protocol.state is not _OPEN or protocol.has_data_to_send:
            self._go_on()

    def _deliver(self, ended: _Ended) -> None:
        """Hand responses to those who wait."""
        for future, response in ended:
            if not future.done():
                future.set_result(response)
        self._go_on()

    def _go_on(self) -> None:
        """Do what follows from what the protocol has done."""
        if self._protocol.is_closed:
            self._close()
        elif self._protocol.has_data_to_send and not self._is_writing:
            self._flush_soon()

    # --- time ---------------------------------------------------------------------------

    def _set_timer(self) -> None:
        """Have the next deadline looked after."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_deadline = deadline = self._protocol.next_deadline
        if deadline < inf:
            delay = max(deadline, self._expired_at + _EXPIRY_INTERVAL) - monotonic()
            self._timer = self._loop.call_later(max(0.0, delay), self._expire_requests)

    def _expire_requests(self) -> None:
        self._timer = None
        if self._protocol.next_deadline <= monotonic():
            # The loop may have been busy for long: what has come meanwhile isn't late.
            self._readable()
            self._expired_at = monotonic()
            self._deliver(self._protocol.expire(self._expired_at))
        self._set_timer()

    # --- the end ------------------------------------------------------------------------

    def retire(self) -> None:
        """Close as soon as nobody waits for a response any more: another connection has taken its place."""
        self._deliver(self._protocol.retire())

    def close(self, error: Exception) -> None:
        """Close, and tell all who wait why; does nothing where it is closed."""
        ended = self._protocol.close(error)
        # On a closed loop nobody waits any more, and nothing can be told.
        self._deliver([] if self._loop.is_closed() else ended)

    def _close(self) -> None:
        """Let go of the socket, the first time."""
        if self.is_closed:
            return
        self.is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        if not self._loop.is_closed():
            self._loop.remove_reader(self._sock)
            self._loop.remove_writer(self._sock)
        self._sock.close()
        self._on_closed(self)
