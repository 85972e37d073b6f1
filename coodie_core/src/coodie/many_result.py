"""The result of ``execute_many``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import TypeVar as TypeVarWithDefault

    #: A row.
    R = TypeVarWithDefault("R", default=dict[str, Any])
else:
    R = TypeVar("R")

__all__ = ["ManyResult"]


class ManyResult(Generic[R]):
    """The outcomes of many executions, by index (the position of the parameters, from 0).

    Outcomes without rows, such as those of writes, take no memory, unless they have warnings or a trace id.

    Args:
        no_rows: Returns the result of ``rows`` for such an outcome.
    """

    __slots__ = ("_no_rows", "_rows", "errors", "succeeded")

    def __init__(self, no_rows: Callable[[], list[R]] = list) -> None:
        #: The number of successful executions.
        self.succeeded = 0
        #: The exceptions of failed executions by index.
        self.errors: dict[int, Exception] = {}
        self._no_rows = no_rows
        self._rows: dict[int, list[R]] = {}

    @property
    def total(self) -> int:
        """The number of completed executions, successful or not."""
        return self.succeeded + len(self.errors)

    def rows(self, index: int) -> list[R]:
        """Return the rows of the execution at an index; an empty list for a write.

        Raises:
            Exception: The exception of the execution, if it failed.
        """
        if index in self.errors:
            raise self.errors[index]
        found = self._rows.get(index)
        return self._no_rows() if found is None else found

    def converted(self, convert: Callable[[list[Any]], list[Any]]) -> ManyResult[Any]:
        """Return the result with the rows of each execution converted."""
        result: ManyResult[Any] = self
        for index, found in result._rows.items():
            result._rows[index] = convert(found)
        return result

    def __repr__(self) -> str:
        return f"<ManyResult: {self.succeeded} succeeded, {len(self.errors)} failed>"
