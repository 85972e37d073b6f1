"""The requests that the planner yields, and the result of a sync."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from coodie.effects import Sleep
from coodie.schema.identifiers import quote_literal

__all__ = ["AwaitAgreement", "Execute", "Query", "Read", "ReadNodes", "Request", "SyncResult"]


@dataclass(frozen=True, slots=True)
class Query:
    """A SELECT with the values of its ``?`` markers."""

    cql: str
    #: Names of schema objects: letters, digits and underscores.
    params: tuple[str, ...] = ()

    def as_text(self) -> str:
        """Return the query with its values as literals, to send it without preparing it."""
        if not self.params:
            return self.cql
        parts = self.cql.split("?")
        values = [*map(quote_literal, self.params), ""]
        return "".join(part + value for part, value in zip(parts, values, strict=True))


@dataclass(frozen=True, slots=True)
class Read:
    """Independent queries, which can be sent concurrently.

    The response is a list with the rows of each query, in the same order; a row is a mapping.
    """

    queries: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class ReadNodes:
    """A query of each node's local data.

    The response is a list with the rows of each node that is up; a driver that can't choose nodes returns the
    rows of one.
    """

    query: Query


@dataclass(frozen=True, slots=True)
class Execute:
    """A statement that changes the schema. The response is None.

    Throw an exception of its execution into the planner.
    """

    cql: str


@dataclass(frozen=True, slots=True)
class AwaitAgreement:
    """Wait for schema agreement, so that the node of the next request knows the change.

    A driver that uses one node for all requests needn't wait after a change. The response is None; without
    agreement in time, a sentence about it.
    """

    #: Only for the last wait: a query that must succeed on every node. On a node that doesn't know the table
    #: yet, the query is invalid.
    query: Query | None = None


Request: TypeAlias = Read | ReadNodes | Execute | AwaitAgreement | Sleep


class SyncResult(list[str]):
    """The result of a sync: a list of the executed CQL statements, in order; of a dry run, those to execute.

    Args:
        statements: The statements.
        warnings: Differences between the server and the definition, and other warnings; one sentence each.
    """

    def __init__(self, statements: list[str], warnings: tuple[str, ...] = ()) -> None:
        super().__init__(statements)
        #: Differences between the server and the definition, and other warnings; they are also logged.
        self.warnings = warnings
