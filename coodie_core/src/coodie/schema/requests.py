"""What the planner asks of whoever drives it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = ["Execute", "Query", "Read", "Request", "SyncResult"]


@dataclass(frozen=True, slots=True)
class Query:
    """A SELECT with values to bind to its ``?``."""

    cql: str
    params: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Read:
    """Reads that don't depend on one another: send them together if you can.

    The answer is a list with the rows of each, in the same order, every row a mapping.
    """

    queries: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class Execute:
    """A statement that changes the schema. The answer is None; with dry_run nothing is done.

    An exception while it is executed is to be thrown into the planner.
    """

    cql: str


Request: TypeAlias = Read | Execute


class SyncResult(list[str]):
    """The CQL statements that were executed, or would be, in order.

    Args:
        statements: The statements.
        warnings: What the server has and the definition doesn't, one sentence each.
    """

    def __init__(self, statements: list[str], warnings: tuple[str, ...] = ()) -> None:
        super().__init__(statements)
        #: What the server has and the definition doesn't, one sentence each; logged, too.
        self.warnings = warnings
