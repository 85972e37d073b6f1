"""Protocol errors: invalid data, and failed handshakes.

They are internal; callers translate them into the public errors.
"""

from __future__ import annotations

__all__ = ["BrokenFrameError", "BrokenMessageError", "HandshakeError"]


class BrokenFrameError(Exception):
    """The peer sent an invalid frame or segment: the connection can't be used any more."""


class BrokenMessageError(Exception):
    """The body of a frame is invalid: the next frame can still be read."""


class HandshakeError(Exception):
    """The server rejected the handshake.

    Args:
        message: The reason; the server's message if there is one.
        code: The code of the server's ERROR; None if it sent none.
        version: The newest version that the server supports, if the client requested a newer one.
    """

    def __init__(self, message: str, *, code: int | None = None, version: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.version = version
