"""scylladb-rs-driver: an asyncio interface to ScyllaDB's Rust driver."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from contestants import frames
from contestants.asynchronous import in_flight
from contestants.installed import versions
from contestants.rows import PAGE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from contestants.roles import Row, Target
    from contestants.rows import Table

__all__ = ["ScylladbRs"]


class ScylladbRs:
    """A scylladb-rs-driver session."""

    identity = "id"
    session: Any

    @property
    def facts(self) -> dict[str, Any]:
        """Its version."""
        return versions("scylladb-rs-driver")

    def plain(self, row: Row, table: Table) -> Row:
        """Return the row with naive UTC times."""
        return row | {name: row[name].replace(tzinfo=None) for name in table.named("timestamp")}

    async def open(self, target: Target) -> None:
        """Connect."""
        from scylla.session_builder import SessionBuilder  # pyright: ignore[reportMissingImports]

        builder = SessionBuilder().contact_points([(target.host, target.port)])
        if target.ca:
            context = import_module("scylla.tls").TlsContext()  # it can't verify the node's address
            context.load_verify_locations(cafile=target.ca)
            builder = builder.tls_context(context)
        self.session = await builder.connect()

    async def close(self) -> None:
        """Drop the reference to the session, which has no close method."""
        del self.session

    async def prepare(self, cql: str) -> Any:
        """Prepare a statement."""
        return (await self.session.prepare(cql)).with_page_size(PAGE)

    async def read(self, statement: Any, values: list[Any]) -> list[Row]:
        """Return the rows of the first page."""
        return list((await self.session.execute(statement, values)).iter_current_page())

    async def read_all(self, statement: Any, values: list[Any]) -> list[Row]:
        """Return the rows of all pages."""
        rows: list[Row] = await (await self.session.execute(statement, values)).all()
        return rows

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
        await self.session.execute(statement, values)

    async def write_many(self, statement: Any, rows: Iterable[list[Any]], concurrency: int) -> None:
        """Insert rows concurrently; the driver has no function for it."""
        values = list(rows)
        await in_flight(lambda number: self.write(statement, values[number]), len(values), concurrency)

    async def _pages(self, statement: Any, values: list[Any]) -> AsyncIterator[Iterable[Row]]:
        result = await self.session.execute(statement, values)
        while result is not None:
            yield result.iter_current_page()
            result = await result.fetch_next_page() if result.has_more_pages() else None
