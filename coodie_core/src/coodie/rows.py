"""What requests return: plain dicts with what the server said beside them, and the outcomes of many."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from uuid import UUID

__all__ = ["ManyResult", "Rows", "first_item", "new_rows"]


class Rows(list[dict[str, Any]]):
    """The rows of one result: a list of dicts, column name → value, yours to change.

    Args:
        rows: The rows.
        paging_state: Where the next page starts, or None on the last page.
        warnings: The server's warnings, as text.
        trace_id: The trace session's id, where the request was traced.
    """

    #: Opaque bytes to hand to ``execute(…, paging_state=…)`` for the next page, or None.
    paging_state: bytes | None = None
    #: The server's warnings; empty when it had none.
    warnings: tuple[str, ...] = ()
    #: The id in ``system_traces.sessions``, or None where tracing was off.
    trace_id: UUID | None = None

    def __init__(
        self,
        rows: Iterable[dict[str, Any]] = (),
        *,
        paging_state: bytes | None = None,
        warnings: Iterable[str] = (),
        trace_id: UUID | None = None,
    ) -> None:
        super().__init__(rows)
        self.paging_state = paging_state
        self.warnings = tuple(warnings)
        self.trace_id = trace_id

    @property
    def has_more_pages(self) -> bool:
        """Whether the server has more rows than these."""
        return self.paging_state is not None

    @property
    def applied(self) -> bool | None:
        """Whether a lightweight transaction took effect; None for any other statement.

        It's the column ``[applied]`` that the server adds to the first row (CQL reference,
        "INSERT … IF NOT EXISTS").
        """
        if not self:
            return None
        applied: bool | None = self[0].get("[applied]")
        return applied


class ManyResult:
    """What came of many executions, by index (the position of its parameters, from 0).

    Outcomes without rows, such as a write's, take no memory.
    """

    __slots__ = ("_rows", "errors", "succeeded")

    def __init__(self) -> None:
        #: How many executions succeeded.
        self.succeeded = 0
        #: Index → the exception of each execution that failed.
        self.errors: dict[int, Exception] = {}
        self._rows: dict[int, list[dict[str, Any]]] = {}

    @property
    def total(self) -> int:
        """How many executions ended, one way or the other."""
        return self.succeeded + len(self.errors)

    def rows(self, index: int) -> list[dict[str, Any]]:
        """Return what the execution at this index returned; an empty list for a write.

        Raises:
            Exception: The execution's own, where it failed.
        """
        if index in self.errors:
            raise self.errors[index]
        return self._rows.get(index, Rows())

    def __repr__(self) -> str:
        return f"<ManyResult: {self.succeeded} succeeded, {len(self.errors)} failed>"


#: Makes rows without any, in a third of the time that a call of the class takes: nothing is set that the
#: class says already.
new_rows: Callable[[], Rows] = partial(Rows.__new__, Rows)


def first_item(rows: Sequence[dict[str, Any]]) -> Any:
    """Return the first column of the first row; None where there is none."""
    return next(iter(rows[0].values()), None) if rows else None
