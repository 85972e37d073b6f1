"""What ends a connection, or an attempt at one.

None of these reaches a user: who talks to a server turns them into errors of the public tree.
"""

from __future__ import annotations

__all__ = ["BrokenFrameError", "BrokenMessageError", "HandshakeError"]


class BrokenFrameError(Exception):
    """The peer sent what isn't the protocol: nothing that follows on the connection can be read."""


class BrokenMessageError(Exception):
    """A frame is whole, and its body isn't what the specification says: the next frame can be read."""


class HandshakeError(Exception):
    """The server doesn't let a client in; the text says why, in the server's words where it has any.

    Args:
        message: Why.
        code: The code of the server's ERROR; None where it sent none.
        version: The newest version that the server speaks, where the client asked for a newer one.
    """

    def __init__(self, message: str, *, code: int | None = None, version: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.version = version
