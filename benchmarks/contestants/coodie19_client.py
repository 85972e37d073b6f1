"""coodie 1.9 from PyPI: its CassandraDriver with scylla-driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contestants.asynchronous import in_flight
from contestants.installed import versions
from contestants.raw_drivers import cluster_options, plain_row
from contestants.rows import PAGE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from contestants.roles import Row, Target
    from contestants.rows import Table

__all__ = ["Coodie19", "Coodie19Sync"]


class Coodie19Sync:
    """The sync methods."""

    identity = "id"
    driver: Any

    @property
    def facts(self) -> dict[str, Any]:
        """Its version."""
        return versions("coodie", "scylla-driver")

    def plain(self, row: Row, table: Table) -> Row:
        """Return the row with dicts instead of the driver's maps."""
        return plain_row(row, table)

    def open(self, target: Target) -> None:
        """Connect."""
        from cassandra.cluster import Cluster

        from coodie.drivers.cassandra import CassandraDriver

        self.driver = CassandraDriver(Cluster(**cluster_options(target)).connect())

    def close(self) -> None:
        """Disconnect."""
        self.driver.close()

    def prepare(self, cql: str) -> str:
        """Return the text, because the driver prepares statements."""
        return cql

    def read(self, statement: str, values: list[Any]) -> list[Row]:
        """Return the rows."""
        rows: list[Row] = self.driver.execute(statement, values)
        return rows

    read_all = read

    def total(self, statement: str, values: list[Any]) -> tuple[int, int]:
        """Go through all rows, page by page."""
        count = identities = 0
        state = None
        while True:
            page = self.driver.execute(statement, values, fetch_size=PAGE, paging_state=state)
            for row in page:
                count += 1
                identities += row["id"]
            state = self.driver._last_paging_state  # noqa: SLF001 - there is no public paging state
            if state is None:
                return count, identities

    def write(self, statement: str, values: list[Any]) -> None:
        """Insert a row."""
        self.driver.execute(statement, values)

    def write_many(self, statement: str, rows: Iterable[list[Any]], concurrency: int) -> None:  # noqa: ARG002 - not supported
        """Insert rows, one after the other."""
        for values in rows:
            self.driver.execute(statement, values)


class Coodie19:
    """The async methods."""

    identity = "id"

    def __init__(self) -> None:
        self._blocking = Coodie19Sync()

    @property
    def facts(self) -> dict[str, Any]:
        """Its version."""
        return self._blocking.facts

    def plain(self, row: Row, table: Table) -> Row:
        """Return the row with dicts instead of the driver's maps."""
        return plain_row(row, table)

    async def open(self, target: Target) -> None:
        """Connect."""
        self._blocking.open(target)

    async def close(self) -> None:
        """Disconnect."""
        await self._blocking.driver.close_async()

    async def prepare(self, cql: str) -> str:
        """Return the text, because the driver prepares statements."""
        return cql

    async def read(self, statement: str, values: list[Any]) -> list[Row]:
        """Return the rows of the first page."""
        rows: list[Row] = await self._blocking.driver.execute_async(statement, values)
        return rows

    async def read_all(self, statement: str, values: list[Any]) -> list[Row]:
        """Return the rows of all pages; without a fetch_size, coodie 1.9 returns only the first."""
        rows: list[Row] = []
        state = None
        while True:
            rows += await self._page(statement, values, state)
            state = self._blocking.driver._last_paging_state  # noqa: SLF001 - there is no public paging state
            if state is None:
                return rows

    async def total(self, statement: str, values: list[Any]) -> tuple[int, int]:
        """Go through all rows, page by page."""
        count = identities = 0
        state = None
        while True:
            for row in await self._page(statement, values, state):
                count += 1
                identities += row["id"]
            state = self._blocking.driver._last_paging_state  # noqa: SLF001 - there is no public paging state
            if state is None:
                return count, identities

    async def write(self, statement: str, values: list[Any]) -> None:
        """Insert a row."""
        await self._blocking.driver.execute_async(statement, values)

    async def write_many(self, statement: str, rows: Iterable[list[Any]], concurrency: int) -> None:
        """Insert rows concurrently; coodie 1.9 has no function for it."""
        values = list(rows)
        await in_flight(lambda number: self.write(statement, values[number]), len(values), concurrency)

    async def _page(self, statement: str, values: list[Any], state: bytes | None) -> list[Row]:
        page: list[Row] = await self._blocking.driver.execute_async(
            statement, values, fetch_size=PAGE, paging_state=state
        )
        return page
