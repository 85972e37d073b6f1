"""Parts of a table that any process can read: for multiprocessing, Dask, Ray or Airflow."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from coodie.exceptions import ConfigurationError
from coodie.scan.options import ScanOptions
from coodie.scan.retry import START_TIMEOUT, Retries
from coodie.scan.ring import WHOLE_RING, TokenRange, evenly
from coodie.scan.run import ScanRun
from coodie.scan.scan import AsyncScan, Scan
from coodie.scan.table import read_query

if TYPE_CHECKING:
    from collections.abc import Callable

    from coodie.effects import Steps
    from coodie.scan.query import Selection

__all__ = ["ScanSplit", "read_split", "read_split_async", "split_table"]

T = TypeVar("T")

#: The default maximum number of pages in flight for a split; splits are read in parallel.
_DEFAULT_CONCURRENCY = 2

#: The maximum number of splits, which take about 30 MB.
_MAX_SPLITS = 100_000


@dataclass(frozen=True, slots=True)
class ScanSplit:
    """A picklable part of a table, from ``driver.scan_splits``, for ``read_split``.

    Attributes:
        selection: The table, columns and condition.
        tokens: The part's tokens.
    """

    selection: Selection
    tokens: TokenRange


def split_table(driver: Any, selection: Selection, count: int) -> Steps[list[ScanSplit]]:
    """Split a table into parts of nearly the same size, since partitions are distributed evenly.

    The ring is only read when a split is read, since the nodes may have changed by then.

    Args:
        driver: The driver, which reads the table's columns.
        selection: The table, columns and condition.
        count: The number of parts.

    Raises:
        ConfigurationError: The count isn't an integer from 1 to 100,000.
        CoodieError: The table or a column doesn't exist, or couldn't be read.
    """
    if count.__class__ is not int or not 1 <= count <= _MAX_SPLITS:
        message = f"n={count!r} isn't an integer from 1 to {_MAX_SPLITS:,}."
        raise ConfigurationError(message, hint="Give a few per worker.", option="n")
    retries = Retries(ScanOptions().retries, threading.Event())
    yield from retries.run(lambda: read_query(driver, selection), "Reading the table's schema", START_TIMEOUT)
    return [ScanSplit(selection, tokens) for tokens in evenly(WHOLE_RING, count)]


@overload
def read_split(
    driver: Any,
    split: ScanSplit,
    *,
    concurrency: int = _DEFAULT_CONCURRENCY,
    checkpoint: Any = None,
    options: ScanOptions | None = None,
    rows: Literal["dict"] | None = None,
) -> Scan: ...


@overload
def read_split(
    driver: Any,
    split: ScanSplit,
    *,
    concurrency: int = _DEFAULT_CONCURRENCY,
    checkpoint: Any = None,
    options: ScanOptions | None = None,
    rows: type[T] | Callable[..., T],
) -> Scan[T]: ...


@overload
def read_split(
    driver: Any,
    split: ScanSplit,
    *,
    concurrency: int = _DEFAULT_CONCURRENCY,
    checkpoint: Any = None,
    options: ScanOptions | None = None,
    rows: Literal["tuple", "scalar"],
) -> Scan[Any]: ...


def read_split(
    driver: Any,
    split: ScanSplit,
    *,
    concurrency: int = _DEFAULT_CONCURRENCY,
    checkpoint: Any = None,
    options: ScanOptions | None = None,
    rows: Any = None,
) -> Scan[Any]:
    """Read a split of a table, like ``driver.scan``.

    Args:
        driver: A driver of this process, with any backend.
        split: The split.
        concurrency: The maximum number of pages in flight, from 1 to 1,000.
        checkpoint: The result of ``checkpoint()`` of an earlier scan of the same split.
        options: Further options.
        rows: The shape of the rows, as for ``driver.scan``.
    """
    return Scan(_run(driver, split, concurrency, checkpoint, options, rows))


@overload
def read_split_async(
    driver: Any,
    split: ScanSplit,
    *,
    concurrency: int = _DEFAULT_CONCURRENCY,
    checkpoint: Any = None,
    options: ScanOptions | None = None,
    rows: Literal["dict"] | None = None,
) -> AsyncScan: ...


@overload
def read_split_async(
    driver: Any,
    split: ScanSplit,
    *,
    concurrency: int = _DEFAULT_CONCURRENCY,
    checkpoint: Any = None,
    options: ScanOptions | None = None,
    rows: type[T] | Callable[..., T],
) -> AsyncScan[T]: ...


@overload
def read_split_async(
    driver: Any,
    split: ScanSplit,
    *,
    concurrency: int = _DEFAULT_CONCURRENCY,
    checkpoint: Any = None,
    options: ScanOptions | None = None,
    rows: Literal["tuple", "scalar"],
) -> AsyncScan[Any]: ...


def read_split_async(
    driver: Any,
    split: ScanSplit,
    *,
    concurrency: int = _DEFAULT_CONCURRENCY,
    checkpoint: Any = None,
    options: ScanOptions | None = None,
    rows: Any = None,
) -> AsyncScan[Any]:
    """Async version of :func:`read_split`."""
    return AsyncScan(_run(driver, split, concurrency, checkpoint, options, rows))


def _run(
    driver: Any, split: ScanSplit, concurrency: int, checkpoint: Any, options: ScanOptions | None, rows: Any
) -> ScanRun:
    if not isinstance(split, ScanSplit):
        message = f"split: expected a ScanSplit, got {type(split).__name__}."
        raise ConfigurationError(message, hint="Give a split of driver.scan_splits(…).", option="split")
    run = ScanRun(driver, split.selection, concurrency, options, checkpoint, rows)
    run.part = split.tokens
    return run
