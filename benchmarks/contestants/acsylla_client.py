"""acsylla: an asyncio interface to a C++ driver."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from contestants import frames
from contestants.asynchronous import in_flight
from contestants.installed import versions
from contestants.roles import Unavailable
from contestants.rows import PAGE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from contestants.roles import Row, Target
    from contestants.rows import Table

__all__ = ["Acsylla"]


class Acsylla:
    """An acsylla session."""

    identity = "id"
    session: Any

    @property
    def facts(self) -> dict[str, Any]:
        """Its version."""
        return versions("acsylla")

    def plain(self, row: Row, table: Table) -> Row:
        """Return the row with UUIDs instead of text, and naive UTC times.

        Raises:
            Unavailable: The row has vectors, which acsylla doesn't decode.
        """
        if any(isinstance(row[name], bytes) for name in table.names if name not in table.named("blob")):
            raise Unavailable("it returns the bytes of vectors, without decoding them")
        times = {name: row[name].replace(tzinfo=None) for name in table.named("timestamp")}
        return row | times | {name: UUID(row[name]) for name in table.named("uuid")}

    async def open(self, target: Target) -> None:
        """Connect."""
        import acsylla  # pyright: ignore[reportMissingImports]

        options: dict[str, Any] = {}
        if target.ca:
            options = {
                "ssl_enabled": True,
                "ssl_trusted_cert": Path(target.ca).read_text(encoding="ascii"),  # noqa: ASYNC240 - short
                "ssl_verify_flags": acsylla.SSLVerifyFlags.PEER_IDENTITY,
            }
        cluster = acsylla.create_cluster([target.host], port=target.port, log_level="error", **options)
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

    async def frame(self, statement: Any, values: list[Any]) -> Any:
        """Return the rows as a data frame."""
        return frames.from_rows(await self.read_all(statement, values))

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
        """Insert rows concurrently; acsylla has no function for it."""
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
