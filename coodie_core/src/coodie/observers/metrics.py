"""Request metrics: latency histograms; an observer that counts requests, durations and errors by series."""

from __future__ import annotations

import math
import threading
import time
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from coodie._forks import forget_in_children
from coodie.exceptions import ConfigurationError
from coodie.hooks import hookimpl
from coodie.observers.statements import describe_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from coodie.observers.events import RequestFinished, RequestStarted

__all__ = ["BOUNDS", "Counts", "CountsOf", "Latency", "LatencyRecorder", "RequestCounters", "Series"]

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


#: No duration at all.
_NONE = Latency()

#: The series of all further drivers, operations and errors.
_OTHER = "OTHER"


class Series(NamedTuple):
    """The labels of a count.

    Attributes:
        driver_name: The name under which the driver is registered, or None.
        driver_type: The backend's, or None.
        operation: "SELECT", "INSERT", "BATCH UPDATE"…; "OTHER" for requests beyond the maximum number of
            series.
        error: The name of the error's class; None for requests that succeeded; "OTHER" as above.
    """

    driver_name: str | None
    driver_type: str | None
    operation: str
    error: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class CountsOf:
    """The counts of one series, or the sums of several.

    Args:
        requests: The number of finished requests.
        rows: The number of received rows.
        pages: The number of received pages.
        latency: The durations.
    """

    requests: int = 0
    rows: int = 0
    pages: int = 0
    latency: Latency = _NONE

    def __add__(self, other: CountsOf) -> CountsOf:
        """Return both together."""
        return CountsOf(
            requests=self.requests + other.requests,
            rows=self.rows + other.rows,
            pages=self.pages + other.pages,
            latency=self.latency + other.latency,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """A snapshot of all counts.

    Args:
        seconds: The time since the start or the last reset.
        in_flight: The number of requests in flight.
        by_series: The counts by series.
    """

    seconds: float
    in_flight: int
    by_series: dict[Series, CountsOf]

    def total(self, chosen: Callable[[Series], bool] = lambda _: True) -> CountsOf:
        """Return the sum of all series, or of the chosen ones.

        Args:
            chosen: Returns whether a series is included: ``lambda series: series.error is not None``.
        """
        return sum((counts for series, counts in self.by_series.items() if chosen(series)), CountsOf())


class RequestCounters:
    """Counts requests by driver, operation and error; thread-safe, with bounded memory.

    Args:
        most_series: The maximum number of series; requests of further ones are counted as "OTHER".

    Raises:
        ConfigurationError: *most_series* isn't a positive integer.
    """

    def __init__(self, *, most_series: int = 1000) -> None:
        if not isinstance(most_series, int) or isinstance(most_series, bool) or most_series < 1:
            message = f"most_series={most_series!r} isn't a positive integer."
            raise ConfigurationError(message, hint="Give 1000, for example.", option="most_series")
        self._most = most_series
        self._lock = threading.Lock()
        self._in_flight = 0
        self._since = time.monotonic()
        self._series: dict[Series, _Counting] = {}
        forget_in_children(self, RequestCounters._forget)

    def _forget(self) -> None:
        self._lock = threading.Lock()

    @hookimpl
    def coodie_request_started(self, event: RequestStarted) -> None:  # noqa: ARG002 - names it for pluggy
        """Count the request as in flight."""
        with self._lock:
            self._in_flight += 1

    @hookimpl
    def coodie_request_finished(self, event: RequestFinished) -> None:
        """Count the request."""
        error = None if event.error is None else type(event.error).__name__
        operation = describe_request(event).operation
        series = Series(event.driver_name, event.driver_type, operation, error)
        with self._lock:
            self._in_flight -= 1
            counting = self._series.get(series)
            if counting is None:
                if len(self._series) >= self._most:
                    series = Series(None, None, _OTHER, None if error is None else _OTHER)
                counting = self._series.setdefault(series, _Counting())
            counting.record(event)

    def snapshot(self) -> Counts:
        """Return the counts since the start or the last reset."""
        with self._lock:
            return self._read()

    def reset(self) -> Counts:
        """Reset all counts except ``in_flight``; return the previous ones."""
        with self._lock:
            counts = self._read()
            self._series.clear()
            self._since = time.monotonic()
            return counts

    def _read(self) -> Counts:
        return Counts(
            seconds=time.monotonic() - self._since,
            in_flight=self._in_flight,
            by_series={series: counting.read() for series, counting in self._series.items()},
        )


class _Counting:
    """The counting of one series."""

    __slots__ = ("_latency", "_pages", "_requests", "_rows")

    def __init__(self) -> None:
        self._requests = 0
        self._rows = 0
        self._pages = 0
        self._latency = LatencyRecorder()

    def record(self, event: RequestFinished) -> None:
        self._requests += 1
        self._rows += event.rows
        self._pages += event.pages
        self._latency.record(event.duration)

    def read(self) -> CountsOf:
        return CountsOf(
            requests=self._requests, rows=self._rows, pages=self._pages, latency=self._latency.read()
        )
