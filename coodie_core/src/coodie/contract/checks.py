"""What every backend refuses of a request's arguments, in the same words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coodie.consistency import parse_consistency
from coodie.exceptions import ConfigurationError, InvalidQueryError, ParameterError
from coodie.requests import check_options, check_timeout

if TYPE_CHECKING:
    from coodie.requests import Request

__all__ = ["check_fetch_size", "check_request", "check_statement", "refuse_parameters", "refuse_use"]


def check_request(request: Request) -> None:
    """Refuse a request of which an argument can't be used; its values are checked where they are bound.

    Raises:
        ConfigurationError: An argument is of the wrong kind; the error's ``option`` names it.
    """
    stmt, _, consistency, timeout, fetch_size, _, options = request
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


def check_statement(stmt: str) -> None:
    """Refuse a statement that isn't text.

    Raises:
        ConfigurationError: It isn't a str.
    """
    if not isinstance(stmt, str):
        message = f"The statement is of type {type(stmt).__name__}."
        raise ConfigurationError(message, hint="Give CQL as a str.", option="stmt")


def refuse_use(stmt: str) -> InvalidQueryError:
    """Return the error for a USE statement."""
    message = "USE would change the keyspace for everybody who shares this connection."
    hint = "Give init_coodie(keyspace=…), or write the keyspace before the table's name."
    return InvalidQueryError(message, hint=hint, statement=stmt)


def refuse_parameters(params: Any, stmt: str) -> None:
    """Refuse values for a statement that is sent unprepared.

    Raises:
        ParameterError: There are some.
    """
    if params:
        message = "A statement of this kind takes no parameters, and some were given."
        raise ParameterError(message, statement=stmt)


def check_fetch_size(fetch_size: int) -> None:
    """Refuse a page size that isn't a positive whole number.

    Raises:
        ConfigurationError: It isn't one.
    """
    if not isinstance(fetch_size, int) or isinstance(fetch_size, bool) or not 0 < fetch_size < 2**31:
        message = f"fetch_size={fetch_size!r} is not a positive whole number."
        raise ConfigurationError(message, hint="Give the rows to a page, such as 1000.", option="fetch_size")
