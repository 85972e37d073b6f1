"""Paging: no row is lost, repeated or mixed up, and a broken paging state harms nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coodie.capabilities import Capability
from coodie.testing.checking import check

if TYPE_CHECKING:
    from coodie.testing.api import Api
    from coodie.testing.workspace import Workspace

__all__ = ["PagingChecks"]


async def read_pages(api: Api, stmt: str, params: list[Any], fetch_size: int) -> list[list[dict[str, Any]]]:
    """Read page by page until there is none left."""
    pages = []
    state = None
    while True:
        page = await api.execute(stmt, params, fetch_size=fetch_size, paging_state=state)
        pages.append(list(page))
        state = page.paging_state
        if state is None:
            return pages


class PagingChecks:
    """One page at a time."""

    @check(Capability.PAGING)
    async def test_pages_add_up(self, api: Api, space: Workspace) -> None:
        """Page by page every row comes once, in order, whatever the size."""
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c < ?"
        for limit, fetch_size in ((100, 7), (100, 100), (100, 101), (100, 50), (3, 1)):
            pages = await read_pages(api, stmt, [limit], fetch_size)
            assert [row["c"] for page in pages for row in page] == list(range(limit))
