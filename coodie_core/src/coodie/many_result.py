"""The outcomes of many executions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ManyResult"]


class ManyResult:
    """What came of many executions, by index (the position of its parameters, from 0).

    Outcomes without rows, such as a write's, take no memory.

    Args:
        no_rows: Makes what ``rows`` returns for such an outcome.
    """

    __slots__ = ("_no_rows", "_rows", "errors", "succeeded")

    def __init__(self, no_rows: Callable[[], list[dict[str, Any]]] = list) -> None:
        #: How many executions succeeded.
        self.succeeded = 0
        #: Index → the exception of each execution that failed.
        self.errors: dict[int, Exception] = {}
        self._no_rows = no_rows
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
        return self._rows.get(index) or self._no_rows()

    def __repr__(self) -> str:
        return f"<ManyResult: {self.succeeded} succeeded, {len(self.errors)} failed>"
