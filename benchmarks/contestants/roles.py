"""The interfaces of clients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from contestants.rows import Table

__all__ = ["AsyncClient", "CallbackClient", "FrameClient", "SyncClient", "Target", "Unavailable"]

Row = dict[str, Any]


class Unavailable(Exception):  # noqa: N818 - the contestant is skipped
    """The contestant, or the workload with it, isn't available; the message has the reason."""


@dataclass(frozen=True)
class Target:
    """The server and the options for connecting."""

    host: str
    port: int
    #: The contestant's variants, as in contestants.listing.VARIANTS.
    variants: frozenset[str] = frozenset()
    #: The certificate file of the server's authority; "" without TLS.
    ca: str = ""


class Client(Protocol):
    """The methods of all clients."""

    #: The client's name of the column "id".
    identity: str

    @property
    def facts(self) -> dict[str, Any]:
        """The versions and features of the connected client."""
        ...

    def plain(self, row: Row, table: Table) -> Row:
        """Return a row with the Python values of CQL types, if the client returns others.

        Raises:
            Unavailable: The client returns undecoded bytes.
        """
        ...


class FrameClient(Client, Protocol):
    """A client that creates data frames, with an async or a sync method."""

    def frame(self, statement: Any, values: list[Any]) -> Any:
        """Return the rows of all pages as a pandas data frame."""
        ...


class AsyncClient(Client, Protocol):
    """An async client."""

    async def open(self, target: Target) -> None:
        """Connect."""

    async def close(self) -> None:
        """Disconnect."""

    async def prepare(self, cql: str) -> Any:
        """Return the representation of a statement for the other methods."""
        ...

    async def read(self, statement: Any, values: list[Any]) -> list[Row]:
        """Return the rows of the first page."""
        ...

    async def read_all(self, statement: Any, values: list[Any]) -> list[Row]:
        """Return the rows of all pages."""
        ...

    async def total(self, statement: Any, values: list[Any]) -> tuple[int, int]:
        """Iterate over all rows, with few in memory; return their number and the sum of their ids."""
        ...

    async def write(self, statement: Any, values: list[Any]) -> None:
        """Insert a row."""

    async def write_many(self, statement: Any, rows: Iterable[list[Any]], concurrency: int) -> None:
        """Insert rows concurrently."""


class SyncClient(Client, Protocol):
    """A sync client: the methods of AsyncClient, without ``async``."""

    def open(self, target: Target) -> None:
        """Connect."""

    def close(self) -> None:
        """Disconnect."""

    def prepare(self, cql: str) -> Any:
        """Return the representation of a statement for the other methods."""
        ...

    def read(self, statement: Any, values: list[Any]) -> list[Row]:
        """Return the rows of the first page."""
        ...

    def read_all(self, statement: Any, values: list[Any]) -> list[Row]:
        """Return the rows of all pages."""
        ...

    def total(self, statement: Any, values: list[Any]) -> tuple[int, int]:
        """Iterate over all rows, with few in memory; return their number and the sum of their ids."""
        ...

    def write(self, statement: Any, values: list[Any]) -> None:
        """Insert a row."""

    def write_many(self, statement: Any, rows: Iterable[list[Any]], concurrency: int) -> None:
        """Insert rows concurrently."""


class CallbackClient(SyncClient, Protocol):
    """A sync client that also has callbacks, which run in its threads."""

    def start(
        self,
        statement: Any,
        values: list[Any],
        done: Callable[[list[Row] | None], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        """Send a request; call one of the two functions with its result."""
