"""Sealed paging states, so that an invalid one is detected before it is sent.

The server responds to an invalid paging state with a protocol error, after which scylla-driver and
cassandra-driver close all connections to that host with all of their requests. So a paging state, which may
be part of a URL or a cookie, contains a checksum of itself and of its statement. The checksum detects
accidental changes; it isn't a signature.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b

from coodie.exceptions import PagingStateError

__all__ = ["open_paging_state", "paging_state_as_text", "seal_paging_state"]

_PREFIX = b"co1:"
_DIGEST_BYTES = 8
_HEAD = len(_PREFIX) + _DIGEST_BYTES
_HINT = "Pass Rows.paging_state unchanged, with the same statement."


def _digest(state: bytes, stmt: str) -> bytes:
    text = stmt.encode("utf-8", "surrogatepass")
    return blake2b(b"%d:%s%s" % (len(text), text, state), digest_size=_DIGEST_BYTES).digest()


def seal_paging_state(state: bytes, stmt: str) -> bytes:
    """Convert a raw paging state of the server to the form that ``execute`` accepts.

    Use this for a paging state that another client has received; its statement must be exactly the text that
    is passed to ``execute``.

    Args:
        state: The server's opaque bytes (native_protocol_v5.spec, section 4.1.4, ``<paging_state>``).
        stmt: The CQL text of the paging state.

    Returns:
        The sealed state: 12 bytes of prefix and checksum, then the state.

    Raises:
        PagingStateError: The state is empty or not bytes.
    """
    if not isinstance(state, bytes) or not state:
        message = f"A raw paging state must be non-empty bytes, not {type(state).__name__}."
        raise PagingStateError(message, statement=stmt)
    return _PREFIX + _digest(state, stmt) + state


def paging_state_as_text(sealed: bytes) -> str:
    """Return a sealed paging state as URL-safe text (RFC 4648, section 5, without padding)."""
    return urlsafe_b64encode(sealed).decode("ascii").rstrip("=")


def _from_text(text: str) -> bytes:
    try:
        return urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except ValueError:  # for invalid characters, and for an invalid length
        return b""


def open_paging_state(sealed: bytes | str, stmt: str) -> bytes:
    """Return the server's paging state from a sealed one.

    Args:
        sealed: A sealed state, from ``Rows.paging_state``, ``Rows.cursor`` or ``seal_paging_state``.
        stmt: The CQL text of the request.

    Returns:
        The server's opaque bytes.

    Raises:
        PagingStateError: The state is empty, truncated, changed, or belongs to another statement.
    """
    if isinstance(sealed, str):
        sealed = _from_text(sealed)
    if not isinstance(sealed, bytes):
        message = f"paging_state: expected bytes or str, got {type(sealed).__name__}."
        raise PagingStateError(message, hint=_HINT, statement=stmt)
    if len(sealed) <= _HEAD or not sealed.startswith(_PREFIX):
        message = f"paging_state ({len(sealed)} bytes) wasn't created by coodie, or is truncated."
        hint = f"{_HINT} Convert a raw state with coodie.paging.seal_paging_state."
        raise PagingStateError(message, hint=hint, statement=stmt)
    state = sealed[_HEAD:]
    if sealed[len(_PREFIX) : _HEAD] != _digest(state, stmt):
        message = "paging_state has been changed, or belongs to another statement."
        raise PagingStateError(message, hint=_HINT, statement=stmt)
    return state
