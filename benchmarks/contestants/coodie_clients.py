"""coodie, on either of its backends: on an event loop, and blocking."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from contestants.installed import versions
from contestants.roles import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from contestants.roles import Row, Target

__all__ = ["CoodieAsync", "CoodieSync"]

_ACCELERATOR = "coodie-accel"


class _Coodie:
    """What both have.

    Args:
        driver_type: The backend.
    """

    identity = "id"
    driver: Any

    def __init__(self, driver_type: str) -> None:
        self.driver_type = driver_type
        self._facts: dict[str, Any] = {}

    @property
    def facts(self) -> dict[str, Any]:
        """What is on and off, once it is connected.

        Raises:
            Unavailable: The fast path is on, and refuses itself: what is measured would be another one.
        """
        refusal = self.driver.fast_path_refusal if self._facts["fast_path"] else None
        if refusal is not None:
            raise Unavailable(f"the fast path refuses itself: {refusal}")
        return self._facts

    def arguments(self, target: Target) -> dict[str, Any]:
        """Return what ``init_coodie`` gets; note what is on and off."""
        from coodie.drivers.cassandra import CassandraDriver

        given = {"hosts": [target.host], "port": target.port, "driver_type": self.driver_type}
        knows = "fast_path" in inspect.signature(CassandraDriver).parameters
        fast = knows and "nofast" not in target.variants
        if "nofast" in target.variants and not knows:
            raise Unavailable("this coodie has no fast path that could be off")
        if knows:
            given["fast_path"] = fast
        found = versions("coodie-core", f"{self.driver_type}-driver", _ACCELERATOR)
        if "accel" in target.variants and _ACCELERATOR not in found:
            raise Unavailable(f"{_ACCELERATOR} isn't installed")
        if "v4" in target.variants:
            given["protocol_version"] = 4
        self._facts = {
            **found,
            "fast_path": fast,
            "accelerator": _ACCELERATOR in found,
        }
        return given

    def plain(self, row: Row) -> Row:
        """Return the row as it is."""
        return row


class CoodieAsync(_Coodie):
    """coodie's methods for event loops."""

    async def open(self, target: Target) -> None:
        """Connect."""
        import coodie

        self.driver = await coodie.init_coodie_async(**self.arguments(target))

    async def close(self) -> None:
        """Disconnect."""
        await self.driver.close_async()

    async def prepare(self, cql: str) -> str:
        """Return the text: the driver prepares by itself."""
        return cql

    async def read(self, statement: str, values: list[Any]) -> list[Row]:
        """Return the rows."""
        rows: list[Row] = await self.driver.execute_async(statement, values)
        return rows

    read_all = read

    async def total(self, statement: str, values: list[Any]) -> tuple[int, int]:
        """Go through all rows."""
        count = identities = 0
        async for row in self.driver.stream_async(statement, values):
            count += 1
            identities += row["id"]
        return count, identities

    async def write(self, statement: str, values: list[Any]) -> None:
        """Insert a row."""
        await self.driver.execute_async(statement, values)

    async def write_many(self, statement: str, rows: Iterable[list[Any]], concurrency: int) -> None:
        """Insert rows."""
        await self.driver.execute_many_async(statement, rows, concurrency=concurrency)


class CoodieSync(_Coodie):
    """coodie's blocking methods."""

    def open(self, target: Target) -> None:
        """Connect."""
        import coodie

        self.driver = coodie.init_coodie(**self.arguments(target))

    def close(self) -> None:
        """Disconnect."""
        self.driver.close()

    def prepare(self, cql: str) -> str:
        """Return the text: the driver prepares by itself."""
        return cql

    def read(self, statement: str, values: list[Any]) -> list[Row]:
        """Return the rows."""
        rows: list[Row] = self.driver.execute(statement, values)
        return rows

    read_all = read

    def total(self, statement: str, values: list[Any]) -> tuple[int, int]:
        """Go through all rows."""
        count = identities = 0
        for row in self.driver.stream(statement, values):
            count += 1
            identities += row["id"]
        return count, identities

    def write(self, statement: str, values: list[Any]) -> None:
        """Insert a row."""
        self.driver.execute(statement, values)

    def write_many(self, statement: str, rows: Iterable[list[Any]], concurrency: int) -> None:
        """Insert rows."""
        self.driver.execute_many(statement, rows, concurrency=concurrency)
