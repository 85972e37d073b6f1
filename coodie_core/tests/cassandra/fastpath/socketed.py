"""A connection of a thread's over a pair of sockets, and the server at its other end."""

from __future__ import annotations

import socket
import threading
import time
from random import Random
from typing import TYPE_CHECKING

from cassandra.connection import lz4_compress, lz4_decompress

from coodie.drivers.cassandra.fastpath.driver_internals import EstablishedConnection, _blocks
from coodie.drivers.cassandra.fastpath.sync_connection import SyncConnection
from coodie.protocol.frames import RESPONSE, RESULT, FrameReader, Frames, Opcode, RawFrame, encode_frame
from coodie.protocol.segments import Segments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["LARGE", "LONG", "Server", "await_state"]

#: More than the buffers of a pair of sockets take, and nothing that LZ4 makes smaller.
LARGE = Random(1).randbytes(4_000_000)

#: Seconds that a request has where none is to run out of time.
LONG = 60.0


def await_state(holds: Callable[[], object]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.002)


class Server:
    """What a connection is connected to: speaks version 4, or version 5 with LZ4.

    Args:
        version: The protocol version.
    """

    def __init__(self, version: int = 4) -> None:
        ours, self.sock = socket.socketpair()
        self.sock.settimeout(10)
        self._version = version
        self._reader = FrameReader(0)
        self._segments: Segments | None = None
        frames = Frames(version)
        if version == 5:
            blocks = _blocks(lz4_compress, lz4_decompress)
            frames = Frames(version, Segments(*blocks))
            self._segments = Segments(*blocks)
            self._reader.use_segments(Segments(*blocks))
        self.link = EstablishedConnection(ours, frames)

    def connection(self, max_idle: float = LONG) -> SyncConnection:
        """Make the client's side."""
        return SyncConnection(self.link, max_idle)

    def receive(self, number: int = 1) -> list[RawFrame]:
        """Wait for requests."""
        found: list[RawFrame] = []
        while len(found) < number:
            data = self.sock.recv(65_536)
            assert data, "the client closed the connection"
            found += self._reader.feed(data)
        return found

    def answer(self, requests: Iterable[RawFrame]) -> None:
        """Response with the requests' own bodies, all at once."""
        self.sock.sendall(self.encoded(request.answer(RESULT, request.body) for request in requests))

    def send_event(self) -> None:
        """Send what no request waits for."""
        self.sock.sendall(self.encoded([RawFrame(RESPONSE | self._version, 0, -1, Opcode.EVENT, b"")]))

    def encoded(self, frames: Iterable[RawFrame]) -> bytes:
        """Return what frames are on the wire."""
        data = [encode_frame(frame) for frame in frames]
        return b"".join(data) if self._segments is None else self._segments.wrap(data)

    def in_background(self, work: Callable[[], object]) -> threading.Thread:
        """Do something while the client waits."""
        thread = threading.Thread(target=work)
        thread.start()
        return thread

    def close(self) -> None:
        """Close both sides."""
        self.sock.close()
        self.link.sock.close()
