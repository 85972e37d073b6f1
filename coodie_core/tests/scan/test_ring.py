"""Cutting the ring: no token is lost or read twice, and no piece has two sets of replicas."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from coodie.scan.ring import WHOLE_RING, SizeEstimate, TokenRange, cut, joined, width

TOKENS = st.integers(-(2**63), 2**63 - 1)
SIZES = st.none() | st.floats(1e-18, 1e-3).map(SizeEstimate)


@settings(deadline=None)
@given(ends=st.lists(TOKENS, max_size=40), least=st.integers(1, 200), size=SIZES)
def test_the_whole_ring_once(ends: list[int], least: int, size: SizeEstimate | None) -> None:
    """The pieces of the ring are the ring, each token once."""
    # Not as many pieces as there are at most in practice, but of any size.
    if size is not None:
        size = SizeEstimate(min(size.bytes_per_token, 1e-10))
    pieces = cut([WHOLE_RING], ends, least=least, size=size)
    assert joined(pieces) == [WHOLE_RING]
    assert width(pieces) == 2**64 - 1


@settings(deadline=None)
@given(ends=st.lists(TOKENS, max_size=40), least=st.integers(1, 200))
def test_no_piece_has_two_sets_of_replicas(ends: list[int], least: int) -> None:
    """No end of the ring's ranges lies inside of a piece, and none is wider than its share."""
    for piece in cut([WHOLE_RING], ends, least=least):
        assert not any(piece.first <= end < piece.last for end in ends)
        assert piece.width <= 2**64 / least * 1.0001


@settings(deadline=None)
@given(cuts=st.lists(TOKENS, min_size=2, max_size=20, unique=True), ends=st.lists(TOKENS, max_size=20))
def test_what_is_left(cuts: list[int], ends: list[int]) -> None:
    """What is left of a ring is cut in the same way, whatever the ring is by now."""
    cuts.sort()
    left = [TokenRange(first, last) for first, last in zip(cuts[::2], cuts[1::2], strict=False)]
    pieces = cut(left, ends, least=8)
    assert width(pieces) == width(left)
    assert joined(pieces) == joined(left)


def test_never_the_smallest_token() -> None:
    """A server takes the smallest token for no bound at all, and a node may have it."""
    pieces = cut([WHOLE_RING], [-(2**63), 0], least=1)
    assert pieces == [TokenRange(-(2**63) + 1, 0), TokenRange(1, 2**63 - 1)]


def test_small_tables_take_few_pieces() -> None:
    """Of a ring of many small ranges, neighbours are read together; not where the size isn't known."""
    ends = range(-(2**63), 2**63, 2**53)
    assert len(cut([WHOLE_RING], ends, least=32, size=SizeEstimate(1e-19 * 1e6))) < 64
    assert len(cut([WHOLE_RING], ends, least=32)) >= len(ends)


def test_large_tables_take_many_pieces() -> None:
    """A table of 32 GB is cut into pieces of some 32 MB."""
    pieces = cut([WHOLE_RING], [0], least=32, size=SizeEstimate((32 << 30) / 2**64))
    assert 1000 <= len(pieces) <= 1100


def test_neighbours_in_the_list_are_none_on_the_ring() -> None:
    """The first pieces are of different ranges of the ring, which have different replicas."""
    ends = [-(2**62), 0, 2**62]
    firsts = cut([WHOLE_RING], ends, least=32)[:4]
    assert [piece.first for piece in firsts] == [-(2**63) + 1, *(end + 1 for end in ends)]


def _estimate(start: int, end: int, partitions: int, size: int = 100) -> dict[str, Any]:
    return {
        "range_start": str(start),
        "range_end": str(end),
        "partitions_count": partitions,
        "mean_partition_size": size,
    }


def test_estimates() -> None:
    """One node's ranges are enough, may wrap around, and may be the whole ring; zeros are no estimate."""
    assert SizeEstimate.of([]) is None
    assert SizeEstimate.of([_estimate(0, 100, 0)]) is None
    assert SizeEstimate.of([_estimate(5, 5, 2**10)]) == SizeEstimate(2**10 * 100 / 2**64)
    wrapping = [_estimate(2**63 - 50, -(2**63) + 50, 3), _estimate(0, 300, 1)]
    assert SizeEstimate.of(wrapping) == SizeEstimate(1.0)
