"""The validation of a request's arguments that all backends share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coodie.consistency import parse_consistency
from coodie.exceptions import ConfigurationError, InvalidQueryError, ParameterError
from coodie.requests import check_options, check_timeout
from coodie.row_shapes import parse_rows

if TYPE_CHECKING:
    from coodie.requests import Request

__all__ = [
    "check_fetch_size",
    "check_request",
    "check_statement",
    "refuse_parameters",
    "refuse_use",
]


def check_request(request: Request) -> None:
    """Validate the arguments of a request, except its values, which are validated when they are bound.

    Raises:
        ConfigurationError: An argument is invalid; ``option`` is its name.
    """
    stmt, _, consistency, timeout, fetch_size, _, options, rows = request
    if options is not None:
        check_options(options)
    if stmt.__class__ is not str:
        check_statement(stmt)
    if fetch_size is not None:
        check_fetch_size(fetch_size)
    if consistency is not None:
        parse_consistency(consistency)
    if timeout is not None:
        check_timeout(timeout)
    if rows is not None:
        parse_rows(rows)


def check_statement(stmt: str) -> None:
    """Validate a statement.

    Raises:
        ConfigurationError: The statement isn't a str.
    """
    if not isinstance(stmt, str):
        message = f"The statement: expected CQL as a str, got {type(stmt).__name__}."
        raise ConfigurationError(message, option="stmt")


def refuse_use(stmt: str) -> InvalidQueryError:
    """Return the error for a USE statement."""
    message = "USE would change the keyspace of all users of this connection."
    hint = "Set init_coodie(keyspace=…), or qualify the table's name."
    return InvalidQueryError(message, hint=hint, statement=stmt)


def refuse_parameters(params: Any, stmt: str) -> None:
    """Raise if there are values for a statement that is sent unprepared.

    Raises:
        ParameterError: There are values.
    """
    if params:
        message = "Statements of this kind don't support parameters."
        raise ParameterError(message, statement=stmt)


def check_fetch_size(fetch_size: int) -> None:
    """Validate a page size.

    Raises:
        ConfigurationError: The page size isn't a positive integer.
    """
    if not isinstance(fetch_size, int) or isinstance(fetch_size, bool) or not 0 < fetch_size < 2**31:
        message = f"fetch_size={fetch_size!r} isn't a positive integer."
        raise ConfigurationError(
            message, hint="Give the number of rows per page, such as 1000.", option="fetch_size"
        )
