"""One direction of a connection as frames, for clients, servers and proxies."""

from __future__ import annotations

from coodie.protocol.frames import FrameReader, RawFrame, encode_frame
from coodie.protocol.segments import Segments

__all__ = ["Direction"]


class Direction:
    """The frames in one direction of a connection.

    Args:
        bit: ``RESPONSE`` for the server's, 0 for the client's.
    """

    def __init__(self, bit: int) -> None:
        self.frames = FrameReader(bit)
        self._segments: Segments | None = None

    def use_segments(self) -> None:
        """Use segments from now on, without compression."""
        self._segments = Segments()
        self.frames.use_segments(self._segments)

    def encoded(self, frame: RawFrame) -> bytes:
        """Return a frame as bytes."""
        data = encode_frame(frame)
        return data if self._segments is None else self._segments.wrap([data])
