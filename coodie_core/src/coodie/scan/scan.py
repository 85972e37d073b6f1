"""``Scan`` and ``AsyncScan``: iterators over a table's rows, with threads and with tasks."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Generic

from coodie.effects import run_async, run_sync
from coodie.exceptions import ConfigurationError
from coodie.rows import R

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
    from concurrent.futures import Future
    from queue import SimpleQueue
    from types import TracebackType

    from typing_extensions import Self

    from coodie.scan.options import ScanProgress
    from coodie.scan.run import ScanRun

__all__ = ["AsyncScan", "Scan"]


class _AnyScan:
    """The common base of sync and async scans.

    Args:
        run: The state of the scan.
    """

    def __init__(self, run: ScanRun) -> None:
        self._run = run

    @property
    def progress(self) -> ScanProgress:
        """The progress so far."""
        return self._run.progress()

    @property
    def is_routed(self) -> bool | None:
        """Whether each range is read from one of its replicas; None before the first row.

        False for a backend without ``Capability.ROUTING``, whose client selects the nodes.
        """
        return self._run.is_routed

    def checkpoint(self) -> dict[str, Any]:
        """Return a checkpoint after the last delivered row, as a JSON value.

        ``scan(…, checkpoint=…)`` with the same table, columns and condition resumes with the next row, in any
        process. This also works after the scan has failed.

        Raises:
            ConfigurationError: No row was requested yet.
        """
        return self._run.checkpoint()


class _Pages:
    """The pages of a scan, from a generator, for one consumer at a time.

    Not a part of the scan: an iterator keeps the pages, but not the scan, so that a scan that is dropped
    without being closed ends immediately, not when cycles are collected.

    Args:
        pages: The generator, which yields an iterator over the rows of each page.

    Attributes:
        rows: The rest of the current page; None at the end of the scan.
    """

    def __init__(self, pages: Any) -> None:
        self.generator = pages
        self.rows: Iterator[Any] | None = iter(())
        self._turn = threading.Lock()

    @contextmanager
    def _only_one(self) -> Iterator[None]:
        """Raise if another thread or task is in the same block: both would get parts of the rows."""
        if not self._turn.acquire(blocking=False):
            message = "The scan is in use: another thread or task, or on_progress, waits for its next row."
            hint = "Iterate in one of them, or give each a part of the table: driver.scan_splits(…)."
            raise ConfigurationError(message, hint=hint)
        try:
            yield
        finally:
            self._turn.release()

    def after(self, rows: Iterator[Any]) -> Iterator[Any] | None:
        """Return the page after one whose rows were delivered; None at the end."""
        with self._only_one():
            if self.rows is rows:
                self.rows = next(self.generator, None)
            return self.rows

    async def after_async(self, rows: Iterator[Any]) -> Iterator[Any] | None:
        """Async version of ``after``."""
        with self._only_one():
            if self.rows is rows:
                try:
                    self.rows = await self.generator.__anext__()
                except StopAsyncIteration:
                    self.rows = None
            return self.rows


def _rows(pages: _Pages) -> Iterator[Any]:
    """Yield the rows; a method call per page, not per row."""
    rows = pages.rows
    while rows is not None:
        yield from rows
        rows = pages.after(rows)


async def _rows_async(pages: _Pages) -> AsyncIterator[Any]:
    """Yield the rows."""
    rows = pages.rows
    while rows is not None:
        for row in rows:
            yield row
        rows = await pages.after_async(rows)


class Scan(_AnyScan, Generic[R]):
    """An iterator over the rows of a table, from ``driver.scan``.

    To stop early, use a ``with`` block or call ``close``, which ends the requests in flight. One thread at a
    time may iterate, and take checkpoints; any thread may call ``close``.
    """

    def __init__(self, run: ScanRun) -> None:
        super().__init__(run)
        from queue import SimpleQueue  # only used by sync scans

        #: Ranges and their received pages; None if the scan was closed.
        self._arrived: SimpleQueue[tuple[Any, Any] | None] = SimpleQueue()
        self._pages = _Pages(_read_pages(run, self._arrived))

    def __iter__(self) -> Iterator[R]:
        """Return an iterator over the rows that weren't delivered yet."""
        return _rows(self._pages)

    def __next__(self) -> R:
        """Return the next row."""
        for row in _rows(self._pages):
            return row  # type: ignore[no-any-return]
        raise StopIteration

    def __enter__(self) -> Self:
        """Return the scan; the end of the block closes it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the scan."""
        self.close()

    def close(self) -> None:
        """Request no more pages, and wait for those in flight.

        In ``on_progress``, or while another thread waits for a row, it doesn't wait: the iteration ends.
        """
        self._run.end()
        try:
            self._pages.generator.close()
        except ValueError:  # it is being executed
            self._arrived.put(None)


class AsyncScan(_AnyScan, Generic[R]):
    """An async iterator over the rows of a table, from ``driver.scan_async``.

    To stop early, use an ``async with`` block or call ``aclose``, which cancels the requests in flight. One
    task at a time may iterate, and take checkpoints; any task of the same event loop may call ``aclose``.
    """

    def __init__(self, run: ScanRun) -> None:
        super().__init__(run)
        import asyncio  # keeps it out of the import of coodie.drivers

        self._arrived: asyncio.Queue[tuple[Any, Any] | None] = asyncio.Queue()
        self._pages = _Pages(_read_pages_async(run, self._arrived))

    def __aiter__(self) -> AsyncIterator[R]:
        """Return an iterator over the rows that weren't delivered yet."""
        return _rows_async(self._pages)

    async def __anext__(self) -> R:
        """Return the next row."""
        rows = self._pages.rows
        while rows is not None:
            for row in rows:
                return row  # type: ignore[no-any-return]
            rows = await self._pages.after_async(rows)
        raise StopAsyncIteration

    async def __aenter__(self) -> Self:
        """Return the scan; the end of the block closes it."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the scan."""
        await self.aclose()

    async def aclose(self) -> None:
        """Request no more pages, and cancel those in flight.

        While another task waits for a row, it doesn't wait: that task's iteration ends.
        """
        self._run.end()
        if getattr(self._pages.generator, "ag_running", False):
            self._arrived.put_nowait(None)
        else:
            await self._pages.generator.aclose()


def _read_pages(run: ScanRun, arrived: SimpleQueue[Any]) -> Generator[Iterator[Any], None, None]:
    """Yield the rows of each page; pages are requested by threads."""
    from concurrent.futures import ThreadPoolExecutor  # only used by sync scans

    run_sync(run.prepare())
    with ThreadPoolExecutor(run.concurrency, thread_name_prefix="coodie-scan") as pool:

        def note(due: Any, ended: Future[Any]) -> None:
            arrived.put((due, ended))

        def start() -> None:
            while (due := run.start_next()) is not None:
                # In a copy of the caller's context, for observers that use context variables.
                page = pool.submit(copy_context().run, run_sync, run.page(due))
                page.add_done_callback(partial(note, due))

        try:
            start()
            while run.is_waiting:
                found = arrived.get()
                if found is None or run.is_ended:
                    break
                rows = run.arrived(found[0], found[1].result())
                del found
                start()  # including this range's next page
                yield rows
                run.delivered()
        finally:
            run.end()


async def _read_pages_async(run: ScanRun, arrived: asyncio.Queue[Any]) -> AsyncGenerator[Iterator[Any], None]:
    """Yield the rows of each page; pages are requested by tasks."""
    import asyncio  # keeps it out of the import of coodie.drivers

    await run_async(run.prepare())
    tasks: set[asyncio.Task[Any]] = set()

    def note(due: Any, ended: asyncio.Task[Any]) -> None:
        arrived.put_nowait((due, ended))

    def start() -> None:
        while (due := run.start_next()) is not None:
            page = asyncio.create_task(run_async(run.page(due)))
            tasks.add(page)
            page.add_done_callback(partial(note, due))

    try:
        start()
        while run.is_waiting:
            found = await arrived.get()
            if found is None or run.is_ended:
                break
            tasks.discard(found[1])
            rows = run.arrived(found[0], found[1].result())
            del found
            start()  # including this range's next page
            yield rows
            run.delivered()
    finally:
        run.end()
        for page in tasks:
            page.cancel()
        if tasks:
            await asyncio.gather(*tasks, return_exceptions=True)
