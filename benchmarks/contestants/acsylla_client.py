"""acsylla: a C++ driver behind asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from contestants.asynchronous import in_flight
from contestants.installed import versions
from contestants.rows import PAGE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from contestants.roles import Row, Target

__all__ = ["Acsylla"]


class Acsylla:
    """A session of its."""

    identity = "id"
    session: Any

    def __init__(self) -> None:
        self.facts: dict[str, Any] = versions("acsylla")

    def plain(self, row: Row) -> Row:
        """Return the row with its uuid, which comes as text, as one."""
        return {**row, "ref": UUID(row["ref"])}

    async def open(self, target: Target) -> None:
        """Connect."""
        import acsylla  # pyright: ignore[reportMissingImports]

        cluster = acsylla.create_cluster([target.host], port=target.port, log_level="error")
        self.session = await cluster.create_session()

    async def close(self) -> None:
        """Disconnect."""
        await self.session.close()

    async def prepare(self, cql: str) -> Any:
        """Prepare a statement."""
        return await self.session.create_prepared(cql)

    async def read(self, statement: Any, values: list[Any]) -> list[Row]:
        """Return the rows."""
        return [row.as_dict() for row in await self.session.execute(statement.bind(values))]

    async def read_all(self, statement: Any, values: list[Any]) -> list[Row]:
        """Return the rows of all pages."""
        return [row async for page in self._pages(statement, values) for row in page]

    async def total(self, statement: Any, values: list[Any]) -> tuple[int, int]:
        """Go through all rows, page by page."""
        count = identities = 0
        async for page in self._pages(statement, values):
            for row in page:
                count += 1
                identities += row["id"]
        return count, identities

    async def write(self, statement: Any, values: list[Any]) -> None:
        """Insert a row."""
        await self.session.execute(statement.bind(values))

    async def write_many(self, statement: Any, rows: Iterable[list[Any]], concurrency: int) -> None:
        """Insert rows, as many at once: it has nothing for it."""
        values = list(rows)
        await in_flight(lambda number: self.write(statement, values[number]), len(values), concurrency)

    async def _pages(self, statement: Any, values: list[Any]) -> AsyncIterator[list[Row]]:
        bound = statement.bind(values, page_size=PAGE)
        while True:
            result = await self.session.execute(bound)
            yield [row.as_dict() for row in result]
            if not result.has_more_pages():
                return
            bound.set_page_state(result.page_state())
