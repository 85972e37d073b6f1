"""Decode the pages of results, and combine them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from coodie.cql import Kind, inspect_statement
from coodie.exceptions import CoodieError, RequestError, ServerError
from coodie.row_shapes import parse_rows
from coodie.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from coodie.contract.driver import AbstractDriver
    from coodie.drivers.client.client import ClientRequest, First, Page
    from coodie.effects import Steps

__all__ = ["add_details", "already_sent", "completed", "extend", "read_page", "standing_still", "with_shape"]

T = TypeVar("T")


def standing_still(request: ClientRequest) -> ServerError:
    """Return the error of a page whose paging state is the same as the request's."""
    message = "The server returned the same paging state again, so the next page would be the same."
    hint = "This is a bug of the server; a smaller fetch_size= may help."
    return ServerError(message, hint=hint, statement=request.asked.stmt, may_have_been_applied=False)


def read_page(read: Callable[[], T], request: ClientRequest) -> T:
    """Decode a page; an error has the statement, and whether it may have been applied."""
    try:
        return read()
    except RequestError as exc:
        exc.statement = request.asked.stmt
        exc.may_have_been_applied = request.shape.kind is not Kind.READ
        raise


def _decoded(page: Page, request: ClientRequest) -> list[Any]:
    """Return a page's rows in the requested shape."""
    return read_page(partial(page.decoded, request.rows), request)


def completed(page: Page, request: ClientRequest) -> Rows[Any]:
    """Return the rows of a single page."""
    found = page.rows
    if request.rows is not None or not isinstance(found, list):
        found = _decoded(page, request)
    is_columnar = request.rows is not None and request.rows.is_columnar and not isinstance(found, list)
    is_known = isinstance(found, Rows) or is_columnar
    rows: Rows[Any] = found if is_known else Rows(found)  # type: ignore[assignment]  # ArrowRows is used alike
    if page.warnings or page.trace_id is not None:
        add_details(rows, page)
    return rows


def extend(rows: Rows[Any], page: Page, request: ClientRequest) -> None:
    """Add the rows of a page; the columns are those of the first page that has them."""
    more = _decoded(page, request)
    rows.extend(more)
    if rows.columns is None and isinstance(more, Rows):
        rows.columns = more.columns


def add_details(rows: Rows[Any], page: Page) -> None:
    """Add a page's warnings, without duplicates, and its trace id."""
    if page.warnings:
        rows.warnings = tuple(dict.fromkeys((*rows.warnings, *page.warnings)))
    if page.trace_id is not None and rows.trace_id is None:
        rows.trace_id = page.trace_id


def with_shape(request: ClientRequest, driver: AbstractDriver) -> ClientRequest:
    """Return the request with the shape of its rows: its argument's, its options', or the driver's."""
    rows, options = request.asked.rows, request.asked.options
    if rows is None:
        rows = driver._default_rows if options is None or options.rows is None else options.rows  # noqa: SLF001 - core's
    return request if rows is None else request._replace(rows=parse_rows(rows))


def already_sent(stmt: str, first: First, steps: Callable[[First], Steps[T]]) -> Steps[T]:
    """Drive a request that has been sent already; an error before its response is read may be applied.

    Args:
        stmt: The CQL text.
        first: Returns the first page of the response.
        steps: Returns the steps, given a function for the first page.
    """
    is_reached = False

    def reach(request: ClientRequest) -> Steps[Page]:
        nonlocal is_reached
        is_reached = True
        return first(request)

    try:
        return (yield from steps(reach))
    except CoodieError as exc:
        if not is_reached:
            exc.may_have_been_applied = inspect_statement(stmt).kind is not Kind.READ
        raise
