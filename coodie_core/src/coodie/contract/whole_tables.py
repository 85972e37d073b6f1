"""The contract's methods that read whole tables, based on ``execute``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coodie._event_loop import warn_if_blocking
from coodie.effects import run_async, run_sync

if TYPE_CHECKING:
    from collections.abc import Iterable

    from coodie.effects import Steps
    from coodie.scan.options import ScanOptions
    from coodie.scan.query import Condition
    from coodie.scan.run import ScanRun
    from coodie.scan.scan import AsyncScan, Scan
    from coodie.scan.splits import ScanSplit

__all__ = ["WholeTables"]

#: The default maximum number of pages in flight.
_DEFAULT_CONCURRENCY = 8


class WholeTables:
    """Methods that read whole tables, for drivers with ``execute`` and ``execute_async``."""

    def scan(
        self,
        table: str,
        *,
        columns: Iterable[str] | None = None,
        where: Condition | None = None,
        concurrency: int = _DEFAULT_CONCURRENCY,
        checkpoint: Any = None,
        options: ScanOptions | None = None,
        rows: Any = None,
    ) -> Scan[Any]:
        """Read a whole table by token ranges, several pages at a time, each from a replica of its range.

        The order of the rows isn't defined. A row that isn't changed during the scan is delivered exactly
        once, even if nodes fail and come back. A scan isn't a snapshot: for rows that are changed during the
        scan, it may return the old or the new state, or omit or repeat the row.

        Args:
            table: ``keyspace.table``, or a table of the connection's keyspace; plain names, unquoted.
            columns: The columns' names; None for all columns.
            where: A condition in CQL, as after WHERE, by which the server filters; or a pair of the condition
                and its values: ``("price > ?", [10])``.
            concurrency: The maximum number of pages in flight, 1 to 1,000. A sync scan uses as many threads.
            checkpoint: The result of ``Scan.checkpoint()``, to resume after the last delivered row.
            options: Further options.
            rows: The shape of the rows: ``dict``, ``tuple``, ``"scalar"``, a class or another callable.

        Returns:
            An iterator, which is also a context manager. Nothing is sent before the first row is requested.

        Raises:
            ConfigurationError: An argument is invalid.
            CoodieError: The table doesn't exist, or a page couldn't be read; raised by the iteration.
        """
        from coodie.scan.scan import Scan  # used by few programs

        warn_if_blocking()
        return Scan(self._scan_run(table, (columns, where), concurrency, checkpoint, options, rows))

    def scan_async(
        self,
        table: str,
        *,
        columns: Iterable[str] | None = None,
        where: Condition | None = None,
        concurrency: int = _DEFAULT_CONCURRENCY,
        checkpoint: Any = None,
        options: ScanOptions | None = None,
        rows: Any = None,
    ) -> AsyncScan[Any]:
        """Async version of :meth:`scan`; returns an async iterator and uses no threads."""
        from coodie.scan.scan import AsyncScan  # used by few programs

        return AsyncScan(self._scan_run(table, (columns, where), concurrency, checkpoint, options, rows))

    def scan_splits(
        self, table: str, n: int, *, columns: Iterable[str] | None = None, where: Condition | None = None
    ) -> list[ScanSplit]:
        """Split a table into *n* parts of nearly the same size.

        ``coodie.scan.read_split`` reads a split in any process: a split is picklable.

        Args:
            table: As for ``scan``.
            n: The number of splits, at most 100,000; a few per worker.
            columns: As for ``scan``.
            where: As for ``scan``.

        Raises:
            ConfigurationError: An argument is invalid.
            CoodieError: The table or a column doesn't exist, or the server couldn't be asked.
        """
        return run_sync(self._splits(table, n, columns, where))

    async def scan_splits_async(
        self, table: str, n: int, *, columns: Iterable[str] | None = None, where: Condition | None = None
    ) -> list[ScanSplit]:
        """Async version of :meth:`scan_splits`."""
        return await run_async(self._splits(table, n, columns, where))

    def _splits(
        self, table: str, n: int, columns: Iterable[str] | None, where: Condition | None
    ) -> Steps[list[ScanSplit]]:
        from coodie.scan.query import Selection, split_name
        from coodie.scan.splits import split_table  # used by few programs

        name = split_name(table, getattr(self, "_default_keyspace", None))
        return split_table(self, Selection.of(name, columns, where), n)

    def _scan_run(
        self,
        table: str,
        asked: tuple[Iterable[str] | None, Condition | None],
        concurrency: int,
        checkpoint: Any,
        options: ScanOptions | None,
        rows: Any,
    ) -> ScanRun:
        from coodie.scan.query import Selection, split_name
        from coodie.scan.run import ScanRun

        selection = Selection.of(split_name(table, getattr(self, "_default_keyspace", None)), *asked)
        return ScanRun(self, selection, concurrency, options, checkpoint, rows)
