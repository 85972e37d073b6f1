"""A partition key for a token, to route a request for a range of tokens like one for a partition.

The drivers' policies, replica tables, tablets and shards all use a statement's partition key. A request with
``RequestOptions.routing_token`` has none, so it gets a key that hashes to the token: Murmur3 consists of
invertible steps, and a key of 16 bytes determines both halves of the hash. The key is never sent.
"""

from __future__ import annotations

from struct import Struct

__all__ = ["key_of_token"]

_MASK = (1 << 64) - 1
_KEY = Struct("<QQ")

#: The constants of MurmurHash3_x64_128.
_C1, _C2 = 0x87C37B91114253D5, 0x4CF5AD432745937F
_M1, _M2 = 0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53
_N1, _N2 = 0x52DCE729, 0x38495AB5


def _inverse(factor: int) -> int:
    """Return the inverse of a factor modulo 2^64."""
    return pow(factor, -1, 1 << 64)


_UNDO_5, _UNDO_C1, _UNDO_C2 = _inverse(5), _inverse(_C1), _inverse(_C2)
_UNDO_M1, _UNDO_M2 = _inverse(_M1), _inverse(_M2)


def key_of_token(token: int) -> bytes:
    """Return a partition key whose Murmur3 token is this one.

    Args:
        token: From -2^63 to 2^63 - 1.
    """
    # The token is the first half of the hash; the second half can have any value.
    h1, h2 = token & _MASK, 0
    h2 -= h1
    h1 -= h2
    h1, h2 = _undo_mix(h1), _undo_mix(h2)
    h2 -= h1
    h1 -= h2
    h1, h2 = (h1 & _MASK) ^ _KEY.size, (h2 & _MASK) ^ _KEY.size
    k2 = _rotated((h2 - _N2) * _UNDO_5 - h1, 64 - 31)
    k1 = _rotated((h1 - _N1) * _UNDO_5, 64 - 27)
    k2 = _rotated(k2 * _UNDO_C1, 64 - 33) * _UNDO_C2
    k1 = _rotated(k1 * _UNDO_C2, 64 - 31) * _UNDO_C1
    return _KEY.pack(k1 & _MASK, k2 & _MASK)


def _rotated(value: int, bits: int) -> int:
    """Return a number of 64 bits, rotated to the left."""
    value &= _MASK
    return (value << bits | value >> 64 - bits) & _MASK


def _undo_mix(value: int) -> int:
    """Invert the final mix of the hash; each shift by 33 bits is its own inverse."""
    value &= _MASK
    value ^= value >> 33
    value = value * _UNDO_M2 & _MASK
    value ^= value >> 33
    value = value * _UNDO_M1 & _MASK
    return value ^ value >> 33
