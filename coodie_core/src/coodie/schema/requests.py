"""What the planner asks of whoever drives it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from coodie.effects import Sleep
from coodie.schema.identifiers import quote_literal

__all__ = ["AwaitAgreement", "Execute", "Query", "Read", "ReadNodes", "Request", "SyncResult"]


@dataclass(frozen=True, slots=True)
class Query:
    """A SELECT with values to bind to its ``?``."""

    cql: str
    #: Names of the schema: text of letters, digits and underscores.
    params: tuple[str, ...] = ()

    def as_text(self) -> str:
        """Return it with its values as literals, to be sent without being prepared."""
        if not self.params:
            return self.cql
        parts = self.cql.split("?")
        values = [*map(quote_literal, self.params), ""]
        return "".join(part + value for part, value in zip(parts, values, strict=True))


@dataclass(frozen=True, slots=True)
class Read:
    """Reads that don't depend on one another: send them together if you can.

    The answer is a list with the rows of each, in the same order, every row a mapping.
    """

    queries: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class ReadNodes:
    """A read of what each node holds for itself.

    The answer is a list with the rows of each node that is up; a driver that can't choose nodes
    answers with those of one.
    """

    query: Query


@dataclass(frozen=True, slots=True)
class Execute:
    """A statement that changes the schema. The answer is None.

    An exception while it is executed is to be thrown into the planner.
    """

    cql: str


@dataclass(frozen=True, slots=True)
class AwaitAgreement:
    """Wait until the nodes agree on the schema, so that whichever is asked next knows of the change.

    Nothing to do after a change for a driver that asks one node for everything. The answer is None; or, where
    they don't agree in time, a sentence that says so.
    """

    #: Asked for once, at the end: what every node must be able to answer that is to be used. A node that
    #: doesn't know the table yet answers that the query is invalid.
    query: Query | None = None


Request: TypeAlias = Read | ReadNodes | Execute | AwaitAgreement | Sleep


class SyncResult(list[str]):
    """The CQL statements that were executed, or would be, in order.

    Args:
        statements: The statements.
        warnings: What the server has and the definition doesn't, and what else the caller should know;
            one sentence each.
    """

    def __init__(self, statements: list[str], warnings: tuple[str, ...] = ()) -> None:
        super().__init__(statements)
        #: What the server has and the definition doesn't, one sentence each; logged, too.
        self.warnings = warnings
