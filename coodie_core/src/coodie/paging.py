"""Paging states that can be handed out: sealed, so that a broken one is noticed before it is sent.

The server answers a paging state that it can't read with a protocol error, whereupon scylla-driver
and cassandra-driver close every connection to that host with all requests on them. A paging state
that travels through a URL or a cookie therefore carries a check of itself and of the statement it
belongs to. It's a check against accidents, not a signature: whoever can make one can make any.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b

from coodie.exceptions import PagingStateError

__all__ = ["open_paging_state", "paging_state_as_text", "seal_paging_state"]

_PREFIX = b"co1:"
_DIGEST_BYTES = 8
_HEAD = len(_PREFIX) + _DIGEST_BYTES
_HINT = "Pass Rows.paging_state unchanged, with the statement that it came from."


def _digest(state: bytes, stmt: str) -> bytes:
    text = stmt.encode("utf-8", "surrogatepass")
    return blake2b(b"%d:%s%s" % (len(text), text, state), digest_size=_DIGEST_BYTES).digest()


def seal_paging_state(state: bytes, stmt: str) -> bytes:
    """Return a raw paging state of the server's in the form that ``execute`` accepts.

    This is the one way in for a state that another client got from the server: its statement
    must be the very text that ``execute`` is called with.

    Args:
        state: The server's opaque bytes (native_protocol_v5.spec, section 4.1.4, ``<paging_state>``).
        stmt: The CQL text that the state belongs to.

    Returns:
        The sealed state: 12 bytes of prefix and check, then the state.

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
    except ValueError:  # of characters that aren't in the alphabet, and of a length that can't be
        return b""


def open_paging_state(sealed: bytes | str, stmt: str) -> bytes:
    """Return the server's paging state out of a sealed one.

    Args:
        sealed: What ``Rows.paging_state``, ``Rows.cursor`` or ``seal_paging_state`` gave.
        stmt: The CQL text it is used with.

    Returns:
        The server's opaque bytes.

    Raises:
        PagingStateError: It's empty, cut, altered, or belongs to another statement.
    """
    if isinstance(sealed, str):
        sealed = _from_text(sealed)
    if not isinstance(sealed, bytes):
        message = f"paging_state is of type {type(sealed).__name__}, neither bytes nor str."
        raise PagingStateError(message, hint=_HINT, statement=stmt)
    if len(sealed) <= _HEAD or not sealed.startswith(_PREFIX):
        message = f"paging_state ({len(sealed)} bytes) was not made by coodie, or has been cut."
        hint = f"{_HINT} A raw state from elsewhere goes through coodie.paging.seal_paging_state first."
        raise PagingStateError(message, hint=hint, statement=stmt)
    state = sealed[_HEAD:]
    if sealed[len(_PREFIX) : _HEAD] != _digest(state, stmt):
        message = "paging_state has been altered, or belongs to another statement."
        raise PagingStateError(message, hint=_HINT, statement=stmt)
    return state
