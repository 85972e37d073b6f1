"""The handshake of a new connection (section 2.3.1), as a state machine without I/O.

The caller has a socket, with TLS or without. It sends the result of ``start``, passes received data to
``receive`` and sends its result, until ``is_ready``. Then ``frames`` encodes and splits the connection's
frames. After an exception the connection can't be used.

    state           the client sent   the server responds  next state
    --------------  ----------------  -------------------  -----------------------------------
    STARTING        STARTUP           READY                READY
    STARTING                          AUTHENTICATE         AUTH_RESPONSE; AUTHENTICATING
    AUTHENTICATING  AUTH_RESPONSE     AUTH_SUCCESS         READY
    any                               ERROR, all others    FAILED

Version 5: STARTUP and its response are frames without segments; all later frames are in segments, including
authentication.

Not implemented, since it isn't needed: OPTIONS, compression, and challenge-response authentication. The fast
path takes over the driver's connections after the driver's own handshake.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from coodie.protocol.errors import BrokenFrameError, BrokenMessageError, HandshakeError
from coodie.protocol.frames import RESPONSE, FrameReader, Frames, Opcode, RawFrame, encode_frame
from coodie.protocol.messages import auth_response_body, startup_body
from coodie.protocol.segments import Segments
from coodie.protocol.server_errors import read_error

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Handshake", "HandshakeState"]

#: The first version with segments.
_WITH_SEGMENTS = 5


class HandshakeState(Enum):
    """The states of a handshake."""

    STARTING = auto()
    AUTHENTICATING = auto()
    READY = auto()
    FAILED = auto()


#: State transitions by the server's response; any other response fails.
_TRANSITIONS: dict[tuple[HandshakeState, int], HandshakeState] = {
    (HandshakeState.STARTING, Opcode.READY): HandshakeState.READY,
    (HandshakeState.STARTING, Opcode.AUTHENTICATE): HandshakeState.AUTHENTICATING,
    (HandshakeState.AUTHENTICATING, Opcode.AUTH_SUCCESS): HandshakeState.READY,
}


class Handshake:
    """A client's handshake.

    Args:
        version: The protocol version to request, 4 or 5.
        token: The authentication token, see ``plain_token``; None without credentials.
        options: Additional options of STARTUP.
    """

    def __init__(
        self, version: int, token: bytes | None = None, options: Mapping[str, str] | None = None
    ) -> None:
        self._version = version
        self._token = token
        self._options = options
        self._segments: Segments | None = None
        self._reader = FrameReader(RESPONSE)
        self.state = HandshakeState.STARTING

    @property
    def is_ready(self) -> bool:
        """Whether the connection accepts requests."""
        return self.state is HandshakeState.READY

    def start(self) -> bytes:
        """Return the first data to send."""
        return self._request(Opcode.STARTUP, startup_body(self._options))

    def receive(self, data: bytes) -> bytes:
        """Process received data, and return the data to send; empty if more data is needed.

        Raises:
            HandshakeError: The server rejected the handshake.
            BrokenFrameError: The server sent an invalid frame.
            BrokenMessageError: The server sent an invalid message.
        """
        try:
            return self._read(data)
        except (BrokenFrameError, BrokenMessageError, HandshakeError):
            self.state = HandshakeState.FAILED
            raise

    def frames(self) -> Frames:
        """Return the connection's ``Frames``, once the handshake is ready."""
        if not self.is_ready:
            raise RuntimeError(f"The handshake is {self.state.name}, not READY.")
        return Frames(self._version, self._segments)

    def _read(self, data: bytes) -> bytes:
        following = b"".join([self._answer(frame) for frame in self._reader.feed(data)])
        # A server only sends responses until a client registers for events.
        if self.is_ready and self._reader.has_more:
            raise BrokenFrameError("The server sent data after the handshake.")
        return following

    def _request(self, opcode: Opcode, body: bytes) -> bytes:
        frame = encode_frame(RawFrame(self._version, 0, 0, opcode, body))
        return frame if self._segments is None else self._segments.wrap([frame])

    def _answer(self, frame: RawFrame) -> bytes:
        """Process a response; return the data to send."""
        if frame.opcode == Opcode.ERROR:
            self._refused(frame)
        if frame.protocol != self._version:
            raise BrokenFrameError(f"Expected protocol version {self._version}, got {frame.protocol}.")
        following = _TRANSITIONS.get((self.state, frame.opcode))
        if following is None:
            raise HandshakeError(f"unexpected opcode {frame.opcode} in the state {self.state.name}")
        if self.state is HandshakeState.STARTING and self._version >= _WITH_SEGMENTS:
            self._segments = Segments()
            self._reader.use_segments(self._segments)
        self.state = following
        if following is not HandshakeState.AUTHENTICATING:
            return b""
        if self._token is None:
            raise HandshakeError("the server requires credentials")
        return self._request(Opcode.AUTH_RESPONSE, auth_response_body(self._token))

    def _refused(self, frame: RawFrame) -> None:
        """Raise for an ERROR.

        A server that is older than the client responds in its newest version (section 2.4.1.1).
        """
        error = read_error(frame.body, frame.protocol)
        older = frame.protocol if frame.protocol < self._version else None
        raise HandshakeError(error.message, code=error.code, version=older)
