"""Iterate over rows with one page in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coodie.exceptions import UnsupportedError
from coodie.rows import Rows, can_page

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator

__all__ = ["stream_rows", "stream_rows_async"]


def stream_rows(
    fetch: Callable[[int | None, bytes | None], list[dict[str, Any]]], fetch_size: int
) -> Generator[dict[str, Any], None, None]:
    """Yield the rows of all pages.

    Args:
        fetch: Takes a page size and a paging state and returns that page; without them, it returns all rows.
        fetch_size: The number of rows of a page.
    """
    page = fetch(fetch_size, None)
    if not isinstance(page, Rows) or not can_page(page):
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


async def stream_rows_async(
    fetch: Callable[[int | None, bytes | None], Awaitable[list[dict[str, Any]]]], fetch_size: int
) -> AsyncGenerator[dict[str, Any], None]:
    """Yield the rows of all pages; request the next page while one is consumed.

    Args:
        fetch: As in ``stream_rows``, returning an awaitable.
        fetch_size: The number of rows of a page.
    """
    import asyncio  # keeps it out of the import of coodie.drivers

    page = await fetch(fetch_size, None)
    if not isinstance(page, Rows) or not can_page(page):
        del page
        for row in await fetch(None, None):
            yield row
        return
    ahead: asyncio.Future[list[dict[str, Any]]] | None = None
    try:
        while True:
            if page.paging_state is not None:
                ahead = asyncio.ensure_future(fetch(fetch_size, page.paging_state))
            for row in page:
                yield row
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


def _paged(page: list[dict[str, Any]]) -> Rows:
    """Return a later page, which must be Rows like the first one."""
    if not isinstance(page, Rows) or not can_page(page):
        message = "A later page is a plain list, the first one Rows."
        raise UnsupportedError(message, hint="Report this to the driver's authors.", feature="paging")
    return page
