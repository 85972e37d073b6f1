"""Checks of paging: no row is lost or repeated, and invalid paging states are rejected."""

from __future__ import annotations

from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from coodie.capabilities import Capability
from coodie.exceptions import ConfigurationError, CoodieError, InvalidQueryError, PagingStateError
from coodie_testing.checking import check
from coodie_testing.workspace import MANY

if TYPE_CHECKING:
    from coodie_testing.api import Api
    from coodie_testing.workspace import Workspace

__all__ = ["PagingChecks"]

#: Pagers at once.
_PAGERS = 24


async def _read_pages(api: Api, stmt: str, params: list[Any], fetch_size: int) -> list[list[dict[str, Any]]]:
    """Read all pages."""
    pages = []
    state = None
    while True:
        page = await api.execute(stmt, params, fetch_size=fetch_size, paging_state=state)
        pages.append(list(page))
        assert page.has_more_pages is (page.paging_state is not None)
        assert page.paging_state is None or page.paging_state != state, (
            "a page has the state of the one before"
        )
        assert len(pages) < 1000, "the pages come to no end"
        state = page.paging_state
        if state is None:
            return pages


async def _first(api: Api, space: Workspace, fetch_size: int = 10) -> tuple[str, bytes]:
    """Read a first page; return its statement and its paging state."""
    stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c < 100"
    page = await api.execute(stmt, [], fetch_size=fetch_size)
    assert page.paging_state is not None
    return stmt, page.paging_state


class PagingChecks:
    """Pages and streams."""

    @check(Capability.PAGING)
    async def test_pages_add_up(self, api: Api, space: Workspace) -> None:
        """All pages together have each row once, in order, with any page size."""
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c < ?"
        for limit, fetch_size in ((100, 7), (100, 100), (100, 101), (100, 50), (3, 1)):
            pages = await _read_pages(api, stmt, [limit], fetch_size)
            assert [row["c"] for page in pages for row in page] == list(range(limit))

    @check(Capability.PAGING)
    async def test_a_page_is_as_large_as_asked_for(self, api: Api, space: Workspace) -> None:
        """fetch_size is the number of rows of a page, whether it is 1 or more than a usual page."""
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many'"
        for fetch_size in (1, 99, 6000):
            page = await api.execute(stmt, [], fetch_size=fetch_size)
            assert [row["c"] for row in page] == list(range(fetch_size))
            assert page.has_more_pages

    @check(Capability.PAGING)
    async def test_the_last_page_says_so(self, api: Api, space: Workspace, key: str) -> None:
        """The last page has no paging state, and neither does a page without rows."""
        stmt = f"SELECT c FROM {space.items} WHERE p = ? AND c < 5"
        for partition, count in (("many", 5), (key, 0)):
            page = await api.execute(stmt, [partition], fetch_size=10)
            assert (len(page), page.paging_state, page.has_more_pages) == (count, None, False)

    @check(Capability.PAGING)
    async def test_paging_over_partitions(self, api: Api, space: Workspace, key: str) -> None:
        """Pages may end within and between partitions."""
        keys = [f"{key}{n}" for n in range(4)]
        for partition in keys:
            for c in range(5):
                await api.execute(f"INSERT INTO {space.items} (p, c) VALUES (?, ?)", [partition, c])
        stmt = f"SELECT p, c FROM {space.items} WHERE p IN ?"
        pages = await _read_pages(api, stmt, [keys], 3)
        found = [(row["p"], row["c"]) for page in pages for row in page]
        assert len(pages) >= 7
        assert sorted(found) == [(partition, c) for partition in keys for c in range(5)]

    @check(Capability.PAGING)
    async def test_filtered_pages(self, api: Api, space: Workspace) -> None:
        """With filtering, a page may have fewer rows than fetch_size; no row is lost."""
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND n = 1 ALLOW FILTERING"
        pages = await _read_pages(api, stmt, [], 500)
        assert sum(map(len, pages)) == 0

    @check(Capability.PAGING)
    async def test_a_state_may_wait(self, api: Api, space: Workspace) -> None:
        """A paging state can be used later, and more than once."""
        stmt, state = await _first(api, space)
        await api.execute(f"SELECT c FROM {space.items} WHERE p = 'many' AND c < 50", [], fetch_size=3)
        for _ in range(2):
            page = await api.execute(stmt, [], fetch_size=10, paging_state=state)
            assert [row["c"] for row in page] == list(range(10, 20))

    @check(Capability.PAGING)
    async def test_each_page_has_its_size(self, api: Api, space: Workspace) -> None:
        """A page may have another fetch_size than the page before."""
        stmt, state = await _first(api, space)
        for fetch_size in (1, 40, 10):
            page = await api.execute(stmt, [], fetch_size=fetch_size, paging_state=state)
            assert [row["c"] for row in page] == list(range(10, 10 + fetch_size))

    @check(Capability.PAGING)
    async def test_a_state_travels(self, api: Api, space: Workspace) -> None:
        """A paging state is bytes that another connection can use."""
        stmt, state = await _first(api, space)
        assert type(state) is bytes
        other = await api.open()
        page = await other.execute(stmt, [], fetch_size=5, paging_state=bytes(bytearray(state)))
        assert [row["c"] for row in page] == list(range(10, 15))

    @check(Capability.PAGING)
    async def test_the_rest_from_a_state(self, api: Api, space: Workspace) -> None:
        """With a paging state and no fetch_size, all remaining rows are returned, also several pages."""
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many'"
        page = await api.execute(stmt, [], fetch_size=10)
        rest = await api.execute(stmt, [], paging_state=page.paging_state)
        assert [row["c"] for row in rest] == list(range(10, MANY))
        assert not rest.has_more_pages

    @check(Capability.PAGING)
    async def test_many_pagers_at_once(self, api: Api, space: Workspace) -> None:
        """Two dozen concurrent readers of pages are independent."""
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c >= ? AND c < ?"

        async def pager(first: int) -> list[int]:
            pages = await _read_pages(api, stmt, [first, first + 120], 17)
            return [row["c"] for page in pages for row in page]

        starts = [n * 100 for n in range(_PAGERS)]
        found = await api.together([partial(pager, first) for first in starts])
        assert found == [list(range(first, first + 120)) for first in starts]

    @check(Capability.PAGING)
    async def test_broken_states_are_refused(self, api: Api, space: Workspace) -> None:
        """An invalid paging state, or one of another statement, is a ValueError; the driver works on."""
        stmt, state = await _first(api, space)
        altered = state[:-1] + bytes([state[-1] ^ 1])
        for broken in (b"", state[:5], state[:-1], altered, b"\x00" * 30, "text"):
            with pytest.raises(PagingStateError) as caught:
                await api.execute(stmt, [], fetch_size=10, paging_state=broken)
            assert isinstance(caught.value, ValueError)
        other = f"SELECT c, v FROM {space.items} WHERE p = 'many' AND c < 100"
        with pytest.raises(PagingStateError):
            await api.execute(other, [], fetch_size=10, paging_state=state)
        assert len(await api.execute(stmt, [], fetch_size=10, paging_state=state)) == 10

    @check(Capability.PAGING)
    async def test_bad_fetch_sizes_are_refused(self, api: Api, space: Workspace) -> None:
        """A fetch_size that isn't a positive integer is a ValueError that names the argument."""
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many' LIMIT 3"
        for fetch_size in (0, -1, 1.5, "10", True):
            with pytest.raises(ConfigurationError) as caught:
                await api.execute(stmt, [], fetch_size=fetch_size)
            assert caught.value.option == "fetch_size"

    @check(Capability.PAGING)
    async def test_the_last_state_is_the_callers(self, api: Api, space: Workspace) -> None:
        """_last_paging_state, if it exists, is that of the caller's last request."""
        if not hasattr(type(api.driver), "_last_paging_state"):
            return
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c < 100"

        async def reader(fetch_size: int) -> bool:
            states = []
            for _ in range(5):
                page = await api.execute(stmt, [], fetch_size=fetch_size)
                await api.pause(0.001)
                states.append(api.driver._last_paging_state == page.paging_state)
            await api.execute(stmt, [])
            return all(states) and api.driver._last_paging_state is None

        sizes = range(10, 18)
        assert all(await api.together([partial(reader, size) for size in sizes]))

    @check()
    async def test_streams_give_every_row(self, api: Api, space: Workspace) -> None:
        """A stream yields each row once, in order, with any fetch_size."""
        stmt = f"SELECT c FROM {space.items} WHERE p = ? AND c < ?"
        for limit, fetch_size in ((100, 7), (100, 100), (5, 1), (0, 10), (10, 1000)):
            rows = [row["c"] async for row in api.stream(stmt, ["many", limit], fetch_size=fetch_size)]
            assert rows == list(range(limit))

    @check()
    async def test_streams_of_everything(self, api: Api, space: Workspace) -> None:
        """A stream without fetch_size yields all rows, as dicts."""
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many'"
        rows = [row async for row in api.stream(stmt)]
        assert rows == await api.execute(stmt, [])

    @check()
    async def test_many_streams_at_once(self, api: Api, space: Workspace) -> None:
        """Concurrent streams of one driver are independent."""
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c >= ? AND c < ?"

        async def read(first: int) -> list[int]:
            return [row["c"] async for row in api.stream(stmt, [first, first + 60], fetch_size=9)]

        found = await api.together([partial(read, first) for first in range(12)])
        assert found == [list(range(first, first + 60)) for first in range(12)]

    @check()
    async def test_a_stream_may_be_left(self, api: Api, space: Workspace) -> None:
        """A stream can be abandoned; the driver works on."""
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many'"
        for _ in range(10):
            async with aclosing(api.stream(stmt, fetch_size=10)) as rows:
                async for row in rows:
                    assert row == {"c": 0}
                    break
        await api.pause(0.05)
        assert await api.ping()

    @check()
    async def test_streams_refuse_bad_sizes_at_once(self, api: Api, space: Workspace) -> None:
        """An invalid fetch_size is rejected by the call, not by the first row."""
        for fetch_size in (0, -1, "many"):
            with pytest.raises(ConfigurationError):
                api.method("stream")(f"SELECT c FROM {space.items}", fetch_size=fetch_size)

    @check()
    async def test_a_streams_error_is_raised(self, api: Api, space: Workspace) -> None:
        """An error is raised by the iteration, as execute would raise it."""
        with pytest.raises(InvalidQueryError):
            [row async for row in api.stream(f"SELECT c FROM {space.keyspace}.nothing")]
        with pytest.raises(CoodieError):
            [row async for row in api.stream(f"SELECT c FROM {space.items} WHERE p = ?", [1])]
