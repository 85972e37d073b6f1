"""Defects in what comes back."""

from __future__ import annotations

import datetime as dt
from collections import OrderedDict
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.kit.defects.planting import Faulty, Request, caught_by

from coodie.exceptions import InvalidQueryError, PagingStateError
from coodie.rows import Rows

if TYPE_CHECKING:
    from tests.kit.defects.planting import Steps

_HOUR = dt.timedelta(hours=1)


def like(rows: Any, changed: list[Any]) -> Rows:
    """Return other rows with the same things beside them."""
    return Rows(changed, paging_state=rows.paging_state, warnings=rows.warnings, trace_id=rows.trace_id)


class _Mapped(Faulty):
    """Change each row."""

    def on_execute(self, request: Request) -> Steps:
        rows = yield self.send(request)
        return like(rows, [self.changed(row) for row in rows])

    def changed(self, row: dict[str, Any]) -> Any:
        """Return the row that is returned instead."""
        return {name: self.value(value) for name, value in row.items()}

    def value(self, value: Any) -> Any:
        """Return the value that is returned instead."""
        return value


@caught_by("test_all_rows_come_back", "test_all_rows_come_back_to_parameters")
class FirstPageOnly(Faulty):
    """Only the first page of a result is returned."""

    def on_execute(self, request: Request) -> Steps:
        return (yield self.send(replace(request, fetch_size=request.fetch_size or 5000)))


@caught_by("test_rows_are_the_callers_own", "test_values_of_rows_are_the_callers_own")
class RowsShared(Faulty):
    """Who asks the same gets the same rows, which others may have changed."""

    def begin(self, options: dict[str, Any]) -> None:
        self.answers: dict[Any, Any] = {}

    def on_execute(self, request: Request) -> Steps:
        key = repr(request)
        if key not in self.answers or not request.stmt.startswith("SELECT"):
            self.answers[key] = yield self.send(request)
        return self.answers[key]


@caught_by("test_results_are_let_go")
class ResultsKept(Faulty):
    """All results are remembered."""

    def begin(self, options: dict[str, Any]) -> None:
        self.kept: list[Any] = []

    def on_execute(self, request: Request) -> Steps:
        rows = yield self.send(request)
        self.kept.extend(rows)
        return rows


@caught_by("test_a_null_is_none", "test_every_type_takes_null")
class NullsLeftOut(_Mapped):
    """A column without a value is left out of its row."""

    def changed(self, row: dict[str, Any]) -> Any:
        return {name: value for name, value in row.items() if value is not None}


@caught_by("test_names_of_columns_are_the_servers", "test_names_in_quotes")
class NamesLowered(_Mapped):
    """Names of columns are returned in lower case."""

    def changed(self, row: dict[str, Any]) -> Any:
        return {name.lower(): value for name, value in row.items()}


@caught_by("test_rows_are_plain_dicts")
class OrderedRows(_Mapped):
    """Rows are dicts of another kind."""

    def changed(self, row: dict[str, Any]) -> Any:
        return OrderedDict(row)


@caught_by("test_rows_are_plain_dicts")
class ColumnsSorted(_Mapped):
    """Columns are in the order of their names."""

    def changed(self, row: dict[str, Any]) -> Any:
        return dict(sorted(row.items()))


@caught_by("test_no_match_is_an_empty_list", "test_writes_return_no_rows")
class NoneForNothing(Faulty):
    """A result without rows is None."""

    def on_execute(self, request: Request) -> Steps:
        return (yield self.send(request)) or None


@caught_by("test_rows_say_that_they_are_all", "test_applied_is_on_the_result")
class PlainLists(Faulty):
    """A plain list is returned, though the driver says that it can page."""

    def on_execute(self, request: Request) -> Steps:
        return list((yield self.send(request)))


@caught_by("test_warnings_reach_the_caller")
class WarningsLost(Faulty):
    """The server's warnings are dropped."""

    def on_execute(self, request: Request) -> Steps:
        rows = yield self.send(request)
        rows.warnings = ()
        return rows


@caught_by("test_tracing")
class OptionsIgnored(Faulty):
    """What a request asks for beside its statement is dropped."""

    def on_execute(self, request: Request) -> Steps:
        return (yield self.send(replace(request, options=None)))


@caught_by("test_insert_if_not_exists", "test_one_statement_with_both_outcomes", "test_one_of_many_wins")
class AppliedLeftOut(_Mapped):
    """A lightweight transaction doesn't say whether it applied."""

    def changed(self, row: dict[str, Any]) -> Any:
        return {name: value for name, value in row.items() if name != "[applied]"}


@caught_by("test_insert_if_not_exists", "test_update_if", "test_delete_if_exists")
class AlwaysApplied(_Mapped):
    """It says that it applied, whatever happened."""

    def changed(self, row: dict[str, Any]) -> Any:
        return {name: True if name == "[applied]" else value for name, value in row.items()}


@caught_by("test_execute_one_is_the_first_value")
class OneOfTheLast(Faulty):
    """execute_one returns the last column."""

    def on_execute_one(self, *args: Any, **kwargs: Any) -> Steps:
        rows = yield self.right("execute", *args, **kwargs)
        return list(rows[0].values())[-1] if rows else None


@caught_by("test_execute_one_is_none_without_a_row")
class OneRaises(Faulty):
    """execute_one fails where there is no row."""

    def on_execute_one(self, *args: Any, **kwargs: Any) -> Steps:
        return next(iter((yield self.right("execute", *args, **kwargs))[0].values()))


@caught_by("test_two_columns_of_the_same_name")
class NamesTwice(Faulty):
    """Where two columns have the same name, there is one of them."""

    def on_execute(self, request: Request) -> Steps:
        try:
            return (yield self.send(request))
        except InvalidQueryError:
            return Rows([{"name": "the last"}])


# --- types ------------------------------------------------------------------------------


@caught_by("test_type_timestamp")
class HoursOff(_Mapped):
    """Timestamps are an hour off on both ways, so that what is written is read."""

    def on_execute(self, request: Request) -> Steps:
        if isinstance(request.params, list):
            moved = [value - _HOUR if type(value) is dt.datetime else value for value in request.params]
            request = replace(request, params=moved)
        return (yield from super().on_execute(request))

    def value(self, value: Any) -> Any:
        return value + _HOUR if type(value) is dt.datetime and value.year < 9999 else value


@caught_by("test_type_set", "test_type_numbers")
class SetsAsLists(_Mapped):
    """Sets are returned as lists."""

    def value(self, value: Any) -> Any:
        return sorted(value, key=repr) if isinstance(value, set) else value


@caught_by("test_type_decimal")
class DecimalsAsFloats(_Mapped):
    """Decimals are returned as floats."""

    def value(self, value: Any) -> Any:
        return float(value) if isinstance(value, Decimal) else value


@caught_by("test_type_text", "test_a_null_is_none")
class EmptyAsNull(_Mapped):
    """An empty text is returned as None."""

    def value(self, value: Any) -> Any:
        return None if value == "" else value


@caught_by("test_type_bigint")
class NarrowNumbers(_Mapped):
    """Whole numbers are cut to 32 bits."""

    def value(self, value: Any) -> Any:
        return (value + 2**31) % 2**32 - 2**31 if type(value) is int else value


@caught_by(
    "test_type_uuid",
    *(f"test_type_{name}" for name in ("boolean", "tinyint", "smallint", "int", "varint", "float", "double")),
    *(f"test_type_{name}" for name in ("timeuuid", "date", "far_date", "time", "nano_time", "duration")),
    *(
        f"test_type_{name}"
        for name in ("list", "map", "frozen", "tuple", "nested", "floats", "ints", "texts")
    ),
    "test_type_far_timestamp",
)
class ValuesAsText(_Mapped):
    """Every value is returned as text."""

    def value(self, value: Any) -> Any:
        return None if value is None else str(value)


@caught_by("test_type_blob")
class BlobsAsText(_Mapped):
    """Blobs are returned as text where they can be."""

    def value(self, value: Any) -> Any:
        return value.decode("latin-1") if isinstance(value, bytes) else value


@caught_by("test_user_defined_types")
class TypesAsTuples(_Mapped):
    """User-defined types are returned as tuples of their fields."""

    def value(self, value: Any) -> Any:
        return tuple(value.values()) if isinstance(value, dict) and "label" in value else value


# --- pages ------------------------------------------------------------------------------


@caught_by("test_pages_add_up", "test_many_pagers_at_once")
class StateRepeated(Faulty):
    """The state of a page is the one that it was asked for with."""

    def on_execute(self, request: Request) -> Steps:
        rows = yield self.send(request)
        if request.fetch_size is not None and request.paging_state and rows.paging_state:
            rows.paging_state = request.paging_state
        return rows


@caught_by("test_a_page_is_as_large_as_asked_for")
class SizeIgnored(Faulty):
    """Pages have a size of the driver's own."""

    def on_execute(self, request: Request) -> Steps:
        if request.fetch_size is not None:
            request = replace(request, fetch_size=50)
        return (yield self.send(request))


@caught_by("test_the_last_page_says_so", "test_pages_add_up")
class AlwaysMore(Faulty):
    """A page that is the last has a state, too."""

    def on_execute(self, request: Request) -> Steps:
        rows = yield self.send(request)
        if request.fetch_size is not None and rows.paging_state is None:
            rows.paging_state = b"more"
        return rows


@caught_by("test_the_rest_from_a_state")
class RestIsOnePage(Faulty):
    """With a state and no fetch_size one page is returned."""

    def on_execute(self, request: Request) -> Steps:
        if request.paging_state is not None and request.fetch_size is None:
            request = replace(request, fetch_size=10)
        return (yield self.send(request))


@caught_by("test_broken_states_are_refused")
class BrokenStateForgiven(Faulty):
    """A broken paging state begins anew."""

    def on_execute(self, request: Request) -> Steps:
        try:
            return (yield self.send(request))
        except ValueError:
            if request.paging_state is None:
                raise
        return (yield self.send(replace(request, paging_state=None)))


@caught_by("test_a_state_travels")
class StateStaysHere(Faulty):
    """A paging state is a number that only this driver understands."""

    def begin(self, options: dict[str, Any]) -> None:
        self.states: list[bytes] = []

    def on_execute(self, request: Request) -> Steps:
        if request.paging_state is not None:
            request = replace(request, paging_state=self.states[int(request.paging_state)])
        rows = yield self.send(request)
        if rows.paging_state is not None:
            self.states.append(rows.paging_state)
            rows.paging_state = b"%d" % (len(self.states) - 1)
        return rows


@caught_by("test_the_last_state_is_the_callers")
class LastStateShared(Faulty):
    """The last paging state is the driver's, not the caller's."""

    last: Any = None

    @property
    def _last_paging_state(self) -> bytes | None:
        state: bytes | None = self.last
        return state

    def on_execute(self, request: Request) -> Steps:
        rows = yield self.send(request)
        self.last = rows.paging_state
        return rows


# --- pages --------------------------------------------------------------------------------


@caught_by("test_the_rest_from_a_state")
class RestIsUsualPage(Faulty):
    """With a paging state, no more rows are returned than in a usual page."""

    def on_execute(self, request: Request) -> Steps:
        if request.paging_state is not None:
            request = replace(request, fetch_size=request.fetch_size or 5000)
        return (yield self.send(request))


@caught_by("test_each_page_has_its_size")
class FirstSizeStays(Faulty):
    """All pages of a statement have the fetch_size of its first one."""

    def begin(self, options: dict[str, Any]) -> None:
        self.sizes: dict[str, Any] = {}

    def on_execute(self, request: Request) -> Steps:
        if request.fetch_size is not None and isinstance(request.stmt, str):
            if request.paging_state is None:
                self.sizes[request.stmt] = request.fetch_size
            request = replace(request, fetch_size=self.sizes.get(request.stmt, request.fetch_size))
        return (yield self.send(request))


class _PageByPage(Faulty):
    """Request the pages of a whole result one by one."""

    def on_execute(self, request: Request) -> Steps:
        if request.fetch_size is not None or not str(request.stmt).startswith("SELECT"):
            return (yield self.send(request))
        rows = page = yield self.send(replace(request, fetch_size=5000))
        while page.paging_state is not None:
            page = yield self.send(self.following(request, page))
            rows.extend(page)
            self.add(rows, page)
        rows.paging_state = None
        return rows

    def following(self, request: Request, page: Rows) -> Request:
        """Return the request for the page after another one."""
        return replace(request, fetch_size=5000, paging_state=page.paging_state)

    def add(self, rows: Rows, page: Rows) -> None:
        """Add what a page has beside its rows."""
        rows.warnings += page.warnings


@caught_by("test_warnings_reach_the_caller")
class WarningsOfFirstPage(_PageByPage):
    """Only the first page's warnings are returned."""

    def add(self, rows: Rows, page: Rows) -> None:
        del rows, page


@caught_by("test_each_page_has_its_timeout")
class TimeoutOfFirstPage(_PageByPage):
    """The timeout applies to the first page alone."""

    def following(self, request: Request, page: Rows) -> Request:
        return super().following(replace(request, timeout=None), page)


@caught_by("test_two_columns_of_the_same_name")
class SameNamesUnnoticed(Faulty):
    """Two columns of one name are no error if there are no rows."""

    def on_execute(self, request: Request) -> Steps:
        try:
            return (yield self.send(request))
        except InvalidQueryError as exc:
            if "columns named" not in str(exc):
                raise
            first = yield self.right("execute_one", request.stmt, request.params)
            if first is not None:
                raise
            return Rows()


# --- shapes -------------------------------------------------------------------------------


@caught_by("test_shapes_of_rows", "test_shapes_of_many_pages")
class ShapesIgnored(Faulty):
    """Rows are dicts, whatever shape is asked for."""

    def on_execute(self, request: Request) -> Steps:
        options = request.options and replace(request.options, rows=None)
        return (yield self.send(replace(request, rows=None, options=options)))


@caught_by("test_shapes_of_many_pages")
class ShapeOfFirstPage(_PageByPage):
    """The rows of later pages are dicts."""

    def following(self, request: Request, page: Rows) -> Request:
        return super().following(replace(request, rows=None), page)


@caught_by("test_columns_of_one_name_in_tuples")
class TuplesOfDicts(Faulty):
    """Tuples are made of dicts, which can't have two columns of one name."""

    def on_execute(self, request: Request) -> Steps:
        if request.rows is not tuple:
            return (yield self.send(request))
        rows = yield self.send(replace(request, rows=dict))
        return Rows([tuple(row.values()) for row in rows], paging_state=rows.paging_state)


@caught_by("test_columns_of_results")
class ColumnsOfRowsOnly(Faulty):
    """A result without rows has no columns."""

    def on_execute(self, request: Request) -> Steps:
        rows = yield self.send(request)
        if not rows and rows is not None:
            rows.columns = None
        return rows


@caught_by("test_cursors")
class CursorRefused(Faulty):
    """Only the bytes of a paging state are accepted."""

    def on_execute(self, request: Request) -> Steps:
        if isinstance(request.paging_state, str):
            raise PagingStateError("bytes are expected")
        return (yield self.send(request))
