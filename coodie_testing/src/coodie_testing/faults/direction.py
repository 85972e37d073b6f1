"""One direction of a connection, frame by frame: for who stands between client and server, or is one."""

from __future__ import annotations

from coodie.protocol.frames import FrameReader, RawFrame, encode_frame
from coodie.protocol.segments import Segments

__all__ = ["Direction"]


class Direction:
    """The frames that go one way over a connection.

    Args:
        bit: ``RESPONSE`` for the server's, 0 for the client's.
    """

    def __init__(self, bit: int) -> None:
        self.frames = FrameReader(bit)
        self._segments: Segments | None = None

    def use_segments(self) -> None:
        """Read and write segments from now on, without compression."""
        self._segments = Segments()
        self.frames.use_segments(self._segments)

    def encoded(self, frame: RawFrame) -> bytes:
        """Return a frame's bytes as they go over the connection now."""
        data = encode_frame(frame)
        return data if self._segments is None else self._segments.wrap([data])
