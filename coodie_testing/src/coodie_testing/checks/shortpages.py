"""Checks of pages with fewer rows than ``fetch_size``, which a proxy makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from coodie.capabilities import Capability
from coodie.protocol.codec import INT, Reader, encode_bytes
from coodie.protocol.results import GLOBAL_TABLE, HAS_MORE_PAGES, NO_METADATA, ResultKind
from coodie_testing.checking import check
from coodie_testing.faults.fault import Fault
from coodie_testing.workspace import MANY

if TYPE_CHECKING:
    from coodie.protocol.frames import RawFrame
    from coodie_testing.api import Api
    from coodie_testing.faults.connection import ProxiedConnection
    from coodie_testing.faults.proxy import FaultProxy
    from coodie_testing.workspace import Workspace

__all__ = ["ShortPagesChecks"]

#: The metadata has a new id (native_protocol_v5.spec, section 4.2.5.2).
_METADATA_CHANGED = 0x8


def _skip_strings(reader: Reader, count: int) -> None:
    for _ in range(count):
        reader.read_string()


def _shortened(body: bytes, rows: int) -> bytes:
    """Return a RESULT with its first rows only, and the same paging state; columns have scalar types."""
    reader = Reader(body)
    assert reader.read_int() == ResultKind.ROWS
    flags, columns = reader.read_int(), reader.read_int()
    if flags & HAS_MORE_PAGES:
        reader.read_bytes()
    if flags & _METADATA_CHANGED:
        reader.read_short_bytes()
    if not flags & NO_METADATA:
        if flags & GLOBAL_TABLE:
            _skip_strings(reader, 2)
        for _ in range(columns):
            _skip_strings(reader, 1 if flags & GLOBAL_TABLE else 3)
            reader.read_short()
    rest = reader.rest()
    head, reader = body[: len(body) - len(rest)], Reader(rest)
    assert reader.read_int() > rows
    values = [reader.read_bytes() for _ in range(rows * columns)]
    kept = [INT.pack(-1) if value is None else encode_bytes(value) for value in values]
    return head + INT.pack(rows) + b"".join(kept)


@dataclass(frozen=True, kw_only=True)
class _ShortPage(Fault):
    """The last rows of a page are missing; its paging state is the node's.

    Args:
        rows: The number of rows that remain.
    """

    rows: int

    async def respond(
        self, connection: ProxiedConnection, request: RawFrame, response: RawFrame | None
    ) -> None:
        """Respond with the first rows."""
        assert response is not None
        assert not response.flags, "a response with a trace id, warnings or a payload"
        await connection.send_response(response._replace(body=_shortened(response.body, self.rows)))


class ShortPagesChecks:
    """The number of rows doesn't tell which page is the last one."""

    @check(Capability.PAGING)
    async def test_short_pages(self, api: Api, space: Workspace, proxy: FaultProxy, key: str) -> None:
        """A page with fewer rows than fetch_size, even none, has its paging state, and isn't the last one."""
        through = await api.open(hosts=[proxy.host], port=proxy.port)
        stmt = f"SELECT c FROM {space.items} WHERE p = ? AND c < 50 /* {key} */"
        for rows in (3, 0):
            proxy.add(_ShortPage(rows=rows), contains=key)
            page = await through.execute(stmt, ["many"], fetch_size=10)
            assert [row["c"] for row in page] == list(range(rows))
            assert page.has_more_pages
            proxy.add(_ShortPage(rows=rows), contains=key)
            page = await through.execute(stmt, ["many"], fetch_size=10, paging_state=page.paging_state)
            assert [row["c"] for row in page] == list(range(10, 10 + rows))
            page = await through.execute(stmt, ["many"], fetch_size=10, paging_state=page.paging_state)
            assert [row["c"] for row in page] == list(range(20, 30))

    @check(Capability.PAGING)
    async def test_short_pages_of_one_value(
        self, api: Api, space: Workspace, proxy: FaultProxy, key: str
    ) -> None:
        """execute_one returns the first row's value, also after pages without rows."""
        through = await api.open(hosts=[proxy.host], port=proxy.port)
        stmt = f"SELECT c FROM {space.items} WHERE p = ? /* {key} */"
        for pages in (1, 2):
            proxy.add(_ShortPage(rows=0), contains=key, times=pages)
            found = await through.execute_one(stmt, ["many"])
            assert found is not None
            assert found > 0

    @check(Capability.PAGING)
    async def test_short_pages_of_all_rows(
        self, api: Api, space: Workspace, proxy: FaultProxy, key: str
    ) -> None:
        """All rows are returned after a page with few rows or none, by execute and by stream."""
        through = await api.open(hosts=[proxy.host], port=proxy.port)
        stmt = f"SELECT c FROM {space.items} WHERE p = ? /* {key} */"
        few = f"SELECT c FROM {space.items} WHERE p = ? AND c < 50 /* {key} */"
        for rows in (3, 0):
            proxy.add(_ShortPage(rows=rows), contains=key)
            found = [row["c"] for row in await through.execute(stmt, ["many"])]
            assert found[:rows] == list(range(rows))
            assert found[rows:] == list(range(MANY))[rows - len(found) :]
            assert len(found) > rows
            proxy.add(_ShortPage(rows=rows), contains=key)
            found = [row["c"] async for row in through.stream(few, ["many"], fetch_size=10)]
            assert found == [*range(rows), *range(10, 50)]
            proxy.add(_ShortPage(rows=rows), contains=key, after=1)
            found = [row["c"] async for row in through.stream(few, ["many"], fetch_size=10)]
            assert found == [*range(10 + rows), *range(20, 50)]
