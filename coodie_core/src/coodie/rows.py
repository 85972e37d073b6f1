"""The results of requests: rows, with the paging state, warnings and columns."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from coodie.exceptions import InvalidQueryError, RowCountError
from coodie.many_result import ManyResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from uuid import UUID

    from typing_extensions import TypeVar as TypeVarWithDefault

    #: A row.
    R = TypeVarWithDefault("R", default=dict[str, Any])
else:
    R = TypeVar("R")

__all__ = [
    "Column",
    "ManyResult",
    "Rows",
    "as_rows",
    "can_page",
    "check_column_names",
    "first_item",
    "has_details",
    "new_rows",
]


class Column(NamedTuple):
    """A column of a result.

    Attributes:
        name: The column's name or alias.
        type: The CQL type, such as ``list<int>``.
    """

    name: str
    type: str


class Rows(list[R]):
    """The rows of one result: a list of dicts, column name → value, or of the shape that ``rows=`` requests.

    Args:
        rows: The rows.
        paging_state: The paging state of the next page; None on the last page.
        warnings: The server's warnings, as text.
        trace_id: The id of the trace, if the request was traced.
    """

    # The columns are set for every read: as a slot they cost no dict.
    __slots__ = ("__dict__", "__weakref__", "_columns")

    if TYPE_CHECKING:
        #: The result's columns in order, even without rows. None for a statement without a result, such
        #: as an INSERT, and from a backend that doesn't know them.
        columns: tuple[Column, ...] | None
    #: Opaque bytes for ``execute(…, paging_state=…)``, which returns the next page; None on the last page.
    paging_state: bytes | None = None
    #: The server's warnings.
    warnings: tuple[str, ...] = ()
    #: The id in ``system_traces.sessions``; None without tracing.
    trace_id: UUID | None = None
    #: Whether a driver returned a plain list, so it is unknown whether there are more rows.
    _is_plain_list = False

    def __init__(
        self,
        rows: Iterable[R] = (),
        *,
        paging_state: bytes | None = None,
        warnings: Iterable[str] = (),
        trace_id: UUID | None = None,
    ) -> None:
        super().__init__(rows)
        self.paging_state = paging_state
        self.warnings = tuple(warnings)
        self.trace_id = trace_id

    def first(self) -> R | None:
        """Return the first row; None if there are no rows."""
        return self[0] if self else None

    def one(self) -> R:
        """Return the only row.

        Raises:
            RowCountError: There are no rows, or several.
        """
        if len(self) == 1 and not self.has_more_pages:
            return self[0]
        raise self._not_one("exactly one row")

    def one_or_none(self) -> R | None:
        """Return the only row; None if there are no rows.

        Raises:
            RowCountError: There are several rows.
        """
        if len(self) <= 1 and not self.has_more_pages:
            return self.first()
        raise self._not_one("at most one row")

    def _not_one(self, expected: str) -> RowCountError:
        count = len(self)
        found = (
            f"{count} {'row' if count == 1 else 'rows'}{', and more pages' if self.has_more_pages else ''}"
        )
        hint = "Use first() if any row is fine." if count else None
        return RowCountError(f"The result has {found}; expected {expected}.", hint=hint, count=count)

    def scalar(self) -> Any:
        """Return the first column of the first row; None if there are no rows."""
        return first_item(cast("Any", self))

    def scalars(self) -> list[Any]:
        """Return the first column of each row."""
        return [next(iter(row.values()), None) for row in cast("Any", self)]

    @property
    def cursor(self) -> str | None:
        """The paging state as URL-safe text, for ``paging_state=``; None on the last page."""
        if self.paging_state is None:
            return None
        from coodie.paging import paging_state_as_text  # keeps it out of the import of coodie.drivers

        return paging_state_as_text(self.paging_state)

    @property
    def has_more_pages(self) -> bool:
        """Whether the server has more pages."""
        return self.paging_state is not None

    @property
    def applied(self) -> bool | None:
        """Whether a lightweight transaction was applied; None for any other statement.

        This is the column ``[applied]`` of the first row (CQL reference,
        "INSERT … IF NOT EXISTS").
        """
        if not self:
            return None
        row: Any = self[0]
        applied: bool | None = row.get("[applied]")
        return applied


def _columns(rows: Any) -> tuple[Column, ...] | None:
    """Return the result's columns; None if they aren't known."""
    return getattr(rows, "_columns", None)


# Not __getattr__ for the default of None: it would slow down the access to all attributes, such as append.
# The setter is the slot's own, which is in C.
Rows.columns = property(_columns, vars(Rows)["_columns"].__set__)  # type: ignore[assignment]  # see the class


def as_rows(rows: Any) -> Rows:
    """Convert a driver's result to ``Rows`` if it is a plain list."""
    if rows.__class__ is not list:
        known: Rows = rows
        return known
    known = Rows(rows)
    known._is_plain_list = True  # noqa: SLF001 - of this module
    return known


def can_page(rows: Any) -> bool:
    """Return whether rows have paging information; those of a plain list don't."""
    return getattr(rows, "_is_plain_list", True) is False


def has_details(rows: Any) -> bool:
    """Return whether a result has warnings or a trace id."""
    return isinstance(rows, Rows) and (bool(rows.warnings) or rows.trace_id is not None)


#: Makes rows without any, in a third of the time that a call of the class takes: nothing is set that the
#: class says already.
new_rows: Callable[[], Rows] = partial(Rows.__new__, Rows)


def first_item(rows: Sequence[dict[str, Any]]) -> Any:
    """Return the first column of the first row; None if there are no rows."""
    return next(iter(rows[0].values()), None) if rows else None


def check_column_names(names: Sequence[str]) -> None:
    """Raise for columns of the same name, since a dict can only contain one of them.

    Raises:
        InvalidQueryError: Columns have the same name.
    """
    if len(set(names)) == len(names):
        return
    twice = next(name for name in names if names.count(name) > 1)
    message = f"The result has {names.count(twice)} columns named {twice!r}, but a dict can only have one."
    raise InvalidQueryError(message, hint="Rename them: SELECT column AS name.")
