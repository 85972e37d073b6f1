"""cassandra-asyncio-driver: awaitable calls around cassandra-driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contestants.asynchronous import in_flight
from contestants.installed import versions
from contestants.raw_drivers import cluster_of, plain_row

if TYPE_CHECKING:
    from collections.abc import Iterable

    from contestants.roles import Row, Target
    from contestants.rows import Table

__all__ = ["CassandraAsyncio"]


class CassandraAsyncio:
    """A cassandra-asyncio-driver session."""

    identity = "id"
    session: Any

    @property
    def facts(self) -> dict[str, Any]:
        """Its version."""
        return versions("cassandra-asyncio-driver", "cassandra-driver")

    def plain(self, row: Row, table: Table) -> Row:
        """Return the row with dicts instead of the driver's maps."""
        return plain_row(row, table)

    async def open(self, target: Target) -> None:
        """Connect."""
        from cassandra_asyncio.cluster import Cluster  # pyright: ignore[reportMissingImports]

        self.session = cluster_of(target, Cluster).connect()

    async def close(self) -> None:
        """Disconnect."""
        self.session.cluster.shutdown()

    async def prepare(self, cql: str) -> Any:
        """Prepare a statement."""
        return self.session.prepare(cql)

    async def read(self, statement: Any, values: list[Any]) -> list[Row]:
        """Return the rows of the first page."""
        rows: list[Row] = (await self.session.aexecute(statement, values)).current_rows
        return rows

    async def read_all(self, statement: Any, values: list[Any]) -> list[Row]:
        """Return the rows of all pages."""
        rows: list[Row] = await (await self.session.aexecute(statement, values)).aall()
        return rows

    async def total(self, statement: Any, values: list[Any]) -> tuple[int, int]:
        """Go through all rows."""
        count = identities = 0
        async for row in await self.session.aexecute(statement, values):
            count += 1
            identities += row["id"]
        return count, identities

    async def write(self, statement: Any, values: list[Any]) -> None:
        """Insert a row."""
        await self.session.aexecute(statement, values)

    async def write_many(self, statement: Any, rows: Iterable[list[Any]], concurrency: int) -> None:
        """Insert rows."""
        values = list(rows)
        await in_flight(lambda number: self.write(statement, values[number]), len(values), concurrency)
