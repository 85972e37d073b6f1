"""coodie with both backends, async and sync."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from contestants import frames
from contestants.installed import versions
from contestants.roles import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from contestants.roles import Row, Target
    from contestants.rows import Table

__all__ = ["CoodieAsync", "CoodieSync"]

_ACCELERATOR = "coodie-accel"
_NUMBERS = count()


class _Coodie:
    """The base class of both clients.

    Args:
        driver_type: The backend.
    """

    identity = "id"
    driver: Any

    def __init__(self, driver_type: str) -> None:
        self.driver_type = driver_type
        self._variants: frozenset[str] = frozenset()

    @property
    def facts(self) -> dict[str, Any]:
        """The enabled features of the connected client.

        Raises:
            Unavailable: The fast path is enabled but has disabled itself, or the accelerator is missing.
        """
        fast = "nofast" not in self._variants
        if fast and self.driver.fast_path_refusal is not None:
            raise Unavailable(f"the fast path is disabled: {self.driver.fast_path_refusal}")
        found = versions("coodie-core", f"{self.driver_type}-driver", _ACCELERATOR)
        if "accel" in self._variants and _ACCELERATOR not in found:
            raise Unavailable(f"{_ACCELERATOR} isn't installed")
        return {**found, "fast_path": fast, "accelerator": _ACCELERATOR in found}

    def arguments(self, target: Target) -> dict[str, Any]:
        """Return the arguments of ``init_coodie``."""
        self._variants = target.variants
        given: dict[str, Any] = {
            "hosts": [target.host],
            "port": target.port,
            "driver_type": self.driver_type,
            "fast_path": "nofast" not in target.variants,
            "name": f"bench-{next(_NUMBERS)}",
        }
        if "v4" in target.variants:
            given["protocol_version"] = 4
        if target.ca:
            given["ssl_trusted_cert"] = target.ca
        if "arrays" in target.variants:
            from array import array

            from coodie.codecs import vector_codec

            given["codecs"] = [vector_codec(array)]
        return given

    def plain(self, row: Row, table: Table) -> Row:  # noqa: ARG002 - arrays are recognized by type
        """Return the row with lists instead of arrays."""
        if "arrays" not in self._variants:
            return row
        from array import array

        return {name: value.tolist() if isinstance(value, array) else value for name, value in row.items()}


class CoodieAsync(_Coodie):
    """coodie's async methods."""

    async def open(self, target: Target) -> None:
        """Connect."""
        import coodie

        self.driver = await coodie.init_coodie_async(**self.arguments(target))

    async def close(self) -> None:
        """Disconnect."""
        await self.driver.close_async()

    async def prepare(self, cql: str) -> str:
        """Return the text, because the driver prepares statements."""
        return cql

    async def read(self, statement: str, values: list[Any]) -> list[Row]:
        """Return the rows."""
        rows: list[Row] = await self.driver.execute_async(statement, values)
        return rows

    read_all = read

    async def frame(self, statement: str, values: list[Any]) -> Any:
        """Return the rows as a data frame."""
        rows = await self.driver.execute_async(statement, values, rows="arrow")
        return frames.from_arrow(rows, as_objects="objects" in self._variants)

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
    """coodie's sync methods."""

    def open(self, target: Target) -> None:
        """Connect."""
        import coodie

        self.driver = coodie.init_coodie(**self.arguments(target))

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
