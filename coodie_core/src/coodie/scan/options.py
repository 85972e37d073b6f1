"""The options of a scan, and its progress."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from coodie.consistency import parse_consistency
from coodie.exceptions import ConfigurationError
from coodie.options.valuetypes import check_value
from coodie.requests import check_callback, check_timeout

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ScanOptions", "ScanProgress"]


@dataclass(frozen=True, slots=True)
class ScanProgress:
    """The progress of a scan. Except for ``ranges``, a resumed scan includes the progress before it.

    Attributes:
        ranges: The number of token ranges that were read completely since the scan started or was resumed.
        ranges_left: The number of remaining token ranges.
        rows: The number of delivered rows.
        fraction: The part of the token space that was read completely, from 0 to 1.
        rows_left: An estimate of the number of remaining rows, by the density of the rows in the ranges that
            were read completely; None if there are none.
    """

    ranges: int
    ranges_left: int
    rows: int
    fraction: float
    rows_left: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ScanOptions:
    """Options of a scan.

    Args:
        fetch_size: The number of rows of a page. A scan keeps at most ``concurrency + 1`` pages in memory.
        consistency: The name of a consistency level; None for the connection's default.
        timeout: The timeout of each page in seconds; None for the connection's default.
        retries: The maximum number of retries of a page after a transient error: a lost connection, a
            timeout, too few replicas, an overloaded node. The delay grows to five seconds, so that the
            default is long enough for a node's restart. 0 disables retries.
        on_progress: A function that is called with the progress after each page; not an async one.

    Raises:
        ConfigurationError: A value is invalid.
    """

    fetch_size: int = 1000
    consistency: str | None = None
    timeout: float | None = None
    retries: int = 12
    on_progress: Callable[[ScanProgress], object] | None = None

    def __post_init__(self) -> None:
        """Validate the values."""
        check_value("fetch_size", "count", self.fetch_size)
        check_timeout(self.timeout)
        if self.consistency is not None:
            parse_consistency(self.consistency)
        if self.retries.__class__ is not int or self.retries < 0:
            message = f"retries={self.retries!r} isn't an integer, 0 or more."
            raise ConfigurationError(message, hint="Give 0 to disable retries.", option="retries")
        check_callback(self.on_progress, "on_progress")
