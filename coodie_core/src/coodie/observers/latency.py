"""Durations of requests, in buckets that grow by a constant factor."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass

from coodie.exceptions import ConfigurationError

__all__ = ["BOUNDS", "Latency", "LatencyRecorder"]

#: The number of buckets per factor of two: each is 19 % wider than the previous one.
_STEPS = 4

#: The upper bounds of the buckets in seconds, from 10 µs to 11 minutes; plus one for longer durations.
BOUNDS = tuple(1e-5 * 2 ** (step / _STEPS) for step in range(26 * _STEPS + 1))


@dataclass(frozen=True, slots=True)
class Latency:
    """A snapshot of durations in seconds.

    Args:
        counts: The number of durations in each bucket of ``BOUNDS``, and above.
        total: Their sum.
        least: The shortest; infinity if there are none.
        most: The longest; 0 if there are none.
    """

    counts: tuple[int, ...] = (0,) * (len(BOUNDS) + 1)
    total: float = 0.0
    least: float = math.inf
    most: float = 0.0

    @property
    def count(self) -> int:
        """The number of durations."""
        return sum(self.counts)

    @property
    def mean(self) -> float | None:
        """The mean; None if there are none."""
        return self.total / self.count if self.count else None

    def percentile(self, percent: float) -> float | None:
        """Return a percentile; None if there are no durations.

        It is computed from the buckets, so it may differ from the exact one by up to 19 %, and is never
        outside of the shortest and the longest.

        Args:
            percent: 0 to 100.

        Raises:
            ConfigurationError: *percent* isn't a number from 0 to 100.
        """
        if not isinstance(percent, (int, float)) or not 0 <= percent <= 100:  # noqa: PLR2004 - per cent
            message = f"percent={percent!r} is not a number from 0 to 100."
            raise ConfigurationError(message, hint="Give 99, for example.", option="percent")
        if not self.count:
            return None
        rank = percent / 100 * self.count
        below = 0
        for bucket, number in enumerate(self.counts):
            if number and below + number >= rank:
                upper = BOUNDS[bucket] if bucket < len(BOUNDS) else self.most
                lower = BOUNDS[bucket - 1] if bucket else self.least
                share = max(rank - below, 0) / number
                value = lower + (upper - lower) * share
                return min(max(value, self.least), self.most)
            below += number
        return self.most

    def __add__(self, other: Latency) -> Latency:
        """Return both together."""
        return Latency(
            tuple(mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)),
            self.total + other.total,
            min(self.least, other.least),
            max(self.most, other.most),
        )


class LatencyRecorder:
    """Counts durations; callers that share one must hold a lock."""

    __slots__ = ("_counts", "_least", "_most", "_total")

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS) + 1)
        self._total = 0.0
        self._least = math.inf
        self._most = 0.0

    def record(self, seconds: float) -> None:
        """Count a duration."""
        self._counts[bisect_left(BOUNDS, seconds)] += 1
        self._total += seconds
        self._least = min(self._least, seconds)
        self._most = max(self._most, seconds)

    def read(self) -> Latency:
        """Return a snapshot."""
        return Latency(tuple(self._counts), self._total, self._least, self._most)
