"""``Scan`` and ``AsyncScan``: iterators over a table's rows, with threads and with tasks."""

from __future__ import annotations

from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

from coodie.effects import run_async, run_sync

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
    from concurrent.futures import Future
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


class Scan(_AnyScan):
    """An iterator over the rows of a table, from ``driver.scan``.

    To stop early, use a ``with`` block or call ``close``, which ends the requests in flight.
    """

    def __init__(self, run: ScanRun) -> None:
        super().__init__(run)
        self._rows = self._iterate()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Return the iterator; always the same one."""
        return self._rows

    def __next__(self) -> dict[str, Any]:
        """Return the next row."""
        return next(self._rows)

    def __enter__(self) -> Self:
        """Return the scan; the end of the block closes it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the scan."""
        self.close()

    def close(self) -> None:
        """Request no more pages, and wait for those in flight."""
        self._run.end()
        self._rows.close()

    def _iterate(self) -> Generator[dict[str, Any], None, None]:
        from concurrent.futures import ThreadPoolExecutor  # only used by sync scans
        from queue import SimpleQueue

        run = self._run
        run_sync(run.prepare())
        arrived: SimpleQueue[tuple[Any, Any]] = SimpleQueue()
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
                    due, ended = arrived.get()
                    rows = run.arrived(due, ended.result())
                    del ended
                    start()  # including this range's next page
                    for run.position, row in enumerate(rows, 1):
                        yield row
                    run.delivered(due)
            finally:
                run.end()


class AsyncScan(_AnyScan):
    """An async iterator over the rows of a table, from ``driver.scan_async``.

    To stop early, use an ``async with`` block or call ``aclose``, which cancels the requests in flight.
    """

    def __init__(self, run: ScanRun) -> None:
        super().__init__(run)
        self._rows = self._iterate()

    def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        """Return the iterator; always the same one."""
        return self._rows

    async def __anext__(self) -> dict[str, Any]:
        """Return the next row."""
        return await self._rows.__anext__()

    async def __aenter__(self) -> Self:
        """Return the scan; the end of the block closes it."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the scan."""
        await self.aclose()

    async def aclose(self) -> None:
        """Request no more pages, and cancel those in flight."""
        self._run.end()
        await self._rows.aclose()

    async def _iterate(self) -> AsyncGenerator[dict[str, Any], None]:
        import asyncio  # keeps it out of the import of coodie.drivers

        run = self._run
        await run_async(run.prepare())
        arrived: asyncio.Queue[tuple[Any, Any]] = asyncio.Queue()
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
                due, ended = await arrived.get()
                tasks.discard(ended)
                rows = run.arrived(due, ended.result())
                del ended
                start()  # including this range's next page
                for run.position, row in enumerate(rows, 1):
                    yield row
                run.delivered(due)
        finally:
            run.end()
            for page in tasks:
                page.cancel()
            if tasks:
                await asyncio.gather(*tasks, return_exceptions=True)
