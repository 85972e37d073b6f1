"""What a request returns: a list of plain dicts that also carries what the server said beside them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from uuid import UUID

__all__ = ["Rows", "first_item", "new_rows"]


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


#: Makes rows without any, in a third of the time that a call of the class takes: nothing is set that the
#: class says already.
new_rows: Callable[[], Rows] = partial(Rows.__new__, Rows)


def first_item(rows: Sequence[dict[str, Any]]) -> Any:
    """Return the first column of the first row; None where there is none."""
    return next(iter(rows[0].values()), None) if rows else None
