"""Connections of an event loop: all requests of one tick are sent with a single write."""

from __future__ import annotations

from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any

from cassandra.connection import ConnectionShutdown

from coodie.drivers.cassandra.fastpath.sockets import LARGE_READ_SIZE, READ_SIZE, WOULD_BLOCK, reader
from coodie.protocol._accelerator import accelerator
from coodie.protocol.connection import Connection, ConnectionState, KeepAlive

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from coodie.drivers.cassandra.fastpath.driver_internals import EstablishedConnection
    from coodie.protocol.connection import Response

__all__ = ["AsyncConnection"]

_OPEN = ConnectionState.OPEN

#: Sets the results of futures; None without the accelerator.
deliver: Any = getattr(accelerator(), "deliver", None)

#: Minimum seconds between two checks for timed-out requests; each check visits all requests.
_EXPIRY_INTERVAL = 0.1

#: Seconds after the heartbeat interval in which the server has to respond before new requests are sent.
_HEARTBEAT_GRACE = 1.0


class AsyncConnection:
    """Send requests and deliver their responses; used in the event loop's thread only.

    Args:
        link: The established connection, owned by this object.
        loop: The event loop.
        heartbeat: Idle seconds after which a heartbeat is sent; 0 for never.
        heartbeat_timeout: The heartbeat's timeout in seconds.
        on_closed: Called once, when the connection is closed.
        before_flush: Called before the requests of a tick are sent.
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
        #: The event loop.
        self.loop = loop
        self._create_future: Callable[[], asyncio.Future[Response]] = loop.create_future
        self._sock = link.sock
        self._sock.settimeout(0)
        self._recv = reader(link.sock)
        keep_alive = KeepAlive(heartbeat or inf, heartbeat_timeout, (heartbeat or inf) + _HEARTBEAT_GRACE)
        #: The protocol's state machine.
        self.protocol: Connection[asyncio.Future[Response]] = Connection(
            link.frames,
            monotonic(),
            keep_alive,
            error=ConnectionShutdown,
            is_abandoned=lambda future: future.done(),
        )
        self._take = self.protocol.send
        #: Whether the accelerator's templates can be used: its streams are, and bodies aren't compressed.
        self.takes_templates = hasattr(self.protocol, "execute") and not link.frames.compresses
        from asyncio import current_task  # sync programs don't pay for the import

        self._current_task = current_task
        self._on_closed = on_closed
        self._before_flush = before_flush
        self._read_size = READ_SIZE
        # Whether the last read had several responses: their tasks may send requests in the same tick.
        self._read_several = False
        self._is_writing = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_deadline = inf
        self._expired_at = -inf
        #: Whether requests of the current tick haven't been sent yet.
        self.has_unsent_requests = False
        #: Whether the connection is closed.
        self.is_closed = False
        loop.add_reader(self._sock, self._readable)
        self._set_timer()

    @property
    def in_flight(self) -> int:
        """The number of requests without a response, abandoned ones included."""
        return self.protocol.in_flight

    @property
    def is_unresponsive(self) -> bool:
        """Whether the server hasn't responded since a request timed out, or for a long time."""
        return self.protocol.state is ConnectionState.UNRESPONSIVE

    # --- sending ------------------------------------------------------------------------

    def send(self, opcode: int, body: bytes, timeout: float) -> asyncio.Future[Response] | None:
        """Send a request by the end of the current tick; return the future of the response.

        Return None if nothing was sent, since the server is unresponsive.
        """
        future = self._create_future()
        in_flight = self._take(opcode, body, future, timeout, monotonic())
        if in_flight and self.has_unsent_requests:
            return future
        if not in_flight:
            # The loop may have been blocked: data that arrived since shows that the server is alive.
            self._read()
            in_flight = self._take(opcode, body, future, timeout, monotonic())
        self._send_soon(in_flight)
        return future if in_flight else None

    def accepted(self) -> None:
        """Send a request that the protocol has accepted from a template, by the end of the current tick."""
        if not self.has_unsent_requests:
            self._send_soon(self.protocol.assigned)

    def _send_soon(self, in_flight: int) -> None:
        """Send an accepted request at once, or at the end of the tick."""
        if in_flight == 1 and not self._read_several:
            # The only request in flight: don't wait for others.
            self._flush()
        else:
            self._flush_soon()

    def _flush_soon(self) -> None:
        if not self.has_unsent_requests and not self.is_closed:
            self.has_unsent_requests = True
            self.loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Send the requests of the tick with a single write."""
        self.has_unsent_requests = False
        self._before_flush()
        if not self._is_writing:
            self._write()
        if self.protocol.next_deadline < self._timer_deadline:
            self._set_timer()

    def _write(self) -> None:
        protocol = self.protocol
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
                self.loop.add_writer(self._sock, self._write)
        elif self._is_writing and not protocol.has_data_to_send:
            self._is_writing = False
            self.loop.remove_writer(self._sock)

    # --- receiving ----------------------------------------------------------------------

    def _readable(self) -> None:
        """Read once, and run the tasks whose responses have arrived; called by the event loop only."""
        if deliver is None:
            self._read()
            return
        is_flushed_later = self.has_unsent_requests
        # What the tasks send leaves with one write, at the end.
        self.has_unsent_requests = True
        try:
            # From within a task, no other can run; loops that are nested in one call this, too.
            self._read(at_once=self._current_task(self.loop) is None)
        finally:
            if not is_flushed_later:
                self._flush()

    def _read(self, *, at_once: bool = False) -> None:
        """Read once.

        Args:
            at_once: With the accelerator, run the tasks whose responses have arrived, instead of in the
                loop's next turn.
        """
        try:
            data = self._recv(self._read_size)
        except WOULD_BLOCK:
            return
        except OSError as exc:
            self.close(exc)
            return
        self._read_size = LARGE_READ_SIZE if len(data) >= READ_SIZE else READ_SIZE
        protocol = self.protocol
        ended = protocol.receive(data, monotonic())
        self._read_several = len(ended) > 1
        try:
            if deliver is not None:
                deliver(ended, at_once)
            else:  # not _deliver(): that would be one more call per read
                for future, response in ended:
                    if not future.done():
                        future.set_result(response)
        finally:  # a task may be interrupted
            if protocol.state is not _OPEN or protocol.has_data_to_send:
                self._go_on()

    def _deliver(self, ended: list[Any]) -> None:
        """Set the results of the futures."""
        if deliver is not None:
            deliver(ended, at_once=False)
        else:
            for future, response in ended:
                if not future.done():
                    future.set_result(response)
        self._go_on()

    def _go_on(self) -> None:
        """Act on the protocol's new state."""
        if self.protocol.is_closed:
            self._close()
        elif self.protocol.has_data_to_send and not self._is_writing:
            self._flush_soon()

    # --- time ---------------------------------------------------------------------------

    def _set_timer(self) -> None:
        """Set the timer to the next deadline."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_deadline = deadline = self.protocol.next_deadline
        if deadline < inf:
            delay = max(deadline, self._expired_at + _EXPIRY_INTERVAL) - monotonic()
            self._timer = self.loop.call_later(max(0.0, delay), self._expire_requests)

    def _expire_requests(self) -> None:
        self._timer = None
        if self.protocol.next_deadline <= monotonic():
            # The loop may have been busy: data that arrived in the meantime isn't late.
            self._read()
            self._expired_at = monotonic()
            self._deliver(self.protocol.expire(self._expired_at))
        self._set_timer()

    # --- closing ------------------------------------------------------------------------

    def retire(self) -> None:
        """Accept no more requests, and close as soon as no response is awaited."""
        self._deliver(self.protocol.retire())

    def close(self, error: Exception) -> None:
        """Close the connection, and fail the requests in flight; do nothing if it is closed."""
        ended = self.protocol.close(error)
        # The futures of a closed loop can't be completed, and nobody awaits them.
        self._deliver([] if self.loop.is_closed() else ended)

    def _close(self) -> None:
        """Close the socket, once."""
        if self.is_closed:
            return
        self.is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        if not self.loop.is_closed():
            self.loop.remove_reader(self._sock)
            self.loop.remove_writer(self._sock)
        self._sock.close()
        self._on_closed(self)
