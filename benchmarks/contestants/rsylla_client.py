"""rsylla: an asyncio interface to a Rust driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from contestants.installed import versions
from contestants.roles import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from contestants.roles import Row, Target
    from contestants.rows import Table

__all__ = ["Rsylla"]

_KEY = ("part", "id")


class Rsylla:
    """A rsylla session."""

    identity = "col_1"  # rsylla numbers the columns of prepared statements
    session: Any

    @property
    def facts(self) -> dict[str, Any]:
        """Its version."""
        return versions("rsylla")

    def plain(self, row: Row, table: Table) -> Row:
        """Return the row with column names, and UUIDs instead of text."""
        named = dict(zip(table.names, row.values(), strict=True))
        return named | {name: UUID(named[name]) for name in table.named("uuid")}

    async def open(self, target: Target) -> None:
        """Connect."""
        if target.ca:
            raise Unavailable("it isn't measured with TLS")
        import rsylla  # pyright: ignore[reportMissingImports]

        self.session = await rsylla.Session.connect([f"{target.host}:{target.port}"])

    async def close(self) -> None:
        """Drop the reference to the session, which has no close method."""
        del self.session

    async def prepare(self, cql: str) -> Any:
        """Prepare a statement."""
        return await self.session.prepare(cql)

    async def read(self, statement: Any, values: list[Any]) -> list[Row]:
        """Return the rows."""
        given = dict(zip(_KEY, values, strict=False))
        rows: list[Row] = (await self.session.execute_prepared(statement, given)).rows_typed()
        return rows

    read_all = read

    async def total(self, statement: Any, values: list[Any]) -> tuple[int, int]:  # noqa: ARG002 - there is none
        """Raise Unavailable."""
        raise Unavailable("it has no pages")

    async def write(self, statement: Any, values: list[Any]) -> None:  # noqa: ARG002 - there is none
        """Raise Unavailable."""
        raise Unavailable("it can't bind a uuid")

    async def write_many(
        self,
        statement: Any,
        rows: Iterable[list[Any]],  # noqa: ARG002 - there is none
        concurrency: int,  # noqa: ARG002 - there is none
    ) -> None:
        """Raise Unavailable."""
        await self.write(statement, [])
