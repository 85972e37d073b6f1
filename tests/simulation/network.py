"""Sockets without a network: latencies, partial reads and writes, resets, silence, by the world's seed."""

from __future__ import annotations

import errno
from collections import deque
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any

from tests.simulation.world import world

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.world import Handle

    from coodie_testing.fake.node import FakeNode, NodeConnection

__all__ = ["Machine", "Network", "Poll", "Socket"]

_POLLIN, _POLLOUT = 1, 4


@dataclass
class Machine:
    """Where a node runs.

    Args:
        node: The node.
    """

    node: FakeNode
    is_up: bool = True
    #: All data from and to the node is lost, without an error.
    is_silent: bool = False
    #: Seconds beside the network's own that everything takes.
    delay: float = 0.0
    sockets: list[Socket] = field(default_factory=list)
    #: Streams that clients have used twice at a time.
    reused: list[int] = field(default_factory=list)

    def kill(self) -> None:
        """Kill the node, with all its connections."""
        self.is_up = False
        for socket in tuple(self.sockets):
            socket.reset()

    def start(self) -> None:
        """Restart the node, without its prepared statements."""
        self.is_up = True
        self.node.prepared.clear()


class Network:
    """The network of one run.

    Args:
        tears: Whether reads and writes are partial.
    """

    def __init__(self) -> None:
        self.machines: dict[tuple[str, int], Machine] = {}
        self.tears = False
        self.latency = 0.001
        self.buffer = 65_536
        self.opened = 0
        self.open_sockets: dict[int, Socket] = {}

    def connect(self, address: tuple[str, int], timeout: float | None) -> Socket:
        """Connect, blocking the calling thread.

        Raises:
            OSError: There is nobody.
        """
        machine = self.machines[address]
        here = world()
        here.sleep(self.draw_latency(machine))
        if machine.is_silent:
            here.sleep(min(timeout or 5.0, 5.0))
            raise TimeoutError(errno.ETIMEDOUT, "timed out")
        if not machine.is_up:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        return Socket(self, machine)

    def draw_latency(self, machine: Machine) -> float:
        """Return a random latency in seconds."""
        return machine.delay + self.latency * (0.2 + world().random.expovariate(1.0))


class Socket:
    """A client's side of a connection to a node.

    Args:
        network: The network.
        machine: Where the node is.
    """

    def __init__(self, network: Network, machine: Machine) -> None:
        self._network = network
        self._machine = machine
        self._node: NodeConnection = machine.node.connect()
        self._node.on_change = self._node_spoke
        network.opened += 1
        self._number = network.opened + 1000
        network.open_sockets[self._number] = self
        machine.sockets.append(self)
        self._timeout: float | None = None
        # The received data, and the time of the last arrival in each direction.
        self._inbox = bytearray()
        self._eof = False
        self._error: OSError | None = None
        self._sent_until = self._answered_until = 0.0
        self._unsent = 0
        self.is_closed = False
        self._watchers: list[Callable[[], None]] = []
        self._going: deque[bytes] = deque()
        self._coming: deque[bytes | None] = deque()
        self._is_ending = False
        self._timer: Handle | None = None

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other

    # --- calls of the client -------------------------------------------------------------

    def fileno(self) -> int:
        """Return its number."""
        return -1 if self.is_closed else self._number

    def settimeout(self, timeout: float | None) -> None:
        """Set the timeout of calls."""
        self._timeout = timeout

    def setblocking(self, flag: bool) -> None:
        """Set whether calls block."""
        self._timeout = None if flag else 0.0

    def getsockname(self) -> tuple[str, int]:
        """Return its own address."""
        return ("127.0.0.1", self._number)

    def send(self, data: Any) -> int:
        """Send as much as the buffer holds."""
        self._check()
        here = world()
        room = max(0, self._network.buffer - self._unsent)  # buffers shrink
        size = min(len(data), room)
        if size and self._network.tears and here.random.random() < 0.3:
            size = here.random.randint(0, size)
        if not size:
            here.soon(self.changed)
            raise BlockingIOError(errno.EAGAIN, "would block")
        self._unsent += size
        self._carry(bytes(data[:size]))
        return size

    def sendall(self, data: bytes) -> None:
        """Send all data."""
        self._check()
        self._unsent += len(data)
        self._carry(data)

    def recv(self, size: int) -> bytes:
        """Return received data, or a part of it."""
        if not self.is_readable and self._timeout != 0:
            self._wait_readable(self._timeout)
        self._check()
        if not self._inbox:
            if self._eof:
                return b""
            if self._timeout == 0:
                raise BlockingIOError(errno.EAGAIN, "would block")
            raise TimeoutError("timed out")
        size = min(size, len(self._inbox))
        here = world()
        if self._network.tears and here.random.random() < 0.3:
            size = here.random.randint(1, size)
        data = bytes(self._inbox[:size])
        del self._inbox[:size]
        return data

    def shutdown(self, _how: int) -> None:
        """Shut the connection down."""
        if self.is_closed:
            raise OSError(errno.ENOTCONN, "not connected")
        self._eof = True
        self.changed()

    def close(self) -> None:
        """Close it."""
        if self.is_closed:
            return
        self.is_closed = True
        self._network.open_sockets.pop(self._number, None)
        if self in self._machine.sockets:
            self._machine.sockets.remove(self)
        here = world()
        delay = max(self._sent_until - here.now, 0.0) + self._network.draw_latency(self._machine)
        here.at(delay, self._node.close)
        self.changed()

    def _check(self) -> None:
        if self.is_closed:
            raise OSError(errno.EBADF, "Bad file descriptor")
        if self._error is not None:
            raise self._error

    def _wait_readable(self, timeout: float | None) -> None:
        end = inf if timeout is None else world().now + timeout
        while not self.is_readable and world().now < end:
            world().block(self._watchers.append, None if end == inf else end - world().now)

    # --- readiness ----------------------------------------------------------------------

    @property
    def is_readable(self) -> bool:
        """Whether reading doesn't block."""
        return bool(self._inbox) or self._eof or self._error is not None or self.is_closed

    @property
    def is_writable(self) -> bool:
        """Whether writing doesn't block."""
        return self._unsent < self._network.buffer or self._error is not None or self.is_closed

    def watch(self, wake: Callable[[], None]) -> None:
        """Call a function at the next change of readiness."""
        self._watchers.append(wake)

    def changed(self) -> None:
        """Call the functions that wait for a change."""
        watchers, self._watchers = self._watchers, []
        for wake in watchers:
            wake()

    # --- delivery -----------------------------------------------------------------------

    def _carry(self, data: bytes) -> None:
        """Deliver data to the node, in order, in pieces."""
        here = world()
        for piece in self._pieces(data):
            when = max(self._sent_until + 1e-7, here.now + self._network.draw_latency(self._machine))
            self._sent_until = when
            self._going.append(piece)
            here.at(when - here.now, self._arrive)

    def _pieces(self, data: bytes) -> list[bytes]:
        here = world()
        if not self._network.tears or len(data) < 2 or here.random.random() < 0.5:
            return [data]
        cut = here.random.randint(1, len(data) - 1)
        return [data[:cut], data[cut:]]

    def _arrive(self) -> None:
        """Deliver the next piece to the node; later if the node is silent."""
        if self._machine.is_silent:
            world().at(0.05 + world().random.random() * 0.01, self._arrive)
            return
        data = self._going.popleft()
        self._unsent -= len(data)
        self.changed()
        if self._machine.is_up and self._error is None and not self._node.is_closed:
            self._node.receive(data, world().now)
            self._machine.reused += self._node.reused_streams
            self._node.reused_streams.clear()
            self._node_spoke()

    def _node_spoke(self) -> None:
        """Send the node's responses that are due, and schedule the next ones."""
        here = world()
        data = self._node.data_to_send(here.now)
        if data:
            for piece in self._pieces(data):
                self._coming.append(piece)
                self._come()
        if self._node.is_closed:
            if not self._is_ending:
                self._is_ending = True
                self._coming.append(None)
                self._come()
            return
        if self._timer is not None:
            self._timer.cancel()
        deadline = self._node.next_deadline
        self._timer = None if deadline == inf else here.at(max(0.0, deadline - here.now), self._node_spoke)

    def _come(self) -> None:
        here = world()
        when = max(self._answered_until + 1e-7, here.now + self._network.draw_latency(self._machine))
        self._answered_until = when
        here.at(when - here.now, self._deliver)

    def _deliver(self) -> None:
        """Deliver the next piece to the client."""
        if self._machine.is_silent:
            world().at(0.05 + world().random.random() * 0.01, self._deliver)
            return
        piece = self._coming.popleft() if self._coming else None
        if self.is_closed or self._error is not None:
            return
        if piece is None:
            self._eof = True
        else:
            self._inbox += piece
        self.changed()

    def reset(self) -> None:
        """Reset the connection from the node's side."""
        self._node.on_change = lambda: None
        self._node.close()
        if world().random.random() < 0.5:
            self._error = ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
        else:
            self._eof = True
        self.changed()

    def inject(self, data: bytes) -> None:
        """Deliver data that the node never sent."""
        self._inbox += data
        self.changed()


class Poll:
    """As ``select.poll``, of these sockets alone."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._wanted: dict[int, int] = {}

    def register(self, sock: Any, mask: int = _POLLIN) -> None:
        """Watch a socket, by itself or its number."""
        self._wanted[sock if isinstance(sock, int) else sock.fileno()] = mask

    def unregister(self, sock: Any) -> None:
        """Stop watching a socket."""
        del self._wanted[sock if isinstance(sock, int) else sock.fileno()]

    def poll(self, timeout: float | None = None) -> list[tuple[int, int]]:
        """Return the ready sockets; block until there is one, or until the timeout in milliseconds."""
        here = world()
        end = inf if timeout is None or timeout < 0 else here.now + timeout / 1000
        here.sleep(here.random.random() * 0.00001)
        while True:
            found = self._ready()
            if found or here.now >= end:
                return found

            def watch(wake: Callable[[], None]) -> None:
                for number in self._wanted:
                    self._network.open_sockets[number].watch(wake)

            here.block(watch, None if end == inf else end - here.now)

    def _ready(self) -> list[tuple[int, int]]:
        found = []
        for number, mask in self._wanted.items():
            sock = self._network.open_sockets.get(number)
            if sock is None:
                found.append((number, 32))  # POLLNVAL
                continue
            events = (_POLLIN if sock.is_readable else 0) | (_POLLOUT if sock.is_writable else 0)
            if events & mask:
                found.append((number, events & mask))
        world().random.shuffle(found)
        return found
