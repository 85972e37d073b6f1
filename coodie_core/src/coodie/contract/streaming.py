"""Iterate over rows with one page in memory."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from coodie._tracebacks import CALLER_ERRORS, shortened
from coodie.contract.total_timeout import total_timeout_error, with_rest
from coodie.exceptions import UnsupportedError
from coodie.rows import can_page

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator

__all__ = ["TimeLeft", "stream_rows", "stream_rows_async"]


class TimeLeft:
    """Compute the keyword arguments of each page of a stream, whose ``total_timeout`` applies to all pages.

    Args:
        extra: Keyword arguments of ``execute``; may have ``options``.
        stmt: The CQL text, for the error.
    """

    __slots__ = ("_deadline", "_extra", "_stmt", "_total")

    def __init__(self, extra: dict[str, Any], stmt: str) -> None:
        self._extra = extra
        self._stmt = stmt
        self._total: float | None = getattr(extra.get("options"), "total_timeout", None)
        self._deadline: float | None = None

    def __call__(self) -> dict[str, Any]:
        """Return the keyword arguments for the next page.

        Raises:
            RequestTimeoutError: The total timeout has expired.
        """
        if self._total is None:
            return self._extra
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = now + self._total
        left = self._deadline - now
        if left <= 0:
            raise total_timeout_error(self._stmt, self._extra["options"])
        return self._extra | {"options": with_rest(self._extra["options"], left)}


def stream_rows(
    fetch: Callable[[int | None, bytes | None], list[dict[str, Any]]], fetch_size: int
) -> Generator[dict[str, Any], None, None]:
    """Yield the rows of all pages.

    Args:
        fetch: Takes a page size and a paging state and returns that page; without them, it returns all rows.
        fetch_size: The number of rows of a page.
    """
    page: Any
    try:
        page = fetch(fetch_size, None)
    except CALLER_ERRORS as exc:
        raise shortened(exc)  # noqa: B904 - the same exception
    if not can_page(page):
        # Rows of a plain list have no paging state, so this driver doesn't support paging.
        del page
        yield from fetch(None, None)
        return
    while True:
        state = page.paging_state
        yield from page
        if state is None:
            return
        # Drop the page before the next one arrives.
        del page
        page = _paged(fetch(fetch_size, state))


def stream_rows_async(
    fetch: Callable[[int | None, bytes | None], Awaitable[list[dict[str, Any]]]], fetch_size: int
) -> AsyncGenerator[dict[str, Any], None]:
    """Yield the rows of all pages; request the next page while one is consumed.

    Args:
        fetch: As in ``stream_rows``, returning an awaitable.
        fetch_size: The number of rows of a page.
    """
    from coodie.protocol._accelerator import accelerator  # needed by this form alone

    module, pages = accelerator(), _pages(fetch, fetch_size)
    found: AsyncGenerator[dict[str, Any], None] = _rows(pages) if module is None else module.RowStream(pages)
    return found


async def _rows(pages: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
    """Yield the rows of pages, as the accelerator's ``RowStream``."""
    try:
        while (page := await anext(pages, None)) is not None:
            for row in page:
                yield row
            # Let go of the page before the next one arrives.
            del page
    finally:
        await pages.aclose()


async def _pages(
    fetch: Callable[[int | None, bytes | None], Awaitable[list[dict[str, Any]]]], fetch_size: int
) -> AsyncGenerator[Any, None]:
    """Yield all pages, as iterables of rows; request the next page while one is consumed."""
    import asyncio  # keeps it out of the import of coodie.drivers

    page: Any
    try:
        page = await fetch(fetch_size, None)
    except CALLER_ERRORS as exc:
        raise shortened(exc)  # noqa: B904 - the same exception
    if not can_page(page):
        del page
        yield await fetch(None, None)
        return
    ahead: asyncio.Future[list[dict[str, Any]]] | None = None
    try:
        while True:
            if page.paging_state is not None:
                ahead = asyncio.ensure_future(fetch(fetch_size, page.paging_state))
            yield page
            if ahead is None:
                return
            # Drop the page before the next one is stored.
            del page
            page = _paged(await ahead)
            ahead = None
    finally:
        if ahead is not None:
            ahead.cancel()
            await asyncio.wait([ahead])
            if not ahead.cancelled():
                ahead.exception()


def _paged(page: Any) -> Any:
    """Return a later page, which must be Rows like the first one."""
    if not can_page(page):
        message = "A later page is a plain list, the first one Rows."
        raise UnsupportedError(message, hint="Report this to the driver's authors.", feature="paging")
    return page
