"""Token ranges: the ring is divided where its replicas change, and into pieces of a useful size. No I/O.

A range includes its first and its last token, and never wraps around the end of the ring, so that each range
is a valid condition: ``token(key) >= ? AND token(key) <= ?``.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["WHOLE_RING", "SizeEstimate", "TokenRange", "cut", "evenly", "joined", "width"]

#: No key has the token -2^63; servers interpret it as no bound: ``token(key) <= -2^63`` selects all rows.
_FIRST, _LAST = -(2**63) + 1, 2**63 - 1
_TOKENS = 2**64

#: The estimated size in bytes of a piece of a large table: it takes a few seconds.
_PIECE = 32 << 20

#: Adjacent ranges below this size in bytes are read as one, at a replica of the first token: an additional
#: round trip would cost more than the coordinator's requests to other replicas.
_CRUMB = 1 << 20


class TokenRange(NamedTuple):
    """The tokens from the first to the last, inclusive."""

    first: int
    last: int

    @property
    def width(self) -> int:
        """The number of tokens."""
        return self.last - self.first + 1


WHOLE_RING = TokenRange(_FIRST, _LAST)


class SizeEstimate(NamedTuple):
    """A node's estimate of a table's size: the mean per token, since hashes are distributed evenly."""

    bytes_per_token: float

    @classmethod
    def of(cls, rows: Iterable[Any]) -> SizeEstimate | None:
        """Return the estimate from rows of ``system.size_estimates``; None if there is none.

        A node only has rows for its own ranges, which is enough: partitions are distributed evenly.
        """
        size = tokens = 0
        for row in rows:
            # A range may wrap around; a single node's range is the whole ring.
            tokens += (int(row["range_end"]) - int(row["range_start"])) % _TOKENS or _TOKENS
            size += row["partitions_count"] * row["mean_partition_size"]
        return cls(size / tokens) if size else None


def width(ranges: Iterable[TokenRange]) -> int:
    """Return the number of tokens in all ranges."""
    return sum(each.width for each in ranges)


def joined(ranges: Iterable[TokenRange]) -> list[TokenRange]:
    """Sort the ranges, and merge adjacent ones."""
    found: list[TokenRange] = []
    for each in sorted(ranges):
        if found and found[-1].last + 1 == each.first:
            found[-1] = TokenRange(found[-1].first, each.last)
        else:
            found.append(each)
    return found


def cut(
    ranges: Iterable[TokenRange],
    ends: Iterable[int],
    *,
    least: int,
    size: SizeEstimate | None = None,
) -> list[TokenRange]:
    """Divide ranges into pieces whose tokens have the same replicas, neither too large nor too many.

    Args:
        ranges: The ranges to divide.
        ends: The last tokens of the ring's ranges, or of the table's tablets, in any order.
        least: The minimum number of pieces of the whole ring.
        size: The table's estimated size; None if it is unknown.

    Returns:
        The pieces, in an order in which successive ones belong to different ranges of the ring.
    """
    ring = sorted(set(ends))
    largest = _TOKENS / least
    crumb = 0.0
    if size is not None:
        crumb = min(largest, _CRUMB / size.bytes_per_token)
        largest = min(largest, _PIECE / size.bytes_per_token)
    pieces: list[tuple[int, TokenRange]] = []
    for whole in joined(ranges):
        for part in _together(_at(whole, ring), crumb):
            count = max(1, -(-part.width // max(1, int(largest))))
            pieces += enumerate(evenly(part, count))
    return [piece for _, piece in sorted(pieces, key=lambda numbered: numbered[0])]


def _at(whole: TokenRange, ends: Sequence[int]) -> list[TokenRange]:
    """Split a range after each of these tokens."""
    first, found = whole.first, []
    for end in ends:
        if first <= end < whole.last:
            found.append(TokenRange(first, end))
            first = end + 1
    return [*found, TokenRange(first, whole.last)]


def _together(parts: Iterable[TokenRange], most: float) -> list[TokenRange]:
    """Merge adjacent parts up to a number of tokens."""
    found: list[TokenRange] = []
    for part in parts:
        if found and part.last - found[-1].first < most:
            found[-1] = TokenRange(found[-1].first, part.last)
        else:
            found.append(part)
    return found


def evenly(part: TokenRange, count: int) -> list[TokenRange]:
    """Split a range into a number of pieces of nearly the same width."""
    cuts = [part.first + part.width * number // count for number in range(count + 1)]
    return [TokenRange(first, after - 1) for first, after in pairwise(cuts)]
