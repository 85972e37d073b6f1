"""An observer that counts requests, their durations and errors, for use within the process."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from coodie._forks import forget_in_children
from coodie.exceptions import ConfigurationError
from coodie.hooks import hookimpl
from coodie.observers.latency import Latency, LatencyRecorder
from coodie.observers.statements import describe_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from coodie.observers.events import RequestFinished, RequestStarted

__all__ = ["Counts", "CountsOf", "RequestCounters", "Series"]

#: The series of all further drivers, operations and errors.
_OTHER = "OTHER"


#: No duration at all.
_NONE = Latency()


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
