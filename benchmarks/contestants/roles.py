"""What a client has to be able to do, by the kind of its interface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from contestants.rows import Table

__all__ = ["AsyncClient", "CallbackClient", "FrameClient", "SyncClient", "Target", "Unavailable"]

Row = dict[str, Any]


class Unavailable(Exception):  # noqa: N818 - said of a contestant, which is then left out
    """This contestant, or this workload with it, can't be had here; the message says why."""


@dataclass(frozen=True)
class Target:
    """Where to connect, and how."""

    host: str
    port: int
    #: Parts of the contestant's name after the first: as in contestants.listing.VARIANTS.
    variants: frozenset[str] = frozenset()
    #: The file of the authority whose certificate the server shows; "" without TLS.
    ca: str = ""


class Client(Protocol):
    """What all clients have."""

    #: The name under which it gives the column "id".
    identity: str

    @property
    def facts(self) -> dict[str, Any]:
        """What else there is to know of it, once it is connected: versions, what is on and off."""
        ...

    def plain(self, row: Row, table: Table) -> Row:
        """Return a row with the values that CQL's types have in Python, where the client gives others.

        Raises:
            Unavailable: It gives the bytes of values instead of decoding them.
        """
        ...


class FrameClient(Client, Protocol):
    """A client that makes data frames: a method that an event loop waits for, or that blocks."""

    def frame(self, statement: Any, values: list[Any]) -> Any:
        """Return the rows of all pages as a pandas data frame."""
        ...


class AsyncClient(Client, Protocol):
    """A client for event loops."""

    async def open(self, target: Target) -> None:
        """Connect."""

    async def close(self) -> None:
        """Disconnect."""

    async def prepare(self, cql: str) -> Any:
        """Return what stands for a statement in the other methods."""
        ...

    async def read(self, statement: Any, values: list[Any]) -> list[Row]:
        """Return the rows of the first page."""
        ...

    async def read_all(self, statement: Any, values: list[Any]) -> list[Row]:
        """Return the rows of all pages."""
        ...

    async def total(self, statement: Any, values: list[Any]) -> tuple[int, int]:
        """Go through all rows, holding few at a time; return how many there were and the sum of their ids."""
        ...

    async def write(self, statement: Any, values: list[Any]) -> None:
        """Insert a row."""

    async def write_many(self, statement: Any, rows: Iterable[list[Any]], concurrency: int) -> None:
        """Insert rows, as many at once."""


class SyncClient(Client, Protocol):
    """A client whose calls block: the methods of AsyncClient, without ``async``."""

    def open(self, target: Target) -> None:
        """Connect."""

    def close(self) -> None:
        """Disconnect."""

    def prepare(self, cql: str) -> Any:
        """Return what stands for a statement in the other methods."""
        ...

    def read(self, statement: Any, values: list[Any]) -> list[Row]:
        """Return the rows of the first page."""
        ...

    def read_all(self, statement: Any, values: list[Any]) -> list[Row]:
        """Return the rows of all pages."""
        ...

    def total(self, statement: Any, values: list[Any]) -> tuple[int, int]:
        """Go through all rows, holding few at a time; return how many there were and the sum of their ids."""
        ...

    def write(self, statement: Any, values: list[Any]) -> None:
        """Insert a row."""

    def write_many(self, statement: Any, rows: Iterable[list[Any]], concurrency: int) -> None:
        """Insert rows, as many at once."""


class CallbackClient(SyncClient, Protocol):
    """A client that can also call back, from a thread of its own."""

    def start(
        self,
        statement: Any,
        values: list[Any],
        done: Callable[[list[Row] | None], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        """Send a request; one of the two is called with what came of it."""
