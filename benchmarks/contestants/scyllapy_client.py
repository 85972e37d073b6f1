"""scyllapy: an asyncio interface to a Rust driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contestants.asynchronous import in_flight
from contestants.installed import versions
from contestants.roles import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from contestants.roles import Row, Target
    from contestants.rows import Table

__all__ = ["Scyllapy"]


class Scyllapy:
    """A scyllapy cluster."""

    identity = "id"
    cluster: Any

    @property
    def facts(self) -> dict[str, Any]:
        """Its version."""
        return versions("scyllapy")

    def plain(self, row: Row, table: Table) -> Row:  # noqa: ARG002 - its values are those of the others
        """Return the row as it is."""
        return row

    async def open(self, target: Target) -> None:
        """Connect."""
        if target.ca:
            raise Unavailable("it isn't measured with TLS")
        import scyllapy  # pyright: ignore[reportMissingImports]

        self.cluster = scyllapy.Scylla([f"{target.host}:{target.port}"])
        await self.cluster.startup()

    async def close(self) -> None:
        """Disconnect."""
        await self.cluster.shutdown()

    async def prepare(self, cql: str) -> Any:
        """Prepare a statement."""
        return await self.cluster.prepare(cql)

    async def read(self, statement: Any, values: list[Any]) -> list[Row]:
        """Return the rows."""
        rows: list[Row] = (await self.cluster.execute(statement, values)).all()
        return rows

    read_all = read

    async def total(self, statement: Any, values: list[Any]) -> tuple[int, int]:
        """Go through all rows."""
        count = identities = 0
        async for row in await self.cluster.execute(statement, values, paged=True):
            count += 1
            identities += row["id"]
        return count, identities

    async def write(self, statement: Any, values: list[Any]) -> None:
        """Insert a row."""
        await self.cluster.execute(statement, values)

    async def write_many(self, statement: Any, rows: Iterable[list[Any]], concurrency: int) -> None:
        """Insert rows concurrently; scyllapy has no function for it."""
        values = list(rows)
        await in_flight(lambda number: self.write(statement, values[number]), len(values), concurrency)
